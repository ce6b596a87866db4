//! What a venue's row should hold by the ledger: each entry of ours as it was recorded last.

use crate::event::{DbUpdated, Edit, RolledBack};
use crate::ids::ImageId;
use crate::images::number_of;

/// An entry of ours.
#[derive(Debug)]
pub(super) struct Kept {
    /// The image that changed it last.
    pub(super) image: ImageId,
    /// What it was before that image changed it; none where a `populate` appended it.
    before: Option<String>,
    /// What it is; none where it was taken out again.
    pub(super) now: Option<String>,
    /// What that is known by.
    number: Option<u128>,
    /// What it was last while it was there.
    pub(super) last: String,
}

/// The entries of ours, and the array they are in.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) kept: Vec<Kept>,
    array: Option<Option<String>>,
}

impl Records {
    /// The array as it was recorded last, if it was; none inside for SQL NULL or no row.
    pub(super) fn array(&self) -> Option<Option<&str>> {
        self.array.as_ref().map(Option::as_deref)
    }

    /// Records an array, and gives the one recorded before.
    pub(super) fn replace(&mut self, array: Option<String>) -> Option<Option<String>> {
        self.array.replace(array)
    }

    pub(super) fn updated(&mut self, e: &DbUpdated) {
        for edit in &e.edits {
            let place = self.holding(edit.before.as_deref());
            self.put(place, edit, edit.before.clone());
        }
    }

    pub(super) fn rolled_back(&mut self, e: &RolledBack) {
        for edit in &e.edits {
            let place = self.of(edit.image).or_else(|| self.holding(edit.before.as_deref()));
            let before = place.and_then(|place| self.kept[place].before.clone());
            self.put(place, edit, before);
        }
        for image in &e.held {
            if let Some(place) = self.of(*image) {
                let kept = &mut self.kept[place];
                kept.now.clone_from(&kept.before);
                kept.number = kept.now.as_deref().map(number_of);
            }
        }
    }

    fn of(&self, image: ImageId) -> Option<usize> {
        self.kept.iter().rposition(|kept| kept.image == image)
    }

    /// One that is known to hold this now: a `populate`'s entry becomes a `migrate`'s, and that one a later one's.
    fn holding(&self, entry: Option<&str>) -> Option<usize> {
        let entry = entry?;
        // A venue may have thousands: their texts are not compared with each other's.
        let number = Some(number_of(entry));
        self.kept.iter().position(|kept| kept.number == number)
    }

    fn put(&mut self, place: Option<usize>, edit: &Edit, before: Option<String>) {
        let last = edit.after.clone().or_else(|| edit.before.clone()).unwrap_or_default();
        let kept = Kept {
            image: edit.image,
            before,
            now: edit.after.clone(),
            number: edit.after.as_deref().map(number_of),
            last,
        };
        match place {
            Some(place) => self.kept[place] = kept,
            None => self.kept.push(kept),
        }
    }
}
