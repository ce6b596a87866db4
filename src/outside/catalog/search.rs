//! Looking through every text of the database: whatever column of whatever table may use a file, not only
//! `venue_images`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ledger::ids::VenueId;
use serde::Serialize;

use super::plain;
use crate::limits::ROW_NAME_CHARS_MAX;

/// What a search looks at, and what it cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Texts {
    /// The tables that are looked at.
    pub tables: Vec<Table>,
    /// Tables that were left out because a person said so.
    pub skipped: Vec<String>,
    /// What holds texts and is not looked at, and why.
    pub unread: Vec<Unread>,
    /// Tables of which row-level security may hide rows from this role.
    #[serde(skip)]
    pub guarded: Vec<String>,
    /// The roles from which it may hide them, as SQL writes them: this one, or owners of views.
    #[serde(skip)]
    pub hidden_from: Vec<String>,
    /// Whether the server is a standby, which may lag behind what is written.
    #[serde(skip)]
    pub is_standby: bool,
    /// What is wrong with the names of tables to leave out.
    #[serde(skip)]
    pub wrong_skips: Vec<String>,
    /// The role that looks, as SQL writes it; `None` for a file.
    #[serde(skip)]
    pub role: Option<String>,
}

/// A table, a materialized view, a foreign table or a view that is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Its name as SQL writes it, with its schema where the database has schemas.
    pub table: String,
    /// Its columns that hold texts.
    pub columns: Vec<String>,
    /// How many rows it has; `None` where nobody has counted.
    pub rows: Option<u64>,
    /// Whether the number of rows is the database's own estimate.
    pub is_estimate: bool,
}

/// Something that is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The table.
    pub table: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Why not.
    pub why: String,
}

impl Texts {
    /// Why nothing can be deleted by what is seen here.
    pub fn refusal(&self) -> Option<String> {
        if self.is_standby {
            return Some(
                "the database is a standby (pg_is_in_recovery), which may not show yet what uses a file"
                    .to_owned(),
            );
        }
        let guarded = self.guarded.first()?;
        let more = match self.guarded.len() - 1 {
            0 => String::new(),
            more => format!(" and of {more} more"),
        };
        Some(format!("row-level security may hide rows of {guarded}{more}, which could use a file"))
    }
}

/// Where a text stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The table, as SQL writes it.
    pub table: Arc<str>,
    /// The column.
    pub column: Arc<str>,
    /// The row, by its primary key or its place in the table; empty where it has no name.
    pub row: Box<str>,
    /// The venue whose row it is.
    pub venue: Option<VenueId>,
}

impl Spot {
    /// The spot in a row with this name, which may be long and hold anything.
    pub(super) fn new(table: &Arc<str>, column: &Arc<str>, row: &str, is_venues: bool) -> Self {
        let venue = row.strip_prefix("id ").filter(|_| is_venues).and_then(|id| id.parse().ok()).map(VenueId);
        let row = plain(row).chars().take(ROW_NAME_CHARS_MAX).collect::<String>().into();
        Self { table: table.clone(), column: column.clone(), row, venue }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table, self.column)?;
        match (&*self.row, self.venue) {
            ("", _) => Ok(()),
            (_, Some(venue)) => write!(f, " in the row of venue {venue}"),
            (row, None) => write!(f, " in the row with {row}"),
        }
    }
}

/// Called with every text that may speak of a file; without it where it is too long to be looked at.
pub type See = Arc<dyn Fn(&Spot, Option<&[u8]>) + Send + Sync>;

/// What is looked for, and since when.
#[derive(Clone)]
pub struct Search {
    /// Tables that are left out.
    pub skip: Vec<String>,
    /// A text without escapes that has no run of so many letters, digits and `+/_-`, however broken by tabs, lines and blanks
    /// beside these, need not be seen; 0 where all need.
    pub run_min: usize,
    /// An earlier look: what was there then need not be seen again.
    pub since: Option<Seen>,
    /// Whether rows may be hidden: then nothing may be deleted by what is seen.
    pub tolerates_hidden: bool,
    /// Who sees the texts.
    pub see: See,
}

/// What a look has seen, so that the next one can pass it by.
#[derive(Debug, Clone)]
pub struct Seen(pub(super) Kind);

impl Seen {
    /// All that was written up to a change, in a database that counts its changes.
    pub fn at(change: i64) -> Self {
        Self(Kind::Counted(change))
    }
    /// The change that [`Seen::at`] was given.
    pub fn version(&self) -> Option<i64> {
        match self.0 {
            Kind::Counted(change) => Some(change),
            _ => None,
        }
    }
}

/// The same, as each kind of database knows it.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Rows of an older transaction than this have been seen in these tables.
    Postgres { xmin: u64, tables: HashMap<i64, (i64, Vec<i32>)> },
    /// The file has been seen as it was in this version, after so many changes of this connection.
    Sqlite { version: i64, changes: u64 },
    /// All changes up to this one have been seen.
    Counted(i64),
}

#[cfg(test)]
mod tests {
    use super::Texts;

    #[test]
    fn s7_a_standby_tells_of_no_file_that_nothing_uses_it() {
        assert_eq!(Texts::default().refusal(), None);
        let refusal = Texts { is_standby: true, ..Texts::default() }.refusal();
        assert!(refusal.is_some_and(|why| why.contains("is a standby")));
    }
}
