//! The same bytes for ever, and the files that a run leaves behind.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::{FORTY, MIGRATE, ROLLBACK, elements, make_odd, two_venues};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Every answer there is, as of a moment: what it says, and with which code.
fn answers(at: &Workplace, as_of: &str) -> BTreeMap<String, (Option<i32>, String, String)> {
    let mut all = BTreeMap::new();
    let formats = ["table", "json", "csv", "markdown", "html"];
    let audit = formats.iter().map(|format| (vec!["audit"], *format));
    let failures = formats.iter().map(|format| (vec!["export", "failures"], *format));
    for (verb, format) in audit.chain(failures).chain([(vec!["export", "rollback-data"], "json")]) {
        for scope in [vec![], vec!["--country", "Poland"], vec!["--run", "2"]] {
            let args = [&verb[..], &scope, &["--as-of", as_of, "--format", format]].concat();
            let ran = at.run(&args).code(0);
            all.insert(ran.args, (ran.code, ran.stdout, ran.stderr));
        }
    }
    all
}

#[test]
fn c10_c11_answers_as_of_a_moment_are_the_same_bytes_for_ever() {
    let at = Workplace::new(Kind::Sqlite, 60);
    at.run(&MIGRATE);
    let head = at.run(&["ledger", "verify"]).code(0);
    let seq = at.ask_ledger("SELECT CAST(max(seq) AS TEXT) FROM event").unwrap();
    let time =
        at.ask_ledger("SELECT json_extract(body, '$.at') FROM event ORDER BY seq DESC LIMIT 1").unwrap();
    let then = [answers(&at, &seq), answers(&at, &time)];
    let bare = at.run(&["export", "rollback-data", "--format", "json"]).code(0);
    assert!(then[0].values().any(|(_, stdout, _)| *stdout == bare.stdout), "now is as of the last event");
    at.run(&ROLLBACK).code(0);
    at.run(&MIGRATE);
    assert_ne!(at.run(&["ledger", "verify"]).code(0).stdout, head.stdout);
    let now = [answers(&at, &seq), answers(&at, &time)];
    assert!(now == then, "something later shines through");
    for (args, (_, stdout, stderr)) in &now[0] {
        let is_named = stdout.contains(&seq) || stderr.contains(&format!("As of event {seq}."));
        assert!(is_named, "{args} names the event: {stdout}{stderr}");
    }
    at.run(&["export", "rollback-data", "--as-of", "999999", "--format", "json"]).code(2);
}

fn rollback_data(kind: Kind) {
    let at = Workplace::new(kind, 60);
    let [odd, back] = two_venues(&at);
    make_odd(&at, kind, odd);
    let before = at.rows();
    at.run(&MIGRATE);
    let venue = back.to_string();
    at.run(&["rollback", "--venue-id", &venue, "--yes"]).code(0);
    let after = at.rows();

    /// Arrays as they are: to the letter.
    #[derive(serde::Deserialize)]
    struct Document {
        country: Option<String>,
        migration_timestamp: String,
        total_venues: usize,
        total_images: u64,
        venues: Vec<Venue>,
    }
    #[derive(serde::Deserialize)]
    struct Venue {
        venue_id: i64,
        venue_slug: Option<String>,
        city: Option<String>,
        images_before_phase2: Box<serde_json::value::RawValue>,
        images_after_phase2: Box<serde_json::value::RawValue>,
    }
    let ran = at.run(&["export", "rollback-data", "--country", "Poland", "--format", "json"]).code(0);
    let said: Document = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(said.country.as_deref(), Some("Poland"));
    assert_eq!(said.total_venues, said.venues.len());
    let first =
        "SELECT json_extract(body, '$.at') FROM event_search WHERE kind = 'db_updated' ORDER BY seq LIMIT 1";
    assert!(at.ask_ledger(first).unwrap() <= said.migration_timestamp);
    let mut images = 0;
    for venue in &said.venues {
        let id = venue.venue_id;
        assert_ne!(id, back, "what was rolled back does not stand migrated");
        assert_eq!(Some(venue.images_before_phase2.get()), before[&id].images.as_deref(), "venue {id}");
        assert_eq!(Some(venue.images_after_phase2.get()), after[&id].images.as_deref(), "venue {id}");
        assert!(venue.city.is_some());
        let of = at.sandbox.world.to_migrate("PL").into_iter().find(|of| of.id == id).unwrap();
        assert_eq!(venue.venue_slug, of.slug);
        let [was, is] =
            [&venue.images_before_phase2, &venue.images_after_phase2].map(|raw| elements(raw.get()));
        images += was.iter().zip(&is).filter(|(was, is)| was != is).count() as u64;
    }
    assert!(said.venues.iter().any(|venue| venue.venue_id == odd) && ran.stdout.contains(FORTY));
    assert_eq!(said.total_images, images);
}

#[test]
fn c11_rollback_data_has_the_rows_whole_arrays_on_sqlite() {
    rollback_data(Kind::Sqlite);
}

#[test]
fn c11_rollback_data_has_the_rows_whole_arrays_on_postgres() {
    rollback_data(Kind::Postgres);
}

fn files(dir: &Path) -> BTreeMap<String, String> {
    let all = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    all.map(|file| {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        (file.file_name().into_string().unwrap(), std::fs::read_to_string(file.path()).unwrap())
    })
    .collect()
}

#[test]
fn c4_a_run_leaves_report_rollback_data_and_failures_in_its_directory() {
    let at = Workplace::new(Kind::Sqlite, 60);
    let first = at.run_json(&["migrate", "--country", "PL", "--yes", "--limit", "3", "--out", "left"]);
    let dir = at.work().join("left");
    assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let left = files(&dir);
    let run = first.json()["runs"][0]["run"].to_string();
    let seq = at.ask_ledger("SELECT CAST(max(seq) AS TEXT) FROM event").unwrap();
    let names =
        ["failures", "report", "rollback-data"].map(|what| format!("run-{run}-event-{seq}-{what}.json"));
    assert_eq!(left.keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
    let report: Value = serde_json::from_str(&left[&names[1]]).unwrap();
    assert_eq!(report, first.json()["runs"][0], "the report is what the run said");
    for (what, name) in [("failures", &names[0]), ("rollback-data", &names[2])] {
        let asked = at.run_json(&["export", what, "--run", &run]).code(0);
        assert_eq!(asked.stdout, left[name]);
    }

    // A second run goes beside it, and one that is there already stays.
    at.run(&[&MIGRATE[..], &["--out", "left"]].concat());
    let more = files(&dir);
    assert!(more.len() == 6 && left.iter().all(|(name, text)| more[name] == *text), "{:?}", more.keys());
    std::fs::write(at.work().join("file"), "").unwrap();
    at.run(&ROLLBACK).code(0);
    at.run_idle(&[&MIGRATE[..], &["--out", "file"]].concat()).code(2).says("cannot make the directory");
}
