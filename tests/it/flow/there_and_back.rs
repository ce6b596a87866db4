//! Poland forward, back, and forward again (requirements C4, C6).

use std::collections::{BTreeMap, BTreeSet};

use longshore::sandbox::seed::Awkward;
use serde_json::{Value, json};

use super::poland::{self, elements, image_of, is_completed, kind_of};
use crate::support::program::{Ran, Rows, Workplace};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "Poland", "--yes"];
const ROLLBACK: [&str; 4] = ["rollback", "--country", "Poland", "--yes"];

fn there_and_back(kind: Kind) {
    let at = Workplace::new(kind, poland::VENUES);
    let before = at.rows();
    let since = now();
    let went = at.run_json(&MIGRATE).code(10);
    let after = at.rows();
    let (good, awkward) = the_rows_are_right(&at, &before, &after, &since);
    the_report_is_true(&at, &went, good, &awkward);
    the_events_name_the_trouble(&at, &awkward);
    the_files_are_tagged(&at);

    let back = at.run(&ROLLBACK).code(0);
    let venues = at.sandbox.world.to_migrate("PL").len();
    let back = back.says(&format!("{venues} of {venues} venues restored."));
    let restored = at.rows();
    for (id, row) in &before {
        assert_eq!(restored[id].images, row.images, "venue {id}: {back}");
    }
    at.run(&ROLLBACK).code(0).says("Nothing is left to roll back in Poland.");
    again_sends_nothing(&at, good, awkward.len());
    let again = at.rows();
    for (id, row) in &after {
        assert_eq!(timeless(&again[id].images), timeless(&row.images), "venue {id}");
    }
    at.run(&["ledger", "verify"]).code(0);
}

/// Sees every row of the database; counts the good images and names the awkward ones with their venues.
fn the_rows_are_right(
    at: &Workplace,
    before: &Rows,
    after: &Rows,
    since: &str,
) -> (usize, Vec<(i64, Awkward)>) {
    let poland: BTreeMap<i64, _> =
        at.sandbox.world.to_migrate("PL").into_iter().map(|venue| (venue.id, venue)).collect();
    let (mut good, mut awkward, mut urls) = (0, Vec::new(), BTreeMap::new());
    let until = now();
    for (id, row) in before {
        let Some(venue) = poland.get(id) else {
            assert_eq!(&after[id], row, "venue {id} is not to be migrated");
            continue;
        };
        let (old, new) = (row.images.as_deref().unwrap(), after[id].images.as_deref().unwrap());
        let (old, new) = (elements(old), elements(new));
        assert_eq!(old.len(), new.len(), "venue {id}");
        let good_before = good;
        for (old, new) in old.into_iter().zip(new) {
            match image_of(at, old) {
                Some(image) if image.awkward.is_none() => {
                    let url = is_completed(at, venue, image, old, new);
                    urls.insert(url, blake3::hash(&image.picture.bytes()).to_hex().to_string());
                    good += 1;
                }
                other => {
                    awkward.extend(other.and_then(|image| Some((*id, image.awkward?))));
                    assert_eq!(old, new, "venue {id}: nobody's business, or awkward");
                }
            }
        }
        let at = in_utc(&after[id].updated_at);
        match good > good_before {
            true => assert!(*since <= *at && *at <= *until, "venue {id}: {since} ≤ {at} ≤ {until}"),
            false => assert_eq!(after[id].updated_at, row.updated_at, "venue {id} did not change"),
        }
    }
    let kinds: BTreeSet<Awkward> = awkward.iter().map(|(_, awkward)| *awkward).collect();
    assert_eq!(kinds.len(), 4, "this Poland is too small: {awkward:?}");
    assert!(good >= 80, "this Poland is too small: {good}");
    at.runtime.block_on(are_served(&urls));
    (good, awkward)
}

/// Sees that the CDN serves these URLs, and what it was given.
async fn are_served(urls: &BTreeMap<String, String>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (url, hash) in urls {
        let answer = client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("image/"), "{url}");
        let original = client.get(format!("{url}?tr=orig-true")).send().await.unwrap().bytes().await.unwrap();
        assert_eq!(blake3::hash(&original).to_hex().to_string(), *hash, "{url}");
    }
}

fn the_report_is_true(at: &Workplace, went: &Ran, good: usize, awkward: &[(i64, Awkward)]) {
    let report = went.json();
    let run = &report["runs"][0];
    assert_eq!(run["paused"], Value::Null);
    assert_eq!(run["scope"], json!({ "country": { "code": "PL", "name": "Poland", "slug": "poland" } }));
    let mut by_kind: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, awkward) in awkward {
        *by_kind.entry(kind_of(*awkward).1).or_default() += 1;
    }
    let failed = awkward.iter().filter(|(_, awkward)| kind_of(*awkward).0 == "failed").count();
    let skipped = awkward.len() - failed;
    let venues = at.sandbox.world.to_migrate("PL").len();
    let files = at.sandbox.imagekit.files();
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    for line in [&run["report"]["total"], &run["report"]["lines"][0]] {
        assert_eq!(line["venues"], venues, "{went}");
        assert_eq!(line["images"], good + awkward.len(), "{went}");
        let counts = &line["counts"];
        assert_eq!(counts["completed"], good, "{went}");
        assert_eq!((&counts["failed"], &counts["skipped"]), (&json!(failed), &json!(skipped)), "{went}");
        assert_eq!(line["by_kind"], json!(by_kind), "{went}");
        assert_eq!(line["uploads"], files.len(), "{went}");
        assert_eq!(line["uploads"], at.requests("upload"), "{went}");
        assert_eq!(line["adopted"], good - files.len(), "twins share a file: {went}");
        assert_eq!(line["bytes_uploaded"], bytes, "{went}");
        let share = good as f64 * 100.0 / (good + awkward.len()) as f64;
        assert!((line["success_percent"].as_f64().unwrap() - share).abs() < 0.006, "{went}");
        assert!(line["upload_ms"]["p50"].as_u64() <= line["upload_ms"]["p99"].as_u64(), "{went}");
    }
    assert_eq!(report["head"].as_str().unwrap(), at.run_json(&["ledger", "verify"]).json()["head"]);
}

fn the_events_name_the_trouble(at: &Workplace, awkward: &[(i64, Awkward)]) {
    let log = at.run_json(&["log", "--kind", "failed", "--kind", "skipped"]).code(0);
    let mut found = BTreeSet::new();
    for line in log.json_lines() {
        let (name, event) = line["event"].as_object().unwrap().iter().next().unwrap();
        // A venue whose array is none has no image to name.
        if event["image"].is_null() {
            assert_eq!(event["error_type"], "bad_data", "{line}");
            continue;
        }
        found.insert((event["venue"].as_i64().unwrap(), name.clone(), event["error_type"].to_string()));
    }
    let wanted = awkward.iter().map(|(venue, awkward)| {
        let (event, kind) = kind_of(*awkward);
        (*venue, event.to_owned(), format!("\"{kind}\""))
    });
    assert_eq!(found, wanted.collect(), "{log}");
}

fn the_files_are_tagged(at: &Workplace) {
    let id = at.run_json(&["ledger", "verify"]).json()["ledger"].as_str().unwrap().to_owned();
    for file in at.sandbox.imagekit.files() {
        let tags: BTreeSet<&str> = file.tags.iter().map(String::as_str).collect();
        let ledger = format!("ledger-{id}");
        assert_eq!(tags, BTreeSet::from(["longshore", "PL", "run-2", &ledger]), "{}", file.path);
    }
}

/// A file that the CDN still has is asked for by its id, compared by its bytes, and not sent; twin images share theirs.
fn again_sends_nothing(at: &Workplace, good: usize, awkward: usize) {
    let (before, files) = (at.counts(), at.sandbox.imagekit.files().len());
    let again = at.run(&MIGRATE).code(10);
    let after = at.counts();
    let asked = |op: &str| after.get(op).unwrap_or(&0) - before.get(op).unwrap_or(&0);
    for (op, count) in [
        ("origin", good + awkward),
        ("details", files),
        ("delivery", files),
        ("upload", 0),
        ("list", 0),
        ("update", 0),
        ("delivery_original", files),
    ] {
        assert_eq!(asked(op), count as u64, "{op}: {after:?} after {before:?} {again}");
    }
    again.says(&format!("{good} found on the CDN"));
}

/// An array without the moments of its uploads, which are the next run's own.
fn timeless(images: &Option<String>) -> Vec<String> {
    let Some(array) = images else { return Vec::new() };
    if !array.starts_with('[') {
        return vec![array.clone()];
    }
    let plain = |element: &str| match poland::members(element) {
        Some(mut members) => {
            members.remove("imagekit_uploaded_at");
            format!("{members:?}")
        }
        None => element.to_owned(),
    };
    elements(array).into_iter().map(plain).collect()
}

/// The second that it is, in UTC.
fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    in_utc(&ledger::timestamp::Timestamp::from_millis(since.as_millis() as i64).to_string())
}

/// A time as either database writes it, to the second.
fn in_utc(time: &str) -> String {
    time.replace('T', " ").chars().take(19).collect()
}

#[test]
fn c4_c6_poland_there_and_back_on_sqlite() {
    there_and_back(Kind::Sqlite);
}

#[test]
fn c4_c6_poland_there_and_back_on_postgres() {
    there_and_back(Kind::Postgres);
}

#[test]
fn c4_c6_poland_there_and_back_through_pgbouncer() {
    there_and_back(Kind::Pgbouncer);
}
