//! One run: planned, turned, interrupted.

use std::collections::HashSet;

use ledger::decide::{Verdict, decide};
use ledger::event::*;
use ledger::ids::{RunId, VenueId};
use ledger::images::{movable, pictures};
use ledger::order::{Order, put_back};
use ledger::plan::{Agenda, Step, is_troubled, is_within, take_backs, upload_path};
use ledger::trouble::TroubleKind;

use super::World;
use super::story::Tape;
use crate::support::*;

const IN_AIR_MAX: usize = 3;

impl World {
    /// Goes on with an unfinished run; whether it is finished then.
    pub fn resume(&mut self, run: RunId, tape: &mut Tape) -> bool {
        let options = self.history.state.run(run).unwrap().options().clone();
        self.history.add(Some(run), resumed(options));
        self.go_on(run, tape)
    }

    /// Turns a run until it is finished, pauses, or is killed.
    pub fn go_on(&mut self, run: RunId, tape: &mut Tape) -> bool {
        (self.history.state.run(run).unwrap().is_planned || self.plan(run, tape)) && self.turn(run, tape)
    }

    fn plan(&mut self, run: RunId, tape: &mut Tape) -> bool {
        let of = self.history.state.run(run).unwrap();
        let (verb, scope, limit) = (of.started.verb, of.started.scope.clone(), of.options().limit);
        let (behind, so_far) = (of.last_venue(), of.plans().len());
        let mut plans = match verb {
            Verb::Migrate => self.forward(&scope),
            Verb::Rollback => self.back(&scope),
            Verb::Populate => self.additions(),
        };
        plans.retain(|plan| behind.is_none_or(|last| plan.venue > last));
        if let Some(limit) = limit {
            let mut ids: Vec<VenueId> = plans.iter().map(|plan| plan.venue).collect();
            ids.sort_by_key(|venue| (is_troubled(&self.history.state, *venue), *venue));
            ids.truncate((limit as usize).saturating_sub(so_far));
            plans.retain(|plan| ids.contains(&plan.venue));
        }
        for plan in plans {
            if tape.happens(20) {
                return false;
            }
            let (venue, is_bad) = (plan.venue, plan.work == Work::Move(Vec::new()));
            self.history.plan(run, plan);
            if is_bad {
                let (message, error_type) = ("not an array".to_owned(), TroubleKind::BadData);
                let (image, step, attempts, passing, file_id) = (None, StepName::Plan, 1, false, None);
                let stopped = Stopped { venue, image, step, error_type, message, attempts, passing, file_id };
                self.history.add(Some(run), Event::Failed(stopped));
            }
        }
        self.history.planning_done(run);
        true
    }

    fn place(&self, venue: i64, array: Option<&str>, work: Work) -> Planned {
        let code = self.code(venue);
        let city = code.map(|code| city(if code == "PL" { 1 } else { 2 }));
        Planned { city, country: code.map(country), ..planned(venue, array, work) }
    }

    fn forward(&self, scope: &Scope) -> Vec<Planned> {
        let plans = self.rows.iter().filter_map(|(venue, row)| {
            let row = row.as_deref()?;
            let work = match movable(row) {
                Ok(entries) if entries.is_empty() => return None,
                Ok(entries) => Work::Move(entries.into_iter().map(str::to_owned).collect()),
                Err(_) => Work::Move(Vec::new()),
            };
            let plan = self.place(*venue, Some(row), work);
            let is_inside = match scope {
                Scope::Country(wanted) => plan.country.as_ref() == Some(wanted),
                Scope::City { city: wanted, .. } => plan.city.as_ref() == Some(wanted),
                Scope::Venue { venue: wanted, .. } => plan.venue == *wanted,
                Scope::Run(_) | Scope::Everywhere => false,
            };
            is_inside.then_some(plan)
        });
        plans.collect()
    }

    /// As a matching report has it that knows the same two pictures for every venue, and one that is none.
    fn additions(&self) -> Vec<Planned> {
        let wanted = ["https://o/0.jpg", "https://o/new.jpg"];
        let left_out = |why: &str| LeftOut { trivia_advisor_id: 1, image: Some(2), why: why.to_owned() };
        let plans = self.rows.iter().map(|(venue, row)| {
            let addition = match pictures(row.as_deref().unwrap_or("[]")) {
                Ok(there) => {
                    let new = wanted.into_iter().filter(|url| !there.contains(*url));
                    Addition { entries: new.map(external).collect(), left_out: vec![left_out("no path")] }
                }
                Err(_) => Addition { entries: Vec::new(), left_out: vec![left_out("no array")] },
            };
            self.place(*venue, row.as_deref(), Work::Add(addition))
        });
        plans.collect()
    }

    fn back(&self, scope: &Scope) -> Vec<Planned> {
        let visits = take_backs(&self.history.state, scope);
        for images in visits.values() {
            let is_newest_first =
                images.is_sorted_by_key(|image| (std::cmp::Reverse(image.planned), image.index));
            assert!(is_newest_first, "{images:?}");
            let plan = |planned| self.history.state.plan(planned).unwrap();
            assert!(images.iter().all(|image| is_within(&self.history.state, plan(image.planned), scope)));
        }
        let plan = |(venue, images): (VenueId, Vec<_>)| {
            let array = self.rows.get(&venue.0).cloned().flatten();
            self.place(venue.0, array.as_deref(), Work::TakeBack(images))
        };
        visits.into_iter().map(plan).collect()
    }

    /// As the wheel does it: outcomes that arrive together are decided, appended, and only then settled.
    fn turn(&mut self, run: RunId, tape: &mut Tape) -> bool {
        if tape.happens(4) {
            self.lose_files();
        }
        let mut agenda = Agenda::new(run);
        let mut in_air: Vec<(Step, Order)> = Vec::new();
        let mut handed_out: HashSet<Step> = HashSet::new();
        loop {
            while in_air.len() < IN_AIR_MAX
                && let Some(step) = agenda.take(&self.history.state)
            {
                assert!(handed_out.insert(step), "{step:?} was handed out before");
                let path = upload_path(&self.history.state, step);
                let others = in_air.iter().filter_map(|(step, _)| upload_path(&self.history.state, *step));
                assert!(others.into_iter().all(|other| Some(other) != path), "two uploads of one path");
                in_air.push((step, self.history.order(run, step)));
                assert_eq!(agenda.in_air(), in_air.len());
            }
            if in_air.is_empty() {
                break;
            }
            let mut batch = Vec::new();
            for _ in 0..=tape.next(in_air.len()) {
                batch.push(in_air.swap_remove(tape.next(in_air.len())));
            }
            let mut events = Vec::new();
            let mut settled = Vec::new();
            for (step, order) in batch {
                if tape.happens(40) {
                    return false;
                }
                let mut verdict = decide(&order, self.perform(&order, tape));
                if let Verdict::PutBack(put, trouble) = verdict {
                    let back = put_back(&self.history.state, &self.history, &put, trouble).unwrap();
                    verdict = decide(&back, self.perform(&back, tape));
                }
                if tape.happens(40) {
                    return false;
                }
                settled.push((step, upload_path(&self.history.state, step)));
                match verdict {
                    Verdict::PutBack(put, trouble) => panic!("{put:?} is put back for {trouble:?}"),
                    Verdict::Events(more) => events.extend(more),
                    Verdict::Pause(paused) => {
                        events.into_iter().for_each(|event| self.write(run, event));
                        self.write(run, Event::Paused(paused));
                        return false;
                    }
                }
            }
            for event in events {
                if let Event::Downloaded(e) = &event {
                    handed_out.remove(&Step::Upload(e.image));
                }
                self.write(run, event);
            }
            for (step, path) in settled {
                agenda.settle(&self.history.state, step, path);
            }
            assert_eq!(agenda.in_air(), in_air.len());
        }
        let remembered = format!("{agenda:?}");
        assert!(
            remembered.ends_with("ready: [], in_air: {}, deferred: [], parked: {}, rows: {} }"),
            "{remembered}"
        );
        self.write(run, Event::Checkpoint(self.history.state.checkpoint()));
        self.history.finish(run, Ending::Done);
        true
    }

    fn write(&mut self, run: RunId, event: Event) {
        self.history.add(Some(run), event);
    }
}
