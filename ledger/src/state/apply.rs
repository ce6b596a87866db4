//! The only function that changes state. It refuses what cannot have happened: when writing, that is a bug of ours;
//! when reading, the ledger is damaged.

use super::image::Happening;
use super::{
    Aim, DIGEST_VERSION, FileSeen, Image, Mark, PathKey, Place, Plan, Run, RunStatus, State, Whole, digest,
};
use crate::event::{Ending, Event, Planned, Record, RolledBack, Stopped, Tally, Verb, Work};
use crate::ids::{CdnPath, ImageId, RunId, Seq, VenueId};
use crate::images::Entry;

/// Why an event cannot have happened here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Illegal(String);

impl Illegal {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

pub(super) fn require(holds: bool, why: impl FnOnce() -> String) -> Result<(), Illegal> {
    if holds { Ok(()) } else { Err(Illegal(why())) }
}

impl State {
    /// Takes in the next event.
    ///
    /// # Errors
    /// When it cannot follow on what came before. The state is then half changed and must not be used again.
    pub fn apply(&mut self, seq: Seq, record: &Record) -> Result<(), Illegal> {
        require(seq == self.last.next(), || format!("{seq} does not follow {}", self.last))?;
        self.last = seq;
        let is_first = matches!(record.event, Event::Opened(_));
        require(is_first == (seq == Seq(1)), || "`opened` is the first line and only that".into())?;
        match (&record.event, record.run) {
            (Event::Opened(opened), None) => self.opened = Some(opened.clone()),
            (Event::RunStarted(started), Some(run)) => {
                require(run.0 == seq, || format!("a run that starts at {seq} is not run {run}"))?;
                self.runs.insert(run, Run::new(started.clone(), seq, record.at));
            }
            (Event::CdnDeleted(e), None) => self.cdn_deleted(&e.path)?,
            (event, Some(run)) => {
                self.apply_to_run(seq, run, event)?;
                self.run_mut(run)?.last_at = record.at;
            }
            (event, None) => return Err(Illegal(format!("{} without a run", event.name()))),
        }
        Ok(())
    }

    fn apply_to_run(&mut self, seq: Seq, run: RunId, event: &Event) -> Result<(), Illegal> {
        let status = self.run_mut(run)?.status;
        let is_free = matches!(
            event,
            Event::Resumed(_)
                | Event::RunFinished(_)
                | Event::Closed(_)
                | Event::CdnDeleted(_)
                | Event::Alerted(_)
                | Event::Waited(_)
                | Event::Adjusted(_)
                | Event::Checkpoint(_)
        );
        require(is_free || status == RunStatus::Going, || format!("run {run} is not going on"))?;
        match event {
            Event::Opened(_) | Event::RunStarted(_) => Err(Illegal("it belongs to no earlier run".into())),
            Event::Resumed(resumed) => {
                let state = self.run_mut(run)?;
                let is_retry = !(resumed.retry_images.is_empty() && resumed.retry_venues.is_empty());
                let may_go_on = match state.status {
                    RunStatus::Going | RunStatus::Paused(_) => true,
                    RunStatus::Finished(ending) => ending == Ending::Done && is_retry,
                };
                require(may_go_on, || format!("run {run} is finished"))?;
                state.status = RunStatus::Going;
                state.going_since = seq;
                state.started.options = resumed.options.clone();
                for image in &resumed.retry_images {
                    self.own_plan(run, *image)?;
                    self.happen(*image, Happening::Retried)?;
                    self.count_retried(run, *image)?;
                }
                for venue in &resumed.retry_venues {
                    let plan = self.back_plan(run, *venue)?;
                    let plan =
                        plan.ok_or_else(|| Illegal(format!("run {run} does not take venue {venue} back")))?;
                    let plan = self.plans.get_mut(&plan).expect("it was just found");
                    require(plan.whole == Whole::Failed, || format!("venue {venue} has not failed"))?;
                    plan.whole = Whole::Open;
                }
                Ok(())
            }
            Event::Planned(planned) => self.planned(seq, run, planned),
            Event::PlanningDone(done) => {
                let state = self.run_mut(run)?;
                let is_so = !state.is_planned
                    && (state.plans.len() as u64, state.images) == (done.venues, done.images);
                require(is_so, || format!("run {run} did not plan that"))?;
                state.is_planned = true;
                Ok(())
            }
            Event::Downloaded(e) => {
                let plan = self.own_plan(run, e.image)?;
                let path = CdnPath::new(plan.slug.as_deref(), plan.venue, &e.hash, e.format);
                self.not_seen_yet(run, e.image)?;
                let path = PathKey::of(&path);
                let and = |image: &mut Image| (image.downloaded, image.path) = (Some(seq), Some(path));
                self.happen_with(e.image, Happening::Downloaded, and).map(drop)
            }
            Event::Uploaded(e) => {
                self.own_plan(run, e.image)?;
                self.not_seen_yet(run, e.image)?;
                let path = PathKey::of(&e.path);
                let file = digest::short(e.file_id.to_string().as_bytes());
                let expected = self.image(e.image).and_then(|image| image.path);
                require(expected == Some(path), || format!("{} is not where {} goes", e.path, e.image))?;
                let before = self.image(e.image).and_then(|image| image.uploaded);
                self.happen_with(e.image, Happening::Uploaded, |image| {
                    (image.uploaded, image.seen, image.file) = (Some(seq), Some(seq), file);
                })?;
                self.files.insert(path, FileSeen { uploaded: seq, seen: seq });
                // Its file was gone before its row was known to be updated.
                before.into_iter().for_each(|seq| self.earlier.entry(e.image).or_default().push(seq));
                self.count(run, Some(e.image), |settled| settled.uploaded += u64::from(before.is_none()))
            }
            Event::Confirmed(e) => {
                self.own_plan(run, e.image)?;
                self.not_seen_yet(run, e.image)?;
                let file = digest::short(e.file_id.to_string().as_bytes());
                let image =
                    self.happen_with(e.image, Happening::Confirmed, |image| image.seen = Some(seq))?;
                require(image.file == file, || format!("{} has another file than {}", e.image, e.file_id))?;
                let path = image.path;
                if let Some(file) = path.and_then(|path| self.files.get_mut(&path)) {
                    file.seen = seq;
                }
                Ok(())
            }
            Event::Failed(e) => {
                self.stopped(run, e, Mark::Failed(e.error_type))?;
                self.count_settled(run, e.image, |settled| settled.troubled += 1)
            }
            Event::Skipped(e) => {
                self.stopped(run, e, Mark::Skipped(e.error_type))?;
                self.count_settled(run, e.image, |settled| settled.troubled += 1)
            }
            Event::Closed(e) => match e.image {
                Some(image) => {
                    let plan = self.plan(image.planned).filter(|plan| plan.venue == e.venue);
                    require(plan.is_some(), || format!("{image} is not of venue {}", e.venue))?;
                    self.happen(image, Happening::Closed).map(drop)
                }
                None => {
                    // Earlier programs closed the last plan, also where nothing of it stood any more.
                    let last = self.venue(e.venue).and_then(super::VenuePlans::last);
                    let last = last.filter(|last| self.plans[last].whole == Whole::Failed);
                    let failed = self.failed_whole(e.venue).next().or(last);
                    let plan = failed.and_then(|failed| self.plans.get_mut(&failed));
                    let plan = plan.ok_or_else(|| Illegal(format!("venue {} has not failed", e.venue)))?;
                    plan.whole = Whole::Closed;
                    Ok(())
                }
            },
            Event::DbUpdated(e) => {
                require(!e.edits.is_empty(), || "a row update without an edit".into())?;
                for edit in &e.edits {
                    let plan = self.own_plan(run, edit.image)?;
                    require(plan.venue == e.venue, || format!("{} is not of venue {}", edit.image, e.venue))?;
                    self.happen(edit.image, Happening::DbUpdated)?.updated = Some(seq);
                    self.count_settled(run, Some(edit.image), |settled| settled.done += 1)?;
                }
                Ok(())
            }
            Event::Drifted(e) => match self.back_plan(run, e.venue)? {
                Some(plan) => {
                    let Aim::Back(images) = &self.plans[&plan].aim else { unreachable!("it goes back") };
                    require(images.contains(&e.image), || format!("{} is not taken back here", e.image))?;
                    self.happen(e.image, Happening::LeftBack).map(drop)
                }
                None => {
                    self.own_plan(run, e.image)?;
                    self.happen(e.image, Happening::Drifted)?;
                    self.count_settled(run, Some(e.image), |_| ())
                }
            },
            Event::RolledBack(e) => self.rolled_back(run, e),
            Event::CdnDeleted(e) => self.cdn_deleted(&e.path),
            Event::Paused(e) => {
                self.run_mut(run)?.pause(e.reason);
                Ok(())
            }
            Event::Alerted(_) | Event::Waited(_) => Ok(()),
            Event::Adjusted(e) => self.run_mut(run)?.adjust(e),
            Event::Checkpoint(said) => {
                let is_known = said.digest_version == DIGEST_VERSION;
                require(!is_known || *said == self.checkpoint(), || {
                    "the checkpoint asserts another state than the events before it give".into()
                })
            }
            Event::RunFinished(e) => {
                let tally = self.tally(run);
                self.finished(run, e.ending, &e.tally, &tally)
            }
        }
    }

    pub(super) fn run_mut(&mut self, run: RunId) -> Result<&mut Run, Illegal> {
        self.runs.get_mut(&run).ok_or_else(|| Illegal(format!("there is no run {run}")))
    }

    /// The forward plan of an image, which must be this run's, fully planned, and still the venue's last.
    fn own_plan(&self, run: RunId, image: ImageId) -> Result<&Plan, Illegal> {
        let plan = self.plan(image.planned).filter(|plan| plan.run == run);
        let plan = plan.ok_or_else(|| Illegal(format!("image {image} is not of run {run}")))?;
        require(self.runs[&run].is_planned, || format!("run {run} is still planning"))?;
        require(self.is_last(image.planned), || format!("venue {} belongs to a later run", plan.venue))?;
        Ok(plan)
    }

    /// The plan by which this run takes a venue back, if it does.
    fn back_plan(&self, run: RunId, venue: VenueId) -> Result<Option<Seq>, Illegal> {
        let last = self.venue(venue).and_then(super::VenuePlans::last);
        let last = last.ok_or_else(|| Illegal(format!("venue {venue} was never planned")))?;
        let plan = &self.plans[&last];
        require(plan.run == run, || format!("venue {venue} does not belong to run {run}"))?;
        Ok(matches!(plan.aim, Aim::Back(_)).then_some(last))
    }

    /// A file that is still needed is never deleted (requirement S7).
    fn cdn_deleted(&mut self, path: &CdnPath) -> Result<(), Illegal> {
        let key = PathKey::of(path);
        require(self.users_of(key) == 0, || format!("an image still needs the file at {path}"))?;
        self.files.remove(&key);
        Ok(())
    }

    fn planned(&mut self, seq: Seq, run: RunId, planned: &Planned) -> Result<(), Illegal> {
        let state = self.run_mut(run)?;
        require(!state.is_planned, || format!("the planning of run {run} is done"))?;
        let is_ordered = state.last_venue.is_none_or(|last| last < planned.venue);
        require(is_ordered, || format!("venue {} is planned out of order", planned.venue))?;
        state.last_venue = Some(planned.venue);
        state.plans.push(seq);
        let (aim, images): (Aim, Box<[Image]>) = match &planned.work {
            Work::Move(entries) => {
                (Aim::Forward, entries.iter().map(|e| Image::planned(picture(e), false)).collect())
            }
            Work::TakeBack(images) => (Aim::Back(images.clone().into()), [].into()),
            Work::Add(addition) => {
                (Aim::Add, addition.entries.iter().map(|e| Image::planned(picture(e), true)).collect())
            }
        };
        let left_out = match &planned.work {
            Work::Add(addition) => addition.left_out.len() as u32,
            Work::Move(_) | Work::TakeBack(_) => 0,
        };
        state.images += match &aim {
            Aim::Forward | Aim::Add => images.len() as u64,
            Aim::Back(images) => images.len() as u64,
        };
        match &aim {
            Aim::Forward | Aim::Add => self.supersede(planned, &aim, &images),
            Aim::Back(images) => {
                for id in images {
                    let venue = self.plan(id.planned).map(|plan| plan.venue);
                    require(venue == Some(planned.venue), || format!("image {id} is of another venue"))?;
                    self.happen(*id, Happening::NamedBack)?;
                }
            }
        }
        for (index, image) in (0..).zip(&images) {
            self.rungs.planned += 1;
            self.digest = self.digest.wrapping_add(digest::share(ImageId { planned: seq, index }, image));
        }
        let place = self.place_number(Place { country: planned.country.clone(), city: planned.city.clone() });
        let slug = planned.slug.as_deref().map(Box::from);
        let whole = if left_out == 0 { Whole::Open } else { Whole::Failed };
        let open = images.len() as u32;
        let plan = Plan {
            run,
            venue: planned.venue,
            slug,
            aim,
            images,
            whole,
            left_out,
            place,
            open,
            ready: 0,
            ready_since: Seq(0),
        };
        self.plans.insert(seq, plan);
        self.venues.entry(planned.venue).or_default().0.push(seq);
        Ok(())
    }

    fn place_number(&mut self, place: Place) -> u32 {
        let next = self.places.len() as u32;
        let places = &mut self.places;
        *self.place_numbers.entry(place).or_insert_with_key(|place| {
            places.push(place.clone());
            next
        })
    }

    fn stopped(&mut self, run: RunId, stopped: &Stopped, mark: Mark) -> Result<(), Illegal> {
        if let Some(image) = stopped.image {
            let plan = self.own_plan(run, image)?;
            let venue = stopped.venue;
            require(plan.venue == venue, || format!("{image} is not of venue {venue}"))?;
            return self.happen(image, Happening::Stopped(mark)).map(drop);
        }
        let last = self.venue(stopped.venue).and_then(super::VenuePlans::last);
        let planned = last.filter(|seq| self.plans[seq].run == run);
        let planned =
            planned.ok_or_else(|| Illegal(format!("venue {} is not of run {run}", stopped.venue)))?;
        let open: Vec<ImageId> = self.plans[&planned]
            .ids(planned)
            .filter(|(_, image)| !image.is_settled())
            .map(|(id, _)| id)
            .collect();
        for image in open {
            self.happen(image, Happening::Stopped(mark))?;
        }
        let plan = self.plans.get_mut(&planned).expect("it was just found");
        require(plan.whole == Whole::Open, || format!("venue {} was closed before", plan.venue))?;
        plan.whole = Whole::Failed;
        Ok(())
    }

    fn rolled_back(&mut self, run: RunId, e: &RolledBack) -> Result<(), Illegal> {
        let not_back = || Illegal(format!("run {run} does not take venue {} back", e.venue));
        let planned = self.back_plan(run, e.venue)?.ok_or_else(not_back)?;
        let Aim::Back(named) = self.plans[&planned].aim.clone() else { return Err(not_back()) };
        let undone = e.edits.iter().map(|edit| edit.image).chain(e.held.iter().copied());
        let mut listed: Vec<ImageId> = undone.clone().chain(e.left.iter().copied()).collect();
        let mut named = named.into_vec();
        listed.sort();
        named.sort();
        require(listed == named, || "a rollback lists each of its images once".into())?;
        for image in undone {
            self.happen(image, Happening::RolledBack)?;
        }
        let is_left = |id: &ImageId| self.image(*id).is_some_and(|image| image.mark == Some(Mark::Drifted));
        require(e.left.iter().all(is_left), || "what a rollback leaves has drifted".into())?;
        let plan = self.plans.get_mut(&planned).expect("it was just found");
        require(plan.whole == Whole::Open, || format!("venue {} was closed before", e.venue))?;
        plan.whole = Whole::RolledBack;
        Ok(())
    }

    fn finished(&mut self, run: RunId, ending: Ending, said: &Tally, counted: &Tally) -> Result<(), Illegal> {
        let state = self.run_mut(run)?;
        require(!state.is_finished(), || format!("run {run} is finished already"))?;
        state.status = RunStatus::Finished(ending);
        // Earlier programs counted what a person had left of a rollback as open.
        let earlier = Tally { open: counted.open + counted.closed, closed: 0, ..*counted };
        let is_counted = said == counted || (state.started.verb == Verb::Rollback && *said == earlier);
        require(is_counted, || format!("run {run} ended otherwise than its events say"))?;
        let state = &self.runs[&run];
        let is_over = state.is_planned && state.plans.iter().all(|planned| self.is_over(*planned));
        require(ending == Ending::Closed || is_over, || format!("run {run} is not done"))
    }
}

/// Tells apart the pictures of one venue.
pub(super) fn picture(entry: &str) -> u64 {
    let url = Entry::url_in(entry);
    digest::short(url.as_deref().unwrap_or(entry).as_bytes()) as u64
}
