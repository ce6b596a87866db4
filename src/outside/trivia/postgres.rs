//! Trivia Advisor on a PostgreSQL server, directly or through a pooler in transaction mode. Every transaction is
//! begun `READ ONLY`, so the server itself refuses whatever would write, a function behind a view included.

use async_trait::async_trait;
use sqlx::Row as _;

use super::{TaVenue, Trivia};
use crate::outside::Trouble;
use crate::outside::catalog::postgres::Pool;

const IMAGES: &str = "
SELECT v.id::int8, v.slug::text, v.google_place_images::text
FROM venues v
WHERE v.id = ANY($1::int8[])
ORDER BY v.id";

/// Trivia Advisor's database on a PostgreSQL server.
#[derive(Debug)]
pub struct PostgresTrivia {
    pool: Pool,
}

impl PostgresTrivia {
    /// Connects once, to see that the URL leads to a database, and keeps a small pool under an application name.
    ///
    /// # Errors
    /// As [`crate::outside::catalog::postgres::PostgresCatalog::open`].
    pub async fn open(url: &str, name: &str) -> Result<Self, Trouble> {
        Ok(Self { pool: Pool::open(url, name, &["venues"]).await? })
    }
}

#[async_trait]
impl Trivia for PostgresTrivia {
    async fn images(&self, ids: &[i64]) -> Result<Vec<TaVenue>, Trouble> {
        let venue = |row: &sqlx::postgres::PgRow| {
            Ok(TaVenue { id: row.try_get(0)?, slug: row.try_get(1)?, images: row.try_get(2)? })
        };
        self.pool.all(sqlx::query(IMAGES).bind(ids.to_vec()), venue).await
    }
}
