//! What is not done, and what people are told instead (requirements C3, C4, D7 and the scopes).

use serde_json::{Value, json};

use crate::support::program::Workplace;
use crate::support::stage::Kind;

fn venues_of(at: &Workplace, code: &str) -> Vec<i64> {
    at.sandbox.world.to_migrate(code).iter().map(|venue| venue.id).collect()
}

fn images_of(at: &Workplace, code: &str) -> usize {
    at.sandbox.world.to_migrate(code).iter().map(|venue| venue.images.to_migrate().count()).sum()
}

fn a_dry_run_changes_nothing(kind: Kind) {
    let at = Workplace::new(kind, 20);
    let (venues, images) = (venues_of(&at, "PL").len(), images_of(&at, "PL"));
    let dry = ["migrate", "--country", "pl", "--dry-run"];
    let preview = at.run_idle(&[&dry[..], &["--format", "json"]].concat()).code(0).json();
    assert_eq!(preview["scope"], "Poland");
    assert_eq!(preview["target"], "production");
    assert_eq!((&preview["venues"], &preview["images"]), (&json!(venues), &json!(images)));
    let cities = preview["cities"].as_array().unwrap();
    let sum = |key| cities.iter().map(|city| city[key].as_u64().unwrap() as usize).sum::<usize>();
    assert_eq!((sum("venues"), sum("images")), (venues, images));
    assert!(cities.iter().all(|city| city["country"] == "Poland"), "{preview}");
    at.run_idle(&dry).code(0).says("Nothing was changed.");
    at.run_idle(&["rollback", "--country", "Poland", "--dry-run"]).code(2).says("there is no ledger");

    at.run(&["migrate", "--country", "Poland", "--yes"]);
    let back = ["rollback", "--country", "Poland", "--dry-run"];
    let preview = at.run_idle(&[&back[..], &["--format", "json"]].concat()).code(0).json();
    let done = at.run_json(&["status"]).json()["total"]["completed"].clone();
    assert_eq!((&preview["images"], &preview["countries"]["Poland"]), (&done, &done));
    assert_eq!(preview["closes"], json!([]));
    at.run_idle(&back).code(0).says("Nothing was changed.");
}

#[test]
fn c4_c6_a_dry_run_changes_nothing_on_sqlite() {
    a_dry_run_changes_nothing(Kind::Sqlite);
}

#[test]
fn c4_c6_a_dry_run_changes_nothing_on_postgres() {
    a_dry_run_changes_nothing(Kind::Postgres);
}

#[test]
fn c4_c6_without_a_scope_examples_are_shown() {
    let at = Workplace::new(Kind::Sqlite, 4);
    for verb in ["migrate", "rollback"] {
        let example = format!("longshore {verb} --country Poland --dry-run");
        let without = at.run_idle(&[verb, "--yes"]).code(2);
        // A rollback without a ledger has nothing to name an example of.
        if verb == "migrate" {
            without.says(&example);
        }
    }
    at.run(&["migrate", "--country", "DE", "--yes"]);
    at.run_idle(&["rollback", "--yes"]).code(2).says("longshore rollback --country Poland --dry-run");
    at.run_idle(&["migrate", "--yes"]).code(2).says("longshore migrate --country Poland --dry-run");
}

#[test]
fn c4_c6_without_a_terminal_only_yes_answers() {
    let at = Workplace::new(Kind::Sqlite, 4);
    at.run_idle(&["migrate", "--country", "Germany"]).code(2).says("there is no terminal").says("`--yes`");
    assert!(!at.ledger().exists(), "what was declined leaves no ledger that would belong to this database");
    at.run(&["migrate", "--country", "Germany", "--yes"]);
    at.run_idle(&["rollback", "--country", "Germany"]).code(2).says("there is no terminal").says("`--yes`");
}

#[test]
fn c4_unknown_places_are_refused_with_near_names() {
    let at = Workplace::new(Kind::Sqlite, 4);
    at.run_idle(&["migrate", "--country", "Polnad", "--yes"]).code(2).says("Did you mean Poland?");
    at.run_idle(&["migrate", "--city", "Warsawa", "--yes"]).code(2).says("Warszawa");
    at.run_idle(&["migrate", "--country", "Xqz", "--yes"]).code(2).says("`longshore countries`");
    at.run_idle(&["migrate", "--venue-id", "99999999", "--yes"]).code(2).says("there is no venue 99999999");
    at.run(&["migrate", "--country", "PL", "--yes"]);
    at.run_idle(&["rollback", "--country", "Polnad", "--yes"]).code(2).says("Did you mean Poland?");
    // Where the ledger has not been, there is nothing to take back, and it does not know the name.
    at.run_idle(&["rollback", "--country", "Germany", "--yes"]).code(2).says("Germany");
    at.run_idle(&["rollback", "--run", "77", "--yes"]).code(2).says("there is no run 77");
    at.run_idle(&["rollback", "--venue-id", "99999999", "--yes"]).code(2).says("99999999");
}

#[test]
fn c4_a_city_that_fits_several_is_refused_with_their_list() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let several = at.run_idle(&["migrate", "--city", "Newport", "--dry-run"]).code(2);
    let several = several.says("Newport, United Kingdom (slug newport)");
    let several = several.says("Newport, United Kingdom (slug newport-isle-of-wight)");
    several.says("Newport, Ireland (slug newport)").says("`--country`");
    let scope = |args: &[&str]| {
        let dry = [&["migrate", "--dry-run", "--format", "json"], args].concat();
        at.run_idle(&dry).code(0).json()["scope"].clone()
    };
    assert_eq!(scope(&["--city", "newport-isle-of-wight"]), "Newport");
    assert_eq!(scope(&["--city", "Newport", "--country", "Ireland"]), "Newport");
    assert_eq!(scope(&["--city", "newport", "--country", "gb"]), "Newport");
    assert_eq!(scope(&["--city", "łódź"]), "Łódź");
    at.run_idle(&["migrate", "--city", "Kraków", "--country", "DE", "--dry-run"]).code(2).says("Kraków");
}

#[test]
fn c4_a_limit_takes_the_first_and_then_the_next() {
    let at = Workplace::new(Kind::Sqlite, 70);
    let all = venues_of(&at, "PL");
    assert!(all.len() >= 10, "this Poland is too small: {all:?}");
    // The very first has trouble: it must not come again before the others have had their turn.
    let first = at.sandbox.world.to_migrate("PL")[0].images.to_migrate().next().unwrap().to_owned();
    at.sandbox.origin.remove(&first);
    let planned = |run: &Value| -> Vec<i64> {
        let log = at.run_json(&["log", "--kind", "planned", "--run", &run.to_string()]).code(0);
        let lines = log.json_lines();
        lines.iter().map(|line| line["event"]["planned"]["venue"].as_i64().unwrap()).collect()
    };
    let mut images = Vec::new();
    for part in all.chunks(4).take(2) {
        let dry = ["migrate", "--country", "PL", "--limit", "4", "--dry-run", "--format", "json"];
        let preview = at.run_idle(&dry).code(0).json();
        let ran = at.run_json(&["migrate", "--country", "PL", "--limit", "4", "--yes"]);
        let run = &ran.json()["runs"][0];
        assert_eq!(planned(&run["run"]), part, "{ran}");
        assert_eq!(run["tally"]["images"], preview["images"], "the preview said what was done: {ran}");
        images.push(preview["images"].clone());
    }
    // All others, and then the one in trouble.
    let ran = at.run_json(&["migrate", "--country", "PL", "--limit", "100", "--yes"]);
    let mut rest = all[8..].to_vec();
    rest.insert(0, all[0]);
    let taken = planned(&ran.json()["runs"][0]["run"]);
    assert!(rest.iter().all(|venue| taken.contains(venue)), "{taken:?} of {rest:?}");
}

#[test]
fn c4_a_place_with_nothing_left_says_so() {
    let at = Workplace::new(Kind::Sqlite, 12);
    let nowhere = "Nothing is left to migrate in Ireland.";
    at.run_idle(&["migrate", "--country", "Ireland", "--yes"]).code(0).says(nowhere);
    let (good, bad) = match venues_of(&at, "GB")[..] {
        [good, bad, ..] => (good.to_string(), bad.to_string()),
        _ => panic!("this United Kingdom is too small"),
    };
    at.run(&["migrate", "--venue-id", &good, "--yes"]).code(0);
    at.run_idle(&["migrate", "--venue-id", &good, "--yes"])
        .code(0)
        .says("Nothing is left to migrate in venue");
    // A venue whose array is none was reported once; nothing of it can be taken, and it still waits for a person.
    at.sql(&format!("UPDATE venues SET venue_images = '{{\"a\": 1}}' WHERE id = {bad}"));
    at.run(&["migrate", "--country", "GB", "--yes"]).code(10).says("bad_data");
    at.run_idle(&["migrate", "--venue-id", &bad, "--yes"])
        .code(10)
        .says("Nothing is left to migrate in venue");
}
