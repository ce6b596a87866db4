//! Matches that lie far apart: left out unless somebody says otherwise, and told so that a person can judge them.

use serde_json::{Value, json};

use super::verb::{leave_planning, populated};
use super::{HEADER, matched, populate, run_of, workplace};
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// As in the real report: one venue is matched with its namesake at the other end of the world and with its own, one
/// with a namesake some towns away; and of one nobody measured the distance.
fn report() -> String {
    let rows = [
        matched(1, 11, "0.3", 1),
        matched(2, 12, "17047036.7", 2),
        matched(3, 12, "0.3", 2).replace("slug_only", "geo_name"),
        matched(4, 13, "50000.1", 1),
        matched(5, 14, "50000", 1),
        matched(6, 15, "", 1),
    ];
    HEADER.to_owned() + &rows.concat()
}

/// The venues of a list, each with how far it lies and whether it is left out.
#[track_caller]
fn pairs(ran: &Ran, list: &str) -> Vec<(i64, i64, Value, bool)> {
    let each = ran.json()[list].as_array().unwrap_or_else(|| panic!("{ran}")).clone();
    let number = |pair: &Value, key: &str| pair[key].as_i64().unwrap();
    let pair = |pair: &Value| {
        let (venue, ta) = (number(pair, "venue_id"), number(pair, "trivia_advisor_id"));
        (venue, ta, pair["kilometres"].clone(), pair["left_out"].as_bool().unwrap())
    };
    each.iter().map(pair).collect()
}

fn dry(at: &Workplace, more: &[&str]) -> Ran {
    at.run_idle(&[&["populate", "--matches", "report.csv", "--dry-run", "--format", "json"], more].concat())
}

/// Where a venue lies.
fn place(at: &Workplace, id: i64) -> (String, String) {
    let world = &at.sandbox.world;
    let venue = world.venues.iter().find(|venue| venue.id == id).unwrap();
    let city = world.cities.iter().find(|city| Some(city.id) == venue.city).unwrap();
    let country = world.countries.iter().find(|country| country.id == city.country).unwrap();
    (city.name.clone(), country.name.clone())
}

fn left_out_unless_allowed(kind: Kind) {
    let at = workplace(kind, &report());
    let said = dry(&at, &["--target", "production"]).code(0);
    let far = [(12, 2, json!(17_047.0), true), (13, 4, json!(50.0), true)];
    assert_eq!(pairs(&said, "far"), far, "{said}");
    assert_eq!(pairs(&said, "unmeasured"), [(15, 6, json!(null), false)], "{said}");
    assert_eq!((&said.json()["max_kilometres"], &said.json()["images"]), (&json!(50.0), &json!(5)), "{said}");

    let ran = populate(&at, &[]).code(10).says("Left out: matched, and more than 50 km apart:");
    let (city, country) = place(&at, 12);
    let name = at.sandbox.world.venues.iter().find(|venue| venue.id == 12).unwrap().name.clone();
    let ran = ran.says(&format!(
        "  venue 12 {name:?} in {city}, {country}, and Trivia Advisor 2 \"Pub 2\" (ta-2): 17047.0 km; \
         matched by slug_only, confidence 0.85\n"
    ));
    let ran = ran
        .says("the report does not say how far apart they are:")
        .says("(ta-6): unknown; matched by slug_only");
    assert!(!ran.stderr.contains("Taken in, and more than"), "{ran}");
    assert!(!ran.stderr.contains("(ta-3)") && !ran.stderr.contains("(ta-5)"), "{ran}");
    assert_eq!(populated(&at), [11, 12, 14, 15]);
    let images = at.rows()[&12].images.clone().unwrap();
    assert!(images.contains("/ta-3/") && !images.contains("/ta-2/"), "its own match is taken: {images}");
    assert_eq!(ran.json()["runs"][0]["tally"]["left_out"], 2, "{ran}");
    // It stays something to look at.
    let again = populate(&at, &[]).code(10).says("Left out: matched, and more than 50 km apart:");
    assert_eq!(again.json()["runs"], json!([]), "{again}");
    at.run(&["rollback", "--run", &run_of(&ran), "--yes"]).code(0);

    let said = dry(&at, &["--target", "production", "--max-distance", "60"]).code(0);
    let far = [(12, 2, json!(17_047.0), true), (13, 4, json!(50.0), false)];
    assert_eq!(pairs(&said, "far"), far, "{said}");
    let ran =
        populate(&at, &["--max-distance", "20000"]).code(0).says("Taken in, and more than 50 km apart:");
    assert!(ran.stderr.contains("(ta-2): 17047.0 km") && !ran.stderr.contains("Left out"), "{ran}");
    assert_eq!(populated(&at), [11, 12, 13, 14, 15]);
    assert!(at.rows()[&12].images.clone().unwrap().contains("/ta-2/"));
}

#[test]
fn c1_far_pairs_are_left_out_and_told_unless_they_are_allowed_on_sqlite() {
    left_out_unless_allowed(Kind::Sqlite);
}

#[test]
fn c1_far_pairs_are_left_out_and_told_unless_they_are_allowed_on_postgres() {
    left_out_unless_allowed(Kind::Postgres);
}

#[test]
fn c1_a_nearer_limit_leaves_out_more() {
    let at = workplace(Kind::Sqlite, &report());
    populate(&at, &["--max-distance", "0"]).code(2).says("a number of kilometres");
    let ran =
        populate(&at, &["--max-distance", "0.0002"]).code(10).says("Left out: matched, and more than 0");
    assert_eq!(populated(&at), [15], "{ran}");
}

#[test]
fn c5_a_run_that_began_without_a_limit_goes_on_without_one() {
    let at = workplace(Kind::Sqlite, &report());
    let first = run_of(&populate(&at, &["--venue-id", "11"]).code(0));
    leave_planning(&at, &first);
    at.run(&["resume"]).code(0);
    assert_eq!(populated(&at), [11, 12, 13, 14, 15]);
    assert!(at.rows()[&12].images.clone().unwrap().contains("/ta-2/"));
}
