//! ImageKit and the origin: refused, elsewhere, used up, away.

use longshore::sandbox::faults::Fault;

use super::{doctor, doctor_of, findings, finds, lines, stands};
use crate::support::program::Workplace;
use crate::support::raw_http::{Act, RawServer, answer};
use crate::support::site::Site;
use crate::support::stage::Kind;

fn says(status: u16, body: &str) -> Fault {
    Fault::Answer { status, headers: Vec::new(), body: body.into() }
}

#[test]
fn c16_a_wrong_key_is_told_and_not_shown() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    at.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_of_another_account".into());
    let ran = doctor(&at);
    finds(&ran, "imagekit_key", "ImageKit refuses it: ImageKit answered 403", "Copy the private key anew");
    stands(&ran, "usage", "not_checked");
    stands(&ran, "endpoint", "ok");
    assert!(!ran.to_string().contains("private_of_another_account"), "{ran}");
}

#[test]
fn c16_a_key_without_the_right_to_the_library_is_told_apart_from_a_wrong_one() {
    let at = Workplace::new(Kind::Sqlite, 4);
    at.sandbox.faults.inject("list", 0, 1, says(403, r#"{"message": "You have no access to this."}"#));
    let ran = doctor(&at);
    finds(&ran, "imagekit_key", "does not let it read the media library", "read and write access");
    stands(&ran, "usage", "ok");
}

#[test]
fn c16_an_api_that_is_in_trouble_is_told() {
    let at = Workplace::new(Kind::Sqlite, 4);
    for op in ["list", "usage", "other"] {
        at.sandbox.faults.inject(op, 0, 1, says(503, ""));
    }
    let ran = doctor(&at);
    finds(&ran, "imagekit_key", "ImageKit answered 503", "IMAGEKIT_API_URL");
    finds(&ran, "imagekit_upload", "the upload host answers 503", "IMAGEKIT_UPLOAD_URL");
    assert_eq!(findings(&ran), ["imagekit_key", "imagekit_upload"]);
}

#[test]
fn c16_hosts_that_are_away_are_told() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    for (name, path) in [
        ("IMAGEKIT_UPLOAD_URL", ""),
        ("IMAGEKIT_API_URL", ""),
        ("IMAGEKIT_URL_ENDPOINT", "/sandbox"),
        ("ORIGIN_BASE_URL", ""),
    ] {
        at.settings.insert(name.into(), format!("http://127.0.0.1:9{path}"));
    }
    at.sql("UPDATE venues SET venue_images = '[]'");
    let ran = doctor(&at);
    finds(&ran, "imagekit_upload", "cannot be reached", "See IMAGEKIT_UPLOAD_URL");
    finds(&ran, "imagekit_key", "cannot be reached", "See IMAGEKIT_API_URL");
    finds(&ran, "endpoint", "cannot be reached", "IMAGEKIT_URL_ENDPOINT");
    finds(&ran, "origin", "cannot be reached", "See ORIGIN_BASE_URL");
    stands(&ran, "database", "ok");
}

#[test]
fn c16_the_endpoint_of_another_account_is_told_with_files_and_without() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    let endpoint = at.settings["IMAGEKIT_URL_ENDPOINT"].clone();
    let wrong = format!("{endpoint}-of-another");
    at.settings.insert("IMAGEKIT_URL_ENDPOINT".into(), wrong.clone());
    let advice = "its id must be that of the key's account";
    finds(&doctor(&at), "endpoint", "404, and not as ImageKit's delivery does", advice);
    at.settings.insert("IMAGEKIT_URL_ENDPOINT".into(), endpoint.clone());
    at.run(&["migrate", "--country", "PL", "--yes"]);
    at.settings.insert("IMAGEKIT_URL_ENDPOINT".into(), wrong);
    finds(&doctor(&at), "endpoint", "it answers 404 for a file that the media library has", advice);
    // Below a folder that is none, ImageKit itself says why there is no file.
    at.settings.insert("IMAGEKIT_URL_ENDPOINT".into(), format!("{endpoint}/folder"));
    finds(&doctor(&at), "endpoint", "(ENOENT - File does not exist)", advice);
}

#[test]
fn c16_a_plan_that_is_used_up_is_told() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    at.run(&["migrate", "--country", "PL", "--yes"]);
    at.settings.insert("IMAGEKIT_STORAGE_LIMIT_GB".into(), "0.000001".into());
    let ran = doctor(&at);
    finds(&ran, "usage", "what is free is used up: storage", "in IMAGEKIT_STORAGE_LIMIT_GB");
    assert!(!lines(&ran, "usage")[0]["advice"].to_string().contains("BANDWIDTH"), "{ran}");
    at.settings.insert("IMAGEKIT_BANDWIDTH_LIMIT_GB".into(), "0.000001".into());
    finds(&doctor(&at), "usage", "used up", "IMAGEKIT_STORAGE_LIMIT_GB and IMAGEKIT_BANDWIDTH_LIMIT_GB");
}

#[test]
fn c16_an_origin_that_gives_no_image_away_is_told() {
    let site = Site::new(Kind::Sqlite);
    for id in 1..=4 {
        site.venue(id, 1, &[]);
        site.lost(id, &format!("/{id}.jpg"));
    }
    let missing = doctor_of(&site);
    finds(
        &missing,
        "origin",
        "of 3 images it gave none away; of the last: it answers 404",
        "ORIGIN_BASE_URL",
    );
    site.found("/3.jpg");
    stands(&doctor_of(&site), "origin", "ok");
    site.stage.origin_faults.inject("origin", 0, 3, says(403, ""));
    finds(&doctor_of(&site), "origin", "it answers 403", "whether the images are public there");
    site.stage.origin_faults.inject("origin", 0, 3, says(200, "<html>a login page</html>"));
    finds(&doctor_of(&site), "origin", "it answers with no image", "ORIGIN_BASE_URL");
    // The catalog's images lie on another host than the setting names.
    let mut site = site;
    site.settings.insert("ORIGIN_BASE_URL".into(), "https://cdn.example".into());
    finds(&doctor_of(&site), "origin", "not fetched", "See ORIGIN_BASE_URL");
}

#[test]
fn c16_a_clock_that_is_off_is_told() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    at.sql("UPDATE venues SET venue_images = '[]'");
    let old = ("date", "Thu, 01 Jan 2015 00:00:00 GMT");
    let slow = at.runtime.block_on(RawServer::start(move |_| answer(404, &[old], b"")));
    at.settings.insert("ORIGIN_BASE_URL".into(), slow.url(""));
    let ran = doctor(&at);
    finds(&ran, "clocks", "ImageKit as here, the origin ", "NTP");
    assert!(lines(&ran, "clocks")[0]["found"].to_string().contains("behind this machine"), "{ran}");
    assert_eq!(findings(&ran), ["clocks"]);
    // An answer out of a cache is as old as it says.
    let age = time::OffsetDateTime::now_utc().unix_timestamp() - 1_420_070_400;
    let cached = move |_: &_| -> Vec<Act> { answer(404, &[old, ("age", &age.to_string())], b"") };
    let cached = at.runtime.block_on(RawServer::start(cached));
    at.settings.insert("ORIGIN_BASE_URL".into(), cached.url(""));
    doctor(&at).code(0);
}
