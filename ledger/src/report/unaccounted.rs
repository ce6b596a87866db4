//! A check of this program's own reading: that every image which a row holds is counted by the reports.
//!
//! What an image says of itself (that it is in the row) and which image speaks for a picture are two things that the
//! state keeps. Here the second is held against the texts that were planned since.

use std::collections::BTreeMap;

use super::audit::planned;
use crate::event::Event;
use crate::ids::{ImageId, Seq, VenueId};
use crate::images::{Array, Entry};
use crate::order::Past;
use crate::state::{Aim, Image, Rung, State, VenuePlans};
use crate::store::LedgerError;

/// An image that the row held whenever it was looked at since, and that no report counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unaccounted {
    /// Its venue.
    pub venue: VenueId,
    /// The image.
    pub image: ImageId,
    /// The event by which it came into the row.
    pub updated: Seq,
}

/// Every image whose entry was in the row at each later plan of its venue, and that speaks for no picture all the same:
/// none, unless this program has a fault. Texts are read only of venues in which an image was ever taken over.
///
/// # Errors
/// When the ledger cannot be read.
pub fn unaccounted(state: &State, past: &impl Past) -> Result<Vec<Unaccounted>, LedgerError> {
    let mut venues: BTreeMap<VenueId, Vec<(ImageId, Seq)>> = BTreeMap::new();
    for (seq, plan) in state.plans().filter(|(_, plan)| plan.aim == Aim::Forward) {
        for (id, image) in plan.ids(seq) {
            if let (false, Rung::DbUpdated, Some(updated)) = (image.is_current, image.rung, image.updated) {
                venues.entry(plan.venue).or_default().push((id, updated));
            }
        }
    }
    let mut found = Vec::new();
    for (venue, over) in venues {
        let plans = state.venue(venue).map_or(&[][..], VenuePlans::all).iter().copied();
        let forward: Vec<Seq> =
            plans.filter(|seq| state.plan(*seq).is_some_and(|plan| plan.aim == Aim::Forward)).collect();
        // Entries with a file that were in the row at each plan, less those that an image is known to speak for.
        let mut left: BTreeMap<(Seq, String), usize> = BTreeMap::new();
        for at in &forward {
            for file in files_in(past, *at)? {
                *left.entry((*at, file)).or_default() += 1;
            }
        }
        let of_venue = forward.iter().filter_map(|seq| Some((*seq, state.plan(*seq)?)));
        let counted = of_venue.flat_map(|(seq, plan)| plan.ids(seq)).filter(|(_, image)| speaks(image));
        for (id, updated) in counted.filter_map(|(id, image)| Some((id, image.updated?))) {
            let Some(file) = file_of(past, updated, id)? else { continue };
            for at in forward.iter().filter(|at| **at > updated) {
                take_one(&mut left, *at, &file);
            }
        }
        for (image, updated) in over {
            let Some(file) = file_of(past, updated, image)? else { continue };
            let later = || forward.iter().copied().filter(|at| *at > updated);
            if later().all(|at| left.get(&(at, file.clone())).is_some_and(|left| *left > 0)) {
                later().for_each(|at| take_one(&mut left, at, &file));
                found.push(Unaccounted { venue, image, updated });
            }
        }
    }
    Ok(found)
}

/// Whether an image accounts for an entry. One that is back as it was may have been in the row at a plan before that.
fn speaks(image: &Image) -> bool {
    image.rung == Rung::RolledBack || (image.rung == Rung::DbUpdated && image.is_current)
}

fn take_one(left: &mut BTreeMap<(Seq, String), usize>, at: Seq, file: &str) {
    if let Some(left) = left.get_mut(&(at, file.to_owned())) {
        *left = left.saturating_sub(1);
    }
}

/// The files that the entries of an array name, as it was planned.
fn files_in(past: &impl Past, at: Seq) -> Result<Vec<String>, LedgerError> {
    let array = planned(past, at)?.and_then(|planned| planned.array);
    let array = array.as_deref().and_then(|array| Array::parse(array).ok());
    let entries = array.iter().flat_map(Array::elements).filter_map(Entry::parse);
    Ok(entries.filter_map(|entry| entry.file_id()).collect())
}

/// The file that an image's entry named when it came into the row.
fn file_of(past: &impl Past, updated: Seq, image: ImageId) -> Result<Option<String>, LedgerError> {
    let Event::DbUpdated(e) = past.record(updated)?.event else { return Ok(None) };
    let after = e.edits.into_iter().find(|edit| edit.image == image).and_then(|edit| edit.after);
    Ok(after.as_deref().and_then(Entry::parse).and_then(|entry| entry.file_id()))
}
