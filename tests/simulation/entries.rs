//! Which entries of a row Longshore may change: those that hold, in the keys that are ours, what a plan of the ledger says, or
//! what Longshore itself wrote there. Whatever else they hold, somebody has changed.

use std::collections::{BTreeMap, BTreeSet};

use ledger::event::{Event, Work};

use super::judge::{elements, is_ours, ours};
use super::world::Inner;

/// The keys that are ours, each with its value's own text.
pub type Values = BTreeMap<String, String>;

/// What is known of entries that are ours.
#[derive(Default)]
pub struct Entries {
    /// What plans say, by ledger and venue. It stays when a ledger is put back: its processes may still write.
    planned: BTreeSet<(usize, i64, Values)>,
    /// What Longshore wrote, by ledger and row.
    written: BTreeSet<(usize, i64, Values)>,
}

/// A ledger has an event.
pub fn note(world: &mut Inner, ledger: usize, event: &Event) {
    let Event::Planned(event) = event else { return };
    let entries = match &event.work {
        Work::Move(entries) => &entries[..],
        Work::Add(addition) => &addition.entries[..],
        Work::TakeBack(_) => return,
    };
    let of = entries.iter().map(|entry| (ledger, event.venue.0, ours(entry)));
    world.entries.planned.extend(of);
}

/// Whether an entry of a row holds what a ledger may change.
pub fn is_known(world: &Inner, ledger: usize, id: i64, values: &Values) -> bool {
    let mut beside = (0..world.books.len()).filter(|other| world.place(*other) == world.place(ledger));
    world.entries.planned.contains(&(ledger, id, values.clone()))
        || beside.any(|other| has_written(world, other, id, values))
}

/// Whether a ledger's process has written an entry as it is.
pub fn has_written(world: &Inner, ledger: usize, id: i64, values: &Values) -> bool {
    world.entries.written.contains(&(ledger, id, values.clone()))
}

/// The elements of one text that another does not have, or not so often.
fn only<'a>(of: &'a str, other: &str) -> Vec<&'a str> {
    let mut other = elements(other);
    let is_new = |entry: &&str| match other.iter().position(|there| there == entry) {
        Some(place) => {
            other.remove(place);
            false
        }
        None => true,
    };
    elements(of).into_iter().filter(is_new).collect()
}

/// Longshore writes a row: an entry that it changes or takes out is one that it may change.
pub fn written(world: &mut Inner, ledger: usize, id: i64, before: &str, after: &str) {
    let changed = only(before, after).into_iter().filter(|entry| is_ours(entry));
    let wrong = changed.filter(|entry| !is_known(world, ledger, id, &ours(entry)));
    let wrong: Vec<String> = wrong
        .map(|entry| format!("row {id}: {entry} is changed, and somebody had edited a key of ours in it"))
        .collect();
    wrong.into_iter().for_each(|what| world.break_promise(what));
    let put = only(after, before).into_iter().map(|entry| (ledger, id, ours(entry)));
    world.entries.written.extend(put);
}

/// An entry as it was before somebody edited its height; none where nobody did. A planted bug takes it for that.
pub fn unedited(world: &Inner, ledger: usize, id: i64, entry: &str) -> Option<String> {
    const HEIGHT: &str = "height";
    let values = ours(entry);
    if !is_ours(entry) || is_known(world, ledger, id, &values) {
        return None;
    }
    let height = values.get(HEIGHT)?;
    let (planned, written) = (&world.entries.planned, &world.entries.written);
    let planned = planned.iter().filter(|(by, of, _)| (*by, *of) == (ledger, id));
    let is_here = |by: usize| world.place(by) == world.place(ledger);
    let written = written.iter().filter(|(by, of, _)| is_here(*by) && *of == id);
    let mut known = planned.chain(written).map(|(.., known)| known);
    let is_it = |known: &&Values| {
        let mut as_known = values.clone();
        as_known.extend(known.get(HEIGHT).map(|height| (HEIGHT.to_owned(), height.clone())));
        as_known == **known
    };
    let was = known.find(is_it)?.get(HEIGHT)?;
    Some(entry.replacen(&format!(r#""height": {height}"#), &format!(r#""height": {was}"#), 1))
}
