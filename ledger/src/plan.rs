//! State to next steps. Nothing here is remembered between two processes: an agenda made from a replayed state goes
//! on where the last one was cut off.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::event::{Scope, Verb};
use crate::ids::{ImageId, RunId, Seq, VenueId};
use crate::state::{Aim, Image, Mark, PathKey, Plan, Rung, State, Whole};

/// Something to be done in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Origin to spool.
    Download(ImageId),
    /// Spool to CDN.
    Upload(ImageId),
    /// After-images into the row of this plan.
    UpdateRow(Seq),
    /// Before-images into the row of this plan.
    RestoreRow(Seq),
}

impl Step {
    /// The plan it belongs to.
    pub fn planned(self) -> Seq {
        match self {
            Self::Download(image) | Self::Upload(image) => image.planned,
            Self::UpdateRow(planned) | Self::RestoreRow(planned) => planned,
        }
    }
}

/// What can be done next for a plan, all of it at once. A file that was uploaded before its run was last started or resumed
/// is looked at again, which is an `Upload`, before the row may point at it.
pub fn plan(state: &State, planned: Seq) -> Vec<Step> {
    let Some(plan) = state.plan(planned) else { return Vec::new() };
    let since = going_since(state, plan);
    match plan.aim {
        Aim::Back(_) if plan.is_row_due(since) => vec![Step::RestoreRow(planned)],
        Aim::Forward | Aim::Add if plan.is_row_due(since) => vec![Step::UpdateRow(planned)],
        Aim::Forward => plan.ids(planned).filter_map(|(id, image)| plan_image(id, image, since)).collect(),
        Aim::Back(_) | Aim::Add => Vec::new(),
    }
}

fn going_since(state: &State, plan: &Plan) -> Seq {
    state.run(plan.run).expect("a plan belongs to a run").going_since
}

fn plan_image(id: ImageId, image: &Image, since: Seq) -> Option<Step> {
    match (image.mark, image.rung) {
        (None, Rung::Planned) => Some(Step::Download(id)),
        (None, Rung::Downloaded) => Some(Step::Upload(id)),
        _ if image.is_stale(since) => Some(Step::Upload(id)),
        _ => None,
    }
}

/// The steps of one run, handed out as there is room. Constant work a step over the whole run, however long it is.
#[derive(Debug)]
pub struct Agenda {
    run: RunId,
    /// How many of the run's plans were opened.
    opened: usize,
    ready: VecDeque<Step>,
    in_air: HashSet<Step>,
    /// Steps whose part of the outside may be away: tried again when no other is left.
    deferred: VecDeque<Step>,
    /// Uploads waiting for another of the same path: the second is decided from the first.
    parked: HashMap<PathKey, Vec<Step>>,
    /// Rows that are ready or in the air: when a venue's last images settle together, each of them leads to its row.
    rows: HashSet<Seq>,
}

impl Agenda {
    /// The agenda of a run whose venues are all planned, for as long as it goes on without being resumed.
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            opened: 0,
            ready: VecDeque::new(),
            in_air: HashSet::new(),
            deferred: VecDeque::new(),
            parked: HashMap::new(),
            rows: HashSet::new(),
        }
    }

    /// Steps handed out and not yet settled.
    pub fn in_air(&self) -> usize {
        self.in_air.len()
    }

    /// The next step, unless everything left waits for what is in the air.
    pub fn take(&mut self, state: &State) -> Option<Step> {
        loop {
            let Some(step) = self.ready.pop_front() else {
                match state.run(self.run)?.plans().get(self.opened) {
                    Some(planned) => {
                        self.opened += 1;
                        self.open(state, *planned);
                    }
                    None => self.ready.push_back(self.deferred.pop_front()?),
                }
                continue;
            };
            if let Some(path) = upload_path(state, step) {
                if let Some(waiting) = self.parked.get_mut(&path) {
                    waiting.push(step);
                    continue;
                }
                self.parked.insert(path, Vec::new());
            }
            self.in_air.insert(step);
            return Some(step);
        }
    }

    /// Takes note that a step was tried and is to be tried again after all others.
    pub fn defer(&mut self, step: Step, path: Option<PathKey>) {
        self.land(step, path);
        self.deferred.push_back(step);
    }

    /// Takes up again what was deferred: a part of the outside has answered.
    pub fn recall(&mut self) {
        self.ready.extend(self.deferred.drain(..));
    }

    fn land(&mut self, step: Step, path: Option<PathKey>) {
        self.in_air.remove(&step);
        for waiting in path.and_then(|path| self.parked.remove(&path)).into_iter().flatten().rev() {
            self.ready.push_front(waiting);
        }
    }

    /// Takes note that the outcome of a step is in the ledger, and what follows from it.
    pub fn settle(&mut self, state: &State, step: Step, path: Option<PathKey>) {
        self.land(step, path);
        let planned = step.planned();
        if let Step::UpdateRow(_) = step {
            // Nothing of the venue is in the air any more that could lead to its row again.
            self.rows.remove(&planned);
        }
        if state.is_over(planned) {
            return;
        }
        let Some(venue) = state.plan(planned) else { return };
        let since = going_since(state, venue);
        match step {
            Step::Download(id) | Step::Upload(id) => {
                let image = venue.images.get(id.index as usize);
                match image.and_then(|image| plan_image(id, image, since)) {
                    Some(next) => self.ready.push_front(next),
                    None if venue.is_row_due(since) && self.rows.insert(planned) => {
                        self.ready.push_front(Step::UpdateRow(planned));
                    }
                    None => {}
                }
            }
            // Given up before anything came of it: it is due as before.
            Step::UpdateRow(_) if venue.is_row_due(since) => {
                self.rows.insert(planned);
                self.ready.push_front(step);
            }
            Step::RestoreRow(_) if venue.is_row_due(since) => self.ready.push_front(step),
            Step::UpdateRow(_) | Step::RestoreRow(_) => {}
        }
    }

    fn open(&mut self, state: &State, planned: Seq) {
        if !state.is_over(planned) {
            self.ready.extend(plan(state, planned));
        }
    }
}

/// Whether an image's next step is its upload.
pub fn is_upload_due(state: &State, image: ImageId) -> bool {
    let plan = state.plan(image.planned);
    let step = plan.and_then(|plan| plan_image(image, state.image(image)?, going_since(state, plan)));
    step == Some(Step::Upload(image))
}

/// Where an upload goes; `None` for the other steps.
pub fn upload_path(state: &State, step: Step) -> Option<PathKey> {
    match step {
        Step::Upload(image) => state.image(image)?.path,
        _ => None,
    }
}

/// Whether a plan lies in a scope, by the place its venue had then.
pub fn is_within(state: &State, plan: &Plan, scope: &Scope) -> bool {
    let place = state.place(plan);
    match scope {
        Scope::Country(wanted) => place.country.as_ref().is_some_and(|country| country.code == wanted.code),
        Scope::City { city: wanted, .. } => place.city.as_ref().is_some_and(|city| city.id == wanted.id),
        Scope::Venue { venue, .. } => plan.venue == *venue,
        Scope::Run(run) => plan.run == *run,
        Scope::Everywhere => true,
    }
}

/// What a rollback of a scope visits, by venue: every image that reached the CDN and is not rolled back, the newest
/// plan's first (of a `populate`, which only its own run's number names, every entry that it planned and that no later
/// one added anew); and, without any image, the venues that an unfinished run has still to settle, so that they no
/// longer belong to it and it is not resumed over the rollback.
///
/// Left out is what drifted before it was ever in the row and whose picture a later plan took over: there is nothing
/// of it to take back, and it would be reported again by every rollback for ever.
pub fn take_backs(state: &State, scope: &Scope) -> BTreeMap<VenueId, Vec<ImageId>> {
    let mut venues: BTreeMap<VenueId, Vec<ImageId>> = BTreeMap::new();
    let is_named = |plan: &Plan| plan.aim != Aim::Add || matches!(scope, Scope::Run(_));
    let plans = state.plans().filter(|(_, plan)| is_named(plan) && is_within(state, plan, scope));
    let mut plans: Vec<_> = plans.collect();
    plans.reverse();
    for (planned, plan) in plans {
        let is_left = |image: &Image| !image.is_current && image.mark == Some(Mark::Drifted);
        let reached = plan.ids(planned).filter(|(_, image)| image.is_to_take_back() && !is_left(image));
        let mut reached = reached.map(|(id, _)| id).filter(|id| !state.is_added_anew(*id)).peekable();
        let is_open = !matches!(plan.aim, Aim::Back(_)) && is_held(state, planned);
        if reached.peek().is_some() || is_open {
            venues.entry(plan.venue).or_default().extend(reached);
        }
    }
    venues
}

/// Whether a plan's venue waits for an unfinished run to settle it.
pub fn is_held(state: &State, planned: Seq) -> bool {
    let run = state.plan(planned).and_then(|plan| state.run(plan.run));
    run.is_some_and(|run| !run.is_finished()) && !state.is_over(planned)
}

/// Whether an earlier run left images of a venue failed, skipped or drifted: with a limit, such venues come last.
pub fn is_troubled(state: &State, venue: VenueId) -> bool {
    let plans = state.venue(venue).map_or(&[][..], |plans| plans.all()).iter();
    let forward = plans.filter_map(|planned| state.plan(*planned)).filter(|plan| plan.aim == Aim::Forward);
    forward.flat_map(|plan| &plan.images).any(|image| {
        image.is_current && matches!(image.mark, Some(Mark::Failed(_) | Mark::Skipped(_) | Mark::Drifted))
    })
}

/// The images of a plan that wait for a person, or for an unfinished run: what a person may decide to leave.
pub fn waiting(state: &State, planned: Seq) -> Vec<ImageId> {
    let Some(plan) = state.plan(planned) else { return Vec::new() };
    let is_open = state.run(plan.run).is_some_and(|run| !run.is_finished()) && state.is_last(planned);
    let waits = |image: &Image| match image.mark {
        Some(Mark::Failed(_) | Mark::Skipped(_) | Mark::Drifted) => image.is_current,
        Some(Mark::Closed) => false,
        None => is_open && image.rung < Rung::DbUpdated,
    };
    plan.ids(planned).filter(|(_, image)| waits(image)).map(|(id, _)| id).collect()
}

/// Of images that a person leaves, those that their row may hold though no event tells so: those of one plan together, the
/// newest plan first, as what taking a newer one back leaves is where an older one is looked for.
pub fn untold(state: &State, images: &[ImageId]) -> Vec<Vec<ImageId>> {
    let mut plans: BTreeMap<Seq, Vec<ImageId>> = BTreeMap::new();
    let may = |id: &&ImageId| state.image(**id).is_some_and(Image::may_be_in_row);
    images.iter().filter(may).for_each(|id| plans.entry(id.planned).or_default().push(*id));
    plans.into_values().rev().collect()
}

/// The runs in which a venue waits for a person as a whole, the newest first, as they are closed.
pub fn waiting_whole(state: &State, venue: VenueId) -> Vec<RunId> {
    state.failed_whole(venue).filter_map(|planned| state.plan(planned)).map(|plan| plan.run).collect()
}

/// The unfinished runs that hold something of a scope: an unsettled venue in it (a rollback, which may still have
/// files to delete, all its venues) or, while they still plan, a place in the same country; a rollback of a run, while
/// it plans, holds all that this run named.
pub fn holders(state: &State, scope: &Scope) -> Vec<RunId> {
    let holds = |(id, run): &(RunId, &crate::state::Run)| {
        let mut plans = run.plans().iter().filter_map(|planned| Some((*planned, state.plan(*planned)?)));
        let is_back = run.started.verb == Verb::Rollback;
        let has = |seq| if is_back { state.is_last(seq) } else { !state.is_over(seq) };
        let is_open = plans.any(|(seq, plan)| has(seq) && is_within(state, plan, scope));
        let is_planning = !run.is_planned
            && match &run.started.scope {
                Scope::Run(of) => {
                    state.plans().any(|(_, plan)| plan.run == *of && is_within(state, plan, scope))
                }
                Scope::Everywhere => true,
                place => *scope == Scope::Everywhere || country(place) == country(scope),
            };
        is_open || is_planning || *scope == Scope::Run(*id)
    };
    state.unfinished().filter(holds).map(|(id, _)| id).collect()
}

/// The ISO code of the country a scope lies in; `None` for a venue without one, and for a run.
pub fn country(scope: &Scope) -> Option<&str> {
    match scope {
        Scope::Country(country) => Some(&country.code),
        Scope::City { country, .. } | Scope::Venue { country, .. } => {
            country.as_ref().map(|country| country.code.as_str())
        }
        Scope::Run(_) | Scope::Everywhere => None,
    }
}

/// What of a run failed and can be taken up again by it: its images, and the venues that it could not restore. What a
/// later run has named, or a later rollback has taken back with its place, is that one's matter.
pub fn retryable(state: &State, run: RunId) -> (Vec<ImageId>, Vec<VenueId>) {
    let (mut images, mut venues) = (Vec::new(), Vec::new());
    let Some(of) = state.run(run) else { return (images, venues) };
    let later: Vec<&Scope> = state
        .runs()
        .filter(|(id, later)| *id > run && later.started.verb == Verb::Rollback)
        .map(|(_, later)| &later.started.scope)
        .collect();
    for planned in of.plans().iter().copied().filter(|planned| state.is_last(*planned)) {
        let Some(plan) = state.plan(planned) else { continue };
        if later.iter().any(|scope| is_within(state, plan, scope)) {
            continue;
        }
        let failed = plan.ids(planned).filter(|(_, image)| matches!(image.mark, Some(Mark::Failed(_))));
        images.extend(failed.map(|(id, _)| id));
        if matches!(plan.aim, Aim::Back(_)) && plan.whole == Whole::Failed {
            venues.push(plan.venue);
        }
    }
    (images, venues)
}

/// The files that the images of a scope have and that no image of any run needs: what its rollback leaves without a
/// use, and what earlier ones left, so that a rollback that was closed half-way can be repeated. Each once, by the last
/// `uploaded` that speaks of it.
pub fn deletable(state: &State, scope: &Scope) -> Vec<Seq> {
    let plans = state.plans().filter(|(_, plan)| is_within(state, plan, scope));
    let paths = plans.flat_map(|(_, plan)| &plan.images).filter_map(|image| image.path);
    let mut files: Vec<Seq> =
        paths.filter(|path| state.users_of(*path) == 0).filter_map(|path| state.file_at(path)).collect();
    files.sort();
    files.dedup();
    files
}

/// The images of an unfinished run whose rows may hold more than the ledger knows: a row may have been written, and its
/// event not. Each with its venue, where no later run has named that.
fn unsettled(state: &State, run: RunId) -> impl Iterator<Item = (VenueId, ImageId)> {
    let plans = state.run(run).map_or(&[][..], |run| run.plans()).iter().copied();
    let held = plans.filter(|planned| is_held(state, *planned)).filter_map(|planned| {
        let plan = state.plan(planned)?;
        let own = plan.ids(planned).filter(|(_, image)| image.may_be_in_row());
        let back = match &plan.aim {
            Aim::Back(images) => &images[..],
            Aim::Forward | Aim::Add => &[],
        };
        let back = back.iter().copied().filter(|id| state.image(*id).is_some_and(Image::is_to_take_back));
        Some(own.map(|(id, _)| id).chain(back).map(|id| (plan.venue, id)))
    });
    held.flatten()
}

/// The unfinished runs that keep a scope from being rolled back: they may have written rows that the rollback visits, which
/// the ledger does not know of, and which the rollback would not take back.
pub fn in_the_way(state: &State, scope: &Scope) -> Vec<RunId> {
    let visits = take_backs(state, scope);
    let is_missed = |(venue, image): (VenueId, ImageId)| {
        visits.get(&venue).is_some_and(|images| !images.contains(&image))
    };
    let unfinished = state.unfinished().map(|(id, _)| id);
    unfinished.filter(|run| unsettled(state, *run).any(is_missed)).collect()
}

/// Whether an unfinished run lies wholly inside the scope of a rollback, which then takes it over: what the run may have
/// written without its event is taken back with the rest.
pub fn is_taken_over(state: &State, run: RunId, scope: &Scope) -> bool {
    let Some(of) = state.run(run) else { return false };
    // A place is rolled back to what it was before `migrate`; a `populate` goes on, or back by its own number.
    if of.started.verb == Verb::Populate && *scope != Scope::Run(run) {
        return false;
    }
    // Nor has a rollback anything to take back by its own number: closed, it would leave the rows that it had not come to.
    if of.started.verb == Verb::Rollback && *scope == Scope::Run(run) {
        return false;
    }
    let visits = take_backs(state, scope);
    let is_visited =
        |(venue, image): (VenueId, ImageId)| visits.get(&venue).is_some_and(|images| images.contains(&image));
    if !unsettled(state, run).all(is_visited) {
        return false;
    }
    let named_by = |run: RunId| state.plans().filter(move |(_, plan)| plan.run == run);
    let is_contained = match (scope, &of.started.scope) {
        (Scope::Run(outer), inner) => *outer == run || *inner == *scope,
        // The rollback of a run, cut off while it planned: it would visit what that run named.
        (_, Scope::Run(inner)) => {
            named_by(*inner).count() > 0 && named_by(*inner).all(|(_, plan)| is_within(state, plan, scope))
        }
        (Scope::Country(outer), inner) => country(inner) == Some(&outer.code),
        (Scope::City { city: outer, .. }, Scope::City { city: inner, .. }) => outer.id == inner.id,
        (Scope::Venue { venue: outer, .. }, Scope::Venue { venue: inner, .. }) => outer == inner,
        _ => false,
    };
    let is_inside = |planned: &Seq| state.plan(*planned).is_some_and(|plan| is_within(state, plan, scope));
    is_contained || (of.is_planned && !of.plans().is_empty() && of.plans().iter().all(is_inside))
}
