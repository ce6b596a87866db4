//! One SQLite file that is there already, with the blocking work on it done where it may block.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Params, Row};
use tokio::task::spawn_blocking;

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
            let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&path, flags).map_err(trouble)?;
            connection
                .busy_timeout(Duration::from_millis(limits::CATALOG_LOCK_WAIT_MS_MAX))
                .map_err(trouble)?;
            // SQLite reads a file's header only when it is first asked something.
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(trouble)?;
            Ok(Self { path, connection: Arc::new(Mutex::new(connection)) })
        };
        spawn_blocking(work).await.unwrap_or_else(|stopped| Err(stopped_short(&stopped)))
    }

    /// Does blocking work with the connection on a thread that may block.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let connection = Arc::clone(&self.connection);
        // A panic inside a transaction rolls it back as it unwinds, so the connection is good after one.
        let work = move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner));
        spawn_blocking(work).await.unwrap_or_else(|stopped| Err(stopped_short(&stopped)))
    }

    /// All rows of a query that only reads.
    pub(crate) async fn all<T: Send + 'static>(
        &self,
        sql: &'static str,
        values: impl Params + Send + 'static,
        row: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Trouble> {
        self.with(move |connection| {
            let mut statement = connection.prepare_cached(sql).map_err(trouble)?;
            let rows = statement.query_map(values, row).map_err(trouble)?;
            rows.collect::<Result<_, _>>().map_err(trouble)
        })
        .await
    }
}

/// A blocking thread that panicked or was cut short as the runtime ended.
fn stopped_short(stopped: &tokio::task::JoinError) -> Trouble {
    refused(format!("work on the database stopped short: {stopped}"))
}
