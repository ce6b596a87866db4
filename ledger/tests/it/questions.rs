//! What commands ask of a state before they begin: who holds a scope, what a rollback takes over, who has trouble.

use ledger::decide::Outcome;
use ledger::event::{Country, Ending, Planned, Scope, Verb};
use ledger::ids::{RunId, VenueId};
use ledger::plan::{Step, country as country_of, holders, is_taken_over, is_troubled, take_backs};
use ledger::trouble::TroubleKind::{InvalidImage, NotFound};

use crate::support::*;

fn row() -> String {
    array(&[&external("https://o/a.jpg")])
}

fn at(venue: i64, code: &str, in_city: i64) -> Planned {
    Planned { country: Some(country(code)), city: Some(city(in_city)), ..moving(venue, &row()) }
}

fn land(code: &str) -> Scope {
    Scope::Country(country(code))
}

fn town(id: i64, code: &str) -> Scope {
    Scope::City { city: city(id), country: Some(country(code)) }
}

/// An unfinished run over Poland: venue 1 in city 1, venue 2 in city 2; the second is settled.
fn poland() -> (History, RunId) {
    let mut history = History::new();
    let run = history.start(Verb::Migrate, land("PL"));
    history.plan(run, at(1, "PL", 1));
    let second = history.plan(run, at(2, "PL", 2));
    history.planning_done(run);
    history.turn(run, Step::Download(image(second, 0)), Outcome::Trouble(trouble(NotFound)));
    (history, run)
}

#[test]
fn c5_a_scope_is_held_by_an_unsettled_venue_in_it() {
    let (mut history, run) = poland();
    let table = [
        (land("PL"), true),
        (land("FR"), false),
        (town(1, "PL"), true),
        (town(2, "PL"), false),
        (venue_scope(1, "PL"), true),
        (venue_scope(2, "PL"), false),
        (Scope::Run(run), true),
        (Scope::Run(RunId(ledger::ids::Seq(1))), false),
    ];
    for (scope, is_held) in &table {
        assert_eq!(holders(&history.state, scope), Vec::from_iter(is_held.then_some(run)), "{scope:?}");
    }
    history.finish(run, Ending::Closed);
    for (scope, _) in &table {
        assert_eq!(holders(&history.state, scope), [], "{scope:?}");
    }
}

#[test]
fn c5_a_run_that_still_plans_holds_its_whole_country() {
    let mut history = History::new();
    let run = history.start(Verb::Migrate, town(1, "PL"));
    for (scope, is_held) in [
        (land("PL"), true),
        (town(2, "PL"), true),
        (venue_scope(9, "PL"), true),
        (land("FR"), false),
        (Scope::Venue { venue: VenueId(9), country: None }, false),
    ] {
        assert_eq!(holders(&history.state, &scope), Vec::from_iter(is_held.then_some(run)), "{scope:?}");
    }
    history.planning_done(run);
    assert_eq!(holders(&history.state, &land("PL")), []);
}

#[test]
fn c6_an_unfinished_run_wholly_inside_a_rollback_is_taken_over() {
    // A run's scope, the venues it planned as (venue, city), and which rollbacks take it over.
    let rollbacks =
        |run| [land("PL"), land("FR"), town(1, "PL"), town(2, "PL"), venue_scope(1, "PL"), Scope::Run(run)];
    type Venues = &'static [(i64, i64)];
    let table: [(Scope, Venues, [bool; 6]); 7] = [
        (land("PL"), &[(1, 1), (2, 2)], [true, false, false, false, false, true]),
        // Every venue it planned lies in city 1.
        (land("PL"), &[(1, 1), (2, 1)], [true, false, true, false, false, true]),
        (land("PL"), &[(1, 1)], [true, false, true, false, true, true]),
        (land("PL"), &[], [true, false, false, false, false, true]),
        (town(1, "PL"), &[(1, 1), (2, 1)], [true, false, true, false, false, true]),
        (town(2, "PL"), &[], [true, false, false, true, false, true]),
        (venue_scope(1, "PL"), &[(1, 2)], [true, false, false, true, true, true]),
    ];
    for (scope, venues, expected) in table {
        let mut history = History::new();
        let run = history.start(Verb::Migrate, scope.clone());
        for (venue, city) in venues {
            history.plan(run, at(*venue, "PL", *city));
        }
        history.planning_done(run);
        let found = rollbacks(run).map(|wanted| is_taken_over(&history.state, run, &wanted));
        assert_eq!(found, expected, "{scope:?} {venues:?}");
        assert!(!is_taken_over(&history.state, RunId(ledger::ids::Seq(1)), &land("PL")));
    }
    // While it plans, what it will plan is not known: its scope alone decides.
    let mut history = History::new();
    let run = history.start(Verb::Migrate, land("PL"));
    history.plan(run, at(1, "PL", 1));
    assert!(!is_taken_over(&history.state, run, &town(1, "PL")));
    assert!(is_taken_over(&history.state, run, &land("PL")));
}

#[test]
fn c6_a_rollback_takes_over_the_rollback_of_a_run_that_was_cut_off_while_planning() {
    let mut history = History::new();
    let forward = history.start(Verb::Migrate, land("PL"));
    history.plan(forward, at(1, "PL", 1));
    history.planning_done(forward);
    let back = history.start(Verb::Rollback, Scope::Run(forward));
    for (scope, is_so) in [
        (Scope::Run(forward), true),
        // It is finished by `resume`.
        (Scope::Run(back), false),
        (land("PL"), true),
        (town(1, "PL"), true),
        (town(2, "PL"), false),
        (land("FR"), false),
    ] {
        assert_eq!(is_taken_over(&history.state, back, &scope), is_so, "{scope:?}");
    }
}

#[test]
fn c6_a_rollback_visits_what_reached_the_cdn_in_its_scope() {
    let mut history = History::new();
    let run = history.start(Verb::Migrate, land("PL"));
    let plans = [(1, 1), (2, 2), (3, 1)].map(|(venue, city)| history.plan(run, at(venue, "PL", city)));
    history.planning_done(run);
    history.upload(run, image(plans[0], 0), "a");
    history.upload(run, image(plans[1], 0), "b");
    history.turn(run, Step::Download(image(plans[2], 0)), fetched("c"));
    let state = history.state.clone();
    let visited = |scope: &Scope| take_backs(&state, scope).into_keys().map(|venue| venue.0).collect();
    for (scope, venues) in [
        (land("PL"), vec![1, 2, 3]),
        (town(1, "PL"), vec![1, 3]),
        (venue_scope(2, "PL"), vec![2]),
        (venue_scope(3, "PL"), vec![3]),
        (Scope::Run(run), vec![1, 2, 3]),
        (land("FR"), vec![]),
    ] {
        let found: Vec<i64> = visited(&scope);
        assert_eq!(found, venues, "{scope:?}");
    }
    // The third is named so that it no longer belongs to the unfinished run; once that is closed, it is left alone.
    assert_eq!(take_backs(&history.state, &land("PL"))[&VenueId(3)], []);
    history.finish(run, Ending::Closed);
    assert_eq!(take_backs(&history.state, &land("PL")).len(), 2);
}

#[test]
fn a_venue_is_in_trouble_while_a_current_image_of_it_is() {
    let (mut history, run) = poland();
    assert_eq!([1, 2, 3].map(|venue| is_troubled(&history.state, VenueId(venue))), [false, true, false]);
    history.finish(run, Ending::Closed);
    // Planned again, the old trouble is over until there is new.
    let run = history.start(Verb::Migrate, town(2, "PL"));
    let plan = history.plan(run, at(2, "PL", 2));
    history.planning_done(run);
    assert!(!is_troubled(&history.state, VenueId(2)));
    history.turn(run, Step::Download(image(plan, 0)), Outcome::Trouble(trouble(InvalidImage)));
    assert!(is_troubled(&history.state, VenueId(2)));
}

#[test]
fn a_drifted_venue_is_in_trouble_and_a_closed_one_is_not() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&row(), &row()]);
    history.upload(run, image(plans[0], 0), "a");
    history.turn(run, Step::UpdateRow(plans[0]), left(None));
    let (venue, image, reason) = (VenueId(2), Some(image(plans[1], 0)), "as asked".to_owned());
    let closed = ledger::event::Closed { venue, image, reason, operator: operator() };
    history.add(Some(run), ledger::event::Event::Closed(closed));
    assert_eq!([1, 2].map(|venue| is_troubled(&history.state, VenueId(venue))), [true, false]);
}

#[test]
fn a_scope_lies_in_a_country_where_it_says_so() {
    let poland = Country { code: "PL".into(), name: "Polska".into(), slug: None };
    assert_eq!(country_of(&Scope::Country(poland)), Some("PL"));
    assert_eq!(country_of(&town(1, "FR")), Some("FR"));
    assert_eq!(country_of(&Scope::Venue { venue: VenueId(1), country: None }), None);
    assert_eq!(country_of(&Scope::Run(RunId(ledger::ids::Seq(2)))), None);
}
