//! The hostile world put up: its database, its origin, its traps, and a directory in which the real program works.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};
use tokio::runtime::Runtime;

use super::origin::Shelf;
use super::texts::{CITY, CITY_SLUG, COUNTRY, COUNTRY_SLUG};
use super::traps::Traps;
use super::world::{Forge, Held, Venue};
use crate::support::raw_http::{RawServer, answer};
use crate::support::site::Site;
use crate::support::stage::Kind;

/// The country of hostile venues, and its one city.
pub const CODE: &str = "HX";
const COUNTRY_ID: i64 = 3;
const CITY_ID: i64 = 3;

/// A row to the letter: what it holds as bytes, when it was written, and the rest of it.
pub type Row = (Option<Vec<u8>>, Option<String>, String);

/// The world.
pub struct Place {
    /// The database, ImageKit's stand-in, and the program's directory.
    pub site: Site,
    /// What the origin answers.
    pub shelf: Shelf,
    /// The origin.
    pub origin: RawServer,
    /// Where alerts go.
    pub listener: RawServer,
    /// Where nothing may arrive.
    pub traps: Traps,
    runtime: Runtime,
}

impl Place {
    /// With a hostile country and no venue in it yet. Proxies in the environment lead into the traps.
    pub fn new(kind: Kind) -> Self {
        let runtime = Runtime::new().unwrap();
        let mut site = Site::new(kind);
        let (shelf, traps) = (Shelf::default(), Traps::set());
        let origin = runtime.block_on(shelf.serve());
        let listener = runtime.block_on(RawServer::start(|_| answer(200, &[], b"")));
        site.settings.insert("LONGSHORE_NOTIFY_URL".into(), listener.url("/alerts"));
        site.settings.insert("ORIGIN_BASE_URL".into(), format!("http://{}", origin.address));
        site.settings.extend(traps.as_proxies());
        let place = Self { site, shelf, origin, listener, traps, runtime };
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let (country, slug) = (quoted(COUNTRY), quoted(COUNTRY_SLUG));
        place.sql(&format!("INSERT INTO countries VALUES ({COUNTRY_ID}, {country}, '{CODE}', {slug})"));
        let (city, slug) = (quoted(CITY), quoted(CITY_SLUG));
        place.sql(&format!("INSERT INTO cities VALUES ({CITY_ID}, {city}, {slug}, {COUNTRY_ID})"));
        place
    }

    /// Makes entries for this world.
    pub fn forge<'a>(&'a self, base: &'a str) -> Forge<'a> {
        Forge { base, traps: &self.traps, shelf: &self.shelf }
    }

    /// The origin's base, as it stands in URLs.
    pub fn base(&self) -> String {
        format!("http://{}", self.origin.address)
    }

    /// The program's directory.
    pub fn dir(&self) -> PathBuf {
        self.site.ledger().parent().unwrap().to_owned()
    }

    /// The program, ready to be started.
    pub fn command(&self, args: &[&str]) -> Command {
        self.site.command(args)
    }

    /// Runs SQL as someone else would.
    pub fn sql(&self, sql: &str) {
        self.site.stage.sql(sql);
    }

    fn sqlite(&self) -> Option<rusqlite::Connection> {
        let url = self.site.stage.url();
        Some(rusqlite::Connection::open(Path::new(url.strip_prefix("sqlite:")?)).unwrap())
    }

    /// Puts these venues into the hostile country's city.
    pub fn fill(&self, venues: &[Venue]) {
        let insert = "INSERT INTO venues (id, slug, name, city_id, venue_images, updated_at) VALUES ";
        let Some(mut db) = self.sqlite() else {
            let values = "($1, $2, $3, $4, $5::text::jsonb, '2025-01-01 00:00:00')";
            return self.runtime.block_on(async {
                let mut admin = PgConnection::connect(&self.site.stage.url()).await.unwrap();
                for venue in venues {
                    let query = sqlx::query(AssertSqlSafe(format!("{insert}{values}")));
                    let query = query.bind(venue.id).bind(&venue.slug).bind(&venue.name).bind(CITY_ID);
                    let held = match &venue.body.held {
                        Held::Null => None,
                        Held::Text(text) => Some(text),
                        Held::Bytes(_) => panic!("only SQLite holds bytes: {}", venue.body.what),
                    };
                    let filled = query.bind(held).execute(&mut admin).await;
                    filled.unwrap_or_else(|error| panic!("{}: {error}", venue.body.what));
                }
            });
        };
        let filling = db.transaction().unwrap();
        for Venue { id, slug, name, body } in venues {
            let text: Option<&str>;
            let held: &dyn rusqlite::ToSql = match &body.held {
                Held::Null => &rusqlite::types::Null,
                Held::Text(held) => {
                    text = Some(held);
                    &text
                }
                // As an application does that builds its statement out of bytes: the column's type is text.
                Held::Bytes(bytes) => bytes,
            };
            let cast = if matches!(body.held, Held::Bytes(_)) { "CAST(?5 AS TEXT)" } else { "?5" };
            let sql = format!("{insert}(?1, ?2, ?3, ?4, {cast}, '2025-01-01 00:00:00')");
            filling.execute(&sql, rusqlite::params![id, slug, name, CITY_ID, held]).unwrap();
        }
        filling.commit().unwrap();
    }

    /// All rows to the letter, by id.
    pub fn rows(&self) -> BTreeMap<i64, Row> {
        if let Some(db) = self.sqlite() {
            let sql = "SELECT id, CAST(venue_images AS BLOB), updated_at, typeof(venue_images) || quote(slug) || \
                       quote(name) || quote(city_id) FROM venues";
            let mut all = db.prepare(sql).unwrap();
            let rows =
                all.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)))).unwrap();
            return rows.map(Result::unwrap).collect();
        }
        let sql = "SELECT id, convert_to(venue_images::text, 'UTF8'), updated_at::text, \
                   concat_ws('|', quote_nullable(slug), quote_nullable(name), city_id) FROM venues";
        self.runtime.block_on(async {
            let mut admin = PgConnection::connect(&self.site.stage.url()).await.unwrap();
            let rows = sqlx::query(sql).fetch_all(&mut admin).await.unwrap();
            rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3)))).collect()
        })
    }

    /// Every file below the program's directory, by its path from there.
    pub fn files(&self) -> Vec<String> {
        let (root, mut found, mut open) = (self.dir(), Vec::new(), vec![self.dir()]);
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => open.push(path),
                    false => found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()),
                }
            }
        }
        found.sort();
        found
    }
}
