//! The catalog's contract, held to by PostgreSQL, PostgreSQL behind PgBouncer, SQLite and the simulation's database
//! alike; and what only real databases, or only PostgreSQL, can do to it.

mod claims;
mod contract;
mod no_text;
mod postgres;
mod refusals;
mod search;
mod shadows;
mod suspended;

use std::sync::Arc;

use longshore::outside::catalog::{Catalog, Rewrite, open};

use crate::pretended::database::{Held, Seat};
use crate::pretended::process::Process;
use crate::pretended::{fair_world, world};
use crate::support::postgres::{Database, run};
use crate::support::sqlite::SqliteFile;
use crate::support::sqlite_file;

/// Two countries, a city of one name in both, and a venue of every sort.
const SEED: &str = r#"
INSERT INTO countries (id, name, code, slug) VALUES (1, 'United Kingdom', 'GB', 'united-kingdom'), (2, 'Poland', 'PL', 'poland');
INSERT INTO cities (id, name, slug, country_id) VALUES (10, 'London', 'london', 1), (11, 'Boston', 'boston', 1), (20, 'Boston', 'boston', 2);
INSERT INTO venues (id, slug, name, city_id, venue_images, updated_at) VALUES
 (1, 'one', 'One', 10, '[{"url": "a", "source": "trivia_advisor_migration", "upload_status": "external"}]', '2020-01-01 00:00:00'),
 (2, NULL, NULL, 11, '[{"url": "b", "source": "user"}, {"url": "c", "source": "trivia_advisor_migration", "upload_status": "external"}]', '2020-01-01 00:00:00'),
 (3, 'three', 'Three', 20, '[{"url": "d", "source": "trivia_advisor_migration", "upload_status": "external"}]', '2020-01-01 00:00:00'),
 (4, 'four', 'Four', 20, NULL, '2020-01-01 00:00:00'),
 (5, 'five', 'Five', 20, '[]', '2020-01-01 00:00:00'),
 (6, 'six', 'Six', NULL, '[{"url": "e", "source": "trivia_advisor_migration", "upload_status": "external"}]', '2020-01-01 00:00:00'),
 (7, 'seven', 'Seven', 10, 'null', '2020-01-01 00:00:00'),
 (8, 'eight', 'Eight', 10, '"text"', '2020-01-01 00:00:00'),
 (9, 'nine', 'Nine', 10, '{"url": "f"}', '2020-01-01 00:00:00');
"#;

/// A database with the seed in it, and a catalog that is open on it.
pub struct World {
    catalog: Box<dyn Catalog>,
    url: String,
    rows: Rows,
}

enum Rows {
    Postgres(Database),
    Sqlite(SqliteFile),
    Pretended(Arc<world::World>),
}

impl World {
    async fn postgres() -> Self {
        let database = Database::create().await;
        Self::seeded(database.url.clone(), Rows::Postgres(database)).await
    }
    async fn pgbouncer() -> Self {
        let database = Database::create().await;
        Self::seeded(database.through_pgbouncer_url.clone(), Rows::Postgres(database)).await
    }
    async fn sqlite() -> Self {
        let file = sqlite_file();
        Self::seeded(file.url(), Rows::Sqlite(file)).await
    }
    /// The simulation's, with the rows and cities of the seed.
    async fn pretended() -> Self {
        let world = fair_world();
        {
            let database = &mut world.lock().databases[0];
            database.cities = [(10, 1), (11, 1), (20, 2)].into();
            database.say("a page".to_owned());
            for row in SEED.lines().filter_map(|line| line.strip_prefix(" (")) {
                let (fields, rest) = row.split_at(row.find(['[', '{', '"']).unwrap_or(row.len()));
                let fields: Vec<&str> = fields.split(", ").collect();
                let images = match fields[4] {
                    "NULL" => None,
                    "'null'" => Some("null".to_owned()),
                    _ => rest.split_once("', '2020").map(|(text, _)| text.to_owned()),
                };
                let held = Held::new(fields[1].trim_matches('\''), fields[3].parse().ok(), images);
                database.rows.insert(fields[0].parse().unwrap(), held);
            }
        }
        let catalog = Box::new(Seat(Process::new(&world, 0)));
        Self { catalog, url: String::new(), rows: Rows::Pretended(world) }
    }
    /// The catalog as another process opens it.
    async fn another(&self) -> Box<dyn Catalog> {
        match &self.rows {
            Rows::Pretended(world) => Box::new(Seat(Process::new(world, 1))),
            _ => open(&self.url).await.unwrap(),
        }
    }
    /// Somebody else writes a row.
    async fn write(&self, venue: i64, images: &str) {
        match &self.rows {
            Rows::Pretended(world) => world.lock().databases[0].write(venue, Some(images.to_owned())),
            _ => self.run(&format!("UPDATE venues SET venue_images = '{images}' WHERE id = {venue}")).await,
        }
    }
    async fn seeded(url: String, rows: Rows) -> Self {
        let world = Self { catalog: open(&url).await.unwrap(), url, rows };
        world.run(SEED).await;
        world
    }
    /// Runs statements past the catalog.
    async fn run(&self, sql: &str) {
        match &self.rows {
            Rows::Postgres(database) => run(&mut database.admin().await, sql).await,
            Rows::Sqlite(file) => file.admin().execute_batch(sql).unwrap(),
            Rows::Pretended(_) => panic!("this world has no SQL"),
        }
    }
    /// One text read past the catalog.
    async fn ask(&self, sql: &'static str) -> Option<String> {
        match &self.rows {
            Rows::Postgres(database) => {
                sqlx::query_scalar(sql).fetch_one(&mut database.admin().await).await.unwrap()
            }
            Rows::Sqlite(file) => file.admin().query_row(sql, [], |row| row.get(0)).unwrap(),
            Rows::Pretended(_) => panic!("this world has no SQL"),
        }
    }
    /// Waits until a snapshot tells what was written before from what is written now: on PostgreSQL it cannot while a
    /// transaction that began before is open anywhere on the server, as those of other tests are.
    async fn settled(&self) {
        let Rows::Postgres(database) = &self.rows else { return };
        let mut admin = database.admin().await;
        let now: String =
            sqlx::query_scalar("SELECT pg_current_xact_id()::text").fetch_one(&mut admin).await.unwrap();
        let is_over = "SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8";
        let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
        while !sqlx::query_scalar::<_, bool>(is_over).bind(&now).fetch_one(&mut admin).await.unwrap() {
            assert!(std::time::Instant::now() < until, "an older transaction stays open on this server");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    fn is_sqlite(&self) -> bool {
        matches!(self.rows, Rows::Sqlite(_))
    }
    /// The PostgreSQL database behind it.
    fn database(&self) -> &Database {
        match &self.rows {
            Rows::Postgres(database) => database,
            Rows::Sqlite(_) | Rows::Pretended(_) => panic!("this world has no PostgreSQL"),
        }
    }
}

/// A rewrite that puts one text there, whatever was.
fn put(text: Option<&str>) -> impl Fn(Option<&str>) -> Rewrite + Send + Sync + 'static {
    let text = text.map(str::to_owned);
    move |_| Rewrite::Write(text.clone())
}

/// Makes each of the contract's functions a test of every implementation, the simulation's among them.
macro_rules! holds_everywhere {
    ($module:ident: $($name:ident),* $(,)?) => {
        crate::catalog::holds_on_databases!($module: $($name),*);
        mod pretended {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name(crate::catalog::World::pretended().await).await;
            })*
        }
    };
}

/// Makes each function a test of every real database.
macro_rules! holds_on_databases {
    ($module:ident: $($name:ident),* $(,)?) => {
        crate::catalog::holds_on_databases!(@world on_postgres, postgres, $module, $($name),*);
        crate::catalog::holds_on_databases!(@world on_pgbouncer, pgbouncer, $module, $($name),*);
        crate::catalog::holds_on_databases!(@world on_sqlite, sqlite, $module, $($name),*);
    };
    (@world $place:ident, $world:ident, $module:ident, $($name:ident),*) => {
        mod $place {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::catalog::World::$world().await).await;
            })*
        }
    };
}
use holds_everywhere;
use holds_on_databases;
