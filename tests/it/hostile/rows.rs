//! Rows and columns that others have made as large as a database lets them. What the program takes of memory follows its
//! own limits.

use longshore::limits::{CATALOG_ROW_BYTES_MAX, ROWS_MEMORY_KB_MAX};
use serde_json::Value;

use super::memory::run_measured;
use super::place::{CODE, Place};
use super::world::{Body, Fate, Venue};
use crate::support::program::Ran;
use crate::support::stage::Kind;

/// Bytes of what is beyond any bound.
const LONG: usize = 30_000_000;

fn venue(id: i64, what: &str, elements: Vec<(String, Fate)>) -> Venue {
    Venue { id, slug: Some(format!("pub-{id}")), name: Some(what.to_owned()), body: Body::of(what, elements) }
}

/// Runs a command, and sees how it ended and that it stayed below the bound.
#[track_caller]
fn bounded(place: &Place, args: &[&str], code: i32) -> Ran {
    let (ran, peak) = run_measured(place.command(args), args);
    let ran = ran.code(code);
    assert!(peak < ROWS_MEMORY_KB_MAX, "it took {peak} kB: {ran}");
    ran
}

/// Everything that reads rows, forward, looking, and back.
fn story(place: &Place, bad: &[i64]) {
    let before = place.rows();
    bounded(place, &["countries"], 0);
    bounded(place, &["plan", "--country", CODE, "--out", "a.plan"], 0);
    let migrate = ["migrate", "--country", CODE, "--yes", "--max-error-rate", "100"];
    let ran = bounded(place, &migrate, 10);
    let mut failed = failures(place);
    failed.sort_by_key(|(venue, ..)| *venue);
    assert_eq!(failed.iter().map(|(venue, ..)| *venue).collect::<Vec<_>>(), bad, "{ran}");
    for (_, kind, message) in &failed {
        assert_eq!(kind, "bad_data");
        assert!(message.contains(&CATALOG_ROW_BYTES_MAX.to_string()), "{message}");
    }
    bounded(place, &["verify", "--country", CODE], 0).says("no array");
    bounded(place, &["audit", "--country", CODE, "--live"], 0);
    bounded(place, &["reconcile"], 0).says("without an array");
    bounded(place, &["status"], 0);
    bounded(place, &["ledger", "verify"], 0);
    bounded(place, &["rollback", "--country", CODE, "--yes"], 0);
    let after = place.rows();
    for (id, row) in &before {
        assert!(after[id].0 == row.0, "venue {id} is not what it was");
    }
}

/// What failed: the venue, the kind, and the message.
fn failures(place: &Place) -> Vec<(i64, String, String)> {
    let log = place.site.run(&["log", "--kind", "failed", "--format", "json"]).code(0);
    let of = |line: Value| {
        let failed = &line["event"]["failed"];
        let text = |key: &str| failed[key].as_str().unwrap().to_owned();
        (failed["venue"].as_i64().unwrap(), text("error_type"), text("message"))
    };
    log.json_lines().into_iter().map(of).collect()
}

/// A row of 200,000 entries, one entry of 30 MB, a text of 30 MB, very many small values, and very deep ones; and among
/// them one venue whose picture is moved.
fn large_rows(kind: Kind) {
    let place = Place::new(kind);
    let base = place.base();
    let forge = place.forge(&base);
    let good = forge.fine();
    let wide = good.0.replace("\"width\"", &format!("\"theirs\": \"{}\", \"width\"", "x".repeat(LONG)));
    let not_ours = |text: String| vec![(text, Fate::NotOurs)];
    let mut venues = vec![
        venue(1, "200,000 entries", vec![good.clone(); 200_000]),
        venue(2, "an entry of 30 MB", vec![(wide, Fate::Moved)]),
        venue(3, "a text of 30 MB", not_ours(format!("\"{}\"", "é".repeat(LONG / 2)))),
        venue(4, "small values", not_ours(vec!["1"; LONG / 3].join(", "))),
        venue(5, "well", vec![good]),
    ];
    let mut bad = vec![1, 2];
    // PostgreSQL shows a run only what may hold something of ours; a SQLite file shows all.
    if kind == Kind::Sqlite {
        venues.push(venue(6, "deep", not_ours(format!("{}{}", "[".repeat(LONG / 2), "]".repeat(LONG / 2)))));
        bad.extend([3, 4, 6]);
    }
    place.fill(&venues);
    story(&place, &bad);
}

#[test]
fn e1_rows_beyond_the_bound_are_bad_data_and_take_no_memory_on_sqlite() {
    large_rows(Kind::Sqlite);
}

#[test]
fn e1_rows_beyond_the_bound_are_bad_data_and_take_no_memory_on_postgres() {
    large_rows(Kind::Postgres);
}

/// Three hundred rows of 2 MB, of each of which one entry is ours.
fn many_large_rows(kind: Kind) {
    let place = Place::new(kind);
    let base = place.base();
    let forge = place.forge(&base);
    let (good, _) = forge.fine();
    let insert = |id: i64| {
        let theirs = format!("{{\"theirs\": \"{}\"}}", "x".repeat(1_000));
        let body = vec![(theirs, Fate::NotOurs); 2_000];
        venue(id, "2 MB", [body, vec![(good.clone(), Fate::Moved)]].concat())
    };
    for ids in (1..=300).collect::<Vec<i64>>().chunks(10) {
        place.fill(&ids.iter().copied().map(insert).collect::<Vec<_>>());
    }
    bounded(&place, &["plan", "--country", CODE, "--out", "a.plan"], 0);
    bounded(&place, &["migrate", "--country", CODE, "--limit", "20", "--yes"], 0);
    bounded(&place, &["verify", "--country", CODE], 0);
    bounded(&place, &["audit", "--live"], 0);
    bounded(&place, &["reconcile"], 0);
    bounded(&place, &["export", "rollback-data"], 0);
    bounded(&place, &["rollback", "--country", CODE, "--yes"], 0);
    bounded(&place, &["ledger", "verify"], 0);
}

#[test]
fn e1_three_hundred_rows_of_2_mb_take_no_more_memory_than_few_on_sqlite() {
    many_large_rows(Kind::Sqlite);
}

#[test]
fn e1_three_hundred_rows_of_2_mb_take_no_more_memory_than_few_on_postgres() {
    many_large_rows(Kind::Postgres);
}
