//! The way back: to the letter, around what was migrated since, and only by the run's own number.

use serde_json::json;

use super::{HEADER, matched, populate, run_of, workplace};
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

fn report() -> String {
    HEADER.to_owned() + &(11..=15).map(|ea| matched(ea - 10, ea, "1", 2)).collect::<String>()
}

fn rollback(at: &Workplace, run: &str) -> Ran {
    at.run_json(&["rollback", "--run", run, "--yes"])
}

/// A place on the origin where a picture lies that nothing is wrong with.
fn good(at: &Workplace) -> String {
    let images = at.sandbox.world.images();
    images.iter().find(|image| image.awkward.is_none()).unwrap().path.clone()
}

#[test]
fn c6_rows_come_back_to_the_letter() {
    let at = workplace(Kind::Sqlite, &report());
    let texts = ["[ ]", "\n[7 ,\t{ \"a\" : 1.0e2 , \"\\u0061\": \"\\/\" } ]  ", "[]", "[\t\n\t]", ""];
    for (id, text) in (11..).zip(texts).filter(|(_, text)| !text.is_empty()) {
        at.sql(&format!("UPDATE venues SET venue_images = '{text}' WHERE id = {id}"));
    }
    let before = at.rows();
    assert_eq!(before[&15].images, None);
    let run = run_of(&populate(&at, &[]).code(0));
    assert!(at.rows().iter().all(|(id, row)| row.images != before[id].images));
    rollback(&at, &run).code(0);
    for (id, row) in before {
        assert_eq!(at.rows()[&id].images, row.images, "venue {id}");
    }
    rollback(&at, &run).code(0).says("Nothing is left to roll back in run 2.");
}

fn migrated_since(kind: Kind) {
    let at = workplace(kind, &report());
    let good = good(&at);
    // Of venue 11's images one can be migrated and one cannot.
    at.trivia_sql(&format!(
        r#"UPDATE venues SET google_place_images = '[{{"local_path": "{good}"}}, {{"local_path": "/nowhere.jpg"}}]' WHERE id = 1"#
    ));
    let before = at.rows();
    let first = run_of(&populate(&at, &[]).code(0));
    let external = at.rows();
    let migrated = run_of(&at.run_json(&["migrate", "--venue-id", "11", "--yes"]).code(10));
    let completed = |at: &Workplace| {
        let images = at.rows()[&11].images.clone().unwrap();
        (images.matches("\"completed\"").count(), images.matches("\"external\"").count())
    };
    assert_eq!(completed(&at), (1, 1));

    // A populate over what is migrated finds nothing to do: the picture is there by its old address.
    let head = at.head();
    populate(&at, &[]).code(0);
    assert_eq!((at.head(), completed(&at)), (head, (1, 1)));

    let rolled = rollback(&at, &first).code(12);
    assert_eq!(
        rolled.json()["runs"][0]["migrated_by"],
        json!([migrated.parse::<u64>().unwrap()]),
        "{rolled}"
    );
    assert_eq!(rolled.json()["runs"][0]["venues_restored"], 4, "{rolled}");
    assert_eq!(completed(&at), (1, 0), "what was migrated stays, the other goes");
    for id in 12..=15 {
        assert_eq!(at.rows()[&id].images, before[&id].images, "venue {id}");
    }
    let again = at.run(&["rollback", "--run", &first, "--yes"]).code(12);
    again.says(&format!("`longshore rollback --run {migrated}`, then this run again."));

    rollback(&at, &migrated).code(0);
    assert_eq!(completed(&at), (0, 1));
    assert_ne!(at.rows()[&11].images, external[&11].images, "one of the two has gone back already");
    let rolled = rollback(&at, &first).code(0);
    assert_eq!(rolled.json()["runs"][0]["migrated_by"], json!([]), "{rolled}");
    for (id, row) in &before {
        assert_eq!(at.rows()[id].images, row.images, "venue {id}");
    }
    rollback(&at, &first).code(0).says("Nothing is left to roll back");
    at.run(&["ledger", "verify"]).code(0);

    // And all of it once more.
    populate(&at, &[]).code(0);
    at.run(&["migrate", "--venue-id", "11", "--yes"]).code(10);
    assert_eq!(completed(&at), (1, 1));
}

#[test]
fn c1_what_was_migrated_since_is_left_until_that_is_rolled_back_on_sqlite() {
    migrated_since(Kind::Sqlite);
}

#[test]
fn c1_what_was_migrated_since_is_left_until_that_is_rolled_back_on_postgres() {
    migrated_since(Kind::Postgres);
}

#[test]
fn c6_a_place_goes_back_to_what_it_was_before_migrate_and_no_further() {
    let at = workplace(Kind::Sqlite, &report());
    at.trivia_sql(&format!(
        r#"UPDATE venues SET google_place_images = '[{{"local_path": "{}"}}]' WHERE id = 1"#,
        good(&at)
    ));
    populate(&at, &[]).code(0);
    let external = at.rows();
    let nothing = ["rollback", "--venue-id", "11", "--yes"];
    at.run_idle(&nothing).code(0).says("Nothing is left to roll back in venue 11.");
    let world = &at.sandbox.world;
    let city = world.venues.iter().find(|venue| venue.id == 11).unwrap().city;
    let city = world.cities.iter().find(|one| Some(one.id) == city).unwrap();
    let country = world.countries.iter().find(|country| country.id == city.country).unwrap();
    at.run_idle(&["rollback", "--country", &country.code, "--yes"]).code(0).says("Nothing is left");

    at.run(&["migrate", "--venue-id", "11", "--yes"]).code(0);
    assert_ne!(at.rows()[&11].images, external[&11].images);
    at.run(&["rollback", "--country", &country.code, "--yes"]).code(0).says("1 of 1 venues restored.");
    for (id, row) in external {
        assert_eq!(at.rows()[&id].images, row.images, "venue {id} is external again");
    }
}

#[test]
fn e1_a_row_that_refuses_is_taken_up_again_by_the_run_or_by_the_next() {
    let at = workplace(Kind::Sqlite, &report());
    let before = at.rows();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON venues WHEN NEW.id IN (12, 13)
                  BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    at.sql(refuse);
    let ran = populate(&at, &[]).code(10);
    assert_eq!(ran.json()["runs"][0]["tally"]["failed"], 4, "{ran}");
    let first = run_of(&ran);
    assert_eq!(at.rows()[&12], before[&12]);

    // The run itself takes up one of them, whose row may be written by then.
    at.sql(&format!("DROP TRIGGER refuse; {}", refuse.replace("(12, 13)", "(13)")));
    let ran = at.run_json(&["resume", "--run", &first, "--retry-failed", "--yes"]).code(10);
    assert_eq!(ran.json()["runs"][0]["tally"]["failed"], 2, "{ran}");
    assert_ne!(at.rows()[&12], before[&12]);

    // The next takes the other; the first is then no longer asked for it, neither forward nor back.
    at.sql("DROP TRIGGER refuse");
    let second = run_of(&populate(&at, &[]).code(0));
    at.run_idle(&["resume", "--run", &first, "--retry-failed", "--yes"])
        .code(0)
        .says("Nothing to take up again");
    rollback(&at, &first).code(0);
    assert!(at.rows()[&13].images.as_deref().unwrap().contains("external"));
    rollback(&at, &second).code(0);
    for (id, row) in before {
        assert_eq!(at.rows()[&id].images, row.images, "venue {id}");
    }
}
