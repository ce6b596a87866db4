//! Where in the ledger each venue's row changes lie, and who was at work: what audits and exports read by.
//!
//! Only seqs are kept, eight bytes a change. Texts are read again venue by venue, so that ten million images are never
//! in memory at once.

use std::collections::BTreeMap;

use crate::event::{Event, Operator, Placed, Scope};
use crate::ids::{RunId, Seq, VenueId};
use crate::plan::is_within;
use crate::state::{Plan, State};

/// One venue's `db_updated`, `rolled_back` and `drifted` events, of every run, oldest first.
#[derive(Debug, Default)]
struct Seqs {
    all: Vec<Seq>,
    is_named: bool,
}

/// The changes of rows, by venue.
#[derive(Debug)]
pub struct Trail<'a> {
    state: &'a State,
    scope: Scope,
    venues: BTreeMap<VenueId, Seqs>,
    operators: BTreeMap<RunId, Vec<(Seq, Operator)>>,
}

impl<'a> Trail<'a> {
    /// Begins with a state, for what was done in a scope.
    pub fn new(state: &'a State, scope: Scope) -> Self {
        Self { state, scope, venues: BTreeMap::new(), operators: BTreeMap::new() }
    }

    /// Takes in the next event.
    pub fn take(&mut self, (seq, record): &Placed) {
        let Some(run) = record.run else { return };
        let venue = match &record.event {
            Event::RunStarted(e) => return self.at_work(run, *seq, &e.operator),
            Event::Resumed(e) => return self.at_work(run, *seq, &e.operator),
            Event::DbUpdated(e) => e.venue,
            Event::RolledBack(e) => e.venue,
            Event::Drifted(e) => e.venue,
            _ => return,
        };
        let is_named = self.is_named(run, venue);
        let seqs = self.venues.entry(venue).or_default();
        seqs.all.push(*seq);
        seqs.is_named |= is_named;
    }

    fn at_work(&mut self, run: RunId, seq: Seq, operator: &Operator) {
        self.operators.entry(run).or_default().push((seq, operator.clone()));
    }

    /// The venues in which something was changed in the scope, in the order of their ids.
    pub fn venues(&self) -> impl Iterator<Item = VenueId> {
        self.venues.iter().filter(|(_, seqs)| seqs.is_named).map(|(venue, _)| *venue)
    }

    /// All that happened to a venue's row, in the scope or not, oldest first.
    pub fn of(&self, venue: VenueId) -> &[Seq] {
        self.venues.get(&venue).map_or(&[], |seqs| &seqs.all)
    }

    /// Whether a run's changes of a venue are in the scope.
    pub fn is_named(&self, run: RunId, venue: VenueId) -> bool {
        plan_of(self.state, run, venue).is_some_and(|(_, plan)| is_within(self.state, plan, &self.scope))
    }

    /// Who was at work: the operator who started the run, or who resumed it last before an event.
    pub(super) fn operator(&self, run: RunId, seq: Seq) -> Option<&Operator> {
        let all = self.operators.get(&run)?;
        all.iter().rev().find(|(since, _)| *since < seq).map(|(_, operator)| operator)
    }

    pub(super) fn state(&self) -> &'a State {
        self.state
    }
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }
}

/// The plan by which a run named a venue.
pub(super) fn plan_of(state: &State, run: RunId, venue: VenueId) -> Option<(Seq, &Plan)> {
    let mut plans = state.venue(venue)?.all().iter().filter_map(|seq| Some((*seq, state.plan(*seq)?)));
    plans.find(|(_, plan)| plan.run == run)
}
