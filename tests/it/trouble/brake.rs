//! Too many images in trouble: the run pauses, advises, and goes on when it is told to.

use ledger::event::Event;

use super::Trouble;

/// Fifteen of these venues are in the United Kingdom: enough images for a rate to be spoken of, several times.
const VENUES: u32 = 20;

#[test]
fn e2_bad_images_pause_the_run_and_each_resume_gets_further_to_the_end() {
    let it = Trouble::sized(VENUES, "origin=404x15%");
    let ran = it.migrate(&[]).code(11).says("failed or were skipped").says("it pauses above 10 %");
    let mut ran = ran.says("longshore export failures --run").says("--retry-failed");
    let settled = || it.events().iter().map(settled_by).sum::<usize>();
    let mut before = settled();
    assert!(before >= 20, "{before}: fewer say nothing");
    let mut resumed = 0;
    while ran.code == Some(11) {
        ran = it.work.run(&["resume"]);
        assert!(settled() > before, "a resume gets further: {ran}");
        (before, resumed) = (settled(), resumed + 1);
    }
    let ran = ran.code(10);
    assert!(resumed < 6, "{resumed}: it counts anew after each pause");
    let pauses = it.pauses();
    assert!(pauses.iter().all(|(why, _)| why == "error_rate") && pauses.len() == resumed, "{pauses:?}");
    assert_eq!(it.alerts().iter().filter(|about| *about == "error_rate").count(), resumed, "{ran}");

    // Each missing picture is a failed image, whose entry stays as it was, and when they are there again the end is
    // the one that it would have been.
    let failures = it.work.run_json(&["export", "failures"]).code(0).json();
    let lost = failures.as_array().unwrap().iter().filter(|one| one["error_type"] == "not_found").count();
    assert!(lost >= 5, "{failures}");
    it.work.order("all=none");
    let mut ran = it.work.run(&["resume", "--retry-failed"]);
    // The sandbox's own bad images fail again.
    while ran.code == Some(11) {
        ran = it.work.run(&["resume"]);
    }
    it.is_the_same_end(ran);
}

/// What the brake says of the country, the report says of it too, and advises accordingly.
#[test]
fn e2_c9_the_report_counts_as_the_brake_does() {
    // Venues of five images each: while the first are in the air, hardly a row is updated.
    let it = Trouble::sized(VENUES, "origin=404x50%");
    let ran = it.migrate(&["--concurrency", "16"]).code(11).says("failed or were skipped");
    let words: Vec<&str> = ran.stdout.split("paused: ").nth(1).unwrap().split(' ').collect();
    let (troubled, images): (u64, u64) = (words[0].parse().unwrap(), words[4].parse().unwrap());
    let report = it.work.run_json(&["report"]).code(0).json();
    let total = &report["total"];
    let of = |key: &str| total["counts"][key].as_u64().unwrap();
    let tried = of("completed") + total["waiting"].as_u64().unwrap() + of("failed") + of("skipped");
    assert!(total["waiting"].as_u64().unwrap() > 0, "nothing waits for its row: {total}");
    // What was in the air when it paused comes on top.
    assert!(tried >= images && of("failed") + of("skipped") >= troubled, "{ran} {total}");
    let percent = (of("failed") + of("skipped")) as f64 * 100.0 / tried as f64;
    assert!((total["error_percent"].as_f64().unwrap() - percent).abs() < 0.01, "{total}");
    let verdict = total["advice"]["verdict"].as_str().unwrap();
    assert!(["pause", "roll_back"].contains(&verdict), "{percent}: {total}");
}

#[test]
fn e2_a_wider_limit_lets_the_same_run_go_through() {
    let it = Trouble::sized(VENUES, "origin=404x15%");
    it.migrate(&["--max-error-rate", "60"]).code(10);
    assert!(it.pauses().is_empty());
}

/// Images that this says something of to the brake: what waits for its row has gone well so far.
fn settled_by(event: &Event) -> usize {
    usize::from(matches!(event, Event::Failed(_) | Event::Skipped(_) | Event::Uploaded(_)))
}
