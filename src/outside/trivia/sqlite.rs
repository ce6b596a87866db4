//! Trivia Advisor in one SQLite file, opened so that SQLite refuses whatever would write.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::OpenFlags;

use super::{TaVenue, Trivia};
use crate::limits::{CATALOG_NAME_BYTES_MAX, CATALOG_PAGE_BYTES_MAX, CATALOG_ROW_BYTES_MAX};
use crate::outside::Trouble;
use crate::outside::catalog::bounds::bounded;
use crate::outside::catalog::sqlite::{File, json, words};

const IMAGES: &str = "
SELECT v.id,
       CASE WHEN octet_length(v.slug) <= ?3 THEN v.slug ELSE '(' || octet_length(v.slug) || ' bytes)' END,
       CASE WHEN octet_length(v.google_place_images) <= ?2 THEN CAST(v.google_place_images AS TEXT) END,
       octet_length(v.google_place_images)
FROM venues v
WHERE v.id IN (SELECT value FROM json_each(?1))
ORDER BY v.id";

/// Trivia Advisor's database in a SQLite file.
#[derive(Debug)]
pub struct SqliteTrivia {
    file: File,
}

impl SqliteTrivia {
    /// Opens a file that is there; a missing one is not created.
    ///
    /// # Errors
    /// As [`crate::outside::catalog::sqlite::SqliteCatalog::open`].
    pub async fn open(path: &Path) -> Result<Self, Trouble> {
        Ok(Self { file: File::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY).await? })
    }
}

#[async_trait]
impl Trivia for SqliteTrivia {
    async fn images(&self, ids: &[i64]) -> Result<Vec<TaVenue>, Trouble> {
        let values =
            (serde_json::json!(ids).to_string(), CATALOG_ROW_BYTES_MAX as i64, CATALOG_NAME_BYTES_MAX);
        let page = self.file.page(IMAGES, values, CATALOG_PAGE_BYTES_MAX, |row| {
            let images = bounded(json(row, 2)?, row.get(3)?);
            let venue = TaVenue { id: row.get(0)?, slug: words(row, 1)?, images };
            let bytes = venue.bytes();
            Ok((venue, bytes))
        });
        Ok(page.await?.rows)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, ErrorCode};

    use super::*;

    #[tokio::test]
    async fn s6_nothing_can_be_written_through_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trivia_advisor.db");
        let tables = "CREATE TABLE venues (id INTEGER PRIMARY KEY, slug TEXT, google_place_images TEXT); \
             INSERT INTO venues VALUES (1, 'one', '[]')";
        Connection::open(&path).unwrap().execute_batch(tables).unwrap();
        let before = std::fs::read(&path).unwrap();
        let trivia = SqliteTrivia::open(&path).await.unwrap();
        for sql in ["UPDATE venues SET slug = 'two'", "DELETE FROM venues", "CREATE TABLE x (y)"] {
            let said = trivia.file.with(move |connection| Ok(connection.execute(sql, []))).await.unwrap();
            assert_eq!(said.unwrap_err().sqlite_error_code(), Some(ErrorCode::ReadOnly), "{sql}");
        }
        assert_eq!(trivia.images(&[1]).await.unwrap().len(), 1);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
