//! The catalog in PostgreSQL, directly or through a pooler in transaction mode.
//!
//! Behind such a pooler two statements share a server connection only within one transaction. So every statement here,
//! reads too, is inside an explicit transaction, and none is prepared under a name.

mod claim;
mod connect;
mod inspect;
mod parameters;
mod pool;
mod schema;
mod search;
mod trouble;
mod url;

use async_trait::async_trait;
use ledger::ids::VenueId;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _, Transaction};

use self::connect::Way;
#[cfg(feature = "sandbox")]
pub(crate) use self::connect::direct;
pub(super) use self::inspect::inspect;
pub(crate) use self::pool::Pool;
use self::trouble::{answered, trouble};
use super::search::{Search, Seen, Texts};
use super::{
    Catalog, City, Claim, ClaimRefused, Country, Identity, Place, Rewrite, Row, Venue, bounds, refused,
};
use crate::limits::{
    CATALOG_NAME_BYTES_MAX, CATALOG_PAGE_BYTES_MAX, CATALOG_PLACES_BYTES_MAX, CATALOG_ROW_BYTES_MAX,
};
use crate::outside::Trouble;
use crate::pass_file::Login;

const NO_RIGHT: &str = "42501";

const TABLES: [&str; 3] = ["venues", "cities", "countries"];
/// A page of venues, which is fetched piece by piece. `$1` is the most bytes of an array, `$2` those of a name: what is
/// beyond does not leave the server. Each array becomes text once, and only when its row is fetched.
macro_rules! page {
    ($which:literal) => {
        concat!(
            "DECLARE page NO SCROLL CURSOR FOR
SELECT id,
       CASE WHEN octet_length(slug) <= $2 THEN slug ELSE '(' || octet_length(slug) || ' bytes)' END,
       CASE WHEN octet_length(name) <= $2 THEN name ELSE '(' || octet_length(name) || ' bytes)' END,
       city_id,
       CASE WHEN octet_length(images) <= $1 THEN images END,
       octet_length(images)::int8
FROM (SELECT v.id::int8, v.slug::text, v.name::text, v.city_id::int8, v.venue_images::text AS images
      FROM venues v
      WHERE ",
            $which,
            ") page"
        )
    };
}

/// One page of a place. The place's numbers are NULL where they do not matter; the planner sees them as constants,
/// because an unnamed statement is planned with its values.
const VENUES: &str = page!(
    r#"v.id > $3
  AND ($4::int8 IS NULL OR v.city_id IN (SELECT c.id FROM cities c WHERE c.country_id = $4))
  AND ($5::int8 IS NULL OR v.city_id = $5)
  AND CASE WHEN $6::int8 IS NOT NULL THEN v.id = $6 ELSE
          v.venue_images @> '[{"source": "trivia_advisor_migration", "upload_status": "external"}]'
          OR jsonb_typeof(v.venue_images) <> 'array'
      END
ORDER BY v.id
LIMIT $7"#
);

/// One page of all that a place holds.
const ROWS: &str = page!(
    "v.id > $3
  AND ($4::int8 IS NULL OR v.city_id IN (SELECT c.id FROM cities c WHERE c.country_id = $4))
  AND ($5::int8 IS NULL OR v.city_id = $5)
  AND ($6::int8 IS NULL OR v.id = $6)
  AND v.venue_images IS NOT NULL
ORDER BY v.id
LIMIT $7"
);

const BY_IDS: &str = page!(
    "v.id = ANY($3::int8[])
ORDER BY v.id"
);

/// A name or slug of a country or city, of at most `$1` bytes; empty where there is none.
macro_rules! name {
    ($column:literal) => {
        concat!(
            "CASE WHEN octet_length(",
            $column,
            "::text) <= $1 THEN ",
            $column,
            "::text \
             ELSE coalesce('(' || octet_length(",
            $column,
            "::text) || ' bytes)', '') END"
        )
    };
}
const COUNTRIES: &str = concat!(
    "DECLARE page NO SCROLL CURSOR FOR SELECT id::int8, ",
    name!("name"),
    ", ",
    name!("code"),
    ", ",
    name!("slug"),
    " FROM countries ORDER BY name::text COLLATE \"C\", id"
);
const CITIES: &str = concat!(
    "DECLARE page NO SCROLL CURSOR FOR SELECT id::int8, ",
    name!("name"),
    ", ",
    name!("slug"),
    ", country_id::int8",
    " FROM cities WHERE country_id IS NOT NULL ORDER BY id"
);

/// The one statement that changes anything. What was sent comes back as this server writes it, beside what it kept.
const UPDATE: &str = "UPDATE venues SET venue_images = $1::text::jsonb, \
     updated_at = date_trunc('second', now() at time zone 'utc') \
     WHERE id = $2 RETURNING CASE WHEN octet_length(venue_images::text) <= $3 THEN venue_images::text END, \
     $1::text::jsonb::text";

/// The database and the schema in which the search path finds the venues; `public` is not mentioned.
const NAME_WITH_SCHEMA: &str = "
SELECT current_database() || coalesce((
    SELECT ', schema ' || n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass('venues') AND n.nspname <> 'public'), '')";

/// One row's array of at most `$2` bytes, and how many it has.
macro_rules! array {
    ($($how:literal)?) => {
        concat!(
            "SELECT CASE WHEN octet_length(venue_images::text) <= $2 THEN venue_images::text END, \
             octet_length(venue_images::text)::int8 FROM venues WHERE id = $1",
            $($how)?
        )
    };
}
const READ: &str = array!();
const LOCK: &str = array!(" FOR UPDATE");

/// The application's database on a PostgreSQL server.
#[derive(Debug)]
pub struct PostgresCatalog {
    pool: Pool,
}

/// See [`super::check`].
pub(super) fn check(url: &str) -> Result<(), Trouble> {
    connect::way(url, "longshore").map(drop)
}

/// See [`super::login`].
pub(super) fn login(url: &str) -> Option<Login> {
    connect::login(&url::read(url).ok()?, &connect::way(url, "longshore").ok()?.options)
}

impl PostgresCatalog {
    /// Connects once, to see that the URL leads to a database, and keeps a small pool under an application name.
    ///
    /// # Errors
    /// `catalog_error` for an unusable URL (TLS forbidden to another machine included), `unauthorized` when the
    /// server does not let us in, an outage when it cannot be reached; `catalog_error` too where a table is none, or where
    /// it is not clear which schema's is meant.
    pub async fn open(url: &str, name: &str) -> Result<Self, Trouble> {
        let pool = Pool::open(url, name, &TABLES).await?;
        pool.tables.are_tables()?;
        Ok(Self { pool })
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
        let query = self.page_of(sql).bind(after).bind(country).bind(city).bind(id).bind(i64::from(limit));
        Ok(self.pool.page(query, CATALOG_PAGE_BYTES_MAX, venue).await?.rows)
    }

    /// A page's statement with its bounds.
    fn page_of(&self, sql: &'static str) -> Query<'static, Postgres, PgArguments> {
        sqlx::query(sql).bind(CATALOG_ROW_BYTES_MAX as i64).bind(CATALOG_NAME_BYTES_MAX)
    }

    async fn system(&self) -> Result<Option<String>, Trouble> {
        let sql = "SELECT system_identifier::text FROM pg_control_system()";
        let mut open = self.pool.begin("READ ONLY").await?;
        let read = sqlx::query_scalar(sql).persistent(false).fetch_one(&mut *open.tx).await;
        match read {
            Ok(system) => Ok(Some(system)),
            Err(sqlx::Error::Database(said)) if said.code().as_deref() == Some(NO_RIGHT) => Ok(None),
            Err(error) => Err(trouble(error)),
        }
    }
}

/// A venue, and the bytes of its texts.
fn venue(row: &PgRow) -> sqlx::Result<(Venue, usize)> {
    let venue = Venue {
        id: VenueId(row.try_get(0)?),
        slug: row.try_get(1)?,
        name: row.try_get(2)?,
        city: row.try_get(3)?,
        images: bounds::bounded(row.try_get(4)?, row.try_get(5)?),
    };
    let bytes = venue.bytes();
    Ok((venue, bytes))
}

async fn read(
    tx: &mut Transaction<'static, Postgres>,
    sql: &'static str,
    venue: VenueId,
) -> Result<Option<Option<String>>, Trouble> {
    let query = sqlx::query(sql).bind(venue.0).bind(CATALOG_ROW_BYTES_MAX as i64).persistent(false);
    let Some(row) = answered(query.fetch_optional(&mut **tx)).await? else { return Ok(None) };
    let text = row.try_get(0).and_then(|text| Ok(bounds::bounded(text, row.try_get(1)?)));
    text.map(Some).map_err(trouble)
}

/// Everything between `BEGIN` and `COMMIT`; the transaction is committed only for `Row::Written`.
async fn rewrite_in(
    tx: &mut Transaction<'static, Postgres>,
    venue: VenueId,
    rewrite: &(dyn for<'text> Fn(Option<&'text str>) -> Rewrite + Send + Sync),
) -> Result<Row, Trouble> {
    let Some(before) = read(tx, LOCK, venue).await? else {
        // A policy for updates hides from FOR UPDATE what SELECT shows.
        return match read(tx, READ, venue).await? {
            None => Ok(Row::Missing),
            Some(_) => Err(refused(format!(
                "venue {venue} can be read but not locked: this database role lacks the right to update it"
            ))),
        };
    };
    bounds::check_held(before.as_deref())?;
    let Rewrite::Write(after) = rewrite(before.as_deref()) else {
        return Ok(Row::Left(before));
    };
    bounds::check_new(after.as_deref())?;
    let update = sqlx::query(UPDATE).bind(after).bind(venue.0).bind(CATALOG_ROW_BYTES_MAX as i64);
    let update = update.persistent(false);
    let updated = answered(update.fetch_all(&mut **tx)).await?;
    let [row] = updated.as_slice() else {
        return Err(refused(format!(
            "the update of venue {venue} changed {} rows instead of one: a policy or a trigger stopped it",
            updated.len()
        )));
    };
    let kept: Option<String> = row.try_get(0).map_err(trouble)?;
    let sent: Option<String> = row.try_get(1).map_err(trouble)?;
    if kept != sent {
        return Err(refused(format!(
            "venue {venue} did not come back as sent: a trigger rewrote the update"
        )));
    }
    // Triggers that wait for the commit have their say now, while what they did can still be seen.
    let now = "SET CONSTRAINTS ALL IMMEDIATE";
    answered(sqlx::query(now).persistent(false).execute(&mut **tx)).await?;
    if read(tx, READ, venue).await?.as_ref() != Some(&sent) {
        return Err(refused(format!(
            "venue {venue} did not read back as sent: a trigger rewrote it after the update"
        )));
    }
    Ok(Row::Written { before, after: kept })
}

#[async_trait]
impl Catalog for PostgresCatalog {
    async fn identity(&self) -> Result<Identity, Trouble> {
        let Way { options, has_search_path, .. } = &self.pool.way;
        // Rows of another schema are other rows, though the database is one. Without a search path of the URL's own the
        // name stays what it always was, as ledgers know it.
        let sql = match has_search_path {
            true => NAME_WITH_SCHEMA,
            false => "SELECT current_database()::text",
        };
        let database = self.pool.all(sqlx::query(sql), |row| row.try_get(0)).await?;
        let recovers = self.pool.all(sqlx::query("SELECT pg_is_in_recovery()"), |row| row.try_get(0)).await?;
        let host = options.get_socket().map_or_else(
            || format!("{}:{}", options.get_host(), options.get_port()),
            |socket| format!("{}:{}", socket.display(), options.get_port()),
        );
        Ok(Identity {
            kind: "postgres",
            system: self.system().await?,
            database: database.into_iter().next().unwrap_or_default(),
            host: Some(host),
            is_standby: recovers.into_iter().next().unwrap_or_default(),
            schema: self.pool.tables.schema("venues").map(str::to_owned),
        })
    }

    async fn countries(&self) -> Result<Vec<Country>, Trouble> {
        let query = sqlx::query(COUNTRIES).bind(CATALOG_NAME_BYTES_MAX);
        let countries = self.pool.page(query, CATALOG_PLACES_BYTES_MAX, |row| {
            let country = Country {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                code: row.try_get(2)?,
                slug: row.try_get(3)?,
            };
            let bytes = country.bytes();
            Ok((country, bytes))
        });
        countries.await?.whole("countries")
    }

    async fn cities(&self) -> Result<Vec<City>, Trouble> {
        let query = sqlx::query(CITIES).bind(CATALOG_NAME_BYTES_MAX);
        let cities = self.pool.page(query, CATALOG_PLACES_BYTES_MAX, |row| {
            let city = City {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                slug: row.try_get(2)?,
                country: row.try_get(3)?,
            };
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
        search::texts(&self.pool, skip).await
    }

    async fn search(&self, search: &Search) -> Result<Seen, Trouble> {
        search::search(&self.pool, search).await
    }

    async fn by_ids(&self, ids: &[VenueId]) -> Result<Vec<Venue>, Trouble> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        Ok(self.pool.page(self.page_of(BY_IDS).bind(ids), CATALOG_PAGE_BYTES_MAX, venue).await?.rows)
    }

    async fn images(&self, venue: VenueId) -> Result<Option<Option<String>>, Trouble> {
        let mut open = self.pool.begin("READ ONLY").await?;
        let images = read(&mut open.tx, READ, venue).await?;
        answered(open.tx.commit()).await?;
        Ok(images)
    }

    async fn rewrite(
        &self,
        venue: VenueId,
        rewrite: &(dyn for<'text> Fn(Option<&'text str>) -> Rewrite + Send + Sync),
    ) -> Result<Row, Trouble> {
        let mut open = self.pool.begin("READ WRITE").await?;
        let row = rewrite_in(&mut open.tx, venue, rewrite).await;
        match &row {
            Ok(Row::Written { .. }) => answered(open.tx.commit()).await?,
            // The server that is away has rolled back by itself, or will.
            Err(trouble) if trouble.outage => {}
            // The trouble that came first says more.
            _ => drop(answered(open.tx.rollback()).await),
        }
        row
    }

    async fn claim(&self, country: Option<&str>, holder: &str) -> Result<Box<dyn Claim>, ClaimRefused> {
        Ok(Box::new(claim::PostgresClaim::take(self.pool.way.clone(), country, holder).await?))
    }
}
