//! Where every image stands.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::{Added, added};
use crate::event::{PauseReason, Scope, Verb};
use crate::ids::{RunId, VenueId};
use crate::state::{Aim, Image, Mark, Plan, RunStatus, Rung, State};
use crate::timestamp::Timestamp;

/// Images by where they stand. A picture that a later plan took over counts there alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In the row.
    pub completed: u64,
    /// In an unfinished run.
    pub in_progress: u64,
    /// Failed.
    pub failed: u64,
    /// Skipped by the program.
    pub skipped: u64,
    /// Changed by someone else.
    pub drifted: u64,
    /// Closed by a person.
    pub closed: u64,
    /// Back as they were.
    pub rolled_back: u64,
    /// Planned by a run that a rollback closed before it came to them.
    pub untouched: u64,
}

impl Counts {
    pub(super) fn add(&mut self, state: &State, plan: &Plan, image: &Image) {
        let run = state.run(plan.run);
        let is_open = run.is_some_and(|run| !run.is_finished());
        *match (image.mark, image.rung) {
            (Some(Mark::Failed(_)), _) => &mut self.failed,
            (Some(Mark::Skipped(_)), _) => &mut self.skipped,
            (Some(Mark::Drifted), _) => &mut self.drifted,
            (Some(Mark::Closed), _) => &mut self.closed,
            (None, Rung::DbUpdated) => &mut self.completed,
            (None, Rung::RolledBack) => &mut self.rolled_back,
            (None, _) if is_open => &mut self.in_progress,
            (None, _) => &mut self.untouched,
        } += 1;
    }
    /// All of them together.
    pub fn images(&self) -> u64 {
        self.completed
            + self.in_progress
            + self.failed
            + self.skipped
            + self.drifted
            + self.closed
            + self.rolled_back
            + self.untouched
    }
}

/// One country's images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CountryStanding {
    /// The country's name; null for venues without one.
    pub country: Option<String>,
    /// Its ISO code.
    pub code: Option<String>,
    /// Venues that were ever planned.
    pub venues: u64,
    /// Their images.
    pub images: u64,
    /// Where those stand.
    pub counts: Counts,
}

/// A run that can go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnfinishedRun {
    /// Its number.
    pub run: RunId,
    /// Forward or back.
    pub verb: Verb,
    /// What it was asked to take.
    pub scope: Scope,
    /// When it was started.
    pub started_at: Timestamp,
    /// When anything of it was last written down.
    pub last_at: Timestamp,
    /// Why it paused; null when it runs, or was cut off.
    pub paused: Option<PauseReason>,
    /// Venues planned.
    pub venues: u64,
    /// Images planned.
    pub images: u64,
    /// Images settled, one way or another.
    pub settled: u64,
}

/// Images of one kind that wait for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The country's ISO code.
    pub code: Option<String>,
    /// `error_type`.
    pub error_type: &'static str,
    /// How many images; 0 for venues that failed as a whole without any.
    pub images: u64,
    /// In how many venues.
    pub venues: u64,
    /// One of them, to begin with.
    pub venue: VenueId,
}

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// A line a country, most images first.
    pub countries: Vec<CountryStanding>,
    /// All of them together.
    pub total: Counts,
    /// What `populate` added and is in the rows still.
    pub added: Vec<Added>,
    /// Runs that can go on.
    pub unfinished: Vec<UnfinishedRun>,
    /// What waits for a person.
    pub waiting: Vec<Waiting>,
}

/// Where everything stands in a state.
pub fn standing(state: &State) -> Standing {
    // By code: a country that was renamed, or planned before slugs were written down, is the same.
    let mut countries: BTreeMap<Option<&str>, CountryStanding> = BTreeMap::new();
    let mut waiting: BTreeMap<(Option<&str>, &'static str), Waiting> = BTreeMap::new();
    let mut waiting_venues: HashSet<(Option<&str>, &'static str, VenueId)> = HashSet::new();
    let mut total = Counts::default();
    let mut venues: BTreeMap<Option<&str>, HashSet<VenueId>> = BTreeMap::new();
    let forward = state.plans().filter(|(_, plan)| matches!(plan.aim, Aim::Forward | Aim::Add));
    for (planned, plan) in forward {
        let country = state.place(plan).country.as_ref();
        let code = country.map(|country| country.code.as_str());
        let line = countries.entry(code).or_insert_with(|| {
            let name = country.map(|country| country.name.clone());
            let counts = Counts::default();
            CountryStanding { country: name, code: code.map(str::to_owned), venues: 0, images: 0, counts }
        });
        let mut wait = |kind, images| {
            let entry = waiting.entry((code, kind)).or_insert_with(|| Waiting {
                code: code.map(str::to_owned),
                error_type: kind,
                images: 0,
                venues: 0,
                venue: plan.venue,
            });
            entry.venues += u64::from(waiting_venues.insert((code, kind, plan.venue)));
            entry.images += images;
        };
        // What a `populate` added is no image of ours yet, but it may wait for a person.
        let is_moved = plan.aim == Aim::Forward;
        for image in plan.images.iter().filter(|image| image.is_current) {
            if is_moved {
                line.counts.add(state, plan, image);
                total.add(state, plan, image);
            }
            match image.mark {
                Some(Mark::Failed(kind) | Mark::Skipped(kind)) => wait(kind.name(), 1),
                Some(Mark::Drifted) => wait("drifted", 1),
                _ => {}
            }
        }
        let is_bad = plan.left_out > 0 || plan.images.is_empty();
        if is_bad && state.stands_failed(planned) {
            wait("bad_data", 0);
        }
        if is_moved && plan.images.iter().any(|image| image.is_current) {
            venues.entry(code).or_default().insert(plan.venue);
        }
    }
    let lines = countries.into_iter().map(|(code, mut line)| {
        line.venues = venues.get(&code).map_or(0, |venues| venues.len() as u64);
        line.images = line.counts.images();
        line
    });
    let mut countries: Vec<_> = lines.filter(|line| line.images > 0).collect();
    countries.sort_by_key(|line| std::cmp::Reverse(line.images));
    Standing {
        countries,
        total,
        added: added(state, &Scope::Everywhere),
        unfinished: state.unfinished().map(|(id, _)| unfinished(state, id)).collect(),
        waiting: waiting.into_values().collect(),
    }
}

fn unfinished(state: &State, id: RunId) -> UnfinishedRun {
    let run = state.run(id).expect("the state just listed it");
    let tally = state.tally(id);
    UnfinishedRun {
        run: id,
        verb: run.started.verb,
        scope: run.started.scope.clone(),
        started_at: run.started_at,
        last_at: run.last_at,
        paused: match run.status {
            RunStatus::Paused(reason) => Some(reason),
            RunStatus::Going | RunStatus::Finished(_) => None,
        },
        venues: tally.venues,
        images: tally.images,
        settled: tally.images - tally.open,
    }
}
