//! Someone else writes meanwhile: between plan and update, between update and rollback, during the rollback, and after
//! a run was cut off between its commit and its append. What is theirs is never lost, what touches ours is drifted,
//! and everything else goes on.

mod matrix;
mod odd;
mod others;
mod resistance;
mod twins;
pub mod writer;

use ledger::event::{Drifted, Ending, Event, Tally};
use ledger::ids::Seq;
use longshore::runner::{End, RunError};

use crate::support::stage::Stage;

/// The result of a run that went to its end.
#[track_caller]
fn tally(end: Result<End, RunError>) -> Tally {
    match end {
        Ok(End::Finished(Ending::Done, tally)) => tally,
        other => panic!("{other:?}"),
    }
}

/// The place behind the last event.
fn next_seq(stage: &Stage) -> u64 {
    if stage.ledger_path().exists() { stage.verified().head().seq.0 + 1 } else { 2 }
}

/// The events from a place on, verified.
fn events(stage: &Stage, from: u64) -> Vec<(u64, Event)> {
    let mut events = Vec::new();
    let ledger = stage.verified();
    let each = |(seq, record): ledger::event::Placed| {
        events.push((seq.0, record.event));
        Ok::<_, ledger::store::LedgerError>(())
    };
    ledger.events(Seq(from), each).unwrap();
    events
}

/// What had drifted in a venue from a place on: what was expected, and what was found.
fn drifts(stage: &Stage, from: u64, venue: i64) -> Vec<Drifted> {
    let drifted = events(stage, from).into_iter().filter_map(|(_, event)| match event {
        Event::Drifted(drifted) if drifted.venue.0 == venue => Some(drifted),
        _ => None,
    });
    drifted.collect()
}

/// The elements of an array, each in its own text.
fn elements(text: &str) -> Vec<String> {
    ledger::images::Array::parse(text).unwrap().elements().map(str::to_owned).collect()
}
