//! Histories that cannot have been: legal ones, spoilt. Each is sealed with a checkpoint first, as a run's end is, so
//! that what replay cannot know at the spot it knows there.

use ledger::event::{Checkpoint, Event, Record, Work};
use ledger::ids::{ImageId, RunId, Seq};
use ledger::state::{DIGEST_VERSION, Illegal, State};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{World, stories};
use crate::properties::config;

fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<State, Illegal> {
    let mut state = State::default();
    for record in records {
        state.apply(state.last().next(), record)?;
    }
    Ok(state)
}

fn checkpoint(run: RunId, state: &State) -> Record {
    Record {
        at: state.run(run).unwrap().last_at,
        run: Some(run),
        event: Event::Checkpoint(state.checkpoint()),
    }
}

/// A history with a checkpoint behind it; `None` where no run ever started.
fn sealed(story: &crate::model::Story) -> Option<Vec<Record>> {
    let history = World::after(story).history;
    let (run, _) = history.state.runs().last()?;
    let mut records = history.records;
    records.push(checkpoint(run, &history.state));
    Some(records)
}

/// Whether it moves an image to another rung, so that a checkpoint tells.
fn moves(event: &Event) -> bool {
    match event {
        Event::Planned(e) => matches!(&e.work, Work::Move(entries) if !entries.is_empty()),
        Event::RolledBack(e) => !(e.edits.is_empty() && e.held.is_empty()),
        Event::Uploaded(_) | Event::DbUpdated(_) => true,
        _ => false,
    }
}

/// Whether it may be said twice without anything being wrong.
fn may_repeat(event: &Event) -> bool {
    matches!(event, Event::Downloaded(_) | Event::Resumed(_) | Event::Closed(_) | Event::Checkpoint(_))
}

/// Whether the first of these is an upload in whose place the same image was uploaded again, before a checkpoint or a row
/// told of it: then nothing in the state is left of it. The chain misses it all the same.
fn is_replaced(records: &[Record]) -> bool {
    let Some(Event::Uploaded(first)) = records.first().map(|record| &record.event) else {
        return false;
    };
    let later = records[1..].iter().find(|record| match &record.event {
        Event::Uploaded(again) => again.image == first.image,
        Event::DbUpdated(update) => update.edits.iter().any(|edit| edit.image == first.image),
        event => matches!(event, Event::Checkpoint(_)),
    });
    later.is_some_and(|record| matches!(record.event, Event::Uploaded(_)))
}

/// The event with its first image replaced; `None` for those of which no checkpoint could tell.
fn with_image(record: &Record, other: ImageId) -> Option<Record> {
    let mut record = record.clone();
    let image = match &mut record.event {
        Event::Uploaded(e) => &mut e.image,
        Event::DbUpdated(e) => &mut e.edits[0].image,
        Event::RolledBack(e) => &mut e.edits.first_mut()?.image,
        _ => return None,
    };
    (*image != other).then(|| *image = other)?;
    Some(record)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn e7_a_checkpoint_agrees_at_every_moment_and_no_other_does(story in stories(true)) {
        let records = World::after(&story).history.records;
        let mut state = State::default();
        for record in &records {
            let seq = state.last().next();
            state.apply(seq, record).unwrap();
            let Some(run) = record.run else { continue };
            let right = checkpoint(run, &state);
            let accepts = |said: Checkpoint| {
                let mut state = state.clone();
                state.apply(seq.next(), &Record { event: Event::Checkpoint(said), ..right.clone() }).is_ok()
            };
            let said = state.checkpoint();
            prop_assert!(accepts(said.clone()));
            let mut counts = said.clone();
            counts.rungs.uploaded += 1;
            prop_assert!(!accepts(counts));
            let digest = format!("{:032x}", u128::from_str_radix(&said.digest, 16).unwrap() ^ 1);
            let other = Checkpoint { digest, ..said };
            prop_assert!(!accepts(other.clone()));
            // A version that this program does not know is passed over.
            let newer = Checkpoint { digest_version: DIGEST_VERSION + 1, ..other };
            prop_assert!(accepts(newer));
        }
    }

    #[test]
    fn e7_what_happened_once_cannot_happen_twice(story in stories(true)) {
        let records = World::after(&story).history.records;
        let mut state = State::default();
        for record in &records {
            let seq = state.last().next();
            state.apply(seq, record).unwrap();
            let again = state.clone().apply(seq.next(), record);
            prop_assert_eq!(again.is_ok(), may_repeat(&record.event), "{:?}", record);
        }
    }

    #[test]
    fn e7_no_seq_but_the_next_is_taken(story in stories(true)) {
        let records = World::after(&story).history.records;
        let mut state = State::default();
        for record in &records {
            let seq = state.last().next();
            for wrong in [Seq(seq.0 - 1), seq.next()] {
                prop_assert!(state.clone().apply(wrong, record).is_err());
            }
            state.apply(seq, record).unwrap();
        }
    }

    #[test]
    fn e7_an_event_left_out_is_missed(story in stories(true)) {
        let records = sealed(&story).unwrap_or_default();
        let is_missed = |out: &usize| moves(&records[*out].event) && !is_replaced(&records[*out..]);
        for out in (0..records.len()).filter(is_missed) {
            let rest = records.iter().enumerate().filter(|(index, _)| *index != out).map(|(_, record)| record);
            prop_assert!(replay(rest).is_err(), "without event {} {:?}", out + 1, records[out]);
        }
    }

    #[test]
    fn e7_neighbours_swapped_are_refused_or_come_to_the_same(story in stories(true)) {
        let mut records = sealed(&story).unwrap_or_default();
        let whole = replay(&records).unwrap();
        for first in 1..records.len() {
            records.swap(first - 1, first);
            if let Ok(state) = replay(&records) {
                prop_assert_eq!(state.checkpoint(), whole.checkpoint());
                for (run, _) in whole.runs() {
                    prop_assert_eq!(state.tally(run), whole.tally(run), "{:?}", &records[first - 1..=first]);
                }
            }
            records.swap(first - 1, first);
        }
    }

    #[test]
    fn e7_an_event_of_another_image_is_refused(story in stories(true), other in any::<Index>()) {
        let records = sealed(&story).unwrap_or_default();
        let state = replay(&records).unwrap();
        let mut images: Vec<ImageId> =
            state.plans().flat_map(|(seq, plan)| plan.ids(seq)).map(|(id, _)| id).collect();
        images.push(ImageId { planned: Seq(2), index: 0 });
        images.push(ImageId { planned: Seq(u64::MAX), index: u32::MAX });
        let other = images[other.index(images.len())];
        for (index, record) in records.iter().enumerate() {
            let Some(spoilt) = with_image(record, other) else { continue };
            let before = &records[..index];
            let all = before.iter().chain([&spoilt]).chain(&records[index + 1..]);
            prop_assert!(replay(all).is_err(), "{:?} as {:?}", record, spoilt);
        }
    }
}
