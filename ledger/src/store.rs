//! The one SQLite file: create, open, append a batch, read a range. The only effect in this crate, and the only place
//! that writes the file.

mod append;
mod beside;
mod error;
mod guard;
mod lock;
pub mod private;
mod schema;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub use error::{LedgerError, is_out_of_descriptors};
use guard::Guarded;
use lock::Lock;
use rusqlite::{Connection, OpenFlags, params};

use crate::chain::{self, Head};
use crate::event::{Placed, Record};
use crate::ids::{ContentHash, LedgerId, Seq};
use crate::wire::{self, WireError};

/// `user_version` of the file, raised only when an older program could not even read the rows.
const FORMAT: i32 = 1;
/// `application_id`: "LSHR".
const APPLICATION: i32 = 0x4c53_4852;

/// An open ledger file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    file: Guarded,
    id: LedgerId,
    head: Head,
    /// Held for as long as this store may write; `None` for a reader.
    lock: Option<Lock>,
    /// Opened as a file that nobody changes, so what others append is not seen.
    is_immutable: bool,
}

impl Store {
    /// Creates a ledger with its first line, for this process to write. `holder` is what others are told.
    ///
    /// It is made under another name and renamed when it is whole: whoever dies here leaves no half ledger behind.
    ///
    /// # Errors
    /// When the file exists already, another process is creating it, or the disk refuses.
    pub fn create(path: &Path, id: LedgerId, first: &Record, holder: &str) -> Result<Self, LedgerError> {
        let disk = |source| LedgerError::Disk { path: path.to_owned(), source };
        private::check_ledger(path).map_err(disk)?;
        let lock = Lock::take(path, holder)?;
        // A link that leads nowhere is there too: the rename would replace it.
        if path.symlink_metadata().is_ok() {
            return Err(disk(std::io::ErrorKind::AlreadyExists.into()));
        }
        nothing_left(path)?;
        let part = beside(path, ".new");
        // Before-images are production data: created private, and SQLite gives -wal and -shm the same mode.
        private::create_anew(&part).map_err(disk)?;
        fill(&part, id, first).map_err(|error| LedgerError::from_sqlite(path, Seq(0), error))?;
        std::fs::rename(&part, path).map_err(disk)?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(disk)?;
        Self::attach(path, OpenFlags::SQLITE_OPEN_READ_WRITE, Some(lock))
    }

    /// Sees that a ledger can be opened to write to it, or be made where there is none, as far as the files tell. It is
    /// for those who have long work before they need it; nothing is changed.
    ///
    /// # Errors
    /// When another user may change it, or something else stands under its name or beside it.
    pub fn check(path: &Path) -> Result<(), LedgerError> {
        let disk = |source| LedgerError::Disk { path: path.to_owned(), source };
        let is_new = match is_there(path) {
            Err(LedgerError::Missing { .. }) => true,
            there => there.map(|()| false)?,
        };
        private::check_ledger(path).map_err(disk)?;
        private::check_made(path, is_new).map_err(disk)?;
        private::check_writable(path).map_err(disk)?;
        if is_new { nothing_left(path) } else { Ok(()) }
    }

    /// Opens a ledger to write to it. Nothing is verified yet: read it whole first.
    ///
    /// # Errors
    /// When there is none, another user may change it, another process writes to it, it is newer, or it is damaged.
    pub fn open(path: &Path, holder: &str) -> Result<Self, LedgerError> {
        is_there(path)?;
        private::check_ledger(path).map_err(|source| LedgerError::Disk { path: path.to_owned(), source })?;
        let lock = Lock::take(path, holder)?;
        Self::attach(path, OpenFlags::SQLITE_OPEN_READ_WRITE, Some(lock))
    }

    /// Opens a ledger to read it, beside a writer or not, and where nothing may be written too.
    ///
    /// # Errors
    /// When there is none, others may write to its directory, it is newer, or it is damaged.
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        is_there(path)?;
        private::check_closed(path)
            .and_then(|()| private::check_beside(path))
            .map_err(|source| LedgerError::Disk { path: path.to_owned(), source })?;
        let usual = Self::attach(path, OpenFlags::SQLITE_OPEN_READ_ONLY, None);
        match usual {
            // SQLite's readers share a small file beside the ledger, which cannot be made everywhere: on a full or a
            // read-only disk. A ledger at rest can do without.
            Err(LedgerError::Disk { .. }) if beside::is_at_rest(path) => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
                let looked = Self::attach_as(path, &beside::immutable(path), flags, None);
                match looked.map(|store| Self { is_immutable: true, ..store }) {
                    // What the file itself says is graver than what the disk does not let us do.
                    Err(LedgerError::Disk { .. }) => usual,
                    looked => looked,
                }
            }
            usual => usual,
        }
    }

    fn attach(path: &Path, flags: OpenFlags, lock: Option<Lock>) -> Result<Self, LedgerError> {
        Self::attach_as(path, path, flags, lock)
    }

    /// The same under the name that SQLite is given.
    fn attach_as(
        path: &Path,
        name: &Path,
        flags: OpenFlags,
        lock: Option<Lock>,
    ) -> Result<Self, LedgerError> {
        let file = Guarded::open(path, name, flags)?;
        let id = id_in(path, &file)?;
        // Not before it is known to be a ledger: this changes the file, which might be anybody's database. What its log
        // holds already SQLite writes into it all the same when it closes it; that nobody else can have put a log there
        // was seen by the directory.
        if lock.is_some() {
            let durable = make_durable(&file.connection);
            durable.map_err(|error| LedgerError::from_sqlite(path, Seq(1), error))?;
        }
        let head = Head { seq: Seq(0), hash: chain::genesis(id) };
        let mut store = Self { path: path.to_owned(), file, id, head, lock, is_immutable: false };
        store.head = store.last()?.unwrap_or(head);
        // Only now that SQLite has read is its log there.
        store.lock.as_mut().map_or(Ok(()), Lock::take_log)?;
        Ok(store)
    }

    /// The ledger's id.
    pub fn id(&self) -> LedgerId {
        self.id
    }
    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// The last event, as far as this store has read or written.
    pub fn head(&self) -> Head {
        self.head
    }

    fn last(&self) -> Result<Option<Head>, LedgerError> {
        let _snapshot = self.file.reading()?;
        let last = self.file.connection.query_row("SELECT max(seq) FROM event", [], |row| row.get(0));
        let last: Option<i64> = last.map_err(|error| LedgerError::from_sqlite(&self.path, Seq(1), error))?;
        last.map_or(Ok(None), |last| self.head_at(Seq(last as u64)))
    }

    /// Reads and verifies every event from the first on: its place, its hash, and only then what it says.
    ///
    /// # Errors
    /// Damage, with the first bad event; whatever `each` refuses counts as damage there.
    pub fn replay(
        &mut self,
        mut each: impl FnMut(Placed) -> Result<(), String>,
    ) -> Result<Head, LedgerError> {
        let mut head = Head { seq: Seq(0), hash: chain::genesis(self.id) };
        self.scan("seq >= ?1", Some(Seq(i64::MIN as u64)), Seq(1), |row| {
            let expected = head.seq.next();
            let damaged = |what: String| LedgerError::damaged(&self.path, expected, what);
            if row.seq != expected {
                return Err(damaged(format!(
                    "event {expected} is missing, {} comes instead",
                    row.seq.0 as i64
                )));
            }
            if chain::link(head.hash, row.seq, row.body) != row.hash {
                return Err(damaged("its hash is not that of what it says behind the one before".into()));
            }
            let record = self.decode(row.seq, row.body)?;
            each((row.seq, record)).map_err(damaged)?;
            head = Head { seq: row.seq, hash: row.hash };
            Ok(())
        })?;
        if head.seq == Seq(0) {
            return Err(LedgerError::damaged(&self.path, Seq(1), "the first event is missing"));
        }
        self.head = head;
        Ok(head)
    }

    /// The events from a seq to another, which lie within the ledger, not verified again. All of them, or an error: where
    /// they are looked for is the word of the file's index, which verifying from the first event on does not need.
    ///
    /// # Errors
    /// When the file cannot be read, an event is not found, or `each` says so.
    pub fn range<E: From<LedgerError>>(
        &self,
        from: Seq,
        to: Seq,
        mut each: impl FnMut(Placed) -> Result<(), E>,
    ) -> Result<(), E> {
        let missing = |seq| LedgerError::damaged(&self.path, seq, "it is missing where its number leads");
        let condition = format!("seq >= ?1 AND seq <= {}", to.0 as i64);
        let mut expected = from;
        self.scan(&condition, Some(from), from, |row| {
            if row.seq != expected {
                return Err(missing(expected).into());
            }
            expected = row.seq.next();
            each((row.seq, self.decode(row.seq, row.body)?))
        })?;
        if expected <= to { Err(missing(expected).into()) } else { Ok(()) }
    }

    /// Those of the events up to a seq in which a text stands as a whole.
    ///
    /// # Errors
    /// When the file cannot be read, an event is missing, or `each` says so.
    pub fn mentions<E: From<LedgerError>>(
        &self,
        text: &str,
        upto: Seq,
        mut each: impl FnMut(Placed) -> Result<(), E>,
    ) -> Result<(), E> {
        let missing = |seq| LedgerError::damaged(&self.path, seq, "it is missing");
        let (quoted, mut expected) = (serde_json::Value::from(text).to_string(), Seq(1));
        self.scan(&format!("seq <= {}", upto.0 as i64), None, expected, |row| {
            if row.seq != expected {
                return Err(missing(expected).into());
            }
            expected = row.seq.next();
            match row.body.contains(&quoted) {
                true => each((row.seq, self.decode(row.seq, row.body)?)),
                false => Ok(()),
            }
        })?;
        if expected <= upto { Err(missing(expected).into()) } else { Ok(()) }
    }

    /// One event that was verified when the ledger was opened.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn record(&self, seq: Seq) -> Result<Record, LedgerError> {
        let mut record = None;
        self.scan("seq = ?1", Some(seq), seq, |row| {
            record = Some(self.decode(seq, row.body)?);
            Ok::<_, LedgerError>(())
        })?;
        record.ok_or_else(|| LedgerError::damaged(&self.path, seq, "it is missing"))
    }

    fn decode(&self, seq: Seq, body: &str) -> Result<Record, LedgerError> {
        wire::decode(body).map_err(|error| match error {
            WireError::Newer { found } => LedgerError::Newer { path: self.path.clone(), found },
            WireError::Unreadable(_) => LedgerError::damaged(&self.path, seq, error.to_string()),
        })
    }

    /// Reads rows in the order of their seqs, naming the event at which trouble comes up.
    fn scan<E: From<LedgerError>>(
        &self,
        condition: &str,
        bound: Option<Seq>,
        mut expected: Seq,
        mut each: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let _snapshot = self.file.reading()?;
        let connection = &self.file.connection;
        let sql = format!("SELECT seq, body, hash FROM event WHERE {condition} ORDER BY seq");
        let failed = |seq: Seq, error| {
            let again = || self.file.read_anew(&sql, bound, seq);
            LedgerError::from_sqlite(&self.path, seq, error).after(again)
        };
        let mut statement = connection.prepare_cached(&sql).map_err(|e| failed(expected, e))?;
        if let Some(bound) = bound {
            statement.raw_bind_parameter(1, bound.0 as i64).map_err(|e| failed(expected, e))?;
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(|e| failed(expected, e))? {
            let row = Row::read(row).map_err(|what| LedgerError::damaged(&self.path, expected, what))?;
            expected = row.seq.next();
            each(row)?;
        }
        Ok(())
    }
}

/// One row, in SQLite's own memory: an event may be large.
struct Row<'a> {
    seq: Seq,
    body: &'a str,
    hash: ContentHash,
}

impl<'a> Row<'a> {
    fn read(row: &'a rusqlite::Row<'_>) -> Result<Self, &'static str> {
        let seq: i64 = row.get(0).map_err(|_| "its seq cannot be read")?;
        let body =
            row.get_ref(1).ok().and_then(|body| body.as_str().ok()).ok_or("its text cannot be read")?;
        let hash = row.get(2).map_err(|_| "its hash is not 32 bytes")?;
        Ok(Self { seq: Seq(seq as u64), body, hash: ContentHash(hash) })
    }
}

/// Writes a whole ledger of one line in one transaction, without side files: whoever dies here begins anew.
fn fill(part: &Path, id: LedgerId, first: &Record) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(part, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "journal_mode", "MEMORY")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let write = connection.unchecked_transaction()?;
    write.execute_batch(include_str!("store/schema.sql"))?;
    write.execute("INSERT INTO ledger (id) VALUES (?1)", [id.to_string()])?;
    write.pragma_update(None, "application_id", APPLICATION)?;
    write.pragma_update(None, "user_version", FORMAT)?;
    let body = wire::encode(first);
    let hash = chain::link(chain::genesis(id), Seq(1), &body);
    write.execute("INSERT INTO event (seq, body, hash) VALUES (1, ?1, ?2)", params![body, hash.0])?;
    write.commit()?;
    // While it still has its other name: a rollback journal of this step, which a power cut can bring back, would keep
    // readers out of a ledger. Alone, SQLite needs no index beside the log.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Sees that nothing is left of an earlier ledger: SQLite would play its write-ahead log into the new one.
fn nothing_left(path: &Path) -> Result<(), LedgerError> {
    let left = ["-wal", "-shm"].map(|ending| beside(path, ending)).into_iter().find(|left| left.exists());
    let Some(left) = left else { return Ok(()) };
    let message = format!("{} is left of an earlier ledger; move it away", left.display());
    let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, message);
    Err(LedgerError::Disk { path: path.to_owned(), source })
}

/// Sees that there is something at a path, by that name alone. A directory that may not be looked into is trouble, not absence: a second
/// ledger would be made beside the first.
fn is_there(named: &Path) -> Result<(), LedgerError> {
    let path = || named.to_owned();
    match std::fs::metadata(named) {
        Ok(file) if file.is_file() && file.nlink() > 1 => {
            // What is advised copies the file within its directory.
            private::check_closed(named).map_err(|source| LedgerError::Disk { path: path(), source })?;
            Err(LedgerError::Linked { path: path(), links: file.nlink() })
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(LedgerError::Missing { path: path() })
        }
        Err(source) => Err(LedgerError::Disk { path: path(), source }),
    }
}

/// The one id that a ledger has.
fn id_in(path: &Path, file: &Guarded) -> Result<LedgerId, LedgerError> {
    let _snapshot = file.reading()?;
    let damaged = |what: &str| LedgerError::damaged(path, Seq(1), what);
    let read = || {
        let mut ids = file.connection.prepare("SELECT id FROM ledger LIMIT 2")?;
        let ids = ids.query_map([], |row| row.get(0))?;
        ids.collect::<rusqlite::Result<Vec<String>>>()
    };
    // A disk that cannot be read says nothing about what is on it.
    let ids = file.bounded(read).map_err(|error| match LedgerError::from_sqlite(path, Seq(1), error) {
        LedgerError::Damaged { .. } => damaged("the ledger's id cannot be read"),
        other => other,
    })?;
    match &ids[..] {
        [] => Err(damaged("the ledger's id is missing")),
        [id] => id.parse().map_err(|_| damaged("the ledger's id cannot be read")),
        _ => Err(damaged("it has more than one id")),
    }
}

/// What is committed is on the disk, and readers never wait for the writer.
fn make_durable(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")
}

#[cfg(test)]
mod tests;
