//! Where several exit codes fit, the gravest is given: 20, 21, 22, 30, 11, 12, 10.

use std::time::Duration;

use longshore::sandbox::faults::Fault;

use crate::kill::hand::{Going, VENUES, ledger};
use crate::support::program::Workplace;
use crate::support::sqlite::behind_triggers;
use crate::support::stage::Kind;

const ALTERED: &str = "UPDATE event SET body = body || ' ' WHERE seq = 2";
const NEWER: &str = "PRAGMA user_version = 99";
const WRITERS: [&[&str]; 3] = [
    &["migrate", "--country", "PL", "--yes"],
    &["resume", "--yes"],
    &["rollback", "--country", "DE", "--yes"],
];

/// Does this to the ledger while its database is away, then while another holds it too, and sees which code is given.
fn is_graver(sql: Option<&str>, code: i32) {
    let mut work = Workplace::new(Kind::Sqlite, VENUES);
    work.run(&["migrate", "--country", "DE", "--yes"]);
    let there = work.settings["PRODUCTION_DATABASE_URL"].clone();
    work.sandbox.faults.clear();
    work.sandbox.faults.inject("upload", 0, 1_000, Fault::Delay(Duration::from_secs(3_600)));
    let mut holder = Going::start(&work, &["migrate", "--country", "GB", "--yes"]);
    holder.reach("its first upload", || work.requests("upload") > 0);
    sql.into_iter().for_each(|sql| behind_triggers(&work.ledger(), sql));
    for url in ["sqlite:/nowhere/at-all.db", &there] {
        work.settings.insert("PRODUCTION_DATABASE_URL".into(), url.into());
        for args in WRITERS {
            work.run(args).code(code);
        }
    }
    let _killed = holder.kill();
    work.settings.insert("PRODUCTION_DATABASE_URL".into(), "sqlite:/nowhere/at-all.db".into());
    for args in WRITERS {
        work.run(args).code(if sql.is_some() { code } else { 30 });
    }
}

#[test]
fn e7_what_is_wrong_with_a_ledger_is_graver_than_its_holder_and_its_holder_than_the_outside() {
    is_graver(Some(ALTERED), 20);
    is_graver(Some(NEWER), 21);
    is_graver(None, 22);
}

/// A paused run over one venue, to which drift and a failure are going to come when it is resumed.
fn in_for_trouble() -> Workplace {
    let mut work = Workplace::new(Kind::Sqlite, VENUES);
    let right = work.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_of_another".into()).unwrap();
    work.run(&["migrate", "--country", "GB", "--limit", "1", "--yes"]).code(11);
    work.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), right);
    let (_, planned) = ledger(&work).state().plans().map(|(seq, plan)| (seq, plan.venue)).next().unwrap();
    // Somebody makes our entries theirs, and a picture that has to be fetched again is gone.
    work.sql(&format!(
        "UPDATE venues SET venue_images = replace(venue_images, 'trivia_advisor_migration', 'theirs') \
         WHERE id = {planned}"
    ));
    std::fs::remove_dir_all(work.work().join("longshore.production.ledger.spool")).unwrap();
    work.sandbox.faults.inject("origin", 0, 1, answer(404));
    work
}

fn answer(status: u16) -> Fault {
    let body = "{\"message\": \"no\", \"help\": \"\"}".to_owned();
    Fault::Answer { status, headers: Vec::new(), body }
}

#[test]
fn e4_a_pause_is_graver_than_drift_and_drift_than_failures() {
    let work = in_for_trouble();
    let ended = work.run_json(&["resume", "--yes"]).code(12).json();
    let tally = &ended["runs"][0]["tally"];
    let number = |name: &str| tally[name].as_u64().unwrap();
    assert!(number("failed") > 0 && number("drifted") > 0, "{ended}");

    let work = in_for_trouble();
    // The venue has no more pictures than these, so that only the run after it is refused.
    work.sandbox.faults.inject("upload", 5, 1_000, answer(401));
    let ended = work.run_json(&["migrate", "--country", "GB", "--yes"]).code(11).json();
    let runs = ended["runs"].as_array().unwrap();
    assert!(runs.len() == 2 && runs[0]["tally"]["drifted"].as_u64() > Some(0), "{ended}");
    assert_eq!(runs[1]["paused"]["reason"], "unauthorized", "{ended}");
}
