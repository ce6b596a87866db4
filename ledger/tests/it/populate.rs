//! Entries that a `populate` appends: what its orders carry, what its outcomes mean, and the way back (requirement C1).

use ledger::decide::{Outcome, Row, Seen};
use ledger::event::*;
use ledger::ids::{RunId, Seq, VenueId};
use ledger::plan::{Step, in_the_way, is_taken_over, retryable, take_backs};
use ledger::report::standing;
use ledger::state::{Mark, Rung};
use ledger::trouble::TroubleKind::CatalogError;

use crate::support::*;

fn adding(venue: i64, array: Option<&str>, urls: &[&str]) -> Planned {
    let entries = urls.iter().map(|url| external(url)).collect();
    planned(venue, array, Work::Add(Addition { entries, left_out: Vec::new() }))
}

fn populate(history: &mut History, plans: Vec<Planned>) -> (RunId, Vec<Seq>) {
    let run = history.start(Verb::Populate, Scope::Everywhere);
    let plans = plans.into_iter().map(|plan| history.plan(run, plan)).collect();
    history.planning_done(run);
    (run, plans)
}

fn back(history: &mut History, run: RunId, row: &mut Option<String>) -> Vec<Event> {
    let scope = Scope::Run(run);
    let images = take_backs(&history.state, &scope).remove(&VenueId(1)).unwrap();
    let back = history.start(Verb::Rollback, scope);
    let visit = history.plan(back, planned(1, row.as_deref(), Work::TakeBack(images)));
    history.planning_done(back);
    history.row(back, Step::RestoreRow(visit), row)
}

#[test]
fn c1_entries_go_into_the_row_in_one_step_and_come_out_of_it_to_the_letter() {
    for home in [None, Some("[]"), Some("[ 7 ,\n {\"theirs\": 1.0} ]")] {
        let mut history = History::new();
        let home = home.map(str::to_owned);
        let (run, plans) = populate(&mut history, vec![adding(1, home.as_deref(), &["a", "b"])]);
        assert_eq!(ledger::plan::plan(&history.state, plans[0]), [Step::UpdateRow(plans[0])]);
        let mut row = home.clone();
        let events = history.row(run, Step::UpdateRow(plans[0]), &mut row);
        let [Event::DbUpdated(e)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((&e.array_before, Some(&e.array_after), e.found_done), (&home, row.as_ref(), false));
        assert!(e.edits.iter().all(|edit| edit.before.is_none() && edit.after.is_some()));
        assert_eq!(history.finish(run, Ending::Done).done, 2);
        // Nothing of it is an image of the CDN's yet; that it stands there is said all the same.
        let now = standing(&history.state);
        assert_eq!(now.countries, []);
        let counts = now.added.iter().map(|added| (added.run, added.venues, added.images, added.waiting));
        assert_eq!(counts.collect::<Vec<_>>(), [(run, 1, 2, 2)]);

        let events = back(&mut history, run, &mut row);
        assert_eq!(row, home);
        let [Event::RolledBack(e)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((e.edits.len(), &e.array_after), (2, &home));
        assert_eq!(standing(&history.state).added, []);
        assert_eq!(history.state.image(image(plans[0], 0)).unwrap().rung, Rung::RolledBack);
    }
}

#[test]
fn e5_an_update_whose_event_was_lost_is_found_done_with_the_array_before_it() {
    for home in [None, Some("[7]".to_owned())] {
        let mut history = History::new();
        let (run, plans) = populate(&mut history, vec![adding(1, home.as_deref(), &["a"])]);
        let mut row = home.clone();
        let mut lost = history.clone();
        lost.row(run, Step::UpdateRow(plans[0]), &mut row);
        // Even a rollback needs no event to know what to look for.
        let mut never_recorded = history.clone();
        never_recorded.finish(run, Ending::Closed);
        let mut held = row.clone();
        back(&mut never_recorded, run, &mut held);
        assert_eq!(held, home);

        let events = history.row(run, Step::UpdateRow(plans[0]), &mut row);
        let [Event::DbUpdated(e)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((e.found_done, &e.array_before), (true, &home));
        back(&mut history, run, &mut row);
        assert_eq!(row, home);
    }
}

#[test]
fn c1_what_was_never_written_is_back_already_and_what_was_migrated_since_stays() {
    let mut history = History::new();
    let (run, plans) = populate(&mut history, vec![adding(1, Some("[]"), &["https://o/a.jpg", "b"])]);
    let mut row = Some("[]".to_owned());
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.finish(run, Ending::Done);
    let entry = external("https://o/a.jpg");
    let forward = history.start(Verb::Migrate, Scope::Country(country("PL")));
    let moved = history.plan(forward, planned(1, row.as_deref(), Work::Move(vec![entry])));
    history.planning_done(forward);
    history.upload(forward, image(moved, 0), "a");
    history.row(forward, Step::UpdateRow(moved), &mut row);

    let events = back(&mut history, run, &mut row);
    let [Event::Drifted(drifted), Event::RolledBack(e)] = &events[..] else { panic!("{events:?}") };
    assert!(drifted.found.as_ref().unwrap().contains("original_tigris_url"));
    assert_eq!((e.edits.len(), e.left.len()), (1, 1));
    assert!(row.unwrap().contains("completed"));

    let mut untouched = History::new();
    let (run, _) = populate(&mut untouched, vec![adding(1, Some("[]"), &["a"])]);
    let events = back(&mut untouched, run, &mut Some("[]".into()));
    let [Event::RolledBack(e)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((e.held.len(), e.found_done), (1, true));
}

#[test]
fn c6_what_others_put_there_before_our_update_is_what_comes_back_to_the_letter() {
    let mut history = History::new();
    let (run, plans) = populate(&mut history, vec![adding(1, Some("[7]"), &["a", "b"])]);
    // Someone has meanwhile put the first picture there himself, and spaced the array in his own way.
    let theirs = r#"[ 7 , {"url": "a"} ]"#;
    let mut row = Some(theirs.to_owned());
    let events = history.row(run, Step::UpdateRow(plans[0]), &mut row);
    assert!(matches!(&events[..], [Event::Drifted(_), Event::DbUpdated(_)]), "{events:?}");
    history.finish(run, Ending::Done);
    back(&mut history, run, &mut row);
    assert_eq!(row.as_deref(), Some(theirs));
}

#[test]
fn c6_what_a_later_populate_added_anew_is_not_looked_for_by_the_rollback_of_the_earlier() {
    for was_added in [false, true] {
        let mut history = History::new();
        let (first, plans) = populate(&mut history, vec![adding(1, Some("[]"), &["a", "b"])]);
        let (step, mut row) = (Step::UpdateRow(plans[0]), Some("[]".to_owned()));
        match was_added {
            true => drop(history.row(first, step, &mut row)),
            false => drop(history.turn(first, step, ledger::decide::Outcome::Trouble(trouble(CatalogError)))),
        }
        history.finish(first, Ending::Done);
        // Our `a` was taken out by someone, or never got there.
        row = Some(array(&[&external("b")]));
        let (second, plans) = populate(&mut history, vec![adding(1, row.as_deref(), &["a"])]);
        history.row(second, Step::UpdateRow(plans[0]), &mut row);
        history.finish(second, Ending::Done);

        let events = back(&mut history, first, &mut row);
        let [Event::RolledBack(e)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((e.edits.len(), e.left.len()), (1, 0), "{was_added}: `b` alone goes back");
        assert_eq!(row.as_deref(), Some(&array(&[&external("a")])[..]));
        assert_eq!(take_backs(&history.state, &Scope::Run(second)).len(), 1);
    }
}

#[test]
fn c6_a_place_is_rolled_back_to_what_it_was_before_migrate() {
    let mut history = History::new();
    let (run, plans) = populate(&mut history, vec![adding(1, Some("[]"), &["a"])]);
    let poland = Scope::Country(country("PL"));
    assert!(!is_taken_over(&history.state, run, &poland));
    assert!(is_taken_over(&history.state, run, &Scope::Run(run)));
    history.row(run, Step::UpdateRow(plans[0]), &mut Some("[]".into()));
    assert!(take_backs(&history.state, &poland).is_empty());
    assert_eq!(take_backs(&history.state, &Scope::Run(run)).len(), 1);
}

/// A row may be written and its event not: whoever takes the venue over then has to take that back as well.
#[test]
fn c6_what_an_unfinished_run_may_have_written_is_in_the_way_of_a_rollback_that_leaves_it() {
    let poland = Scope::Country(country("PL"));
    let mut history = History::new();
    let entry = external("https://o/a.jpg");
    let (first, plans) = populate(&mut history, vec![adding(1, Some("[]"), &["https://o/a.jpg"])]);
    let mut row = Some("[]".to_owned());
    history.row(first, Step::UpdateRow(plans[0]), &mut row);
    history.finish(first, Ending::Done);
    let forward = history.start(Verb::Migrate, poland.clone());
    let moved = history.plan(forward, planned(1, row.as_deref(), Work::Move(vec![entry])));
    history.planning_done(forward);
    assert_eq!(in_the_way(&history.state, &Scope::Run(first)), [], "nothing of it is in the row yet");
    history.upload(forward, image(moved, 0), "a");
    assert_eq!(in_the_way(&history.state, &Scope::Run(first)), [forward]);
    for taken in [&poland, &Scope::Run(forward)] {
        assert_eq!(in_the_way(&history.state, taken), [], "{taken:?} takes it back");
        assert!(is_taken_over(&history.state, forward, taken), "{taken:?}");
    }
    history.row(forward, Step::UpdateRow(moved), &mut row);
    assert_eq!(in_the_way(&history.state, &Scope::Run(first)), [], "the ledger knows of it");
    history.finish(forward, Ending::Done);

    // A place is rolled back to what it was before `migrate`: not over a `populate` that has not come to its end there.
    let (second, plans) = populate(&mut history, vec![adding(1, row.as_deref(), &["b"])]);
    assert_eq!(in_the_way(&history.state, &poland), [second]);
    assert_eq!(in_the_way(&history.state, &Scope::Run(second)), []);
    history.row(second, Step::UpdateRow(plans[0]), &mut row);
    history.finish(second, Ending::Done);
    assert_eq!(in_the_way(&history.state, &poland), []);

    // Nor over the rollback of a `populate`, and neither does it close that.
    let images = take_backs(&history.state, &Scope::Run(second)).remove(&VenueId(1)).unwrap();
    let back = history.start(Verb::Rollback, Scope::Run(second));
    let visit = history.plan(back, planned(1, row.as_deref(), Work::TakeBack(images)));
    history.planning_done(back);
    for (scope, is_so) in [(&poland, false), (&Scope::Everywhere, false), (&Scope::Run(second), true)] {
        assert_eq!(is_taken_over(&history.state, back, scope), is_so, "{scope:?}");
        assert_eq!(in_the_way(&history.state, scope), Vec::from_iter((!is_so).then_some(back)), "{scope:?}");
    }
    history.row(back, Step::RestoreRow(visit), &mut row);
    history.finish(back, Ending::Done);
    assert_eq!(in_the_way(&history.state, &poland), []);
}

#[test]
fn c5_what_failed_is_taken_up_again_by_a_run_that_had_finished() {
    let mut history = History::new();
    let (run, plans) = populate(&mut history, vec![adding(1, Some("[]"), &["a"])]);
    let step = Step::UpdateRow(plans[0]);
    history.turn(run, step, ledger::decide::Outcome::Trouble(trouble(CatalogError)));
    assert_eq!(history.finish(run, Ending::Done).failed, 1);
    let (retry_images, retry_venues) = retryable(&history.state, run);
    assert_eq!((retry_images.clone(), retry_venues.clone()), (vec![image(plans[0], 0)], vec![]));
    assert!(
        history.try_add(Some(run), resumed(options())).is_err(),
        "without anything to take up it stays finished"
    );
    let again = Resumed { options: options(), operator: operator(), retry_images, retry_venues };
    history.add(Some(run), Event::Resumed(again));
    let mut row = Some("[]".to_owned());
    history.row(run, step, &mut row);
    assert_eq!(history.finish(run, Ending::Done).done, 1);
    assert_eq!(retryable(&history.state, run), (vec![], vec![]));
}

#[test]
fn c1_what_could_not_become_an_entry_waits_for_a_person_who_may_close_it() {
    let mut history = History::new();
    let left_out = vec![LeftOut { trivia_advisor_id: 7, image: Some(0), why: "it has no local_path".into() }];
    let work = Work::Add(Addition { entries: vec![external("a")], left_out });
    let (run, plans) = populate(&mut history, vec![planned(1, Some("[]"), work)]);
    history.row(run, Step::UpdateRow(plans[0]), &mut Some("[]".into()));
    let tally = history.finish(run, Ending::Done);
    assert_eq!((tally.done, tally.left_out, tally.venues_failed), (1, 1, 0));
    let waiting = |history: &History| standing(&history.state).waiting.len();
    assert_eq!(waiting(&history), 1);
    let (venue, reason) = (VenueId(1), "known".to_owned());
    let closed = Event::Closed(Closed { venue, image: None, reason, operator: operator() });
    history.add(Some(run), closed.clone());
    assert_eq!(waiting(&history), 0);
    assert!(history.try_add(Some(run), closed).is_err());
}

#[test]
fn c17_a_closed_picture_stays_closed_until_somebody_takes_it_up_again() {
    let entry = external("a");
    let mut history = History::new();
    let (run, plans) = history.forward(&[&array(&[&entry])]);
    let (venue, reason) = (VenueId(1), "it kills the process".to_owned());
    let closed = Closed { venue, image: Some(image(plans[0], 0)), reason, operator: operator() };
    history.add(Some(run), Event::Closed(closed));
    history.finish(run, Ending::Done);
    assert!(history.state.is_closed(venue, &entry));
    assert!(!history.state.is_closed(venue, &external("b")));
    // A later plan of the venue that leaves it out does not forget it; one that names it takes it up.
    let (run, _) = history.forward(&[&array(&[&external("b")])]);
    assert!(history.state.is_closed(venue, &entry));
    let mark = |history: &History| history.state.image(image(plans[0], 0)).unwrap().mark;
    assert_eq!(mark(&history), Some(Mark::Closed));
    history.finish(run, Ending::Closed);
    history.forward(&[&array(&[&entry])]);
    assert!(!history.state.is_closed(venue, &entry));
}

#[test]
fn c1_populates_taken_back_oldest_first_bring_null_back_too() {
    let mut history = History::new();
    let (first, plans) = populate(&mut history, vec![adding(1, None, &["a"])]);
    let mut row = None;
    history.row(first, Step::UpdateRow(plans[0]), &mut row);
    history.finish(first, Ending::Done);
    let (second, plans) = populate(&mut history, vec![adding(1, row.as_deref(), &["b"])]);
    history.row(second, Step::UpdateRow(plans[0]), &mut row);
    history.finish(second, Ending::Done);
    back(&mut history, first, &mut row);
    assert_eq!(row, Some(array(&[&external("b")])));
    back(&mut history, second, &mut row);
    assert_eq!(row, None);
}

/// An image that is on the CDN and not in the row, whose entry a `populate` had added and a rollback took out since; or
/// that rollback wrote the row and died before saying so.
fn taken_out(home: Option<&str>, is_said: bool) -> (History, Seq, Option<String>) {
    let mut history = History::new();
    let mut row = home.map(str::to_owned);
    let (run, plans) = populate(&mut history, vec![adding(1, home, &["a"])]);
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.finish(run, Ending::Done);
    let (forward, plans) = history.forward(&[row.as_deref().unwrap()]);
    history.upload(forward, image(plans[0], 0), "a");
    history.finish(forward, Ending::Closed);
    let mut dying = history.clone();
    let images = take_backs(&history.state, &Scope::Run(run)).remove(&VenueId(1)).unwrap();
    let held = row.clone();
    back(if is_said { &mut history } else { &mut dying }, run, &mut row);
    assert_eq!(row.as_deref(), home);
    if !is_said {
        let (dead, _) = history.back(1, held.as_deref(), images);
        history.finish(dead, Ending::Closed);
    }
    (history, plans[0], row)
}

#[test]
fn c6_nothing_has_drifted_where_a_populate_s_rollback_took_the_entry_out() {
    let home = ["[]", "[ 7 ]"].map(Some);
    for (home, is_said, others, drifted) in [
        (None, true, None, 0),
        (None, false, None, 0),
        (home[0], true, None, 0),
        (home[0], false, None, 0),
        (home[1], true, None, 0),
        // What others have made of the row since is said.
        (None, true, Some("7"), 1),
    ] {
        let (mut history, plan, mut row) = taken_out(home, is_said);
        row = others.map_or(row, |others| Some(others.to_owned()));
        let held = row.clone();
        let (run, visit) = history.back(1, held.as_deref(), vec![image(plan, 0)]);
        history.row(run, Step::RestoreRow(visit), &mut row);
        assert_eq!((history.finish(run, Ending::Done).drifted, &row), (drifted, &held), "{home:?} {is_said}");
    }
    // The venue has no row any more: nothing of the image is there to be taken back.
    let (mut history, plan, _) = taken_out(None, true);
    let (run, visit) = history.back(1, None, vec![image(plan, 0)]);
    let gone = Outcome::Row(Row { seen: Seen::Missing, ms: 5 });
    history.turn(run, Step::RestoreRow(visit), gone);
    assert_eq!(history.finish(run, Ending::Done).done, 1);
}

#[test]
fn c6_an_entry_that_a_later_populate_added_again_and_others_took_out_is_drift() {
    let (mut history, _, mut row) = taken_out(Some("[]"), true);
    let (run, plans) = populate(&mut history, vec![adding(1, row.as_deref(), &["a"])]);
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.finish(run, Ending::Done);
    let (forward, plans) = history.forward(&[row.as_deref().unwrap()]);
    history.upload(forward, image(plans[0], 0), "a");
    history.finish(forward, Ending::Closed);
    let mut row = Some("[]".to_owned());
    let (run, visit) = history.back(1, row.as_deref(), vec![image(plans[0], 0)]);
    history.row(run, Step::RestoreRow(visit), &mut row);
    assert_eq!(history.finish(run, Ending::Done).drifted, 1);
}
