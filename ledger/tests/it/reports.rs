//! Projections: where every image stands (C8), and how well it went (C9).

use ledger::decide::{File, Outcome};
use ledger::event::{Acquired, Country, Ending, Event, Paused, Planned, Record, Scope, Verb};
use ledger::ids::{RunId, Seq};
use ledger::plan::Step;
use ledger::report::{By, Counts, Milliseconds, Report, ReportFold, Verdict, Waiting, standing};
use ledger::timestamp::Timestamp;
use ledger::trouble::TroubleKind::{IntegrityMismatch, InvalidImage, NotFound};

use crate::support::*;

fn success(history: &History, run: Option<RunId>) -> Report {
    report(history, run.map_or(Scope::Everywhere, Scope::Run))
}

fn report(history: &History, scope: Scope) -> Report {
    let mut fold = ReportFold::new(&history.state, scope);
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
        assert_eq!((total.uploads, total.adopted, total.bytes_uploaded, total.retries), (4, 0, 4_000, 8));
        assert_eq!(total.row_ms, Some(Milliseconds { avg: 33.0, p50: 33, p95: 33, p99: 33 }));
        let [poland] = &said.lines[..] else { panic!("{said:?}") };
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
            let is_last = index as usize == times.len();
            let acquired = if is_last { Acquired::Adopted } else { Acquired::Sent };
            let file = File { ms: *ms, acquired, attempts: 1, ..file };
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
        said.lines.iter().map(|line| (line.code.as_deref(), line.images, line.success_percent)).collect();
    assert_eq!(lines, [(None, 3, None), (Some("FR"), 1, Some(0.0)), (Some("PL"), 1, None)]);
    assert_eq!((said.total.venues, said.total.images), (3, 5));
    let first = &standing(&history.state).countries[0];
    assert_eq!((first.country.as_deref(), first.images), (None, 3));
}

#[test]
fn c9_a_renamed_country_is_one_and_countries_of_one_name_are_two() {
    let mut history = History::new();
    let run = history.start(Verb::Migrate, Scope::Everywhere);
    let named = |venue, code: &str, name: &str| {
        let country = Some(Country { name: name.into(), ..country(code) });
        Planned { country, ..moving(venue, &entries(1)) }
    };
    for planned in [named(1, "CZ", "Czech Republic"), named(2, "CZ", "Czechia"), named(3, "XX", "Czechia")] {
        history.plan(run, planned);
    }
    let lines = success(&history, None).lines;
    let said: Vec<_> =
        lines.iter().map(|l| (l.code.as_deref().unwrap(), l.country.as_deref().unwrap(), l.venues)).collect();
    assert_eq!(said, [("CZ", "Czechia", 2), ("XX", "Czechia", 1)]);
}

#[test]
fn c9_a_country_is_told_by_city_and_a_city_alone() {
    let mut history = History::new();
    let run = history.start(Verb::Migrate, Scope::Country(country("PL")));
    let nowhere = Planned { city: None, ..moving(2, &entries(2)) };
    let elsewhere = Planned { city: Some(city(2)), ..moving(3, &entries(3)) };
    let abroad = Planned { country: Some(country("FR")), city: Some(city(9)), ..moving(4, &entries(4)) };
    for planned in [moving(1, &entries(1)), nowhere, elsewhere, abroad] {
        history.plan(run, planned);
    }
    let of = |scope| {
        let said = report(&history, scope);
        assert_eq!(said.by, By::City);
        let lines = said.lines.into_iter().map(|line| (line.city_id, line.images)).collect::<Vec<_>>();
        (lines, said.total.images)
    };
    assert_eq!(of(Scope::Country(country("PL"))), (vec![(None, 2), (Some(1), 1), (Some(2), 3)], 6));
    let second = Scope::City { city: city(2), country: Some(country("PL")) };
    assert_eq!(of(second), (vec![(Some(2), 3)], 3));
    assert_eq!(of(venue_scope(1, "PL")), (vec![(Some(1), 1)], 1));
}

#[test]
fn c9_the_time_between_a_pause_and_the_resumption_does_not_count() {
    for is_cut_off in [false, true] {
        let mut history = History::new();
        let (run, plans) = history.forward(&[&entries(2), &entries(1)]);
        for index in 0..2 {
            history.upload(run, image(plans[0], index), &format!("f{index}"));
        }
        history.row(run, Step::UpdateRow(plans[0]), &mut Some(entries(2)));
        let last = history.records.len();
        if !is_cut_off {
            let reason = ledger::event::PauseReason::Operator;
            history.add(Some(run), Event::Paused(Paused { reason, message: "m".into(), advice: "a".into() }));
        }
        let resumed_at = history.add(Some(run), resumed(options()));
        history.upload(run, image(plans[1], 0), "f2");
        history.row(run, Step::UpdateRow(plans[1]), &mut Some(entries(1)));
        let end = history.records.len();
        let plain = success(&history, Some(run)).total;
        // The resumption is put off by a night; nothing else changes.
        for record in &mut history.records[resumed_at.0 as usize - 1..] {
            record.at = Timestamp::from_millis(record.at.millis() + 36_000_000);
        }
        let total = success(&history, Some(run)).total;
        // A second an event: from the start to the last event of the first stretch, and from the resumption on.
        let seconds = (last as u64 - run.0.0) + (end as u64 - resumed_at.0);
        assert_eq!((plain.running_ms, total.running_ms), (seconds * 1_000, seconds * 1_000));
        assert_eq!(total.images_per_minute, Some((3.0 * 60.0 / seconds as f64 * 10.0).round() / 10.0));
        assert_eq!(total.last_at, Some(history.records[end - 1].at));
        assert_eq!(total.first_at, Some(history.records[run.0.0 as usize - 1].at));
    }
}

#[test]
fn c9_a_rollback_takes_images_out_of_completed_and_has_a_report_of_its_own() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&entries(4)]);
    for index in 0..3 {
        history.upload(run, image(plans[0], index), &format!("f{index}"));
    }
    history.turn(run, Step::Download(image(plans[0], 3)), Outcome::Trouble(trouble(NotFound)));
    let mut row = Some(entries(4));
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.finish(run, Ending::Done);
    let before = success(&history, None).total;
    let ids: Vec<_> = (0..3).rev().map(|index| image(plans[0], index)).collect();
    let (back, visit) = history.back(1, row.clone().as_deref(), ids);
    history.row(back, Step::RestoreRow(visit), &mut row);
    let total = success(&history, None).total;
    assert_eq!((before.counts.completed, total.counts.completed, total.counts.rolled_back), (3, 0, 3));
    assert_eq!((total.success_percent, total.error_percent), (Some(0.0), Some(100.0)));
    let of_back = success(&history, Some(back)).total;
    assert_eq!(of_back.counts, Counts { rolled_back: 3, ..Counts::default() });
    assert_eq!((of_back.venues, of_back.success_percent, &of_back.advice), (1, None, &None));
    assert!(of_back.running_ms > 0 && of_back.uploads == 0, "{of_back:?}");
}

#[test]
fn c9_content_that_differs_asks_for_a_rollback() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&entries(1)]);
    let id = image(plans[0], 0);
    history.turn(run, Step::Download(id), fetched("a"));
    history.turn(run, Step::Upload(id), Outcome::Trouble(trouble(IntegrityMismatch)));
    let advice = success(&history, None).lines[0].advice.clone().unwrap();
    assert_eq!(advice.verdict, Verdict::RollBack);
    assert_eq!(advice.reasons[0], "content on the CDN differs from what was sent");
}
