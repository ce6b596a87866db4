//! What became of each run's images, counted anew out of a ledger's events, and compared with what the runs tell.

use std::collections::BTreeMap;

use ledger::event::{Event, Record, Tally, Work};
use ledger::ids::{ImageId, RunId, Seq, VenueId};
use ledger::ledger::Ledger;
use ledger::store::LedgerError;
use longshore::error::Exit;

use super::disk;
use super::world::Inner;

/// Why an image is not moved, or not taken back.
#[derive(Clone, Copy, PartialEq)]
enum Why {
    Failed,
    Skipped,
    Drifted,
    Closed,
}

#[derive(Default)]
struct Image {
    is_in_row: bool,
    /// A rollback has found or put its entry as it was. It is done then: no run takes it up again.
    is_back: bool,
    why: Option<Why>,
}

/// What a run does with a venue.
struct Visit {
    run: RunId,
    venue: VenueId,
    images: Vec<ImageId>,
    is_back: bool,
    left_out: u64,
    /// What became of the venue as a whole.
    whole: Whole,
}

#[derive(PartialEq)]
enum Whole {
    Open,
    Failed,
    Restored,
    Closed,
}

#[derive(Default)]
struct Count {
    images: BTreeMap<ImageId, Image>,
    visits: Vec<Visit>,
}

/// Counts what became of the images of each run.
fn counted(records: &[Record]) -> BTreeMap<RunId, Tally> {
    let mut count = Count::default();
    let mut tallies = BTreeMap::new();
    for (seq, record) in (1..).map(Seq).zip(records) {
        let Some(run) = record.run else { continue };
        tallies.entry(run).or_insert_with(Tally::default);
        count.take(seq, run, &record.event);
    }
    for visit in &count.visits {
        count.add(visit, tallies.entry(visit.run).or_default());
    }
    tallies
}

impl Count {
    fn take(&mut self, seq: Seq, run: RunId, event: &Event) {
        match event {
            Event::Planned(e) => {
                let own = |entries: usize| -> Vec<ImageId> {
                    (0..entries as u32).map(|index| ImageId { planned: seq, index }).collect()
                };
                let (images, left_out) = match &e.work {
                    Work::Move(entries) => (own(entries.len()), 0),
                    Work::Add(add) => (own(add.entries.len()), add.left_out.len() as u64),
                    Work::TakeBack(images) => (images.clone(), 0),
                };
                // The row decides anew.
                images.iter().for_each(|image| self.is(*image, None));
                let (venue, is_back) = (e.venue, matches!(e.work, Work::TakeBack(_)));
                self.visits.push(Visit { run, venue, images, is_back, left_out, whole: Whole::Open });
            }
            Event::Resumed(e) => {
                e.retry_images.iter().for_each(|image| self.is(*image, None));
                e.retry_venues.iter().for_each(|venue| self.is_whole(run, *venue, Whole::Open));
            }
            Event::Failed(e) | Event::Skipped(e) => {
                let why = if matches!(event, Event::Failed(_)) { Why::Failed } else { Why::Skipped };
                match e.image {
                    Some(image) => self.is(image, Some(why)),
                    None => self.is_whole(run, e.venue, Whole::Failed),
                }
            }
            Event::Closed(e) => match e.image {
                Some(image) => self.is(image, Some(Why::Closed)),
                None => self.is_whole(run, e.venue, Whole::Closed),
            },
            Event::Drifted(e) => self.is(e.image, Some(Why::Drifted)),
            Event::DbUpdated(e) => {
                for edit in &e.edits {
                    self.images.insert(edit.image, Image { is_in_row: true, ..Image::default() });
                }
            }
            Event::RolledBack(e) => {
                for image in e.edits.iter().map(|edit| edit.image).chain(e.held.iter().copied()) {
                    self.images.insert(image, Image { is_back: true, ..Image::default() });
                }
                self.is_whole(run, e.venue, Whole::Restored);
            }
            _ => {}
        }
    }

    fn is(&mut self, image: ImageId, why: Option<Why>) {
        self.images.entry(image).or_default().why = why;
    }

    fn is_whole(&mut self, run: RunId, venue: VenueId, whole: Whole) {
        let mut visits = self.visits.iter_mut();
        if let Some(visit) = visits.find(|visit| (visit.run, visit.venue) == (run, venue)) {
            visit.whole = whole;
        }
    }

    fn add(&self, visit: &Visit, tally: &mut Tally) {
        tally.venues += 1;
        tally.images += visit.images.len() as u64;
        tally.left_out += visit.left_out;
        tally.venues_failed += u64::from(visit.whole == Whole::Failed);
        for image in &visit.images {
            let Image { is_in_row, is_back, why } = self.images[image];
            *match (visit.is_back, why) {
                _ if is_back => &mut tally.done,
                (_, Some(Why::Drifted)) => &mut tally.drifted,
                (false, Some(Why::Failed)) => &mut tally.failed,
                (false, Some(Why::Skipped)) => &mut tally.skipped,
                (false, Some(Why::Closed)) => &mut tally.closed,
                (false, None) if is_in_row => &mut tally.done,
                (true, _) if visit.whole == Whole::Failed => &mut tally.failed,
                (true, _) if visit.whole == Whole::Closed => &mut tally.closed,
                // It had drifted, and a person has left it since.
                (true, Some(Why::Closed)) if visit.whole == Whole::Restored => &mut tally.closed,
                _ => &mut tally.open,
            } += 1;
        }
    }
}

/// A run has ended or paused, and its command with an exit code. It tells what is counted, and so does each other run of its
/// ledger.
pub fn told(world: &mut Inner, ledger: &Ledger, run: RunId, is_paused: bool, exit: Exit) {
    let mut records = Vec::new();
    let read = ledger.events(Seq(1), |(_, record)| {
        records.push(record);
        Ok::<_, LedgerError>(())
    });
    // What is to go wrong with its disk goes wrong now.
    if read.is_err() && disk::has_trouble(world) {
        return;
    }
    read.expect("it was verified");
    let counted = counted(&records);
    for (run, counted) in &counted {
        let told = ledger.state().tally(*run);
        if told != *counted {
            world.break_promise(format!("run {run} tells {told:?}, and its events {counted:?}"));
        }
    }
    let Tally { failed, skipped, drifted, venues_failed, left_out, .. } = counted[&run];
    let is_fit = match exit {
        Exit::Paused => is_paused,
        Exit::SomeDrifted => !is_paused && drifted > 0,
        Exit::SomeFailed => !is_paused && drifted == 0 && failed + skipped + venues_failed + left_out > 0,
        Exit::Done => !is_paused && drifted + failed + skipped + venues_failed + left_out == 0,
        _ => false,
    };
    if !is_fit {
        world.break_promise(format!("run {run} ends with {exit:?}, and came to {:?}", counted[&run]));
    }
}
