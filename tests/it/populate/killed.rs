//! The real program killed in the middle of a `populate`, of its rollback, and of a migration beside it.

use std::time::Duration;

use longshore::sandbox::faults::Fault;

use super::{HEADER, matched, populate, run_of, workplace};
use crate::kill::hand::{Going, Held, Texts, events_written, held, texts};
use crate::support::program::Workplace;
use crate::support::site::forget_row_update;
use crate::support::stage::Kind;

/// More than the events of one append, so that a kill falls between two.
const VENUES: i64 = 600;
const POPULATE: [&str; 6] = ["populate", "--matches", "report.csv", "--target", "production", "--yes"];

fn report(venues: i64) -> String {
    HEADER.to_owned() + &(11..11 + venues).map(|ea| matched(ea - 10, ea, "1", 2)).collect::<String>()
}

/// What a world holds, without the moments of its entries.
fn timeless(at: &Workplace) -> Texts {
    let Held { rows, .. } = held(at);
    let plain = |text: String| {
        let mut parts = text.split("\"migrated_at\": \"");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.map(|part| part.split_once('"').unwrap().1).fold(first, |plain, rest| plain + rest)
    };
    rows.into_iter().map(|(id, text)| (id, text.map(plain))).collect()
}

/// Kills the program once so many more events are in the ledger; whether it was still at work.
fn kill_after(at: &Workplace, args: &[&str], events: i64) -> bool {
    let written = events_written(at);
    let mut going = Going::start(at, args);
    let was_reached = going.reaches(|| events_written(at) >= written + events);
    going.kill().code.is_none() && was_reached
}

fn killed(kind: Kind) {
    let undisturbed = workplace(kind, &report(VENUES));
    populate(&undisturbed, &[]).code(0);
    let at = workplace(kind, &report(VENUES));
    let before = texts(&at);

    // While it plans its second page, then while it writes rows.
    assert!(kill_after(&at, &POPULATE, 3), "a run of {VENUES} venues is not over so soon");
    let mut struck = 1;
    for events in [1, 150, 200] {
        struck += u32::from(kill_after(&at, &["resume", "--yes"], events));
    }
    assert!(struck >= 2, "{struck} kills met the program at work");
    at.run(&["resume", "--yes"]).code(0);
    assert_eq!(timeless(&at), timeless(&undisturbed));
    let head = at.head();
    populate(&at, &[]).code(0);
    assert_eq!(at.head(), head, "nothing is left to do");
    at.run(&["ledger", "verify"]).code(0);

    assert!(kill_after(&at, &["rollback", "--run", "2", "--yes"], 5));
    for events in [2, 100] {
        kill_after(&at, &["resume", "--yes"], events);
    }
    at.run(&["resume", "--yes"]).code(0);
    assert_eq!(texts(&at), before);
    at.run(&["ledger", "verify"]).code(0);
}

#[test]
fn e5_a_killed_populate_and_its_killed_rollback_are_resumed_on_sqlite() {
    killed(Kind::Sqlite);
}

#[test]
fn e5_a_killed_populate_and_its_killed_rollback_are_resumed_on_postgres() {
    killed(Kind::Postgres);
}

#[test]
fn c5_a_populate_and_a_migration_do_not_run_over_each_other() {
    let at = workplace(Kind::Sqlite, &report(6));
    run_of(&populate(&at, &["--venue-id", "11"]).code(0));
    at.sandbox.faults.inject("origin", 0, u64::MAX, Fault::Delay(Duration::from_secs(60)));
    // Started, planned, all planned: from here on it waits for the origin.
    assert!(kill_after(&at, &["migrate", "--venue-id", "11", "--yes"], 3));
    at.sandbox.faults.clear();
    for over in [&["--venue-id", "11"][..], &[]] {
        let refused = at.run_idle(&[&POPULATE[..], over].concat()).code(22).says("(migrate) holds venues");
        refused.says("`longshore resume --run");
    }
    populate(&at, &["--venue-id", "12"]).code(0);

    // A row that cannot be written holds a populate up, with all of it planned.
    let lock = rusqlite::Connection::open(at.sandbox_dir().join("eventasaurus.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(kill_after(&at, &[&POPULATE[..], &["--venue-id", "13"]].concat(), 3));
    lock.execute_batch("ROLLBACK").unwrap();
    at.run_idle(&["migrate", "--venue-id", "13", "--yes"])
        .code(22)
        .says("(populate) holds venues of venue 13");
    at.run_idle(&["resume", "--yes"]).code(2).says("several runs are unfinished");
}

#[test]
fn c6_what_an_unfinished_run_may_have_written_is_not_rolled_over() {
    let at = workplace(Kind::Sqlite, &report(6));
    let before = texts(&at);
    let added = run_of(&populate(&at, &["--venue-id", "11"]).code(0));
    let lock = rusqlite::Connection::open(at.sandbox_dir().join("eventasaurus.db")).unwrap();
    // Its pictures are stored; killed while it waits for its row, it may have written that or not.
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(kill_after(&at, &["migrate", "--venue-id", "11", "--yes"], 7));
    lock.execute_batch("ROLLBACK").unwrap();
    for how in ["--dry-run", "--yes"] {
        let refused = at.run_idle(&["rollback", "--run", &added, how]).code(22);
        refused
            .says(&format!("(migrate) may have updated rows of run {added} already"))
            .says("`longshore resume --run");
    }
    at.run(&["resume", "--yes"]).code(0);
    at.run(&["rollback", "--venue-id", "11", "--yes"]).code(0);

    // The rollback of a populate is no part of a place's.
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(kill_after(&at, &["rollback", "--run", &added, "--yes"], 3));
    lock.execute_batch("ROLLBACK").unwrap();
    at.run_idle(&["rollback", "--venue-id", "11", "--yes"]).code(0).says("Nothing is left to roll back");
    let back = run_of(&at.run_json(&["resume", "--yes"]).code(0));
    assert_eq!(texts(&at), before);
    let again = at.run_idle(&["rollback", "--run", &back, "--yes"]).code(2);
    again.says("populate --matches FILE` adds again what it took out");
    at.run(&["ledger", "verify"]).code(0);
}

#[test]
fn e4_an_interrupted_populate_pauses_and_goes_on() {
    let at = workplace(Kind::Sqlite, &report(6));
    let lock = rusqlite::Connection::open(at.sandbox_dir().join("eventasaurus.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut going = Going::start(&at, &[&POPULATE[..], &["--concurrency", "1"]].concat());
    going.reach("all is planned", || events_written(&at) >= 9);
    going.signal("INT");
    going.says("Stopping");
    lock.execute_batch("ROLLBACK").unwrap();
    going.end().code(11).says("`longshore resume` goes on");
    at.run(&["status"]).code(0).says("(populate everywhere)");
    at.run(&["resume", "--yes"]).code(0).says("12 images added, 6 venues");
    at.run(&["log", "--kind", "db_updated"]).code(0);
}

/// Killed behind a row update; what a person then leaves is taken out of the row again.
fn added_and_left(kind: Kind) {
    let at = workplace(kind, &report(1));
    let before = texts(&at);
    populate(&at, &["--venue-id", "11"]).code(0);
    let added = texts(&at);
    assert_ne!(added, before);
    forget_row_update(&at.ledger());
    let left = at.run_json(&["skip", "--venue-id", "11", "--reason", "it has closed"]).code(0).json();
    let images = left["images"].as_array().unwrap();
    assert!(images.len() == 2 && images.iter().all(|image| image["put_back"] == true), "{left}");
    assert_eq!(texts(&at), before);
    at.run(&["resume", "--yes"]).code(0);
    at.run(&["audit", "--live"]).code(0);
    populate(&at, &[]).code(0);
    assert_eq!(texts(&at), before);
    // Whoever names the venue takes it up again.
    populate(&at, &["--venue-id", "11"]).code(0);
    assert_ne!(texts(&at), before);
}

#[test]
fn c17_entries_that_were_added_without_an_event_are_taken_out_before_they_are_left_on_sqlite() {
    added_and_left(Kind::Sqlite);
}

#[test]
fn c17_entries_that_were_added_without_an_event_are_taken_out_before_they_are_left_on_postgres() {
    added_and_left(Kind::Postgres);
}
