//! What holds for every history the model can walk.

use std::collections::BTreeSet;

use ledger::event::{Ending, Event, Record};
use ledger::ids::{ImageId, Seq};
use ledger::ledger::Ledger;
use ledger::report::standing;
use ledger::state::{Aim, Image, Mark, PathKey, RunStatus, Rung, State};
use ledger::wire::{decode, encode};
use proptest::prelude::*;

use crate::model::{Tape, World, stories};
use crate::support::opened;

pub fn config() -> ProptestConfig {
    ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() }
}

/// Everything a state says, in a form that two states can be compared by.
fn fingerprint(state: &State, records: &[Record]) -> String {
    let paths = records.iter().filter_map(|record| match &record.event {
        Event::Uploaded(e) => Some(state.file_at(PathKey::of(&e.path))),
        _ => None,
    });
    let tallies = state.runs().map(|(run, _)| state.tally(run));
    let venues: BTreeSet<_> = state.plans().map(|(_, plan)| plan.venue).collect();
    let venues = venues.into_iter().map(|venue| state.venue(venue).map(|plans| plans.all().to_vec()));
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        state.last(),
        state.runs().collect::<Vec<_>>(),
        state.plans().collect::<Vec<_>>(),
        state.checkpoint(),
        standing(state),
        paths.collect::<Vec<_>>(),
        tallies.collect::<Vec<_>>(),
        venues.collect::<Vec<_>>(),
    )
}

fn replay<'a>(records: impl IntoIterator<Item = &'a Record>, mut state: State) -> State {
    for record in records {
        let seq = state.last().next();
        state.apply(seq, record).unwrap_or_else(|illegal| panic!("{seq} {record:?}: {illegal}"));
    }
    state
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn c5_every_history_replays_the_same_however_it_is_cut(story in stories(true), cut in any::<prop::sample::Index>()) {
        let world = World::after(&story);
        let records = &world.history.records;
        let whole = fingerprint(&world.history.state, records);
        let (head, tail) = records.split_at(cut.index(records.len() + 1));
        // The program that goes on read its prefix from a disk.
        let read: Vec<Record> = head.iter().map(|record| decode(&encode(record)).unwrap()).collect();
        prop_assert_eq!(&read[..], head);
        let resumed = replay(tail, replay(&read, State::default()));
        prop_assert_eq!(fingerprint(&resumed, records), whole);
    }

    #[test]
    fn e7_every_history_lives_in_a_file_and_is_verified(story in stories(true), batch in 1..40_usize) {
        let world = World::after(&story);
        let records = &world.history.records;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ledger");
        let mut ledger = Ledger::create(&path, opened(), records[0].at, "test").unwrap();
        for batch in records[1..].chunks(batch) {
            ledger.append(batch).unwrap();
        }
        let (head, said) = (ledger.head(), fingerprint(ledger.state(), records));
        prop_assert_eq!(&said, &fingerprint(&world.history.state, records));
        drop(ledger);
        let read = Ledger::read(&path).unwrap();
        prop_assert_eq!(read.head(), head);
        prop_assert_eq!(fingerprint(read.state(), records), said);
        let mut found = Vec::new();
        read.events(Seq(1), |(_, record)| {
            found.push(record);
            Ok::<_, ledger::store::LedgerError>(())
        }).unwrap();
        prop_assert_eq!(&found, records);
    }

    #[test]
    fn c6_what_reached_the_cdn_is_rolled_back_in_the_end_or_drifted(story in stories(true)) {
        let mut world = World::after(&story);
        world.roll_everything_back();
        for (id, image) in images(&world.history.state) {
            let is_settled = image.rung == Rung::RolledBack || image.mark == Some(Mark::Drifted);
            prop_assert!(image.uploaded.is_none() || is_settled, "{} {:?}", id, image);
        }
    }

    #[test]
    fn c6_where_nobody_else_was_at_work_every_row_is_what_it_was(story in stories(false)) {
        let mut world = World::after(&story);
        world.roll_everything_back();
        for (id, venue) in (1..).zip(&story.venues) {
            prop_assert_eq!(&world.rows[&id], &venue.row);
        }
        for (id, image) in images(&world.history.state) {
            prop_assert!(image.uploaded.is_none() || image.rung == Rung::RolledBack, "{} {:?}", id, image);
        }
    }

    #[test]
    fn c5_what_a_plan_counts_along_is_what_its_images_say(story in stories(true)) {
        let world = World::after(&story);
        for (seq, plan) in world.history.state.plans().filter(|(_, plan)| !matches!(plan.aim, Aim::Back(_))) {
            let is_open = plan.images.iter().any(|image| !image.is_settled());
            let since = world.history.state.run(plan.run).unwrap().going_since;
            let is_below = |image: &Image| image.mark.is_none() && image.rung < Rung::Uploaded;
            let is_ahead = |image: &Image| is_below(image) || image.is_stale(since);
            let waits = plan.aim == Aim::Forward && plan.images.iter().any(is_ahead);
            let found = (plan.is_settled(), plan.is_row_due(since));
            prop_assert_eq!(found, (!is_open, is_open && !waits), "plan {}", seq);
        }
    }

    #[test]
    fn c5_resuming_everything_settles_everything(story in stories(true)) {
        let mut world = World::after(&story);
        let unfinished: Vec<_> = world.history.state.unfinished().map(|(run, _)| run).collect();
        for run in unfinished {
            prop_assert!(world.resume(run, &mut Tape::plain()));
            prop_assert_eq!(world.history.state.run(run).unwrap().status,
                RunStatus::Finished(Ending::Done));
        }
        for (seq, plan) in world.history.state.plans() {
            let is_closed = world.history.state.run(plan.run).unwrap().status
                == RunStatus::Finished(Ending::Closed);
            prop_assert!(is_closed || world.history.state.is_over(seq));
        }
    }
}

fn images(state: &State) -> Vec<(ImageId, &Image)> {
    state.plans().flat_map(|(seq, plan)| plan.ids(seq)).collect()
}
