//! What looking things up in the ledger costs: so much an image, however many its venue has.

use std::cell::RefCell;
use std::collections::HashMap;

use ledger::decide::{Verdict, decide};
use ledger::event::*;
use ledger::ids::{RunId, Seq, VenueId};
use ledger::order::{Order, Origins, Past, order};
use ledger::plan::{Agenda, take_backs, upload_path};
use ledger::store::LedgerError;

use crate::support::*;

const IMAGES: usize = 60;

/// A history that notes which events are read again.
struct Counting<'a>(&'a History, &'a RefCell<Reads>);

#[derive(Default)]
struct Reads(HashMap<&'static str, usize>);

impl Past for Counting<'_> {
    fn record(&self, seq: Seq) -> Result<Record, LedgerError> {
        let record = self.0.record(seq)?;
        *self.1.borrow_mut().0.entry(record.event.name()).or_default() += 1;
        Ok(record)
    }
}

/// Turns a run to its end as the wheel does, so many steps in the air, and tells how often events were read for that.
fn turn(history: &mut History, run: RunId, row: &mut Option<String>) -> Reads {
    let reads = RefCell::default();
    let (mut agenda, mut origins) = (Agenda::new(run), Origins::new(1_000_000));
    let mut in_air = std::collections::VecDeque::new();
    loop {
        while in_air.len() < 8
            && let Some(step) = agenda.take(&history.state)
        {
            let order = order(&history.state, &Counting(history, &reads), &mut origins, run, step).unwrap();
            in_air.push_back((step, order));
        }
        let Some((step, order)) = in_air.pop_front() else { break };
        let path = upload_path(&history.state, step);
        let outcome = match &order {
            Order::Download(fetch) => fetched(&fetch.url),
            Order::Upload(put) => stored(&put.hash.to_string()),
            Order::UpdateRow(of) | Order::RestoreRow(of) => perform_row(of, row),
            Order::PutBack(_) => panic!("nothing goes wrong"),
        };
        let Verdict::Events(events) = decide(&order, outcome) else { panic!("nothing pauses it") };
        for event in events {
            history.add(Some(run), event);
        }
        agenda.settle(&history.state, step, path);
    }
    history.finish(run, Ending::Done);
    reads.into_inner()
}

fn entries() -> Vec<String> {
    (0..IMAGES).map(|n| external(&format!("https://o/{n}.jpg"))).collect()
}

impl Reads {
    #[track_caller]
    fn are_at_most(&self, event: &str, times: usize) {
        let found = self.0.get(event).copied().unwrap_or(0);
        assert!(found <= times, "{event} was read {found} times: {:?}", self.0);
    }
}

#[test]
fn an_image_s_steps_do_not_read_its_whole_venue_again() {
    let all = entries();
    let held = array(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let mut history = History::new();
    let mut row = Some(held.clone());
    // Two venues, whose steps are in the air at once, with one row between them.
    let (run, _) = history.forward(&[&held, &held]);
    let reads = turn(&mut history, run, &mut row);
    reads.are_at_most("planned", 8);
    reads.are_at_most("downloaded", 2 * IMAGES);
    reads.are_at_most("uploaded", 3 * IMAGES);

    let back = history.start(Verb::Rollback, Scope::Run(run));
    for (venue, images) in take_backs(&history.state, &Scope::Run(run)) {
        let plan = planned(venue.0, row.as_deref(), Work::TakeBack(images));
        history.plan(back, plan);
    }
    history.planning_done(back);
    let reads = turn(&mut history, back, &mut row);
    reads.are_at_most("planned", 4);
    reads.are_at_most("db_updated", 4);
    assert_eq!(history.state.tally(back).images, 2 * IMAGES as u64);
}

#[test]
fn taking_a_populate_back_reads_what_it_did_once() {
    let mut history = History::new();
    let add = history.start(Verb::Populate, Scope::Everywhere);
    let addition = Addition { entries: entries(), left_out: Vec::new() };
    history.plan(add, planned(1, None, Work::Add(addition)));
    history.planning_done(add);
    let mut row = None;
    turn(&mut history, add, &mut row).are_at_most("planned", 2);
    let back = history.start(Verb::Rollback, Scope::Run(add));
    let images = take_backs(&history.state, &Scope::Run(add)).remove(&VenueId(1)).unwrap();
    history.plan(back, planned(1, row.as_deref(), Work::TakeBack(images)));
    history.planning_done(back);
    let reads = turn(&mut history, back, &mut row);
    reads.are_at_most("planned", 4);
    reads.are_at_most("db_updated", 4);
    assert_eq!(row, None, "as it was");
}
