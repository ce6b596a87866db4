//! A row that is not read may hold anything: it is told with its size and the limit, and nothing is deleted that it may use.

use longshore::limits::{CATALOG_ROW_BYTES_MAX, USE_TEXT_BYTES_MAX};
use serde_json::{Value, json};

use super::place::{CODE, Place};
use super::rows::{failures, venue};
use super::world::Fate;
use crate::support::stage::Kind;

const KINDS: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

fn one(place: &Place, args: &[&str], code: i32) -> Value {
    place.site.run(&[args, &["--format", "json"]].concat()).code(code).json()
}

/// That these are the rows in `list`, each with its size and the limit.
#[track_caller]
fn told(list: &Value, venues: &[i64]) {
    let list = list.as_array().unwrap_or_else(|| panic!("{list}"));
    assert_eq!(list.iter().map(|row| row["venue_id"].as_i64().unwrap()).collect::<Vec<_>>(), venues);
    for row in list {
        let why = row["why"].as_str().unwrap();
        assert!(why.starts_with("holds 4") && why.contains(&CATALOG_ROW_BYTES_MAX.to_string()), "{why}");
    }
}

#[test]
fn c13_a_row_that_is_not_read_is_told_apart_and_is_a_finding_where_the_ledger_knows_its_venue() {
    for kind in KINDS {
        let place = Place::new(kind);
        let base = place.base();
        let forge = place.forge(&base);
        let venues = [1, 2, 3].map(|id| venue(id, "grows", vec![forge.fine()]));
        place.fill(&venues);
        place.site.run(&["migrate", "--venue-id", "1", "--yes"]).code(0);
        let grow = |id: i64, code: &str| {
            let theirs = format!("[\"{}\"{code}]", "x".repeat(CATALOG_ROW_BYTES_MAX as usize));
            place.site.stage.set_images(id, &theirs);
        };
        grow(2, "");
        place.site.stage.set_images(3, "{}");
        let size = " bytes, and no more than 4000000 are read";
        place.site.run(&["reconcile"]).code(0).says("not_read").says(size).says("Everything fits");
        let answer = one(&place, &["reconcile"], 0);
        told(&answer["named"]["not_read"], &[2]);
        told(&answer["findings"]["not_read"], &[]);
        assert_eq!(answer["named"]["bad_arrays"], json!([3]));
        assert_eq!((&answer["rows"]["not_read"], &answer["rows"]["bad_array"]), (&json!(1), &json!(1)));

        let moved = place.site.stage.images(1).unwrap();
        grow(1, "");
        place.site.run(&["reconcile"]).code(13).says(size);
        let answer = one(&place, &["reconcile"], 13);
        told(&answer["named"]["not_read"], &[2]);
        told(&answer["findings"]["not_read"], &[1]);

        let answer = one(&place, &["verify", "--country", CODE], 13);
        told(&answer["not_read"], &[1, 2]);
        assert_eq!((&answer["not_read_total"], &answer["not_arrays"]), (&json!(2), &json!(1)));
        let ran = place.site.run(&["verify", "--country", CODE]).code(13).says(size);
        assert!(ran.stdout.contains("1 row with something that is no array"), "{ran}");

        let answer = one(&place, &["audit", "--live"], 13);
        let live = &answer["venues"][0]["live"];
        assert_eq!((&live["verdict"], &live["found"]), (&json!("not_read"), &Value::Null), "{live}");
        assert_eq!(live["images"][0]["verdict"], "not_read");
        assert!(live["not_read"].as_str().unwrap().contains(size), "{live}");
        assert_eq!(answer["live"]["images"]["not_read"], 1);
        let ran = place.site.run(&["audit", "--live"]).code(13).says(size);
        assert!(!ran.stdout.contains("no array"), "{ran}");
        place.site.stage.set_images(1, &moved);
        place.site.run(&["audit", "--live"]).code(0);
    }
}

/// An orphan that a row beyond the bound uses, or may use, stays, whatever the ledger knows of that row.
#[test]
fn s7_a_row_that_is_not_read_may_use_any_file() {
    for kind in KINDS {
        let place = Place::new(kind);
        let base = place.base();
        let forge = place.forge(&base);
        place.fill(&[venue(1, "moved", vec![forge.fine()]), venue(2, "theirs", vec![])]);
        place.site.run(&["migrate", "--venue-id", "1", "--yes"]).code(0);
        let moved: Value = serde_json::from_str(&place.site.stage.images(1).unwrap()).unwrap();
        let url = moved[0]["url"].as_str().unwrap().to_owned();
        place.site.run(&["rollback", "--venue-id", "1", "--yes"]).code(0);
        assert_eq!(one(&place, &["reconcile"], 13)["files"]["classes"]["orphan"]["files"], 1);
        let looked_through = format!("[\"{}\", \"{url}\"]", "x".repeat(CATALOG_ROW_BYTES_MAX as usize));
        let never = format!("[\"{}\"]", "x".repeat(USE_TEXT_BYTES_MAX));
        for theirs in [looked_through, never] {
            place.site.stage.set_images(2, &theirs);
            let answer = one(&place, &["reconcile", "--delete-orphans", "--yes"], 13);
            assert_eq!(answer["files"]["classes"]["orphan"]["files"], 0, "{answer}");
            assert_eq!(answer["files"]["all"], 1, "{answer}");
            assert_eq!(answer["deleted"], json!([]));
            let rows = &answer["findings"]["not_read"];
            assert_eq!(rows[0]["venue_id"], 2, "{rows}");
            assert_eq!(one(&place, &["reconcile"], 13)["files"]["all"], 1);
        }
        place.site.stage.set_images(2, "[]");
        let answer = one(&place, &["reconcile", "--delete-orphans", "--yes"], 0);
        assert_eq!(answer["deleted"][0]["fate"], "deleted", "{answer}");
    }
}

/// Completed, its images would make a row too large to be read, so none of them is uploaded.
#[test]
fn e1_a_row_that_would_outgrow_the_bound_is_refused_before_anything_is_uploaded() {
    for kind in KINDS {
        let place = Place::new(kind);
        let base = place.base();
        let forge = place.forge(&base);
        let ours = vec![(forge.good(1), Fate::Moved); 50];
        let bytes: usize = ours.iter().map(|(entry, _)| entry.len() + 2).sum();
        let filled = |spare: usize| {
            let theirs = "x".repeat(CATALOG_ROW_BYTES_MAX as usize - bytes - spare);
            [vec![(format!("\"{theirs}\""), Fate::NotOurs)], ours.clone()].concat()
        };
        place.fill(&[
            venue(1, "nearly full", filled(1_000)),
            venue(2, "well", vec![forge.fine()]),
            venue(3, "with room", filled(30_000)),
        ]);
        let migrate = ["migrate", "--country", CODE, "--yes", "--max-error-rate", "100"];
        let planned = ["plan", "--country", CODE, "--out", "a.plan"];
        let ran = place.site.run(&planned).code(0).says("Venue 1: venue_images holds 399");
        ran.says("and no more than 4000000 are read");
        let ran = place.site.run(&["plan", "--country", CODE, "--format", "json"]).code(0);
        assert_eq!((&ran.json()["venues"], &ran.json()["bad_venues"]), (&json!(2), &json!(1)), "{ran}");
        place.site.run(&migrate).code(10);
        let failed = failures(&place);
        assert_eq!(failed.len(), 1);
        let (id, kind, why) = &failed[0];
        assert_eq!((*id, kind.as_str()), (1, "bad_data"));
        let said =
            ["venue_images holds 399", "bytes, may hold 40", "completed, and no more than 4000000 are read"];
        assert!(said.iter().all(|part| why.contains(part)), "{why}");
        assert!(!place.site.paths().iter().any(|path| path.contains("pub-1")), "{:?}", place.site.paths());
        assert_eq!(place.site.stage.requests("upload"), 2);
        // Somebody makes room.
        let text = place.site.stage.images(1).unwrap();
        place.site.stage.set_images(1, &text.replacen(&"x".repeat(29_000), "", 1));
        place.site.run(&migrate).code(0);
        assert_eq!(place.site.stage.requests("upload"), 3);
    }
}

/// With a limit none of the venues of which nothing can be moved is taken up, so none is named.
#[test]
fn c4_a_limit_counts_venues_that_can_be_moved_and_the_others_are_passed_by() {
    for kind in KINDS {
        let place = Place::new(kind);
        let base = place.base();
        let good = place.forge(&base).fine();
        place.fill(&(1..=5).map(|id| venue(id, "a venue", vec![good.clone()])).collect::<Vec<_>>());
        place.site.stage.set_images(1, "{}");
        // It can be read, and would be too large with its image completed.
        let theirs = "x".repeat(CATALOG_ROW_BYTES_MAX as usize - good.0.len() - 150);
        place.site.stage.set_images(2, &format!("[{}, \"{theirs}\"]", good.0));
        let limited = ["--country", CODE, "--limit", "2"];
        let with = |verb: &'static str, more: &[&'static str]| {
            [&[verb] as &[&str], &limited as &[&str], more].concat()
        };
        let passed_by = "Not counted by --limit, and passed by: 2 venues";
        let asked = place.site.run(&with("migrate", &[])).code(2).says("of 2 venues in").says(passed_by);
        assert!(!asked.stderr.contains("Their ids"), "{asked}");
        let planned = place.site.run(&with("plan", &[])).code(0);
        assert!(planned.stdout.contains(passed_by) && !planned.stdout.contains("  Venue 1:"), "{planned}");
        place.site.run(&with("migrate", &["--yes"])).code(0);
        let is_moved = |id| place.site.stage.images(id).unwrap().contains("imagekit");
        assert_eq!((1..=5).filter(|id| is_moved(*id)).collect::<Vec<_>>(), [3, 4]);
    }
}

/// What a run will not take is told before it is asked whether to begin, and where it would take nothing else.
#[test]
fn c4_venues_that_are_left_out_are_counted_and_named_before_the_question_and_without_one() {
    for kind in KINDS {
        let place = Place::new(kind);
        let base = place.base();
        let forge = place.forge(&base);
        let good = forge.fine();
        place.fill(&(1..=23).map(|id| venue(id, "a venue", vec![good.clone()])).collect::<Vec<_>>());
        for id in 1..=22 {
            place.site.stage.set_images(id, &format!("{{\"no\": [{}]}}", good.0));
        }
        let asked = place.site.run(&["migrate", "--country", CODE]).code(2).says("there is no terminal");
        let ids = (1..=20).map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
        let asked =
            asked.says("Nothing can be moved of 22 more venues, and the run has them fail (bad_data).");
        assert!(asked.stderr.contains(&format!("plan --country {CODE}` says why.")), "{asked}");
        let asked = asked.says(&format!(" Their ids: {ids} and 2 more."));
        assert!(asked.stderr.contains("This moves 1 image of 1 venue "), "{asked}");
        place.site.stage.set_images(23, "[]");
        let migrate = ["migrate", "--country", CODE, "--yes"];
        let ran = place.site.run(&migrate).code(10).says(" but 22 venues refused (bad_data).");
        let ran = ran.says("Venue 1: bad_data: ").says("… and 2 more; `longshore ");
        let all = ran.stderr.split("… and 2 more; `longshore ").nth(1).unwrap().split('`').next().unwrap();
        let answer = place.site.run(&all.split(' ').collect::<Vec<_>>()).code(0).json();
        let left: Vec<_> =
            answer["left_out"].as_array().unwrap().iter().map(|left| &left["venue_id"]).collect();
        assert_eq!(left, (1..=22).collect::<Vec<i64>>().iter().collect::<Vec<_>>());
        assert!(answer["left_out"][0]["why"].as_str().unwrap().contains("not an array"), "{answer}");
        assert!(!place.site.ledger().exists());
    }
}
