//! Bytes of every version that was ever written. `tests/golden/vN.jsonl` holds a line for every event and every variant
//! in it, `tests/golden/vN.ledger` is a whole small ledger. None is ever written again: what was in a ledger once must
//! be read for ever. A new version adds files of its own beside them, and its values here.

mod chain;
mod file;
mod runs;
mod venues;
mod version_2;
mod version_3;
mod version_4;

use std::collections::BTreeSet;
use std::path::PathBuf;

use ledger::event::{Event, Record};
use ledger::ids::{RunId, Seq};
use ledger::timestamp::Timestamp;
use ledger::wire::{decode, encode};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Events in the order of a file's lines: the nth is at the nth millisecond, in run 2.
fn records(events: impl IntoIterator<Item = Event>) -> Vec<Record> {
    let record = |(n, event): (i64, Event)| {
        let run = (!matches!(event, Event::Opened(_))).then_some(RunId(Seq(2)));
        Record { at: Timestamp::from_millis(1_795_362_000_000 + n), run, event }
    };
    (1..).zip(events).map(record).collect()
}

fn version_1() -> Vec<Record> {
    records(runs::events().into_iter().chain(venues::events()))
}

/// All of version 1, written by version 2, what that one could say besides, and an event outside of any run.
fn version_2() -> Vec<Record> {
    let mut all = records(runs::events().into_iter().chain(venues::events()).chain(version_2::events()));
    let free = all.last_mut().unwrap();
    assert_eq!(free.event.name(), "cdn_deleted");
    free.run = None;
    all
}

/// All of version 2, written by version 3, and what that one could say besides.
fn version_3() -> Vec<Record> {
    let before = runs::events().into_iter().chain(venues::events()).chain(version_2::events());
    records(before.chain(version_3::events()))
}

/// All of version 3, written by version 4, and what that one could say besides.
fn version_4() -> Vec<Record> {
    let before = runs::events().into_iter().chain(venues::events()).chain(version_2::events());
    records(before.chain(version_3::events()).chain(version_4::events()))
}

#[test]
fn e7_every_line_of_version_1_is_read_as_it_was_meant() {
    let text = std::fs::read_to_string(path("v1.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let meant = version_1();
    for (number, (line, meant)) in (1..).zip(lines.iter().zip(&meant)) {
        assert_eq!(&decode(line).unwrap(), meant, "line {number}");
    }
    assert_eq!(lines.len(), meant.len());
}

#[test]
fn e7_every_line_of_version_2_is_read_as_it_was_meant() {
    let text = std::fs::read_to_string(path("v2.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let meant = version_2();
    for (number, (line, meant)) in (1..).zip(lines.iter().zip(&meant)) {
        assert_eq!(&decode(line).unwrap(), meant, "line {number}");
    }
    assert_eq!(lines.len(), meant.len());
}

#[test]
fn e7_every_line_of_version_3_is_read_as_it_was_meant() {
    let text = std::fs::read_to_string(path("v3.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let meant = version_3();
    for (number, (line, meant)) in (1..).zip(lines.iter().zip(&meant)) {
        assert_eq!(&decode(line).unwrap(), meant, "line {number}");
    }
    assert_eq!(lines.len(), meant.len());
}

#[test]
fn e7_every_line_of_version_4_is_read_as_it_was_meant_and_written_as_it_was() {
    let text = std::fs::read_to_string(path("v4.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let meant = version_4();
    for (number, (line, meant)) in (1..).zip(lines.iter().zip(&meant)) {
        assert_eq!(&decode(line).unwrap(), meant, "line {number}");
        assert_eq!(&encode(meant), line, "line {number}");
    }
    assert_eq!(lines.len(), meant.len());
}

#[test]
fn every_event_is_among_the_golden_lines() {
    let found: BTreeSet<&str> = version_4().iter().map(|record| record.event.name()).collect();
    assert_eq!(found, BTreeSet::from(Event::NAMES));
}
