//! `skip`: a person decides to leave what waits (requirement C17).

use ledger::ledger::Ledger;
use serde_json::json;

use crate::support::site::Site;
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];

/// Two images of venue 1 are lost, venue 3 holds no array; the rest is well.
fn site() -> Site {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/1.jpg"]);
    site.lost(1, "/lost-a.jpg");
    site.lost(1, "/lost-b.jpg");
    site.venue(2, 1, &["/2.jpg"]);
    site.stage.venue(3, "pub-3", 1, r#"{"no": "array"}"#);
    site
}

fn skip(site: &Site, more: &[&str]) -> serde_json::Value {
    let args = [&["skip", "--reason", "the photographer asked us"], more].concat();
    site.run_json(&args).code(0).json()
}

#[test]
fn c17_what_is_left_stays_left_until_its_venue_is_named() {
    let site = site();
    site.run(&MIGRATE).code(10);
    let one = skip(&site, &["--venue-id", "1", "--image", &site.url("/lost-a.jpg")]);
    assert_eq!(one["images"].as_array().unwrap().len(), 1, "{one}");
    assert_eq!((&one["images"][0]["url"], &one["whole"]), (&json!(site.url("/lost-a.jpg")), &json!(false)));
    site.run(&MIGRATE).code(10).says("not_found");
    let rest = skip(&site, &["--venue-id", "1"]);
    assert_eq!(rest["images"][0]["url"], site.url("/lost-b.jpg"), "{rest}");
    site.run(&MIGRATE).code(10).says("bad_data");
    let whole = skip(&site, &["--venue-id", "3"]);
    assert_eq!((&whole["images"], &whole["whole"]), (&json!([]), &json!(true)), "{whole}");

    let events = site.events(&["--kind", "closed"]);
    assert_eq!(events.len(), 3);
    for event in &events {
        let closed = &event["event"]["closed"];
        assert_eq!(
            (&closed["reason"], &closed["operator"]["user"]),
            (&json!("the photographer asked us"), &json!("tester"))
        );
    }
    site.run(&["log", "--venue-id", "3"]).code(0).says("by tester: the photographer asked us");
    assert_eq!(site.run_json(&["status"]).json()["waiting"], json!([]));

    // Nothing but what was left is there: it is said, and is no trouble.
    site.found("/lost-a.jpg");
    site.run_idle(&MIGRATE).code(0).says("Nothing is left to migrate in Poland.");
    let dry = site.run_idle(&["migrate", "--country", "PL", "--dry-run", "--format", "json"]).code(0).json();
    assert_eq!(dry["images"], 0);
    site.run_idle(&["migrate", "--city", "Kraków", "--limit", "5", "--yes"]).code(0).says("Nothing is left");
    // With a new image beside it, only that is taken, and the venue without an array is not reported again.
    site.lost(2, "/new.jpg");
    site.found("/new.jpg");
    let run = site.one_run(&MIGRATE, 0);
    assert_eq!((&run["tally"]["images"], &run["tally"]["venues"]), (&json!(1), &json!(1)), "{run}");
    // Whoever names the venue takes it up again.
    let run = site.one_run(&["migrate", "--venue-id", "1", "--yes"], 10);
    assert_eq!((&run["tally"]["done"], &run["tally"]["failed"]), (&json!(1), &json!(1)), "{run}");
    site.run_idle(&["migrate", "--venue-id", "3", "--yes"]).code(10).says("bad_data");
    site.run(&["ledger", "verify"]).code(0);
}

#[test]
fn c17_a_venue_that_was_left_as_a_whole_is_taken_once_it_holds_an_array() {
    let site = site();
    site.run(&MIGRATE).code(10);
    skip(&site, &["--venue-id", "3"]);
    let entry = site.stage.external("/3.jpg", "3");
    site.stage.set_images(3, &format!("[{entry}]"));
    skip(&site, &["--venue-id", "1"]);
    let run = site.one_run(&MIGRATE, 0);
    assert_eq!((&run["tally"]["venues"], &run["tally"]["done"]), (&json!(1), &json!(1)), "{run}");
}

#[test]
fn c17_what_cannot_be_left_is_refused_with_what_can() {
    let site = site();
    site.run(&["skip", "--venue-id", "1", "--reason", "x"]).code(2).says("there is no ledger");
    site.run(&MIGRATE).code(10);
    let other = ["skip", "--venue-id", "1", "--reason", "x", "--image", "https://elsewhere.example/x.jpg"];
    let other = site.run_idle(&other).code(2).says("no image with that URL waits in venue 1");
    let other = other.says(&site.url("/lost-a.jpg")).says(&site.url("/lost-b.jpg"));
    assert!(!other.stderr.contains(&site.url("/1.jpg")), "that one is done: {other}");
    let whole = ["skip", "--venue-id", "3", "--reason", "x", "--image", "https://elsewhere.example/x.jpg"];
    site.run_idle(&whole).code(2).says("waits as a whole");
    site.run_idle(&["skip", "--venue-id", "99", "--reason", "x"]).code(2).says("no run has planned venue 99");
    site.run_idle(&["skip", "--venue-id", "1", "--reason", "  "]).code(2).says("why the image is left");
    site.run_idle(&["skip", "--venue-id", "1"]).code(2).says("--reason");
    site.run_idle(&["skip", "--venue-id", "2", "--reason", "x"]).code(0).says("Nothing of venue 2 waits");

    let held = Ledger::open(&site.ledger(), "anna@quay pid 7").unwrap();
    site.run(&["skip", "--venue-id", "1", "--reason", "x"]).code(22).says("anna@quay pid 7");
    drop(held);
    site.run(&["skip", "--venue-id", "1", "--reason", "x"]).code(0).says("Left: image");
    site.run_idle(&["skip", "--venue-id", "1", "--reason", "x"]).code(0).says("Nothing of venue 1 waits");
}

#[test]
fn c17_what_is_left_of_a_paused_run_is_passed_by_when_it_goes_on() {
    let mut site = site();
    let right = site.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_wrong".into()).unwrap();
    site.run(&MIGRATE).code(11);
    let before = site.stage.rows();
    skip(&site, &["--venue-id", "2"]);
    skip(&site, &["--venue-id", "1", "--image", &site.url("/lost-b.jpg")]);
    site.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), right);
    let run = site.one_run(&["resume"], 10);
    let tally = &run["tally"];
    assert_eq!(
        (&tally["done"], &tally["failed"], &tally["closed"]),
        (&json!(1), &json!(1), &json!(2)),
        "{run}"
    );
    assert_eq!(site.stage.rows()[&2], before[&2]);
    assert!(site.stage.images(1).unwrap().contains("imagekit_file_id"));
    // The venue whose array is none was never an image: it still waits, and the lost one too.
    skip(&site, &["--venue-id", "1"]);
    skip(&site, &["--venue-id", "3"]);
    site.run_idle(&MIGRATE).code(0).says("Nothing is left to migrate in Poland.");
    let back = site.one_run(&["rollback", "--country", "PL", "--yes"], 0);
    assert_eq!(back["tally"]["done"], 1, "{back}");
    assert_eq!(site.stage.rows(), before);
}

#[test]
fn c17_a_rollback_visits_what_was_left_after_it_had_reached_the_cdn() {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/1.jpg"]);
    let before = site.stage.rows();
    site.forbid(1);
    site.run(&MIGRATE).code(10).says("catalog_error");
    skip(&site, &["--venue-id", "1"]);
    site.permit(1);
    site.run_idle(&MIGRATE).code(0).says("Nothing is left");
    let dry = site.run_idle(&["rollback", "--country", "PL", "--dry-run", "--format", "json"]).code(0).json();
    assert_eq!((&dry["images"], &dry["venues"]), (&json!(1), &json!(1)));
    // Somebody wrote what the run could not: the row decides.
    let uploaded = site.events(&["--kind", "uploaded"]);
    assert_eq!(uploaded.len(), 1);
    let back = site.one_run(&["rollback", "--country", "PL", "--yes", "--delete-cdn-files"], 0);
    assert_eq!((&back["tally"]["done"], &back["files_deleted"]), (&json!(1), &json!(1)), "{back}");
    assert_eq!(site.stage.rows(), before);
    assert!(site.paths().is_empty());
}

#[test]
fn c17_what_a_run_tells_at_its_end_adds_up() {
    let mut site = site();
    let right = site.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_wrong".into()).unwrap();
    let paused = site.run(&MIGRATE).code(11);
    assert!(paused.stdout.contains("1 venue failed as a whole (bad_data)."), "{paused}");
    assert!(
        paused.stdout.contains("Of the images, besides: ") && paused.stdout.contains(" not moved yet."),
        "{paused}"
    );
    skip(&site, &["--venue-id", "1", "--image", &site.url("/1.jpg")]);
    site.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), right);
    let resumed = site.run(&["resume", "--yes"]).code(10);
    assert!(resumed.stdout.contains("Of the images, besides: 1 closed by a person."), "{resumed}");
}

#[test]
fn c17_a_rollback_tells_of_what_was_left_and_succeeds_without_it() {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/1.jpg"]);
    site.venue(2, 1, &["/2.jpg"]);
    site.run(&MIGRATE).code(0);
    [1, 2].into_iter().for_each(|venue| site.forbid(venue));
    let back = site.one_run(&["rollback", "--country", "PL", "--yes"], 10);
    assert_eq!((&back["tally"]["failed"], &back["tally"]["venues_failed"]), (&json!(2), &json!(2)), "{back}");
    [1, 2].into_iter().for_each(|venue| site.permit(venue));
    skip(&site, &["--venue-id", "1"]);
    let run = back["run"].to_string();
    let ran = site.run(&["resume", "--run", &run, "--retry-failed", "--yes"]).code(0);
    let ran = ran.says("1 of 2 venues restored.").says("1 images back as they were, 0 drifted, 0 failed.");
    assert!(ran.stdout.contains("\n1 image closed by a person.\n"), "{ran}");
    let finished =
        &site.events(&["--kind", "run_finished", "--run", &run])[1]["event"]["run_finished"]["tally"];
    assert_eq!(
        (&finished["done"], &finished["closed"], &finished["open"]),
        (&json!(1), &json!(1), &json!(0)),
        "{finished}"
    );
}
