//! What the ledgers say, compared with what there is.

use std::collections::BTreeSet;

use ledger::event::{Event, Placed};
use ledger::ids::{CdnPath, ContentHash, Format, VenueId};
use ledger::ledger::Ledger;
use ledger::report::standing;
use ledger::store::LedgerError;
use longshore::limits::RETRIES_MAX;

use super::faults::Fault;
use super::judge::{completed, elements, external, is_whole};
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
    for ledger in ledgers {
        let unfinished: Vec<String> = ledger.state().unfinished().map(|(run, _)| run.to_string()).collect();
        if !unfinished.is_empty() {
            world.break_promise(format!("after the last resume these runs are unfinished: {unfinished:?}"));
        }
        attempts(world, ledger);
    }
    nothing_left(world);
    files_explained(world, ledgers);
    numbers(world, ledgers);
}

fn nothing_left(world: &mut Inner) {
    let mut left = Vec::new();
    for (id, row) in &world.database.rows {
        for url in elements(row.images.as_deref().unwrap_or("[]")).into_iter().filter_map(external) {
            let Some(bytes) = world.pictures.get(&url) else { continue };
            let hash = ContentHash::of(bytes);
            let path = CdnPath::new(Some(&row.slug), VenueId(*id), &hash, Format::Jpeg);
            // Somebody else's file is where ours would go, and stays.
            if world.cdn.at(path.as_str()).is_none_or(|file| is_whole(file)) {
                left.push(format!("row {id} still has {url}"));
            }
        }
    }
    left.into_iter().for_each(|what| world.break_promise(what));
}

fn files_explained(world: &mut Inner, ledgers: &[Ledger]) {
    let named: Vec<BTreeSet<String>> = ledgers
        .iter()
        .map(|ledger| {
            let mut named = BTreeSet::new();
            each(ledger, |event| match event {
                Event::Uploaded(e) => drop(named.insert(e.file_id.to_string())),
                Event::Failed(e) => named.extend(e.file_id.as_ref().map(ToString::to_string)),
                _ => {}
            });
            named
        })
        .collect();
    let files = world.cdn.files.values().filter(|file| file.deleted.is_none() && file.touched.is_none());
    let unexplained: Vec<String> = files
        .filter(|file| file.made_by.is_some_and(|by| !named[by].contains(&file.id)))
        .map(|file| format!("no event tells of {} at {}, which ledger {:?} made", file.id, file.path, file.made_by))
        .collect();
    unexplained.into_iter().for_each(|what| world.break_promise(what));
}

fn numbers(world: &mut Inner, ledgers: &[Ledger]) {
    if OF_ROWS.iter().any(|fault| world.happened.contains_key(fault.name())) {
        return;
    }
    let rows = world.database.rows.values().filter_map(|row| row.images.as_deref());
    let there = rows.map(|row| elements(row).into_iter().filter_map(completed).count() as u64).sum::<u64>();
    let told: u64 = ledgers.iter().map(|ledger| standing(ledger.state()).total.completed).sum();
    // What one ledger has completed, another that had planned it finds done: both tell of it.
    let is_alone = ledgers.iter().filter(|ledger| ledger.state().runs().next().is_some()).count() == 1;
    if there != told && (is_alone || there > told) {
        world.break_promise(format!("{there} entries are completed, and the ledgers tell of {told}"));
    }
}

fn attempts(world: &mut Inner, ledger: &Ledger) {
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

fn each(ledger: &Ledger, mut each: impl FnMut(&Event)) {
    let all = ledger.events(ledger::ids::Seq(1), |(_, record): Placed| {
        each(&record.event);
        Ok::<_, LedgerError>(())
    });
    all.expect("it was verified");
}
