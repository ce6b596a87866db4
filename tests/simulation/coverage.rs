//! How often each event, and each step of an image from one state to another, came about.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use ledger::event::{Event, Planned, Record, Work};
use ledger::ids::{ImageId, Seq};
use ledger::state::{Image, Mark, State, VenuePlans};

use super::Happened;
use super::world::Inner;

/// Steps of images, and of entries that a `populate` adds: where they stand, and what they meet there. In ten thousand
/// histories each of these comes about for sure.
const STEPS: [(&str, &str); 15] = [
    ("image Planned", "downloaded failed skipped closed"),
    ("image Planned, failed", "resumed"),
    ("image Planned, skipped", "closed"),
    ("image Downloaded", "downloaded uploaded failed skipped closed"),
    ("image Downloaded, failed", "resumed"),
    ("image Uploaded", "downloaded uploaded confirmed failed closed db_updated drifted planned rolled_back"),
    ("image Uploaded, failed", "resumed planned"),
    ("image Uploaded, drifted", "closed planned"),
    ("image Uploaded, closed", "planned"),
    ("image DbUpdated", "planned drifted rolled_back"),
    ("image DbUpdated, drifted", "planned"),
    ("entry Planned", "closed db_updated drifted planned rolled_back"),
    ("entry Planned, drifted", "planned"),
    ("entry Planned, closed", "planned"),
    ("entry DbUpdated", "planned drifted rolled_back"),
];

/// What else a ledger allows. Some of it comes about seldom: a person has to leave just the image that failed, or a storm
/// has to outlast all tries at the row of a `populate`. Some never does: `skip` takes nothing that was left already, and
/// no bytes of an added entry are looked at, so that it is not skipped.
const SELDOM: [(&str, &str); 18] = [
    ("image Planned, failed", "closed"),
    ("image Planned, closed", "closed"),
    ("image Downloaded, failed", "closed"),
    ("image Downloaded, skipped", "closed"),
    ("image Downloaded, closed", "closed"),
    ("image Uploaded", "skipped"),
    ("image Uploaded, failed", "closed"),
    ("image Uploaded, skipped", "closed planned"),
    ("image Uploaded, closed", "closed drifted rolled_back"),
    ("image DbUpdated, drifted", "closed"),
    ("image DbUpdated, closed", "closed planned drifted rolled_back"),
    ("entry Planned", "failed skipped"),
    ("entry Planned, failed", "closed planned resumed"),
    ("entry Planned, skipped", "closed planned"),
    ("entry Planned, drifted", "closed"),
    ("entry Planned, closed", "closed drifted rolled_back"),
    ("entry DbUpdated, drifted", "closed planned"),
    ("entry DbUpdated, closed", "closed planned drifted rolled_back"),
];

fn named(steps: &[(&str, &str)]) -> Vec<String> {
    let each = |(at, events): &(&str, &str)| -> Vec<String> {
        events.split(' ').map(|event| format!("{at}: {event}")).collect()
    };
    steps.iter().flat_map(each).collect()
}

/// Steps that came about and are in neither list.
pub fn unlisted(happened: &Happened) -> Vec<&'static str> {
    let listed = [named(&STEPS), named(&SELDOM)].concat();
    let is_step =
        |what: &&str| what.starts_with("image ") || (what.starts_with("entry ") && what.contains(": "));
    happened.keys().copied().filter(is_step).filter(|what| !listed.iter().any(|step| step == what)).collect()
}

/// Steps that have to come about and did not.
pub fn absent(happened: &Happened) -> Vec<String> {
    named(&STEPS).into_iter().filter(|step| !happened.contains_key(step.as_str())).collect()
}

/// Counts what a ledger tells of.
pub fn count(world: &mut Inner, records: &[Record]) {
    let mut state = State::default();
    for (seq, record) in (1..).map(Seq).zip(records) {
        world.count(record.event.name());
        if let Event::Failed(e) | Event::Skipped(e) = &record.event
            && e.message.contains("has the entry from before again")
        {
            world.count("row put back");
        }
        if let Event::Closed(e) = &record.event
            && e.reason.contains("updated without an event")
        {
            world.count("row put back as its image is left");
        }
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
