//! What an upload stored wrongly is removed again, and only that: never a file that the ledger holds as uploaded.

use std::time::{Duration, Instant};

use longshore::sandbox::faults::Fault;
use serde_json::{Value, json};

use super::{file, files};
use crate::kill::hand::Going;
use crate::support::site::Site;
use crate::support::stage::Kind;

const MIGRATE: [&str; 6] = ["migrate", "--country", "PL", "--yes", "--max-error-rate", "100"];
const RETRY: [&str; 3] = ["resume", "--retry-failed", "--yes"];

/// Has the next upload be answered with a file of that id at that path, of a size that nobody sent.
fn answers_with(site: &Site, id: &str, path: &str) {
    let url = format!("{}{path}", site.stage.imagekit.url_endpoint());
    let body = json!({"fileId": id, "filePath": path, "url": url, "size": 7, "tags": []});
    let answer = Fault::Answer { status: 200, headers: vec![], body: body.to_string() };
    site.stage.cdn_faults.inject("upload", 0, 1, answer);
}

/// The last image that failed.
#[track_caller]
fn failed(site: &Site) -> Value {
    site.events(&["--kind", "failed"]).pop().expect("an image failed")["event"]["failed"].take()
}

/// The path that a picture of a venue gets.
fn path_of(picture: &str) -> String {
    let elsewhere = Site::new(Kind::Sqlite);
    elsewhere.venue(1, 1, &[picture]);
    elsewhere.one_run(&MIGRATE, 0);
    elsewhere.paths().remove(0)
}

#[test]
fn s7_what_is_removed_again_is_told_with_its_id() {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/a.jpg"]);
    site.stage.order("upload=misreportedx1");
    site.run(&MIGRATE).code(10);
    assert_eq!(site.paths(), [""; 0], "it is removed");
    let failed = failed(&site);
    let message = failed["message"].as_str().unwrap();
    assert!(failed["file_id"].is_null(), "none is left: {failed}");
    let (_, told) = message.split_once("the file ").expect(message);
    let (id, told) = told.split_once(' ').unwrap();
    assert!(id.len() == 24 && told.contains("was removed again"), "{message}");
}

#[test]
fn s7_a_file_whose_path_the_ledger_holds_is_not_removed() {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/a.jpg"]);
    site.forbid(1);
    site.run(&MIGRATE).code(10);
    site.permit(1);
    let ours = files(&site)[0].clone();
    // It seems to be gone, is sent again, and the answer to that names it, with another size.
    let gone = Fault::Answer { status: 404, headers: vec![], body: r#"{"message":"gone"}"#.to_owned() };
    site.stage.cdn_faults.inject("details", 0, 1_000, gone);
    let none = Fault::Answer { status: 200, headers: vec![], body: "[]".to_owned() };
    site.stage.cdn_faults.inject("list", 0, 1_000, none);
    answers_with(&site, &ours.id, &ours.path);
    let ran = site.run(&RETRY).code(10);
    assert_eq!(files(&site), std::slice::from_ref(&ours), "{ran}");
    let failed = failed(&site);
    assert_eq!((&failed["error_type"], &failed["file_id"]), (&json!("integrity_mismatch"), &json!(ours.id)));
    assert!(failed["message"].as_str().unwrap().contains("stays"), "{failed}");
    site.stage.cdn_faults.clear();
    site.run(&RETRY).code(0);
    assert_eq!(files(&site), [ours]);
}

#[test]
fn s7_a_file_whose_id_the_ledger_holds_is_not_removed() {
    let second = path_of("/b.jpg");
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/a.jpg"]);
    site.lost(1, "/b.jpg");
    site.run(&MIGRATE).code(10);
    // The file of the first picture is renamed to where the second belongs: it has the tags of this run.
    site.stage.rename_file(&site.paths()[0], second.rsplit('/').next().unwrap());
    let ours = file(&site, &second);
    site.found("/b.jpg");
    answers_with(&site, &ours.id, &second);
    let ran = site.run(&RETRY).code(10);
    assert_eq!(files(&site), std::slice::from_ref(&ours), "{ran}");
    let failed = failed(&site);
    assert_eq!((&failed["error_type"], &failed["file_id"]), (&json!("integrity_mismatch"), &json!(ours.id)));
    assert!(failed["message"].as_str().unwrap().contains("the ledger holds it"), "{failed}");
}

/// What is said of a misreported upload whose removal meets these.
#[track_caller]
fn removal_meets(orders: &str) -> (Site, String) {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/a.jpg"]);
    site.stage.order(&format!("upload=misreportedx1\n{orders}"));
    site.run(&MIGRATE).code(10);
    let message = failed(&site)["message"].as_str().unwrap().to_owned();
    (site, message)
}

#[test]
fn s7_a_removal_waits_out_what_passes_while_the_run_goes_on() {
    for orders in
        ["versions=429x1:reset=300", "delete=429x2:reset=300", "delete=lostx1\ndelete=429x2:reset=300"]
    {
        let (site, message) = removal_meets(orders);
        assert_eq!(site.paths(), [""; 0], "{orders}: {message}");
        let is_told = message.contains("was removed again") || message.contains("is not there");
        assert!(is_told && !message.contains("the run stops"), "{orders}: {message}");
        assert!(failed(&site)["file_id"].is_null(), "{orders}: none is left");
    }
}

#[test]
fn s7_of_a_deletion_whose_answer_was_lost_nobody_is_told_that_the_file_stays() {
    let (site, message) = removal_meets("delete=lostx1\ndelete=401x1");
    assert_eq!(site.paths(), [""; 0], "{message}");
    assert!(message.contains("nobody knows whether") && !message.contains("stays: "), "{message}");
    assert!(failed(&site)["file_id"].is_string(), "the file is named, as it may be there");
}

/// A run whose removal of a misreported upload waits for an ImageKit that is away.
#[track_caller]
fn removal_waits() -> (Site, Going) {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/a.jpg"]);
    site.stage.order("upload=misreportedx1\nversions=late:by=1500");
    let mut going = Going::spawn(site.command(&MIGRATE), &MIGRATE);
    going.reach("the removal", || site.stage.requests("versions") >= 1);
    site.stage.order("cdn=away");
    going.says("is away, and is waited for");
    (site, going)
}

#[test]
fn e4_a_removal_that_waits_out_an_outage_ends_with_ctrl_c_and_is_told() {
    let (site, mut going) = removal_waits();
    let begun = Instant::now();
    going.signal("INT");
    let ran = going.end().code(11);
    assert!(begun.elapsed() < Duration::from_secs(60), "the patience is five minutes: {ran}");
    site.stage.order("cdn=none");
    let failed = failed(&site);
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains("stays: the run stops") && failed["file_id"].is_string(), "{failed}");
    assert_eq!(site.paths().len(), 1, "{ran}");
}

#[test]
fn c15_a_removal_that_waits_out_an_outage_is_paused_in_place() {
    let (site, going) = removal_waits();
    let begun = Instant::now();
    let paused = site.run_json(&["control", "pause"]).code(0).json();
    assert_eq!((&paused["phase"], &paused["in_air"]), (&json!("paused"), &json!(0)), "{paused}");
    assert!(begun.elapsed() < Duration::from_secs(60), "the patience is five minutes: {paused}");
    site.stage.order("cdn=none\nversions=none");
    site.run(&["control", "resume"]).code(0);
    going.end().code(10);
    assert!(failed(&site)["message"].as_str().unwrap().contains("stays: the run stops"));
}
