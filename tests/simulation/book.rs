//! What the ledgers' processes have written down, as they did, and what must then have happened already.

use std::collections::{BTreeMap, BTreeSet};

use ledger::event::{Event, Record, StepName, Work};
use ledger::ids::{CdnPath, ContentHash, Format, ImageId, Seq, VenueId};
use ledger::ledger::Ledger;
use ledger::store::LedgerError;

use super::entries;
use super::judge::external;
use super::process::Process;
use super::reach::Reach;
use super::world::Inner;

/// What is known of a ledger.
#[derive(Default)]
pub struct Book {
    /// So many events at least are on disk.
    events: u64,
    /// URLs of entries that were planned, and not taken back since.
    planned: BTreeSet<String>,
    /// Those of them that are done.
    pub done: BTreeSet<String>,
    /// What each row held when it was last planned to be moved, or was.
    pub arrays: BTreeMap<i64, Option<String>>,
    /// Files whose deletion is written down.
    deleted: BTreeSet<String>,
    /// How far its runs may reach.
    pub reach: Reach,
    /// What was downloaded for each image.
    hashes: BTreeMap<ImageId, ContentHash>,
    /// What each venue was called when it was planned.
    slugs: BTreeMap<VenueId, Option<String>>,
    /// Files that some event tells of.
    named: BTreeSet<String>,
    /// The last row that was taken back: what it held before, and holds.
    pub taken_back: Option<(VenueId, String, String)>,
}

impl Book {
    /// Whether the entry with a URL may be moved by this ledger now.
    pub fn has_planned(&self, url: &str) -> bool {
        self.planned.contains(url)
    }

    /// Where the file of an image goes.
    pub fn path_of(&self, venue: VenueId, image: Option<ImageId>) -> Option<String> {
        let (hash, slug) = (self.hashes.get(&image?)?, self.slugs.get(&venue)?);
        Some(CdnPath::new(slug.as_deref(), venue, hash, Format::Jpeg).to_string())
    }
}

/// A ledger is opened: it has at least what was told as written. An append that failed may have written all the same.
pub fn opened(world: &mut Inner, ledger: usize, of: &Ledger) {
    let (known, events) = (world.books[ledger].events, of.head().seq.0);
    if events < known {
        world
            .break_promise(format!("{known} events of ledger {ledger} were written, and {events} are there"));
    }
    catch_up(world, ledger, of, known);
}

/// A ledger was put back to an older backup of it.
pub fn put_back(world: &mut Inner, ledger: usize, of: &Ledger) {
    world.books[ledger] = Book::default();
    catch_up(world, ledger, of, 0);
}

/// The events of a ledger from one on.
pub fn records(of: &Ledger, from: Seq) -> Vec<Record> {
    let mut records = Vec::new();
    let each = of.events(from, |(_, record)| {
        records.push(record);
        Ok::<_, LedgerError>(())
    });
    each.expect("it was verified");
    records
}

/// Notes what a ledger has behind so many events.
fn catch_up(world: &mut Inner, ledger: usize, of: &Ledger, known: u64) {
    records(of, Seq(known + 1)).iter().for_each(|record| note(world, ledger, record));
    world.books[ledger].events = of.head().seq.0;
}

/// Events were appended.
pub fn appended(world: &mut Inner, ledger: usize, records: &[Record]) {
    world.books[ledger].events += records.len() as u64;
    for record in records {
        if let Some(wrong) = told_before(world, ledger, &record.event) {
            let event = record.event.name();
            world.break_promise(format!("ledger {ledger} has {event}, and {wrong}"));
        }
        note(world, ledger, record);
    }
}

/// What an event tells of and has not happened.
fn told_before(world: &Inner, ledger: usize, event: &Event) -> Option<String> {
    let held = |venue: &VenueId, text: &Option<String>| {
        let row = world.database(ledger).rows.get(&venue.0)?;
        (!row.past.contains(text)).then(|| format!("row {} never held {text:?}", venue.0))
    };
    match event {
        Event::Uploaded(e) => {
            let file = world.cdn.files.get(&e.file_id.to_string());
            let is_it = file.is_some_and(|file| file.path == e.path.as_str());
            (!is_it).then(|| format!("there never was {} at {}", e.file_id, e.path))
        }
        Event::DbUpdated(e) => held(&e.venue, &Some(e.array_after.clone())),
        Event::RolledBack(e) if !e.edits.is_empty() => held(&e.venue, &e.array_after),
        Event::CdnDeleted(e) => {
            world.cdn.get(&e.file_id.to_string()).map(|file| format!("{} is there", file.id))
        }
        _ => None,
    }
}

fn note(world: &mut Inner, ledger: usize, record: &Record) {
    entries::note(world, ledger, &record.event);
    if let Event::RolledBack(e) = &record.event {
        // What was taken back may be moved again, whoever had left it.
        let is_back = |image: &ImageId| {
            let mut edits = e.edits.iter().map(|edit| edit.image);
            edits.any(|of| of == *image) || e.held.contains(image) || e.left.contains(image)
        };
        world.people.left.retain(|(by, ..), (_, images)| *by != ledger || !images.iter().any(is_back));
    }
    let book = &mut world.books[ledger];
    book.reach.note(record);
    match &record.event {
        Event::Downloaded(e) => drop(book.hashes.insert(e.image, e.hash)),
        Event::Uploaded(e) => drop(book.named.insert(e.file_id.to_string())),
        Event::Failed(e) => book.named.extend(e.file_id.as_ref().map(ToString::to_string)),
        Event::Planned(e) => {
            book.slugs.insert(e.venue, e.slug.clone());
            let Work::Move(entries) = &e.work else { return };
            book.arrays.insert(e.venue.0, e.array.clone());
            for url in entries.iter().filter_map(|entry| external(entry)) {
                book.done.remove(&url);
                book.planned.insert(url);
            }
        }
        Event::DbUpdated(e) => {
            book.arrays.insert(e.venue.0, Some(e.array_after.clone()));
            let moved = e.edits.iter().filter_map(|edit| external(edit.before.as_deref()?));
            book.done.extend(moved);
        }
        Event::RolledBack(e) => {
            for url in e.edits.iter().filter_map(|edit| external(edit.after.as_deref()?)) {
                book.planned.remove(&url);
                book.done.remove(&url);
            }
            if let (false, Some(before), Some(after)) = (e.edits.is_empty(), &e.array_before, &e.array_after)
            {
                book.taken_back = Some((e.venue, before.clone(), after.clone()));
            }
        }
        Event::CdnDeleted(e) => drop(book.deleted.insert(e.file_id.to_string())),
        _ => {}
    }
}

/// A command is finished: each file that it has deleted is written down.
pub fn finished(world: &mut Inner, ledger: usize, process: u64) {
    let deleted = world.notes(process).deleted.clone();
    for id in deleted.difference(&world.books[ledger].deleted.clone()) {
        world.break_promise(format!("{id} was deleted, and ledger {ledger} does not tell of it"));
    }
}

/// A ledger's process asks the origin for a picture.
pub fn asked_for(world: &mut Inner, ledger: usize, url: &str) {
    if world.books[ledger].done.contains(url) {
        world.break_promise(format!("{url} is asked for, and is done"));
    }
}

/// A run of a process has appended events: what failed names the file that the process was told of.
pub fn named(world: &mut Inner, by: &Process, records: &[Record]) {
    for record in records {
        let Event::Failed(e) = &record.event else { continue };
        let book = &world.books[by.ledger];
        let path =
            book.path_of(e.venue, e.image).filter(|_| e.file_id.is_none() && e.step == StepName::Upload);
        let told = path.and_then(|path| world.notes.get(&by.number)?.told.get(&path));
        let Some(file) = told.and_then(|id| world.cdn.get(id)) else { continue };
        if file.made_by == Some(by.ledger) && file.touched.is_none() && !book.named.contains(&file.id) {
            let (id, path) = (file.id.clone(), file.path.clone());
            world.break_promise(format!(
                "an image fails without the word that {id} is at {path}: {}",
                e.message
            ));
        }
    }
}
