//! A SQLite file of a test's own, with the application's tables.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// The application's tables as a sandbox has them.
pub const SCHEMA: &str = "
CREATE TABLE countries (id INTEGER PRIMARY KEY, name TEXT, code TEXT UNIQUE, slug TEXT UNIQUE);
CREATE TABLE cities (id INTEGER PRIMARY KEY, name TEXT, slug TEXT, country_id INTEGER, UNIQUE (country_id, slug));
CREATE TABLE venues (id INTEGER PRIMARY KEY, slug TEXT, name TEXT, city_id INTEGER,
                     venue_images TEXT DEFAULT '[]', updated_at TEXT);";

/// The file and the directory it goes with.
pub struct SqliteFile {
    /// Where it lies.
    pub path: PathBuf,
    _dir: tempfile::TempDir,
}

impl SqliteFile {
    /// `sqlite:PATH`.
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }
    /// A connection that is nobody's but the test's.
    pub fn admin(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}

/// A fresh file with the application's tables and nothing in them; gone with the value.
pub fn sqlite_file() -> SqliteFile {
    let dir = tempfile::tempdir().unwrap();
    let file = SqliteFile { path: dir.path().canonicalize().unwrap().join("eventasaurus.db"), _dir: dir };
    file.admin().execute_batch(SCHEMA).unwrap();
    file
}

/// Does this to a ledger as somebody who knows SQLite does: its triggers are out of the way meanwhile, and back afterwards.
pub fn behind_triggers(ledger: &Path, sql: &str) {
    let db = Connection::open(ledger).unwrap();
    let triggers = |what: &str| -> String {
        let all = format!("SELECT group_concat({what}, '') FROM sqlite_schema WHERE type = 'trigger'");
        db.query_row(&all, [], |row| row.get(0)).unwrap()
    };
    let (drop, again) = (triggers("'DROP TRIGGER ' || name || ';'"), triggers("sql || ';'"));
    db.execute_batch(&format!("{drop} {sql}; {again}")).unwrap();
}
