//! Rows and columns that others have made as large as a database lets them. What the program takes of memory follows its
//! own limits.

use longshore::limits::{CATALOG_ROW_BYTES_MAX, CATALOG_ROW_VALUES_MAX, ROWS_MEMORY_KB_MAX};
use serde_json::Value;

use super::memory::run_measured;
use super::place::{CODE, Place};
use super::world::{Body, Fate, Venue};
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// Bytes of what is beyond any bound.
const LONG: usize = 30_000_000;

/// What is said of it.
const LIMIT: &str = " bytes, and no more than 4000000 are read";

/// A venue of these elements.
pub fn venue(id: i64, what: &str, elements: Vec<(String, Fate)>) -> Venue {
    Venue { id, slug: Some(format!("pub-{id}")), name: Some(what.to_owned()), body: Body::of(what, elements) }
}

/// Runs a command, and sees how it ended and that it stayed below the bound.
#[track_caller]
pub fn bounded(place: &Place, args: &[&str], code: i32) -> Ran {
    let since = std::time::Instant::now();
    let (ran, peak) = run_measured(place.command(args), args);
    eprintln!("{args:?}: {peak} kB, {} ms", since.elapsed().as_millis());
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
    bounded(place, &["verify", "--country", CODE], 13).says(LIMIT).says("not_read");
    bounded(place, &["audit", "--country", CODE, "--live"], 0);
    bounded(place, &["reconcile"], 13).says("Rows that are not read").says(LIMIT);
    bounded(place, &["status"], 0);
    bounded(place, &["ledger", "verify"], 0);
    bounded(place, &["rollback", "--country", CODE, "--yes"], 0);
    let after = place.rows();
    for (id, row) in &before {
        assert!(after[id].0 == row.0, "venue {id} is not what it was");
    }
}

/// What failed: the venue, the kind, and the message.
pub fn failures(place: &Place) -> Vec<(i64, String, String)> {
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

/// Rows of 2 MB, of each of which one entry is ours, and of which a page of so many rows would hold 300 MB.
fn many_large_rows(kind: Kind) {
    let place = Place::new(kind);
    let base = place.base();
    let forge = place.forge(&base);
    let (good, _) = forge.fine();
    let insert = |id: i64| {
        let theirs = format!("{{\"theirs\": \"{}\"}}", "x".repeat(10_000));
        let body = vec![(theirs, Fate::NotOurs); 200];
        venue(id, "2 MB", [body, vec![(good.clone(), Fate::Moved)]].concat())
    };
    for ids in (1..=150).collect::<Vec<i64>>().chunks(10) {
        place.fill(&ids.iter().copied().map(insert).collect::<Vec<_>>());
    }
    bounded(&place, &["countries"], 0);
    bounded(&place, &["migrate", "--country", CODE, "--limit", "20", "--yes"], 0);
    bounded(&place, &["verify", "--country", CODE], 0);
    bounded(&place, &["audit", "--live"], 0);
    bounded(&place, &["reconcile"], 0);
    bounded(&place, &["rollback", "--country", CODE, "--yes"], 0);
    bounded(&place, &["ledger", "verify"], 0);
}

#[test]
fn e1_many_rows_of_2_mb_take_no_more_memory_than_few_on_sqlite() {
    many_large_rows(Kind::Sqlite);
}

#[test]
fn e1_many_rows_of_2_mb_take_no_more_memory_than_few_on_postgres() {
    many_large_rows(Kind::Postgres);
}

/// Rows within the bounds, of which each is as hard as it can be.
#[test]
fn e1_rows_just_within_the_bound_are_moved_and_put_back_with_bounded_memory() {
    let place = Place::new(Kind::Sqlite);
    let base = place.base();
    let forge = place.forge(&base);
    let good = forge.fine();
    let max = CATALOG_ROW_BYTES_MAX as usize;
    let beside = |theirs: &str, times: usize| {
        [vec![(theirs.to_owned(), Fate::NotOurs); times], vec![good.clone()]].concat()
    };
    let wide =
        good.0.replace("\"width\"", &format!("\"theirs\": \"{}\", \"width\"", "x".repeat(max - 2_000)));
    let keys = (0..90_000).map(|n| format!("\"k{n}\": 1")).collect::<Vec<_>>().join(", ");
    let deep = max / 2 - 1_000;
    let bodies = [
        beside("1", CATALOG_ROW_VALUES_MAX - 100),
        beside("{}", CATALOG_ROW_VALUES_MAX - 100),
        beside(&format!("{{{keys}}}"), 1),
        beside(&format!("{}{}", "[".repeat(deep), "]".repeat(deep)), 1),
        vec![(wide, Fate::Moved)],
        vec![good.clone(); 2_000],
        // Completed, they are beyond it. Their picture is nobody else's.
        [
            vec![(format!("\"{}\"", "x".repeat(max - 50 * 250)), Fate::NotOurs)],
            vec![(forge.good(1), Fate::Moved); 50],
        ]
        .concat(),
    ];
    let venues: Vec<Venue> = (1..).zip(bodies).map(|(id, elements)| venue(id, "within", elements)).collect();
    place.fill(&venues);
    let before = place.rows();
    bounded(&place, &["plan", "--country", CODE, "--out", "a.plan"], 0);
    let migrate = ["migrate", "--country", CODE, "--yes", "--max-error-rate", "100"];
    bounded(&place, &migrate, 10);
    let failed = failures(&place);
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].0, failed[0].1.as_str()), (7, "bad_data"));
    assert!(place.rows()[&7] == before[&7]);
    bounded(&place, &["verify", "--country", CODE, "--sample", "20"], 0);
    bounded(&place, &["audit", "--country", CODE, "--live"], 0);
    // Nothing was uploaded in vain.
    bounded(&place, &["reconcile"], 0);
    // One more element in front, which moves all others.
    place.sql("UPDATE venues SET venue_images = '[7, ' || substr(venue_images, 2) WHERE id IN (1, 2, 6)");
    bounded(&place, &["audit", "--country", CODE, "--live"], 13);
    place.sql("UPDATE venues SET venue_images = '[' || substr(venue_images, 5) WHERE id IN (1, 2, 6)");
    bounded(&place, &["rollback", "--country", CODE, "--yes"], 0);
    let after = place.rows();
    for (id, row) in &before {
        assert!(after[id].0 == row.0, "venue {id} is not what it was");
    }
}

/// A row that others made too large since it was moved stays as it is, is named, and is taken back once it is small again.
#[test]
fn e1_a_row_that_grew_beyond_the_bound_waits_for_its_rollback() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let place = Place::new(kind);
        let base = place.base();
        let forge = place.forge(&base);
        place.fill(&[venue(1, "grows", vec![forge.fine()]), venue(2, "well", vec![forge.fine()])]);
        let before = place.rows();
        bounded(&place, &["migrate", "--country", CODE, "--yes"], 0);
        let migrated = place.site.stage.images(1).unwrap();
        let theirs = format!("{}, \"{}\"]", migrated.strip_suffix(']').unwrap(), "x".repeat(LONG));
        place.site.stage.set_images(1, &theirs);
        bounded(&place, &["audit", "--live"], 13).says(LIMIT);
        bounded(&place, &["reconcile"], 13).says(LIMIT);
        let ran = bounded(&place, &["rollback", "--country", CODE, "--yes"], 10);
        let ran = ran.says("bad_data").says(LIMIT);
        assert!(place.site.stage.images(1) == Some(theirs), "{ran}");
        assert!(place.rows()[&2].0 == before[&2].0, "{ran}");
        place.site.stage.set_images(1, &migrated);
        bounded(&place, &["rollback", "--country", CODE, "--yes"], 0);
        assert!(place.rows()[&1].0 == before[&1].0);
    }
}

/// Names and slugs of 30 MB, of venues, cities and countries.
fn long_names(kind: Kind) {
    let place = Place::new(kind);
    let base = place.base();
    let forge = place.forge(&base);
    place.fill(&[venue(1, "one", vec![forge.fine()]), venue(2, "two", vec![forge.fine()])]);
    let long = match kind {
        Kind::Sqlite => format!("replace(hex(zeroblob({})), '0', 'x')", LONG / 2),
        _ => format!("repeat('x', {LONG})"),
    };
    let unindexed = match kind {
        Kind::Sqlite => String::new(),
        _ => {
            "ALTER TABLE countries DROP CONSTRAINT IF EXISTS countries_slug_key, ALTER COLUMN name TYPE text,
              ALTER COLUMN slug TYPE text; ALTER TABLE cities ALTER COLUMN name TYPE text; ALTER TABLE venues
              ALTER COLUMN name TYPE text, ALTER COLUMN slug TYPE text;"
                .to_owned()
        }
    };
    place.sql(&format!(
        "{unindexed} UPDATE venues SET name = {long}, slug = {long} WHERE id = 1;
         UPDATE countries SET name = {long} WHERE code <> '{CODE}'; UPDATE cities SET name = {long}"
    ));
    bounded(&place, &["countries"], 0);
    bounded(&place, &["plan", "--country", CODE], 0).says("(30000000 bytes)");
    bounded(&place, &["migrate", "--country", CODE, "--yes"], 0);
    bounded(&place, &["verify"], 0);
    bounded(&place, &["audit", "--live"], 0);
    bounded(&place, &["reconcile"], 0);
    bounded(&place, &["rollback", "--country", CODE, "--yes"], 0);
}

#[test]
fn e1_names_of_30_mb_take_no_memory_and_stop_nothing_on_sqlite() {
    long_names(Kind::Sqlite);
}

#[test]
fn e1_names_of_30_mb_take_no_memory_and_stop_nothing_on_postgres() {
    long_names(Kind::Postgres);
}

const REPORT: &str = "ta_id,ta_slug,ta_name,ea_id,ea_slug,ea_name,match_type,confidence,distance_m,name_distance,images_count\n\
                      1,ta-1,A,11,pub-11,A,slug_only,1,1,0,2\n2,ta-2,B,12,pub-12,B,slug_only,1,1,0,2\n\
                      3,ta-3,C,13,pub-13,C,slug_only,1,1,0,2\n";

/// What Trivia Advisor has is as little trusted: a text of 30 MB, more images than a row may hold, and very many elements
/// that are no images.
#[test]
fn e1_what_trivia_advisor_has_beyond_the_bound_is_left_out_and_takes_no_memory() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let at = Workplace::fitting(kind, REPORT);
        std::fs::write(at.work().join("report.csv"), REPORT).unwrap();
        let image = |n: usize| format!("{{\"local_path\": \"/{n}\"}}");
        let ids = ["1", "2", "3"];
        let texts = [
            format!("[{}]", vec![image(0); LONG / 20].join(", ")),
            format!("[{}]", (0..50_000).map(image).collect::<Vec<_>>().join(", ")),
            format!("[{}, {}]", vec!["1"; 150_000].join(", "), image(1)),
        ];
        for (id, text) in ids.into_iter().zip(texts) {
            at.trivia_sql(&format!("UPDATE venues SET google_place_images = '{text}' WHERE id = {id}"));
        }
        let args = ["populate", "--matches", "report.csv", "--target", "production", "--yes"];
        let (ran, peak) = run_measured(at.command(&args), &args);
        let ran = ran.code(10).says("1 image added").says("no more than 4000000 are read");
        assert!(peak < ROWS_MEMORY_KB_MAX, "it took {peak} kB");
        assert!(ran.stderr.contains("149900 more behind it make no entry either"), "{:.5000}", ran.stderr);
    }
}
