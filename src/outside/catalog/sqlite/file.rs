//! One SQLite file that is there already, with the blocking work on it done where it may block.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ledger::store::private;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, Params, Row};
use tokio::task::spawn_blocking;

use super::super::bounds::Page;
use super::super::{plain, refused};
use super::trouble::trouble;
use crate::limits;
use crate::outside::Trouble;

/// An open file.
#[derive(Debug)]
pub(crate) struct File {
    /// Canonical: the database's name wherever it is called from.
    pub(super) path: PathBuf,
    connection: Arc<Mutex<Connection>>,
    /// How long SQLite may work on what it is asked.
    pub(super) longest: Duration,
}

/// When SQLite is stopped, while it works on what it is asked.
#[derive(Debug, Clone)]
pub(super) struct Deadline {
    longest: Duration,
    end: Arc<Mutex<Instant>>,
}

impl Deadline {
    fn new(longest: Duration) -> Self {
        Self { longest, end: Arc::new(Mutex::new(Instant::now() + longest)) }
    }

    /// Gives the whole time again, for what is asked next.
    pub(super) fn renew(&self) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + self.longest;
    }

    fn is_over(&self) -> bool {
        Instant::now() > *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    /// Opens a file for reading or for reading and writing, as the flag says; a missing one is not created.
    ///
    /// # Errors
    /// As [`super::SqliteCatalog::open`].
    pub(crate) async fn open(path: &Path, access: OpenFlags) -> Result<Self, Trouble> {
        let path = path.to_owned();
        let work = move || {
            let shown = plain(&path.to_string_lossy());
            let path = path
                .canonicalize()
                .map_err(|error| refused(format!("there is no database at {shown}: {error}")))?;
            // SQLite would wait for a pipe for ever.
            private::check_readable(&path).map_err(|error| {
                refused(format!("there is no database at {shown}: {}", private::told(&error)))
            })?;
            let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&path, flags).map_err(trouble)?;
            connection
                .busy_timeout(Duration::from_millis(limits::CATALOG_LOCK_WAIT_MS_MAX))
                .map_err(trouble)?;
            restrain(&connection).map_err(trouble)?;
            let longest = Duration::from_millis(limits::CATALOG_STATEMENT_MS_MAX);
            Ok(Self { path, connection: Arc::new(Mutex::new(connection)), longest })
        };
        spawn_blocking(work).await.unwrap_or_else(|stopped| Err(stopped_short(&stopped)))
    }

    /// Does blocking work with the connection on a thread that may block.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.with_deadline(move |connection, _| work(connection)).await
    }

    /// The same for work of many steps, of which each may take as long as all other work.
    pub(super) async fn with_deadline<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &Deadline) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (connection, longest) = (Arc::clone(&self.connection), self.longest);
        let work = move || {
            // A panic inside a transaction rolls it back as it unwinds, so the connection is good after one.
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let deadline = Deadline::new(longest);
            let looked_at = deadline.clone();
            let is_over = move || looked_at.is_over();
            connection.progress_handler(limits::SQLITE_STEPS_A_LOOK, Some(is_over)).map_err(trouble)?;
            work(&mut connection, &deadline)
        };
        spawn_blocking(work).await.unwrap_or_else(|stopped| Err(stopped_short(&stopped)))
    }

    /// What fits into a page of the rows of a query that only reads. The others are not read.
    pub(crate) async fn page<T: Send + 'static>(
        &self,
        sql: &'static str,
        values: impl Params + Send + 'static,
        bytes_max: usize,
        row: fn(&Row<'_>) -> rusqlite::Result<(T, usize)>,
    ) -> Result<Page<T>, Trouble> {
        self.with(move |connection| {
            let mut statement = connection.prepare_cached(sql).map_err(trouble)?;
            let mut rows = statement.query(values).map_err(trouble)?;
            let mut page = Page::new(bytes_max);
            while page.has_room()
                && let Some(next) = rows.next().map_err(trouble)?
            {
                let (one, bytes) = row(next).map_err(trouble)?;
                page.take(one, bytes);
            }
            Ok(page)
        })
        .await
    }
}

/// Whoever can write the file says in its schema what SQLite does when a row is read or updated, with this program's
/// rights. So nothing in it has effects beyond the file: no functions and virtual tables that SQLite does not call
/// harmless, and no other databases. Triggers stay, as the application means them to see our updates too.
fn restrain(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.query_row("PRAGMA mmap_size = 0", [], |_| Ok(()))
}

/// A blocking thread that panicked or was cut short as the runtime ended.
fn stopped_short(stopped: &tokio::task::JoinError) -> Trouble {
    refused(format!("work on the database stopped short: {stopped}"))
}

#[cfg(test)]
mod tests {
    use super::super::SqliteCatalog;
    use super::*;

    const SCHEMA: &str = "CREATE TABLE venues (id INTEGER PRIMARY KEY, venue_images TEXT);
        INSERT INTO venues VALUES (1, '[]');";

    /// A file with this schema, opened.
    async fn opened(dir: &tempfile::TempDir, schema: &str) -> Result<File, Trouble> {
        let path = dir.path().join("app.db");
        Connection::open(&path).unwrap().execute_batch(schema).unwrap();
        File::open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).await
    }

    async fn updated(file: &File) -> Result<usize, Trouble> {
        let sql = "UPDATE venues SET venue_images = '[1]' WHERE id = 1";
        file.with(move |connection| connection.execute(sql, []).map_err(trouble)).await
    }

    #[tokio::test]
    async fn s6_what_is_read_as_a_table_is_one() {
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n";
        for (schema, words) in [
            (format!("CREATE VIEW venues AS {endless}"), "venues is a view"),
            (format!("CREATE VIEW Cities AS {endless}"), "cities is a view"),
            ("CREATE VIRTUAL TABLE countries USING fts5(name)".to_owned(), "countries is a virtual table"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = opened(&dir, &schema).await.unwrap().path;
            let said = SqliteCatalog::open(&path).await.unwrap_err();
            assert!(said.message.contains(words), "{}", said.message);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = opened(&dir, &format!("{SCHEMA} CREATE VIEW more AS {endless}")).await.unwrap().path;
        SqliteCatalog::open(&path).await.unwrap();
    }

    #[tokio::test]
    async fn s6_a_trigger_without_end_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let trigger = "CREATE TRIGGER endless BEFORE UPDATE ON venues BEGIN SELECT (WITH RECURSIVE n(i) AS \
                       (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n); END";
        let mut file = opened(&dir, &format!("{SCHEMA} {trigger}")).await.unwrap();
        file.longest = Duration::from_millis(100);
        let said = updated(&file).await.unwrap_err();
        assert!(said.message.contains("took longer than"), "{}", said.message);
        // The connection is good afterwards, and nothing was written.
        let sql = "SELECT venue_images FROM venues";
        assert_eq!(
            file.page(sql, [], 1_000, |row| Ok((row.get::<_, String>(0)?, 1))).await.unwrap().rows,
            ["[]"]
        );
    }

    #[tokio::test]
    async fn s6_triggers_that_the_application_has_see_our_updates() {
        let dir = tempfile::tempdir().unwrap();
        let triggers = "CREATE VIRTUAL TABLE words USING fts5(text);
            CREATE TABLE seen (what TEXT);
            CREATE VIEW arrays AS SELECT id, json_array_length(venue_images) AS images FROM venues;
            CREATE TRIGGER index_words AFTER UPDATE ON venues BEGIN
                INSERT INTO words (rowid, text) VALUES (NEW.id, NEW.venue_images);
                INSERT INTO seen SELECT images || strftime('%Y', 'now') FROM arrays WHERE id = NEW.id;
            END;";
        let file = opened(&dir, &format!("{SCHEMA} {triggers}")).await.unwrap();
        assert_eq!(updated(&file).await.unwrap(), 1);
        let sql = "SELECT (SELECT text FROM words) || (SELECT count(*) FROM seen)";
        assert_eq!(
            file.page(sql, [], 1_000, |row| Ok((row.get::<_, String>(0)?, 1))).await.unwrap().rows,
            ["[1]1"]
        );
    }

    #[tokio::test]
    async fn s6_a_trigger_reaches_nothing_beyond_the_file() {
        for reach in ["SELECT load_extension('x')", "SELECT count(*) FROM pragma_database_list"] {
            let dir = tempfile::tempdir().unwrap();
            let trigger = format!("CREATE TRIGGER reach AFTER UPDATE ON venues BEGIN {reach}; END");
            let file = opened(&dir, &format!("{SCHEMA} {trigger}")).await.unwrap();
            let said = updated(&file).await.unwrap_err();
            assert!(said.message.contains("unsafe use of"), "{}", said.message);
        }
        let dir = tempfile::tempdir().unwrap();
        let file = opened(&dir, SCHEMA).await.unwrap();
        for sql in ["ATTACH 'other.db' AS other", "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema"] {
            let done = file.with(move |connection| connection.execute_batch(sql).map_err(trouble)).await;
            assert!(done.is_err(), "{sql}");
        }
    }
}
