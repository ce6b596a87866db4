//! A PostgreSQL database of a test's own, with the application's tables.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The application's tables as production has them.
pub const SCHEMA: &str = "
CREATE TABLE countries (id bigint PRIMARY KEY, name text, code char(2) UNIQUE, slug text UNIQUE);
CREATE TABLE cities (id bigint PRIMARY KEY, name text, slug text, country_id bigint, UNIQUE (country_id, slug));
CREATE TABLE venues (id bigint PRIMARY KEY, slug varchar, name varchar, city_id bigint,
                     venue_images jsonb DEFAULT '[]', updated_at timestamp(0));";

/// A fresh database; dropped with the value, whoever is still connected.
pub struct Database {
    /// Straight to the server, as its superuser.
    pub url: String,
    /// The same through PgBouncer in transaction mode.
    pub through_pgbouncer_url: String,
    /// The database's name, unique among all tests' ever.
    pub name: String,
}

impl Database {
    /// Creates one with the application's tables and nothing in them.
    pub async fn create() -> Self {
        let name = unique();
        let mut server = PgConnection::connect(&server("LONGSHORE_TEST_POSTGRES")).await.unwrap();
        run(&mut server, &format!("CREATE DATABASE {name}")).await;
        let database = Self {
            url: of("LONGSHORE_TEST_POSTGRES", &name),
            through_pgbouncer_url: of("LONGSHORE_TEST_PGBOUNCER", &name),
            name,
        };
        run(&mut database.admin().await, SCHEMA).await;
        database
    }

    /// A superuser's connection of the test's own, straight to the server.
    pub async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// A URL for a role without any right but to connect: `<database>_app`, gone with the database.
    pub async fn as_role_url(&self) -> String {
        run(&mut self.admin().await, &format!("CREATE ROLE {}_app LOGIN", self.name)).await;
        self.url.replacen("postgres@", &format!("{}_app@", self.name), 1)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = &self.name;
        drop_all(vec![
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("DROP ROLE IF EXISTS {name}_app"),
        ]);
    }
}

/// A name for a sandbox to make its databases under; they are dropped with the value.
pub struct SandboxDatabases {
    /// Eventasaurus, straight to the server.
    pub url: String,
    /// The same through PgBouncer in transaction mode.
    pub through_pgbouncer_url: String,
    /// What is to be dropped; `None` where the server goes as a whole.
    name: Option<String>,
}

impl SandboxDatabases {
    /// A name that nobody else has; nothing is made yet.
    pub fn named() -> Self {
        let name = unique();
        Self {
            url: of("LONGSHORE_TEST_POSTGRES", &name),
            through_pgbouncer_url: of("LONGSHORE_TEST_PGBOUNCER", &name),
            name: Some(name),
        }
    }

    /// One on a server of the test's own, which goes with all that is on it.
    pub fn on(server: &str) -> Self {
        let url = format!("{server}/longshore");
        Self { url: url.clone(), through_pgbouncer_url: url, name: None }
    }
}

impl Drop for SandboxDatabases {
    fn drop(&mut self) {
        let Some(name) = &self.name else { return };
        let all = ["", "_dev", "_trivia_advisor"].map(|what| format!("{name}{what}"));
        drop_all(all.map(|name| format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).into());
    }
}

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("longshore_{}_{}_{now}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs the statements that clean up, each on its own.
fn drop_all(statements: Vec<String>) {
    // A thread of its own: the test's runtime is busy dropping the value.
    let dropping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut server = PgConnection::connect(&server("LONGSHORE_TEST_POSTGRES")).await.unwrap();
            for statement in statements {
                run(&mut server, &statement).await;
            }
        });
    });
    // A second panic while a test fails would hide the first.
    if dropping.join().is_err() {
        eprintln!("a database was not dropped");
    }
}

/// Runs statements that the test wrote itself.
pub async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run tests/run, which starts PostgreSQL and PgBouncer for the tests")
    })
}

fn of(variable: &str, database: &str) -> String {
    let mut url = url::Url::parse(&server(variable)).unwrap();
    url.set_path(database);
    url.into()
}
