//! Trivia Advisor's database: where the images of a venue are known from. It is only ever read (requirement S6), so
//! nothing here can write.

pub mod entries;
pub mod postgres;
pub mod sqlite;

use async_trait::async_trait;

use super::Trouble;
pub use super::catalog::check;
use super::catalog::{Named, named};

/// A venue of Trivia Advisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaVenue {
    /// `venues.id` there.
    pub id: i64,
    /// The URL slug.
    pub slug: Option<String>,
    /// `google_place_images` in the database's own text (requirement D2); `None` is SQL NULL. A text beyond
    /// `limits::CATALOG_ROW_BYTES_MAX` comes as words that are no JSON, as the catalog's do.
    pub images: Option<String>,
}

impl TaVenue {
    /// Bytes of its texts.
    pub(crate) fn bytes(&self) -> usize {
        [&self.slug, &self.images].into_iter().flatten().map(String::len).sum()
    }
}

/// Trivia Advisor's database. One contract suite (`tests/it/trivia.rs`) holds every implementation to the same.
#[async_trait]
pub trait Trivia: Send + Sync {
    /// The venues with these ids, in id order and each once; an unknown id is left out. They end where their texts are
    /// `limits::CATALOG_PAGE_BYTES_MAX` bytes: those above the last are asked for again, until none comes.
    ///
    /// # Errors
    /// `catalog_error` when the database refused; an outage when it could not be reached.
    async fn images(&self, ids: &[i64]) -> Result<Vec<TaVenue>, Trouble>;
}

/// Opens the database a URL names, for reading: `postgres://…`, `postgresql://…` or `sqlite:PATH`.
///
/// # Errors
/// As [`super::catalog::open`].
pub async fn open(url: &str) -> Result<Box<dyn Trivia>, Trouble> {
    match named(url)? {
        Named::Sqlite(path) => Ok(Box::new(sqlite::SqliteTrivia::open(path).await?)),
        Named::Postgres(url) => Ok(Box::new(postgres::PostgresTrivia::open(url, "longshore").await?)),
    }
}
