//! The databases of the seeded world, and the matching report between them.

mod postgres;
mod report;
mod sqlite;

use std::path::PathBuf;

pub use self::postgres::{PostgresUrls, fill_postgres};
pub use self::report::{read_report, write_report};
pub use self::sqlite::{SqliteFiles, fill_sqlite};

/// Why a database or a report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// Something is there already, and is left as it is.
    #[error("{0} is there already; nothing was changed")]
    Occupied(String),
    /// The URL is not one of a PostgreSQL database with a name.
    #[error("this is not a PostgreSQL URL with a database's name in it")]
    NotAUrl,
    /// SQLite refused.
    #[error("SQLite, at {path}: {source}", path = path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
    /// PostgreSQL refused, or could not be reached.
    #[error("PostgreSQL, database {database}: {source}")]
    Postgres {
        /// The database's name.
        database: String,
        /// What it said.
        source: sqlx::Error,
    },
    /// The report could not be read or written.
    #[error("the matching report {path}: {source}", path = path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: csv::Error,
    },
}
