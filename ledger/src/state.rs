//! What is known after some events: derived from them alone, and small. Texts stay in the ledger; the state keeps the
//! seqs where they stand, so that ten million images fit in memory.

mod apply;
mod digest;
mod happen;
mod image;
mod run;
mod supersede;

use std::collections::{BTreeMap, HashMap};

pub use apply::Illegal;
pub use digest::DIGEST_VERSION;
pub use image::{Image, Mark, Rung};
pub use run::{Run, RunStatus, Settled};

use crate::event::{Checkpoint, City, Country, Opened, Rungs, Scope, Tally, Verb};
use crate::ids::{CdnPath, ImageId, RunId, Seq, VenueId};

/// Where a venue was when it was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Its country, if it had one.
    pub country: Option<Country>,
    /// Its city, if it had one.
    pub city: Option<City>,
}

/// What a plan is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// Its own images go forward.
    Forward,
    /// These forward images are taken back, newest first.
    Back(Box<[ImageId]>),
    /// Its own entries are appended (`populate`).
    Add,
}

/// What became of a plan's venue as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Nothing yet.
    Open,
    /// A `rolled_back` closed it.
    RolledBack,
    /// It failed as a whole, or something of it could not become an entry.
    Failed,
    /// It had failed, and a person decided to leave it.
    Closed,
}

/// One `planned` event and what came of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The run that planned it.
    pub run: RunId,
    /// The venue.
    pub venue: VenueId,
    /// Its slug then.
    pub slug: Option<Box<str>>,
    /// Forward or back.
    pub aim: Aim,
    /// The images it moves; none when it takes back.
    pub images: Box<[Image]>,
    /// The venue as a whole.
    pub whole: Whole,
    /// What a `populate` could not make entries of.
    pub left_out: u32,
    place: u32,
    /// How many of its images are not settled, counted along: each step of each of them asks.
    open: u32,
    /// How many of those wait for nothing but their row, since their run was started or resumed at `ready_since`.
    ready: u32,
    ready_since: Seq,
}

/// The plans that ever named a venue, oldest first. It belongs to the last.
#[derive(Debug, Clone, Default)]
pub struct VenuePlans(Vec<Seq>);

impl VenuePlans {
    /// The plan the venue belongs to.
    pub fn last(&self) -> Option<Seq> {
        self.0.last().copied()
    }
    /// All of them, oldest first.
    pub fn all(&self) -> &[Seq] {
        &self.0
    }
}

/// A short stand-in for a CDN path, the first 128 bits of its BLAKE3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PathKey(u128);

impl PathKey {
    /// The key of a path.
    pub fn of(path: &CdnPath) -> Self {
        Self(digest::short(path.as_str().as_bytes()))
    }
}

/// The file at a path, by its last `uploaded`.
#[derive(Debug, Clone, Copy)]
struct FileSeen {
    uploaded: Seq,
    /// The last event that says it is there: the same, or a `confirmed` behind it.
    seen: Seq,
}

/// Everything the events so far say.
#[derive(Debug, Clone, Default)]
pub struct State {
    opened: Option<Opened>,
    last: Seq,
    runs: BTreeMap<RunId, Run>,
    plans: BTreeMap<Seq, Plan>,
    venues: HashMap<VenueId, VenuePlans>,
    files: HashMap<PathKey, FileSeen>,
    /// The `uploaded`s of an image before its last one, where there was more than one.
    earlier: HashMap<ImageId, Vec<Seq>>,
    /// Images between uploaded and rolled-back, by the path of their file.
    users: HashMap<PathKey, u32>,
    places: Vec<Place>,
    place_numbers: HashMap<Place, u32>,
    rungs: Rungs,
    digest: u128,
}

impl State {
    /// The ledger's first line, once it was applied.
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }
    /// The seq of the last event applied.
    pub fn last(&self) -> Seq {
        self.last
    }
    /// All runs, oldest first.
    pub fn runs(&self) -> impl Iterator<Item = (RunId, &Run)> {
        self.runs.iter().map(|(id, run)| (*id, run))
    }
    /// A run.
    pub fn run(&self, run: RunId) -> Option<&Run> {
        self.runs.get(&run)
    }
    /// The runs that can go on, oldest first.
    pub fn unfinished(&self) -> impl Iterator<Item = (RunId, &Run)> {
        self.runs().filter(|(_, run)| !run.is_finished())
    }
    /// All plans, oldest first.
    pub fn plans(&self) -> impl DoubleEndedIterator<Item = (Seq, &Plan)> {
        self.plans.iter().map(|(seq, plan)| (*seq, plan))
    }
    /// A plan.
    pub fn plan(&self, planned: Seq) -> Option<&Plan> {
        self.plans.get(&planned)
    }
    /// The plans that named a venue.
    pub fn venue(&self, venue: VenueId) -> Option<&VenuePlans> {
        self.venues.get(&venue)
    }
    /// Whether a venue still belongs to this plan.
    pub fn is_last(&self, planned: Seq) -> bool {
        self.plan(planned).and_then(|plan| self.venue(plan.venue)?.last()) == Some(planned)
    }
    /// An image.
    pub fn image(&self, image: ImageId) -> Option<&Image> {
        self.plan(image.planned)?.images.get(image.index as usize)
    }
    /// Where a plan's venue was.
    pub fn place(&self, plan: &Plan) -> &Place {
        &self.places[plan.place as usize]
    }
    /// The last `uploaded` of a path whose file was not deleted since.
    pub fn file_at(&self, path: PathKey) -> Option<Seq> {
        self.files.get(&path).map(|file| file.uploaded)
    }
    /// The last event that says the file of [`State::file_at`] is there.
    pub fn file_seen(&self, path: PathKey) -> Option<Seq> {
        self.files.get(&path).map(|file| file.seen)
    }
    /// Images of any run at a path that are between uploaded and rolled-back: while there are any, the file stays.
    pub fn users_of(&self, path: PathKey) -> u32 {
        self.users.get(&path).copied().unwrap_or(0)
    }
    /// Whether a person decided to leave this entry's picture, and nobody has taken it up since.
    pub fn is_closed(&self, venue: VenueId, entry: &str) -> bool {
        self.marks(venue, entry).any(|mark| mark == Mark::Closed)
    }
    /// Why this entry's picture is not moved: one mark for each image of it in the venue that still stands so.
    pub fn marks(&self, venue: VenueId, entry: &str) -> impl Iterator<Item = Mark> {
        let plans = self.venue(venue).map_or(&[][..], |plans| plans.all());
        let images = plans.iter().filter_map(|seq| self.plan(*seq)).flat_map(|plan| &plan.images);
        let picture = apply::picture(entry);
        images
            .filter(move |image| image.is_current && image.picture == picture)
            .filter_map(|image| image.mark)
    }
    /// Whether a plan's venue failed as a whole, or something of it could not become an entry, and that stands still: no
    /// later plan of the same kind has named the venue, and the `populate` was not taken back. What another kind of run
    /// does there settles nothing of it.
    pub fn stands_failed(&self, planned: Seq) -> bool {
        let Some(plan) = self.plan(planned).filter(|plan| plan.whole == Whole::Failed) else { return false };
        let kind = std::mem::discriminant(&plan.aim);
        let later = self.venue(plan.venue).map_or(&[][..], VenuePlans::all).iter().rev();
        let later = later.take_while(|seq| **seq > planned).filter_map(|seq| self.plan(*seq));
        let mut again = later.filter(|later| std::mem::discriminant(&later.aim) == kind);
        let is_taken_back = |(_, run): (RunId, &Run)| {
            run.started.verb == Verb::Rollback && run.started.scope == Scope::Run(plan.run)
        };
        let is_undone = || plan.aim == Aim::Add && self.runs().any(is_taken_back);
        again.next().is_none() && !is_undone()
    }
    /// The plans of a venue that failed as a whole and stand so, newest first.
    pub fn failed_whole(&self, venue: VenueId) -> impl Iterator<Item = Seq> {
        let plans = self.venue(venue).map_or(&[][..], VenuePlans::all).iter().rev().copied();
        plans.filter(|seq| self.stands_failed(*seq))
    }
    /// Whether a person decided to leave a venue that failed as a whole, and nobody has taken it up since.
    pub fn is_closed_whole(&self, venue: VenueId) -> bool {
        let last = self.venue(venue).and_then(VenuePlans::last).and_then(|seq| self.plan(seq));
        last.is_some_and(|plan| plan.whole == Whole::Closed)
    }
    /// The run that has migrated the picture of an added entry, while its file is in the row.
    pub fn migrated_by(&self, added: ImageId) -> Option<RunId> {
        let (plan, image) = (self.plan(added.planned)?, self.image(added).filter(|image| image.is_added)?);
        let plans = self.venue(plan.venue)?.all().iter().filter_map(|seq| self.plan(*seq));
        let mut forward = plans.filter(|plan| plan.aim == Aim::Forward);
        let has_it = |of: &Image| of.picture == image.picture && of.rung == Rung::DbUpdated;
        Some(forward.find(|plan| plan.images.iter().any(has_it))?.run)
    }
    /// Whether a run forward took up the picture of an added entry, and did not put it back since.
    pub fn is_taken_up(&self, added: ImageId) -> bool {
        let (Some(plan), Some(image)) = (self.plan(added.planned), self.image(added)) else { return false };
        let plans = self.venue(plan.venue).map_or(&[][..], |plans| plans.all()).iter();
        let mut forward = plans.filter_map(|seq| self.plan(*seq)).filter(|plan| plan.aim == Aim::Forward);
        let speaks = |of: &Image| of.picture == image.picture && of.is_current && of.rung != Rung::RolledBack;
        forward.any(|plan| plan.images.iter().any(speaks))
    }
    /// Whether a later `populate` added the picture of an added entry anew. It found the picture nowhere in the row, so
    /// nothing of the earlier entry is there to be taken back, and what is there is the later one's.
    pub fn is_added_anew(&self, added: ImageId) -> bool {
        let (Some(plan), Some(image)) = (self.plan(added.planned), self.image(added)) else { return false };
        let plans = self.venue(plan.venue).map_or(&[][..], |plans| plans.all()).iter();
        let later = plans.filter(|seq| **seq > added.planned).filter_map(|seq| self.plan(*seq));
        let mut later = later.filter(|plan| image.is_added && plan.aim == Aim::Add);
        later.any(|plan| plan.images.iter().any(|of| of.picture == image.picture))
    }
    /// Whether nothing of an image that was never known to be in its row need be there, by what this ledger did since: a
    /// later image has taken its picture over and has the entry, or the rollback of a `populate` named the entry and did not
    /// find it changed. That one may have taken it out and died before saying so.
    pub fn may_be_gone(&self, id: ImageId) -> bool {
        let (Some(plan), Some(image)) = (self.plan(id.planned), self.image(id)) else { return false };
        let plans = self.venue(plan.venue).map_or(&[][..], |plans| plans.all()).iter();
        let mut later = plans.filter(|seq| **seq > id.planned).filter_map(|seq| self.plan(*seq));
        let has_it = |of: &Image| of.picture == image.picture && of.rung == Rung::DbUpdated;
        let is_left = |of: &Image| of.mark == Some(Mark::Drifted);
        let was_it = |of: &Image| of.is_added && of.picture == image.picture && !is_left(of);
        later.any(|plan| match &plan.aim {
            Aim::Forward => !image.is_current && plan.images.iter().any(has_it),
            Aim::Back(images) => images.iter().filter_map(|id| self.image(*id)).any(was_it),
            Aim::Add => false,
        })
    }
    /// The `uploaded`s by which an image's row may have got another entry than its last one makes, without a word of it: its
    /// own earlier ones, and those of older images of its picture that were never known to be in the row.
    pub fn earlier_uploads(&self, id: ImageId) -> Vec<Seq> {
        let (Some(plan), Some(image)) = (self.plan(id.planned), self.image(id)) else { return Vec::new() };
        let own = |id: &ImageId| self.earlier.get(id).into_iter().flatten().copied();
        let plans = self.venue(plan.venue).map_or(&[][..], |plans| plans.all()).iter();
        let older = plans.copied().take_while(|seq| *seq < id.planned);
        let older =
            older.filter_map(|seq| Some((seq, self.plan(seq)?))).flat_map(|(seq, plan)| plan.ids(seq));
        let is_it = |of: &Image| of.picture == image.picture && of.rung == Rung::Uploaded;
        let of_older = older.filter(|(_, of)| is_it(of));
        own(&id).chain(of_older.flat_map(|(id, of)| own(&id).chain(of.uploaded))).collect()
    }
    /// How many images stand on each rung, over all runs.
    pub fn rungs(&self) -> Rungs {
        self.rungs
    }
    /// The state, asserted: what a `checkpoint` says here.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            rungs: self.rungs,
            digest_version: DIGEST_VERSION,
            digest: format!("{:032x}", self.digest),
        }
    }

    /// Whether nothing is left to be done for a plan: settled, or the venue belongs to another by now.
    pub fn is_over(&self, planned: Seq) -> bool {
        !self.is_last(planned) || self.plan(planned).is_none_or(Plan::is_settled)
    }

    /// What became of a run's images.
    pub fn tally(&self, run: RunId) -> Tally {
        let mut tally = Tally::default();
        let plans = self.run(run).map_or(&[][..], |run| run.plans());
        for plan in plans.iter().filter_map(|seq| self.plan(*seq)) {
            tally.venues += 1;
            tally.venues_failed += u64::from(plan.whole == Whole::Failed && plan.left_out == 0);
            tally.left_out += u64::from(plan.left_out);
            match &plan.aim {
                Aim::Forward | Aim::Add => {
                    plan.images.iter().for_each(|image| image.count_forward(&mut tally))
                }
                Aim::Back(images) => {
                    let images = images.iter().filter_map(|image| self.image(*image));
                    images.for_each(|image| image.count_back(plan.whole, &mut tally));
                }
            }
        }
        tally
    }
}

impl Plan {
    /// Whether nothing is left to be done for it.
    pub fn is_settled(&self) -> bool {
        match self.aim {
            Aim::Forward | Aim::Add => self.open == 0,
            Aim::Back(_) => self.whole != Whole::Open,
        }
    }
    /// Whether its row is to be written next: nothing of it has to be downloaded, uploaded or looked at again before.
    /// `since` is where its run was last started or resumed.
    pub fn is_row_due(&self, since: Seq) -> bool {
        match self.aim {
            Aim::Forward => self.open > 0 && self.open == self.ready && self.ready_since == since,
            Aim::Add => self.open > 0,
            Aim::Back(_) => self.whole == Whole::Open,
        }
    }
    /// The ids of its own images.
    pub fn ids(&self, planned: Seq) -> impl Iterator<Item = (ImageId, &Image)> {
        (0..).zip(&self.images).map(move |(index, image)| (ImageId { planned, index }, image))
    }
}

impl Rungs {
    fn of(&mut self, rung: Rung) -> &mut u64 {
        match rung {
            Rung::Planned => &mut self.planned,
            Rung::Downloaded => &mut self.downloaded,
            Rung::Uploaded => &mut self.uploaded,
            Rung::DbUpdated => &mut self.db_updated,
            Rung::RolledBack => &mut self.rolled_back,
        }
    }
}
