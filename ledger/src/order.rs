//! A step with everything its performer needs: the texts that the state does not keep, read back from the ledger.

use crate::event::{DbUpdated, Downloaded, Edit, Event, Planned, Record, Uploaded, Work};
use crate::ids::{CdnPath, ContentHash, FileId, Format, ImageId, RunId, Seq, VenueId};
use crate::images::{self, Array, CdnFacts, Change, Edited, Entry, NotAnArray, edit};
use crate::plan::Step;
use crate::state::{Aim, PathKey, Rung, State};
use crate::store::{LedgerError, Store};
use crate::timestamp::Timestamp;

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

/// A file an earlier `uploaded` speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// ImageKit's id.
    pub file_id: FileId,
    /// Its URL.
    pub url: String,
    /// It was sent or looked at since the run was last started or resumed, and so is believed without asking.
    pub is_believed: bool,
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

/// Looks up what a step of a run needs.
///
/// # Errors
/// When the ledger cannot be read.
///
/// # Panics
/// When the state names an event that is not of the kind it says: the two have come apart, which is a bug.
pub fn order(state: &State, past: &impl Past, run: RunId, step: Step) -> Result<Order, LedgerError> {
    let look = Look { state, past };
    Ok(match step {
        Step::Download(image) => Order::Download(look.fetch(&look.planned(image.planned)?, image)),
        Step::Upload(image) => Order::Upload(look.put(run, image)?),
        Step::UpdateRow(planned) => Order::UpdateRow(look.forward(planned)?),
        Step::RestoreRow(planned) => Order::RestoreRow(look.back(planned)?),
    })
}

/// The last image whose row points at the CDN: the URL it had at the origin, and the one it has now. `None` where there is
/// none.
///
/// # Errors
/// When the ledger cannot be read.
pub fn last_completed(state: &State, past: &impl Past) -> Result<Option<(String, String)>, LedgerError> {
    let look = Look { state, past };
    let mut images = state.plans().rev().flat_map(|(planned, plan)| plan.ids(planned));
    let completed = images.find(|(_, image)| image.rung == Rung::DbUpdated && !image.is_added);
    let Some((id, uploaded)) = completed.and_then(|(id, image)| Some((id, image.uploaded?))) else {
        return Ok(None);
    };
    let (planned, (uploaded, _)) = (look.planned(id.planned)?, look.uploaded(uploaded)?);
    Ok(Some((look.fetch(&planned, id).url, uploaded.url)))
}

struct Look<'a, P> {
    state: &'a State,
    past: &'a P,
}

impl<P: Past> Look<'_, P> {
    fn planned(&self, seq: Seq) -> Result<Planned, LedgerError> {
        match self.past.record(seq)?.event {
            Event::Planned(planned) => Ok(planned),
            other => panic!("event {seq} is {}, not planned", other.name()),
        }
    }
    fn downloaded(&self, seq: Seq) -> Result<Downloaded, LedgerError> {
        match self.past.record(seq)?.event {
            Event::Downloaded(downloaded) => Ok(downloaded),
            other => panic!("event {seq} is {}, not downloaded", other.name()),
        }
    }
    fn uploaded(&self, seq: Seq) -> Result<(Uploaded, Timestamp), LedgerError> {
        match self.past.record(seq)? {
            Record { event: Event::Uploaded(uploaded), at, .. } => Ok((uploaded, at)),
            other => panic!("event {seq} is {}, not uploaded", other.event.name()),
        }
    }
    fn updated(&self, seq: Seq) -> Result<DbUpdated, LedgerError> {
        match self.past.record(seq)?.event {
            Event::DbUpdated(updated) => Ok(updated),
            other => panic!("event {seq} is {}, not db_updated", other.name()),
        }
    }

    fn fetch(&self, planned: &Planned, image: ImageId) -> Fetch {
        let url = Entry::parse(entry(planned, image)).and_then(|entry| entry.url()).unwrap_or_default();
        Fetch { image, venue: planned.venue, url }
    }

    fn put(&self, run: RunId, image: ImageId) -> Result<Put, LedgerError> {
        let planned = self.planned(image.planned)?;
        let downloaded = self.state.image(image).and_then(|image| image.downloaded);
        let d = self.downloaded(downloaded.expect("only a downloaded image is uploaded"))?;
        let path = CdnPath::new(planned.slug.as_deref(), planned.venue, &d.hash, d.format);
        let known = match self.state.file_at(PathKey::of(&path)) {
            None => None,
            Some(seq) => {
                let (file, _) = self.uploaded(seq)?;
                let since = self.state.run(run).expect("a step belongs to a run").going_since;
                let is_believed = self.state.file_seen(PathKey::of(&path)).is_some_and(|seen| seen > since);
                Some(Known { file_id: file.file_id, url: file.url, is_believed })
            }
        };
        let uploaded = match self.state.image(image).and_then(|image| image.uploaded) {
            None => None,
            Some(seq) => self.uploaded(seq).map(|(file, _)| Some((file.file_id, file.url)))?,
        };
        Ok(Put {
            fetch: self.fetch(&planned, image),
            hash: d.hash,
            bytes: d.bytes,
            format: d.format,
            width: d.width,
            height: d.height,
            path,
            country: planned.country.map(|country| country.code),
            known,
            uploaded,
        })
    }

    fn forward(&self, seq: Seq) -> Result<RowOrder, LedgerError> {
        let planned = self.planned(seq)?;
        let plan = self.state.plan(seq).expect("a step belongs to a plan");
        if plan.aim == Aim::Add {
            let open = plan.ids(seq).filter(|(_, image)| !image.is_settled());
            let images: Vec<_> = open.map(|(id, _)| id).collect();
            let work = RowWork::Append(images.iter().map(|id| entry(&planned, *id).to_owned()).collect());
            return Ok(RowOrder { planned: seq, venue: planned.venue, array: planned.array, images, work });
        }
        let (mut images, mut changes) = (Vec::new(), Vec::new());
        for (id, image) in plan.ids(seq).filter(|(_, image)| image.mark.is_none()) {
            let Some(uploaded) = image.uploaded.filter(|_| image.updated.is_none()) else { continue };
            images.push(id);
            changes.push(self.completion(&planned, id, uploaded)?);
        }
        let work = RowWork::Replace(changes);
        Ok(RowOrder { planned: seq, venue: planned.venue, array: planned.array, images, work })
    }

    /// The after-image is a pure function of the planned entry and the `uploaded` event.
    fn completion(&self, planned: &Planned, id: ImageId, uploaded: Seq) -> Result<Change, LedgerError> {
        let (u, at) = self.uploaded(uploaded)?;
        let facts = CdnFacts {
            url: u.url,
            file_id: u.file_id.to_string(),
            width: u.width,
            height: u.height,
            uploaded_at: at,
        };
        let from = entry(planned, id).to_owned();
        let to = Entry::parse(&from).expect("only objects are planned").complete(&facts);
        let any_time = !self.is_anothers(planned.venue, id);
        let any_file = any_time && self.state.image(id).is_some_and(|image| image.is_reuploaded);
        Ok(Change { from, to, any_time, any_file })
    }

    /// Whether the venue's row holds this file by the work of another image: an entry with another upload time is
    /// then that image's, and not to be taken for this one's.
    fn is_anothers(&self, venue: VenueId, id: ImageId) -> bool {
        let path = self.state.image(id).and_then(|image| image.path);
        let plans = self.state.venue(venue).map_or(&[][..], |plans| plans.all());
        let images = plans
            .iter()
            .filter_map(|seq| Some((*seq, self.state.plan(*seq)?)))
            .flat_map(|(seq, plan)| plan.ids(seq));
        let mut in_row = images.filter(|(other, image)| *other != id && image.rung == Rung::DbUpdated);
        in_row.any(|(_, image)| image.path == path)
    }

    fn back(&self, seq: Seq) -> Result<RowOrder, LedgerError> {
        let planned = self.planned(seq)?;
        let plan = self.state.plan(seq).expect("a step belongs to a plan");
        let Aim::Back(images) = &plan.aim else { panic!("plan {seq} takes nothing back") };
        if images.iter().any(|id| self.state.image(*id).is_some_and(|image| image.is_added)) {
            let images = images.to_vec();
            let work = self.removal(&images)?;
            return Ok(RowOrder { planned: seq, venue: planned.venue, array: planned.array, images, work });
        }
        let mut changes = Vec::new();
        for id in images {
            let image = self.state.image(*id).expect("a rollback names images that exist");
            let forward = match image.updated {
                Some(updated) => {
                    let Edit { before, after, .. } = self.edit_of(updated, *id)?;
                    let both = before.zip(after).expect("an image that was moved has an entry on both sides");
                    Change::exact(both.0, both.1)
                }
                None => {
                    let uploaded = image.uploaded.expect("a rollback names images that were uploaded");
                    self.completion(&self.planned(id.planned)?, *id, uploaded)?
                }
            };
            changes.push(forward.reversed());
        }
        let (images, work) = (images.to_vec(), RowWork::Replace(changes));
        Ok(RowOrder { planned: seq, venue: planned.venue, array: planned.array, images, work })
    }

    /// Takes out what a `populate` appended: the entries as the row got them, and the array as it was before.
    fn removal(&self, images: &[ImageId]) -> Result<RowWork, LedgerError> {
        let (mut entries, mut planned_before, mut updated_before) = (Vec::new(), None, None);
        for id in images {
            let image = self.state.image(*id).expect("a rollback names images that exist");
            let planned = self.planned(id.planned)?;
            let appended = match image.updated {
                Some(updated) => self.edit_of(updated, *id)?.after,
                None => None,
            };
            entries.push(appended.unwrap_or_else(|| entry(&planned, *id).to_owned()));
            match image.updated {
                Some(updated) => updated_before.get_or_insert(self.updated(updated)?.array_before),
                None => planned_before.get_or_insert(planned.array),
            };
        }
        // What the row held when something was appended to it; the plan's array only where no event says so.
        let before = updated_before.or(planned_before).flatten();
        Ok(RowWork::Remove { entries, before, was_null: self.was_null(images)? })
    }

    /// Whether the first `populate` that ever appended to this venue met NULL: of several that are taken back, the oldest
    /// first, none but that one has seen it.
    fn was_null(&self, images: &[ImageId]) -> Result<bool, LedgerError> {
        let venue = images.first().and_then(|image| self.state.plan(image.planned)).map(|plan| plan.venue);
        let plans = venue.and_then(|venue| self.state.venue(venue)).map_or(&[][..], |plans| plans.all());
        let is_add = |seq: &&Seq| {
            self.state.plan(**seq).is_some_and(|plan| plan.aim == Aim::Add && !plan.images.is_empty())
        };
        match plans.iter().find(is_add) {
            Some(first) => Ok(self.planned(*first)?.array.is_none()),
            None => Ok(false),
        }
    }

    fn edit_of(&self, updated: Seq, image: ImageId) -> Result<Edit, LedgerError> {
        let edits = self.updated(updated)?.edits;
        let edit = edits.into_iter().find(|edit| edit.image == image);
        Ok(edit.expect("an image's db_updated has its edit"))
    }
}

fn entry(planned: &Planned, image: ImageId) -> &str {
    match &planned.work {
        Work::Move(entries) => &entries[image.index as usize],
        Work::Add(addition) => &addition.entries[image.index as usize],
        Work::TakeBack(_) => panic!("image {image} is no image of a forward plan"),
    }
}
