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
    Connection, OpenFlags, OptionalExtension, Row as SqlRow, Transaction, TransactionBehavior, params,
};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

pub(crate) use self::file::File;
pub(super) use self::inspect::inspect;
use self::text::reference;
pub(crate) use self::text::{json, words};
use self::trouble::trouble;
use super::search::{Search, Seen, Texts};
use super::{Catalog, City, Claim, ClaimRefused, Country, Identity, Place, Rewrite, Row, Venue, refused};
use crate::outside::Trouble;

const TABLES: [&str; 3] = ["venues", "cities", "countries"];

/// One page of a place. JSON text has many spellings of one entry, so nothing is looked for inside it: what is left
/// out is only what can hold nothing to move.
const VENUES: &str = "
SELECT v.id, v.slug, v.name, v.city_id, CAST(v.venue_images AS TEXT)
FROM venues v
WHERE v.id > ?1
  AND (?2 IS NULL OR v.city_id IN (SELECT c.id FROM cities c WHERE c.country_id = ?2))
  AND (?3 IS NULL OR v.city_id = ?3)
  AND CASE WHEN ?4 IS NOT NULL THEN v.id = ?4
           ELSE v.venue_images IS NOT NULL AND v.venue_images <> '[]' END
ORDER BY v.id
LIMIT ?5";

/// One page of all that a place holds.
const ROWS: &str = "
SELECT v.id, v.slug, v.name, v.city_id, CAST(v.venue_images AS TEXT)
FROM venues v
WHERE v.id > ?1
  AND (?2 IS NULL OR v.city_id IN (SELECT c.id FROM cities c WHERE c.country_id = ?2))
  AND (?3 IS NULL OR v.city_id = ?3)
  AND (?4 IS NULL OR v.id = ?4)
  AND v.venue_images IS NOT NULL
ORDER BY v.id
LIMIT ?5";

const BY_IDS: &str = "
SELECT v.id, v.slug, v.name, v.city_id, CAST(v.venue_images AS TEXT)
FROM venues v
WHERE v.id IN (SELECT value FROM json_each(?1))
ORDER BY v.id";

const READ: &str = "SELECT CAST(venue_images AS TEXT) FROM venues WHERE id = ?1";
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
        self.file.all(sql, (after, country, city, id, limit), venue).await
    }
}

fn venue(row: &SqlRow<'_>) -> rusqlite::Result<Venue> {
    Ok(Venue {
        id: VenueId(row.get(0)?),
        slug: words(row, 1)?,
        name: words(row, 2)?,
        city: reference(row, 3)?,
        images: json(row, 4)?,
    })
}

fn read(connection: &Connection, venue: VenueId) -> Result<Option<Option<String>>, Trouble> {
    connection
        .prepare_cached(READ)
        .and_then(|mut statement| statement.query_row([venue.0], |row| json(row, 0)).optional())
        .map_err(trouble)
}

/// Everything between `BEGIN IMMEDIATE` and `COMMIT`. `ask` shows the text and hears what to do with it.
fn rewrite_in(
    tx: Transaction<'_>,
    venue: VenueId,
    ask: impl FnOnce(Option<String>) -> Result<Rewrite, Trouble>,
) -> Result<Row, Trouble> {
    let Some(before) = read(&tx, venue)? else { return Ok(Row::Missing) };
    let Rewrite::Write(after) = ask(before.clone())? else { return Ok(Row::Left(before)) };
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
        Ok(Identity { kind: "sqlite", system: None, database, host: None, schema: None })
    }

    async fn countries(&self) -> Result<Vec<Country>, Trouble> {
        let sql = "SELECT id, name, code, slug FROM countries ORDER BY name COLLATE BINARY, id";
        self.file
            .all(sql, [], |row| {
                let word = |index| Ok::<_, rusqlite::Error>(words(row, index)?.unwrap_or_default());
                Ok(Country { id: row.get(0)?, name: word(1)?, code: word(2)?, slug: word(3)? })
            })
            .await
    }

    async fn cities(&self) -> Result<Vec<City>, Trouble> {
        let sql = "SELECT id, name, slug, country_id \
                   FROM cities WHERE typeof(country_id) = 'integer' ORDER BY id";
        self.file
            .all(sql, [], |row| {
                let word = |index| Ok::<_, rusqlite::Error>(words(row, index)?.unwrap_or_default());
                Ok(City { id: row.get(0)?, name: word(1)?, slug: word(2)?, country: row.get(3)? })
            })
            .await
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
        self.file.all(BY_IDS, [serde_json::json!(ids).to_string()], venue).await
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
