//! A small world for one test: a catalog of either kind, an origin and an ImageKit on loopback, a ledger file, and
//! runs on it as separate processes would make them, each with connections and a state of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use ledger::event::{Closed, Country, Event, Opened, Operator, Record, Scope, Target, Verb};
use ledger::ids::{ImageId, LedgerId, RunId, VenueId};
use ledger::ledger::Ledger;
use ledger::plan;
use ledger::store::LedgerError;
use ledger::timestamp::Timestamp;
use longshore::outside::catalog::{self, Catalog};
use longshore::outside::imagekit::{ImageKit, ImageKitOptions};
use longshore::outside::origin::{HttpOrigin, OriginOptions};
use longshore::outside::spool::Spool;
use longshore::outside::{matches, trivia};
use longshore::runner::{
    self, End, Forward, Leaving, Moment, Populate, Retry, RunError, Selection, Setting, Start, World,
};
use longshore::sandbox::faults::Faults;
use longshore::sandbox::pictures::Picture;
use longshore::sandbox::seed;
use longshore::sandbox::{imagekit, origin};
use rusqlite::OptionalExtension;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::runtime::Runtime;

pub use super::how::How;
use super::postgres::Database;
use super::sqlite::{SqliteFile, sqlite_file};

/// Which database the test's rows are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A SQLite file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// PostgreSQL behind a PgBouncer in transaction mode.
    Pgbouncer,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Pgbouncer];
}

enum Base {
    Sqlite(SqliteFile),
    Postgres(Database),
}

/// The world, with Poland (PL, city Kraków, id 1) and Germany (DE, city Köln, id 2) in it and no venue yet.
pub struct Stage {
    kind: Kind,
    base: Base,
    role_url: OnceLock<String>,
    roads: OnceLock<Roads>,
    pub(super) runtime: Runtime,
    /// What the origin counts and where it misbehaves.
    pub origin_faults: Arc<Faults>,
    /// The same of ImageKit.
    pub cdn_faults: Arc<Faults>,
    /// The origin.
    pub origin: origin::Running,
    /// ImageKit.
    pub imagekit: imagekit::Running,
    pub(super) dir: tempfile::TempDir,
}

/// The addresses at which runs meet the origin, ImageKit's upload and its API, where something stands between.
#[derive(Debug, Clone)]
pub struct Roads {
    /// The origin's base.
    pub origin: String,
    /// ImageKit's upload.
    pub upload: String,
    /// Its management API.
    pub api: String,
}

/// All venues' `venue_images`, as the catalog's own text.
pub type Rows = BTreeMap<i64, Option<String>>;

impl Stage {
    /// An empty world.
    pub fn new(kind: Kind) -> Self {
        Self::lagging(kind, Duration::ZERO)
    }

    /// The same, with an ImageKit whose list does not notice a change for so long.
    pub fn lagging(kind: Kind, list_lag: Duration) -> Self {
        Self::with(kind, imagekit::Options { list_lag, ..imagekit::Options::default() })
    }

    /// The same, with an ImageKit that is reached at another address than its own.
    pub fn reached_at(kind: Kind, address: SocketAddr) -> Self {
        Self::with(kind, imagekit::Options { reached_at: Some(address), ..imagekit::Options::default() })
    }

    fn with(kind: Kind, cdn: imagekit::Options) -> Self {
        let runtime = Runtime::new().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (origin_faults, cdn_faults) = (Arc::new(Faults::default()), Arc::new(Faults::default()));
        let (base, origin, imagekit) = runtime.block_on(async {
            let base = match kind {
                Kind::Sqlite => Base::Sqlite(sqlite_file()),
                Kind::Postgres | Kind::Pgbouncer => Base::Postgres(Database::create().await),
            };
            let world = Arc::new(seed::World::new(1, 4));
            let at = origin::Options::default();
            let origin = origin::serve(at, world, origin_faults.clone()).await.unwrap();
            let dir = dir.path().join("cdn");
            let at = imagekit::Options { dir, ..cdn };
            let imagekit = imagekit::serve(at, cdn_faults.clone()).await.unwrap();
            (base, origin, imagekit)
        });
        let stage = Self {
            kind,
            base,
            role_url: OnceLock::new(),
            roads: OnceLock::new(),
            runtime,
            origin_faults,
            cdn_faults,
            origin,
            imagekit,
            dir,
        };
        stage.sql(
            "INSERT INTO countries VALUES (1, 'Poland', 'PL', 'poland'), (2, 'Germany', 'DE', 'germany')",
        );
        stage.sql("INSERT INTO cities VALUES (1, 'Kraków', 'krakow', 1), (2, 'Köln', 'koln', 2)");
        stage
    }

    /// The database's URL, as a run is given it.
    pub fn url(&self) -> String {
        if let Some(url) = self.role_url.get() {
            return url.clone();
        }
        match &self.base {
            Base::Sqlite(file) => file.url(),
            Base::Postgres(database) if self.kind == Kind::Pgbouncer => {
                database.through_pgbouncer_url.clone()
            }
            Base::Postgres(database) => database.url.clone(),
        }
    }

    /// From now on, runs come as a role that may read the tables and nothing more. Its name, for further grants.
    pub fn run_as_role(&self) -> String {
        let Base::Postgres(database) = &self.base else { panic!("SQLite has no roles") };
        let url = self.runtime.block_on(database.as_role_url());
        self.role_url.set(url).expect("a stage has one such role");
        let role = format!("{}_app", database.name);
        self.sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"));
        role
    }

    /// Runs SQL as someone else would, straight on the database.
    pub fn sql(&self, sql: &str) {
        match &self.base {
            Base::Sqlite(file) => file.admin().execute_batch(sql).unwrap(),
            Base::Postgres(database) => self.runtime.block_on(async {
                let mut admin = database.admin().await;
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut admin).await.unwrap();
            }),
        }
    }

    /// Puts a venue into a city (1 Kraków, 2 Köln) with this array.
    pub fn venue(&self, id: i64, slug: &str, city: i64, images: &str) {
        let images = images.replace('\'', "''");
        self.sql(&format!(
            "INSERT INTO venues (id, slug, name, city_id, venue_images, updated_at)
             VALUES ({id}, '{slug}', 'Venue {id}', {city}, '{images}', '2025-01-01 00:00:00')"
        ));
    }

    /// Writes a row as someone else would.
    pub fn set_images(&self, id: i64, images: &str) {
        let images = images.replace('\'', "''");
        self.sql(&format!("UPDATE venues SET venue_images = '{images}' WHERE id = {id}"));
    }

    /// A row's text; `None` for NULL. Panics when there is no such row.
    pub fn images(&self, id: i64) -> Option<String> {
        self.rows().remove(&id).expect("the venue is there")
    }

    /// All rows' texts.
    pub fn rows(&self) -> Rows {
        match &self.base {
            Base::Sqlite(file) => {
                let db = file.admin();
                let mut all = db.prepare("SELECT id, venue_images FROM venues").unwrap();
                let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                rows.map(Result::unwrap).collect()
            }
            Base::Postgres(database) => self.runtime.block_on(async {
                let mut admin = database.admin().await;
                let rows =
                    sqlx::query("SELECT id, venue_images::text FROM venues").fetch_all(&mut admin).await;
                rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
            }),
        }
    }

    /// The texts that a query of one column gives.
    pub fn texts_of(&self, sql: &str) -> Vec<String> {
        match &self.base {
            Base::Sqlite(file) => {
                let db = file.admin();
                let mut all = db.prepare(sql).unwrap();
                let texts = all.query_map([], |row| row.get(0)).unwrap();
                texts.map(Result::unwrap).collect()
            }
            Base::Postgres(database) => self.runtime.block_on(async {
                let mut admin = database.admin().await;
                sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut admin).await.unwrap()
            }),
        }
    }

    /// A row's `updated_at` as text.
    pub fn updated_at(&self, id: i64) -> Option<String> {
        let sql = format!("SELECT CAST(updated_at AS TEXT) FROM venues WHERE id = {id}");
        match &self.base {
            Base::Sqlite(file) => {
                file.admin().query_row(&sql, [], |row| row.get(0)).optional().unwrap().flatten()
            }
            Base::Postgres(database) => self.runtime.block_on(async {
                let mut admin: PgConnection = PgConnection::connect(&database.url).await.unwrap();
                let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut admin).await.unwrap();
                row.and_then(|row| row.get(0))
            }),
        }
    }

    /// Puts a real picture on the origin and gives its entry, external and ours. The same `key` gives the same bytes.
    pub fn external(&self, path: &str, key: &str) -> String {
        self.origin.put(path, "image/jpeg", Picture::new(1, key).bytes());
        self.entry(path)
    }

    /// An external entry of ours for a path of the origin, whatever is there. As jsonb would write it, so that both
    /// databases keep the same text.
    pub fn entry(&self, path: &str) -> String {
        format!(
            r#"{{"url": "{}{path}", "width": null, "height": null, "source": "trivia_advisor_migration", "migrated_at": "2026-01-01T00:00:00.000Z", "upload_status": "external"}}"#,
            self.origin.base_url()
        )
    }

    /// Where the ledger lies.
    pub fn ledger_path(&self) -> std::path::PathBuf {
        self.dir.path().join("test.ledger")
    }

    /// From now on runs take these ways.
    pub fn goes_over(&self, roads: Roads) {
        self.roads.set(roads).expect("a stage has one set of roads");
    }

    /// Removes the ledger and the spool.
    pub fn begins_anew(&self) {
        for file in std::fs::read_dir(self.dir.path()).unwrap().map(|file| file.unwrap()) {
            let name = file.file_name().into_string().unwrap();
            if name == "spool" {
                std::fs::remove_dir_all(file.path()).unwrap();
            } else if name.starts_with("test.ledger") {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
    }

    /// Loses what lies in the spool, as a power cut may.
    pub fn lose_spool(&self) {
        std::fs::remove_dir_all(self.dir.path().join("spool")).unwrap();
    }

    /// Opens the ledger for writing, or makes it.
    pub fn ledger(&self) -> Ledger {
        let path = self.ledger_path();
        match Ledger::open(&path, "a test") {
            Err(LedgerError::Missing { .. }) => {
                let target = Target {
                    name: "dev".into(),
                    kind: "sqlite".into(),
                    system: None,
                    database: "test".into(),
                    host: None,
                };
                let opened = Opened { format: 1, ledger: LedgerId([7; 16]), shard: None, target };
                Ledger::create(&path, opened, now(), "a test").unwrap()
            }
            opened => opened.unwrap(),
        }
    }

    /// Starts a run forward over the place, Poland by default, or goes on with the unfinished one.
    pub fn migrate(&self, how: &How) -> Result<End, RunError> {
        self.turn(how, async |ledger, setting| match unfinished(ledger) {
            Some(run) => runner::resume(ledger, run, how.options(), how.retry_failed, setting).await,
            None => runner::start(ledger, forward(how), setting).await,
        })
    }

    /// Starts a populate of the place, or goes on with the unfinished one.
    pub fn populate(&self, how: &How) -> Result<End, RunError> {
        self.turn(how, async |ledger, setting| match unfinished(ledger) {
            Some(run) => runner::resume(ledger, run, how.options(), how.retry_failed, setting).await,
            None => runner::start(ledger, Start { verb: Verb::Populate, ..forward(how) }, setting).await,
        })
    }

    /// Starts a rollback of the place, closing what it takes over.
    pub fn rollback(&self, how: &How) -> Result<End, RunError> {
        self.turn(how, async |ledger, setting| {
            let state = ledger.state();
            let scope = how.scope.clone();
            let runs = state.unfinished().map(|(run, _)| run);
            let close = runs.filter(|run| plan::is_taken_over(state, *run, &scope)).collect();
            let start = Start { verb: Verb::Rollback, scope, options: how.options(), close };
            runner::start(ledger, start, setting).await
        })
    }

    /// Goes on with the unfinished run, whichever it is.
    pub fn resume(&self, how: &How) -> Result<End, RunError> {
        self.turn(how, async |ledger, setting| {
            let run = unfinished(ledger).expect("a run is unfinished");
            runner::resume(ledger, run, how.options(), how.retry_failed, setting).await
        })
    }

    /// Has the last run take up again what of it had failed.
    pub fn retry(&self, how: &How) -> Result<End, RunError> {
        self.turn(how, async |ledger, setting| {
            let (run, _) = ledger.state().runs().last().expect("there was a run");
            runner::resume(ledger, run, how.options(), true, setting).await
        })
    }

    /// Leaves all that waits of a venue, as `skip` does.
    pub fn leave(&self, venue: VenueId, how: &How) -> Result<(), RunError> {
        let runtime = Runtime::new().unwrap();
        let catalog = runtime.block_on(catalog::open(&self.url())).unwrap();
        let mut ledger = self.ledger();
        let state = ledger.state();
        let plans = state.venue(venue).unwrap().all().iter();
        let images: Vec<ImageId> = plans.flat_map(|planned| plan::waiting(state, *planned)).collect();
        let (_stop, stopping) = tokio::sync::watch::channel(false);
        let (outbox, _inbox) = tokio::sync::mpsc::unbounded_channel();
        let retry = Retry::new(stopping, outbox, how.patience);
        let with = Leaving { catalog: &*catalog, retry: &retry, holder: "a test", probe: how.probe.clone() };
        runtime.block_on(runner::put_back(&ledger, &images, with))?;
        let close = |image: ImageId| {
            let (reason, operator) = ("no".to_owned(), operator());
            let closed = Closed { venue, image: Some(image), reason, operator };
            let run = state.plan(image.planned).map(|plan| plan.run);
            Record { at: now(), run, event: Event::Closed(closed) }
        };
        let records: Vec<Record> = images.into_iter().map(close).collect();
        ledger.append(&records)?;
        let is_dead = how.probe.as_ref().is_some_and(|probe| probe(Moment::AfterAppend));
        if is_dead { Err(RunError::Died) } else { Ok(()) }
    }

    fn turn(
        &self,
        how: &How,
        turn: impl AsyncFnOnce(&mut Ledger, Setting<'_>) -> Result<(RunId, End), RunError>,
    ) -> Result<End, RunError> {
        // As a process of its own: what dies with it is all that it had.
        let runtime = Runtime::new().unwrap();
        let url = |text: String| text.parse().unwrap();
        let endpoint = url(self.imagekit.url_endpoint());
        let (origin, api) = (self.origin.base_url(), self.imagekit.api_url());
        let roads = self.roads.get().cloned().unwrap_or(Roads { origin, upload: api.clone(), api });
        let (upload, api) = (url(roads.upload), url(roads.api));
        let mut options = ImageKitOptions::new("private_sandbox", endpoint, upload, api);
        (options.idle, options.whole) = (how.idle, how.whole);
        let cdn = ImageKit::new(options).unwrap();
        let mut options = OriginOptions::new(url(roads.origin));
        (options.idle, options.whole) = (how.idle, how.whole);
        let origin = HttpOrigin::new(options).unwrap();
        let mut catalog: Arc<dyn Catalog> = Arc::from(runtime.block_on(catalog::open(&self.url())).unwrap());
        if let Some(before) = &how.before {
            catalog = before(catalog);
        }
        let spool = Spool::open(&self.dir.path().join("spool")).unwrap();
        let forward = Forward { origin: Arc::new(origin), cdn: Arc::new(cdn), spool };
        let world = World { catalog, forward: Some(forward) };
        let selection = how.matches.as_ref().map_or(Selection::Place, |(report, trivia)| {
            let trivia = runtime.block_on(trivia::open(&trivia.url())).unwrap();
            let matches = Arc::new(matches::read(report).unwrap());
            let base = url(self.origin.base_url());
            Selection::Matches(Populate { matches, trivia: Arc::from(trivia), base, distance_max_m: None })
        });
        let mut ledger = self.ledger();
        let (outbox, inbox) = tokio::sync::mpsc::unbounded_channel();
        let setting = Setting {
            world,
            operator: operator(),
            holder: "a test".into(),
            now: how.now,
            selection,
            inbox,
            outbox,
            tell: Box::new(|_| ()),
            watch: None,
            probe: how.probe.clone(),
        };
        let turned = runtime.block_on(turn(&mut ledger, setting));
        runtime.shutdown_timeout(Duration::from_secs(10));
        turned.map(|(_, end)| end)
    }

    /// Reads and verifies the whole ledger.
    pub fn verified(&self) -> Ledger {
        Ledger::read(&self.ledger_path()).unwrap()
    }

    /// Orders faults in the sandbox's language, one a line.
    #[track_caller]
    pub fn order(&self, orders: &str) {
        for line in orders.lines() {
            let order = line.parse().unwrap_or_else(|no| panic!("{no}"));
            let faults = if line.starts_with("origin") { &self.origin_faults } else { &self.cdn_faults };
            faults.order(order);
            self.runtime.block_on(faults.settled());
        }
    }

    /// Requests of an operation so far.
    pub fn requests(&self, op: &str) -> u64 {
        let faults = if op == "origin" { &self.origin_faults } else { &self.cdn_faults };
        faults.counts().get(op).copied().unwrap_or(0)
    }
}

fn operator() -> Operator {
    Operator { user: "test".into(), host: "test".into(), version: "0".into() }
}

/// The scope that tests work on.
pub fn poland() -> Scope {
    Scope::Country(Country { code: "PL".into(), name: "Poland".into(), slug: None })
}

fn forward(how: &How) -> Start {
    Start { verb: Verb::Migrate, scope: how.scope.clone(), options: how.options(), close: Vec::new() }
}

fn unfinished(ledger: &Ledger) -> Option<RunId> {
    ledger.state().unfinished().map(|(run, _)| run).next()
}

/// The clock of this machine.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(since.as_millis() as i64)
}
