//! What the ledger knows of images that are not moved is told apart, and an image more or less is not.

use super::{Found, GERMANY, Ours, edit, found, known, migrated, ours};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// An image of Poland's that was skipped: a page, where a picture should be.
fn skipped(at: &Workplace) -> Ours {
    let is_page = |ours: &Ours| {
        at.sandbox.world.image(&ours.origin_path(at)).unwrap().awkward
            == Some(longshore::sandbox::seed::Awkward::Html)
    };
    ours(at, "PL").into_iter().find(|ours| ours.is("external") && is_page(ours)).unwrap()
}

#[test]
fn c7_what_failed_was_skipped_or_closed_is_known_with_its_reason() {
    let at = migrated(Kind::Sqlite);
    let ran = at.run_json(&super::POLAND).code(0);
    let standings = |ran: &crate::support::program::Ran| {
        let answer = ran.json();
        let all = answer["known"].as_array().unwrap().iter();
        all.map(|it| (it["standing"].to_string(), it["error_type"].to_string())).collect::<Vec<_>>()
    };
    let all = standings(&ran);
    for (standing, error_type) in
        [("failed", "not_found"), ("skipped", "invalid_image"), ("skipped", "file_too_large")]
    {
        assert!(all.contains(&(format!("{standing:?}"), format!("{error_type:?}"))), "{ran}");
    }
    let page = skipped(&at);
    let venue = page.venue.to_string();
    let here = ["verify", "--venue-id", &venue];
    at.run(&here).code(0).says("Known to the ledger already").says("No findings beside those.");
    let url = page.text("url").unwrap();
    at.run(&["skip", "--venue-id", &venue, "--image", &url, "--reason", "a page"]).code(0);
    let closed = at.run_json(&here).code(0);
    assert_eq!(standings(&closed), [("\"closed\"".to_owned(), "null".to_owned())], "{closed}");
}

#[test]
fn c7_a_twin_that_the_ledger_does_not_know_is_a_finding() {
    let at = migrated(Kind::Sqlite);
    let page = skipped(&at);
    let venue = page.venue.to_string();
    let here = ["verify", "--venue-id", &venue];
    assert_eq!(found(&at.run_json(&here).code(0)), Found::new());
    // Somebody puts the same picture into the row once more.
    let rows = at.rows();
    let array = rows[&page.venue].images.as_deref().unwrap();
    let twin = serde_json::to_string(&page.members).unwrap();
    let array = format!("{}, {twin}]", array.trim_end().strip_suffix(']').unwrap()).replace('\'', "''");
    at.sql(&format!("UPDATE venues SET venue_images = '{array}' WHERE id = {venue}"));
    let ran = at.run_json(&here).code(13);
    assert_eq!((known(&ran).len(), found(&ran).len()), (1, 1), "{ran}");
    // Once that is migrated too, both are known.
    at.run(&["migrate", "--venue-id", &venue, "--yes"]).code(10);
    let ran = at.run_json(&here).code(0);
    assert_eq!((known(&ran).len(), found(&ran).len()), (2, 0), "{ran}");
}

#[test]
fn c7_another_url_in_a_known_entrys_place_is_not_known() {
    let at = migrated(Kind::Sqlite);
    let page = skipped(&at);
    edit(&at, &page, "url", &format!("\"{}/uploads/none.jpg\"", at.sandbox.origin.base_url()));
    let ran = at.run_json(&["verify", "--venue-id", &page.venue.to_string()]).code(13);
    assert_eq!(
        (found(&ran), known(&ran)),
        (Found::from([page.found("wrong_status")]), Found::new()),
        "{ran}"
    );
}

#[test]
fn c7_a_known_image_that_never_answers_is_no_outage() {
    let at = Workplace::new(Kind::Sqlite, 8);
    let alone = ours(&at, "DE").into_iter().next().unwrap();
    let (venue, entry) = (alone.venue, serde_json::to_string(&alone.members).unwrap().replace('\'', "''"));
    at.sql(&format!("UPDATE venues SET venue_images = '[{entry}]' WHERE id = {venue}"));
    at.order(&format!("origin{}=500", alone.origin_path(&at)));
    let venue = venue.to_string();
    let here = ["verify", "--venue-id", &venue];
    at.run(&here).code(30).says("the origin is away");
    at.run(&["migrate", "--venue-id", &venue, "--yes"]).code(10);
    let ran = at.run_json(&here).code(0);
    assert_eq!(known(&ran).into_iter().map(|(.., kind)| kind).collect::<Vec<_>>(), ["no_answer"], "{ran}");
    at.order("origin=away");
    at.run(&[&here[..], &["--patience", "0"]].concat()).code(30).says("the origin is away");
    at.run(&[&GERMANY[..], &["--patience", "0"]].concat()).code(30).says("the origin is away");
}
