//! The connection to a ledger's file, which anybody may have made: what SQLite may do with it, and in how much.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::schema::Difference;
use super::{APPLICATION, FORMAT, LedgerError, schema};
use crate::ids::Seq;

/// The largest event in bytes. The largest that is written tells of one row four times, so this is a row of 60 MB.
pub(super) const EVENT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The longest text of a schema in bytes; ours has 1,200.
const SCHEMA_BYTES_MAX: i32 = 16 * 1024;
/// How often a thousand of SQLite's steps may be made while a schema is read, which takes some hundred.
const SCHEMA_LOOKS_MAX: u32 = 20;
/// SQLite's steps between two looks.
const STEPS_A_LOOK: i32 = 1_000;
/// As many looks as it takes.
const UNBOUNDED: u32 = u32::MAX;
/// How long another process's lock is waited for: a reader's or a checkpoint's, of milliseconds.
const WAIT: Duration = Duration::from_secs(10);

/// What our own statements and our own schemas need, with room.
const LIMITS: [(Limit, i32); 13] = [
    (Limit::SQLITE_LIMIT_SQL_LENGTH, SCHEMA_BYTES_MAX),
    (Limit::SQLITE_LIMIT_COLUMN, 32),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 50),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 4),
    (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 8),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 16),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 4),
    (Limit::SQLITE_LIMIT_TRIGGER_STEPS, 4),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    (Limit::SQLITE_LIMIT_SCHEMA, schema::OBJECTS_MAX as i32),
];

/// A file that SQLite has open, and whose schema is looked at before anything else of it.
#[derive(Debug)]
pub(super) struct Guarded {
    path: PathBuf,
    /// As SQLite was given it, and how it was opened.
    name: PathBuf,
    flags: OpenFlags,
    pub(super) connection: Connection,
    /// SQLite's number of the schema that was found to be a ledger's.
    known: Cell<Option<i64>>,
    looks_left: Arc<AtomicU32>,
}

impl Guarded {
    /// Opens the ledger at `path` under the name that SQLite is given. Nothing is read yet.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(path: &Path, name: &Path, flags: OpenFlags) -> Result<Self, LedgerError> {
        let looks_left = Arc::new(AtomicU32::new(UNBOUNDED));
        let open = || -> rusqlite::Result<Connection> {
            let mut connection = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.busy_timeout(WAIT)?;
            for (limit, most) in LIMITS {
                connection.set_limit(limit, most)?;
            }
            // No function or table with effects from a schema, no writing past SQLite's own rules, and no views: we
            // use none. Our triggers stay: they refuse.
            for (setting, on) in [
                (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
                (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
                (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
            ] {
                connection.set_db_config(setting, on)?;
            }
            // Whatever a page says is checked before it is believed, and a file that others cut short meanwhile is an
            // error, not a signal that ends the process.
            connection.pragma_update(None, "cell_size_check", true)?;
            connection.query_row("PRAGMA mmap_size = 0", [], |_| Ok(()))?;
            let left = Arc::clone(&looks_left);
            let look = move || match left.load(Ordering::Relaxed) {
                UNBOUNDED => false,
                0 => true,
                looks => {
                    left.store(looks - 1, Ordering::Relaxed);
                    false
                }
            };
            connection.progress_handler(STEPS_A_LOOK, Some(look))?;
            Ok(connection)
        };
        let connection = open().map_err(|error| LedgerError::from_sqlite(path, Seq(1), error))?;
        Ok(Self {
            path: path.to_owned(),
            name: name.to_owned(),
            flags,
            connection,
            known: Cell::new(None),
            looks_left,
        })
    }

    /// One view of the file to read from, until it is dropped. Inside another one, it is that one.
    ///
    /// # Errors
    /// When the file is no ledger, a newer one, or has another schema than a ledger.
    pub(super) fn reading(&self) -> Result<Snapshot<'_>, LedgerError> {
        if !self.connection.is_autocommit() {
            return Ok(Snapshot(None));
        }
        self.snapshot("BEGIN")
    }

    /// The same to write to, and with nobody else writing.
    ///
    /// # Errors
    /// As [`Guarded::reading`].
    pub(super) fn writing(&self) -> Result<Snapshot<'_>, LedgerError> {
        self.snapshot("BEGIN IMMEDIATE")
    }

    fn snapshot(&self, begin: &str) -> Result<Snapshot<'_>, LedgerError> {
        let failed = |error| LedgerError::from_sqlite(&self.path, Seq(1), error);
        self.connection.prepare_cached(begin).and_then(|mut begin| begin.execute([])).map_err(failed)?;
        let snapshot = Snapshot(Some(&self.connection));
        // Somebody may have changed the schema since. SQLite itself looks at no more than this number, too.
        let version = self.number("schema_version")?;
        if self.known.get() != Some(version) {
            self.known.set(None);
            self.is_a_ledger()?;
            self.known.set(Some(version));
        }
        Ok(snapshot)
    }

    /// The header of the file, then its schema. SQLite reads the header without the schema.
    fn is_a_ledger(&self) -> Result<(), LedgerError> {
        let path = || self.path.clone();
        if self.number("application_id")? != i64::from(APPLICATION) {
            return Err(LedgerError::NotALedger { path: path() });
        }
        let differs = |differs| LedgerError::other_schema(&self.path, differs);
        let other = |what| differs(Difference::lasting(what));
        match self.number("user_version")? {
            format if format > i64::from(FORMAT) => {
                return Err(LedgerError::Newer { path: path(), found: format as u32 });
            }
            format if format < i64::from(FORMAT) => {
                return Err(other(format!("its format is {format}, which no ledger has had")));
            }
            _ => {}
        }
        let different = self.bounded(|| {
            let different = schema::difference(&self.connection)?;
            let encoding = || {
                let encoding =
                    self.connection.pragma_query_value(None, "encoding", |row| row.get::<_, String>(0))?;
                let other = || format!("its texts are in {}", schema::shown(&encoding));
                Ok((encoding != "UTF-8").then(|| Difference::lasting(other())))
            };
            different.map_or_else(encoding, |different| Ok(Some(different)))
        });
        match different.map_err(|error| LedgerError::from_sqlite(&self.path, Seq(1), error)) {
            Ok(None) => Ok(()),
            Ok(Some(different)) => Err(differs(different)),
            Err(LedgerError::Damaged { what, .. }) => {
                Err(other(format!("it cannot be read: {}", schema::shown(&what))))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads what is small in every ledger, however large it is in this file.
    ///
    /// # Errors
    /// Those of `read`, and when it takes too much.
    pub(super) fn bounded<T>(&self, read: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let length = |most| self.connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, most);
        length(SCHEMA_BYTES_MAX)?;
        self.looks_left.store(SCHEMA_LOOKS_MAX, Ordering::Relaxed);
        let result = read();
        self.looks_left.store(UNBOUNDED, Ordering::Relaxed);
        length(EVENT_BYTES_MAX as i32)?;
        result
    }

    fn number(&self, name: &str) -> Result<i64, LedgerError> {
        let read = self.connection.prepare_cached(&format!("PRAGMA {name}"));
        let number = read.and_then(|mut read| read.query_row([], |row| row.get(0)));
        number.map_err(|error| LedgerError::from_sqlite(&self.path, Seq(1), error))
    }

    /// Reads once more all that a statement gives, for nothing but to see that it can be read. This takes a connection of
    /// its own: SQLite checks a page when it first comes into a connection's memory, and believes it from then on, also
    /// where the check has failed.
    ///
    /// # Errors
    /// When it cannot be read, naming this event.
    pub(super) fn read_anew(&self, sql: &str, bound: Option<Seq>, seq: Seq) -> Result<(), LedgerError> {
        let anew = Self::open(&self.path, &self.name, self.flags)?;
        let _snapshot = anew.reading()?;
        let read = || -> rusqlite::Result<()> {
            let mut statement = anew.connection.prepare(sql)?;
            if let Some(bound) = bound {
                statement.raw_bind_parameter(1, bound.0 as i64)?;
            }
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        };
        read().map_err(|error| LedgerError::from_sqlite(&self.path, seq, error))
    }

    /// Copies the file to one that is empty. SQLite attaches the copy meanwhile, and reads the schema anew behind it.
    ///
    /// # Errors
    /// When the file cannot be read, or the copy not be written.
    pub(super) fn copy_to(&self, name: &str) -> rusqlite::Result<()> {
        self.connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 1)?;
        let copied = self.connection.execute("VACUUM INTO ?1", [name]);
        self.known.set(None);
        self.connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        copied.map(drop)
    }
}

/// One view of a ledger's file, given back when it is dropped.
pub(super) struct Snapshot<'a>(Option<&'a Connection>);

impl Snapshot<'_> {
    /// Makes what was written inside it last.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.end("COMMIT")
    }

    fn end(&self, how: &str) -> rusqlite::Result<()> {
        match self.0 {
            // SQLite has ended it by itself where the disk failed.
            Some(connection) if !connection.is_autocommit() => {
                connection.prepare_cached(how)?.execute([]).map(drop)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // Where this fails, whoever asks next finds the connection inside a transaction, and an error.
        let _nothing_was_promised = self.end("ROLLBACK");
    }
}
