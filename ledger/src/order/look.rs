//! Reading the texts back that an order is made of.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::rc::Rc;

use super::{Known, Origins, Past, Put, RowOrder, RowWork};
use crate::event::{DbUpdated, Downloaded, Edit, Event, Planned, Record, Uploaded, Work};
use crate::ids::{CdnPath, ImageId, RunId, Seq, VenueId};
use crate::images::{CdnFacts, Change, Entry};
use crate::state::{Aim, Image, PathKey, Rung, State};
use crate::store::LedgerError;
use crate::timestamp::Timestamp;

/// One look into the past. The images of one step come plan by plan, so the last plan is kept; row updates they may share
/// in any order.
pub(super) struct Look<'a, P> {
    state: &'a State,
    past: &'a P,
    plan: Option<(Seq, Rc<Planned>)>,
    updates: HashMap<Seq, Update>,
}

/// A `db_updated`, its edits by image.
struct Update {
    array_before: Option<String>,
    edits: HashMap<ImageId, Edit>,
}

impl<'a, P: Past> Look<'a, P> {
    pub(super) fn new(state: &'a State, past: &'a P) -> Self {
        Self { state, past, plan: None, updates: HashMap::new() }
    }

    pub(super) fn planned(&self, seq: Seq) -> Result<Planned, LedgerError> {
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
    pub(super) fn uploaded(&self, seq: Seq) -> Result<(Uploaded, Timestamp), LedgerError> {
        match self.past.record(seq)? {
            Record { event: Event::Uploaded(uploaded), at, .. } => Ok((uploaded, at)),
            other => panic!("event {seq} is {}, not uploaded", other.event.name()),
        }
    }
    fn plan(&mut self, seq: Seq) -> Result<Rc<Planned>, LedgerError> {
        if let Some((known, planned)) = &self.plan
            && *known == seq
        {
            return Ok(planned.clone());
        }
        let planned = Rc::new(self.planned(seq)?);
        self.plan = Some((seq, planned.clone()));
        Ok(planned)
    }
    fn update(&mut self, seq: Seq) -> Result<&mut Update, LedgerError> {
        Ok(match self.updates.entry(seq) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(new) => {
                let DbUpdated { edits, array_before, .. } = match self.past.record(seq)?.event {
                    Event::DbUpdated(updated) => updated,
                    other => panic!("event {seq} is {}, not db_updated", other.name()),
                };
                let edits = edits.into_iter().map(|edit| (edit.image, edit)).collect();
                new.insert(Update { array_before, edits })
            }
        })
    }
    /// What an image's row update made of its entry; each is asked for once.
    fn edit_of(&mut self, updated: Seq, image: ImageId) -> Result<Edit, LedgerError> {
        Ok(self.update(updated)?.edits.remove(&image).expect("an image's db_updated has its edit"))
    }

    pub(super) fn put(
        &mut self,
        run: RunId,
        image: ImageId,
        origins: &mut Origins,
    ) -> Result<Put, LedgerError> {
        let downloaded = self.state.image(image).and_then(|image| image.downloaded);
        let d = self.downloaded(downloaded.expect("only a downloaded image is uploaded"))?;
        let origin = origins.of(self, image)?;
        let path = CdnPath::new(origin.slug.as_deref(), origin.venue(), &d.hash, d.format);
        let known = match self.state.file_at(PathKey::of(&path)) {
            None => None,
            Some(seq) => {
                let (file, _) = self.uploaded(seq)?;
                let since = self.state.run(run).expect("a step belongs to a run").going_since;
                let is_believed = self.state.file_seen(PathKey::of(&path)).is_some_and(|seen| seen > since);
                Some(Known { file_id: file.file_id, url: file.url, is_believed, acquired: file.acquired })
            }
        };
        let uploaded = match self.state.image(image).and_then(|image| image.uploaded) {
            None => None,
            Some(seq) => self.uploaded(seq).map(|(file, _)| Some((file.file_id, file.url)))?,
        };
        Ok(Put {
            fetch: origin.fetch(image),
            hash: d.hash,
            bytes: d.bytes,
            format: d.format,
            width: d.width,
            height: d.height,
            path,
            country: origin.country.clone(),
            known,
            uploaded,
        })
    }

    pub(super) fn forward(&self, seq: Seq) -> Result<RowOrder, LedgerError> {
        let planned = self.planned(seq)?;
        let plan = self.state.plan(seq).expect("a step belongs to a plan");
        if plan.aim == Aim::Add {
            let open = plan.ids(seq).filter(|(_, image)| !image.is_settled());
            let images: Vec<_> = open.map(|(id, _)| id).collect();
            let work = RowWork::Append(images.iter().map(|id| entry(&planned, *id).to_owned()).collect());
            return Ok(RowOrder { planned: seq, venue: planned.venue, array: planned.array, images, work });
        }
        let (mut images, mut changes) = (Vec::new(), Vec::new());
        let in_row = self.in_row(planned.venue);
        for (id, image) in plan.ids(seq).filter(|(_, image)| image.mark.is_none()) {
            let Some(uploaded) = image.uploaded.filter(|_| image.updated.is_none()) else { continue };
            images.push(id);
            changes.push(self.completion(&planned, (id, image), uploaded, &in_row)?);
        }
        let work = RowWork::Replace(changes);
        Ok(RowOrder { planned: seq, venue: planned.venue, array: planned.array, images, work })
    }

    /// The after-image is a pure function of the planned entry and the `uploaded` event.
    fn completion(
        &self,
        planned: &Planned,
        (id, image): (ImageId, &Image),
        uploaded: Seq,
        in_row: &HashMap<PathKey, u32>,
    ) -> Result<Change, LedgerError> {
        let from = entry(planned, id).to_owned();
        let of = Entry::parse(&from).expect("only objects are planned");
        let completed = |uploaded: Seq| {
            let (u, at) = self.uploaded(uploaded)?;
            let facts = CdnFacts {
                url: u.url,
                file_id: u.file_id.to_string(),
                width: u.width,
                height: u.height,
                uploaded_at: at,
            };
            Ok::<_, LedgerError>(of.complete(&facts))
        };
        let to = completed(uploaded)?;
        let earlier = self.state.earlier_uploads(id).into_iter().map(completed).collect::<Result<_, _>>()?;
        let any_time = !is_anothers(in_row, image);
        Ok(Change { from, to, any_time, earlier, may_be_gone: false })
    }

    /// The way back of some images of one plan, before a word of their row. An entry is taken back only as this ledger's own
    /// uploads make it: one with another time may be another ledger's work.
    pub(super) fn put_back(&mut self, images: &[ImageId]) -> Result<RowOrder, LedgerError> {
        let seq = images.first().expect("some image is put back").planned;
        let planned = self.planned(seq)?;
        let of = |id: &ImageId| (*id, self.state.image(*id).expect("what is put back is an image"));
        let work = if images.iter().map(of).any(|(_, image)| image.is_added) {
            self.removal(images)?
        } else {
            let back = |id: &ImageId| {
                let (id, image) = of(id);
                let uploaded = image.uploaded.expect("only what was uploaded is put back");
                let forward = self.completion(&planned, (id, image), uploaded, &HashMap::new())?;
                Ok(Change { any_time: false, ..forward.reversed() })
            };
            RowWork::Replace(images.iter().map(back).collect::<Result<_, LedgerError>>()?)
        };
        let images = images.to_vec();
        Ok(RowOrder { planned: seq, venue: planned.venue, array: planned.array, images, work })
    }

    /// By how many images the venue's row holds which file.
    fn in_row(&self, venue: VenueId) -> HashMap<PathKey, u32> {
        let plans = self.state.venue(venue).map_or(&[][..], |plans| plans.all());
        let images = plans.iter().filter_map(|seq| self.state.plan(*seq)).flat_map(|plan| &plan.images);
        let mut in_row = HashMap::new();
        for path in images.filter(|image| image.rung == Rung::DbUpdated).filter_map(|image| image.path) {
            *in_row.entry(path).or_default() += 1;
        }
        in_row
    }

    pub(super) fn back(&mut self, seq: Seq) -> Result<RowOrder, LedgerError> {
        let planned = self.planned(seq)?;
        let plan = self.state.plan(seq).expect("a step belongs to a plan");
        let Aim::Back(images) = &plan.aim else { panic!("plan {seq} takes nothing back") };
        if images.iter().any(|id| self.state.image(*id).is_some_and(|image| image.is_added)) {
            let images = images.to_vec();
            let work = self.removal(&images)?;
            return Ok(RowOrder { planned: seq, venue: planned.venue, array: planned.array, images, work });
        }
        let mut changes = Vec::new();
        let in_row = self.in_row(planned.venue);
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
                    let planned = self.plan(id.planned)?;
                    let may_be_gone = self.state.may_be_gone(*id);
                    let forward = self.completion(&planned, (*id, image), uploaded, &in_row)?;
                    Change { may_be_gone, ..forward }
                }
            };
            changes.push(forward.reversed());
        }
        let (images, work) = (images.to_vec(), RowWork::Replace(changes));
        Ok(RowOrder { planned: seq, venue: planned.venue, array: planned.array, images, work })
    }

    /// Takes out what a `populate` appended: the entries as the row got them, and the array as it was before.
    fn removal(&mut self, images: &[ImageId]) -> Result<RowWork, LedgerError> {
        let (mut entries, mut planned_before, mut updated_before) = (Vec::new(), None, None);
        for id in images {
            let image = self.state.image(*id).expect("a rollback names images that exist");
            let planned = self.plan(id.planned)?;
            let appended = match image.updated {
                Some(updated) => self.edit_of(updated, *id)?.after,
                None => None,
            };
            entries.push(appended.unwrap_or_else(|| entry(&planned, *id).to_owned()));
            match image.updated {
                Some(updated) if updated_before.is_none() => {
                    updated_before = Some(self.update(updated)?.array_before.clone());
                }
                None if planned_before.is_none() => planned_before = Some(planned.array.clone()),
                _ => {}
            }
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
}

/// Whether the venue's row holds this image's file by the work of another: an entry with another upload time is then that
/// image's, and not to be taken for this one's.
fn is_anothers(in_row: &HashMap<PathKey, u32>, image: &Image) -> bool {
    let holding = image.path.and_then(|path| in_row.get(&path)).copied().unwrap_or(0);
    holding > u32::from(image.rung == Rung::DbUpdated)
}

fn entry(planned: &Planned, image: ImageId) -> &str {
    match &planned.work {
        Work::Move(entries) => &entries[image.index as usize],
        Work::Add(addition) => &addition.entries[image.index as usize],
        Work::TakeBack(_) => panic!("image {image} is no image of a forward plan"),
    }
}
