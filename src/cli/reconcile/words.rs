//! What the classes of `reconcile` mean, in a few words for people.

use crate::runner::reconcile::{BelievedClass, EntryClass, FileClass};

pub(super) fn file_words(class: FileClass) -> &'static str {
    match class {
        FileClass::InUse => "ours, a row uses it",
        FileClass::InProgress => "ours, in an unfinished run's hands",
        FileClass::Unreferenced => "ours, the ledger counts on it, no row uses it",
        FileClass::Shared => "our tag and another ledger's, no row uses it",
        FileClass::Orphan => "ours, nothing uses it",
        FileClass::ForeignTagged => "our tag, but not ours: never touched",
        FileClass::Foreign => "not ours, never touched",
    }
}

pub(super) fn entry_words(class: EntryClass) -> &'static str {
    match class {
        EntryClass::External => "at the origin",
        EntryClass::Completed => "on the CDN, and known to the ledger",
        EntryClass::CompletedUnknown => "on the CDN, and unknown to the ledger",
        EntryClass::CompletedGone => "completed, and its file is gone",
        EntryClass::NotKnown => "completed, and nobody knows whether its file is there",
        EntryClass::Contradictory => "its status and its URL disagree",
        EntryClass::Neither => "neither at the origin nor on the CDN",
        EntryClass::Other => "another status, none of our business",
    }
}

pub(super) fn believed_words(class: BelievedClass) -> &'static str {
    match class {
        BelievedClass::There => "where they should be",
        BelievedClass::Gone => "gone, and an image counts on it",
        BelievedClass::NotKnown => "asked by its id, and no answer can be read",
        BelievedClass::GoneUnneeded => "gone, and nothing needs it",
    }
}
