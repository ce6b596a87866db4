//! `plan`, and `migrate --dry-run`, which gives the same answer (requirement C3).

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use longshore::runner::saved::SavedPlan;
use longshore::sandbox::faults::Fault;
use serde_json::{Value, json};

use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const PLAN: [&str; 4] = ["plan", "--country", "PL", "--exact"];

/// Gives every image that is not what it should be a whole picture.
fn mend(at: &Workplace) {
    let awkward: Vec<String> =
        at.sandbox.world.awkward().iter().map(|(image, _)| image.path.clone()).collect();
    for path in awkward {
        let image = at.sandbox.world.image(&path).unwrap();
        at.sandbox.origin.put(&path, image.picture.format().media_type(), image.picture.bytes());
    }
}

fn json_of(at: &Workplace, args: &[&str]) -> Value {
    at.run_idle(&[args, &["--format", "json"]].concat()).code(0).json()
}

/// The bytes that came to the CDN, by venue and URL of the image, and by path of the file.
fn uploaded(at: &Workplace) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let log = at.run_json(&["log", "--kind", "planned", "--kind", "uploaded"]).code(0);
    let (mut urls, mut by_url, mut by_path) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for line in log.json_lines() {
        let planned = &line["event"]["planned"];
        for (index, entry) in (0..).zip(planned["work"]["move"].as_array().into_iter().flatten()) {
            let entry: Value = serde_json::from_str(entry.as_str().unwrap()).unwrap();
            urls.insert(format!("{}:{index}", line["seq"]), format!("{} {}", planned["venue"], entry["url"]));
        }
        let uploaded = &line["event"]["uploaded"];
        if let (Some(image), Some(bytes)) = (uploaded["image"].as_str(), uploaded["bytes"].as_u64()) {
            by_url.insert(urls[image].clone(), bytes);
            by_path.insert(uploaded["path"].to_string(), bytes);
        }
    }
    (by_url, by_path)
}

fn the_bytes_are_those_that_a_run_then_moves(kind: Kind) {
    let at = Workplace::new(kind, 30);
    mend(&at);
    let plan = json_of(&at, &PLAN);
    assert!(!at.ledger().exists(), "planning makes no ledger");
    let files = plan["files"].as_u64().unwrap();
    assert_eq!(at.requests("origin_head"), files, "each file is asked for once");
    assert_eq!(at.requests("origin"), 0, "and none is fetched");
    let sizes = json!({"asked": files, "known": files, "unknown": 0, "troubled": {}, "is_exact": true});
    assert_eq!(plan["sizes"], sizes);

    let ran = at.run_json(&["migrate", "--country", "PL", "--yes"]).code(10);
    let total = ran.json()["runs"][0]["report"]["total"].clone();
    assert_eq!((&plan["venues"], &plan["images"]), (&total["venues"], &total["images"]), "{ran}");
    let (by_url, by_path) = uploaded(&at);
    let sum = |files: &BTreeMap<String, u64>| files.values().sum::<u64>();
    assert_eq!((&plan["files"], &plan["bytes"]), (&json!(by_url.len()), &json!(sum(&by_url))), "{ran}");
    // A picture that a venue has at two URLs cannot be told from two before it is downloaded; it is stored once.
    assert_eq!((&total["uploads"], &total["bytes_uploaded"]), (&json!(by_path.len()), &json!(sum(&by_path))));
    let stored: u64 = at.sandbox.imagekit.files().iter().map(|file| file.bytes).sum();
    assert_eq!(stored, sum(&by_path));
    assert!(by_path.len() + 1 >= by_url.len(), "one twin a country: {by_url:?} {by_path:?}");

    at.run_idle(&PLAN).code(0).says("Nothing is left to migrate in Poland but 1 venue refused (bad_data).");
}

#[test]
fn c3_the_bytes_are_those_that_a_run_then_moves_on_sqlite() {
    the_bytes_are_those_that_a_run_then_moves(Kind::Sqlite);
}

#[test]
fn c3_the_bytes_are_those_that_a_run_then_moves_on_postgres() {
    the_bytes_are_those_that_a_run_then_moves(Kind::Postgres);
}

#[test]
fn c3_plan_and_dry_run_give_one_answer() {
    let at = Workplace::new(Kind::Sqlite, 20);
    for format in ["table", "json", "csv", "markdown", "html"] {
        let of = |args: &[&str]| {
            let scope = ["--country", "poland", "--limit", "2", "--concurrency", "3", "--format", format];
            let Ran { stdout, stderr, .. } = at.run_idle(&[args, &scope].concat()).code(0);
            (stdout, stderr)
        };
        assert_eq!(of(&["plan"]), of(&["migrate", "--dry-run"]), "{format}");
    }
    let table = at.run_idle(&["plan", "--country", "PL"]).code(0);
    assert!(table.stdout.lines().all(|line| line.chars().count() <= 80), "{table}");
    at.run_idle(&["plan"]).code(2).says("longshore plan --country Poland");
    at.run_idle(&["migrate", "--country", "PL", "--exact"]).code(2);
}

#[test]
fn c3_a_sample_is_asked_for_and_what_has_no_size_is_said() {
    let at = Workplace::new(Kind::Sqlite, 60);
    mend(&at);
    let exact = json_of(&at, &["plan", "--country", "GB", "--exact"]);
    let files = exact["files"].as_u64().unwrap();
    assert!(files > 110, "{exact}");
    let asked = at.requests("origin_head");
    let sampled = json_of(&at, &["plan", "--country", "GB"]);
    assert_eq!(at.requests("origin_head") - asked, 100);
    assert_eq!(sampled["sizes"]["is_exact"], false);
    let share = sampled["bytes"].as_f64().unwrap() / exact["bytes"].as_f64().unwrap();
    assert!((0.5..2.0).contains(&share), "{sampled}\n{exact}");

    let refuse = Fault::Answer { status: 405, headers: Vec::new(), body: String::new() };
    at.sandbox.faults.inject("origin_head", 0, 10, refuse);
    let partly = json_of(&at, &["plan", "--country", "GB"]);
    assert_eq!((&partly["sizes"]["known"], &partly["sizes"]["unknown"]), (&json!(90), &json!(10)));
    let refuse = Fault::Answer { status: 404, headers: Vec::new(), body: String::new() };
    at.sandbox.faults.inject("origin_head", 0, 1_000, refuse);
    let nothing = json_of(&at, &["plan", "--country", "GB"]);
    assert_eq!((&nothing["sizes"]["troubled"], &nothing["bytes"]), (&json!({"not_found": 100}), &json!(0)));
}

#[test]
fn c3_what_is_not_known_without_a_setting_is_said() {
    let mut at = Workplace::new(Kind::Sqlite, 20);
    let said = "Rows that would become too large are counted here";
    let ran = at.run_idle(&PLAN).code(0);
    assert!(!ran.stderr.contains(said), "{ran}");
    at.settings.remove("IMAGEKIT_URL_ENDPOINT");
    at.run_idle(&PLAN).code(0).says(said).says("IMAGEKIT_URL_ENDPOINT");
}

#[test]
fn c3_the_time_follows_from_the_medians_of_past_runs_or_from_assumptions() {
    let at = Workplace::new(Kind::Sqlite, 30);
    let plan = |args: &[&str]| json_of(&at, &[&["plan", "--country", "GB"], args].concat());
    let first = plan(&["--concurrency", "7"]);
    let time = &first["time"];
    for (what, ms) in [("download", 1_000), ("upload", 2_000), ("row_update", 1_000)] {
        assert_eq!(time[what], json!({"ms": ms, "is_measured": false}));
    }
    let work = first["images"].as_u64().unwrap() * 3_000 + first["venues"].as_u64().unwrap() * 1_000;
    assert_eq!((&time["seconds"], &time["in_flight"]), (&json!(work.div_ceil(7_000)), &json!(7)));

    at.run(&["migrate", "--country", "PL", "--yes"]);
    let median = |event: &str| -> u64 {
        let ms = format!("json_extract(body, '$.event.{event}.ms')");
        let of = format!(
            "FROM event WHERE {ms} IS NOT NULL AND NOT coalesce(json_extract(body, '$.event.{event}.found_done'), 0) \
             AND coalesce(json_extract(body, '$.event.{event}.acquired'), 'sent') = 'sent'"
        );
        let sql = format!(
            "SELECT CAST({ms} AS TEXT) {of} ORDER BY {ms} LIMIT 1 OFFSET (SELECT (COUNT(*) + 1) / 2 - 1 {of})"
        );
        at.ask_ledger(&sql).unwrap().parse().unwrap()
    };
    let time = plan(&[])["time"].clone();
    for (what, event) in [("download", "downloaded"), ("upload", "uploaded"), ("row_update", "db_updated")] {
        assert_eq!(time[what], json!({"ms": median(event), "is_measured": true}), "{what}");
    }
}

#[test]
fn c3_the_free_tier_is_what_the_settings_say() {
    let mut at = Workplace::new(Kind::Sqlite, 30);
    mend(&at);
    at.run(&["migrate", "--country", "DE", "--yes"]);
    let stored: u64 = at.sandbox.imagekit.files().iter().map(|file| file.bytes).sum();
    let plan = json_of(&at, &PLAN);
    let (usage, bytes) = (plan["usage"].clone(), plan["bytes"].as_u64().unwrap());
    assert_eq!(usage["storage_bytes"], stored);
    assert_eq!(usage["storage_after_bytes"], stored + bytes);
    assert_eq!(
        (&usage["storage_limit_bytes"], &usage["stays_free"]),
        (&json!(3_000_000_000_u64), &json!(true))
    );
    assert!(usage["bandwidth_after_bytes"].as_u64() > usage["bandwidth_bytes"].as_u64(), "{usage}");

    for name in ["IMAGEKIT_STORAGE_LIMIT_GB", "IMAGEKIT_BANDWIDTH_LIMIT_GB"] {
        let value = at.settings.insert(name.into(), "0.000001".into()).unwrap();
        assert_eq!(json_of(&at, &PLAN)["usage"]["stays_free"], false, "{name}");
        at.run_idle(&PLAN).code(0).says("That leaves the free tier.");
        at.settings.insert(name.into(), value);
    }
    // What is used is null where it cannot be asked, and the rest of the answer is there.
    let refuse = Fault::Answer { status: 503, headers: Vec::new(), body: String::new() };
    at.sandbox.faults.inject("usage", 0, 1, refuse);
    assert_eq!(json_of(&at, &PLAN)["usage"], Value::Null);
    at.settings.remove("IMAGEKIT_PRIVATE_KEY");
    let without = at.run_idle(&[&PLAN[..], &["--format", "json"]].concat()).code(0);
    let without = without.says("IMAGEKIT_PRIVATE_KEY is not set").json();
    assert_eq!((&without["usage"], &without["bytes"]), (&Value::Null, &plan["bytes"]));
}

#[test]
fn c3_a_plan_is_saved_once_private_and_as_the_database_is() {
    let at = Workplace::new(Kind::Sqlite, 20);
    let saving = ["plan", "--country", "PL", "--limit", "2", "--out", "two.plan", "--format", "json"];
    let answer = at.run(&saving).code(0).json();
    let file = at.work().join("two.plan");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let plan = SavedPlan::read(&file).unwrap();
    assert_eq!(answer["saved"], json!({"file": "two.plan", "digest": plan.digest().to_string()}));
    assert_eq!(
        (plan.limit, plan.target.kind.as_str(), plan.images()),
        (Some(2), "sqlite", answer["images"].as_u64().unwrap())
    );
    let venues: Vec<i64> = plan.venues().iter().map(|venue| venue.venue.0).collect();
    let first: Vec<i64> = at.sandbox.world.to_migrate("PL").iter().take(2).map(|venue| venue.id).collect();
    assert_eq!(venues, first);
    let rows = at.rows();
    for venue in plan.venues() {
        let row = rows[&venue.venue.0].images.clone().unwrap();
        assert!(venue.entries.iter().all(|entry| row.contains(entry)), "the catalog's own text");
    }
    at.run_idle(&saving).code(2).says("A plan is never replaced");
    assert!(!at.ledger().exists());
}
