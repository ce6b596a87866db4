//! How often each event, and each step of an image from one state to another, came about.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use ledger::event::{Event, Placed, Record};
use ledger::ids::{ImageId, Seq};
use ledger::ledger::Ledger;
use ledger::state::{Mark, State};
use ledger::store::LedgerError;

use super::world::Inner;

/// Counts what a ledger tells of.
pub fn count(world: &mut Inner, ledger: &Ledger) {
    let mut state = State::default();
    let all = ledger.events(Seq(1), |(seq, record): Placed| {
        world.count(record.event.name());
        if let Some(detail) = detail(&record.event) {
            world.count(known(format!("{}: {detail}", record.event.name())));
        }
        let images = images(&record);
        let before: Vec<String> = images.iter().map(|image| standing(&state, *image)).collect();
        state.apply(seq, &record).expect("it was verified");
        for (image, before) in images.into_iter().zip(before) {
            let after = standing(&state, image);
            if before != after {
                world.count(known(format!("image: {before} to {after}")));
            }
        }
        Ok::<_, LedgerError>(())
    });
    all.expect("it was verified");
}

/// Where an image stands.
fn standing(state: &State, image: ImageId) -> String {
    let Some(image) = state.image(image) else { return "nothing".to_owned() };
    let mark = match image.mark {
        None => "",
        Some(Mark::Failed(_)) => ", failed",
        Some(Mark::Skipped(_)) => ", skipped",
        Some(Mark::Drifted) => ", drifted",
        Some(Mark::Closed) => ", closed",
    };
    format!("{:?}{mark}", image.rung)
}

/// The images that an event tells of by their ids.
fn images(record: &Record) -> Vec<ImageId> {
    match &record.event {
        Event::Downloaded(e) => vec![e.image],
        Event::Uploaded(e) => vec![e.image],
        Event::Failed(e) | Event::Skipped(e) => e.image.into_iter().collect(),
        Event::Closed(e) => e.image.into_iter().collect(),
        Event::Drifted(e) => vec![e.image],
        Event::DbUpdated(e) => e.edits.iter().map(|edit| edit.image).collect(),
        Event::RolledBack(e) => {
            let edits = e.edits.iter().map(|edit| edit.image);
            edits.chain(e.held.iter().copied()).chain(e.left.iter().copied()).collect()
        }
        Event::Resumed(e) => e.retry_images.clone(),
        _ => Vec::new(),
    }
}

/// What kind of such an event it is.
fn detail(event: &Event) -> Option<String> {
    Some(match event {
        Event::RunStarted(e) => format!("{:?}", e.verb),
        Event::RunFinished(e) => format!("{:?}", e.ending),
        Event::Paused(e) => format!("{:?}", e.reason),
        Event::Alerted(e) => format!("{:?}", e.about),
        Event::Uploaded(e) => format!("{:?}", e.acquired),
        Event::Failed(e) | Event::Skipped(e) => format!("{:?}, {:?}", e.step, e.error_type),
        Event::Waited(e) => format!("{:?}, {:?}", e.part, e.reason),
        Event::Adjusted(e) => e.setting.clone(),
        Event::DbUpdated(e) if e.found_done => "found done".to_owned(),
        Event::RolledBack(e) if e.found_done => "found done".to_owned(),
        Event::RolledBack(e) if !e.left.is_empty() => "some left".to_owned(),
        Event::Closed(e) if e.image.is_none() => "a venue as a whole".to_owned(),
        Event::Resumed(e) if !e.retry_images.is_empty() => "what had failed".to_owned(),
        _ => return None,
    })
}

/// A name that is kept as long as the test runs: there are some hundred.
fn known(name: String) -> &'static str {
    static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match known.get(name.as_str()) {
        Some(there) => there,
        None => {
            let name: &'static str = name.leak();
            known.insert(name);
            name
        }
    }
}
