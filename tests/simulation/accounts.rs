//! What the ledgers say, compared with what there is.

use std::collections::{BTreeMap, BTreeSet};

use ledger::event::{Closed, Edit, Event, Record, StepName, Stopped, Verb};
use ledger::ids::{CdnPath, ContentHash, Format, ImageId, Seq, VenueId};
use ledger::ledger::Ledger;
use ledger::report::standing;
use ledger::state::State;
use longshore::limits::RETRIES_MAX;

use super::book;
use super::cdn::File;
use super::faults::Fault;
use super::judge::{completed, elements, external, is_whole};
use super::pictures;
use super::world::Inner;

/// Faults that keep what the ledgers say and what the rows hold apart, as others wrote the rows.
const OF_ROWS: [Fault; 7] = [
    Fault::RowEdited,
    Fault::RowShuffled,
    Fault::EntryAdded,
    Fault::EntryRemoved,
    Fault::RowStale,
    Fault::VenueMoved,
    Fault::VenueGone,
];

/// All that was planned, and is not there yet, is there at the end of a migration of everything; the ledgers' numbers are
/// those of the rows; every file has its event.
pub fn migrated(world: &mut Inner, ledgers: &[Ledger]) {
    let read = |(number, ledger)| Read { number, ledger, events: book::records(ledger, Seq(1)) };
    let ledgers = &ledgers.iter().enumerate().map(read).collect::<Vec<_>>()[..];
    for ledger in ledgers {
        let unfinished: Vec<String> = ledger.state().unfinished().map(|(run, _)| run.to_string()).collect();
        if !unfinished.is_empty() {
            world.break_promise(format!("after the last resume these runs are unfinished: {unfinished:?}"));
        }
        attempts(world, ledger);
    }
    files_explained(world, ledgers);
    for database in 0..world.databases.len() {
        let of: Vec<&Read<'_>> =
            ledgers.iter().filter(|ledger| world.place(ledger.number) == database).collect();
        nothing_left(world, database, &of);
        numbers(world, database, &of);
        rows_told(world, database, &of);
    }
}

fn nothing_left(world: &mut Inner, database: usize, ledgers: &[&Read<'_>]) {
    // An older ledger may know, or not, what a person left.
    if world.people.forgot.contains(&true) && world.happened.contains_key("left by a person") {
        return;
    }
    let mut left = Vec::new();
    for (id, row) in &world.databases[database].rows {
        for url in elements(row.images.as_deref().unwrap_or("[]")).into_iter().filter_map(external) {
            let Some(bytes) = world.pictures.get(&url) else { continue };
            let is_left =
                |ledger: &&Read<'_>| world.people.left.contains_key(&(ledger.number, *id, url.clone()));
            if pictures::why_not(bytes).is_some() || ledgers.iter().all(is_left) {
                continue;
            }
            let hash = ContentHash::of(bytes);
            let path = CdnPath::new(Some(&row.slug), VenueId(*id), &hash, Format::Jpeg);
            // Somebody else's file is where ours would go, and stays.
            if world.cdn.at(path.as_str()).is_none_or(is_whole) {
                left.push(format!("row {id} still has {url}"));
            }
        }
    }
    left.into_iter().for_each(|what| world.break_promise(what));
}

fn files_explained(world: &mut Inner, ledgers: &[Read<'_>]) {
    // Whoever was cut off behind an upload and finds another picture at the origin sends that one.
    if [Fault::PictureChanged, Fault::PictureGone]
        .iter()
        .any(|fault| world.happened.contains_key(fault.name()))
    {
        return;
    }
    let (mut named, mut failed) = (BTreeSet::new(), BTreeSet::new());
    for ledger in ledgers {
        let book = &world.books[ledger.number];
        let mut excuse = |venue: VenueId, image: Option<ImageId>| {
            failed.extend(book.path_of(venue, image).map(|path| (ledger.number, path)));
        };
        each(ledger, |event| match event {
            Event::Uploaded(e) => drop(named.insert(e.file_id.to_string())),
            Event::Failed(e) => {
                named.extend(e.file_id.as_ref().map(ToString::to_string));
                // No answer told the id of what was stored.
                if e.step == StepName::Upload {
                    excuse(e.venue, e.image);
                }
            }
            // What is there of it may have been sent by a process that died before it could tell.
            Event::Skipped(Stopped { venue, image, .. }) | Event::Closed(Closed { venue, image, .. }) => {
                excuse(*venue, *image);
            }
            _ => {}
        });
    }
    let has_failed = |file: &File| file.made_by.is_some_and(|by| failed.contains(&(by, file.path.clone())));
    // Who was cut off behind an upload, and then rolled back instead of resumed, knows nothing of the file: `reconcile` does.
    let resumes = |by: usize| {
        let mut runs = ledgers.get(by).into_iter().flat_map(|ledger| ledger.state().runs());
        runs.all(|(_, run)| run.started.verb != Verb::Rollback)
    };
    let files = world.cdn.files.values().filter(|file| file.deleted.is_none() && file.touched.is_none());
    let unexplained: Vec<String> = files
        .filter(|file| file.made_by.is_some_and(|by| !world.people.forgot[by]))
        .filter(|file| file.made_by.is_some_and(resumes) && !named.contains(&file.id))
        .filter(|file| !has_failed(file))
        // A request that arrives late finds nothing there where others have deleted what its repetition sent.
        .filter(|file| {
            let is_before =
                |old: &&File| old.path == file.path && old.touched.is_some() && old.deleted.is_some();
            !world.cdn.files.values().filter(is_before).any(|old| named.contains(&old.id))
        })
        .map(|file| {
            format!("no event tells of {} at {}, which ledger {:?} made", file.id, file.path, file.made_by)
        })
        .collect();
    unexplained.into_iter().for_each(|what| world.break_promise(what));
}

fn numbers(world: &mut Inner, database: usize, ledgers: &[&Read<'_>]) {
    if OF_ROWS.iter().any(|fault| world.happened.contains_key(fault.name())) {
        return;
    }
    if world.people.forgot.contains(&true) {
        return;
    }
    let unsure = Unsure::of(ledgers);
    if !unsure.venues.is_empty() {
        return;
    }
    let rows = world.databases[database].rows.values().filter_map(|row| row.images.as_deref());
    let entries = rows.flat_map(|row| elements(row).into_iter().filter_map(completed));
    let (there, not_sure): (Vec<_>, Vec<_>) = entries.partition(|(file, _)| !unsure.files.contains(file));
    let (there, not_sure) = (there.len() as u64, not_sure.len() as u64);
    let told: u64 = ledgers.iter().map(|ledger| standing(ledger.state()).total.completed).sum();
    // What one ledger has completed, another that had planned it finds done: both tell of it.
    let is_alone = ledgers.iter().filter(|ledger| ledger.state().runs().next().is_some()).count() == 1;
    if there > told || (is_alone && there + not_sure < told) {
        world.break_promise(format!("{there} entries are completed, and the ledgers tell of {told}"));
    }
}

/// What ledgers do not know: rows that were updated or restored by a process that nobody answered, where no later one saw it
/// (see reliability.md).
#[derive(Default)]
struct Unsure {
    /// Files of images that failed since.
    files: BTreeSet<String>,
    /// Venues whose restoring failed.
    venues: BTreeSet<i64>,
}

impl Unsure {
    fn of(ledgers: &[&Read<'_>]) -> Self {
        let mut unsure = Self::default();
        for ledger in ledgers {
            let (mut files, mut images) = (BTreeMap::new(), BTreeMap::new());
            each(ledger, |event| match event {
                Event::Uploaded(e) => drop(files.insert(e.image, e.file_id.to_string())),
                // Whoever leaves an image has looked at its row.
                Event::Closed(Closed { image: Some(image), .. }) => drop(images.remove(image)),
                Event::Failed(e) => {
                    let is_unanswered = e.message.ends_with("so the row may be updated all the same");
                    let sent = e.image.and_then(|image| files.get(&image)).filter(|_| is_unanswered);
                    let file = e.file_id.as_ref().map(ToString::to_string).or_else(|| sent.cloned());
                    images.extend(e.image.zip(file));
                    if is_unanswered && e.step == StepName::RestoreRow {
                        unsure.venues.insert(e.venue.0);
                    }
                }
                Event::DbUpdated(e) => e.edits.iter().for_each(|edit| drop(images.remove(&edit.image))),
                Event::RolledBack(e) => drop(unsure.venues.remove(&e.venue.0)),
                _ => {}
            });
            unsure.files.extend(images.into_values());
        }
        unsure
    }
}

/// What rows hold that nobody else wrote to, the ledgers tell, entry by entry; and where there is but one ledger, rows hold
/// what it tells.
fn rows_told(world: &mut Inner, database: usize, ledgers: &[&Read<'_>]) {
    let mut told: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    let unsure = Unsure::of(ledgers);
    for ledger in ledgers {
        let mut images: BTreeMap<ImageId, (i64, String)> = BTreeMap::new();
        each(ledger, |event| match event {
            Event::DbUpdated(e) => {
                // What a `populate` added, and is moved now.
                let befores = e.edits.iter().filter_map(|edit| edit.before.as_ref()).collect::<BTreeSet<_>>();
                images.retain(|_, (venue, entry)| *venue != e.venue.0 || !befores.contains(entry));
                let after = |edit: &Edit| Some((edit.image, (e.venue.0, edit.after.clone()?)));
                images.extend(e.edits.iter().filter_map(after));
            }
            Event::RolledBack(e) => {
                let back = e.edits.iter().map(|edit| edit.image).chain(e.held.iter().copied());
                back.for_each(|image| drop(images.remove(&image)));
            }
            _ => {}
        });
        images.into_values().for_each(|(venue, entry)| told.entry(venue).or_default().push(entry));
    }
    let is_alone = ledgers.iter().filter(|ledger| ledger.state().runs().next().is_some()).count() == 1;
    // An old backup of a ledger tells of what was taken back since.
    let is_alone = is_alone && !world.people.forgot.contains(&true);
    let mut wrong = Vec::new();
    let rows = world.databases[database].rows.iter();
    for (id, row) in rows.filter(|(id, row)| row.original.is_some() && !unsure.venues.contains(id)) {
        let entries = elements(row.images.as_deref().unwrap_or("[]"));
        let told = told.remove(id).unwrap_or_default();
        let untold = entries
            .iter()
            .filter(|entry| completed(entry).is_some_and(|(file, _)| !unsure.files.contains(&file)));
        let untold = untold.filter(|entry| !told.iter().any(|told| told == *entry));
        wrong.extend(untold.map(|entry| format!("row {id} holds {entry}, and no ledger tells of it")));
        let not_there = told.iter().filter(|told| is_alone && !entries.contains(&told.as_str()));
        wrong.extend(not_there.map(|entry| format!("the ledger tells of {entry}, and row {id} has it not")));
    }
    wrong.into_iter().for_each(|what| world.break_promise(what));
}

fn attempts(world: &mut Inner, ledger: &Read<'_>) {
    each(ledger, |event| {
        let attempts = match event {
            Event::Downloaded(e) => e.attempts,
            Event::Uploaded(e) => e.attempts,
            Event::Failed(e) | Event::Skipped(e) => e.attempts,
            _ => return,
        };
        if attempts > RETRIES_MAX + 1 {
            world.break_promise(format!("{} was tried {attempts} times", event.name()));
        }
    });
}

/// A ledger with its events, read once.
struct Read<'a> {
    /// Which ledger it is.
    number: usize,
    ledger: &'a Ledger,
    events: Vec<Record>,
}

impl Read<'_> {
    fn state(&self) -> &State {
        self.ledger.state()
    }
}

/// Every event of a ledger.
fn each(ledger: &Read<'_>, each: impl FnMut(&Event)) {
    ledger.events.iter().map(|record| &record.event).for_each(each);
}
