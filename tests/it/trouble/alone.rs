//! Images that are never given while others are: they fail by themselves, and the run settles all the rest. An outage is a
//! matter of a whole part (requirements E1, E3).

use std::time::Duration;

use ledger::event::{Ending, PauseReason, Tally};
use ledger::report::standing;
use longshore::runner::{End, RunError};

use crate::support::stage::{How, Kind, Stage};

/// More than so many failures in a row look like an outage.
const BAD: i64 = 12;

/// A venue with twelve images below `/bad`, then twelve venues with one each below `/good`.
fn world() -> Stage {
    let stage = Stage::new(Kind::Sqlite);
    let bad: Vec<String> =
        (0..BAD).map(|n| stage.external(&format!("/bad/{n}.jpg"), &format!("b{n}"))).collect();
    stage.venue(1, "bad", 1, &format!("[{}]", bad.join(", ")));
    for n in 0..BAD {
        let good = stage.external(&format!("/good/{n}.jpg"), &format!("g{n}"));
        stage.venue(10 + n, "good", 1, &format!("[{good}]"));
    }
    stage
}

fn how() -> How {
    How { patience: Duration::from_secs(4), concurrency: 6, ..How::default() }
}

#[track_caller]
fn settled(stage: &Stage, end: Result<End, RunError>, kind: &str) -> Tally {
    let Ok(End::Finished(Ending::Done, tally)) = end else { panic!("{end:?}") };
    let ledger = stage.verified();
    let kinds: Vec<_> = standing(ledger.state()).waiting.iter().map(|w| (w.error_type, w.images)).collect();
    assert_eq!(kinds, [(kind, BAD as u64)]);
    tally
}

fn images_that_alone_are_not_given(orders: &str, kind: &str) {
    let stage = world();
    stage.order(orders);
    let tally = settled(&stage, stage.migrate(&how()), kind);
    assert_eq!((tally.done, tally.failed), (BAD as u64, BAD as u64));
    // Once they are given, they are moved, and no file is there twice.
    stage.order(&format!("{}=none", orders.split_once('=').unwrap().0));
    let Ok(End::Finished(_, tally)) = stage.migrate(&How::default()) else { panic!() };
    assert_eq!((tally.done, tally.failed), (BAD as u64, 0));
    assert!(stage.imagekit.files().iter().all(|file| file.versions == 1));
}

#[test]
fn e3_images_that_alone_the_origin_does_not_give_fail_and_the_others_are_moved() {
    images_that_alone_are_not_given("origin/bad/*=500", "origin_error");
}

#[test]
fn e3_images_that_alone_the_origin_is_too_busy_for_fail_and_the_others_are_moved() {
    images_that_alone_are_not_given("origin/bad/*=503:reset=100", "rate_limited");
}

#[test]
fn e3_images_whose_delivery_alone_is_in_trouble_fail_and_the_others_are_moved() {
    images_that_alone_are_not_given("delivery/venues/bad/*=500", "api_error");
}

#[test]
fn e3_images_that_alone_are_not_served_fail_and_the_others_are_moved() {
    images_that_alone_are_not_given("delivery/venues/bad/*=404", "not_served");
}

#[test]
fn e3_a_run_with_nothing_else_left_asks_for_what_was_given_before() {
    for (orders, kind) in [
        ("origin/bad/*=500", "origin_error"),
        ("origin/bad/*=503:reset=100", "rate_limited"),
        ("delivery/venues/bad/*=500", "api_error"),
    ] {
        let stage = world();
        let first = How { limit: Some(5), ..how() };
        stage.sql("UPDATE venues SET city_id = 2 WHERE id = 1");
        assert!(matches!(stage.migrate(&first), Ok(End::Finished(Ending::Done, _))));
        stage.sql("UPDATE venues SET city_id = 1 WHERE id = 1; UPDATE venues SET city_id = 2 WHERE id > 1");
        stage.order(orders);
        let second = How { patience: Duration::from_secs(2), concurrency: 12, ..How::default() };
        let tally = settled(&stage, stage.migrate(&second), kind);
        assert_eq!((tally.images, tally.failed), (BAD as u64, BAD as u64), "{orders}");
    }
}

#[test]
fn e3_where_nothing_is_given_at_all_the_run_pauses_and_fails_no_image() {
    for orders in ["origin=500", "upload=500", "delivery=500", "delivery=404", "origin=503:reset=100"] {
        let stage = world();
        stage.order(orders);
        let end = stage.migrate(&how());
        assert!(
            matches!(&end, Ok(End::Paused(paused)) if paused.reason == PauseReason::Outage),
            "{orders} {end:?}"
        );
        assert_eq!(standing(stage.verified().state()).waiting.len(), 0, "{orders}");
        stage.order(&format!("{}=none", orders.split_once('=').unwrap().0));
        let Ok(End::Finished(_, tally)) = stage.resume(&How::default()) else { panic!("{orders}") };
        assert_eq!((tally.done, tally.failed), (2 * BAD as u64, 0), "{orders}");
        assert!(stage.imagekit.files().iter().all(|file| file.versions == 1), "{orders}");
    }
}

#[test]
fn e1_one_image_that_is_told_to_come_back_in_an_hour_stops_no_run() {
    for concurrency in [1, 4] {
        let stage = world();
        stage.order("origin/bad/0.jpg=429:reset=3600000");
        let how = How { concurrency, ..how() };
        let Ok(End::Finished(Ending::Done, tally)) = stage.migrate(&how) else { panic!("{concurrency}") };
        assert_eq!((tally.done, tally.failed), (2 * BAD as u64 - 1, 1), "{concurrency}");
    }
}
