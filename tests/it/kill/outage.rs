//! The database's connections cut in the middle of a run, the claim's among them.

use std::time::{Duration, Instant};

use longshore::sandbox::faults::Fault;
use sqlx::{Connection, PgConnection};

use super::hand::{Going, VENUES, direct_url, held, ledger, migrate, texts, undisturbed};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Ends every other connection to the database, as a restart would.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
/// The advisory locks of this database: their holders' processes, and their numbers put together again.
const CLAIMS: &str = "SELECT pid, (classid::int8 << 32) | objid::int8 FROM pg_locks \
                      WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// The test's own connection, straight to the server.
struct Admin<'a> {
    work: &'a Workplace,
    connection: PgConnection,
}

impl<'a> Admin<'a> {
    fn new(work: &'a Workplace) -> Self {
        let connection = work.runtime.block_on(PgConnection::connect(&direct_url(work))).unwrap();
        Self { work, connection }
    }

    fn cut(&mut self) {
        self.work.runtime.block_on(crate::support::postgres::run(&mut self.connection, CUT));
    }

    fn claims(&mut self) -> Vec<(i32, i64)> {
        self.work.runtime.block_on(sqlx::query_as(CLAIMS).fetch_all(&mut self.connection)).unwrap()
    }

    fn locks(&mut self, key: i64) -> bool {
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(key);
        self.work.runtime.block_on(lock.fetch_one(&mut self.connection)).unwrap()
    }
}

fn is_outlasted(kind: Kind) {
    let (end, code) = undisturbed(kind);
    let work = Workplace::new(kind, VENUES);
    let mut admin = Admin::new(&work);
    // Few at a time and slowly, so that rows are updated between one cut and the next.
    work.sandbox.faults.inject("upload", 0, 1_000, Fault::Delay(Duration::from_millis(100)));
    let args = [migrate(), vec!["--concurrency", "4"]].concat();
    let mut going = Going::start(&work, &args);
    let mut holders = Vec::new();
    for uploads in [4, 14, 24] {
        going.reach("more uploads", || work.requests("upload") >= uploads);
        going.reach("a claim", || !admin.claims().is_empty());
        let holder = admin.claims()[0].0;
        holders.push(holder);
        admin.cut();
        going.reach("the old claim's end", || admin.claims().iter().all(|(pid, _)| *pid != holder));
    }
    going.reach("a claim taken again", || !admin.claims().is_empty());
    holders.push(admin.claims()[0].0);
    holders.dedup();
    assert_eq!(holders.len(), 4, "every cut took the claim, and it was taken again: {holders:?}");
    let ran = going.end().code(code);
    held(&work).assert_same(&end, &ran);
    assert!(ledger(&work).state().unfinished().next().is_none());
    // The server notices when it gets to it that a connection is gone.
    let until = Instant::now() + Duration::from_secs(10);
    while !admin.claims().is_empty() {
        assert!(Instant::now() < until, "an ended run claims nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn e3_cut_database_connections_are_outlasted_on_postgres() {
    is_outlasted(Kind::Postgres);
}

#[test]
fn e3_cut_database_connections_are_outlasted_through_pgbouncer() {
    is_outlasted(Kind::Pgbouncer);
}

#[test]
fn e6_without_its_claim_a_run_updates_no_row() {
    let (end, code) = undisturbed(Kind::Postgres);
    let work = Workplace::new(Kind::Postgres, VENUES);
    work.sandbox.faults.inject("upload", 0, 1_000, Fault::Delay(Duration::from_millis(500)));
    let mut admin = Admin::new(&work);
    let before = texts(&work);
    let mut going = Going::start(&work, &migrate());
    going.reach("its first upload", || work.requests("upload") >= 1);
    let (_, key) = admin.claims()[0];
    admin.cut();
    // The test is now the other who holds the country.
    going.reach("the claim to be free", || admin.locks(key));
    going.says("the claim was lost, and is held by");
    assert_eq!(texts(&work), before, "no row is updated without the claim");
    drop(admin);
    let ran = going.end().code(code);
    held(&work).assert_same(&end, &ran);
}
