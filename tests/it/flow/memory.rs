//! What the ledger tells afterwards: `status`, `log`, `ledger verify`, and `resume` (requirements C5, C8, C12, E1).

use serde_json::{Value, json};

use crate::support::program::Workplace;
use crate::support::stage::Kind;

fn events(at: &Workplace, filters: &[&str]) -> Vec<Value> {
    at.run_json(&[&["log"], filters].concat()).code(0).json_lines()
}

fn names(events: &[Value]) -> Vec<String> {
    events.iter().map(|line| line["event"].as_object().unwrap().keys().next().unwrap().clone()).collect()
}

#[test]
fn c12_the_log_is_filtered_by_place_run_kind_and_time() {
    let at = Workplace::new(Kind::Sqlite, 12);
    let run_of = |country: &str| {
        let ran = at.run_json(&["migrate", "--country", country, "--yes"]);
        ran.json()["runs"][0]["run"].clone()
    };
    let (poland, germany) = (run_of("PL"), run_of("DE"));
    let all = events(&at, &[]);
    assert_eq!(all.iter().map(|line| line["seq"].as_u64().unwrap()).collect::<Vec<_>>(), {
        (1..=all.len() as u64).collect::<Vec<_>>()
    });
    assert_eq!(names(&all)[..3], ["opened", "run_started", "planned"]);

    let run = events(&at, &["--run", &germany.to_string()]);
    let wanted: Vec<&Value> = all.iter().filter(|line| line["run"] == germany).collect();
    assert!(wanted.len() > 10 && run.iter().eq(wanted), "{run:?}");
    assert_ne!(poland, germany);

    let planned = events(&at, &["--country", "Poland", "--kind", "planned"]);
    let of_poland = |line: &&Value| line["event"]["planned"]["country"]["code"] == "PL";
    assert!(!planned.is_empty() && planned.iter().eq(all.iter().filter(of_poland)), "{planned:?}");

    let venue = planned[0]["event"]["planned"]["venue"].to_string();
    let one = names(&events(&at, &["--venue-id", &venue]));
    assert_eq!((one.first().unwrap().as_str(), one.last().unwrap().as_str()), ("planned", "db_updated"));

    let kinds = events(&at, &["--kind", "uploaded", "--kind", "db_updated"]);
    let is_kind = |name: &str| name == "uploaded" || name == "db_updated";
    let wanted = names(&all).iter().filter(|name| is_kind(name)).count();
    assert!(wanted > 0 && kinds.len() == wanted && names(&kinds).iter().all(|name| is_kind(name)));

    let middle = all[all.len() / 2]["at"].as_str().unwrap();
    let until = events(&at, &["--until", middle]);
    let since = events(&at, &["--since", middle]);
    let at_it = all.iter().filter(|line| line["at"] == middle).count();
    assert_eq!(until.len() + since.len(), all.len() + at_it);
    assert!(until.iter().all(|line| line["at"].as_str().unwrap() <= middle), "{until:?}");

    at.run(&["log", "--kind", "uploadet"]).code(2).says("there is no event \"uploadet\"").says("uploaded");
    let people = at.run(&["log"]).code(0);
    assert_eq!(people.stdout.lines().count(), all.len(), "an event a line: {people}");
}

#[test]
fn c8_status_counts_every_image_where_it_is() {
    let at = Workplace::new(Kind::Sqlite, 24);
    at.run(&["status"]).code(2).says("there is no ledger");
    let poland = at.sandbox.world.to_migrate("PL");
    let images: usize = poland.iter().map(|venue| venue.images.to_migrate().count()).sum();
    let missing = poland[0].images.to_migrate().next().unwrap();
    at.sandbox.origin.remove(missing);
    let twice = poland[0].images.to_migrate().filter(|path| *path == missing).count();
    let went = at.run_json(&["migrate", "--country", "PL", "--yes"]).code(10);
    let counts = went.json()["runs"][0]["report"]["total"]["counts"].clone();
    let status = at.run_json(&["status"]).code(0).json();
    assert_eq!(status["countries"][0]["counts"], counts);
    assert_eq!(
        (&status["countries"][0]["images"], &status["countries"][0]["code"]),
        (&json!(images), &json!("PL"))
    );
    assert_eq!(status["unfinished"], json!([]));
    let waits = status["waiting"].as_array().unwrap().iter();
    let lost = waits.filter(|waiting| waiting["error_type"] == "not_found").collect::<Vec<_>>();
    assert!(lost.len() == 1 && lost[0]["images"].as_u64().unwrap() >= twice as u64, "{status}");
    at.run(&["rollback", "--country", "PL", "--yes"]).code(0);
    let back = at.run_json(&["status"]).json();
    assert_eq!(
        (&back["total"]["rolled_back"], &back["total"]["completed"]),
        (&counts["completed"], &json!(0))
    );
}

#[test]
fn e1_c5_a_wrong_key_pauses_and_several_paused_runs_want_to_be_named() {
    let mut at = Workplace::new(Kind::Sqlite, 8);
    at.run(&["resume"]).code(0).says("Nothing to resume");
    let right =
        at.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_of_another_account".into()).unwrap();
    let rows = at.rows();
    let mut runs = Vec::new();
    for country in ["PL", "DE"] {
        let paused = at.run_json(&["migrate", "--country", country, "--yes"]).code(11);
        let run = paused.json()["runs"][0].clone();
        assert_eq!(run["paused"]["reason"], "unauthorized", "{paused}");
        assert_eq!(run["tally"]["failed"], 0, "a wrong key is no image's fault: {paused}");
        runs.push(run["run"].to_string());
    }
    assert!(at.rows() == rows && at.sandbox.imagekit.files().is_empty());
    let again = at.run(&["resume", "--run", &runs[0]]).code(11);
    let again = again.says("IMAGEKIT_PRIVATE_KEY").says("then `longshore resume`");
    assert!(!format!("{again}").contains("private_of_another_account"), "{again}");

    at.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), right);
    let status = at.run(&["status"]).code(0).says("paused (unauthorized)");
    let several = at.run_idle(&["resume"]).code(2).says("several runs are unfinished").says("--run N");
    for run in &runs {
        assert!(several.stderr.contains(&format!("run {run}: migrate")), "{several}");
        assert!(status.stdout.contains(&format!("`longshore resume --run {run}`")), "{status}");
    }
    at.run_idle(&["resume", "--run", "99999"]).code(2).says("there is no run 99999");
    let images = |code: &str| {
        at.sandbox.world.to_migrate(code).iter().map(|venue| venue.images.to_migrate().count()).sum::<usize>()
    };
    let done = at.run_json(&["resume", "--run", &runs[1]]);
    assert_eq!(done.json()["runs"][0]["tally"]["images"], images("DE"), "{done}");
    assert_eq!(done.json()["runs"][0]["paused"], Value::Null, "{done}");
    at.run_idle(&["resume", "--run", &runs[1]]).code(2).says("is finished");
    let done = at.run_json(&["resume"]);
    assert_eq!(done.json()["runs"][0]["run"].to_string(), runs[0], "only one is left to go on: {done}");
    at.run_idle(&["resume"]).code(0).says("Nothing to resume: every run is finished.");
    let who = events(&at, &["--kind", "resumed"]);
    assert_eq!(who.len(), 3);
    assert!(who.iter().all(|line| line["event"]["resumed"]["operator"]["user"] == "tester"), "{who:?}");
    at.run(&["ledger", "verify"]).code(0);
}

#[test]
fn e1_an_exhausted_plan_pauses_and_nothing_fails() {
    let at = Workplace::new(Kind::Sqlite, 8);
    let full = r#"{"message": "Upload Limit Exceeded.", "help": ""}"#.to_owned();
    let fault = longshore::sandbox::faults::Fault::Answer { status: 400, headers: Vec::new(), body: full };
    at.sandbox.faults.inject("upload", 1, 1_000, fault);
    let paused = at.run_json(&["migrate", "--country", "PL", "--yes"]).code(11);
    let run = &paused.json()["runs"][0];
    assert_eq!(
        (&run["paused"]["reason"], &run["tally"]["failed"]),
        (&json!("quota_exceeded"), &json!(0)),
        "{paused}"
    );
    at.sandbox.faults.clear();
    let done = at.run_json(&["resume"]);
    assert_eq!(
        (&done.json()["runs"][0]["paused"], &done.json()["runs"][0]["tally"]["failed"]),
        (&Value::Null, &json!(0))
    );
    let files = at.sandbox.imagekit.files();
    assert!(
        files.iter().all(|file| file.versions == 1) && !files.is_empty(),
        "nothing is sent twice: {files:?}"
    );
}
