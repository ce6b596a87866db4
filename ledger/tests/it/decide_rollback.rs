//! Rows taken back to their before-images (requirement C6, design rules 5 and 6).

use ledger::decide::{Outcome, Row, Seen};
use ledger::event::{Closed, Ending, Event, RolledBack, RunFinished, Scope, StepName, Tally};
use ledger::ids::{ImageId, RunId, Seq, VenueId};
use ledger::order::Order;
use ledger::plan::{Step, take_backs};
use ledger::state::{Mark, Rung};
use ledger::trouble::TroubleKind;

use crate::support::*;

fn poland() -> Scope {
    Scope::Country(country("PL"))
}

fn rolled_back(events: &[Event]) -> &RolledBack {
    match events.last() {
        Some(Event::RolledBack(rolled_back)) => rolled_back,
        _ => panic!("{events:?}"),
    }
}

/// Two images in the row of one venue.
fn completed() -> (History, RunId, Seq, String, Option<String>) {
    let planned = array(&[&external("https://o/a.jpg"), &external("https://o/b.jpg")]);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&planned]);
    history.upload(run, image(plans[0], 0), "a");
    history.upload(run, image(plans[0], 1), "b");
    let mut row = Some(planned.clone());
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.finish(run, Ending::Done);
    (history, run, plans[0], planned, row)
}

/// Starts the rollback that the scope asks for, of the one venue there is.
fn back(history: &mut History, scope: &Scope, held: Option<&str>) -> (RunId, Seq) {
    let (venue, images) = take_backs(&history.state, scope).pop_first().unwrap();
    history.back(venue.0, held, images)
}

#[test]
fn c6_a_rollback_gives_the_very_text_back() {
    let (mut history, _, plan, planned, mut row) = completed();
    let held = row.clone();
    let (run, visit) = back(&mut history, &poland(), row.as_deref());
    let events = history.row(run, Step::RestoreRow(visit), &mut row);
    let e = rolled_back(&events);
    assert_eq!((row.as_deref(), e.array_after.as_deref()), (Some(&*planned), Some(&*planned)));
    assert_eq!((e.array_before.clone(), e.found_done, events.len()), (held, false, 1));
    assert_eq!((e.edits.len(), e.held.len(), e.left.len()), (2, 0, 0));
    assert_eq!(history.finish(run, Ending::Done).done, 2);
    assert_eq!(history.state.image(image(plan, 0)).unwrap().rung, Rung::RolledBack);
    assert!(take_backs(&history.state, &poland()).is_empty());
}

#[test]
fn c6_an_image_uploaded_but_never_in_the_row_is_held_already() {
    let planned = array(&[&external("https://o/a.jpg")]);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&planned]);
    history.upload(run, image(plans[0], 0), "a");
    history.finish(run, Ending::Closed);
    let mut row = Some(planned.clone());
    let (run, visit) = back(&mut history, &poland(), row.as_deref());
    let events = history.row(run, Step::RestoreRow(visit), &mut row);
    let e = rolled_back(&events);
    assert_eq!((&e.held[..], e.found_done), (&[image(plans[0], 0)][..], true));
    assert_eq!(row, Some(planned));
}

#[test]
fn c6_a_row_written_by_a_process_that_died_before_saying_so_goes_back_too() {
    let planned = array(&[&external("https://o/a.jpg"), "8"]);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&planned]);
    history.upload(run, image(plans[0], 0), "a");
    let mut row = Some(planned.clone());
    let Order::UpdateRow(order) = history.order(run, Step::UpdateRow(plans[0])) else { panic!() };
    perform_row(&order, &mut row);
    assert_ne!(row.as_deref(), Some(&*planned));
    history.finish(run, Ending::Closed);
    let (run, visit) = back(&mut history, &poland(), row.as_deref());
    let events = history.row(run, Step::RestoreRow(visit), &mut row);
    assert_eq!(rolled_back(&events).edits.len(), 1);
    assert_eq!(row, Some(planned));
}

#[test]
fn c6_two_generations_of_plans_go_back_newest_first() {
    let planned = array(&[&external("https://o/a.jpg")]);
    let mut history = History::new();
    let (first, plans) = history.forward(&[&planned]);
    let old = image(plans[0], 0);
    history.upload(first, old, "a");
    history.finish(first, Ending::Closed);
    let (second, plans) = history.forward(&[&planned]);
    let new = image(plans[0], 0);
    history.upload(second, new, "a");
    let mut row = Some(planned.clone());
    history.row(second, Step::UpdateRow(plans[0]), &mut row);
    history.finish(second, Ending::Done);

    let visits = take_backs(&history.state, &poland());
    assert_eq!(visits[&VenueId(1)], [new, old]);
    let (run, visit) = back(&mut history, &poland(), row.as_deref());
    let events = history.row(run, Step::RestoreRow(visit), &mut row);
    let e = rolled_back(&events);
    assert_eq!(
        (e.edits.iter().map(|edit| edit.image).collect::<Vec<_>>(), &e.held[..]),
        (vec![new], &[old][..])
    );
    assert_eq!(row, Some(planned));
    assert_eq!(history.finish(run, Ending::Done).done, 2);
}

#[test]
fn c6_what_others_added_stays_and_what_they_changed_is_left() {
    let (mut history, _, plan, _, mut row) = completed();
    let text = row.take().unwrap();
    let [a, b] = {
        let array = ledger::images::Array::parse(&text).unwrap();
        [0, 1].map(|place| array.get(place).unwrap().to_owned())
    };
    // Someone puts a picture in front, adds a key to ours, and moves another of ours elsewhere.
    let theirs = b.replace("demo/b.jpg", "demo/elsewhere.jpg");
    row = Some(array(&["{\"new\": 1}", &a.replacen('{', "{\"alt\": \"x\", ", 1), &theirs]));
    let (run, visit) = back(&mut history, &poland(), row.as_deref());
    let events = history.row(run, Step::RestoreRow(visit), &mut row);
    let e = rolled_back(&events);
    assert_eq!((&e.left[..], e.edits.len()), (&[image(plan, 1)][..], 1));
    assert!(matches!(&events[0], Event::Drifted(d) if d.found == Some(theirs.clone()) && d.expected == b));
    let row = row.unwrap();
    assert!(row.starts_with("[{\"new\": 1}, {\"alt\": \"x\", \"url\": \"https://o/a.jpg\""), "{row}");
    assert!(row.contains(&theirs));
    assert_eq!(history.state.image(image(plan, 1)).unwrap().mark, Some(Mark::Drifted));
    let tally = history.finish(run, Ending::Done);
    assert_eq!((tally.done, tally.drifted), (1, 1));
    // It stays what a rollback visits, for when a person has looked.
    assert_eq!(take_backs(&history.state, &poland())[&VenueId(1)], [image(plan, 1)]);
}

#[test]
fn c6_a_row_that_is_gone_null_or_no_array_is_left_and_said() {
    for (seen, before) in [
        (Seen::Missing, None),
        (Seen::Left(None), None),
        (Seen::Left(Some("\"none\"".into())), Some("\"none\"")),
    ] {
        let (mut history, _, _, _, _) = completed();
        let (run, visit) = back(&mut history, &poland(), None);
        let events = history.turn(run, Step::RestoreRow(visit), Outcome::Row(Row { seen, ms: 5 }));
        let e = rolled_back(&events);
        assert_eq!((e.left.len(), e.found_done, e.array_before.as_deref()), (2, true, before));
        assert_eq!((events.len(), history.finish(run, Ending::Done).drifted), (3, 2));
    }
}

#[test]
fn c6_a_row_that_cannot_be_restored_fails_as_a_whole_and_is_visited_again() {
    let (mut history, _, _, planned, mut row) = completed();
    let (run, visit) = back(&mut history, &poland(), row.as_deref());
    let events =
        history.turn(run, Step::RestoreRow(visit), Outcome::Trouble(trouble(TroubleKind::CatalogError)));
    let [Event::Failed(e)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((e.image, e.step, e.passing), (None, StepName::RestoreRow, true));
    let tally = history.finish(run, Ending::Done);
    assert_eq!((tally.failed, tally.venues_failed, tally.done), (2, 1, 0));
    let (run, visit) = back(&mut history, &poland(), row.as_deref());
    history.row(run, Step::RestoreRow(visit), &mut row);
    assert_eq!((row, history.finish(run, Ending::Done).done), (Some(planned), 2));
}

/// A person leaves an image, or its venue as a whole.
fn close(history: &mut History, run: RunId, image: Option<ImageId>) {
    let (venue, reason, operator) = (VenueId(1), "left as it is".to_owned(), operator());
    history.add(Some(run), Event::Closed(Closed { venue, image, reason, operator }));
}

/// Sees that a rollback ends with this tally, and that one which ended as earlier programs counted it can be read.
fn ends(history: &mut History, run: RunId, tally: Tally) {
    let ending = Ending::Done;
    let earlier = Tally { open: tally.closed, closed: 0, ..tally };
    let wrong = Tally { done: tally.closed, closed: 0, ..tally };
    let end = |tally| {
        let event = Event::RunFinished(RunFinished { ending, tally });
        history.clone().try_add(Some(run), event).map(drop)
    };
    assert!(end(earlier).is_ok());
    assert!(end(wrong).is_err());
    assert_eq!(history.finish(run, ending), tally);
}

#[test]
fn c17_what_a_rollback_found_drifted_and_a_person_left_is_closed() {
    let (mut history, forward, plan, _, mut row) = completed();
    row = row.map(|row| row.replace("demo/b.jpg", "demo/elsewhere.jpg"));
    let (run, visit) = back(&mut history, &poland(), row.as_deref());
    history.row(run, Step::RestoreRow(visit), &mut row);
    assert_eq!(
        history.state.tally(run),
        Tally { venues: 1, images: 2, done: 1, drifted: 1, ..Tally::default() }
    );
    close(&mut history, forward, Some(image(plan, 1)));
    ends(&mut history, run, Tally { venues: 1, images: 2, done: 1, closed: 1, ..Tally::default() });
}

#[test]
fn c17_a_venue_that_could_not_be_restored_and_that_a_person_left_is_closed() {
    let (mut history, _, _, _, row) = completed();
    let (run, visit) = back(&mut history, &poland(), row.as_deref());
    history.turn(run, Step::RestoreRow(visit), Outcome::Trouble(trouble(TroubleKind::CatalogError)));
    close(&mut history, run, None);
    ends(&mut history, run, Tally { venues: 1, images: 2, closed: 2, ..Tally::default() });
}

#[test]
fn c6_what_failed_and_is_back_as_it_was_has_not_failed_any_more() {
    let planned = array(&[&external("https://o/a.jpg")]);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&planned, &planned]);
    history.upload(run, image(plans[0], 0), "a");
    let failed = || Outcome::Trouble(trouble(TroubleKind::NotFound));
    history.turn(run, Step::UpdateRow(plans[0]), failed());
    history.turn(run, Step::Download(image(plans[1], 0)), failed());
    let two = Tally { venues: 2, images: 2, failed: 2, ..Tally::default() };
    assert_eq!(history.state.tally(run), two);
    // The run is wider than the rollback, and goes on behind it.
    let (back, visit) = history.back(1, Some(&planned), vec![image(plans[0], 0)]);
    history.row(back, Step::RestoreRow(visit), &mut Some(planned.clone()));
    history.finish(back, Ending::Done);
    assert_eq!(history.finish(run, Ending::Done), Tally { done: 1, failed: 1, ..two });
}

#[test]
fn c6_twins_go_back_each_for_itself() {
    let twin = external("https://o/a.jpg");
    let planned = array(&[&twin, "1", &twin]);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&planned]);
    history.upload(run, image(plans[0], 0), "same");
    history.upload(run, image(plans[0], 1), "same");
    let mut row = Some(planned.clone());
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.finish(run, Ending::Done);
    let (run, visit) = back(&mut history, &Scope::Run(run), row.as_deref());
    let events = history.row(run, Step::RestoreRow(visit), &mut row);
    assert_eq!(rolled_back(&events).edits.len(), 2);
    assert_eq!(row, Some(planned));
}

#[test]
fn c6_an_entry_that_others_took_out_is_drift_whoever_has_its_file() {
    // A picture of the same bytes, and the same picture once more.
    for other in ["https://o/b.jpg", "https://o/a.jpg"] {
        let (gone, stays) = (external("https://o/a.jpg"), external(other));
        let mut history = History::new();
        let (run, plans) = history.forward(&[&array(&[&gone, &stays])]);
        history.upload(run, image(plans[0], 0), "same");
        history.upload(run, image(plans[0], 1), "same");
        let mut row = Some(array(&[&stays]));
        history.row(run, Step::UpdateRow(plans[0]), &mut row);
        assert_eq!(history.finish(run, Ending::Done).drifted, 1);
        let (run, visit) = back(&mut history, &poland(), row.as_deref());
        let events = history.row(run, Step::RestoreRow(visit), &mut row);
        let e = rolled_back(&events);
        assert_eq!((e.edits.len(), e.held.len(), e.left.len()), (1, 0, 1), "{other}");
        assert_eq!(row, Some(array(&[&stays])));
    }
}
