//! A clock that steps back in the middle of a run, and between two.

use std::cell::Cell;
use std::sync::Arc;

use ledger::event::{Ending, Event, Placed};
use ledger::timestamp::Timestamp;
use longshore::runner::{End, Moment, RunError};
use serde_json::Value;

use crate::kill::hand::events;
use crate::support::program::{Ran, program};
use crate::support::stage::{How, Kind, Stage};

/// 2026-01-01T12:00:00Z.
const NOON_MS: i64 = 1_767_268_800_000;
/// By how much the clock goes from one look at it to the next: on, far back, on again, a little back.
const STEPS_MS: [i64; 6] = [60_000, 1_000, -7_200_000, 500, 90_000, -45_000];

thread_local! {
    /// The clock is looked at by the thread that turns the wheel, which is the test's own.
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

fn unsteady() -> Timestamp {
    let looks = LOOKS.get();
    LOOKS.set(looks + 1);
    let gone: i64 = (0..=looks).map(|look| STEPS_MS[look % STEPS_MS.len()]).sum();
    Timestamp::from_millis(NOON_MS + gone)
}

fn answer(stage: &Stage, args: &[&str]) -> Ran {
    let path = stage.ledger_path();
    let args = [args, &["--ledger", path.to_str().unwrap(), "--format", "json"]].concat();
    Ran::new(&args, program(path.parent().unwrap(), &args).output().unwrap())
}

/// Every number of a document that says how long or how much something was.
fn none_is_negative(value: &Value) {
    match value {
        Value::Number(number) => assert!(number.as_f64().unwrap() >= 0.0, "{number}"),
        Value::Array(all) => all.iter().for_each(none_is_negative),
        Value::Object(all) => all.values().for_each(none_is_negative),
        _ => {}
    }
}

#[test]
fn e5_a_clock_that_steps_back_changes_no_end_and_no_answer_lies() {
    let stage = Stage::new(Kind::Sqlite);
    for id in 1..=3 {
        let entries: Vec<_> =
            (0..3).map(|n| stage.external(&format!("/{id}-{n}.jpg"), &format!("{id}{n}"))).collect();
        stage.venue(id, &format!("pub-{id}"), 1, &format!("[{}]", entries.join(", ")));
    }
    let before = stage.rows();
    // Dead in the middle, and gone on with by a clock that is behind.
    let dies = |moment| moment == Moment::AfterAppend && LOOKS.get() > 8;
    let how = How { now: unsteady, concurrency: 1, ..How::default() };
    let dead = stage.migrate(&How { probe: Some(Arc::new(dies)), ..how.clone() });
    assert!(matches!(dead, Err(RunError::Died)), "{dead:?}");
    let end = stage.migrate(&how);
    assert!(matches!(end, Ok(End::Finished(Ending::Done, tally)) if tally.done == 9), "{end:?}");
    assert_eq!(stage.requests("upload"), 9);

    let all = events(&stage.verified());
    let went_back = all.windows(2).filter(|two| two[1].1.at < two[0].1.at).count();
    assert!(went_back > 3, "{went_back}");
    answers_hold(&stage, &all);

    let back = stage.rollback(&how);
    assert!(matches!(back, Ok(End::Finished(Ending::Done, _))), "{back:?}");
    assert_eq!(stage.rows(), before);
    stage.verified();
}

fn answers_hold(stage: &Stage, all: &[Placed]) {
    for args in [&["report"][..], &["status"], &["audit"], &["export", "rollback-data"]] {
        let told = answer(stage, args).code(0).json();
        if args[0] == "report" {
            none_is_negative(&told);
        }
    }
    let seqs = |ran: &Ran| -> Vec<u64> {
        ran.json_lines().iter().map(|line| line["seq"].as_u64().unwrap()).collect()
    };
    let mut times: Vec<Timestamp> = all.iter().map(|(_, record)| record.at).collect();
    times.sort();
    times.dedup();
    for time in times.into_iter().step_by(3) {
        let text = time.to_string();
        // From the events before the first that is later.
        let first_later = all.iter().find(|(_, record)| record.at > time).map(|(seq, _)| seq.0);
        let last = first_later.map_or(all.len() as u64, |seq| seq - 1);
        let told = answer(stage, &["status", "--as-of", &text]);
        match last {
            0 => drop(told.code(2).says("did not exist then")),
            last => assert_eq!(told.code(0).json()["as_of"], last, "{text}"),
        }
        let since: Vec<u64> = all.iter().filter(|(_, r)| r.at >= time).map(|(seq, _)| seq.0).collect();
        assert_eq!(seqs(&answer(stage, &["log", "--since", &text]).code(0)), since, "{text}");
        let until: Vec<u64> = all.iter().filter(|(_, r)| r.at <= time).map(|(seq, _)| seq.0).collect();
        assert_eq!(seqs(&answer(stage, &["log", "--until", &text]).code(0)), until, "{text}");
    }
    assert!(all.iter().any(|(_, record)| matches!(record.event, Event::Resumed(_))));
}
