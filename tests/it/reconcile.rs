//! `reconcile`: every file and every entry in exactly one class, and deletion by S7 alone (requirements C13, S7).

mod deletion;
mod disk;

use std::collections::BTreeSet;
use std::path::Path;

use ledger::ids::{FileId, LedgerId};
use ledger::ledger::Ledger;
use longshore::outside::http_client_builder;
use longshore::outside::imagekit::{Cdn, ImageKit, ImageKitOptions};
use longshore::sandbox::imagekit::File;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// The classes that are there, without those that hold nothing.
fn classes(counted: &Value) -> Value {
    let count = |class: &Value| class.get("files").unwrap_or(class).as_u64().unwrap();
    let all = counted["classes"].as_object().unwrap();
    all.iter()
        .filter(|(_, class)| count(class) > 0)
        .map(|(name, class)| (name.clone(), count(class).into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Sees that everything is in exactly one class.
#[track_caller]
fn adds_up(at: &Workplace, answer: &Value) {
    for what in ["files", "entries", "believed"] {
        let sum: u64 =
            classes(&answer[what]).as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(answer[what]["all"], sum, "{what}: {answer}");
    }
    let listed = at.sandbox.imagekit.files();
    let below = listed.iter().filter(|file| file.path.starts_with("/venues/")).count();
    assert_eq!(answer["files"]["all"], below as u64);
    let mut entries = 0;
    for row in at.rows().values() {
        let Ok(Value::Array(array)) = serde_json::from_str(row.images.as_deref().unwrap_or("null")) else {
            continue;
        };
        entries += array.iter().filter(|entry| entry["source"] == "trivia_advisor_migration").count();
    }
    assert_eq!(answer["entries"]["all"], entries as u64);
}

fn client(at: &Workplace) -> ImageKit {
    let url = |name: &str| at.settings[name].parse().unwrap();
    let key = at.settings["IMAGEKIT_PRIVATE_KEY"].clone();
    let options = ImageKitOptions::new(
        key,
        url("IMAGEKIT_URL_ENDPOINT"),
        url("IMAGEKIT_UPLOAD_URL"),
        url("IMAGEKIT_API_URL"),
    );
    ImageKit::new(options).unwrap()
}

/// Puts a file on the CDN as somebody else would, with these tags.
fn plant(at: &Workplace, folder: &str, name: &str, tags: &str) -> FileId {
    let form = Form::new()
        .text("fileName", name.to_owned())
        .text("folder", folder.to_owned())
        .text("tags", tags.to_owned())
        .text("useUniqueFileName", "false")
        .part("file", Part::bytes(pictures::jpeg(8, 8)).file_name(name.to_owned()));
    let url = format!("{}/api/v1/files/upload", at.settings["IMAGEKIT_UPLOAD_URL"]);
    let sent = http_client_builder().build().unwrap().post(url);
    let sent = sent.basic_auth(&at.settings["IMAGEKIT_PRIVATE_KEY"], Some("")).multipart(form).send();
    let answer: Value = at.runtime.block_on(async { sent.await.unwrap().json().await.unwrap() });
    answer["fileId"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

fn remove(at: &Workplace, file: &str) {
    assert!(at.runtime.block_on(client(at).delete(&file.parse().unwrap())).unwrap());
}

fn tag(at: &Workplace, file: &File, more: &str) {
    let tags: Vec<String> = file.tags.iter().cloned().chain([more.to_owned()]).collect();
    at.runtime.block_on(client(at).set_tags(&file.id.parse().unwrap(), &tags)).unwrap();
}

fn id_of(ledger: &Path) -> LedgerId {
    Ledger::read(ledger).unwrap().store().id()
}

/// A sandbox in which the United Kingdom was migrated.
fn migrated(kind: Kind) -> Workplace {
    let at = Workplace::new(kind, 12);
    let ran = at.run(&["migrate", "--country", "GB", "--yes"]);
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
    at
}

#[track_caller]
fn reconciled(at: &Workplace, code: i32) -> Value {
    let answer = at.run_json(&["reconcile"]).code(code).json();
    adds_up(at, &answer);
    answer
}

/// The findings' paths or URLs of a class.
fn found(answer: &Value, what: &str, class: &str) -> Vec<String> {
    let all = answer["findings"][what].as_array().unwrap().iter();
    let all = all.chain(answer["named"][what].as_array().into_iter().flatten());
    let of_class = all.filter(|found| found["class"] == class);
    let mut names: Vec<String> = of_class
        .map(|found| found.get("path").unwrap_or(&found["url"]).as_str().unwrap_or("none").to_owned())
        .collect();
    names.sort();
    names
}

/// The files that a row uses, by their places in the answer of the sandbox.
fn files(at: &Workplace) -> Vec<File> {
    at.sandbox.imagekit.files().into_iter().filter(|file| file.path.starts_with("/venues/")).collect()
}

fn clean_after_a_migration(kind: Kind) {
    let at = migrated(kind);
    let answer = reconciled(&at, 0);
    let n = files(&at).len() as u64;
    assert_eq!(
        (classes(&answer["files"]), classes(&answer["believed"])),
        (json!({"in_use": n}), json!({"there": n}))
    );
    let entries = classes(&answer["entries"]);
    assert!(entries["completed"].as_u64().unwrap() >= n && entries["external"].as_u64().unwrap() > 0);
    assert_eq!(entries.as_object().unwrap().len(), 2, "{entries}");
    assert_eq!(answer["deleted"], Value::Null);
    // By hand and to every format, and nothing is changed by any of it.
    let head = at.head();
    for format in ["table", "csv", "markdown", "html"] {
        at.run(&["reconcile", "--format", format]).code(0).says("in_use");
    }
    let ran = at.run(&["reconcile"]).code(0).says("Everything fits.");
    assert!(ran.stdout.contains("Ledger head"), "{ran}");
    assert_eq!(at.head(), head);
    // Back again: the files stay, and now nothing uses them.
    at.run(&["rollback", "--country", "GB", "--yes"]).code(0);
    let answer = reconciled(&at, 13);
    assert_eq!(classes(&answer["files"]), json!({ "orphan": n }));
    assert_eq!(classes(&answer["entries"])["external"], answer["entries"]["all"]);
    assert!(answer["findings"]["files"].as_array().unwrap().iter().all(|file| file["is_known"] == true));
}

#[test]
fn c13_after_a_migration_everything_fits_on_sqlite() {
    clean_after_a_migration(Kind::Sqlite);
}

#[test]
fn c13_after_a_migration_everything_fits_on_postgres() {
    clean_after_a_migration(Kind::Postgres);
}

/// Rewrites one venue's images as somebody else would.
fn rewrite(at: &Workplace, venue: i64, change: impl Fn(&str) -> String) {
    let text = at.rows()[&venue].images.clone().unwrap();
    let text = change(&text).replace('\'', "''");
    at.sql(&format!("UPDATE venues SET venue_images = '{text}' WHERE id = {venue}"));
}

/// The venue whose row speaks of a file, and no other does.
fn venue_of(at: &Workplace, file: &File) -> i64 {
    let rows = at.rows();
    let users =
        rows.iter().filter(|(_, row)| row.images.as_deref().is_some_and(|text| text.contains(&file.id)));
    *users.map(|(id, _)| id).next().unwrap()
}

#[test]
fn c13_one_of_each_kind_is_found_as_what_it_is() {
    let at = migrated(Kind::Sqlite);
    let tag_of_ours = id_of(&at.ledger()).tag();
    let (other, n) = (LedgerId([9; 16]).tag(), files(&at).len() as u64);
    reconciled(&at, 0);
    // Files: those of a venue that goes back, all orphans but for one that another ledger has adopted.
    let everything = files(&at);
    let back = everything
        .iter()
        .map(|file| venue_of(&at, file))
        .find(|venue| everything.iter().filter(|file| venue_of(&at, file) == *venue).count() > 1);
    let back = back.unwrap();
    let (unneeded, all): (Vec<File>, Vec<File>) =
        everything.into_iter().partition(|file| venue_of(&at, file) == back);
    at.run(&["rollback", "--venue-id", &back.to_string(), "--yes"]).code(0);
    tag(&at, &unneeded[0], &other);
    let before = reconciled(&at, 13);
    // Two with our tag that the ledger knows nothing of, two of others, one outside.
    plant(&at, "/venues/lost", "lost_1.jpg", &tag_of_ours);
    plant(&at, "/venues/both", "both_1.jpg", &format!("longshore,{tag_of_ours},{other}"));
    plant(&at, "/venues/theirs", "theirs_1.jpg", &format!("longshore,{other}"));
    plant(&at, "/venues/theirs", "plain.jpg", "holiday");
    plant(&at, "/elsewhere", "not_ours.jpg", &tag_of_ours);
    // A file that goes, though its row and the ledger count on it; and one whose entry is taken out of its row.
    let venues: std::collections::BTreeMap<i64, &File> =
        all.iter().map(|file| (venue_of(&at, file), file)).collect();
    let mut venues = venues.into_iter();
    let (_, gone) = venues.next().unwrap();
    remove(&at, &gone.id);
    let (emptied, _) = venues.next().unwrap();
    let there: Vec<&File> = all.iter().filter(|file| venue_of(&at, file) == emptied).collect();
    rewrite(&at, emptied, |_| "[]".to_owned());
    // Rows: one at neither place, a completed one that the ledger does not know, and two that contradict themselves.
    let (venue, file) = venues.next().unwrap();
    let entry = |url: &str, status: &str| {
        json!({"url": url, "upload_status": status, "width": null, "height": null, "source": "trivia_advisor_migration",
               "imagekit_file_id": file.id})
    };
    let cdn = |path: &str| format!("{}{path}", at.settings["IMAGEKIT_URL_ENDPOINT"]);
    let origin = format!("{}/uploads/x.jpg", at.settings["ORIGIN_BASE_URL"]);
    let (used, _) = venues.next().unwrap();
    let added = [
        entry("https://user:pw@nowhere.example/x.jpg?sig=secret", "external"),
        entry(&cdn(&file.path), "completed"),
        entry(&origin, "completed"),
        entry(&cdn(&file.path), "external"),
        entry("x", "failed"),
    ];
    assert_ne!(used, venue);
    rewrite(&at, used, |text| {
        let more = serde_json::to_string(&added).unwrap();
        format!("{}, {}", text.trim_end().trim_end_matches(']'), more.trim_start_matches('['))
    });

    let ran = at.run_json(&["reconcile"]).code(13);
    let answer = ran.json();
    adds_up(&at, &answer);
    let unreferenced = there.len() as u64;
    assert_eq!(
        classes(&answer["files"]),
        json!({"in_use": all.len() as u64 - 1 - unreferenced, "unreferenced": unreferenced,
               "orphan": unneeded.len() - 1, "shared": 2, "foreign_tagged": 1, "foreign": 2})
    );
    let shared = BTreeSet::from([unneeded[0].path.clone(), "/venues/both/both_1.jpg".to_owned()]);
    assert_eq!(found(&answer, "files", "shared").into_iter().collect::<BTreeSet<_>>(), shared);
    assert_eq!(found(&answer, "files", "foreign_tagged"), ["/venues/lost/lost_1.jpg"]);
    assert_eq!(
        found(&answer, "files", "foreign"),
        ["/venues/theirs/plain.jpg", "/venues/theirs/theirs_1.jpg"]
    );
    assert_eq!(classes(&answer["believed"]), json!({"there": n - 1, "gone": 1}));
    assert_eq!(found(&answer, "believed", "gone"), [gone.path.as_str()]);
    let count = |answer: &Value, class: &str| answer["entries"]["classes"][class].as_u64().unwrap();
    for (class, more) in [("completed_unknown", 1), ("contradictory", 2), ("neither", 1), ("other", 1)] {
        assert_eq!((count(&before, class), count(&answer, class)), (0, more), "{class}");
    }
    let lost = count(&answer, "completed_gone");
    let of_emptied = count(&before, "completed") - count(&answer, "completed") - lost;
    assert!(lost >= 1 && of_emptied >= unreferenced, "{answer}");
    assert_eq!(found(&answer, "entries", "neither"), ["https://nowhere.example/x.jpg"]);
    assert_eq!(found(&answer, "entries", "completed_unknown"), [cdn(&file.path)]);
    assert!(!ran.stdout.contains("secret") && !ran.stdout.contains("user:pw"), "s1: {ran}");
    let foreign = answer["named"]["files"]
        .as_array()
        .unwrap()
        .iter()
        .find(|file| file["path"] == "/venues/theirs/theirs_1.jpg");
    assert_eq!(foreign.unwrap()["other_ledgers"], json!([other]));
    at.run(&["reconcile"]).code(13).says("/venues/lost/lost_1.jpg").says("Something does not fit");
}

#[test]
fn c13_files_of_others_alone_are_named_and_no_finding() {
    let at = migrated(Kind::Sqlite);
    plant(&at, "/venues/theirs", "plain.jpg", "holiday");
    let answer = reconciled(&at, 0);
    assert_eq!(found(&answer, "files", "foreign"), ["/venues/theirs/plain.jpg"]);
}

#[test]
fn c13_an_unfinished_runs_files_are_in_progress_and_never_orphans() {
    let at = Workplace::new(Kind::Sqlite, 12);
    // No row can be updated, so that all that is uploaded waits for its row.
    at.sql("CREATE TRIGGER no BEFORE UPDATE ON venues BEGIN SELECT RAISE(ABORT, 'not now'); END");
    let mut going = crate::kill::hand::Going::start(&at, &["migrate", "--country", "GB", "--yes"]);
    going.reach("some uploads", || files(&at).len() >= 8);
    going.kill();
    at.sql("DROP TRIGGER no");
    // What was in the air when the program was killed may still arrive meanwhile.
    let at_least = files(&at).len() as u64;
    let answer = at.run_json(&["reconcile"]).json();
    let at_most = files(&at).len() as u64;
    let of = classes(&answer["files"]);
    let in_progress = of["in_progress"].as_u64().unwrap();
    assert!((at_least..=at_most).contains(&in_progress), "{at_least} {at_most} {answer}");
    assert_eq!(of, json!({ "in_progress": in_progress }), "{answer}");
    at.run(&["resume", "--yes"]);
    assert_eq!(classes(&reconciled(&at, 0)["files"]), json!({"in_use": files(&at).len()}));
}

#[test]
fn c13_a_listing_that_lags_hides_no_file() {
    let at = migrated(Kind::Sqlite);
    // What the listing leaves out is asked for by its id.
    let empty = longshore::sandbox::faults::Fault::Answer { status: 200, headers: vec![], body: "[]".into() };
    at.sandbox.faults.inject("list", 0, 1, empty);
    let answer = at.run_json(&["reconcile"]).code(0).json();
    assert_eq!(answer["files"]["all"], 0);
    assert_eq!(classes(&answer["believed"]), json!({"there": files(&at).len()}));
    assert!(classes(&answer["entries"])["completed"].as_u64().unwrap() > 0);
}

#[test]
fn c13_a_file_whose_details_always_break_is_not_known_and_all_else_is_judged() {
    let at = migrated(Kind::Sqlite);
    let (all, one) = (files(&at).len() as u64, files(&at)[0].clone());
    for how in ["500", "closed", "400", "413", "429:reset=3600000"] {
        at.order(&format!("details/v1/files/{}/details={how}", one.id));
        let empty =
            longshore::sandbox::faults::Fault::Answer { status: 200, headers: vec![], body: "[]".into() };
        at.sandbox.faults.inject("list", 0, 1, empty);
        let answer = at.run_json(&["reconcile"]).code(13).json();
        assert_eq!(classes(&answer["believed"]), json!({"not_known": 1, "there": all - 1}), "{how}");
        assert_eq!(found(&answer, "believed", "not_known"), std::slice::from_ref(&one.path), "{how}");
        assert_eq!(classes(&answer["entries"])["not_known"], 1, "{how}");
        at.order("details=none");
    }
    reconciled(&at, 0);
}

#[test]
fn c13_an_id_in_a_row_that_cannot_be_asked_for_ends_nothing() {
    let at = migrated(Kind::Sqlite);
    let one = files(&at)[0].clone();
    rewrite(&at, venue_of(&at, &one), |images| images.replace(&one.id, ".."));
    let answer = reconciled(&at, 13);
    assert_eq!(classes(&answer["believed"]), json!({"there": files(&at).len()}));
    assert_eq!(classes(&answer["entries"])["completed_unknown"], 1);
}

#[test]
fn e3_many_files_in_a_row_whose_details_break_end_a_comparison() {
    let at = migrated(Kind::Sqlite);
    assert!(files(&at).len() > 11);
    let empty = longshore::sandbox::faults::Fault::Answer { status: 200, headers: vec![], body: "[]".into() };
    at.sandbox.faults.inject("list", 0, 1, empty);
    at.order("details=429:reset=3600000");
    at.run(&["reconcile"]).code(30).says("429");
    assert!((11..20).contains(&at.sandbox.faults.counts()["details"]));
}

#[test]
fn d7_another_database_than_the_ledgers_is_refused() {
    let at = migrated(Kind::Sqlite);
    let ledger = at.ledger();
    let stranger = Workplace::new(Kind::Sqlite, 12);
    for more in [&[][..], &["--delete-orphans", "--yes"]] {
        let args = [&["reconcile", "--ledger", ledger.to_str().unwrap()], more].concat();
        let ran: Ran = stranger.run(&args).code(2);
        ran.says("belongs to");
    }
}
