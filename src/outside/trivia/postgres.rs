//! Trivia Advisor on a PostgreSQL server, directly or through a pooler in transaction mode. Every transaction is
//! begun `READ ONLY`, so the server itself refuses whatever would write, a function behind a view included.

use async_trait::async_trait;
use sqlx::Row as _;

use super::{TaVenue, Trivia};
use crate::limits::{CATALOG_NAME_BYTES_MAX, CATALOG_PAGE_BYTES_MAX, CATALOG_ROW_BYTES_MAX};
use crate::outside::Trouble;
use crate::outside::catalog::bounds::bounded;
use crate::outside::catalog::postgres::Pool;

const IMAGES: &str = "
DECLARE page NO SCROLL CURSOR FOR
SELECT id,
       CASE WHEN octet_length(slug) <= $3 THEN slug ELSE '(' || octet_length(slug) || ' bytes)' END,
       CASE WHEN octet_length(images) <= $2 THEN images END,
       octet_length(images)::int8
FROM (SELECT v.id::int8, v.slug::text, v.google_place_images::text AS images
      FROM venues v
      WHERE v.id = ANY($1::int8[])
      ORDER BY v.id) page";

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
        let query = sqlx::query(IMAGES).bind(ids.to_vec()).bind(CATALOG_ROW_BYTES_MAX as i64);
        let page = self.pool.page(query.bind(CATALOG_NAME_BYTES_MAX), CATALOG_PAGE_BYTES_MAX, |row| {
            let images = bounded(row.try_get(2)?, row.try_get(3)?);
            let venue = TaVenue { id: row.try_get(0)?, slug: row.try_get(1)?, images };
            let bytes = venue.bytes();
            Ok((venue, bytes))
        });
        Ok(page.await?.rows)
    }
}
