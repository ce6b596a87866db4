//! Row updates forward: found done, drifted, gone, and the arrays before and after (design rule 5).

use ledger::event::{DbUpdated, Drifted, Event};
use ledger::ids::{RunId, Seq};
use ledger::order::Order;
use ledger::plan::Step;
use ledger::state::Mark;

use crate::support::*;

/// Two images of one venue on the CDN, and the row as it was planned.
fn ready() -> (History, RunId, Seq, String) {
    let planned = array(&[&external("https://o/a.jpg"), "{\"theirs\":1.50}", &external("https://o/b.jpg")]);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&planned]);
    history.upload(run, image(plans[0], 0), "a");
    history.upload(run, image(plans[0], 1), "b");
    (history, run, plans[0], planned)
}

fn rewritten(history: &History, run: RunId, plan: Seq, held: &str) -> String {
    let Order::UpdateRow(order) = history.order(run, Step::UpdateRow(plan)) else { panic!() };
    order.rewrite(Some(held)).unwrap().unwrap()
}

fn updated(events: &[Event]) -> &DbUpdated {
    match events.last() {
        Some(Event::DbUpdated(updated)) => updated,
        _ => panic!("{events:?}"),
    }
}

fn drifts(events: &[Event]) -> Vec<&Drifted> {
    let drifted = events.iter().filter_map(|event| match event {
        Event::Drifted(drifted) => Some(drifted),
        _ => None,
    });
    drifted.collect()
}

#[test]
fn d3_an_update_writes_the_after_images_and_nothing_else() {
    let (mut history, run, plan, planned) = ready();
    let mut row = Some(planned.clone());
    let events = history.row(run, Step::UpdateRow(plan), &mut row);
    let e = updated(&events);
    assert_eq!(events.len(), 1);
    assert_eq!(
        (e.array_before.as_ref(), Some(&e.array_after), e.found_done),
        (Some(&planned), row.as_ref(), false)
    );
    assert_eq!(e.edits.iter().map(|edit| edit.image).collect::<Vec<_>>(), [image(plan, 0), image(plan, 1)]);
    assert_eq!(e.edits[0].before, Some(external("https://o/a.jpg")));
    // Design rule 5: a pure function of the planned entry and of `uploaded`, its time included.
    let uploaded_at =
        history.records[history.state.image(image(plan, 0)).unwrap().uploaded.unwrap().0 as usize - 1].at;
    assert_eq!(
        e.edits[0].after.clone().unwrap(),
        format!(
            "{{\"url\": \"https://ik.imagekit.io/demo/a.jpg\", \"upload_status\": \"completed\", \"width\": 640, \
             \"height\": 480, \"source\": \"trivia_advisor_migration\", \
             \"migrated_at\": \"2026-01-01T00:00:00.000Z\", \"imagekit_file_id\": \"a\", \
             \"imagekit_uploaded_at\": \"{uploaded_at}\", \"original_tigris_url\": \"https://o/a.jpg\"}}"
        )
    );
    assert!(row.unwrap().contains("{\"theirs\":1.50}"));
}

#[test]
fn d3_the_after_image_is_recorded_as_the_catalog_spells_it() {
    let (history, run, plan, planned) = ready();
    let after = rewritten(&history, run, plan, &planned);
    // jsonb gives keys back in an order of its own.
    let source = "\"source\": \"trivia_advisor_migration\", ";
    let reordered = after.replace(source, "").replace("{\"url\"", &format!("{{{source}\"url\""));
    let events = history.decide(run, Step::UpdateRow(plan), written(&planned, &reordered));
    assert!(
        updated(&events).edits.iter().all(|edit| edit.after.as_ref().unwrap().starts_with("{\"source\""))
    );
}

#[test]
fn e5_a_row_found_done_has_the_planned_array_before_it() {
    let (history, run, plan, planned) = ready();
    let after = rewritten(&history, run, plan, &planned);
    let events = history.decide(run, Step::UpdateRow(plan), left(Some(&after)));
    let e = updated(&events);
    assert!(e.found_done);
    assert_eq!((e.array_before.as_ref(), &e.array_after), (Some(&planned), &after));
    assert_eq!(e.edits.len(), 2);
}

#[test]
fn e5_a_row_found_done_that_others_changed_since_has_the_edits_taken_back() {
    let (history, run, plan, planned) = ready();
    let after = rewritten(&history, run, plan, &planned).replace("1.50}", "2}, 7");
    let events = history.decide(run, Step::UpdateRow(plan), left(Some(&after)));
    let e = updated(&events);
    assert!(e.found_done);
    assert_eq!(e.array_before, Some(planned.replace("1.50}", "2}, 7")));
    assert_eq!(e.array_after, after);
}

#[test]
fn e5_another_upload_time_is_found_done_and_recorded_as_found() {
    // SQLite keeps the text as it was written: here without the spaces that an edit puts in.
    let planned = array(&[&external("https://o/a.jpg").replace("\": ", "\":"), "7"]);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&planned]);
    history.upload(run, image(plans[0], 0), "a");
    let uploaded = history.state.image(image(plans[0], 0)).unwrap().uploaded.unwrap();
    let uploaded_at = history.records[uploaded.0 as usize - 1].at.to_string();
    let after = rewritten(&history, run, plans[0], &planned);
    let earlier = after.replace(&uploaded_at, "2020-01-01T00:00:00.000Z");
    assert_ne!(earlier, after);
    let events = history.decide(run, Step::UpdateRow(plans[0]), left(Some(&earlier)));
    let e = updated(&events);
    assert!(e.found_done);
    assert!(e.edits[0].after.as_ref().unwrap().contains("2020-01-01T00:00:00.000Z"));
    // The edit, as it was found, on the planned array gives what is found: so that was the array before.
    assert_eq!(e.array_before, Some(planned));
}

#[test]
fn e5_a_row_half_done_is_completed_and_the_done_half_taken_back_in_the_array_before() {
    let (mut history, run, plan, planned) = ready();
    let after = rewritten(&history, run, plan, &planned);
    let done_a = ledger::images::Array::parse(&after).unwrap().get(0).unwrap().to_owned();
    let mut row = Some(planned.replace(&external("https://o/a.jpg"), &done_a));
    let events = history.row(run, Step::UpdateRow(plan), &mut row);
    let e = updated(&events);
    assert!(!e.found_done);
    assert_eq!((e.array_before.as_ref(), &e.array_after), (Some(&planned), &after));
    assert_eq!(e.edits.len(), 2);
}

#[test]
fn e1_what_someone_changed_is_drifted_and_the_venues_other_images_go_on() {
    let (mut history, run, plan, planned) = ready();
    let theirs = external("https://o/a.jpg").replace("external", "deleted");
    let mut row = Some(planned.replace(&external("https://o/a.jpg"), &theirs));
    let events = history.row(run, Step::UpdateRow(plan), &mut row);
    let [drifted] = drifts(&events)[..] else { panic!("{events:?}") };
    assert_eq!((drifted.image, drifted.expected.as_str()), (image(plan, 0), &*external("https://o/a.jpg")));
    assert_eq!(drifted.found.as_ref(), Some(&theirs));
    assert_eq!(updated(&events).edits.iter().map(|edit| edit.image).collect::<Vec<_>>(), [image(plan, 1)]);
    assert!(row.unwrap().contains(&theirs));
    assert_eq!(history.state.image(image(plan, 0)).unwrap().mark, Some(Mark::Drifted));
    let tally = history.finish(run, ledger::event::Ending::Done);
    assert_eq!((tally.done, tally.drifted), (1, 1));
}

#[test]
fn e1_a_row_gone_null_or_no_array_is_drift_of_every_image_and_no_update() {
    use ledger::decide::{Outcome, Row, Seen};
    for seen in
        [Seen::Missing, Seen::Left(None), Seen::Left(Some("{\"a\":1}".into())), Seen::Left(Some("[]".into()))]
    {
        let (mut history, run, plan, _) = ready();
        let events =
            history.turn(run, Step::UpdateRow(plan), Outcome::Row(Row { seen: seen.clone(), ms: 1 }));
        assert_eq!(drifts(&events).len(), 2, "{seen:?}");
        assert_eq!(events.len(), 2, "{seen:?}");
        assert!(drifts(&events).iter().all(|drifted| drifted.found.is_none()));
        assert_eq!(history.finish(run, ledger::event::Ending::Done).drifted, 2);
    }
}

#[test]
fn d3_twins_are_completed_each_for_itself_and_a_missing_twin_drifts_alone() {
    let twin = external("https://o/a.jpg");
    let mut history = History::new();
    let (run, plans) = history.forward(&[&array(&[&twin, &twin]), &array(&[&twin, &twin])]);
    for plan in &plans {
        history.upload(run, image(*plan, 0), "same");
        history.upload(run, image(*plan, 1), "same");
    }
    let mut both = Some(array(&[&twin, &twin]));
    let events = history.row(run, Step::UpdateRow(plans[0]), &mut both);
    assert_eq!(updated(&events).edits.len(), 2);
    assert!(!both.unwrap().contains("\"external\""));
    let mut one = Some(array(&[&twin]));
    let events = history.row(run, Step::UpdateRow(plans[1]), &mut one);
    assert_eq!((drifts(&events).len(), updated(&events).edits.len()), (1, 1));
}

#[test]
fn e1_only_images_on_the_cdn_and_without_a_mark_are_ordered_into_the_row() {
    let mut history = History::new();
    let urls = ["https://o/a.jpg", "https://o/b.jpg", "https://o/c.jpg"].map(external);
    let (run, plans) = history.forward(&[&array(&[&urls[0], &urls[1], &urls[2]])]);
    history.upload(run, image(plans[0], 1), "b");
    history.upload(run, image(plans[0], 2), "c");
    let closed = ledger::event::Closed {
        venue: ledger::ids::VenueId(1),
        image: Some(image(plans[0], 2)),
        reason: "the pub asked".into(),
        operator: operator(),
    };
    history.add(Some(run), Event::Closed(closed));
    let Order::UpdateRow(order) = history.order(run, Step::UpdateRow(plans[0])) else { panic!() };
    assert_eq!(order.images, [image(plans[0], 1)]);
    assert_eq!(order.work.expected(0), urls[1]);
}

/// Found by the model: the update was on disk, its event was not, and the resumed run wrote the row once more, into
/// the twin that had failed and that no rollback would then have visited.
#[test]
fn e5_an_update_found_done_leaves_a_failed_twin_external() {
    let twin = external("https://o/a.jpg");
    let planned = array(&[&twin, &twin]);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&planned]);
    history.upload(run, image(plans[0], 1), "same");
    let trouble = ledger::decide::Outcome::Trouble(trouble(ledger::trouble::TroubleKind::NotFound));
    history.turn(run, Step::Download(image(plans[0], 0)), trouble);
    let once = rewritten(&history, run, plans[0], &planned);
    let events = history.row(run, Step::UpdateRow(plans[0]), &mut Some(once.clone()));
    let e = updated(&events);
    assert_eq!((e.found_done, e.edits.len()), (true, 1));
    assert_eq!((e.array_before.as_ref(), &e.array_after), (Some(&planned), &once));
}
