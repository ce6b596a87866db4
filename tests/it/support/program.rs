//! The real program, run as people run it: in a directory of its own, on a sandbox, with nothing of the tester's
//! environment but what the sandbox's `env` would have set.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use longshore::sandbox::pictures::Pictures;
use longshore::sandbox::whole::{Options, Sandbox};
use rusqlite::OptionalExtension;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::postgres::SandboxDatabases;
use super::stage::Kind;

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    /// What was typed.
    pub args: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What programs read.
    pub stdout: String,
    /// What people read.
    pub stderr: String,
}

impl Ran {
    /// What a command's end was.
    pub fn new(args: &[&str], output: Output) -> Self {
        Self {
            args: args.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Sees that it ended so.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Sees that it said this, on either stream.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "{text:?} is missing: {self}");
        self
    }

    /// The one JSON document that stdout is.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The JSON documents that stdout is, one a line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self}"));
        self.stdout.lines().map(read).collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { args, code, stdout, stderr } = self;
        write!(f, "\n$ longshore {args}\n{stdout}--- stderr\n{stderr}--- exit {code:?}")
    }
}

/// A venue's row, as far as the program may change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `venue_images` as text; `None` for NULL.
    pub images: Option<String>,
    /// `updated_at` as text.
    pub updated_at: String,
}

/// All venues' rows, by id.
pub type Rows = BTreeMap<i64, Row>;

/// A directory to work in, and a sandbox beside it.
pub struct Workplace {
    /// What the program works on.
    pub sandbox: Sandbox,
    /// The environment of every command; change it to see what the program makes of it.
    pub settings: BTreeMap<String, String>,
    /// For what the test itself has to wait for.
    pub runtime: Runtime,
    postgres: Option<SandboxDatabases>,
    dir: TempDir,
}

impl Workplace {
    /// A sandbox in which this many venues have something to migrate.
    pub fn new(kind: Kind, venues: u32) -> Self {
        Self::with(kind, |options| options.venues = venues)
    }

    /// A sandbox that fits a matching report, in which nothing is populated yet. Its dev database is production's, so
    /// that what `populate` does without a target is in [`rows`](Self::rows).
    pub fn fitting(kind: Kind, report: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.csv");
        std::fs::write(&path, report).unwrap();
        let mut place = Self::with(kind, |options| options.matches = Some(path));
        let production = place.sandbox.settings.iter().find(|(name, _)| *name == "PRODUCTION_DATABASE_URL");
        let url = production.unwrap().1.clone();
        place.settings.insert("DEV_DATABASE_URL".into(), url);
        place
    }

    /// The same on a PostgreSQL server of the test's own.
    pub fn on_server(url: &str, venues: u32) -> Self {
        Self::made(Kind::Postgres, Some(SandboxDatabases::on(url)), |options| options.venues = venues)
    }

    /// The same with photos as large as those that people upload.
    pub fn with_photos(kind: Kind, venues: u32) -> Self {
        Self::with(kind, |options| (options.venues, options.pictures) = (venues, Some(Pictures::Photos)))
    }

    fn with(kind: Kind, how: impl FnOnce(&mut Options)) -> Self {
        Self::made(kind, (kind != Kind::Sqlite).then(SandboxDatabases::named), how)
    }

    fn made(kind: Kind, postgres: Option<SandboxDatabases>, how: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let catalog = postgres.as_ref().map(|databases| databases.url.clone());
        let mut options = Options { catalog, ..Options::new(dir.path().join("sandbox")) };
        how(&mut options);
        let sandbox = runtime.block_on(Sandbox::open(&options)).unwrap();
        let mut settings: BTreeMap<String, String> =
            sandbox.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        if let (Kind::Pgbouncer, Some(databases)) = (kind, &postgres) {
            settings.insert("PRODUCTION_DATABASE_URL".into(), databases.through_pgbouncer_url.clone());
        }
        settings.insert("USER".into(), "tester".into());
        // Whatever the tester's umask: a ledger is not made where others may write.
        DirBuilder::new().mode(0o700).create(dir.path().join("work")).unwrap();
        Self { sandbox, settings, runtime, postgres, dir }
    }

    /// Where the program is run, and leaves its ledger.
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Where the sandbox lies.
    pub fn sandbox_dir(&self) -> PathBuf {
        self.dir.path().join("sandbox")
    }

    /// The ledger of the production database, whether it is there or not.
    pub fn ledger(&self) -> PathBuf {
        self.work().join("longshore.production.ledger")
    }

    /// The program, ready to be started without a terminal.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = program(&self.work(), args);
        command.envs(&self.settings);
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::new(args, self.command(args).output().unwrap())
    }

    /// The same, and what it says is JSON.
    pub fn run_json(&self, args: &[&str]) -> Ran {
        self.run(&[args, &["--format", "json"]].concat())
    }

    /// Orders faults in the sandbox's language, one a line.
    #[track_caller]
    pub fn order(&self, orders: &str) {
        let orders = orders.lines().map(|line| line.parse().unwrap_or_else(|no| panic!("{no}")));
        self.runtime.block_on(self.sandbox.order(orders));
    }

    /// Requests of an operation at the sandbox so far.
    pub fn requests(&self, op: &str) -> u64 {
        self.counts().get(op).copied().unwrap_or(0)
    }

    /// All requests at the sandbox so far.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.sandbox.faults.counts()
    }

    /// Runs the program, and sees that it changed nothing anywhere: no row, no file, no event, and that it asked
    /// nothing of the origin or the CDN but sizes and usage.
    #[track_caller]
    pub fn run_idle(&self, args: &[&str]) -> Ran {
        self.run_looking(args, &["origin_head", "usage"])
    }

    /// The same, where it may ask these operations of the stand-ins.
    #[track_caller]
    pub fn run_looking(&self, args: &[&str], looks: &[&str]) -> Ran {
        let counts = || {
            let mut counts = self.counts();
            counts.retain(|op, _| !looks.contains(&op.as_str()));
            counts
        };
        let (rows, before, files, head) = (self.rows(), counts(), self.files(), self.head());
        let ran = self.run(args);
        assert!(self.rows() == rows, "rows changed: {ran}");
        assert_eq!((counts(), self.files(), self.head()), (before, files, head), "{ran}");
        ran
    }

    /// The files in the working directory. SQLite's own come and go with its readers, and a lock file says who had it.
    fn files(&self) -> BTreeSet<String> {
        let all = std::fs::read_dir(self.work()).unwrap();
        let all = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        all.filter(|name| ![".lock", "-wal", "-shm"].iter().any(|end| name.ends_with(end))).collect()
    }

    /// The ledger's last event, if there is a ledger.
    pub fn head(&self) -> Option<String> {
        let head = "SELECT seq || ':' || hex(hash) FROM event ORDER BY seq DESC LIMIT 1";
        self.ledger().exists().then(|| self.ask_ledger(head)).flatten()
    }

    /// All venues' rows.
    pub fn rows(&self) -> Rows {
        const SQL: &str = "SELECT id, CAST(venue_images AS TEXT), CAST(updated_at AS TEXT) FROM venues";
        let Some(databases) = &self.postgres else {
            let db = self.sqlite();
            let mut all = db.prepare(SQL).unwrap();
            let read = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, Row { images: row.get(1)?, updated_at: row.get(2)? }))
            };
            return all.query_map([], read).unwrap().map(Result::unwrap).collect();
        };
        self.runtime.block_on(async {
            let mut admin = PgConnection::connect(&databases.url).await.unwrap();
            let rows = sqlx::query(SQL).fetch_all(&mut admin).await.unwrap();
            rows.iter().map(|row| (row.get(0), Row { images: row.get(1), updated_at: row.get(2) })).collect()
        })
    }

    /// Runs SQL as someone else would, straight on Eventasaurus.
    pub fn sql(&self, sql: &str) {
        match &self.postgres {
            Some(databases) => self.on_postgres(&databases.url, sql),
            None => self.sqlite().execute_batch(sql).unwrap(),
        }
    }

    /// The same on Trivia Advisor.
    pub fn trivia_sql(&self, sql: &str) {
        let url = &self.settings["TRIVIA_ADVISOR_DATABASE_URL"];
        match url.strip_prefix("sqlite:") {
            None => self.on_postgres(url, sql),
            Some(path) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap(),
        }
    }

    fn on_postgres(&self, url: &str, sql: &str) {
        self.runtime.block_on(async {
            let mut admin = PgConnection::connect(url).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut admin).await.unwrap();
        });
    }

    /// One text out of the ledger file, as an operator with `sqlite3` would ask for it.
    pub fn ask_ledger(&self, sql: &str) -> Option<String> {
        let db = rusqlite::Connection::open(self.ledger()).unwrap();
        db.query_row(sql, [], |row| row.get(0)).optional().unwrap()
    }

    fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.sandbox_dir().join("eventasaurus.db")).unwrap()
    }
}

/// The program in a directory, with an empty environment and no terminal.
pub fn program(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.args(args).current_dir(dir).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The same command under limits of the shell, such as `ulimit -n 100`, ready to be started.
pub fn under(limits: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().expect("a command's directory"));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}
