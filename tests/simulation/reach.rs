//! How far a run may reach: its scope, its limit, and what a later rollback took back.

use std::collections::{BTreeMap, BTreeSet};

use ledger::event::{Event, Planned, Record, RunStarted, Scope, Verb, Work};
use ledger::ids::{RunId, VenueId};

use super::process::Process;
use super::world::Inner;

/// What a ledger tells of its runs.
#[derive(Default)]
pub struct Reach {
    started: BTreeMap<RunId, RunStarted>,
    finished: BTreeSet<RunId>,
    /// Where each venue was when a run planned to move its pictures.
    planned: BTreeMap<(RunId, VenueId), Where>,
    /// The last rollback that took each venue from the runs before it.
    taken: BTreeMap<VenueId, RunId>,
}

struct Where {
    city: Option<i64>,
    country: Option<String>,
}

impl Where {
    fn of(event: &Planned) -> Self {
        let country = event.country.as_ref().map(|country| country.code.clone());
        Self { city: event.city.as_ref().map(|city| city.id), country }
    }

    fn is_in(&self, run: RunId, venue: VenueId, scope: &Scope) -> bool {
        match scope {
            Scope::Country(of) => self.country.as_ref() == Some(&of.code),
            Scope::City { city, .. } => self.city == Some(city.id),
            Scope::Venue { venue: of, .. } => venue == *of,
            Scope::Run(of) => run == *of,
            Scope::Everywhere => true,
        }
    }
}

impl Reach {
    /// Notes what an event of a ledger tells.
    pub fn note(&mut self, record: &Record) {
        let Some(run) = record.run else { return };
        match &record.event {
            Event::RunStarted(e) => drop(self.started.insert(run, e.clone())),
            Event::RunFinished(_) => drop(self.finished.insert(run)),
            Event::Resumed(_) => drop(self.finished.remove(&run)),
            Event::Planned(e) => match e.work {
                Work::TakeBack(_) => drop(self.taken.insert(e.venue, run)),
                Work::Move(_) => drop(self.planned.insert((run, e.venue), Where::of(e))),
                Work::Add(_) => {}
            },
            // What it need not visit is taken back as well, where a run before it has still to come to it.
            Event::PlanningDone(_) => {
                let Some(RunStarted { verb: Verb::Rollback, scope, .. }) = self.started.get(&run) else {
                    return;
                };
                let open =
                    self.planned.iter().filter(|((of, _), _)| *of < run && !self.finished.contains(of));
                let taken = open.filter(|((of, venue), there)| there.is_in(*of, *venue, scope));
                self.taken.extend(taken.map(|((_, venue), _)| (*venue, run)));
            }
            _ => {}
        }
    }

    /// The rollback that took a venue from a migration since.
    fn taken_from(&self, run: RunId, venue: VenueId) -> Option<RunId> {
        let is_migration = self.started.get(&run).is_some_and(|of| of.verb == Verb::Migrate);
        self.taken.get(&venue).copied().filter(|taken| is_migration && *taken > run)
    }

    /// The last migration that planned to move pictures of a venue, and that a rollback has taken it from.
    pub fn rolled_back(&self, venue: VenueId) -> Option<RunId> {
        let mut runs = self.planned.keys().filter(|(_, of)| *of == venue).map(|(run, _)| *run);
        runs.rfind(|run| self.taken_from(*run, venue).is_some())
    }

    /// What is wrong with a run's planning of a venue.
    fn planned_wrongly(&self, run: RunId, event: &Planned, limit: Option<u64>) -> Option<String> {
        let venues = self.planned.keys().filter(|(of, _)| *of == run).count() as u64;
        if limit.is_some_and(|limit| venues > limit) {
            return Some(format!("run {run} may move {limit:?} venues, and takes {venues}"));
        }
        let is_migration = self.started.get(&run).is_some_and(|of| of.verb == Verb::Migrate);
        let there = Where::of(event);
        let mut later = self.started.iter().filter(|(by, of)| **by > run && of.verb == Verb::Rollback);
        let (by, _) = later.find(|(_, of)| is_migration && there.is_in(run, event.venue, &of.scope))?;
        Some(format!("run {run} plans venue {}, which run {by} has rolled back", event.venue))
    }
}

/// What the command of a process is limited to.
#[derive(Default)]
pub struct Bounds {
    scope: Option<Scope>,
    /// So many venues.
    limit: Option<u64>,
    /// The run that the process is about.
    run: Option<RunId>,
}

/// A process takes a scope, and so many venues of it.
pub fn takes(world: &mut Inner, process: u64, scope: &Scope, limit: Option<u64>) {
    world.notes(process).bounds = Bounds { scope: Some(scope.clone()), limit, run: None };
}

/// It goes on with a run, where it does not begin one.
pub fn goes_on(world: &mut Inner, process: u64, run: RunId) {
    world.notes(process).bounds.run = Some(run);
}

/// A run of a process has appended events.
pub fn appended(world: &mut Inner, by: &Process, records: &[Record]) {
    for record in records {
        let bounds = &mut world.notes(by.number).bounds;
        bounds.run = record.run.or(bounds.run);
        let limit = bounds.limit;
        if let (Some(run), Event::Planned(event)) = (record.run, &record.event)
            && let Work::Move(_) = event.work
            && let Some(wrong) = world.books[by.ledger].reach.planned_wrongly(run, event, limit)
        {
            world.break_promise(wrong);
        }
    }
}

/// Longshore is about to ask for a row to be written.
pub fn sends_row(world: &mut Inner, by: &Process, id: i64) {
    let countries = world.database(by.ledger).countries_of(id);
    let row = world.database(by.ledger).rows.get(&id);
    let has_been = |city: i64| row.is_some_and(|row| row.been.contains(&Some(city)));
    let Some(Bounds { scope, run, .. }) = world.notes.get(&by.number).map(|notes| &notes.bounds) else {
        return;
    };
    let reach = &world.books[by.ledger].reach;
    let venue = VenueId(id);
    let is_within = match scope {
        Some(Scope::Country(country)) => countries.contains(&country.code.as_str()),
        Some(Scope::City { city, .. }) => has_been(city.id),
        Some(Scope::Venue { venue: of, .. }) => venue == *of,
        Some(Scope::Run(_) | Scope::Everywhere) | None => true,
    };
    let taken = run.and_then(|run| Some((run, reach.taken_from(run, venue)?)));
    if !is_within {
        let wrong = format!("row {id} was never in {scope:?}, and process {} writes it", by.number);
        world.break_promise(wrong);
    } else if let Some((run, by)) = taken {
        world.break_promise(format!("run {run} writes row {id}, which run {by} has rolled back"));
    }
}
