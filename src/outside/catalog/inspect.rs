//! A look at a database before anything is done there (requirement C16): what it is, what of it can be read and
//! written, and what lies between. Nothing is changed, and nothing is judged.

use ledger::timestamp::Timestamp;

use super::{Named, named, postgres, sqlite};
use crate::outside::Trouble;

/// What the database is going to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To be read alone.
    Read,
    /// For row updates too.
    Update,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The kind of server and its version, like `PostgreSQL 17.2`.
    pub version: String,
    /// Where it is, and as whom we come there: without a password.
    pub place: String,
    /// The role as whom we come there; `None` for a file.
    pub role: Option<String>,
    /// The columns of the tables that were asked for, by table and place; a table that is not there has none.
    pub columns: Vec<Column>,
    /// Those of the tables that are there, and where.
    pub tables: Vec<Table>,
    /// Triggers and rules that have their say when a row of `venues` is updated. Only asked for [`Access::Update`] of a
    /// server.
    pub at_update: Vec<String>,
    /// What of another machine's server is not known, since its certificate is not looked at, or not wholly.
    pub unknown_server: Option<&'static str>,
    /// Why no row can be written, where that hangs on the database as a whole. Only asked for [`Access::Update`].
    pub read_only: Option<String>,
    /// Claims' files that keep this user from claiming a country. Only asked for [`Access::Update`] of a file.
    pub unclaimable: Vec<Unclaimable>,
    /// What row-level security does to `venues`; always [`Policies::None`] in SQLite.
    pub policies: Policies,
    /// What lies between; `None` for a file.
    pub route: Option<Route>,
    /// The server's clock; `None` for a file.
    pub clock: Option<Clock>,
}

/// A claim's file that this user cannot use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclaimable {
    /// Which, and why.
    pub found: String,
    /// What to do.
    pub advice: String,
}

/// A table that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub table: String,
    /// The schemas of the search path that have one of this name; the first is the one that is meant. None in a file.
    pub schemas: Vec<String>,
    /// What it is, where that is no ordinary and no partitioned table.
    pub odd: Option<&'static str>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The table.
    pub table: String,
    /// The column.
    pub name: String,
    /// Its type, in the database's own words.
    pub kind: String,
    /// Whether this role may read it.
    pub may_read: bool,
    /// Whether this role may update it.
    pub may_update: bool,
}

/// What row-level security does to the role that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policies {
    /// Nothing: it is not switched on, or not for this role.
    None,
    /// It decides row by row, and some policy allows updates.
    Some,
    /// It is on, and no policy allows this role any update.
    NoUpdate,
}

/// What lies between this program and the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Nothing that shows.
    Straight,
    /// The server listens on another port than the URL names: a pooler, or a forwarded port.
    OtherPort {
        /// The port that the URL names.
        asked: u16,
        /// The server's own.
        server: u16,
    },
    /// Two transactions of one connection met two server processes: a pooler in transaction mode.
    TransactionPooler,
}

/// Somebody else's clock, looked at between two looks at ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Ours, before it was asked.
    pub before: Timestamp,
    /// Theirs.
    pub theirs: Timestamp,
    /// Ours, when the answer was there.
    pub after: Timestamp,
}

/// Looks at the database that a URL names, and at some of its tables.
///
/// # Errors
/// As [`super::open`].
pub async fn inspect(url: &str, access: Access, tables: &[&str]) -> Result<Inspection, Trouble> {
    match named(url)? {
        Named::Sqlite(path) => sqlite::inspect(path, access, tables).await,
        Named::Postgres(url) => postgres::inspect(url, access, tables).await,
    }
}
