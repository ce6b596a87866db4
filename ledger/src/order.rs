//! A step with everything its performer needs: the texts that the state does not keep, read back from the ledger.

mod look;
mod origins;

use self::look::Look;
pub use self::origins::Origins;
use crate::decide::Trouble;
use crate::event::{Acquired, Record};
use crate::ids::{CdnPath, ContentHash, FileId, Format, ImageId, RunId, Seq, VenueId};
use crate::images::{self, Array, Change, Edited, NotAnArray, edit};
use crate::plan::Step;
use crate::state::{Aim, Rung, State};
use crate::store::{LedgerError, Store};

/// A step, ready to be performed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Fetch this.
    Download(Fetch),
    /// Store this; fetch it first if the spool has lost it.
    Upload(Put),
    /// Write the after-images.
    UpdateRow(RowOrder),
    /// Write the before-images.
    RestoreRow(RowOrder),
    /// Write the before-image of one image that is about to be given up.
    PutBack(Box<PutBack>),
}

impl Order {
    /// Bytes of the texts that it holds.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Download(fetch) | Self::Upload(Put { fetch, .. }) => fetch.url.len(),
            Self::UpdateRow(row) | Self::RestoreRow(row) => row.bytes(),
            Self::PutBack(back) => back.put.fetch.url.len() + back.row.bytes(),
        }
    }
}

/// Where an image's bytes are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Which image.
    pub image: ImageId,
    /// Its venue.
    pub venue: VenueId,
    /// The origin URL; empty where the entry has none.
    pub url: String,
}

/// What is to be stored, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The image and its origin.
    pub fetch: Fetch,
    /// BLAKE3 of the bytes.
    pub hash: ContentHash,
    /// How many bytes.
    pub bytes: u64,
    /// Their format.
    pub format: Format,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Where it goes.
    pub path: CdnPath,
    /// The ISO code of the venue's country then.
    pub country: Option<String>,
    /// The file this ledger knows at that path.
    pub known: Option<Known>,
    /// The file of the image's own `uploaded`, where that is to be confirmed.
    pub uploaded: Option<(FileId, String)>,
}

/// An image that was uploaded and cannot be confirmed or sent again. Its row may have been updated without a word of it;
/// before it is told as failed or skipped, the row has its before-image again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack {
    /// What was to be stored.
    pub put: Put,
    /// Why that did not come about.
    pub trouble: Trouble,
    /// The row.
    pub row: RowOrder,
}

/// A file an earlier `uploaded` speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// ImageKit's id.
    pub file_id: FileId,
    /// Its URL.
    pub url: String,
    /// It was sent or looked at since the run was last started or resumed, and so is believed without asking.
    pub is_believed: bool,
    /// How it was come by: what was adopted once stays so, whatever its tags say by now.
    pub acquired: Acquired,
}

/// A row that is to be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOrder {
    /// The plan.
    pub planned: Seq,
    /// The venue.
    pub venue: VenueId,
    /// The array as it was planned.
    pub array: Option<String>,
    /// The images, one for each entry of the work.
    pub images: Vec<ImageId>,
    /// What is to be done to it.
    pub work: RowWork,
}

/// What is to be done to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowWork {
    /// Entries become others, in their places.
    Replace(Vec<Change>),
    /// Entries are appended.
    Append(Vec<String>),
    /// Entries that were appended are taken out again.
    Remove {
        /// The entries.
        entries: Vec<String>,
        /// The array before they were appended: where nothing else is left, it comes back to the letter.
        before: Option<String>,
        /// The venue held NULL before anything was ever appended to it: where nothing at all is left, it does again.
        was_null: bool,
    },
}

impl RowWork {
    /// The entry that should be there before the work at a place.
    pub fn expected(&self, index: usize) -> &str {
        match self {
            Self::Replace(changes) => &changes[index].from,
            Self::Append(entries) | Self::Remove { entries, .. } => &entries[index],
        }
    }
}

impl RowOrder {
    fn bytes(&self) -> usize {
        let work = match &self.work {
            RowWork::Replace(changes) => {
                changes.iter().map(|change| change.from.len() + change.to.len()).sum()
            }
            RowWork::Append(entries) | RowWork::Remove { entries, .. } => {
                entries.iter().map(String::len).sum::<usize>()
            }
        };
        self.array.as_ref().map_or(0, String::len) + work
    }

    /// What a row should hold instead of what it holds, where a `None` inside is SQL NULL; `None` to leave it.
    pub fn rewrite(&self, held: Option<&str>) -> Option<Option<String>> {
        let edited = self.edit(self.array_in(held)?).ok().filter(Edited::is_changed)?;
        match &self.work {
            RowWork::Remove { before, .. } if is_all_left(&edited.text, before.as_deref()) => {
                Some(before.clone())
            }
            RowWork::Remove { was_null: true, .. } if is_all_left(&edited.text, None) => Some(None),
            _ => Some(Some(edited.text)),
        }
    }

    /// The array that a row's text stands for: appending to NULL makes one, all else leaves NULL alone.
    pub fn array_in<'a>(&self, held: Option<&'a str>) -> Option<&'a str> {
        match self.work {
            RowWork::Append(_) => Some(held.unwrap_or("[]")),
            RowWork::Replace(_) | RowWork::Remove { .. } => held,
        }
    }

    /// Does the work. Changes are made those of one forward plan at a time: what taking a newer plan back leaves is
    /// where an older one is looked for.
    ///
    /// # Errors
    /// When the text is not a JSON array.
    pub fn edit(&self, array: &str) -> Result<Edited, NotAnArray> {
        let changes = match &self.work {
            RowWork::Replace(changes) => changes,
            RowWork::Append(entries) => return images::append(array, entries),
            RowWork::Remove { entries, .. } => return images::remove(array, entries),
        };
        let mut edited = Edited { text: array.to_owned(), found: Vec::new() };
        for images in self.images.chunk_by(|one, other| one.planned == other.planned) {
            let from = edited.found.len();
            let step = edit(&edited.text, &changes[from..from + images.len()])?;
            edited.text = step.text;
            edited.found.extend(step.found);
        }
        Ok(edited)
    }
}

/// Whether an array holds what another text says and nothing more, element by element to the letter.
fn is_all_left(array: &str, before: Option<&str>) -> bool {
    match (Array::parse(array), Array::parse(before.unwrap_or("[]"))) {
        (Ok(left), Ok(before)) => left.elements().eq(before.elements()),
        _ => false,
    }
}

/// Where events can be looked up again.
pub trait Past {
    /// The record at a seq.
    ///
    /// # Errors
    /// When it cannot be read.
    fn record(&self, seq: Seq) -> Result<Record, LedgerError>;
}

impl Past for Store {
    fn record(&self, seq: Seq) -> Result<Record, LedgerError> {
        Store::record(self, seq)
    }
}

/// Looks up what a step of a run needs. `origins` remembers, from step to step, what the downloads and uploads of a venue
/// have in common, so that its `planned` event is not read again for every image.
///
/// # Errors
/// When the ledger cannot be read.
///
/// # Panics
/// When the state names an event that is not of the kind it says: the two have come apart, which is a bug.
pub fn order(
    state: &State,
    past: &impl Past,
    origins: &mut Origins,
    run: RunId,
    step: Step,
) -> Result<Order, LedgerError> {
    let mut look = Look::new(state, past);
    Ok(match step {
        Step::Download(image) => Order::Download(origins.of(&mut look, image)?.fetch(image)),
        Step::Upload(image) => Order::Upload(look.put(run, image, origins)?),
        Step::UpdateRow(planned) => {
            origins.forget(planned);
            Order::UpdateRow(look.forward(planned)?)
        }
        Step::RestoreRow(planned) => Order::RestoreRow(look.back(planned)?),
    })
}

/// What is to be done about an image that was uploaded once and is about to be given up
/// ([`Verdict::PutBack`](crate::decide::Verdict::PutBack)).
///
/// # Errors
/// When the ledger cannot be read.
///
/// # Panics
/// As [`order`].
pub fn put_back(state: &State, past: &impl Past, put: &Put, trouble: Trouble) -> Result<Order, LedgerError> {
    let row = Look::new(state, past).put_back(&[put.fetch.image])?;
    Ok(Order::PutBack(Box::new(PutBack { put: put.clone(), trouble, row })))
}

/// What puts a row back, where it was updated without an event, before some images of one plan are told as left by a person
/// ([`untold`](crate::plan::untold)).
///
/// # Errors
/// When the ledger cannot be read.
///
/// # Panics
/// As [`order`], and without any image.
pub fn leave(state: &State, past: &impl Past, images: &[ImageId]) -> Result<RowOrder, LedgerError> {
    Look::new(state, past).put_back(images)
}

/// The origin URLs of some images of a run forward, spread over its venues: so many at most.
///
/// # Errors
/// When the ledger cannot be read.
pub fn some_origins(
    state: &State,
    past: &impl Past,
    run: RunId,
    max: usize,
) -> Result<Vec<String>, LedgerError> {
    let mut look = Look::new(state, past);
    let plans = state.run(run).map_or(&[][..], |run| run.plans());
    let is_moved = |planned: &&Seq| {
        state.plan(**planned).is_some_and(|plan| plan.aim == Aim::Forward && !plan.images.is_empty())
    };
    let plans: Vec<Seq> = plans.iter().filter(is_moved).copied().collect();
    let step = plans.len().div_ceil(max.max(1)).max(1);
    let spread = plans.into_iter().step_by(step);
    spread
        .map(|planned| {
            let last = state.plan(planned).map_or(0, |plan| plan.images.len() - 1) as u32;
            let id = ImageId { planned, index: last };
            Ok(Origins::new(0).of(&mut look, id)?.fetch(id).url)
        })
        .collect()
}

/// The last image whose row points at the CDN: the URL it had at the origin, and the one it has now. `None` where there is
/// none.
///
/// # Errors
/// When the ledger cannot be read.
pub fn last_completed(state: &State, past: &impl Past) -> Result<Option<(String, String)>, LedgerError> {
    let mut look = Look::new(state, past);
    let mut images = state.plans().rev().flat_map(|(planned, plan)| plan.ids(planned));
    let completed = images.find(|(_, image)| image.rung == Rung::DbUpdated && !image.is_added);
    let Some((id, uploaded)) = completed.and_then(|(id, image)| Some((id, image.uploaded?))) else {
        return Ok(None);
    };
    let served = look.uploaded(uploaded)?.0.url;
    Ok(Some((Origins::new(0).of(&mut look, id)?.fetch(id).url, served)))
}
