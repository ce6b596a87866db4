//! The application's database: what is to be moved, and the one statement that moves it.

use async_trait::async_trait;
use ledger::ids::VenueId;

use super::Trouble;

/// A country of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country {
    /// `countries.id`.
    pub id: i64,
    /// The name as the database has it.
    pub name: String,
    /// ISO 3166-1 alpha-2.
    pub code: String,
    /// The URL slug.
    pub slug: String,
}

/// A city of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct City {
    /// `cities.id`.
    pub id: i64,
    /// The name as the database has it; several countries may have one of that name.
    pub name: String,
    /// The URL slug, unique within its country.
    pub slug: String,
    /// `cities.country_id`.
    pub country: i64,
}

/// Which venues are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// All of them.
    Everywhere,
    /// Those of one country, by `countries.id`.
    Country(i64),
    /// Those of one city, by `cities.id`.
    City(i64),
    /// One venue.
    Venue(VenueId),
}

/// A venue and the place it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venue {
    /// `venues.id`.
    pub id: VenueId,
    /// The URL slug, not necessarily clean.
    pub slug: Option<String>,
    /// The name, if there is one.
    pub name: Option<String>,
    /// `cities.id`, where the venue has a city.
    pub city: Option<i64>,
    /// `venue_images` in the catalog's own text; `None` is SQL NULL.
    pub images: Option<String>,
}

/// What to do with a row, decided from the text it holds while it is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// Nothing: leave it as it is.
    Leave,
    /// Put this text there; `None` is SQL NULL.
    Write(Option<String>),
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// There is no such venue.
    Missing,
    /// It was left as it is, holding this.
    Left(Option<String>),
    /// It was rewritten and committed.
    Written {
        /// The text it held.
        before: Option<String>,
        /// The text it holds now, read back from the database.
        after: Option<String>,
    },
}

/// Which database this is, so that a ledger can refuse another (requirement D7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `postgres` or `sqlite`.
    pub kind: &'static str,
    /// PostgreSQL's system identifier, where the role may read it.
    pub system: Option<String>,
    /// The database's name; for SQLite its canonical path.
    pub database: String,
    /// `host:port`, never credentials; `None` for SQLite.
    pub host: Option<String>,
}

/// A claim on a country of this database; dropped, it is given back.
#[async_trait]
pub trait Claim: Send + Sync {
    /// Sees that the claim is still held, and takes it again if it was lost.
    ///
    /// # Errors
    /// Trouble when it cannot be taken again: nobody may then update a row under it.
    async fn check(&self) -> Result<(), ClaimRefused>;
}

/// Why a claim was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimRefused {
    /// Someone else holds it: who, in words (program, user, host, since when, as far as known).
    Held(String),
    /// The database could not be asked.
    Trouble(Trouble),
}

/// The application's database. One contract suite (`tests/it/catalog.rs`) holds every implementation to the same.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Which database this is.
    async fn identity(&self) -> Result<Identity, Trouble>;
    /// All countries, by name.
    async fn countries(&self) -> Result<Vec<Country>, Trouble>;
    /// All cities, by id.
    async fn cities(&self) -> Result<Vec<City>, Trouble>;
    /// Up to `limit` venues of a place with an id above `after`, in id order: at least all those whose
    /// `venue_images` hold an entry that is external and ours, or are neither NULL nor an array. Others may be left
    /// out. A venue asked for by id comes whatever it holds.
    async fn venues(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble>;
    /// The `venue_images` text of one venue as it is now; `None` when there is no such venue.
    async fn images(&self, venue: VenueId) -> Result<Option<Option<String>>, Trouble>;
    /// Rewrites one venue's `venue_images` in one transaction under a row lock: reads the text, hands it to
    /// `rewrite`, writes what that says together with `updated_at` (UTC, whole seconds), reads it back and commits
    /// only if it came back as sent.
    ///
    /// # Errors
    /// `catalog_error` when the database refused or changed what was sent (nothing is then written); an outage
    /// when it could not be reached. After a lost connection it is unknown whether the commit happened; calling
    /// again finds out, as `rewrite` then sees its own work.
    async fn rewrite(
        &self,
        venue: VenueId,
        rewrite: &(dyn Fn(Option<&str>) -> Rewrite + Send + Sync),
    ) -> Result<Row, Trouble>;
    /// Claims a country (ISO code; `None` for venues without one) for this process, trying for
    /// `limits::CLAIM_TRY_MS_MAX`. `holder` is what others are told.
    async fn claim(&self, country: Option<&str>, holder: &str) -> Result<Box<dyn Claim>, ClaimRefused>;
}
