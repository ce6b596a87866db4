//! The catalog in one SQLite file: the embedded default of the sandbox and the demo.

mod claim;
mod file;
mod inspect;
mod search;
mod text;
mod trouble;

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use async_trait::async_trait;
use ledger::ids::VenueId;
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Params, Row as SqlRow, Transaction, TransactionBehavior, params,
};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

pub(crate) use self::file::File;
pub(super) use self::inspect::inspect;
use self::text::reference;
pub(crate) use self::text::{json, words};
use self::trouble::trouble;
use super::search::{Search, Seen, Texts};
use super::{
    Catalog, City, Claim, ClaimRefused, Country, Identity, Place, Rewrite, Row, Venue, bounds, refused,
};
use crate::limits::{
    CATALOG_NAME_BYTES_MAX, CATALOG_PAGE_BYTES_MAX, CATALOG_PLACES_BYTES_MAX, CATALOG_ROW_BYTES_MAX,
};
use crate::outside::Trouble;

const TABLES: [&str; 3] = ["venues", "cities", "countries"];

/// A table of the file, or something like it.
struct Listed {
    name: String,
    /// `table`, `view` or `virtual`.
    kind: &'static str,
}

/// All tables of the file, by name. SQLite's own list of them (`table_list`) looks into every view first, which takes long where
/// views are made of views in many layers.
fn all_tables(connection: &Connection) -> rusqlite::Result<Vec<Listed>> {
    // The beginning of the statement is SQLite's own writing, whatever was typed.
    let sql = "SELECT name, type = 'view', sql LIKE 'CREATE VIRTUAL TABLE %' FROM main.sqlite_schema \
               WHERE type IN ('table', 'view') ORDER BY name COLLATE BINARY";
    let mut read = connection.prepare(sql)?;
    let tables = read.query_map([], |row| {
        let kind = match (row.get(1)?, row.get::<_, Option<bool>>(2)?) {
            (true, _) => "view",
            (false, Some(true)) => "virtual",
            (false, _) => "table",
        };
        Ok(Listed { name: row.get(0)?, kind })
    });
    tables?.collect()
}

/// A page of venues, read row by row. `?1` is the most bytes of an array, `?2` those of a name: what is beyond is not
/// even loaded, as SQLite knows the size of a value without it.
macro_rules! page {
    ($which:literal) => {
        concat!(
            "
SELECT v.id,
       CASE WHEN octet_length(v.slug) <= ?2 THEN v.slug ELSE '(' || octet_length(v.slug) || ' bytes)' END,
       CASE WHEN octet_length(v.name) <= ?2 THEN v.name ELSE '(' || octet_length(v.name) || ' bytes)' END,
       v.city_id,
       CASE WHEN octet_length(v.venue_images) <= ?1 THEN CAST(v.venue_images AS TEXT) END,
       octet_length(v.venue_images)
FROM venues v
WHERE ",
            $which
        )
    };
}

/// One page of a place. JSON text has many spellings of one entry, so nothing is looked for inside it: what is left
/// out is only what can hold nothing to move.
const VENUES: &str = page!(
    "v.id > ?3
  AND (?4 IS NULL OR v.city_id IN (SELECT c.id FROM cities c WHERE c.country_id = ?4))
  AND (?5 IS NULL OR v.city_id = ?5)
  AND CASE WHEN ?6 IS NOT NULL THEN v.id = ?6
           WHEN octet_length(v.venue_images) > 2 THEN TRUE
           ELSE v.venue_images <> '[]' END
ORDER BY v.id
LIMIT ?7"
);

/// One page of all that a place holds.
const ROWS: &str = page!(
    "v.id > ?3
  AND (?4 IS NULL OR v.city_id IN (SELECT c.id FROM cities c WHERE c.country_id = ?4))
  AND (?5 IS NULL OR v.city_id = ?5)
  AND (?6 IS NULL OR v.id = ?6)
  AND v.venue_images IS NOT NULL
ORDER BY v.id
LIMIT ?7"
);

const BY_IDS: &str = page!(
    "v.id IN (SELECT value FROM json_each(?3))
ORDER BY v.id"
);

/// One row's array of at most `?2` bytes, and how many it has.
const READ: &str = "SELECT CASE WHEN octet_length(venue_images) <= ?2 THEN CAST(venue_images AS TEXT) END, \
     octet_length(venue_images) FROM venues WHERE id = ?1";
/// A name or slug of a country or city, of at most `?1` bytes.
macro_rules! name {
    ($column:literal) => {
        concat!(
            "CASE WHEN octet_length(",
            $column,
            ") <= ?1 THEN ",
            $column,
            " ELSE '(' || octet_length(",
            $column,
            ") || ' bytes)' END"
        )
    };
}
const COUNTRIES: &str = concat!(
    "SELECT id, ",
    name!("name"),
    ", ",
    name!("code"),
    ", ",
    name!("slug"),
    " FROM countries ORDER BY 2 COLLATE BINARY, id"
);
const CITIES: &str = concat!(
    "SELECT id, ",
    name!("name"),
    ", ",
    name!("slug"),
    ", country_id",
    " FROM cities WHERE typeof(country_id) = 'integer' ORDER BY id"
);
const UPDATE: &str = "UPDATE venues SET venue_images = ?1, updated_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') \
     WHERE id = ?2";

/// The application's database in a SQLite file.
#[derive(Debug)]
pub struct SqliteCatalog {
    file: File,
}

impl SqliteCatalog {
    /// Opens a file that is there; a missing one is not created.
    ///
    /// # Errors
    /// `catalog_error` when there is no such file, when it is no SQLite database, when it cannot be opened, or when one of
    /// its tables is none.
    pub async fn open(path: &Path) -> Result<Self, Trouble> {
        let file = File::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).await?;
        let tables = file.with(|connection| inspect::tables(connection, &TABLES).map_err(trouble)).await?;
        match tables.into_iter().find_map(|found| Some((found.table, found.odd?))) {
            None => Ok(Self { file }),
            Some((table, what)) => {
                Err(refused(format!("{table} is a {what}, and an ordinary or partitioned table is needed")))
            }
        }
    }

    /// One page of venues.
    async fn read(
        &self,
        sql: &'static str,
        values: impl Params + Send + 'static,
    ) -> Result<Vec<Venue>, Trouble> {
        Ok(self.file.page(sql, values, CATALOG_PAGE_BYTES_MAX, venue).await?.rows)
    }

    /// One page of a place, by a statement that takes its country, city and venue.
    async fn page(
        &self,
        sql: &'static str,
        place: Place,
        after: Option<VenueId>,
        limit: u32,
    ) -> Result<Vec<Venue>, Trouble> {
        let (country, city, id) = place.ids();
        let after = after.map_or(i64::MIN, |id| id.0);
        let (array, name) = BOUNDS;
        self.read(sql, (array, name, after, country, city, id, limit)).await
    }
}

/// The most bytes of an array, and of a name.
const BOUNDS: (i64, i64) = (CATALOG_ROW_BYTES_MAX as i64, CATALOG_NAME_BYTES_MAX);

/// A venue, and the bytes of its texts.
fn venue(row: &SqlRow<'_>) -> rusqlite::Result<(Venue, usize)> {
    let venue = Venue {
        id: VenueId(row.get(0)?),
        slug: words(row, 1)?,
        name: words(row, 2)?,
        city: reference(row, 3)?,
        images: bounds::bounded(json(row, 4)?, row.get(5)?),
    };
    let bytes = venue.bytes();
    Ok((venue, bytes))
}

fn read(connection: &Connection, venue: VenueId) -> Result<Option<Option<String>>, Trouble> {
    connection
        .prepare_cached(READ)
        .and_then(|mut statement| {
            let array = |row: &SqlRow<'_>| Ok(bounds::bounded(json(row, 0)?, row.get(1)?));
            statement.query_row([venue.0, BOUNDS.0], array).optional()
        })
        .map_err(trouble)
}

/// Everything between `BEGIN IMMEDIATE` and `COMMIT`. `ask` shows the text and hears what to do with it.
fn rewrite_in(
    tx: Transaction<'_>,
    venue: VenueId,
    ask: impl FnOnce(Option<String>) -> Result<Rewrite, Trouble>,
) -> Result<Row, Trouble> {
    let Some(before) = read(&tx, venue)? else { return Ok(Row::Missing) };
    bounds::check_held(before.as_deref())?;
    let Rewrite::Write(after) = ask(before.clone())? else { return Ok(Row::Left(before)) };
    bounds::check_new(after.as_deref())?;
    // PostgreSQL's column takes nothing but JSON; this one would take anything.
    if let Some(Err(error)) = after.as_deref().map(serde_json::from_str::<&RawValue>) {
        return Err(refused(format!("what was to be written to venue {venue} is not JSON: {error}")));
    }
    let changed = tx.execute(UPDATE, params![after, venue.0]).map_err(trouble)?;
    if changed != 1 {
        return Err(refused(format!(
            "the update of venue {venue} changed {changed} rows instead of one: a trigger stopped it"
        )));
    }
    if read(&tx, venue)?.as_ref() != Some(&after) {
        return Err(refused(format!("venue {venue} did not read back as sent: a trigger rewrote it")));
    }
    tx.commit().map_err(trouble)?;
    Ok(Row::Written { before, after })
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn identity(&self) -> Result<Identity, Trouble> {
        let database = self.file.path.to_string_lossy().into_owned();
        Ok(Identity { kind: "sqlite", system: None, database, host: None, is_standby: false, schema: None })
    }

    async fn countries(&self) -> Result<Vec<Country>, Trouble> {
        let countries =
            self.file.page(COUNTRIES, [CATALOG_NAME_BYTES_MAX], CATALOG_PLACES_BYTES_MAX, |row| {
                let word = |index| Ok::<_, rusqlite::Error>(words(row, index)?.unwrap_or_default());
                let country = Country { id: row.get(0)?, name: word(1)?, code: word(2)?, slug: word(3)? };
                let bytes = country.bytes();
                Ok((country, bytes))
            });
        countries.await?.whole("countries")
    }

    async fn cities(&self) -> Result<Vec<City>, Trouble> {
        let cities = self.file.page(CITIES, [CATALOG_NAME_BYTES_MAX], CATALOG_PLACES_BYTES_MAX, |row| {
            let word = |index| Ok::<_, rusqlite::Error>(words(row, index)?.unwrap_or_default());
            let city = City { id: row.get(0)?, name: word(1)?, slug: word(2)?, country: row.get(3)? };
            let bytes = city.bytes();
            Ok((city, bytes))
        });
        cities.await?.whole("cities")
    }

    async fn venues(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble> {
        self.page(VENUES, place, after, limit).await
    }

    async fn rows(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble> {
        self.page(ROWS, place, after, limit).await
    }

    async fn texts(&self, skip: &[String]) -> Result<Texts, Trouble> {
        search::texts(&self.file, skip).await
    }

    async fn search(&self, search: &Search) -> Result<Seen, Trouble> {
        search::search(&self.file, search).await
    }

    async fn by_ids(&self, ids: &[VenueId]) -> Result<Vec<Venue>, Trouble> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        self.read(BY_IDS, (BOUNDS.0, BOUNDS.1, serde_json::json!(ids).to_string())).await
    }

    async fn images(&self, venue: VenueId) -> Result<Option<Option<String>>, Trouble> {
        self.file.with(move |connection| read(connection, venue)).await
    }

    async fn rewrite(
        &self,
        venue: VenueId,
        rewrite: &(dyn for<'text> Fn(Option<&'text str>) -> Rewrite + Send + Sync),
    ) -> Result<Row, Trouble> {
        // `rewrite` is borrowed and may not follow the transaction to its thread, so text and answer cross over.
        let (show, shown) = oneshot::channel::<Option<String>>();
        let (answer, answered) = sync_channel::<Rewrite>(1);
        let row = self.file.with(move |connection| {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
            rewrite_in(tx, venue, move |text| ask(show, &answered, text))
        });
        let decide = async {
            if let Ok(text) = shown.await {
                // A receiver that is gone has its own trouble to tell.
                let _ = answer.send(rewrite(text.as_deref()));
            }
        };
        tokio::join!(row, decide).0
    }

    async fn check_claim(&self, country: Option<&str>) -> Result<(), Trouble> {
        claim::check(&self.file.path, country)
    }

    async fn claim(&self, country: Option<&str>, holder: &str) -> Result<Box<dyn Claim>, ClaimRefused> {
        Ok(Box::new(claim::SqliteClaim::take(&self.file.path, country, holder).await?))
    }
}

/// Asks the other side of the channels; silence means that the caller is gone, and nothing is written.
fn ask(
    show: oneshot::Sender<Option<String>>,
    answered: &Receiver<Rewrite>,
    text: Option<String>,
) -> Result<Rewrite, Trouble> {
    let gone = || refused("nobody waits for this update any more");
    show.send(text).map_err(|_| gone())?;
    answered.recv().map_err(|_| gone())
}
