//! Local development after a `populate`: what stands there is said, and nothing wants an account at ImageKit before
//! something is migrated.

use serde_json::{Value, json};

use super::{HEADER, matched, workplace};
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// Six venues with two images each, populated on the local database, which is the only one here.
fn populated(kind: Kind) -> Workplace {
    let report = HEADER.to_owned() + &(11..=16).map(|ea| matched(ea - 10, ea, "1", 2)).collect::<String>();
    let mut at = workplace(kind, &report);
    let ours = at.settings["PRODUCTION_DATABASE_URL"].clone();
    at.settings.insert("DEV_DATABASE_URL".into(), ours);
    // Each image is there and whole, so that what is verified is as it should be.
    let images = at.sandbox.world.images();
    let good: Vec<&str> =
        images.iter().filter(|image| image.awkward.is_none()).map(|image| image.path.as_str()).collect();
    for (id, two) in (1..=6).zip(good.chunks(2)) {
        let entries = two.iter().map(|path| format!("{{\"local_path\": \"{path}\"}}"));
        let entries = entries.collect::<Vec<_>>().join(", ");
        at.trivia_sql(&format!("UPDATE venues SET google_place_images = '[{entries}]' WHERE id = {id}"));
    }
    at.run(&["populate", "--matches", "report.csv"]).code(0).says("to 6 venues");
    at
}

fn dev(at: &Workplace, args: &[&str]) -> Ran {
    at.run(&[args, &["--target", "dev"]].concat())
}

/// Takes ImageKit's settings away.
fn without_imagekit(at: &mut Workplace) {
    at.settings.retain(|name, _| !name.starts_with("IMAGEKIT_"));
}

#[test]
fn c8_what_a_populate_added_is_told_until_it_is_migrated() {
    let at = populated(Kind::Sqlite);
    let images = |at: &Workplace| {
        let each = ["status", "report"].map(|verb| dev(at, &[verb, "--format", "json"]).code(0).json());
        assert_eq!(each[0]["added"], each[1]["added"]);
        each[0]["added"].clone()
    };
    let line = |at: &Workplace, said: &str| {
        for verb in ["status", "report"] {
            let ran = dev(at, &[verb]).code(0).says(said);
            ran.says("`longshore --target dev countries` tells where they are.");
        }
    };
    let count =
        |added: &Value| (added[0]["run"].clone(), added[0]["images"].clone(), added[0]["waiting"].clone());
    let all = images(&at);
    assert_eq!(count(&all), (json!(2), json!(12), json!(12)), "{all}");
    assert_eq!((&all[0]["venues"], &all[0]["scope"]), (&json!(6), &json!("everywhere")), "{all}");
    line(
        &at,
        "Run 2 (populate everywhere) added 12 images to 6 venues; 12 external, waiting for a migration.",
    );
    dev(&at, &["report"]).says("Nothing was migrated there yet.");
    let of_venue = dev(&at, &["report", "--venue-id", "11", "--format", "json"]).code(0).json();
    assert_eq!(count(&of_venue["added"]), (json!(2), json!(2), json!(2)), "{of_venue}");

    dev(&at, &["migrate", "--venue-id", "11", "--yes"]).code(0);
    assert_eq!(count(&images(&at)), (json!(2), json!(12), json!(10)));
    line(&at, "added 12 images to 6 venues; 10 external, waiting for a migration.");
    dev(&at, &["rollback", "--venue-id", "11", "--yes"]).code(0);
    assert_eq!(count(&images(&at)), (json!(2), json!(12), json!(12)));
    dev(&at, &["rollback", "--run", "2", "--yes"]).code(0);
    assert_eq!(images(&at), json!([]));
    assert!(!dev(&at, &["status"]).code(0).stdout.contains("waiting for a migration"));
}

fn verified_without_imagekit(kind: Kind) {
    let mut at = populated(kind);
    let whole = at.settings.clone();
    without_imagekit(&mut at);
    let ran = dev(&at, &["verify"]).code(0).says("No findings.");
    assert!(ran.stderr.contains("Looking at 12 of 12 images"), "{ran}");
    dev(&at, &["verify", "--sample", "3", "--content"]).code(0);
    dev(&at, &["verify", "--compare"]).code(0);
    // What is broken is still found.
    at.order("origin=404");
    dev(&at, &["verify"]).code(13).says("wrong_status");
    at.order("origin=none");

    at.settings = whole;
    dev(&at, &["migrate", "--venue-id", "11", "--yes"]).code(0);
    without_imagekit(&mut at);
    let refused = dev(&at, &["verify"]).code(2).says("IMAGEKIT_PRIVATE_KEY is not set");
    refused.says("completed images are in scope");
    dev(&at, &["verify", "--venue-id", "11"]).code(2);
    dev(&at, &["verify", "--venue-id", "12"]).code(0).says("No findings.");
}

#[test]
fn c7_external_images_are_verified_without_an_account_at_imagekit_on_sqlite() {
    verified_without_imagekit(Kind::Sqlite);
}

#[test]
fn c7_external_images_are_verified_without_an_account_at_imagekit_on_postgres() {
    verified_without_imagekit(Kind::Postgres);
}

fn doctor_does_without_imagekit(kind: Kind) {
    let mut at = populated(kind);
    let whole = at.settings.clone();
    without_imagekit(&mut at);
    let imagekit = ["imagekit_key", "imagekit_upload", "endpoint", "usage"];
    let state = |ran: &Ran, check: &str| {
        let all = ran.json()["checks"].as_array().unwrap().clone();
        let of =
            all.into_iter().find(|line| line["check"] == check).unwrap_or_else(|| panic!("{check}: {ran}"));
        (of["state"].as_str().unwrap().to_owned(), of["found"].as_str().unwrap().to_owned())
    };
    let doctor = |at: &Workplace, more: &[&str]| dev(at, &[&["doctor", "--format", "json"], more].concat());
    let ran = doctor(&at, &[]).code(0);
    let (how, found) = state(&ran, "settings");
    assert!(how == "note" && found.contains("are not set; neither a row nor the ledger needs them"), "{ran}");
    for check in imagekit {
        assert_eq!(
            state(&ran, check),
            ("not_checked".into(), "it is not set, and not needed here".into()),
            "{ran}"
        );
    }
    // Production wants them whatever the rows hold, and so does one of the two the other.
    let ran = at.run(&["doctor", "--format", "json"]).code(13);
    assert!(ran.stdout.contains("IMAGEKIT_PRIVATE_KEY is not set"), "{ran}");
    at.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_x".into());
    let ran = doctor(&at, &[]).code(13);
    assert!(ran.stdout.contains("IMAGEKIT_URL_ENDPOINT is not set"), "{ran}");

    at.settings = whole;
    dev(&at, &["migrate", "--venue-id", "11", "--yes"]).code(0);
    without_imagekit(&mut at);
    // The row alone, the ledger being elsewhere; then the ledger alone, the row being back.
    for ledger in ["elsewhere.ledger", "longshore.dev.ledger"] {
        let ran = doctor(&at, &["--ledger", ledger]).code(13);
        assert!(ran.stdout.contains("IMAGEKIT_PRIVATE_KEY is not set"), "{ledger}: {ran}");
        dev(&at, &["rollback", "--venue-id", "11", "--yes"]).code(0);
    }
}

#[test]
fn c16_doctor_wants_no_account_where_nothing_needs_one_on_sqlite() {
    doctor_does_without_imagekit(Kind::Sqlite);
}

#[test]
fn c16_doctor_wants_no_account_where_nothing_needs_one_on_postgres() {
    doctor_does_without_imagekit(Kind::Postgres);
}
