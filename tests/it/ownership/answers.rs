//! Answers of ImageKit that name another's file.

use ledger::ledger::Ledger;
use longshore::sandbox::faults::Fault;
use longshore::sandbox::imagekit::File;
use serde_json::json;

use super::{MIGRATE, Verb, acquired, file, files, site, sweep};
use crate::kill::hand::Going;
use crate::support::site::Site;
use crate::support::stage::Kind;

/// What ImageKit answers when it has stored a file, if it told of this one.
fn answers_with(site: &Site, file: &File, version: &str) -> Fault {
    let url = format!("{}{}", site.stage.imagekit.url_endpoint(), file.path);
    let body = json!({
        "fileId": file.id, "filePath": file.path, "url": url, "size": file.bytes, "tags": [],
        "versionInfo": {"id": version, "name": "Version 2"},
    });
    Fault::Answer { status: 200, headers: vec![], body: body.to_string() }
}

#[test]
fn s7_an_upload_that_is_answered_with_somebodys_file_removes_nothing() {
    let site = site(Kind::Sqlite);
    site.stage.upload_file("/venues/theirs/holiday.jpg", b"not a picture of ours".to_vec(), "holiday");
    let theirs = file(&site, "/venues/theirs/holiday.jpg");
    site.stage.cdn_faults.inject("upload", 0, 1, answers_with(&site, &theirs, &theirs.id));
    let ran = site.run(&MIGRATE).code(10).says("integrity_mismatch");
    assert_eq!(file(&site, &theirs.path), theirs, "{ran}");
}

fn one_picture() -> Site {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/1a.jpg"]);
    site
}

#[test]
fn s7_an_answer_about_another_file_deletes_nothing() {
    for verb in [Verb::Rollback, Verb::Reconcile] {
        let site = one_picture();
        site.one_run(&MIGRATE, 0);
        let ours = files(&site)[0].clone();
        site.stage.upload_file("/elsewhere/theirs.jpg", site.stage.file_bytes(&ours.path), "holiday");
        let theirs = file(&site, "/elsewhere/theirs.jpg");
        // Asked for ours, ImageKit tells of the other as if that lay there.
        let url = format!("{}{}", site.stage.imagekit.url_endpoint(), ours.path);
        let body = json!({"fileId": theirs.id, "filePath": ours.path, "url": url, "size": ours.bytes, "tags": ours.tags});
        let odd = Fault::Answer { status: 200, headers: vec![], body: body.to_string() };
        site.stage.cdn_faults.inject("details", 0, 1_000, odd);
        let said = sweep(&site, verb);
        assert_eq!(files(&site), [theirs, ours], "{verb:?}: {said}");
    }
}

#[test]
fn s7_versions_of_another_file_or_none_at_all_delete_nothing() {
    for verb in [Verb::Rollback, Verb::Reconcile] {
        let site = one_picture();
        site.one_run(&MIGRATE, 0);
        let ours = files(&site)[0].clone();
        let version = json!({"fileId": "ffff00000000000000000000", "filePath": ours.path, "size": ours.bytes, "tags": ours.tags});
        for body in [json!([version]), json!([])] {
            let odd = Fault::Answer { status: 200, headers: vec![], body: body.to_string() };
            site.stage.cdn_faults.inject("versions", 0, 1_000, odd);
            let said = sweep(&site, verb);
            assert_eq!(files(&site), std::slice::from_ref(&ours), "{verb:?}: {said}");
            let events = site.run(&["log", "--kind", "cdn_deleted"]).code(0);
            assert!(!events.stdout.contains(ours.path.as_str()), "nothing is written off: {events}");
            site.stage.cdn_faults.clear();
        }
    }
}

#[test]
fn s7_an_upload_that_became_a_version_of_somebodys_file_adopts_it() {
    let elsewhere = one_picture();
    elsewhere.one_run(&MIGRATE, 0);
    let path = files(&elsewhere)[0].path.clone();
    for verb in [Verb::Rollback, Verb::Reconcile] {
        let site = one_picture();
        let bytes = elsewhere.stage.file_bytes(&path);
        site.stage.upload_file(&path, bytes.clone(), "holiday");
        // As if ImageKit had taken two uploads of one name at the same time, ours as the second.
        let answer = answers_with(&site, &file(&site, &path), "000000000000000000000002");
        site.stage.cdn_faults.inject("upload", 0, 1, answer);
        site.one_run(&MIGRATE, 0);
        assert_eq!(acquired(&site, &path), ["adopted"]);
        let ours = Ledger::read(&site.ledger()).unwrap().store().id().tag();
        site.stage.upload_file(&path, bytes, &format!("longshore,{ours}"));
        let said = sweep(&site, verb);
        assert_eq!(files(&site).iter().map(|file| file.versions).collect::<Vec<_>>(), [2], "{said}");
    }
}

#[test]
fn s7_an_upload_that_does_not_fit_is_removed_where_it_is_ours_alone() {
    let elsewhere = one_picture();
    elsewhere.one_run(&MIGRATE, 0);
    let path = files(&elsewhere)[0].path.clone();
    let bytes = elsewhere.stage.file_bytes(&path);
    let theirs = format!(",ledger-{}", "8".repeat(32));
    for (more, without, versions, stays) in
        [("", "", 1, false), (&theirs, "", 1, true), ("", "longshore,", 1, true), ("", "", 2, true)]
    {
        let site = one_picture();
        site.stage.order("origin=late:by=2s");
        let mut going = Going::spawn(site.command(&MIGRATE), &MIGRATE);
        going.reach("the run is at work", || site.stage.requests("origin") > 0);
        let ledger = Ledger::read(&site.ledger()).unwrap();
        let (run, _) = ledger.state().unfinished().next().unwrap();
        let tags = format!("longshore,{},run-{run},PL{more}", ledger.store().id().tag());
        for _ in 0..versions {
            site.stage.upload_file(&path, bytes.clone(), &tags.replacen(without, "", 1));
        }
        // The answer tells of the file that is there, with a size that was not sent.
        let there = file(&site, &path);
        let odd = File { bytes: there.bytes + 1, ..there.clone() };
        site.stage.cdn_faults.inject("upload", 0, 1, answers_with(&site, &odd, &there.id));
        let ran = going.end().code(10);
        let left = files(&site);
        assert_eq!(left, if stays { vec![there] } else { vec![] }, "{tags} {versions}: {ran}");
        assert_eq!(site.stage.requests("delete"), u64::from(!stays), "{ran}");
    }
}
