//! Ctrl-C and SIGTERM: a run stops in order, loses nothing that is in the air, and goes on later.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ledger::event::{Country, Event, Operator, Options, PauseReason, Record, RunStarted, Scope, Verb};
use ledger::ledger::Ledger;
use longshore::sandbox::faults::Fault;
use sqlx::{Connection, PgConnection};

use super::hand::{Going, Texts, VENUES, direct_url, events, held, ledger, migrate, texts, undisturbed};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Every upload from the `skip`th on takes this long.
fn slow_uploads(work: &Workplace, skip: u64, wait: Duration) {
    work.sandbox.faults.inject("upload", skip, 1_000, Fault::Delay(wait));
}

/// Whether the last event says that somebody interrupted the run.
fn is_interrupted(work: &Workplace) -> bool {
    let events = events(&ledger(work));
    let last = events.last().map(|(_, record)| &record.event);
    matches!(last, Some(Event::Paused(paused)) if paused.reason == PauseReason::Interrupted)
}

/// What the CDN holds, and what the ledger knows of.
fn files_and_known(work: &Workplace) -> (BTreeSet<String>, BTreeSet<String>) {
    let files = work.sandbox.imagekit.files().into_iter().map(|file| file.path).collect();
    let known = events(&ledger(work)).into_iter().filter_map(|(_, record)| match record.event {
        Event::Uploaded(uploaded) => Some(uploaded.path.as_str().to_owned()),
        _ => None,
    });
    (files, known.collect())
}

fn pauses_and_goes_on(kind: Kind, signal: &str) {
    let (end, code) = undisturbed(kind);
    let work = Workplace::new(kind, VENUES);
    slow_uploads(&work, 5, Duration::from_millis(700));
    let mut going = Going::start(&work, &migrate());
    going.reach("its sixth upload", || work.requests("upload") >= 6);
    going.signal(signal);
    let ran = going.end().code(11).says("Stopping").says("longshore resume");
    assert!(is_interrupted(&work), "{ran}");
    let (files, known) = files_and_known(&work);
    assert!(files.len() >= 6 && files == known, "what was in the air is written down: {files:?} {known:?}");
    work.run(&["status"]).code(0).says("paused (interrupted)");
    work.sandbox.faults.clear();
    let ran = work.run(&["resume", "--yes"]).code(code);
    held(&work).assert_same(&end, &ran);
    work.run(&["ledger", "verify"]).code(0);
}

#[test]
fn e4_an_interrupted_run_pauses_and_goes_on_on_sqlite() {
    pauses_and_goes_on(Kind::Sqlite, "INT");
}

#[test]
fn e4_a_terminated_run_pauses_and_goes_on_on_postgres() {
    pauses_and_goes_on(Kind::Postgres, "TERM");
}

#[test]
fn e4_a_run_whose_terminal_hangs_up_pauses_and_goes_on_on_sqlite() {
    pauses_and_goes_on(Kind::Sqlite, "HUP");
}

/// A run that is at work with slow uploads, however it was started.
fn at_work(work: &Workplace, start: impl FnOnce() -> Going) -> Going {
    slow_uploads(work, 5, Duration::from_millis(700));
    let mut going = start();
    going.reach("its sixth upload", || work.requests("upload") >= 6);
    going
}

#[test]
fn e4_a_terminal_that_is_closed_pauses_the_run() {
    let (end, code) = undisturbed(Kind::Sqlite);
    let work = Workplace::new(Kind::Sqlite, VENUES);
    let going = at_work(&work, || Going::at_a_terminal(&work, &migrate()));
    // With the program that made the terminal the terminal goes, and nobody reads what is said.
    going.kill();
    let started = Instant::now();
    while !is_interrupted(&work) {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not pause");
        std::thread::sleep(Duration::from_millis(20));
    }
    work.sandbox.faults.clear();
    let ran = work.run(&["resume", "--yes"]).code(code);
    held(&work).assert_same(&end, &ran);
}

#[test]
fn e4_a_run_that_was_started_to_outlive_its_terminal_does() {
    let work = Workplace::new(Kind::Sqlite, VENUES);
    let mut going = at_work(&work, || {
        let args = migrate();
        let program = work.command(&args);
        let mut command = std::process::Command::new("nohup");
        command.arg(program.get_program()).args(&args).current_dir(work.work()).envs(&work.settings);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Going::spawn(command, &args)
    });
    going.signal("HUP");
    let ran = going.end();
    assert!(matches!(ran.code, Some(0 | 10)) && !is_interrupted(&work), "{ran}");
}

#[test]
fn e4_the_second_interrupt_leaves_at_once_and_loses_nothing() {
    let (end, code) = undisturbed(Kind::Sqlite);
    let work = Workplace::new(Kind::Sqlite, VENUES);
    slow_uploads(&work, 3, Duration::from_secs(3_600));
    let mut going = Going::start(&work, &migrate());
    going.reach("uploads that hang", || work.requests("upload") >= 6);
    going.signal("INT");
    going.says("Stopping");
    going.signal("INT");
    going.end().code(130);
    work.sandbox.faults.clear();
    work.run(&["ledger", "verify"]).code(0);
    let ran = work.run(&["resume", "--yes"]).code(code);
    held(&work).assert_same(&end, &ran);
}

/// A run that has started and planned nothing, as a killed program leaves it.
fn started(work: &Workplace) {
    let mut ledger = Ledger::open(&work.ledger(), "a test").unwrap();
    let at = events(&ledger)[0].1.at;
    let event = Event::RunStarted(RunStarted {
        verb: Verb::Migrate,
        scope: Scope::Country(Country { code: "GB".into(), name: "United Kingdom".into(), slug: None }),
        options: Options::new(4, 25_000_000, 300_000),
        operator: Operator { user: "tester".into(), host: "test".into(), version: "0".into() },
    });
    let run = Some(ledger.next_run(0));
    ledger.append(&[Record { at, run, event }]).unwrap();
}

/// A world with a run whose planning waits for a table, the connection that holds it up, and what the rows held.
fn planning() -> (Workplace, Going, PgConnection, Texts) {
    let work = Workplace::new(Kind::Postgres, VENUES);
    // France has a venue with bad data.
    work.run(&["migrate", "--country", "FR", "--yes"]).code(10);
    started(&work);
    let before = texts(&work);
    let mut admin = work.runtime.block_on(PgConnection::connect(&direct_url(&work))).unwrap();
    let lock = "BEGIN; LOCK TABLE venues IN ACCESS EXCLUSIVE MODE";
    work.runtime.block_on(crate::support::postgres::run(&mut admin, lock));
    let mut going = Going::start(&work, &["resume", "--yes"]);
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'venues'::regclass AND NOT granted";
    going.reach("a planning that waits for the table", || {
        let count = sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut admin);
        work.runtime.block_on(count).unwrap() > 0
    });
    (work, going, admin, before)
}

#[test]
fn e4_an_interrupt_during_planning_pauses() {
    let (work, mut going, mut admin, before) = planning();
    going.signal("TERM");
    going.says("Stopping");
    work.runtime.block_on(crate::support::postgres::run(&mut admin, "ROLLBACK"));
    going.end().code(11);
    assert!(is_interrupted(&work));
    assert_eq!(texts(&work), before, "nothing is changed by planning");
    assert!(events(&ledger(&work)).iter().filter(|(_, r)| r.event.name() == "planning_done").count() == 1);
    let ran = work.run(&["resume", "--yes"]);
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
    assert!(ledger(&work).state().unfinished().next().is_none(), "{ran}");
}

#[test]
fn c15_a_pause_asked_for_while_it_plans_comes_before_the_first_step() {
    let (work, mut going, mut admin, _) = planning();
    work.run_json(&["control", "status"]).code(0).says("\"planning\"");
    let asked = work.requests("origin");
    let mut pause = Going::start(&work, &["control", "pause"]);
    pause.reach("the run", || work.run_json(&["control", "status"]).stdout.contains("\"pausing\""));
    work.runtime.block_on(crate::support::postgres::run(&mut admin, "ROLLBACK"));
    pause.end().code(0).says("is paused, and waits in place");
    going.says("Paused in place");
    assert_eq!(work.requests("origin"), asked, "nothing was begun");
    work.run(&["control", "resume"]).code(0);
    let ran = going.end();
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
    assert!(ledger(&work).state().unfinished().next().is_none(), "{ran}");
}

#[test]
fn c6_a_run_cut_off_before_it_planned_anything_is_closed_by_a_rollback() {
    let work = Workplace::new(Kind::Sqlite, VENUES);
    work.run(&["migrate", "--country", "FR", "--yes"]).code(10);
    let before = texts(&work);
    started(&work);
    work.run(&["rollback", "--country", "United Kingdom", "--yes"]).code(0);
    assert!(ledger(&work).state().unfinished().next().is_none());
    assert_eq!(texts(&work), before);
    work.run(&["resume", "--yes"]).code(0).says("Nothing to resume");
}

#[test]
fn e4_an_interrupt_ends_the_wait_for_an_outage() {
    let (end, code) = undisturbed(Kind::Sqlite);
    let mut work = Workplace::new(Kind::Sqlite, VENUES);
    let url = work.settings["IMAGEKIT_UPLOAD_URL"].clone();
    // Nobody listens on port 1: every upload is refused, which is an outage and not the images' fault.
    work.settings.insert("IMAGEKIT_UPLOAD_URL".into(), "http://127.0.0.1:1".into());
    let before = texts(&work);
    let mut going = Going::start(&work, &migrate());
    going.says("Waiting");
    going.signal("INT");
    going.end().code(11);
    assert!(is_interrupted(&work));
    assert_eq!(texts(&work), before);
    work.settings.insert("IMAGEKIT_UPLOAD_URL".into(), url);
    let ran = work.run(&["resume", "--yes"]).code(code);
    held(&work).assert_same(&end, &ran);
}

#[test]
fn e4_ctrl_c_at_the_question_changes_nothing() {
    let work = Workplace::new(Kind::Sqlite, VENUES);
    let before = texts(&work);
    for (typed, code) in [("\u{3}", 130), ("Poland\n", 2)] {
        let mut going = Going::at_a_terminal(&work, &["migrate", "--country", "GB"]);
        going.says("Type United Kingdom to go on:");
        going.types(typed);
        going.end().code(code);
        assert_eq!(texts(&work), before);
        assert!(!work.ledger().exists(), "no ledger is made before the answer");
    }
}
