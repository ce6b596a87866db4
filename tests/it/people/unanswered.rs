//! Deletions that nobody answers: whatever comes next, the ledger and the answer tell what became of the file
//! (requirements S7, E3, E5).

use std::time::Duration;

use longshore::sandbox::faults::Fault;
use serde_json::json;

use super::beside::TAKES_THE_CLAIM;
use crate::kill::hand::Going;
use crate::support::site::Site;
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const ROLLBACK: [&str; 4] = ["rollback", "--country", "PL", "--yes"];
pub(super) const BACK_AND_DELETE: [&str; 5] = ["rollback", "--country", "PL", "--yes", "--delete-cdn-files"];
pub(super) const DELETE: [&str; 3] = ["reconcile", "--delete-orphans", "--yes"];

/// So many venues with a picture each that were migrated; and rolled back where the command does not do so itself.
pub(super) fn migrated(kind: Kind, venues: i64, delete: &[&str]) -> Site {
    let site = Site::new(kind);
    (1..=venues).for_each(|id| site.venue(id, 1, &[&format!("/{id}.jpg")]));
    site.one_run(&MIGRATE, 0);
    if delete == DELETE {
        site.one_run(&ROLLBACK, 0);
    }
    site
}

/// The paths of the files of which the ledger says that they were deleted or gone.
pub(super) fn written_off(site: &Site) -> Vec<String> {
    let events = site.events(&["--kind", "cdn_deleted"]);
    events.iter().map(|line| line["event"]["cdn_deleted"]["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn s7_a_file_that_is_gone_by_an_unanswered_deletion_is_not_said_to_stay_in_a_row() {
    for delete in [&DELETE[..], &BACK_AND_DELETE] {
        let site = migrated(Kind::Sqlite, 2, delete);
        site.stage.venue(7, "other", 2, "[]");
        let before = site.paths();
        site.stage.order("delete=lostx1");
        let mut going = Going::spawn(site.command(delete), delete);
        going.reach("the first file is gone", || site.paths().len() == 1);
        let gone = before.into_iter().find(|path| !site.paths().contains(path)).unwrap();
        // It is asked for again in a moment; somebody's row has come to name it.
        let url = format!("{}{gone}", site.stage.imagekit.url_endpoint());
        site.stage.set_images(7, &format!(r#"[{{"source": "user", "url": "{url}"}}]"#));
        let ran = going.end();
        assert!(!ran.to_string().contains("venue 7 uses it"), "{ran}");
        assert!(written_off(&site).contains(&gone), "{ran}");
    }
}

#[test]
fn s7_a_file_that_is_gone_by_an_unanswered_deletion_is_written_off_though_the_claim_was_lost() {
    let site = migrated(Kind::Postgres, 2, &DELETE);
    site.stage.order("delete=lostx1");
    let mut going = Going::spawn(site.command(&DELETE), &DELETE);
    going.reach("the first file is gone", || site.paths().len() == 1);
    let ran = std::thread::scope(|threads| {
        threads.spawn(|| site.stage.sql(TAKES_THE_CLAIM));
        let ran = going.end();
        site.stage.sql("INSERT INTO countries VALUES (99, 'Nowhere', 'ZZ', 'nowhere')");
        ran
    });
    let ran = ran.code(22).says("PL is being worked on by");
    assert_eq!((site.paths().len(), written_off(&site).len()), (1, 1), "{ran}");
}

#[test]
fn s7_a_file_whose_deletion_is_not_answered_and_that_cannot_be_looked_at_is_not_said_to_stay() {
    for delete in [&DELETE[..], &BACK_AND_DELETE] {
        let site = migrated(Kind::Sqlite, 1, delete);
        site.stage.cdn_faults.clear();
        site.stage.order("delete=lostx1");
        let away = Fault::Answer { status: 500, headers: vec![], body: String::new() };
        site.stage.cdn_faults.inject("versions", 1, 1_000, away);
        let ran = site.run(delete);
        assert_eq!((site.paths().len(), written_off(&site).len()), (0, 0), "{ran}");
        assert!(
            ["stays on the CDN", ".jpg stays", ".gif stays"]
                .iter()
                .all(|said| !ran.to_string().contains(said)),
            "{ran}"
        );
        site.stage.cdn_faults.clear();
        match delete == DELETE {
            true => ran.code(13).says("may still be there: its deletion was not answered"),
            false => ran.code(0).says("nobody knows whether it is still on the CDN"),
        };
        let answer = site.run_json(&DELETE).code(0).json();
        assert_eq!(answer["deleted"][0]["fate"], json!("already_gone"), "{answer}");
        assert_eq!(written_off(&site).len(), 1, "{answer}");
    }
}

/// Somebody writes an array back that was read before the rollback; the request that nobody answered is carried out after that.
#[test]
fn s7_a_file_whose_deletion_is_not_answered_and_that_a_row_comes_to_use_is_not_said_to_stay() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let site = migrated(kind, 1, &BACK_AND_DELETE);
        let stale = site.stage.images(1).unwrap();
        site.stage.cdn_faults.clear();
        site.stage.cdn_faults.inject("delete", 0, 1, Fault::DropBefore);
        let mut going = Going::spawn(site.command(&BACK_AND_DELETE), &BACK_AND_DELETE);
        going.reach("the file was to be deleted", || site.stage.requests("delete") >= 1);
        site.stage.set_images(1, &stale);
        let ran = going.end().code(0);
        assert_eq!((site.paths().len(), written_off(&site).len()), (1, 0), "{ran}");
        let ran = ran.says("nobody knows whether it is still on the CDN").says("may still be carried out");
        assert!(ran.to_string().contains("venue 1"), "{ran}");
        let path = site.paths().remove(0);
        site.stage.delete_file(&path);
        let told = site.run_json(&["reconcile"]).code(13).json();
        assert_eq!(told["entries"]["classes"]["completed_gone"], 1, "{told}");
    }
}

/// What ImageKit refuses was not carried out.
#[test]
fn s7_a_file_whose_deletion_is_refused_and_that_a_row_comes_to_use_stays() {
    let site = migrated(Kind::Sqlite, 1, &BACK_AND_DELETE);
    let stale = site.stage.images(1).unwrap();
    site.stage.cdn_faults.clear();
    site.stage.order("delete=429x1:reset=1500");
    let mut going = Going::spawn(site.command(&BACK_AND_DELETE), &BACK_AND_DELETE);
    going.reach("the file was to be deleted", || site.stage.requests("delete") >= 1);
    site.stage.set_images(1, &stale);
    let ran = going.end().code(0).says("stays on the CDN: ");
    assert!(!ran.to_string().contains("nobody knows"), "{ran}");
}

/// However a sweep ends: by Ctrl-C, or because nobody waits any longer.
#[test]
fn s7_a_deletion_that_is_not_answered_is_told_however_the_sweep_ends() {
    let impatient = [&BACK_AND_DELETE[..], &["--patience", "1"]].concat();
    for (delete, is_interrupted) in [(&DELETE[..], true), (&BACK_AND_DELETE, true), (&impatient, false)] {
        let site = migrated(Kind::Sqlite, 2, delete);
        site.stage.cdn_faults.clear();
        site.stage.order("delete=lostx1");
        site.stage.cdn_faults.inject("versions", 1, 1_000, Fault::DropBefore);
        let mut going = Going::spawn(site.command(delete), delete);
        going.reach("the first file is gone", || site.paths().len() == 1);
        site.stage.order("cdn=away");
        if is_interrupted {
            going.says("Waiting");
            going.signal("INT");
        }
        let ran = going.end().code(11);
        assert_eq!((site.paths().len(), written_off(&site).len()), (1, 0), "{ran}");
        match delete == DELETE {
            true => ran.says("may still be there: its deletion was not answered"),
            false => ran.says("nobody knows whether it is still on the CDN"),
        };
        site.stage.cdn_faults.well();
        site.stage.cdn_faults.clear();
        let answer = site.run_json(&DELETE).code(0).json();
        assert_eq!((site.paths().len(), written_off(&site).len()), (0, 2), "{answer}");
    }
}

#[test]
fn s7_what_was_deleted_is_told_though_the_sweep_ends_in_trouble() {
    let site = migrated(Kind::Sqlite, 4, &DELETE);
    site.stage.order("delete=wrong_key:after=2");
    let ran = site.run_json(&DELETE).code(30).says("`longshore reconcile --delete-orphans` goes on");
    let answer = ran.json();
    let fates: Vec<_> = answer["deleted"].as_array().unwrap().iter().map(|file| &file["fate"]).collect();
    assert_eq!(fates, ["deleted", "deleted", "kept"], "{answer}");
    assert_eq!(answer["findings"]["files"].as_array().unwrap().len(), 2, "{answer}");
    let site = migrated(Kind::Sqlite, 4, &DELETE);
    site.stage.order("delete=wrong_key:after=2");
    site.run(&DELETE).code(30).says("2 files deleted.");
}

#[test]
fn e3_a_deletion_waits_for_a_database_that_takes_nobody_on() {
    for delete in [&DELETE[..], &BACK_AND_DELETE] {
        let mut site = migrated(Kind::Postgres, 3, delete);
        let role = site.stage.run_as_role();
        site.stage.sql(&format!("GRANT UPDATE (venue_images, updated_at) ON venues TO {role}"));
        let url = site.stage.url();
        site.settings.insert("PRODUCTION_DATABASE_URL".into(), url);
        site.stage.order("delete=late:by=1500");
        let mut going = Going::spawn(site.command(delete), delete);
        going.reach("a file is being deleted", || site.stage.requests("delete") >= 1);
        site.stage.sql(&format!(
            "ALTER ROLE {role} CONNECTION LIMIT 0;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
        ));
        going.says("Waiting");
        std::thread::sleep(Duration::from_secs(2));
        site.stage.sql(&format!("ALTER ROLE {role} CONNECTION LIMIT -1"));
        let ran = going.end().code(0);
        assert_eq!((site.paths().len(), written_off(&site).len()), (0, 3), "{ran}");
    }
}
