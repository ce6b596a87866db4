//! The real program suspended while it waits for a row: whoever else wants that row gets it soon, and the run goes on as
//! if nothing had been.

use std::time::{Duration, Instant};

use longshore::limits::CATALOG_IDLE_MS_MAX;
use sqlx::{Connection, PgConnection};

use super::hand::{Going, VENUES, direct_url, held, migrate, texts, undisturbed};
use crate::support::postgres::run;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// Rows that a first run of this place rewrites.
const ROWS: &str = "venue_images @> '[{\"upload_status\": \"external\"}]' AND city_id IN \
     (SELECT id FROM cities WHERE country_id = (SELECT id FROM countries WHERE code = 'GB'))";

/// A run suspended with rows of its locked: it waited for them, and got them after it had been stopped.
fn suspended(work: &Workplace) -> (Going, PgConnection) {
    // On a busy machine its wait may end, or the server its session, before anybody looks.
    let tried = (0..5).find_map(|_| is_suspended(work));
    tried.expect("a run is stopped while it has a row")
}

fn is_suspended(work: &Workplace) -> Option<(Going, PgConnection)> {
    let connect = || work.runtime.block_on(PgConnection::connect(&direct_url(work))).unwrap();
    let (mut blocker, mut admin) = (connect(), connect());
    let lock = format!("BEGIN; SELECT count(*) FROM (SELECT id FROM venues WHERE {ROWS} FOR UPDATE) a");
    work.runtime.block_on(run(&mut blocker, &lock));
    let mut going = Going::start(work, &migrate());
    let mut is_there = |holds: &str| {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity a WHERE a.datname = current_database() AND {holds}"
        );
        let count = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql));
        work.runtime.block_on(count.fetch_one(&mut admin)).unwrap() > 0
    };
    going.reach("a row it waits for", || is_there("cardinality(pg_blocking_pids(a.pid)) > 0"));
    going.signal("STOP");
    work.runtime.block_on(run(&mut blocker, "COMMIT"));
    // Whoever comes at once could still be quicker than who waited. It is not the session that holds the claim.
    let has_row = "a.application_name = 'longshore' AND a.state = 'idle in transaction' \
         AND a.query LIKE '%FOR UPDATE%' AND a.query NOT LIKE '%pg_stat_activity%'";
    let until = Instant::now() + Duration::from_secs(10);
    while !is_there(has_row) {
        if Instant::now() > until {
            going.kill();
            return None;
        }
    }
    Some((going, admin))
}

fn is_waited_for(kind: Kind) {
    let (end, code) = undisturbed(kind);
    let work = Workplace::new(kind, VENUES);
    let (mut going, mut site) = suspended(&work);
    let before = texts(&work);
    let started = Instant::now();
    let update = format!("SET lock_timeout = '60s'; UPDATE venues SET name = name || '' WHERE {ROWS}");
    work.runtime.block_on(run(&mut site, &update));
    let took = started.elapsed();
    // The rest is for a busy machine; without a bound the wait has no end.
    let bound = Duration::from_millis(CATALOG_IDLE_MS_MAX);
    assert!(took > bound / 4 && took < bound * 5, "the site waited {took:?}");
    assert_eq!(texts(&work), before, "nothing was written meanwhile");
    going.signal("CONT");
    let ran = going.end().code(code);
    held(&work).assert_same(&end, &ran);
    work.run(&["ledger", "verify"]).code(0);
    let failures = work.run_json(&["log", "--kind", "failed"]).code(0);
    assert!(!failures.stdout.contains("catalog_error"), "no image paid for it: {failures}");
}

#[test]
fn s6_a_suspended_run_keeps_no_row_from_the_site_on_postgres() {
    is_waited_for(Kind::Postgres);
}

#[test]
fn s6_a_suspended_run_keeps_no_row_from_the_site_on_pgbouncer() {
    is_waited_for(Kind::Pgbouncer);
}

#[test]
fn e6_a_suspended_run_keeps_no_row_from_another_ledgers_run() {
    let (end, code) = undisturbed(Kind::Postgres);
    let work = Workplace::new(Kind::Postgres, VENUES);
    let (mut going, mut admin) = suspended(&work);
    // The claim goes by itself after two minutes; here an administrator is quicker.
    let claims = "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND granted \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    work.runtime.block_on(run(&mut admin, claims));
    let other = [migrate(), vec!["--ledger", "other.ledger"]].concat();
    let ran = Ran::new(&other, work.command(&other).output().unwrap()).code(code);
    held(&work).assert_same(&end, &ran);
    let after = texts(&work);
    going.signal("CONT");
    // The rows hold what it was about to write, and are left as they are.
    let ran = going.end().code(code);
    assert_eq!(texts(&work), after, "{ran}");
}
