//! Ledger, database and CDN compared (requirement C13): every file and every entry of ours falls into exactly one class.

mod judge;
mod survey;

use ledger::ids::{CdnPath, FileId, ImageId, VenueId};
use serde::Serialize;
use url::Url;

pub use judge::judge;
pub use survey::{Survey, ask_for_unlisted, survey};

use crate::outside::catalog::search::Spot;
use crate::outside::imagekit::{CdnFile, OddFile};
use crate::runner::ours::NotOurs;

/// What a listed file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileClass {
    /// Ours, and a row uses it.
    InUse,
    /// Ours, and in an unfinished run's hands.
    InProgress,
    /// Ours, and the ledger counts on it, but no row uses it: somebody has changed the row, or it has drifted.
    Unreferenced,
    /// It carries our tag and another ledger's, and no row uses it: never deleted.
    Shared,
    /// Ours alone, used by no row and by no image of the ledger, as after a rollback.
    Orphan,
    /// It carries our tag, and no event of this ledger proves that it is ours: named, never touched.
    ForeignTagged,
    /// Not ours: named, never touched.
    Foreign,
}

/// What an entry of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryClass {
    /// External, at the origin.
    External,
    /// Completed, its file is there, and the ledger can take it back.
    Completed,
    /// Completed, its file is there, and the ledger knows nothing of it.
    CompletedUnknown,
    /// Completed, and its file is gone.
    CompletedGone,
    /// Completed, and ImageKit gives no answer about its file that can be read: nobody knows whether it is there.
    NotKnown,
    /// It says completed and points at the origin, or external and points at the CDN.
    Contradictory,
    /// It points at neither the origin nor the CDN.
    Neither,
    /// It has another status, which is none of our business.
    Other,
}

/// What became of a file that the ledger believes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BelievedClass {
    /// It is where it should be.
    There,
    /// It is gone, and an image counts on it.
    Gone,
    /// ImageKit gives no answer about it that can be read: nobody knows whether it is there.
    NotKnown,
    /// It is gone, and nobody needs it: we were cut off between deleting it and writing that down, or somebody else
    /// deleted it.
    GoneUnneeded,
}

impl FileClass {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::InUse,
        Self::InProgress,
        Self::Unreferenced,
        Self::Shared,
        Self::Orphan,
        Self::ForeignTagged,
        Self::Foreign,
    ];

    /// Whether something is wrong with such a file.
    pub fn is_finding(self) -> bool {
        matches!(self, Self::Unreferenced | Self::Orphan)
    }

    /// Whether such a file is worth a name without being wrong.
    pub fn is_named(self) -> bool {
        matches!(self, Self::Foreign | Self::ForeignTagged | Self::Shared | Self::InProgress)
    }
}

impl EntryClass {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::External,
        Self::Completed,
        Self::CompletedUnknown,
        Self::CompletedGone,
        Self::NotKnown,
        Self::Contradictory,
        Self::Neither,
        Self::Other,
    ];

    /// Whether something is wrong with such an entry.
    pub fn is_finding(self) -> bool {
        !matches!(self, Self::External | Self::Completed | Self::Other)
    }
}

impl BelievedClass {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::There, Self::Gone, Self::NotKnown, Self::GoneUnneeded];

    /// Whether something is wrong with such a file.
    pub fn is_finding(self) -> bool {
        matches!(self, Self::Gone | Self::NotKnown)
    }
}

/// Where pictures may be.
#[derive(Debug, Clone)]
pub struct Grounds {
    /// Below which the CDN delivers.
    pub endpoint: Url,
    /// Where the images came from.
    pub origin: Url,
}

/// A listed file in its class.
#[derive(Debug, Clone)]
pub struct FileJudged {
    /// What it is.
    pub class: FileClass,
    /// The file.
    pub file: CdnFile,
    /// The tags of other ledgers on it.
    pub others: Vec<String>,
    /// Whether the ledger tells of its upload.
    pub is_known: bool,
    /// Where it is used.
    pub used_by: Option<Spot>,
    /// Why it is not ours, or not ours alone, where it is never touched.
    pub why: Option<NotOurs>,
}

/// An entry of ours in its class.
#[derive(Debug, Clone)]
pub struct EntryJudged {
    /// What it is.
    pub class: EntryClass,
    /// Its venue.
    pub venue: VenueId,
    /// Its place in the venue's array, from 0.
    pub place: u64,
    /// Its `url`, where it is a string.
    pub url: Option<String>,
    /// Its `imagekit_file_id`, where it is a string.
    pub file: Option<String>,
}

/// A file that the ledger believes in, in its class.
#[derive(Debug, Clone)]
pub struct BelievedJudged {
    /// What became of it.
    pub class: BelievedClass,
    /// Where it should be.
    pub path: CdnPath,
    /// Its id.
    pub file: FileId,
    /// The image it was last uploaded for.
    pub image: ImageId,
    /// That image's venue.
    pub venue: VenueId,
    /// Where it is now instead.
    pub moved_to: Option<CdnPath>,
    /// The file that is at its path instead.
    pub replaced_by: Option<FileId>,
}

/// A row that was not read, because it holds more than is read.
#[derive(Debug, Clone, Serialize)]
pub struct RowJudged {
    /// Its venue.
    pub venue_id: VenueId,
    /// How much it holds, and the limit.
    pub why: String,
    /// Whether it may matter: the ledger has planned something there, or a file on the CDN may be used by it.
    #[serde(skip)]
    pub is_finding: bool,
}

/// Everything, each in exactly one class.
#[derive(Debug, Default)]
pub struct Judged {
    /// The listed files.
    pub files: Vec<FileJudged>,
    /// The entries of ours, but for plain external ones.
    pub entries: Vec<EntryJudged>,
    /// Entries that are external and at the origin: only counted, as there may be millions.
    pub external: u64,
    /// Files that the ledger believes in.
    pub believed: Vec<BelievedJudged>,
    /// Rows that hold anything.
    pub rows: u64,
    /// Those whose images are no array.
    pub bad_rows: Vec<VenueId>,
    /// Those that were not read.
    pub unread: Vec<RowJudged>,
    /// Files of the listing that cannot be read: nobody knows whose they are.
    pub unreadable: u64,
    /// As many of them as are named.
    pub unreadable_named: Vec<OddFile>,
}
