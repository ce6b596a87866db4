//! The outside in miniature: rows and files, and what others do to them.

use std::collections::BTreeMap;

use ledger::event::{Closed, Ending, Event, Scope, Verb};
use ledger::ids::{CdnPath, FileId, RunId, VenueId};
use ledger::images::Array;
use ledger::plan::{holders, in_the_way, is_taken_over};
use ledger::state::Rung;

use super::story::{Act, Meddle, Story, Tape, Venue};
use crate::support::*;

/// A world and the ledger of what was done to it.
#[derive(Clone)]
pub struct World {
    pub history: History,
    pub venues: Vec<Venue>,
    /// Rows that exist, by venue id.
    pub rows: BTreeMap<i64, Option<String>>,
    pub cdn: BTreeMap<CdnPath, FileId>,
    /// How many files were ever stored.
    pub stored: usize,
    pub is_busy: bool,
}

impl World {
    pub fn new(story: &Story) -> Self {
        let rows = (1..).zip(&story.venues).map(|(id, venue)| (id, venue.row.clone())).collect();
        Self {
            history: History::new(),
            venues: story.venues.clone(),
            rows,
            cdn: BTreeMap::new(),
            stored: 0,
            is_busy: story.is_busy,
        }
    }

    /// The world after a story.
    pub fn after(story: &Story) -> Self {
        let mut world = Self::new(story);
        for act in &story.acts {
            world.act(act);
        }
        world
    }

    pub fn code(&self, venue: i64) -> Option<&'static str> {
        [Some("PL"), Some("FR"), None][self.venues[venue as usize - 1].country as usize]
    }

    /// Poland, France, their cities, or one venue.
    fn scope(&self, place: u8) -> Scope {
        match place % 8 {
            0..=2 => Scope::Country(country("PL")),
            3 => Scope::Country(country("FR")),
            4 => Scope::City { city: city(1), country: Some(country("PL")) },
            5 => Scope::City { city: city(2), country: Some(country("FR")) },
            _ => self.venue_scope(i64::from(place) % self.venues.len() as i64 + 1),
        }
    }

    fn venue_scope(&self, venue: i64) -> Scope {
        Scope::Venue { venue: VenueId(venue), country: self.code(venue).map(country) }
    }

    fn act(&mut self, act: &Act) {
        let tape = |bytes: &Vec<u8>| Tape(bytes.clone().into_iter());
        match act {
            Act::Migrate { place, limit, tape: bytes } => {
                let scope = self.scope(*place);
                self.migrate(&scope, *limit, &mut tape(bytes));
            }
            Act::Resume { tape: bytes } => {
                let unfinished = self.history.state.unfinished().map(|(run, _)| run).next();
                if let Some(run) = unfinished {
                    self.resume(run, &mut tape(bytes));
                }
            }
            Act::Populate { tape: bytes } => self.populate(&mut tape(bytes)),
            Act::Rollback { place, tape: bytes } => {
                let is_run = place % 4 == 3;
                let runs: Vec<RunId> = self.history.state.runs().map(|(run, _)| run).collect();
                let scope = match runs.get(*place as usize % runs.len().max(1)) {
                    Some(run) if is_run => Scope::Run(*run),
                    _ => self.scope(*place),
                };
                self.rollback(&scope, &mut tape(bytes));
            }
            Act::Skip { nth } => self.skip(*nth),
            Act::Meddle { venue, how } => self.meddle(i64::from(*venue) % self.venues.len() as i64 + 1, *how),
        }
    }

    fn skip(&mut self, nth: u8) {
        let plans =
            self.history.state.plans().flat_map(|(seq, plan)| plan.ids(seq).map(move |of| (plan, of)));
        let open: Vec<_> = plans
            .filter(|(_, (_, image))| image.rung < Rung::DbUpdated)
            .map(|(plan, (image, _))| (plan.run, plan.venue, image))
            .collect();
        let Some((run, venue, image)) = open.get(nth as usize % open.len().max(1)).copied() else { return };
        let closed = Closed { venue, image: Some(image), reason: "as asked".into(), operator: operator() };
        self.history.add(Some(run), Event::Closed(closed));
    }

    /// As the command does it: what an unfinished run holds is resumed first, an unfinished rollback refuses.
    fn migrate(&mut self, scope: &Scope, limit: Option<u64>, tape: &mut Tape) {
        for run in holders(&self.history.state, scope) {
            let is_forward = self.history.state.run(run).unwrap().started.verb == Verb::Migrate;
            if !is_forward || !self.resume(run, tape) {
                return;
            }
        }
        let run = self.history.start_with(Verb::Migrate, scope.clone(), limit);
        self.go_on(run, tape);
    }

    /// As the command does it: an unfinished populate goes on, any other run refuses it.
    fn populate(&mut self, tape: &mut Tape) {
        let state = &self.history.state;
        let held: Vec<_> = holders(state, &Scope::Everywhere);
        match held[..] {
            [] => {
                let run = self.history.start_with(Verb::Populate, Scope::Everywhere, None);
                self.go_on(run, tape);
            }
            [run] if state.run(run).unwrap().started.verb == Verb::Populate => {
                self.resume(run, tape);
            }
            _ => {}
        }
    }

    /// As the command does it: unfinished runs wholly inside are closed first; others that hold a venue of it refuse it.
    pub fn rollback(&mut self, scope: &Scope, tape: &mut Tape) {
        if !in_the_way(&self.history.state, scope).is_empty() {
            return;
        }
        let unfinished: Vec<RunId> = self.history.state.unfinished().map(|(run, _)| run).collect();
        let state = self.history.state.clone();
        for run in unfinished.into_iter().filter(|run| is_taken_over(&state, *run, scope)) {
            self.history.finish(run, Ending::Closed);
        }
        let run = self.history.start_with(Verb::Rollback, scope.clone(), None);
        self.go_on(run, tape);
    }

    /// Takes everything back, with nothing going wrong any more. What is in the way of that is finished first.
    pub fn roll_everything_back(&mut self) {
        let unfinished: Vec<RunId> = self.history.state.unfinished().map(|(run, _)| run).collect();
        for run in unfinished {
            let is_back = self.history.state.run(run).unwrap().started.verb != Verb::Migrate;
            if is_back {
                self.resume(run, &mut Tape::plain());
            }
        }
        for code in ["PL", "FR"] {
            self.rollback(&Scope::Country(country(code)), &mut Tape::plain());
        }
        for venue in 1..=self.venues.len() as i64 {
            if self.code(venue).is_none() {
                self.rollback(&self.venue_scope(venue), &mut Tape::plain());
            }
        }
        let populates = self.history.state.runs().filter(|(_, run)| run.started.verb == Verb::Populate);
        let populates: Vec<RunId> = populates.map(|(run, _)| run).collect();
        for run in populates.into_iter().rev() {
            self.rollback(&Scope::Run(run), &mut Tape::plain());
        }
    }

    /// Somebody at the media library deletes every other file that no row names.
    pub fn lose_files(&mut self) {
        let rows: String = self.rows.values().flatten().cloned().collect();
        let mut is_lost = false;
        self.cdn.retain(|_, id| {
            is_lost = !is_lost;
            !is_lost || rows.contains(&format!("\"{id}\""))
        });
    }

    pub fn meddle(&mut self, venue: i64, how: Meddle) {
        let first = self.venues[venue as usize - 1].row.clone();
        let Some(row) = self.rows.get_mut(&venue) else { return };
        let held = row.clone().unwrap_or_default();
        let elements: Vec<String> =
            Array::parse(&held).map_or(Vec::new(), |array| array.elements().map(str::to_owned).collect());
        let joined = |elements: &[String]| Some(format!("[{}]", elements.join(", ")));
        *row = match how {
            Meddle::ChangeOurs => Some(held.replacen("\"source\": \"trivia_", "\"source\": \"changed_", 1)),
            Meddle::RemoveFirst if !elements.is_empty() => joined(&elements[1..]),
            Meddle::RemoveFirst => return,
            Meddle::AppendTheirs => joined(&[&elements[..], &["{\"theirs\": 1.0}".to_owned()]].concat()),
            Meddle::AddKey => Some(held.replacen("{\"url\"", "{\"alt\": \"x\", \"url\"", 1)),
            Meddle::Reverse => joined(&elements.into_iter().rev().collect::<Vec<_>>()),
            Meddle::Reset => first,
            Meddle::Null => None,
            Meddle::NoArray => Some("7".into()),
            Meddle::Delete => {
                self.rows.remove(&venue);
                return;
            }
        };
    }
}
