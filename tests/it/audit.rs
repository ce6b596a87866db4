//! `audit` and `export` of the real program, on a sandbox (requirements C10, C11, S4, S5).

mod answers;
mod hostile;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::support::program::{Ran, Rows, Workplace};
use crate::support::stage::Kind;

const FORTY: &str = "1234567890123456789012345678901234567890";
/// A key that only entries of ours have, and what someone makes of it.
const OURS: &str = "\"original_tigris_url\": \"http";
const THEIRS: &str = "\"original_tigris_url\": \"theirs-http";
const MIGRATE: [&str; 4] = ["migrate", "--country", "Poland", "--yes"];
const ROLLBACK: [&str; 4] = ["rollback", "--country", "Poland", "--yes"];

/// What the answer says, as a program reads it that loses no digit.
#[derive(Deserialize)]
struct Audit {
    as_of: u64,
    venues: Vec<Venue>,
}

#[derive(Deserialize)]
struct Venue {
    venue_id: i64,
    changes: Vec<Change>,
    drifted: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Change {
    event: String,
    changed_by_others: bool,
    array_before: Option<String>,
    array_after: Option<String>,
    patch: Box<RawValue>,
}

#[derive(Deserialize)]
struct Operation {
    op: String,
    path: String,
    // `null` is a value too.
    value: Option<Box<RawValue>>,
}

impl Audit {
    fn of(ran: &Ran) -> Self {
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
    }
}

/// An array's elements, each in its own text.
fn elements(text: &str) -> Vec<String> {
    let all: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
    all.into_iter().map(|raw| raw.get().to_owned()).collect()
}

/// What a patch of entries makes of an array, to the letter.
fn patched(mut entries: Vec<String>, patch: &str) -> Vec<String> {
    for Operation { op, path, value } in serde_json::from_str::<Vec<Operation>>(patch).unwrap() {
        let place: usize = path.strip_prefix('/').unwrap().parse().unwrap();
        let value = value.map(|raw| raw.get().to_owned());
        match op.as_str() {
            "test" => assert_eq!(entries[place], value.unwrap()),
            "replace" => entries[place] = value.unwrap(),
            "add" => entries.insert(place, value.unwrap()),
            "remove" => drop(entries.remove(place)),
            other => panic!("{other}"),
        }
    }
    entries
}

/// What anyone's implementation makes of it, where its numbers hold what ours do.
fn agrees(change: &Change) {
    let read = |text: &Option<String>| serde_json::from_str::<serde_json::Value>(text.as_deref()?).ok();
    let (Some(mut document), Some(after)) = (read(&change.array_before), read(&change.array_after)) else {
        return;
    };
    let patch: json_patch::Patch = serde_json::from_str(change.patch.get()).unwrap();
    json_patch::patch(&mut document, &patch).unwrap();
    assert_eq!(document, after);
}

/// Two Polish venues with something to migrate.
fn two_venues(at: &Workplace) -> [i64; 2] {
    let venues = at.sandbox.world.to_migrate("PL");
    let mut good = venues.iter().filter(|venue| venue.images.to_migrate().count() > 1).map(|venue| venue.id);
    [good.next().unwrap(), good.next().unwrap()]
}

fn set(at: &Workplace, venue: i64, text: &str) {
    let text = text.replace('\'', "''");
    at.sql(&format!("UPDATE venues SET venue_images = '{text}' WHERE id = {venue}"));
}

/// What is odd and not ours, before a venue's entries, and a key of others with many digits in the first of ours.
fn make_odd(at: &Workplace, kind: Kind, venue: i64) {
    let text = at.rows()[&venue].images.clone().unwrap();
    let odd = match kind {
        Kind::Sqlite => format!("\"\\ud800\", {}{}", "[".repeat(3_000), "]".repeat(3_000)),
        Kind::Postgres | Kind::Pgbouncer => format!("{}{}", "[".repeat(1_000), "]".repeat(1_000)),
    };
    let text = text.replacen('[', &format!("[{FORTY}, {odd}, "), 1);
    let text = text.replacen(
        "\"trivia_advisor_migration\"",
        &format!("\"trivia_advisor_migration\", \"n\": {FORTY}"),
        1,
    );
    set(at, venue, &text);
}

/// The audit's patches, applied in order to what the rows held before anything, give exactly what they hold now.
fn the_audit_leads_there(before: &Rows, now: &Rows, audit: &Audit) {
    let mut documents: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for venue in &audit.venues {
        let start = || elements(before[&venue.venue_id].images.as_deref().unwrap());
        let document = documents.entry(venue.venue_id).or_insert_with(start);
        for change in &venue.changes {
            let known = elements(change.array_before.as_deref().unwrap());
            assert_eq!(*document != known, change.changed_by_others, "venue {}", venue.venue_id);
            *document = patched(known, change.patch.get());
            assert_eq!(*document, elements(change.array_after.as_deref().unwrap()));
            agrees(change);
        }
    }
    assert!(documents.len() > 2, "there are venues to compare");
    for (id, document) in documents {
        assert_eq!(document, elements(now[&id].images.as_deref().unwrap()), "venue {id}");
    }
}

fn patches(kind: Kind) {
    let at = Workplace::new(kind, 60);
    let [odd, edited] = two_venues(&at);
    make_odd(&at, kind, odd);
    let before = at.rows();
    at.run(&MIGRATE);
    let audit = at.run_json(&["audit", "--country", "pl"]).code(0);
    the_audit_leads_there(&before, &at.rows(), &Audit::of(&audit));
    assert!(audit.stdout.contains(&format!("\"n\": {FORTY}")), "the patch has every digit");

    // Others append to one row; then all goes back and forward again.
    let text = at.rows()[&edited].images.clone().unwrap();
    let text = format!("{}, {{\"theirs\": 1.50}}]", text.strip_suffix(']').unwrap());
    set(&at, edited, &text);
    at.run(&ROLLBACK).code(0);
    at.run(&MIGRATE);
    let again = Audit::of(&at.run_json(&["audit"]).code(0));
    the_audit_leads_there(&before, &at.rows(), &again);
    let of = |audit: &Audit, id| audit.venues.iter().position(|venue| venue.venue_id == id).unwrap();
    let changes = &again.venues[of(&again, edited)].changes;
    let said: Vec<_> = changes.iter().map(|c| (c.event.as_str(), c.changed_by_others)).collect();
    assert_eq!(said, [("db_updated", false), ("rolled_back", true), ("db_updated", false)]);
    assert!(again.as_of > Audit::of(&audit).as_of);

    // What others made of an entry is shown, and left.
    let text = at.rows()[&edited].images.clone().unwrap();
    set(&at, edited, &text.replacen(OURS, THEIRS, 1));
    at.run(&ROLLBACK).code(12);
    let venue = edited.to_string();
    let last = Audit::of(&at.run_json(&["audit", "--venue-id", &venue]).code(0));
    let [drift] = &last.venues[0].drifted[..] else { panic!("one entry has drifted") };
    assert!(drift["expected"].as_str().unwrap().contains(OURS));
    assert!(drift["found"].as_str().unwrap().contains(THEIRS));
    at.run(&["audit", "--venue-id", &venue]).code(0).says("drifted").says("tester@");
}

#[test]
fn c10_patches_lead_from_before_to_what_the_database_holds_on_sqlite() {
    patches(Kind::Sqlite);
}

#[test]
fn c10_patches_lead_from_before_to_what_the_database_holds_on_postgres() {
    patches(Kind::Postgres);
}

fn live(kind: Kind) {
    let at = Workplace::new(kind, 60);
    let [changed, gone] = two_venues(&at);
    at.run(&MIGRATE);
    at.run_idle(&["audit", "--live"]).code(0).says("0 of ");
    let all = at.run_json(&["audit", "--live"]).code(0).json();
    assert_eq!(all["live"]["images"].as_object().unwrap().keys().collect::<Vec<_>>(), ["as_recorded"]);

    let text = at.rows()[&changed].images.clone().unwrap();
    set(&at, changed, &text.replacen(OURS, THEIRS, 1));
    at.sql(&format!("DELETE FROM venues WHERE id = {gone}"));
    let said = at.run_json(&["audit", "--country", "PL", "--live"]).code(13).json();
    assert_eq!(said["live"]["venues_different"], 2, "{}", said["live"]);
    let venue =
        |id: i64| said["venues"].as_array().unwrap().iter().find(|venue| venue["venue_id"] == id).unwrap();
    let differs = venue(changed)["live"]["images"].as_array().unwrap().iter();
    let differs: Vec<_> = differs.filter(|image| image["verdict"] != "as_recorded").collect();
    assert_eq!((differs.len(), &differs[0]["verdict"]), (1, &"changed".into()));
    assert_eq!(differs[0]["keys"], serde_json::json!(["original_tigris_url"]));
    assert_eq!(venue(gone)["live"]["verdict"], "row_gone");
    let table = at.run(&["audit", "--country", "PL", "--live"]).code(13);
    table.says("original_tigris_url").says("row_gone").says("2 of ");
    at.run(&["audit", "--live", "--as-of", "5"]).code(2).says("cannot be used with");
}

#[test]
fn c10_live_names_every_difference_on_sqlite() {
    live(Kind::Sqlite);
}

#[test]
fn c10_live_names_every_difference_on_postgres() {
    live(Kind::Postgres);
}
