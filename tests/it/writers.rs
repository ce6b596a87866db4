//! One writer a ledger and one a country of a database; readers beside them, always.

use std::time::Duration;

use longshore::sandbox::faults::Fault;

use crate::kill::hand::{Going, VENUES, migrate, undisturbed};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Starts a run that gets to its first uploads and stays there.
fn held_run(work: &Workplace, args: &[&str]) -> Going {
    // Longer than any of these tests; what hangs is cut off with the program.
    work.sandbox.faults.inject("upload", 0, 1_000, Fault::Delay(Duration::from_secs(3_600)));
    let mut going = Going::start(work, args);
    going.reach("its first uploads", || work.requests("upload") >= 1);
    work.sandbox.faults.clear();
    going
}

/// How a writer calls itself to others.
fn name(going: &mut Going) -> String {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    format!("longshore tester@{host} pid {}", going.child().id())
}

#[test]
fn e6_the_second_writer_of_a_ledger_is_told_of_the_first() {
    let (_, code) = undisturbed(Kind::Sqlite);
    let work = Workplace::new(Kind::Sqlite, VENUES);
    let mut first = held_run(&work, &migrate());
    let who = name(&mut first);
    for second in [
        &["migrate", "--country", "FR", "--yes"][..],
        &["resume", "--yes"],
        &["rollback", "--country", "GB", "--yes"],
    ] {
        work.run(second).code(22).says(&who);
    }
    work.run(&["status"]).code(0);
    first.kill();
    work.run(&["resume", "--yes"]).code(code);
}

#[test]
fn e6_a_ledger_that_another_program_keeps_locked_is_held_and_its_disk_not_blamed() {
    let work = Workplace::new(Kind::Sqlite, 4);
    work.run(&["migrate", "--country", "DE", "--yes"]);
    let other = rusqlite::Connection::open(work.ledger()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ran = work.run(&["migrate", "--country", "FR", "--yes"]).code(22);
    let ran = ran.says("database is locked").says("Another program keeps it locked");
    assert!(!ran.stderr.contains("its disk"), "{ran}");
    work.run(&["status"]).code(0);
    other.execute_batch("ROLLBACK").unwrap();
    work.run(&["migrate", "--country", "FR", "--yes"]).says("(migrate France) is finished");
}

fn one_writer_a_country(kind: Kind) {
    let (_, code) = undisturbed(kind);
    let work = Workplace::new(kind, VENUES);
    let with = |ledger: &'static str, country: &'static str| {
        ["migrate", "--country", country, "--yes", "--ledger", ledger]
    };
    let mut first = held_run(&work, &with("first.ledger", "GB"));
    let who = name(&mut first);
    let second = Going::start(&work, &with("second.ledger", "GB"));
    // France has a venue with bad data.
    work.run(&with("third.ledger", "FR")).code(10).says("(migrate France) is finished");
    second.end().code(22).says("GB is being worked on by").says(&who);
    // Whoever asks while the first is alive gets in when it dies.
    let mut third = Going::start(&work, &with("second.ledger", "GB"));
    third.says("This moves");
    first.kill();
    third.end().code(code);
}

#[test]
fn e6_one_writer_a_country_on_sqlite() {
    one_writer_a_country(Kind::Sqlite);
}

#[test]
fn e6_one_writer_a_country_on_postgres() {
    one_writer_a_country(Kind::Postgres);
}

#[test]
fn e6_one_writer_a_country_through_pgbouncer() {
    one_writer_a_country(Kind::Pgbouncer);
}

#[test]
fn e6_readers_are_welcome_beside_a_writer() {
    let work = Workplace::new(Kind::Sqlite, VENUES);
    work.sandbox.faults.inject("upload", 0, 1_000, Fault::Delay(Duration::from_millis(400)));
    let args = [migrate(), vec!["--concurrency", "4"]].concat();
    let mut going = Going::start(&work, &args);
    going.reach("its first upload", || work.requests("upload") >= 1);
    let (mut rounds, mut written) = (0, 0);
    while going.child().try_wait().unwrap().is_none() {
        let status = work.run_json(&["status"]).code(0).json();
        let log = work.run_json(&["log"]).code(0).json_lines();
        assert!(log[0]["event"]["opened"].is_object(), "{:?}", log[0]);
        let planned = log.iter().find_map(|line| line["event"]["planning_done"]["images"].as_u64());
        let counted = status["total"].as_object().unwrap().values().filter_map(|count| count.as_u64());
        assert_eq!(Some(counted.sum::<u64>()), planned, "every image stands somewhere: {status}");
        assert!(log.iter().enumerate().all(|(at, line)| line["seq"] == at as u64 + 1), "no event is missing");
        let verified = work.run_json(&["ledger", "verify"]).code(0).json();
        let events = verified["events"].as_u64().unwrap();
        assert!(events >= log.len() as u64 && events >= written, "{verified}");
        (rounds, written) = (rounds + 1, events);
    }
    assert!(rounds >= 3, "only {rounds} rounds beside the writer");
    let ran = going.end();
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
}
