//! What is left or taken back behind a row update of which no event tells: the row is looked at first, so that it keeps
//! nothing that the ledger does not know of (requirements C6, C17, E5).

use std::sync::atomic::Ordering;

use ledger::event::Verb;
use ledger::ids::{RunId, VenueId};
use ledger::ledger::Ledger;
use ledger::plan::Step;
use ledger::report::standing;
use longshore::runner::{Moment, RunError};
use serde_json::{Value, json};

use crate::crash::{SORTS, dying_at, is_done};
use crate::support::site::{Site, forget_row_update};
use crate::support::stage::{How, Kind, Stage};

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const ROLLBACK: [&str; 4] = ["rollback", "--country", "PL", "--yes"];
const FILES: [&str; 2] = ["/1.jpg", "/2.jpg"];

/// One venue with two images, whose row was updated before the program was killed; and its rows before that.
fn killed_behind_the_row(kind: Kind) -> (Site, Value) {
    let site = Site::new(kind);
    site.venue(1, 1, &FILES);
    let before = row(&site);
    site.run(&MIGRATE).code(0);
    forget_row_update(&site.ledger());
    (site, before)
}

fn row(site: &Site) -> Value {
    json!(site.stage.images(1))
}

/// How many entries of the row name a file.
fn completed(site: &Site) -> usize {
    site.stage.images(1).unwrap().matches("imagekit_file_id").count()
}

fn skip(site: &Site, more: &[&str]) -> Value {
    let args = [&["skip", "--venue-id", "1", "--reason", "it is the wrong pub"], more].concat();
    site.run_json(&args).code(0).json()
}

/// What the ledger says of the rows is so.
fn all_is_told(site: &Site) {
    site.run(&["audit", "--live"]).code(0);
    let told = site.run_json(&["reconcile"]).json();
    let unknown: Vec<_> = told["entries"]["classes"].as_object().unwrap().iter().collect();
    let none = |name: &str| told["entries"]["classes"][name].as_u64().unwrap_or(0) == 0;
    assert!(["completed_unknown", "neither"].into_iter().all(none), "{unknown:?}");
    site.run(&["ledger", "verify"]).code(0);
}

fn put_back_before_it_is_left(kind: Kind) {
    for is_file_gone in [false, true] {
        let (site, before) = killed_behind_the_row(kind);
        assert_eq!(completed(&site), 2);
        if is_file_gone {
            site.stage.delete_all_files();
        }
        let left = skip(&site, &["--image", &site.url("/1.jpg")]);
        assert_eq!((&left["images"][0]["put_back"], completed(&site)), (&json!(true), 1), "{left}");
        let closed = site.events(&["--kind", "closed"]).remove(0);
        let reason = closed["event"]["closed"]["reason"].as_str().unwrap();
        let starts = "it is the wrong pub; its row, updated without an event, named the file ";
        assert!(
            reason.starts_with(starts) && reason.ends_with(", and has the entry from before again"),
            "{reason}"
        );
        let run = site.one_run(&["resume", "--yes"], 0);
        assert_eq!((&run["tally"]["done"], &run["tally"]["closed"]), (&json!(1), &json!(1)), "{run}");
        assert_eq!(completed(&site), 1);
        all_is_told(&site);
        let status = site.run_json(&["status"]).json();
        assert_eq!((&status["waiting"], &status["unfinished"]), (&json!([]), &json!([])), "{status}");
        let report = site.run_json(&["report", "--country", "PL"]).code(0).json();
        assert_eq!(report["total"]["counts"]["completed"], 1, "{report}");
        site.one_run(&ROLLBACK, 0);
        assert_eq!(row(&site), before);
        // Whoever names the venue takes it up again.
        site.one_run(&["migrate", "--venue-id", "1", "--yes"], 0);
        assert_eq!(completed(&site), 2);
    }
}

#[test]
fn c17_a_row_updated_without_an_event_is_put_back_before_its_image_is_left_on_sqlite() {
    put_back_before_it_is_left(Kind::Sqlite);
}

#[test]
fn c17_a_row_updated_without_an_event_is_put_back_before_its_image_is_left_on_postgres() {
    put_back_before_it_is_left(Kind::Postgres);
}

#[test]
fn c17_all_of_a_venue_is_left_with_its_row_as_it_was() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let (site, before) = killed_behind_the_row(kind);
        let ran = site.run(&["skip", "--venue-id", "1", "--reason", "no"]).code(0);
        ran.says("its row, updated without an event, named the file").says("has the entry from before again");
        assert_eq!(row(&site), before);
        let run = site.one_run(&["resume", "--yes"], 0);
        assert_eq!((&run["tally"]["done"], &run["tally"]["closed"]), (&json!(0), &json!(2)), "{run}");
        all_is_told(&site);
        site.one_run(&ROLLBACK, 0);
        assert_eq!(row(&site), before);
    }
}

/// The row was updated by a request that nobody answered, and the image told as failed.
#[test]
fn c17_the_row_of_an_image_that_failed_is_put_back_too() {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &FILES);
    let before = row(&site);
    site.forbid(1);
    site.run(&MIGRATE).code(10).says("catalog_error");
    site.permit(1);
    let ledger = std::fs::read(site.ledger()).unwrap();
    site.run(&["resume", "--retry-failed", "--yes"]).code(0);
    assert_eq!(completed(&site), 2);
    std::fs::write(site.ledger(), ledger).unwrap();
    let left = skip(&site, &[]);
    assert_eq!(left["images"].as_array().unwrap().len(), 2, "{left}");
    assert_eq!(row(&site), before);
    all_is_told(&site);
}

#[test]
fn c17_what_others_made_of_the_entry_since_is_left_as_it_is() {
    let (site, _) = killed_behind_the_row(Kind::Sqlite);
    let edited = site.stage.images(1).unwrap().replace("\"width\": 1", "\"width\": 9");
    let edited = edited.replacen("completed", "edited", 1);
    site.stage.set_images(1, &edited);
    let left = skip(&site, &["--image", &site.url("/1.jpg")]);
    assert_eq!(left["images"][0]["put_back"], json!(false), "{left}");
    assert_eq!(site.stage.images(1), Some(edited));
}

/// Nothing is left before the row was looked at.
#[test]
fn c17_a_row_that_cannot_be_looked_at_keeps_its_image_waiting() {
    let (mut site, _) = killed_behind_the_row(Kind::Sqlite);
    let events = site.events(&[]);
    let right = site.settings.insert("PRODUCTION_DATABASE_URL".into(), "sqlite:nowhere.db".into()).unwrap();
    let args = ["skip", "--venue-id", "1", "--reason", "no"];
    site.run(&args).code(30).says("may be updated already").says("the same command again");
    assert_eq!(site.events(&[]), events);
    site.settings.insert("PRODUCTION_DATABASE_URL".into(), right);
    site.run(&args).code(0);
    assert_eq!(completed(&site), 0);
}

/// What never reached the CDN is in no row: no database is asked.
#[test]
fn c17_an_image_that_never_reached_the_cdn_is_left_without_a_database() {
    let mut site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &[]);
    site.lost(1, "/lost.jpg");
    site.run(&MIGRATE).code(10);
    site.settings.insert("PRODUCTION_DATABASE_URL".into(), "sqlite:nowhere.db".into());
    assert_eq!(skip(&site, &[])["images"][0]["put_back"], json!(false));
}

/// A run that cannot be taken back by its own number while another may have its images in the rows.
#[test]
fn c6_a_run_is_not_taken_back_under_an_unfinished_one_that_may_be_in_its_rows() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let site = Site::new(kind);
        site.venue(1, 1, &["/1.jpg"]);
        let before = row(&site);
        site.run(&MIGRATE).code(0);
        let added = site.stage.external("/3.jpg", "3");
        let both = site.stage.images(1).unwrap().replace("]", &format!(", {added}]"));
        site.stage.set_images(1, &both);
        site.run(&MIGRATE).code(0);
        forget_row_update(&site.ledger());
        let runs: Vec<RunId> = {
            let ledger = Ledger::read(&site.ledger()).unwrap();
            let state = ledger.state();
            state.runs().filter(|(_, run)| run.started.verb == Verb::Migrate).map(|(run, _)| run).collect()
        };
        let (first, second) = (runs[0].to_string(), runs[1].to_string());
        for more in [&["--yes"][..], &["--dry-run"]] {
            let refused = site.run_idle(&[&["rollback", "--run", &first], more].concat()).code(22);
            let refused = refused.says(&format!("the unfinished run {second} (migrate)"));
            refused
                .says(&format!("`longshore resume --run {second}"))
                .says(&format!("`longshore rollback --run {second}"));
        }
        site.run(&["rollback", "--run", &second, "--yes"]).code(0);
        assert_eq!(row(&site), json!(both));
        site.run(&["rollback", "--run", &first, "--yes"]).code(0);
        let after = before.as_str().unwrap().replace("]", &format!(", {added}]"));
        assert_eq!(row(&site), json!(after));
        all_is_told(&site);
    }
}

/// Dead behind the row update, and again before and behind each step of leaving the venue.
fn left_dead_at_every_step(kind: Kind, then: fn(&Stage)) {
    for (name, sort) in SORTS {
        for n in 0.. {
            let stage = Stage::new(kind);
            let (a, b) = (stage.external("/a.jpg", "a"), stage.external("/b.jpg", "b"));
            stage.venue(1, "pub-a", 1, &format!("[{a}, 7, {b}]"));
            let before = stage.rows();
            let behind = |moment| matches!(moment, Moment::AfterEffect(Step::UpdateRow(_)));
            let (how, _) = dying_at(0, behind, 1);
            assert!(matches!(stage.migrate(&how), Err(RunError::Died)));
            assert_ne!(stage.rows(), before);
            let (how, seen) = dying_at(n, sort, 1);
            let left = stage.leave(VenueId(1), &how);
            if seen.load(Ordering::SeqCst) <= n {
                assert!(left.is_ok() && n == 1, "{n} moments {name}: {left:?}");
                break;
            }
            assert!(matches!(left, Err(RunError::Died)), "{left:?}");
            then(&stage);
            let told = stage.verified();
            let now = standing(told.state()).total.completed;
            let rows = stage.images(1).unwrap();
            assert_eq!(rows.matches("imagekit_file_id").count() as u64, now, "{kind:?}, dead at {n} {name}");
            drop(told);
            assert!(is_done(&stage.rollback(&How::default())));
            assert_eq!(stage.rows(), before, "{kind:?}, dead at {n} {name}");
            stage.verified();
        }
    }
}

fn go_on(stage: &Stage) {
    assert!(is_done(&stage.resume(&How::default())));
}

fn leave_again(stage: &Stage) {
    stage.leave(VenueId(1), &How::default()).unwrap();
    go_on(stage);
    assert!(!stage.images(1).unwrap().contains("imagekit_file_id"));
}

#[test]
fn e5_a_venue_left_dead_at_every_step_is_gone_on_with_on_sqlite() {
    left_dead_at_every_step(Kind::Sqlite, go_on);
}

#[test]
fn e5_a_venue_left_dead_at_every_step_is_gone_on_with_on_postgres() {
    left_dead_at_every_step(Kind::Postgres, go_on);
}

#[test]
fn e5_a_venue_left_dead_at_every_step_is_left_again_on_sqlite() {
    left_dead_at_every_step(Kind::Sqlite, leave_again);
}

#[test]
fn e5_a_venue_left_dead_at_every_step_is_left_again_on_postgres() {
    left_dead_at_every_step(Kind::Postgres, leave_again);
}
