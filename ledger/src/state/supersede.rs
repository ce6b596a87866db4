//! Which of a venue's earlier images a new plan speaks for from then on. Nothing here is in a checkpoint's digest, or in
//! a tally: reports, exports and choices ask it.

use std::collections::HashMap;

use super::{Aim, Image, Mark, Rung, State, digest};
use crate::event::Planned;
use crate::images::{Array, Entry};

impl State {
    /// A new plan speaks for all the venue's pictures that its kind of run has not settled for good, and for as many of
    /// the settled ones as it names again: of several entries with one URL, each image stands for one of them.
    pub(super) fn supersede(&mut self, planned: &Planned, aim: &Aim, new: &[Image]) {
        let older = self.venues.get(&planned.venue).map_or(&[][..], |plans| plans.all());
        if older.is_empty() {
            return;
        }
        let mut named: HashMap<u64, usize> = HashMap::new();
        new.iter().for_each(|image| *named.entry(image.picture).or_default() += 1);
        // Parsed only where it is asked: seldom is a picture named again that is in the row.
        let mut there: Option<HashMap<u128, usize>> = None;
        // What waits for its way into the row first, then what someone has put back, then what was left as it was.
        for kind in [Kind::Open, Kind::InRow, Kind::RolledBack, Kind::Closed] {
            for seq in older {
                let plan = self.plans.get_mut(seq).expect("a venue names plans that exist");
                let is_same = plan.aim == *aim;
                let images = plan.images.iter_mut().filter(|_| is_same);
                for image in images.filter(|image| image.is_current && Kind::of(image) == kind) {
                    let again =
                        named.get_mut(&image.picture).filter(|left| **left > 0 || kind == Kind::InRow);
                    let is_over = match kind {
                        Kind::Open => true,
                        // Its own entry may be there beside one that was added since, or that had failed. An appended
                        // entry has no file; it is named again only where its picture is nowhere in the row.
                        Kind::InRow if !image.is_added && again.is_some() => {
                            let there = there.get_or_insert_with(|| files_in(planned.array.as_deref()));
                            !there.get_mut(&image.file).is_some_and(take_one)
                        }
                        Kind::InRow | Kind::RolledBack | Kind::Closed => again.is_some(),
                    };
                    if is_over {
                        image.is_current = false;
                        again.into_iter().for_each(|left| *left = left.saturating_sub(1));
                    }
                }
            }
        }
    }
}

/// How an image stands to its entry in the row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its entry waits there, unless it has drifted.
    Open,
    /// Its entry is there as the run left it.
    InRow,
    /// Its entry is there as it was.
    RolledBack,
    /// A person has decided to leave it there.
    Closed,
}

impl Kind {
    fn of(image: &Image) -> Self {
        match (image.rung, image.mark) {
            (Rung::DbUpdated, _) => Self::InRow,
            (Rung::RolledBack, _) => Self::RolledBack,
            (_, Some(Mark::Closed)) => Self::Closed,
            _ => Self::Open,
        }
    }
}

/// How many entries of an array name which file.
fn files_in(array: Option<&str>) -> HashMap<u128, usize> {
    let array = array.and_then(|array| Array::parse(array).ok());
    let entries = array.iter().flat_map(Array::elements).filter_map(Entry::parse);
    let mut files = HashMap::new();
    for file in entries.filter_map(|entry| entry.file_id()) {
        *files.entry(digest::short(file.as_bytes())).or_default() += 1;
    }
    files
}

fn take_one(left: &mut usize) -> bool {
    let is_any = *left > 0;
    *left = left.saturating_sub(1);
    is_any
}
