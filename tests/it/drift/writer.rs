//! The other writer, with connections of its own, to be called from any thread.

use rusqlite::OptionalExtension;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::support::stage::Stage;

/// Someone else on the same database.
#[derive(Clone)]
pub struct Writer(String);

impl Writer {
    /// One that goes straight to the database, whichever way the runs go.
    pub fn on(stage: &Stage) -> Self {
        let url = stage.url();
        let Ok(server) = std::env::var("LONGSHORE_TEST_POSTGRES") else { return Self(url) };
        match url.rsplit_once('/').filter(|_| url.starts_with("postgres")) {
            Some((_, name)) => Self(format!("{}/{name}", server.rsplit_once('/').unwrap().0)),
            None => Self(url),
        }
    }

    /// Runs SQL.
    pub fn sql(&self, sql: &str) {
        self.ask(sql.to_owned(), false);
    }

    /// A row's array; the outer `None` when there is no such row.
    pub fn images(&self, id: i64) -> Option<Option<String>> {
        self.ask(format!("SELECT CAST(venue_images AS text) FROM venues WHERE id = {id}"), true)
    }

    /// Writes a row's array.
    pub fn set(&self, id: i64, images: &str) {
        self.sql(&format!(
            "UPDATE venues SET venue_images = '{}' WHERE id = {id}",
            images.replace('\'', "''")
        ));
    }

    /// A thread of its own: a probe is called on a worker of the run's runtime, which must not wait for another.
    fn ask(&self, sql: String, wants_row: bool) -> Option<Option<String>> {
        let url = self.0.clone();
        let asking = std::thread::spawn(move || match url.strip_prefix("sqlite:") {
            Some(path) => {
                let db = rusqlite::Connection::open(path).unwrap();
                if wants_row {
                    return db.query_row(&sql, [], |row| row.get(0)).optional().unwrap();
                }
                db.execute_batch(&sql).unwrap();
                None
            }
            None => {
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                    let mut connection = PgConnection::connect(&url).await.unwrap();
                    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
                    rows.first().map(|row| row.get(0))
                })
            }
        });
        asking.join().expect("the other writer writes")
    }
}
