//! The embedded databases: three SQLite files, each one file and no lock once they are made.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction};

use super::FillError;
use crate::sandbox::seed::{Images, World};

const EVENTASAURUS: &str = "
    CREATE TABLE countries (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        code TEXT NOT NULL UNIQUE,
        slug TEXT NOT NULL UNIQUE
    );
    CREATE TABLE cities (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        slug TEXT NOT NULL,
        country_id INTEGER NOT NULL REFERENCES countries (id),
        UNIQUE (country_id, slug)
    );
    CREATE TABLE venues (
        id INTEGER PRIMARY KEY,
        slug TEXT,
        name TEXT,
        city_id INTEGER REFERENCES cities (id),
        venue_images TEXT DEFAULT '[]',
        address TEXT,
        inserted_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    );
    CREATE INDEX venues_city_id ON venues (city_id);
";

const TRIVIA_ADVISOR: &str = "
    CREATE TABLE venues (
        id INTEGER PRIMARY KEY,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        google_place_images TEXT
    );
";

/// Where the databases lie.
#[derive(Debug, Clone)]
pub struct SqliteFiles {
    /// `eventasaurus.db`.
    pub eventasaurus: PathBuf,
    /// `eventasaurus_dev.db`, of before `populate`.
    pub eventasaurus_dev: PathBuf,
    /// `trivia_advisor.db`.
    pub trivia_advisor: PathBuf,
}

/// Makes `eventasaurus.db`, `eventasaurus_dev.db` and `trivia_advisor.db` in a directory, for an origin at this base URL.
/// The texts are kept exactly. Takes well under a second for requirement D5's world.
///
/// # Errors
/// When one of the files is there already, or cannot be written.
pub fn fill_sqlite(dir: &Path, world: &World, origin_base: &str) -> Result<SqliteFiles, FillError> {
    let files = SqliteFiles {
        eventasaurus: dir.join("eventasaurus.db"),
        eventasaurus_dev: dir.join("eventasaurus_dev.db"),
        trivia_advisor: dir.join("trivia_advisor.db"),
    };
    for path in [&files.eventasaurus, &files.eventasaurus_dev, &files.trivia_advisor] {
        if path.exists() {
            return Err(FillError::Occupied(path.display().to_string()));
        }
    }
    let (populated, unpopulated) = (Images::text, Images::unpopulated);
    fill(&files.eventasaurus, EVENTASAURUS, |db| {
        fill_eventasaurus(db, world, |row| populated(row, origin_base))
    })?;
    fill(&files.eventasaurus_dev, EVENTASAURUS, |db| {
        fill_eventasaurus(db, world, |row| unpopulated(row, origin_base))
    })?;
    fill(&files.trivia_advisor, TRIVIA_ADVISOR, |db| fill_trivia_advisor(db, world))?;
    Ok(files)
}

fn fill(
    path: &Path,
    tables: &str,
    rows: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
) -> Result<(), FillError> {
    let fill = || {
        let mut db = Connection::open(path)?;
        // A rollback journal leaves one plain file behind; and a sandbox lost to a power cut is made again.
        db.pragma_update(None, "journal_mode", "DELETE")?;
        db.pragma_update(None, "synchronous", "OFF")?;
        db.pragma_update(None, "foreign_keys", true)?;
        let transaction = db.transaction()?;
        transaction.execute_batch(tables)?;
        rows(&transaction)?;
        transaction.commit()?;
        db.close().map_err(|(_, error)| error)
    };
    fill().map_err(|source| FillError::Sqlite { path: path.to_owned(), source })
}

fn fill_eventasaurus(
    db: &Transaction<'_>,
    world: &World,
    text: impl Fn(&Images) -> Option<String>,
) -> rusqlite::Result<()> {
    let mut country = db.prepare("INSERT INTO countries (id, name, code, slug) VALUES (?, ?, ?, ?)")?;
    for row in &world.countries {
        country.execute((row.id, &row.name, &row.code, &row.slug))?;
    }
    let mut city = db.prepare("INSERT INTO cities (id, name, slug, country_id) VALUES (?, ?, ?, ?)")?;
    for row in &world.cities {
        city.execute((row.id, &row.name, &row.slug, row.country))?;
    }
    let mut venue = db.prepare(
        "INSERT INTO venues (id, slug, name, city_id, venue_images, inserted_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
    )?;
    for row in &world.venues {
        venue.execute((row.id, &row.slug, &row.name, row.city, text(&row.images), &row.updated_at))?;
    }
    Ok(())
}

fn fill_trivia_advisor(db: &Transaction<'_>, world: &World) -> rusqlite::Result<()> {
    let mut venue =
        db.prepare("INSERT INTO venues (id, slug, name, google_place_images) VALUES (?, ?, ?, ?)")?;
    for row in &world.ta_venues {
        venue.execute((row.id, &row.slug, &row.name, &row.images))?;
    }
    Ok(())
}
