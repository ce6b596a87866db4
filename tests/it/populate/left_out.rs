//! What a `populate` could not add stays on the list of failures until somebody settles it (requirements C1, C11).

use serde_json::{Value, json};

use super::{HEADER, matched, populate, url, workplace};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Venue 11 gets one image and is left six, venue 12 gets nothing, venue 13 all.
fn with_unusable_images(kind: Kind) -> Workplace {
    let report =
        HEADER.to_owned() + &matched(1, 11, "1", 1) + &matched(2, 12, "1", 1) + &matched(3, 13, "1", 2);
    let at = workplace(kind, &report);
    let path = url(&at, 1, 1).replace(&at.sandbox.origin.base_url(), "");
    let mut images = vec![json!({"local_path": path})];
    images.extend((0..6).map(|position| json!({"position": position})));
    let images = Value::from(images);
    at.trivia_sql(&format!("UPDATE venues SET google_place_images = '{images}' WHERE id = 1"));
    at.sql("UPDATE venues SET slug = 'moved' WHERE id = 12");
    at
}

/// How many rows of each venue the list of failures has.
fn listed(at: &Workplace) -> [usize; 3] {
    let failures = at.run_json(&["export", "failures"]).code(0).json();
    let rows = failures.as_array().unwrap();
    let is_bad = |row: &&Value| row["error_type"] == "bad_data" && row["image_url"] == Value::Null;
    [11, 12, 13].map(|venue| rows.iter().filter(is_bad).filter(|row| row["venue_id"] == venue).count())
}

fn stays_until_it_is_settled(kind: Kind) {
    let at = with_unusable_images(kind);
    let ran = at.run(&["populate", "--matches", "report.csv", "--target", "production", "--yes"]).code(10);
    let ran = ran.says("3 images added, 2 venues; 7 left out").says("1 more venue got nothing");
    let run = ran.stdout.split("report --run ").nth(1).or(ran.stdout.split("Run ").nth(1)).unwrap();
    let run: String = run.chars().take_while(char::is_ascii_digit).collect();
    let report = at.run_json(&["report", "--run", &run]).code(0).json();
    assert_eq!(
        (&report["total"]["venues"], &report["total"]["venues_failed"]),
        (&json!(2), &json!(1)),
        "{report}"
    );
    assert_eq!(listed(&at), [6, 1, 0]);

    // Another kind of run settles nothing of it.
    for venue in ["11", "13"] {
        let ran = at.run(&["migrate", "--venue-id", venue, "--yes"]);
        assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
    }
    assert_eq!(listed(&at), [6, 1, 0]);
    at.run(&["status"]).code(0).says("bad_data");
    at.run(&["skip", "--venue-id", "12", "--reason", "it is closed"]).code(0);
    assert_eq!(listed(&at), [6, 0, 0]);
    at.run(&["skip", "--venue-id", "11", "--reason", "nobody has them"]).code(0).says("as a whole");
    assert_eq!(listed(&at), [0, 0, 0]);
    at.run(&["ledger", "verify"]).code(0);
    // A later `populate` speaks of it anew.
    populate(&at, &["--venue-id", "12"]);
    at.run(&["ledger", "verify"]).code(0);
}

#[test]
fn c11_what_a_populate_left_out_stays_on_the_list_until_it_is_settled_on_sqlite() {
    stays_until_it_is_settled(Kind::Sqlite);
}

#[test]
fn c11_what_a_populate_left_out_stays_on_the_list_until_it_is_settled_on_postgres() {
    stays_until_it_is_settled(Kind::Postgres);
}

#[test]
fn c11_a_later_populate_and_a_rollback_of_the_run_settle_what_was_left_out() {
    let at = with_unusable_images(Kind::Sqlite);
    let ran = populate(&at, &[]).code(10);
    let ran = at.run(&["rollback", "--run", &super::run_of(&ran), "--yes"]).code(0).args + &ran.args;
    assert_eq!(listed(&at), [0, 0, 0], "{ran}");
    populate(&at, &[]).code(10);
    assert_eq!(listed(&at), [6, 1, 0]);
    at.sql("UPDATE venues SET slug = 'pub-12' WHERE id = 12");
    populate(&at, &[]).code(10);
    assert_eq!(listed(&at), [6, 0, 0], "what became an entry after all is settled");
}
