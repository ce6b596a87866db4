//! Rules of the state that no step shows by itself: whose a venue is, what a plan closes, how a run ends.

use ledger::decide::Outcome;
use ledger::event::*;
use ledger::ids::{RunId, Seq, VenueId};
use ledger::plan::Step;
use ledger::state::{Mark, RunStatus, Rung};
use ledger::trouble::TroubleKind::NotFound;

use crate::support::*;

fn row(name: &str) -> String {
    array(&[&external(&format!("https://o/{name}.jpg"))])
}

fn not_found() -> Outcome {
    Outcome::Trouble(trouble(NotFound))
}

#[test]
fn a_venue_belongs_to_the_last_run_that_named_it() {
    let mut history = History::new();
    let (older, plans) = history.forward(&[&row("a")]);
    let mut stale = history.decide(older, Step::Download(image(plans[0], 0)), fetched("a"));
    stale.extend(history.decide(older, Step::Download(image(plans[0], 0)), not_found()));
    let later = history.start(Verb::Migrate, venue_scope(1, "PL"));
    let plan = history.plan(later, moving(1, &row("a")));
    for event in stale {
        let refused = history.try_add(Some(older), event).unwrap_err().to_string();
        assert_eq!(refused, "venue 1 belongs to a later run");
    }
    assert!(history.state.is_over(plans[0]) && !history.state.is_over(plan));
    assert_eq!(history.state.venue(VenueId(1)).unwrap().all(), [plans[0], plan]);
    // Nothing is left of the older run: it may end.
    assert_eq!(history.finish(older, Ending::Done).open, 1);
}

#[test]
fn nothing_is_done_before_the_last_venue_is_planned() {
    let mut history = History::new();
    let run = history.start(Verb::Migrate, Scope::Country(country("PL")));
    let plan = history.plan(run, moving(1, &row("a")));
    let download = history.decide(run, Step::Download(image(plan, 0)), fetched("a")).remove(0);
    let refused = history.try_add(Some(run), download.clone()).unwrap_err();
    assert_eq!(refused.to_string(), format!("run {run} is still planning"));
    for wrong in [PlanningDone { venues: 2, images: 1 }, PlanningDone { venues: 1, images: 2 }] {
        assert!(history.try_add(Some(run), Event::PlanningDone(wrong)).is_err());
    }
    history.planning_done(run);
    history.add(Some(run), download);
    let late = history.try_add(Some(run), Event::Planned(moving(2, &row("b")))).unwrap_err();
    assert_eq!(late.to_string(), format!("the planning of run {run} is done"));
}

#[test]
fn venues_are_planned_in_the_order_of_their_ids_once_each() {
    let mut history = History::new();
    let run = history.start(Verb::Migrate, Scope::Country(country("PL")));
    history.plan(run, moving(5, &row("a")));
    for venue in [5, 4, -5] {
        let refused = history.try_add(Some(run), Event::Planned(moving(venue, &row("b")))).unwrap_err();
        assert_eq!(refused.to_string(), format!("venue {venue} is planned out of order"));
    }
    history.plan(run, moving(6, &row("b")));
    assert_eq!(history.state.run(run).unwrap().last_venue(), Some(VenueId(6)));
}

#[test]
fn a_plan_closes_old_marks_and_speaks_for_what_is_not_in_the_row() {
    let names = ["a", "b", "c", "d"].map(|name| external(&format!("https://o/{name}.jpg")));
    let mut history = History::new();
    let whole = array(&[&names[0], &names[1], &names[2], &names[3]]);
    let (run, plans) = history.forward(&[&whole]);
    let ids = [0, 1, 2, 3].map(|index| image(plans[0], index));
    history.upload(run, ids[0], "a");
    history.upload(run, ids[1], "b");
    history.turn(run, Step::Download(ids[2]), not_found());
    history.turn(run, Step::Download(ids[3]), not_found());
    history.row(run, Step::UpdateRow(plans[0]), &mut Some(whole));
    // `a` was put back by someone, `b` is in the row, `c` has failed and is there, `d` is gone.
    history.forward(&[&array(&[&names[0], &names[2]])]);
    let is_current = ids.map(|id| history.state.image(id).unwrap().is_current);
    assert_eq!(is_current, [false, true, false, false]);
}

#[test]
fn c6_a_rollback_takes_the_marks_off_what_it_names_and_names_only_what_is_there() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&row("a"), &row("b")]);
    let [a, b] = [0, 1].map(|venue| image(plans[venue], 0));
    history.upload(run, a, "a");
    history.turn(run, Step::UpdateRow(plans[0]), left(None));
    assert_eq!(history.state.image(a).unwrap().mark, Some(Mark::Drifted));
    let back = history.start(Verb::Rollback, Scope::Country(country("PL")));
    // `b` never reached the CDN, and is of another venue; nobody knows 99:0.
    for wrong in [b, image(Seq(99), 0)] {
        let plan = planned(1, None, Work::TakeBack(vec![wrong]));
        assert!(history.try_add(Some(back), Event::Planned(plan)).is_err());
    }
    let plan = planned(2, None, Work::TakeBack(vec![b]));
    assert!(history.try_add(Some(back), Event::Planned(plan)).is_err());
    history.plan(back, planned(1, None, Work::TakeBack(vec![a])));
    let image = history.state.image(a).unwrap();
    assert_eq!((image.rung, image.mark), (Rung::Uploaded, None));
}

#[test]
fn a_run_ends_as_its_events_say_and_only_once() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&row("a"), &row("b")]);
    history.turn(run, Step::Download(image(plans[0], 0)), not_found());
    let ends = |history: &mut History, ending, tally| {
        history
            .try_add(Some(run), Event::RunFinished(RunFinished { ending, tally }))
            .map_err(|e| e.to_string())
    };
    let open = history.state.tally(run);
    assert_eq!(ends(&mut history, Ending::Done, open), Err(format!("run {run} is not done")));
    history.turn(run, Step::Download(image(plans[1], 0)), not_found());
    let tally = Tally { venues: 2, images: 2, failed: 2, ..Tally::default() };
    assert_eq!(history.state.tally(run), tally);
    let wrong = Tally { failed: 1, skipped: 1, ..tally };
    let refused = format!("run {run} ended otherwise than its events say");
    assert_eq!(ends(&mut history, Ending::Done, wrong), Err(refused));
    assert!(ends(&mut history, Ending::Done, tally).is_ok());
    assert_eq!(history.state.run(run).unwrap().status, RunStatus::Finished(Ending::Done));
    assert_eq!(ends(&mut history, Ending::Done, tally), Err(format!("run {run} is finished already")));
    let resumed = resumed(options());
    assert!(history.try_add(Some(run), resumed).is_err());
}

#[test]
fn c5_a_paused_run_does_nothing_until_it_is_resumed() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&row("a")]);
    let step = Step::Download(image(plans[0], 0));
    let pause = Paused { reason: PauseReason::Operator, message: "wait".into(), advice: "resume".into() };
    history.add(Some(run), Event::Paused(pause));
    let event = history.decide(run, step, fetched("a")).remove(0);
    let refused = history.try_add(Some(run), event.clone()).unwrap_err();
    assert_eq!(refused.to_string(), format!("run {run} is not going on"));
    let options = Options { concurrency: 9, ..options() };
    history.add(Some(run), resumed(options.clone()));
    assert_eq!(history.state.run(run).unwrap().options(), &options);
    history.add(Some(run), event);
}

#[test]
fn c17_what_a_person_closed_is_settled_and_a_rollback_still_visits_it() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&row("a")]);
    let id = image(plans[0], 0);
    history.upload(run, id, "a");
    let closed = |image| {
        let image = Some(image);
        let (venue, reason, operator) = (VenueId(1), "left as it is".to_owned(), operator());
        Event::Closed(Closed { venue, image, reason, operator })
    };
    history.add(Some(run), closed(id));
    assert!(history.state.is_over(plans[0]));
    let visits = ledger::plan::take_backs(&history.state, &venue_scope(1, "PL"));
    assert_eq!(visits[&VenueId(1)], [id]);
    assert_eq!(history.finish(run, Ending::Done).closed, 1);
    // After the run's end a person may still decide; what is not there cannot be decided on.
    history.add(Some(run), closed(id));
    assert!(history.try_add(Some(run), closed(image(Seq(99), 0))).is_err());
}

#[test]
fn a_file_is_stored_where_its_bytes_belong_and_nowhere_else() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&row("a")]);
    let id = image(plans[0], 0);
    history.turn(run, Step::Download(id), fetched("a"));
    let Event::Uploaded(mut e) = history.decide(run, Step::Upload(id), stored("a")).remove(0) else {
        panic!()
    };
    e.path = "/venues/pub-1/another.jpg".parse().unwrap();
    assert!(history.try_add(Some(run), Event::Uploaded(e)).unwrap_err().to_string().contains("is not where"));
}

#[test]
fn every_event_but_the_first_is_of_a_run_that_started() {
    let mut history = History::new();
    let alerted = Event::Alerted(Alerted { about: AlertAbout::Paused, message: "y".into() });
    assert!(history.try_add(None, alerted.clone()).is_err());
    assert!(history.try_add(Some(RunId(Seq(2))), alerted).is_err());
    assert!(history.try_add(None, Event::Opened(opened())).is_err());
    let (run, _) = history.forward(&[&row("a")]);
    assert_eq!(run, RunId(Seq(2)));
    let event = RunStarted {
        verb: Verb::Migrate,
        scope: venue_scope(1, "PL"),
        options: options(),
        operator: operator(),
    };
    assert!(history.try_add(Some(run), Event::RunStarted(event)).is_err());
}

#[test]
fn c17_what_is_closed_while_a_rollback_is_interrupted_goes_back_all_the_same() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&row("a"), &row("b")]);
    let ids = [image(plans[0], 0), image(plans[1], 0)];
    ids.into_iter().zip(["a", "b"]).for_each(|(id, name)| history.upload(run, id, name));
    history.finish(run, Ending::Closed);
    let back = history.start(Verb::Rollback, Scope::Country(country("PL")));
    let visits: Vec<_> = (1..)
        .zip(ids)
        .map(|(venue, id)| history.plan(back, planned(venue, None, Work::TakeBack(vec![id]))))
        .collect();
    history.planning_done(back);
    for (venue, image) in (1..).map(VenueId).zip(ids) {
        let (reason, operator) = ("left as it is".to_owned(), operator());
        history.add(Some(run), Event::Closed(Closed { venue, image: Some(image), reason, operator }));
    }
    history.row(back, Step::RestoreRow(visits[0]), &mut Some(row("a")));
    history.row(back, Step::RestoreRow(visits[1]), &mut None);
    assert_eq!(history.state.image(ids[0]).unwrap().rung, Rung::RolledBack);
    assert_eq!(history.state.image(ids[1]).unwrap().mark, Some(Mark::Drifted));
    let tally = history.finish(back, Ending::Done);
    assert_eq!((tally.done, tally.drifted), (1, 1));
}
