//! `report` (requirement C9).

use std::collections::BTreeSet;

use longshore::outside::imagekit::{Cdn, ImageKit, ImageKitOptions};
use longshore::sandbox::faults::Fault;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, Row as _};

use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// The file ids of a country's completed entries, by SQL in the database.
fn completed_by_sql(at: &Workplace, kind: Kind, code: &str) -> Vec<String> {
    let of = "JOIN cities ON cities.id = venues.city_id JOIN countries ON countries.id = cities.country_id";
    if kind == Kind::Sqlite {
        let db = rusqlite::Connection::open(at.sandbox_dir().join("eventasaurus.db")).unwrap();
        let is_array = "CASE WHEN json_valid(venue_images) THEN json_type(venue_images) = 'array' END";
        let sql = format!(
            "SELECT json_extract(value, '$.imagekit_file_id')
             FROM (SELECT venue_images FROM venues {of} WHERE countries.code = ? AND {is_array}), json_each(venue_images)
             WHERE json_extract(value, '$.upload_status') = 'completed'
               AND json_extract(value, '$.source') = 'trivia_advisor_migration'"
        );
        let mut all = db.prepare(&sql).unwrap();
        return all.query_map([code], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    }
    let sql = format!(
        "SELECT entry->>'imagekit_file_id'
         FROM (SELECT venue_images FROM venues {of} WHERE countries.code = $1 AND jsonb_typeof(venue_images) = 'array') v,
              jsonb_array_elements(venue_images) entry
         WHERE entry->>'upload_status' = 'completed' AND entry->>'source' = 'trivia_advisor_migration'"
    );
    at.runtime.block_on(async {
        let mut admin = PgConnection::connect(&at.settings["PRODUCTION_DATABASE_URL"]).await.unwrap();
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(code).fetch_all(&mut admin).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    })
}

/// The ids of all files on the CDN, by the API as the program uses it.
fn listed(at: &Workplace) -> BTreeSet<String> {
    let url = |name: &str| at.settings[name].parse().unwrap();
    let (endpoint, api) = (url("IMAGEKIT_URL_ENDPOINT"), url("IMAGEKIT_API_URL"));
    let options =
        ImageKitOptions::new(&at.settings["IMAGEKIT_PRIVATE_KEY"], endpoint, url("IMAGEKIT_UPLOAD_URL"), api);
    let cdn = ImageKit::new(options).unwrap();
    let files = at.runtime.block_on(cdn.list("/venues", 0, 1_000)).unwrap().files;
    files.into_iter().map(|file| file.id.to_string()).collect()
}

fn three_ways_agree(kind: Kind) {
    let at = Workplace::new(kind, 70);
    at.run(&["migrate", "--country", "PL", "--yes"]);
    let report = at.run_json(&["report", "--country", "PL"]).code(0).json();
    let counts = &report["total"]["counts"];
    assert!(
        counts["skipped"].as_u64().unwrap() + counts["failed"].as_u64().unwrap() > 0,
        "all went well: {report}"
    );
    let (in_rows, on_cdn) = (completed_by_sql(&at, kind, "PL"), listed(&at));
    // An image that a venue has twice is one file, so what the CDN lists is counted by the entries that use it.
    let served = in_rows.iter().filter(|id| on_cdn.contains(*id)).count();
    assert_eq!((&counts["completed"], served), (&json!(in_rows.len()), in_rows.len()));
    let used: BTreeSet<String> = in_rows.into_iter().collect();
    assert_eq!(used, on_cdn);
    assert_eq!(report["total"]["uploads"], on_cdn.len());
}

#[test]
fn c9_report_database_and_cdn_agree_on_sqlite() {
    three_ways_agree(Kind::Sqlite);
}

#[test]
fn c9_report_database_and_cdn_agree_on_postgres() {
    three_ways_agree(Kind::Postgres);
}

#[test]
fn c9_an_answer_about_the_past_is_the_same_for_ever() {
    let at = Workplace::new(Kind::Sqlite, 40);
    at.run(&["migrate", "--country", "PL", "--limit", "3", "--yes"]);
    let head = at.ask_ledger("SELECT CAST(MAX(seq) AS TEXT) FROM event").unwrap();
    // Half of what happened, too, where a run was at work.
    let half = (head.parse::<u64>().unwrap() / 2).to_string();
    let time =
        at.ask_ledger("SELECT json_extract(body, '$.at') FROM event ORDER BY seq DESC LIMIT 1").unwrap();
    let take = || {
        let mut answers = Vec::new();
        for scope in [&[][..], &["--country", "PL"], &["--run", "2"]] {
            for format in ["json", "table", "csv", "markdown", "html"] {
                for as_of in [&head, &half] {
                    let args = [&["report", "--as-of", as_of, "--format", format], scope].concat();
                    answers.push(at.run_idle(&args).code(0).stdout);
                }
            }
        }
        answers
    };
    let before = take();
    let now = at.run_json(&["report"]).code(0);
    assert_eq!(before[0], now.stdout, "now is as of the last event");
    assert_ne!(before[0], before[1]);
    let by_time = at.run_json(&["report", "--as-of", &time]).code(0);
    assert_eq!(by_time.stdout, before[0]);

    at.run(&["migrate", "--country", "PL", "--yes"]);
    let paused = Fault::Answer { status: 401, headers: Vec::new(), body: String::new() };
    at.sandbox.faults.inject("upload", 3, 1, paused);
    at.run(&["migrate", "--country", "GB", "--yes"]).code(11);
    at.run(&["resume", "--yes"]);
    at.run(&["rollback", "--country", "PL", "--yes"]);
    at.sandbox.imagekit.files();
    assert!(take() == before, "the past has changed");
    assert_eq!(at.run_json(&["report", "--as-of", &time]).code(0).stdout, before[0]);
    assert_ne!(at.run_json(&["report"]).code(0).stdout, before[0]);
    at.run_idle(&["report", "--as-of", &head, "--usage"]).code(2);
}

#[test]
fn c9_a_run_that_was_paused_and_resumed_is_reported_as_a_whole() {
    let at = Workplace::new(Kind::Sqlite, 40);
    let unauthorized = Fault::Answer { status: 401, headers: Vec::new(), body: String::new() };
    at.sandbox.faults.inject("upload", 5, 1, unauthorized);
    at.run(&["migrate", "--country", "PL", "--yes"]).code(11);
    let ended = at.run_json(&["resume", "--yes"]);
    let run = ended.json()["runs"][0].clone();
    let report = at.run_json(&["report", "--run", &run["run"].to_string()]).code(0).json();
    let told: Value =
        ["by", "lines", "total", "waits"].into_iter().map(|key| (key, report[key].clone())).collect();
    assert_eq!(told, run["report"], "a run ends with its report");
    let total = &report["total"];
    assert_eq!(total["images"], run["tally"]["images"]);
    assert!(
        total["running_ms"].as_u64() > Some(0) && total["images_per_minute"].as_f64() > Some(0.0),
        "{total}"
    );
    for times in ["upload_ms", "row_ms"] {
        assert!(total[times]["p50"].as_u64() <= total[times]["p95"].as_u64(), "{total}");
    }
    at.run_idle(&["report", "--run", "3"]).code(2).says("there is no run 3");
}

#[test]
fn c9_trouble_leads_to_advice_and_usage_is_told_when_asked_for() {
    let mut at = Workplace::new(Kind::Sqlite, 30);
    at.run_idle(&["report"]).code(2).says("there is no ledger");
    let paths: Vec<String> = at
        .sandbox
        .world
        .to_migrate("DE")
        .iter()
        .flat_map(|venue| venue.images.to_migrate().map(str::to_owned))
        .collect();
    at.run(&["migrate", "--country", "PL", "--yes"]);
    paths.iter().for_each(|path| at.sandbox.origin.remove(path));
    at.run(&["migrate", "--country", "DE", "--yes"]).code(10);
    let asked = at.requests("usage");
    let report = at.run_json(&["report"]).code(0).json();
    let lines = report["lines"].as_array().unwrap();
    let codes: Vec<_> = lines.iter().map(|line| line["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["DE", "PL"], "by name");
    let germany = &lines[0];
    assert_eq!((&germany["error_percent"], &germany["success_percent"]), (&json!(100.0), &json!(0.0)));
    assert_eq!(germany["by_kind"], json!({"not_found": paths.len()}));
    // So few images are no reason to go back, however they went.
    assert!(paths.len() < 20, "{}", paths.len());
    let reasons = ["5 % or more failed or were skipped"];
    assert_eq!(germany["advice"], json!({"verdict": "investigate", "reasons": reasons}));
    assert_eq!(report["usage"], Value::Null);
    assert_eq!(at.requests("usage"), asked, "nobody is asked who was not to be asked");
    let text = at.run(&["report"]).code(0).says("roll back");
    assert!(text.stdout.lines().all(|line| line.chars().count() <= 80), "{text}");

    let stored: u64 = at.sandbox.imagekit.files().iter().map(|file| file.bytes).sum();
    let usage = at.run_json(&["report", "--usage"]).code(0).json()["usage"].clone();
    assert_eq!(
        (&usage["storage_bytes"], &usage["storage_limit_bytes"]),
        (&json!(stored), &json!(3_000_000_000_u64))
    );
    at.settings.remove("IMAGEKIT_PRIVATE_KEY");
    at.settings.remove("PRODUCTION_DATABASE_URL");
    let without = at.run_json(&["report", "--usage"]).code(0).says("IMAGEKIT_PRIVATE_KEY is not set");
    assert_eq!(without.json(), report, "the rest is told all the same");
}
