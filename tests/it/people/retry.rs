//! `resume --retry-failed`: a run takes up again what of it had failed (requirement C5).

use longshore::sandbox::faults::Fault;
use serde_json::{Value, json};

use crate::support::site::Site;
use crate::support::stage::Kind;

const RETRY: [&str; 2] = ["resume", "--retry-failed"];

fn migrate(country: &str) -> [&str; 4] {
    ["migrate", "--country", country, "--yes"]
}

fn site() -> Site {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/1.jpg"]);
    site.lost(1, "/lost.jpg");
    site.venue(2, 1, &["/2.jpg"]);
    site
}

fn counts(run: &Value) -> (u64, u64, u64) {
    let of = |key: &str| run["tally"][key].as_u64().unwrap();
    (of("done"), of("failed"), of("open"))
}

#[test]
fn c5_a_finished_run_takes_up_what_failed_and_finishes_again() {
    let site = site();
    let before = site.stage.rows();
    let first = site.one_run(&migrate("PL"), 10);
    assert_eq!(counts(&first), (2, 1, 0), "{first}");
    // As long as the picture is lost, it fails again.
    let again = site.one_run(&RETRY, 10);
    assert_eq!((counts(&again), &again["run"]), ((2, 1, 0), &first["run"]), "{again}");
    site.found("/lost.jpg");
    let fetched = site.stage.requests("origin");
    let done = site.one_run(&RETRY, 0);
    assert_eq!((counts(&done), &done["run"]), ((3, 0, 0), &first["run"]), "{done}");
    assert_eq!(site.stage.requests("origin"), fetched + 1, "finished ones cost no request");
    let total = &done["report"]["total"];
    assert_eq!(
        (&total["counts"]["completed"], &total["success_percent"]),
        (&json!(3), &json!(100.0)),
        "{done}"
    );
    assert_eq!(site.events(&["--kind", "resumed"]).len(), 2);
    let run = first["run"].to_string();
    site.run_idle(&RETRY).code(0).says("Nothing to take up again");
    site.run_idle(&["resume", "--run", &run, "--retry-failed"]).code(0).says("Nothing to take up again");
    site.run_idle(&["resume", "--run", &run]).code(2).says("--retry-failed");
    site.run_idle(&["resume"]).code(0).says("Nothing to resume");
    let back = site.one_run(&["rollback", "--run", &run, "--yes"], 0);
    assert_eq!((counts(&back), &back["venues_restored"]), ((3, 0, 0), &json!(2)), "{back}");
    assert_eq!(site.stage.rows(), before);
    site.run(&["ledger", "verify"]).code(0);
}

#[test]
fn c5_a_paused_run_takes_up_what_failed_and_goes_on() {
    let site = site();
    let no = Fault::Answer { status: 403, headers: Vec::new(), body: r#"{"message": "no"}"#.to_owned() };
    site.stage.cdn_faults.inject("upload", 1, 1_000, no);
    let paused = site.one_run(&[&migrate("PL")[..], &["--concurrency", "1"]].concat(), 11);
    assert_eq!(counts(&paused), (1, 1, 1), "{paused}");
    site.stage.cdn_faults.clear();
    site.found("/lost.jpg");
    let done = site.one_run(&RETRY, 0);
    assert_eq!((counts(&done), &done["run"]), ((3, 0, 0), &paused["run"]), "{done}");
}

#[test]
fn c5_of_several_runs_with_failures_one_wants_to_be_named() {
    let site = site();
    site.venue(3, 2, &["/3.jpg"]);
    site.lost(3, "/lost-too.jpg");
    let runs = ["PL", "DE"].map(|country| site.one_run(&migrate(country), 10)["run"].to_string());
    let several = site.run_idle(&RETRY).code(2).says("several runs have failed images").says("--run N");
    for run in &runs {
        assert!(several.stderr.contains(&format!("run {run}: migrate")), "{several}");
    }
    site.found("/lost.jpg");
    site.found("/lost-too.jpg");
    let one = site.one_run(&["resume", "--run", &runs[0], "--retry-failed"], 0);
    assert_eq!(counts(&one), (3, 0, 0), "{one}");
    // Now it is clear which is meant.
    let other = site.one_run(&RETRY, 0);
    assert_eq!((other["run"].to_string(), counts(&other)), (runs[1].clone(), (2, 0, 0)), "{other}");
}

#[test]
fn c5_what_a_later_run_named_or_a_person_left_is_not_taken_up_by_the_earlier() {
    let site = site();
    let first = site.one_run(&migrate("PL"), 10)["run"].to_string();
    let second = site.one_run(&["migrate", "--venue-id", "1", "--yes"], 10)["run"].to_string();
    site.run_idle(&["resume", "--run", &first, "--retry-failed"]).code(0).says("belongs to a later run");
    site.run(&["skip", "--venue-id", "1", "--reason", "nobody has it"]).code(0);
    site.found("/lost.jpg");
    site.run_idle(&["resume", "--run", &second, "--retry-failed"]).code(0).says("Nothing to take up again");
    site.run_idle(&RETRY).code(0);
}

#[test]
fn c5_what_an_unfinished_run_holds_is_not_taken_up_beside_it() {
    let mut site = site();
    let first = site.one_run(&migrate("PL"), 10)["run"].to_string();
    site.lost(2, "/new.jpg");
    site.found("/new.jpg");
    let right = site.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_wrong".into()).unwrap();
    let held = site.one_run(&["migrate", "--venue-id", "2", "--yes"], 11)["run"].to_string();
    site.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), right);
    site.found("/lost.jpg");
    let refused = site.run_idle(&["resume", "--run", &first, "--retry-failed"]).code(22);
    refused.says(&format!("`longshore resume --run {held}` finishes it"));
    site.one_run(&["resume"], 0);
    assert_eq!(counts(&site.one_run(&RETRY, 0)), (3, 0, 0));
}

#[test]
fn c5_what_lies_where_a_rollback_was_is_not_taken_up_over_it() {
    for scope in [["--country", "PL"], ["--city", "krakow"], ["--venue-id", "1"]] {
        let site = site();
        let before = site.stage.rows();
        site.one_run(&migrate("PL"), 10);
        let back = [&["rollback"][..], &scope, &["--yes"]].concat();
        site.one_run(&back, 0);
        site.found("/lost.jpg");
        let rows = site.stage.rows();
        site.run_idle(&RETRY).code(0).says("Nothing");
        assert_eq!(rows[&1], before[&1]);
        // A new run takes it.
        site.one_run(&migrate("PL"), 0);
    }
}

#[test]
fn c5_c6_a_row_that_could_not_be_restored_is_taken_up_again() {
    let site = site();
    let before = site.stage.rows();
    site.found("/lost.jpg");
    site.one_run(&migrate("PL"), 0);
    site.forbid(1);
    let back = site.one_run(&["rollback", "--country", "PL", "--yes", "--delete-cdn-files"], 10);
    assert_eq!((counts(&back), &back["venues_restored"]), ((1, 2, 0), &json!(1)), "{back}");
    assert_eq!((&back["files_deleted"], site.paths().len()), (&json!(1), 2), "what a row uses stays");
    let again = site.one_run(&RETRY, 10);
    assert_eq!(counts(&again), (1, 2, 0), "{again}");
    site.permit(1);
    let done = site.one_run(&RETRY, 0);
    assert_eq!((counts(&done), &done["run"]), ((3, 0, 0), &back["run"]), "{done}");
    assert_eq!((&done["venues_restored"], &done["files_deleted"]), (&json!(2), &json!(3)), "{done}");
    assert!(site.paths().is_empty());
    assert_eq!(site.stage.rows(), before);
    site.run_idle(&RETRY).code(0);
    site.run(&["ledger", "verify"]).code(0);
}
