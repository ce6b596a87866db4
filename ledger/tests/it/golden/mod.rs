//! Bytes of every version that was ever written. `tests/golden/v1.jsonl` holds a line for every event and every variant
//! in it, `tests/golden/v1.ledger` a whole small ledger. Neither is ever written again: what was in a ledger once must
//! be read for ever. A new version adds files of its own beside them, and its values here.

mod chain;
mod file;
mod runs;
mod venues;

use std::collections::BTreeSet;
use std::path::PathBuf;

use ledger::event::{Event, Record};
use ledger::ids::{RunId, Seq};
use ledger::timestamp::Timestamp;
use ledger::wire::{decode, encode};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The events of version 1, in the order of the file's lines: the nth is at the nth millisecond, in run 2.
fn version_1() -> Vec<Record> {
    let events = runs::events().into_iter().chain(venues::events());
    let record = |(n, event): (i64, Event)| {
        let run = (!matches!(event, Event::Opened(_))).then_some(RunId(Seq(2)));
        Record { at: Timestamp::from_millis(1_795_362_000_000 + n), run, event }
    };
    (1..).zip(events).map(record).collect()
}

#[test]
fn every_line_of_version_1_is_read_as_it_was_meant_and_written_as_it_was() {
    let text = std::fs::read_to_string(path("v1.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let meant = version_1();
    for (number, (line, meant)) in (1..).zip(lines.iter().zip(&meant)) {
        assert_eq!(&decode(line).unwrap(), meant, "line {number}");
        assert_eq!(&encode(meant), line, "line {number}");
    }
    assert_eq!(lines.len(), meant.len());
}

#[test]
fn every_event_is_among_the_golden_lines() {
    let found: BTreeSet<&str> = version_1().iter().map(|record| record.event.name()).collect();
    assert_eq!(found, BTreeSet::from(Event::NAMES));
}
