//! Projections: where every image stands (C8), and how well it went (C9).

use ledger::decide::{File, Outcome};
use ledger::event::{Ending, Event, Paused, Planned, Record, Verb};
use ledger::ids::{RunId, Seq};
use ledger::plan::Step;
use ledger::report::{Counts, Milliseconds, Success, SuccessFold, Waiting, standing};
use ledger::trouble::TroubleKind::{InvalidImage, NotFound};

use crate::support::*;

fn success(history: &History, run: Option<RunId>) -> Success {
    let mut fold = SuccessFold::new(&history.state, run);
    let placed = (1..).map(Seq).zip(history.records.iter().cloned());
    placed.for_each(|placed: (Seq, Record)| fold.take(&placed));
    fold.finish()
}

fn entries(n: usize) -> String {
    let all: Vec<_> = (0..n).map(|n| external(&format!("https://o/{n}.jpg"))).collect();
    array(&all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// One venue of six images: three in the row, one failed, one skipped, one drifted.
fn mixed() -> (History, RunId, Seq) {
    let mut history = History::new();
    let held = entries(6);
    let (run, plans) = history.forward(&[&held]);
    for index in 0..4 {
        history.upload(run, image(plans[0], index), &format!("f{index}"));
    }
    for (index, kind) in [(4, NotFound), (5, InvalidImage)] {
        history.turn(run, Step::Download(image(plans[0], index)), Outcome::Trouble(trouble(kind)));
    }
    let mut row = Some(held.replace("https://o/3.jpg", "https://o/other.jpg"));
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    (history, run, plans[0])
}

#[test]
fn c8_every_image_stands_somewhere_and_trouble_waits_for_a_person() {
    let (mut history, run, _) = mixed();
    let said = standing(&history.state);
    let counts = Counts { completed: 3, failed: 1, skipped: 1, drifted: 1, ..Counts::default() };
    assert_eq!((said.total, said.total.images()), (counts, 6));
    let [poland] = &said.countries[..] else { panic!("{said:?}") };
    assert_eq!((poland.venues, poland.images, poland.counts), (1, 6, counts));
    let waiting = |error_type| Waiting {
        code: Some("PL".into()),
        error_type,
        images: 1,
        venues: 1,
        venue: ledger::ids::VenueId(1),
    };
    assert_eq!(said.waiting, ["drifted", "invalid_image", "not_found"].map(waiting));
    let [unfinished] = &said.unfinished[..] else { panic!("{said:?}") };
    assert_eq!((unfinished.run, unfinished.venues, unfinished.images, unfinished.settled), (run, 1, 6, 6));
    assert_eq!((unfinished.verb, unfinished.paused), (Verb::Migrate, None));
    let reason = ledger::event::PauseReason::ErrorRate;
    let paused = Paused { reason, message: "m".into(), advice: "a".into() };
    history.add(Some(run), Event::Paused(paused));
    assert_eq!(standing(&history.state).unfinished[0].paused, Some(reason));
}

#[test]
fn c8_an_open_image_is_in_progress_until_its_run_is_closed() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&entries(2)]);
    history.turn(run, Step::Download(image(plans[0], 0)), fetched("a"));
    assert_eq!(standing(&history.state).total, Counts { in_progress: 2, ..Counts::default() });
    assert_eq!(standing(&history.state).unfinished[0].settled, 0);
    history.finish(run, Ending::Closed);
    let said = standing(&history.state);
    assert_eq!((said.total, said.unfinished.len()), (Counts { untouched: 2, ..Counts::default() }, 0));
}

#[test]
fn c8_a_picture_that_a_later_run_took_over_counts_there_alone() {
    let (mut history, run, _) = mixed();
    history.finish(run, Ending::Done);
    let left = array(&[&external("https://o/4.jpg")]);
    let (later, plans) = history.forward(&[&left]);
    history.upload(later, image(plans[0], 0), "again");
    history.row(later, Step::UpdateRow(plans[0]), &mut Some(left));
    // The failed one is completed now; the skipped and the drifted one are no longer in the row to be moved.
    let counts = Counts { completed: 4, ..Counts::default() };
    assert_eq!(standing(&history.state).total, counts);
    assert_eq!(success(&history, None).total.counts, counts);
    let of_first = Counts { completed: 3, failed: 1, skipped: 1, drifted: 1, ..Counts::default() };
    assert_eq!(success(&history, Some(run)).total.counts, of_first);
    assert_eq!(success(&history, Some(later)).total.counts, Counts { completed: 1, ..Counts::default() });
}

#[test]
fn c8_a_venue_waits_once_however_many_plans_it_had() {
    let mut history = History::new();
    let held = entries(1);
    let (run, plans) = history.forward(&[&held, &held]);
    let ids = [image(plans[0], 0), image(plans[1], 0)];
    let rows = [0, 1].map(|venue| {
        history.upload(run, ids[venue], "a");
        let mut row = Some(held.clone());
        history.row(run, Step::UpdateRow(plans[venue]), &mut row);
        row
    });
    history.finish(run, Ending::Done);
    for (id, venue) in ids.into_iter().zip([1, 2]) {
        let (back, visit) = history.back(venue, rows[venue as usize - 1].as_deref(), vec![id]);
        history.turn(back, Step::RestoreRow(visit), left(None));
        history.finish(back, Ending::Done);
    }
    let more = array(&[&external("https://o/more.jpg")]);
    let (run, plans) = history.forward(&[&more]);
    history.upload(run, image(plans[0], 0), "b");
    history.turn(run, Step::UpdateRow(plans[0]), left(None));
    let waiting = standing(&history.state).waiting;
    let said: Vec<_> = waiting.iter().map(|w| (w.error_type, w.images, w.venues, w.venue.0)).collect();
    assert_eq!(said, [("drifted", 3, 2, 1)]);
}

#[test]
fn c9_the_rate_is_completed_of_completed_failed_and_skipped() {
    let (history, run, _) = mixed();
    for said in [success(&history, None), success(&history, Some(run))] {
        let total = &said.total;
        assert_eq!((total.venues, total.images, total.success_percent), (1, 6, Some(60.0)));
        assert_eq!(Vec::from_iter(&total.by_kind), [(&"invalid_image", &1), (&"not_found", &1)]);
        assert_eq!((total.uploads, total.adopted, total.bytes_uploaded, total.retries), (4, 0, 4_000, 4));
        assert_eq!(total.row_ms, Some(Milliseconds { avg: 33.0, p50: 33, p95: 33, p99: 33 }));
        let [poland] = &said.countries[..] else { panic!("{said:?}") };
        assert_eq!((poland.code.as_deref(), poland.counts), (Some("PL"), total.counts));
    }
    let nothing = success(&history, Some(RunId(Seq(99)))).total;
    assert_eq!((nothing.success_percent, nothing.upload_ms, nothing.images), (None, None, 0));
}

#[test]
fn c9_times_are_of_files_sent_by_the_nearest_rank() {
    // (times, average, p50, p95, p99), by hand.
    let table: [(&[u64], f64, u64, u64, u64); 4] = [
        (&[7], 7.0, 7, 7, 7),
        (&[4, 1, 3, 2], 2.5, 2, 4, 4),
        (&[10, 20, 30], 20.0, 20, 30, 30),
        (&[1, 1, 2], 1.3, 1, 2, 2),
    ];
    let hundred: Vec<u64> = (1..=100).rev().collect();
    let table = table.into_iter().chain([(&hundred[..], 50.5, 50, 95, 99)]);
    for (times, avg, p50, p95, p99) in table {
        let mut history = History::new();
        let (run, plans) = history.forward(&[&entries(times.len() + 1)]);
        let adopted = [&9_999];
        for (index, ms) in (0..).zip(times.iter().chain(adopted)) {
            let id = image(plans[0], index);
            history.turn(run, Step::Download(id), fetched(&format!("{index}")));
            let Outcome::Stored(file) = stored(&format!("f{index}")) else { unreachable!() };
            let found_done = index as usize == times.len();
            let file = File { ms: *ms, found_done, attempts: 1, ..file };
            history.turn(run, Step::Upload(id), Outcome::Stored(file));
        }
        let total = success(&history, None).total;
        assert_eq!(total.upload_ms, Some(Milliseconds { avg, p50, p95, p99 }), "{times:?}");
        assert_eq!((total.uploads, total.adopted, total.retries), (times.len() as u64, 1, 0));
    }
}

#[test]
fn c9_countries_stand_each_for_itself() {
    let mut history = History::new();
    let run = history.start(Verb::Migrate, venue_scope(1, "PL"));
    let held = entries(1);
    let france = Planned { country: Some(country("FR")), ..moving(2, &held) };
    let nowhere = Planned { country: None, city: None, ..moving(3, &entries(3)) };
    let plans = [moving(1, &held), france, nowhere].map(|planned| history.plan(run, planned));
    history.planning_done(run);
    history.turn(run, Step::Download(image(plans[1], 0)), Outcome::Trouble(trouble(NotFound)));
    let said = success(&history, None);
    let lines: Vec<_> =
        said.countries.iter().map(|line| (line.code.as_deref(), line.images, line.success_percent)).collect();
    assert_eq!(lines, [(None, 3, None), (Some("FR"), 1, Some(0.0)), (Some("PL"), 1, None)]);
    assert_eq!((said.total.venues, said.total.images), (3, 5));
    let first = &standing(&history.state).countries[0];
    assert_eq!((first.country.as_deref(), first.images), (None, 3));
}
