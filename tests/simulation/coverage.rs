//! How often each event, and each step of an image from one state to another, came about.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use ledger::event::{Event, Planned, Record, Work};
use ledger::ids::{ImageId, Seq};
use ledger::state::{Image, Mark, State, VenuePlans};

use super::world::Inner;

/// Counts what a ledger tells of.
pub fn count(world: &mut Inner, records: &[Record]) {
    let mut state = State::default();
    for (seq, record) in (1..).map(Seq).zip(records) {
        world.count(record.event.name());
        if let Some(detail) = detail(&record.event) {
            world.count(known(format!("{}: {detail}", record.event.name())));
        }
        for image in images(&state, record).into_iter().filter_map(|image| state.image(image)) {
            world.count(known(format!("{}: {}", standing(image), record.event.name())));
        }
        state.apply(seq, record).expect("it was verified");
    }
}

/// Where an image stands, or an entry that a `populate` adds.
fn standing(image: &Image) -> String {
    let what = if image.is_added { "entry" } else { "image" };
    let mark = match image.mark {
        None => "",
        Some(Mark::Failed(_)) => ", failed",
        Some(Mark::Skipped(_)) => ", skipped",
        Some(Mark::Drifted) => ", drifted",
        Some(Mark::Closed) => ", closed",
    };
    format!("{what} {:?}{mark}", image.rung)
}

/// The images that an event leads from where they stand to where they then stand.
fn images(state: &State, record: &Record) -> Vec<ImageId> {
    match &record.event {
        Event::Planned(Planned { work: Work::TakeBack(images), .. }) => images.clone(),
        Event::Downloaded(e) => vec![e.image],
        Event::Uploaded(e) => vec![e.image],
        Event::Confirmed(e) => vec![e.image],
        Event::Failed(e) | Event::Skipped(e) => match e.image {
            Some(image) => vec![image],
            // All that is open of the venue.
            None => {
                let last = state.venue(e.venue).and_then(VenuePlans::last);
                let plan = last.and_then(|last| Some((last, state.plan(last)?)));
                let ids = plan.into_iter().flat_map(|(last, plan)| plan.ids(last));
                ids.filter(|(_, image)| !image.is_settled()).map(|(id, _)| id).collect()
            }
        },
        Event::Closed(e) => e.image.into_iter().collect(),
        Event::Drifted(e) => vec![e.image],
        Event::DbUpdated(e) => e.edits.iter().map(|edit| edit.image).collect(),
        Event::RolledBack(e) => e.edits.iter().map(|edit| edit.image).chain(e.held.iter().copied()).collect(),
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
