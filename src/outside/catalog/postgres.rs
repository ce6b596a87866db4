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
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row as _, Transaction};

use self::connect::Way;
pub(super) use self::inspect::inspect;
pub(crate) use self::pool::Pool;
use self::trouble::{answered, trouble};
use super::search::{Search, Seen, Texts};
use super::{Catalog, City, Claim, ClaimRefused, Country, Identity, Place, Rewrite, Row, Venue, refused};
use crate::outside::Trouble;

const NO_RIGHT: &str = "42501";

const TABLES: [&str; 3] = ["venues", "cities", "countries"];

/// One page of a place. The place's numbers are NULL where they do not matter; the planner sees them as constants,
/// because an unnamed statement is planned with its values.
const VENUES: &str = r#"
SELECT v.id::int8, v.slug::text, v.name::text, v.city_id::int8, v.venue_images::text
FROM venues v
WHERE v.id > $1
  AND ($2::int8 IS NULL OR v.city_id IN (SELECT c.id FROM cities c WHERE c.country_id = $2))
  AND ($3::int8 IS NULL OR v.city_id = $3)
  AND CASE WHEN $4::int8 IS NOT NULL THEN v.id = $4 ELSE
          v.venue_images @> '[{"source": "trivia_advisor_migration", "upload_status": "external"}]'
          OR jsonb_typeof(v.venue_images) <> 'array'
      END
ORDER BY v.id
LIMIT $5"#;

/// One page of all that a place holds.
const ROWS: &str = "
SELECT v.id::int8, v.slug::text, v.name::text, v.city_id::int8, v.venue_images::text
FROM venues v
WHERE v.id > $1
  AND ($2::int8 IS NULL OR v.city_id IN (SELECT c.id FROM cities c WHERE c.country_id = $2))
  AND ($3::int8 IS NULL OR v.city_id = $3)
  AND ($4::int8 IS NULL OR v.id = $4)
  AND v.venue_images IS NOT NULL
ORDER BY v.id
LIMIT $5";

const BY_IDS: &str = "
SELECT v.id::int8, v.slug::text, v.name::text, v.city_id::int8, v.venue_images::text
FROM venues v
WHERE v.id = ANY($1::int8[])
ORDER BY v.id";

/// The one statement that changes anything. What was sent comes back as this server writes it, beside what it kept.
const UPDATE: &str = "UPDATE venues SET venue_images = $1::text::jsonb, \
     updated_at = date_trunc('second', now() at time zone 'utc') \
     WHERE id = $2 RETURNING venue_images::text, $1::text::jsonb::text";

/// The database and the schema in which the search path finds the venues; `public` is not mentioned.
const NAME_WITH_SCHEMA: &str = "
SELECT current_database() || coalesce((
    SELECT ', schema ' || n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass('venues') AND n.nspname <> 'public'), '')";

const READ: &str = "SELECT venue_images::text FROM venues WHERE id = $1";
const LOCK: &str = "SELECT venue_images::text FROM venues WHERE id = $1 FOR UPDATE";

/// The application's database on a PostgreSQL server.
#[derive(Debug)]
pub struct PostgresCatalog {
    pool: Pool,
}

/// See [`super::check`].
pub(super) fn check(url: &str) -> Result<(), Trouble> {
    connect::way(url, "longshore").map(drop)
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
        let query = sqlx::query(sql).bind(after).bind(country).bind(city).bind(id).bind(i64::from(limit));
        self.pool.all(query, venue).await
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

fn venue(row: &PgRow) -> sqlx::Result<Venue> {
    Ok(Venue {
        id: VenueId(row.try_get(0)?),
        slug: row.try_get(1)?,
        name: row.try_get(2)?,
        city: row.try_get(3)?,
        images: row.try_get(4)?,
    })
}

async fn read(
    tx: &mut Transaction<'static, Postgres>,
    sql: &'static str,
    venue: VenueId,
) -> Result<Option<Option<String>>, Trouble> {
    answered(sqlx::query_scalar(sql).bind(venue.0).persistent(false).fetch_optional(&mut **tx)).await
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
    let Rewrite::Write(after) = rewrite(before.as_deref()) else {
        return Ok(Row::Left(before));
    };
    let update = sqlx::query(UPDATE).bind(after).bind(venue.0).persistent(false);
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
        let host = options.get_socket().map_or_else(
            || format!("{}:{}", options.get_host(), options.get_port()),
            |socket| format!("{}:{}", socket.display(), options.get_port()),
        );
        Ok(Identity {
            kind: "postgres",
            system: self.system().await?,
            database: database.into_iter().next().unwrap_or_default(),
            host: Some(host),
            schema: self.pool.tables.schema("venues").map(str::to_owned),
        })
    }

    async fn countries(&self) -> Result<Vec<Country>, Trouble> {
        let sql = "SELECT id::int8, coalesce(name::text, ''), coalesce(code::text, ''), coalesce(slug::text, '') \
                   FROM countries ORDER BY name::text COLLATE \"C\", id";
        self.pool
            .all(sqlx::query(sql), |row| {
                Ok(Country {
                    id: row.try_get(0)?,
                    name: row.try_get(1)?,
                    code: row.try_get(2)?,
                    slug: row.try_get(3)?,
                })
            })
            .await
    }

    async fn cities(&self) -> Result<Vec<City>, Trouble> {
        let sql = "SELECT id::int8, coalesce(name::text, ''), coalesce(slug::text, ''), country_id::int8 \
                   FROM cities WHERE country_id IS NOT NULL ORDER BY id";
        self.pool
            .all(sqlx::query(sql), |row| {
                Ok(City {
                    id: row.try_get(0)?,
                    name: row.try_get(1)?,
                    slug: row.try_get(2)?,
                    country: row.try_get(3)?,
                })
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
        search::texts(&self.pool, skip).await
    }

    async fn search(&self, search: &Search) -> Result<Seen, Trouble> {
        search::search(&self.pool, search).await
    }

    async fn by_ids(&self, ids: &[VenueId]) -> Result<Vec<Venue>, Trouble> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        self.pool.all(sqlx::query(BY_IDS).bind(ids), venue).await
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
