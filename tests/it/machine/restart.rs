//! PostgreSQL restarted in the middle of a run: a server of the test's own, as the others' must not go away.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use ledger::event::{AlertAbout, Event};
use longshore::sandbox::faults::Fault;
use sqlx::{Connection, PgConnection, Row};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::small::is_root;
use crate::kill::hand::{Going, VENUES, direct_url, events, held, ledger, migrate, undisturbed};
use crate::support::postgres::run;
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Ports to try: below those that systems hand out to clients, so that nobody takes one while the server is down.
const PORTS: std::ops::Range<u16> = 20_000..32_768;

/// Writes down of each update whether anybody held a claim on this database then, and when that was.
const WATCH: &str = "
CREATE TABLE updates (id bigint, is_claimed boolean, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO updates (id, is_claimed) SELECT NEW.id, EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()));
    RETURN NEW; END $$;
CREATE TRIGGER watch BEFORE UPDATE ON venues FOR EACH ROW EXECUTE FUNCTION watch();";

/// A cluster in a directory of its own. Dropped, it is stopped and gone.
pub(super) struct Server {
    dir: TempDir,
    bin: PathBuf,
    port: u16,
}

impl Server {
    pub(super) fn start() -> Self {
        let mut server = Self::empty();
        let data = server.data();
        server.does("initdb", &["-D", &data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync"]);
        server.listen();
        server
    }

    /// A standby of this one: a copy that follows it.
    pub(super) fn standby(&self) -> Self {
        let mut server = Self::empty();
        let (data, port) = (server.data(), self.port.to_string());
        // With `-R` it makes standby.signal, and writes down whom to follow.
        let of =
            ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c", "fast", "-R", "--no-sync", "-D", &data];
        server.does("pg_basebackup", &of);
        server.listen();
        server
    }

    fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        if is_root() {
            let owned = Command::new("chown").arg(user()).arg(dir.path()).status().unwrap();
            assert!(owned.success());
        }
        Self { bin: bin(), port: 0, dir }
    }

    /// Starts it on a port of its own: another program may take one between our choice and the server's bind.
    fn listen(&mut self) {
        for _ in 0..10 {
            self.port = fastrand::u16(PORTS);
            if self.tries("start") {
                return;
            }
        }
        panic!("PostgreSQL did not start: {}", std::fs::read_to_string(self.log()).unwrap_or_default());
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    fn data(&self) -> String {
        self.dir.path().join("data").to_str().unwrap().to_owned()
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn stop(&self, how: &str) {
        self.does("pg_ctl", &["stop", "-D", &self.data(), "-s", "-w", "-m", how]);
    }

    /// Starts it again on its port.
    fn start_again(&self) {
        assert!(self.tries("start"), "{}", std::fs::read_to_string(self.log()).unwrap_or_default());
    }

    fn tries(&self, what: &str) -> bool {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c port={} -c fsync=off",
            self.port
        );
        let (data, log) = (self.data(), self.log());
        let args = [what, "-D", &data, "-s", "-w", "-t", "60", "-l", log.to_str().unwrap(), "-o", &options];
        self.program("pg_ctl").args(args).status().unwrap().success()
    }

    fn does(&self, program: &str, args: &[&str]) {
        let done = self.program(program).args(args).status().unwrap();
        assert!(done.success(), "{program} {args:?}");
    }

    /// One of the server's programs, as a user it accepts: it refuses to be root.
    fn program(&self, name: &str) -> Command {
        let path = self.bin.join(name);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", user(), "--"]).arg(path);
                command
            }
            false => Command::new(path),
        };
        // Nor may it be where that user may not be; and the server would keep the test's own streams open.
        command.current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stop = ["stop", "-D", &self.data(), "-s", "-w", "-m", "immediate"];
        let _it_may_never_have_started = self.program("pg_ctl").args(stop).status();
    }
}

fn user() -> &'static str {
    let is_there = Command::new("id").arg("postgres").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if is_there.is_ok_and(|status| status.success()) { "postgres" } else { "nobody" }
}

/// Where the programs of the tests' usual server lie.
fn bin() -> PathBuf {
    let url = std::env::var("LONGSHORE_TEST_POSTGRES").expect("tests/run sets LONGSHORE_TEST_POSTGRES");
    let runtime = Runtime::new().unwrap();
    let bin: String = runtime.block_on(async {
        let mut server = PgConnection::connect(&url).await.unwrap();
        let asked = sqlx::query("SELECT setting FROM pg_config WHERE name = 'BINDIR'");
        asked.fetch_one(&mut server).await.unwrap().get(0)
    });
    assert!(Path::new(&bin).is_dir(), "{bin}");
    bin.into()
}

#[test]
fn e3_a_database_restarted_in_the_middle_is_waited_for_and_claimed_again() {
    let (end, code) = undisturbed(Kind::Postgres);
    let server = Server::start();
    let work = Workplace::on_server(&server.url(), VENUES);
    // Slowly, so that rows are updated before, between and after.
    work.sandbox.faults.inject("upload", 0, 1_000, Fault::Delay(Duration::from_millis(100)));
    let mut going = Going::start(&work, &[migrate(), vec!["--concurrency", "4"]].concat());
    going.reach("uploads", || work.requests("upload") >= 6);
    server.stop("fast");
    server.start_again();
    let asked = |sql: &str| -> Vec<(i64, bool)> {
        work.runtime.block_on(async {
            let mut admin = PgConnection::connect(&direct_url(&work)).await.unwrap();
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut admin).await.unwrap();
            rows.iter().map(|row| (row.get(0), row.get(1))).collect()
        })
    };
    work.runtime.block_on(async {
        run(&mut PgConnection::connect(&direct_url(&work)).await.unwrap(), WATCH).await;
    });
    going.reach("more uploads", || work.requests("upload") >= 18);
    // At once: no lock is given back before all that held them are gone.
    let seconds = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let stopping = seconds();
    server.stop("immediate");
    let stopped = seconds();
    // It stays away until a person would hear of it.
    going.says("Alert: the database is away, and is waited for");
    server.start_again();
    let ran = going.end().code(code).says("the database answers again");
    let alerts = events(&ledger(&work)).into_iter().filter_map(|(_, record)| match record.event {
        Event::Alerted(alerted) => Some(alerted.about),
        _ => None,
    });
    // The first restart may have been quick enough for nobody to hear of it.
    let alerts: Vec<_> = alerts.collect();
    let (last, lost) = alerts.split_last().unwrap();
    assert_eq!(*last, AlertAbout::Finished);
    assert!(!lost.is_empty() && lost.iter().all(|about| *about == AlertAbout::DatabaseLost), "{alerts:?}");
    held(&work).assert_same(&end, &ran);
    assert!(ledger(&work).state().unfinished().next().is_none());
    // A server that stops at once ends its sessions one by one, so that the claim's may be gone before that of an
    // update which began under it.
    let stops = format!("at BETWEEN to_timestamp({stopping}) AND to_timestamp({stopped})");
    let updates = asked(&format!("SELECT id, is_claimed OR {stops} FROM updates"));
    assert!(updates.len() > 2, "{updates:?}");
    assert!(updates.iter().all(|(_, is_claimed)| *is_claimed), "without a claim: {updates:?}");
}
