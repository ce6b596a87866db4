//! The application's database: what is to be moved, and the one statement that moves it.

pub(super) mod bounds;
mod claims;
pub mod inspect;
pub mod postgres;
pub mod search;
pub mod sqlite;

use std::path::Path;

use async_trait::async_trait;
use ledger::event;
use ledger::ids::VenueId;
use ledger::trouble::TroubleKind;

pub use self::bounds::{no_array, outgrown, unread};
use self::search::{Search, Seen, Texts};
use super::Trouble;
use crate::limits;
use crate::pass_file::Login;
use crate::secrets::masked;

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

impl Country {
    /// Bytes of its texts.
    fn bytes(&self) -> usize {
        self.name.len() + self.code.len() + self.slug.len()
    }

    /// As the ledger writes it.
    pub fn written(&self) -> event::Country {
        let slug = Some(self.slug.clone());
        event::Country { code: self.code.clone(), name: self.name.clone(), slug }
    }
}

impl City {
    /// Bytes of its texts.
    fn bytes(&self) -> usize {
        self.name.len() + self.slug.len()
    }

    /// As the ledger writes it.
    pub fn written(&self) -> event::City {
        event::City { id: self.id, name: self.name.clone(), slug: Some(self.slug.clone()) }
    }
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

impl Place {
    /// The country, the city and the venue it names; at most one of them is there.
    fn ids(self) -> (Option<i64>, Option<i64>, Option<i64>) {
        match self {
            Self::Everywhere => (None, None, None),
            Self::Country(id) => (Some(id), None, None),
            Self::City(id) => (None, Some(id), None),
            Self::Venue(VenueId(id)) => (None, None, Some(id)),
        }
    }
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
    /// `venue_images` in the catalog's own text; `None` is SQL NULL. Bytes that are no text, as SQLite may hold them,
    /// are words that are no JSON, and so is a text beyond `limits::CATALOG_ROW_BYTES_MAX`: see [`unread`].
    pub images: Option<String>,
}

impl Venue {
    /// Bytes of its texts.
    fn bytes(&self) -> usize {
        [&self.slug, &self.name, &self.images].into_iter().flatten().map(String::len).sum()
    }
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
    /// Whether it is a standby, which takes no updates.
    pub is_standby: bool,
    /// The schema that has `venues`, for people; `None` for SQLite, and where there is no such table. A ledger's target
    /// has it only in [`database`](Self::database), as it always had.
    pub schema: Option<String>,
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
///
/// What it gives is bounded, whatever it holds. A page of venues ends where its texts are
/// `limits::CATALOG_PAGE_BYTES_MAX` bytes: it may hold fewer venues than were asked for, and only an empty one is the last.
/// A name beyond `limits::CATALOG_NAME_BYTES_MAX` comes as its size in words.
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
    /// Up to `limit` venues of a place with an id above `after`, in id order: exactly those whose `venue_images` is
    /// not SQL NULL, whatever else it holds.
    async fn rows(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble>;
    /// What there is to look at for uses of files: every column that may hold a text of every table that may be read, but
    /// for tables that are left out.
    async fn texts(&self, skip: &[String]) -> Result<Texts, Trouble>;
    /// Has every such text seen as all of them are at one moment, at least those that may speak of a file and that an
    /// earlier look has not seen. Nothing is seen in no particular order, and nothing is left out in silence.
    ///
    /// # Errors
    /// `catalog_error` where row-level security may hide rows, or a table cannot be read through.
    async fn search(&self, search: &Search) -> Result<Seen, Trouble>;
    /// The venues with these ids, whatever they hold, in id order and each once; an unknown id is left out. As they are a
    /// page, those above the last of them may be missing: they are asked for again, until none comes.
    async fn by_ids(&self, ids: &[VenueId]) -> Result<Vec<Venue>, Trouble>;
    /// The `venue_images` text of one venue as it is now; `None` when there is no such venue.
    async fn images(&self, venue: VenueId) -> Result<Option<Option<String>>, Trouble>;
    /// Rewrites one venue's `venue_images` in one transaction under a row lock: reads the text, hands it to
    /// `rewrite`, writes what that says together with `updated_at` (UTC, whole seconds), reads it back and commits
    /// only if it came back as sent.
    ///
    /// # Errors
    /// `bad_data` when the text is beyond the bounds of what is read, or would be afterwards; `catalog_error` when the
    /// database refused or changed what was sent (nothing is then written); an outage
    /// when it could not be reached. After a lost connection it is unknown whether the commit happened; calling
    /// again finds out, as `rewrite` then sees its own work.
    async fn rewrite(
        &self,
        venue: VenueId,
        rewrite: &(dyn for<'text> Fn(Option<&'text str>) -> Rewrite + Send + Sync),
    ) -> Result<Row, Trouble>;
    /// Sees, before anybody is asked anything, that nothing keeps this user from claiming a country, as far as that shows;
    /// whoever holds it is not waited for.
    async fn check_claim(&self, country: Option<&str>) -> Result<(), Trouble> {
        let _only_files_can_be_in_the_way = country;
        Ok(())
    }
    /// Claims a country (ISO code; `None` for venues without one) for this process, trying for
    /// `limits::CLAIM_TRY_MS_MAX`. `holder` is what others are told.
    async fn claim(&self, country: Option<&str>, holder: &str) -> Result<Box<dyn Claim>, ClaimRefused>;
}

/// How many of the ids asked for by [`Catalog::by_ids`], which are in order, a page answers: all up to its last row, or all
/// where it is empty.
pub fn answered(asked: &[VenueId], page: &[Venue]) -> usize {
    page.last().map_or(asked.len(), |last| asked.partition_point(|id| *id <= last.id))
}

/// Sees that a URL could be opened, without asking anyone.
///
/// # Errors
/// `catalog_error` when it cannot be read, or forbids TLS to another machine (requirement S3).
pub fn check(url: &str) -> Result<(), Trouble> {
    match named(url)? {
        Named::Sqlite(_) => Ok(()),
        Named::Postgres(url) => postgres::check(url),
    }
}

/// Who logs in by a usable URL that has no password.
pub fn login(url: &str) -> Option<Login> {
    match named(url).ok()? {
        Named::Sqlite(_) => None,
        Named::Postgres(url) => postgres::login(url),
    }
}

/// Opens the database a URL names: `postgres://…`, `postgresql://…` or `sqlite:PATH`.
///
/// # Errors
/// `catalog_error` when the URL is neither, or asks for a connection without TLS to another machine; whatever the
/// database itself answers, in the words of its implementation.
pub async fn open(url: &str) -> Result<Box<dyn Catalog>, Trouble> {
    match named(url)? {
        Named::Sqlite(path) => Ok(Box::new(sqlite::SqliteCatalog::open(path).await?)),
        Named::Postgres(url) => Ok(Box::new(postgres::PostgresCatalog::open(url, "longshore").await?)),
    }
}

/// The kind of database that a URL names.
pub(super) enum Named<'a> {
    /// A file.
    Sqlite(&'a Path),
    /// A server, by the whole URL.
    Postgres(&'a str),
}

/// Tells the two kinds apart.
///
/// # Errors
/// `catalog_error` when the URL is of neither.
pub(super) fn named(url: &str) -> Result<Named<'_>, Trouble> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = Path::new(path);
        // A file may have such a name; then it is there.
        if path.to_string_lossy().contains('?') && !path.exists() {
            return Err(refused(
                "a sqlite: URL takes no parameters: write sqlite:PATH, without the ? and what follows",
            ));
        }
        Ok(Named::Sqlite(path))
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        Ok(Named::Postgres(url))
    } else {
        // The URL itself may carry a password, so it is not repeated.
        Err(refused("a database URL begins with postgres://, postgresql:// or sqlite:"))
    }
}

/// Trouble with the database that concerns one statement: another attempt may do better.
fn refused(message: impl Into<String>) -> Trouble {
    Trouble::new(TroubleKind::CatalogError, message)
}

/// A database's own words, fit to be passed on: one line, of bounded length, no control characters, and no URL keeps
/// its credentials or its query string.
fn plain(text: &str) -> String {
    // Before anything is cut, so that no part of a secret is left over.
    let text = masked(text);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        match word.split_once("://") {
            None => line.push_str(word),
            Some((scheme, rest)) => {
                let rest = rest.split(['?', '#']).next().unwrap_or_default();
                let host_at =
                    rest.split('/').next().and_then(|authority| authority.rfind('@')).map_or(0, |at| at + 1);
                line.push_str(scheme);
                line.push_str("://");
                line.push_str(&rest[host_at..]);
            }
        }
    }
    line.chars().take(limits::CATALOG_MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_a_databases_words_lose_secrets_and_line_breaks() {
        assert_eq!(
            plain("no\u{1b}[2J  way:\nhttps://me:pw@h.example/a/b.jpg?sig=1#x is bad"),
            "no [2J way: https://h.example/a/b.jpg is bad"
        );
        assert_eq!(plain(&"é".repeat(1_000)).chars().count(), limits::CATALOG_MESSAGE_CHARS_MAX);
    }

    #[tokio::test]
    async fn s1_an_unknown_url_is_refused_without_being_repeated() {
        let said = open("mysql://me:secret@db.example/x").await.err().unwrap();
        assert!(!said.to_string().contains("secret"), "{said}");
    }
}
