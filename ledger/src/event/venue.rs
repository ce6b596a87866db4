//! What happens to a venue and to its images.

use serde::{Deserialize, Serialize};

use super::run::Operator;
use super::texts::texts;
use crate::ids::{CdnPath, ContentHash, FileId, Format, ImageId, VenueId};
use crate::trouble::TroubleKind;

/// A country as it was called when planned.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub code: String,
    /// Its name in the database.
    pub name: String,
    /// Its slug there; null in events of version 1.
    pub slug: Option<String>,
}

/// A city as it was called when planned.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct City {
    /// `cities.id`.
    pub id: i64,
    /// Its name in the database.
    pub name: String,
    /// Its slug there; null in events of version 1.
    pub slug: Option<String>,
}

/// See [`Event::Planned`](super::Event::Planned). Legal in every state of the venue; it closes old marks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Which venue.
    pub venue: VenueId,
    /// Its slug.
    pub slug: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its city, if it has one.
    pub city: Option<City>,
    /// Its country, if it has one.
    pub country: Option<Country>,
    /// `venue_images` as it is, in the catalog's own text; null for SQL NULL and for a row that is gone.
    pub array: Option<String>,
    /// What is to be done.
    pub work: Work,
}

/// What is to be done to a planned venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Move these entries, each in the catalog's own text. Their places here are the image ids' indexes.
    Move(#[serde(deserialize_with = "texts")] Vec<String>),
    /// Take these images back, newest first, by their forward ids.
    TakeBack(Vec<ImageId>),
    /// Append these entries (`populate`).
    Add(Addition),
}

/// What a `populate` adds to a venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addition {
    /// The entries, exactly as they are to be appended. Their places here are the image ids' indexes.
    #[serde(deserialize_with = "texts")]
    pub entries: Vec<String>,
    /// What could not become an entry.
    pub left_out: Vec<LeftOut>,
}

/// Something of the matching report that could not become an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// `venues.id` of Trivia Advisor.
    pub trivia_advisor_id: i64,
    /// Which image there, by its place from 0; null for the match as a whole.
    pub image: Option<u32>,
    /// Why, for people.
    pub why: String,
}

/// See [`Event::Downloaded`](super::Event::Downloaded). Legal again: the spool is a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Downloaded {
    /// Which image.
    pub image: ImageId,
    /// BLAKE3 of the bytes.
    pub hash: ContentHash,
    /// How many bytes.
    pub bytes: u64,
    /// The real format.
    pub format: Format,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Milliseconds of the successful request.
    pub ms: u64,
    /// Requests made, the successful one included.
    pub attempts: u32,
}

/// See [`Event::Uploaded`](super::Event::Uploaded).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uploaded {
    /// Which image.
    pub image: ImageId,
    /// ImageKit's id of the file.
    pub file_id: FileId,
    /// Its path in the media library.
    pub path: CdnPath,
    /// Its delivery URL.
    pub url: String,
    /// How many bytes.
    pub bytes: u64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Milliseconds of the successful request.
    pub ms: u64,
    /// Requests made, the successful one included.
    pub attempts: u32,
    /// How this ledger came by the file, which decides whether it may ever delete it (requirement S7).
    pub acquired: Acquired,
}

impl Uploaded {
    /// Whether the file was there already, so that nothing was sent: reports do not count that as an upload.
    pub fn found_done(&self) -> bool {
        self.acquired != Acquired::Sent
    }
}

/// How a ledger came by a file. Only what it sent, or recognises as its own, is it allowed to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acquired {
    /// This ledger sent it, and ImageKit answered with this id.
    Sent,
    /// It was there already with the same bytes and is this ledger's own: an earlier `uploaded` says so of this id, or the
    /// file carried this ledger's tag before anybody of this ledger touched it.
    Recognised,
    /// It was there already with the same bytes and is somebody else's. Also what versions 1 to 3 say by `found_done`: they
    /// do not tell the two apart.
    Adopted,
}

impl Acquired {
    /// What it is when the same file is found again.
    pub fn again(self) -> Self {
        if self == Self::Adopted { Self::Adopted } else { Self::Recognised }
    }
}

/// See [`Event::Confirmed`](super::Event::Confirmed). The image's `uploaded` stays the one its after-image is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// Which image.
    pub image: ImageId,
    /// ImageKit's id of the file, that of the image's `uploaded`.
    pub file_id: FileId,
    /// Milliseconds of the successful request; 0 where another image of this run had just confirmed or sent the file.
    pub ms: u64,
    /// Requests made, the successful one included; 0 as above.
    pub attempts: u32,
}

/// A step of the wheel, as `failed` and `skipped` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// Choosing the venue.
    Plan,
    /// Origin to spool.
    Download,
    /// Spool to CDN, the delivery check included.
    Upload,
    /// The row update forward.
    UpdateRow,
    /// The row update back.
    RestoreRow,
}

/// See [`Event::Failed`](super::Event::Failed) and [`Event::Skipped`](super::Event::Skipped).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopped {
    /// Which venue.
    pub venue: VenueId,
    /// Which image; null when it is the venue as a whole.
    pub image: Option<ImageId>,
    /// In which step.
    pub step: StepName,
    /// The kind.
    pub error_type: TroubleKind,
    /// What happened, for people.
    pub message: String,
    /// Tries made of this step.
    pub attempts: u32,
    /// Whether another time may well go better without anyone changing anything.
    pub passing: bool,
    /// The file that was stored all the same, if one was.
    pub file_id: Option<FileId>,
}

/// See [`Event::Closed`](super::Event::Closed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// Which venue.
    pub venue: VenueId,
    /// Which image; null for a venue that waits as a whole.
    pub image: Option<ImageId>,
    /// Why, in the person's words.
    pub reason: String,
    /// Who decided.
    pub operator: Operator,
}

/// One entry that became another, both in the catalog's own text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The forward id of the image.
    pub image: ImageId,
    /// The entry that was there; null where none was (`populate`).
    pub before: Option<String>,
    /// The entry that is there now; null where it was taken out again.
    pub after: Option<String>,
}

/// See [`Event::DbUpdated`](super::Event::DbUpdated).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DbUpdated {
    /// Which venue.
    pub venue: VenueId,
    /// The entries that changed.
    pub edits: Vec<Edit>,
    /// The whole array before; null for SQL NULL (`populate`).
    pub array_before: Option<String>,
    /// The whole array after, as the database gave it back.
    pub array_after: String,
    /// Milliseconds of the update.
    pub ms: u64,
    /// The row held the after-images already.
    pub found_done: bool,
}

/// See [`Event::Drifted`](super::Event::Drifted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drifted {
    /// Which venue.
    pub venue: VenueId,
    /// Which image, by its forward id.
    pub image: ImageId,
    /// The entry that was expected.
    pub expected: String,
    /// The entry that most looks like it; null when there is none, or no row.
    pub found: Option<String>,
}

/// See [`Event::RolledBack`](super::Event::RolledBack). Every image of the plan is in exactly one of the three lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolledBack {
    /// Which venue.
    pub venue: VenueId,
    /// The entries put back: `before` is what the row held, `after` what it holds again.
    pub edits: Vec<Edit>,
    /// Images whose before-image the row held already.
    pub held: Vec<ImageId>,
    /// Images left as they are, each with its `drifted`.
    pub left: Vec<ImageId>,
    /// The whole array before; null for SQL NULL and for a row that is gone.
    pub array_before: Option<String>,
    /// The whole array after.
    pub array_after: Option<String>,
    /// Milliseconds of the update.
    pub ms: u64,
    /// Nothing had to be written.
    pub found_done: bool,
}

/// See [`Event::CdnDeleted`](super::Event::CdnDeleted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdnDeleted {
    /// Where it was.
    pub path: CdnPath,
    /// Its id.
    pub file_id: FileId,
    /// Why it was deleted.
    pub why: String,
    /// Who had it deleted; null where a run did, whose operator it is.
    pub operator: Option<Operator>,
    /// Tables that a person had left out of the search for users of the file.
    #[serde(deserialize_with = "texts")]
    pub tables_skipped: Vec<String>,
}
