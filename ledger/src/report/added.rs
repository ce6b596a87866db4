//! What stands in the rows because a `populate` put it there.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::event::Scope;
use crate::ids::{RunId, VenueId};
use crate::plan::is_within;
use crate::state::{Aim, Rung, State};
use crate::timestamp::Timestamp;

/// What one `populate` added and is in the rows still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Added {
    /// The run.
    pub run: RunId,
    /// What it was asked to take.
    pub scope: Scope,
    /// When it was started.
    pub started_at: Timestamp,
    /// Venues with such an image.
    pub venues: u64,
    /// Images that it added and that were not taken back.
    pub images: u64,
    /// Those of them that are external still and that no migration took up.
    pub waiting: u64,
}

/// What each `populate` added within a scope, the oldest run first.
pub fn added(state: &State, scope: &Scope) -> Vec<Added> {
    let mut runs: BTreeMap<RunId, Added> = BTreeMap::new();
    let mut seen: HashSet<(RunId, VenueId)> = HashSet::new();
    let plans = state.plans().filter(|(_, plan)| plan.aim == Aim::Add && is_within(state, plan, scope));
    for (planned, plan) in plans {
        let stands = plan.ids(planned).filter(|(_, image)| image.is_current && image.rung == Rung::DbUpdated);
        for (id, _) in stands {
            let run = state.run(plan.run).expect("a plan's run is in the state");
            let line = runs.entry(plan.run).or_insert_with(|| Added {
                run: plan.run,
                scope: run.started.scope.clone(),
                started_at: run.started_at,
                venues: 0,
                images: 0,
                waiting: 0,
            });
            line.venues += u64::from(seen.insert((plan.run, plan.venue)));
            line.images += 1;
            line.waiting += u64::from(!state.is_taken_up(id));
        }
    }
    runs.into_values().collect()
}
