//! Rate limits and storms of server errors.

use super::Trouble;

#[test]
fn e1_a_third_of_uploads_being_limited_loses_no_image_and_costs_no_attempt() {
    // Read as seconds, one of these waits would outlast the patience.
    let it = Trouble::of("upload=429x30%:reset=300");
    it.is_the_same_end(it.migrate(&["--patience", "100"]));
    let uploaded = it.uploaded();
    assert!(it.failed().is_empty());
    let sent = it.work.requests("upload");
    assert!(sent >= uploaded.len() as u64 * 5 / 4, "{sent} requests for {} files", uploaded.len());
    // An entry that stands in a row twice is sent once.
    assert!(uploaded.iter().all(|it| it.attempts == u32::from(!it.found_done())), "{uploaded:?}");
    assert_eq!(it.work.requests("list"), 0, "a limit is an answer: nothing has to be looked for");
    assert_eq!(it.alerts(), ["finished"], "nobody is called for a moment");
}

#[test]
fn e3_a_rate_limit_longer_than_the_patience_pauses_and_asks_nothing_more() {
    let it = Trouble::of("upload=429x1:after=3:reset=3600s");
    it.migrate(&["--concurrency", "4", "--patience", "60"]).code(11).says("longshore resume");
    // What had been sent when the limit came, and no more: all workers keep to it.
    let sent = it.work.requests("upload");
    assert!((4..=7).contains(&sent), "{sent}");
    let pauses = it.pauses();
    assert!(pauses.len() == 1 && pauses[0].0 == "outage" && pauses[0].1.contains("429"), "{pauses:?}");
    assert!(it.failed().is_empty(), "nothing is said of an image that a limit kept waiting");
    it.is_the_same_end(it.well_again());
}

#[test]
fn e1_server_errors_here_and_there_are_retried() {
    // One more than one image would bear, and fewer in a row than would be an outage.
    let it = Trouble::of("upload=502x5:after=4\norigin=503x3:after=9");
    it.is_the_same_end(it.migrate(&[]));
    let retried: u32 = it.uploaded().iter().map(|it| it.attempts.saturating_sub(1)).sum();
    assert_eq!((retried, it.failed().len()), (5, 0));
    let report = it.work.run_json(&["report"]).code(0).json();
    assert!(report.to_string().contains("\"retries\":8"), "{report}");
}

#[test]
fn e3_a_storm_of_server_errors_is_an_outage_that_is_waited_through() {
    let it = Trouble::of("cdn=503x40:after=15");
    // Many at a time, so that ten in a row come before any one has been tried often.
    let ran = it.migrate(&[]).says("the CDN is away, and is waited for");
    it.is_the_same_end(ran);
    assert!(it.failed().is_empty(), "no image fails for what is wrong with the CDN as a whole");
    assert_eq!(it.alerts(), ["outage", "finished"]);
    assert!(it.pauses().is_empty());
}

#[test]
fn e3_a_storm_that_outlasts_the_patience_pauses_and_the_run_gets_to_the_same_end() {
    let it = Trouble::of("origin=500:after=10");
    it.migrate(&["--patience", "1"]).code(11);
    assert!(it.failed().is_empty());
    assert_eq!(it.pauses().len(), 1);
    it.is_the_same_end(it.well_again());
}
