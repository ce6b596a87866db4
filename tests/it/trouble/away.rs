//! A part of the outside that is away for a while: its port is closed and its connections are broken.

use super::Trouble;

fn is_waited_through(orders: &str, part: &str) {
    let it = Trouble::of(orders);
    let ran = it.migrate(&["--concurrency", "4"]);
    let ran = ran.says(&format!("{part} is away, and is waited for"));
    it.is_the_same_end(ran);
    assert!(it.failed().is_empty(), "{:?}", it.failed());
    assert_eq!(it.alerts(), ["outage", "finished"], "people are told once");
    assert!(it.pauses().is_empty());
}

fn is_paused_for(orders: &str) {
    let it = Trouble::of(orders);
    it.migrate(&["--patience", "1"]).code(11).says("cannot be reached").says("longshore resume");
    assert!(it.failed().is_empty(), "{:?}", it.failed());
    assert_eq!(it.pauses().iter().map(|(why, _)| why.as_str()).collect::<Vec<_>>(), ["outage"]);
    // Still away: it says so again, and nothing is worse for it.
    it.work.run(&["resume"]).code(11);
    assert_eq!(it.pauses().len(), 2);
    it.is_the_same_end(it.well_again());
}

#[test]
fn e3_a_cdn_that_goes_away_in_the_middle_is_waited_for() {
    is_waited_through("cdn=away:after=30:for=3s", "the CDN");
}

#[test]
fn e3_an_origin_that_goes_away_in_the_middle_is_waited_for() {
    is_waited_through("origin=away:after=15:for=3s", "the origin");
}

#[test]
fn e3_a_cdn_that_stays_away_pauses_the_run_and_the_end_is_the_same() {
    is_paused_for("cdn=away:after=30");
}

#[test]
fn e3_an_origin_that_stays_away_pauses_the_run_and_the_end_is_the_same() {
    is_paused_for("origin=away:after=15");
}
