//! One file whose requests come to nothing, while ImageKit answers about the others; and an end that comes while a file is
//! being deleted: by Ctrl-C, by an outage, by a ledger that takes nothing more (requirements S7, E3, E4).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::unanswered::{BACK_AND_DELETE, DELETE, migrated, written_off};
use crate::kill::hand::Going;
use crate::support::program::{Ran, under};
use crate::support::site::Site;
use crate::support::stage::Kind;

const ROLLBACK: [&str; 4] = ["rollback", "--country", "PL", "--yes"];

/// Orders a fault for one file's requests of one kind.
fn order_for(site: &Site, op: &str, fault: &str) -> String {
    let file = site.stage.imagekit.files().swap_remove(0);
    let path = match op {
        "delete" => format!("/v1/files/{}", file.id),
        "delivery_original" => file.path.clone(),
        _ => format!("/v1/files/{}/{op}", file.id),
    };
    site.stage.order(&format!("{op}{path}={fault}"));
    file.path
}

fn stays(ran: Ran, delete: &[&str], path: &str, code: i32) -> Ran {
    match delete == DELETE {
        true => ran.code(code).says(&format!("{path} stays: it could not be deleted")),
        false => ran.code(0).says(&format!("{path} stays on the CDN: it could not be deleted")),
    }
}

fn the_others_go(kind: Kind, op: &str) {
    for delete in [&DELETE[..], &BACK_AND_DELETE] {
        let site = migrated(kind, 3, delete);
        let path = order_for(&site, op, "closed");
        let ran = stays(site.run(delete), delete, &path, 13);
        assert_eq!((site.paths(), written_off(&site).len()), (vec![path.clone()], 2), "{op}: {ran}");
        // A later sweep does not stop there either.
        stays(site.run(&DELETE), &DELETE, &path, 13).says("0 files deleted.");
        site.stage.order(&format!("{op}=none"));
        site.stage.cdn_faults.clear();
        site.stage.cdn_faults.well();
        site.run(&DELETE).code(0);
        assert!(site.paths().is_empty());
    }
}

#[test]
fn s7_a_file_whose_deletion_always_breaks_is_left_and_the_others_go_on_sqlite() {
    the_others_go(Kind::Sqlite, "delete");
}

#[test]
fn s7_a_file_whose_deletion_always_breaks_is_left_and_the_others_go_on_postgres() {
    the_others_go(Kind::Postgres, "delete");
}

#[test]
fn s7_a_file_that_can_never_be_looked_at_is_left_and_the_others_go() {
    std::thread::scope(|threads| {
        for op in ["details", "versions", "delivery_original"] {
            threads.spawn(move || the_others_go(Kind::Sqlite, op));
        }
    });
}

/// What is away for all files ends the sweep, and the file in hand is told of.
#[test]
fn e3_a_sweep_that_ends_in_an_outage_names_the_file_in_hand() {
    let away = [["delete=closed", "list=closed:after=1"], ["delivery=closed", "delivery_original=closed"]];
    for orders in away {
        let site = migrated(Kind::Sqlite, 3, &DELETE);
        orders.iter().for_each(|order| site.stage.order(order));
        let answer = site.run_json(&DELETE).code(30).says("the connection to").json();
        let told = answer["deleted"].as_array().unwrap();
        assert_eq!((told.len(), &told[0]["fate"]), (1, &json!("kept")), "{answer}");
        let (path, left) = (told[0]["path"].as_str().unwrap().to_owned(), site.paths());
        assert!(left.contains(&path) && left.len() == 3, "{answer}");
    }
    let site = migrated(Kind::Sqlite, 3, &BACK_AND_DELETE);
    ["delete=closed", "list=closed"].iter().for_each(|order| site.stage.order(order));
    let ran = site.run(&[&BACK_AND_DELETE[..], &["--patience", "1"]].concat()).code(11);
    ran.says(" stays on the CDN: it could not be deleted");
}

/// A request may take half a minute to be given up, and so may the look at what has become of it.
#[test]
fn e4_ctrl_c_ends_soon_though_a_deletion_is_not_answered() {
    for delete in [&DELETE[..], &BACK_AND_DELETE] {
        let site = migrated(Kind::Sqlite, 2, delete);
        let asked = site.stage.requests("delete");
        site.stage.order("delete=late:by=300s");
        let mut going = Going::spawn(site.command(delete), delete);
        going.reach("a file is being deleted", || site.stage.requests("delete") > asked);
        let stopped = Instant::now();
        going.signal("INT");
        let ran = going.end().code(11);
        assert!(stopped.elapsed() < Duration::from_secs(15), "{ran}");
        match delete == DELETE {
            true => ran.says("may still be there: its deletion was not answered"),
            false => ran.says("nobody knows whether it is still on the CDN"),
        };
    }
}

/// Whatever is gone is told: in the ledger, or by the command that finds the ledger's disk full.
fn a_deletion_that_cannot_be_written_down_is_told(kind: Kind, delete: &[&str]) {
    let site = migrated(kind, 8, delete);
    if delete == BACK_AND_DELETE {
        // So that the first that is written is of this command.
        site.one_run(&ROLLBACK, 0);
    }
    let mut lost = 0;
    for blocks in (20..).step_by(20) {
        let before = site.paths();
        let args = if delete == DELETE { [delete, &["--format", "json"]].concat() } else { delete.to_vec() };
        let ran =
            Ran::new(&args, under(&format!("ulimit -f {blocks}"), &site.command(&args)).output().unwrap());
        let left = site.paths();
        let gone: Vec<_> = before.iter().filter(|path| !left.contains(path)).collect();
        let written = written_off(&site);
        lost += gone.iter().filter(|path| !written.contains(path)).count();
        for path in &gone {
            let is_told = match delete == DELETE {
                true => fate(&ran.json(), path) == "deleted",
                false => {
                    written.contains(path)
                        || ran.stderr.contains(&format!("{path} is gone from the CDN, and"))
                }
            };
            assert!(is_told, "{blocks}: {path}: {ran}");
        }
        if delete == DELETE && !gone.is_empty() && ran.code == Some(30) {
            assert!(!ran.stderr.contains("longshore resume"), "there is no run: {ran}");
            let named = ran.json()["findings"]["files"].as_array().unwrap().len();
            assert_eq!(named, left.len(), "{ran}");
        }
        if left.is_empty() {
            break;
        }
        assert!(blocks < 1_000, "{ran}");
    }
    assert!(lost > 0, "every deletion was written down at once");
    // What was not written down is, once the disk has room.
    site.run(&DELETE).code(0);
    assert_eq!(written_off(&site).len(), 8);
}

fn fate<'a>(answer: &'a Value, path: &str) -> &'a str {
    let told = answer["deleted"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let of = told.iter().find(|file| file["path"] == path);
    of.map_or("untold", |file| file["fate"].as_str().unwrap())
}

#[test]
fn s7_a_deletion_that_the_ledger_cannot_write_down_is_told_on_sqlite() {
    a_deletion_that_cannot_be_written_down_is_told(Kind::Sqlite, &DELETE);
    a_deletion_that_cannot_be_written_down_is_told(Kind::Sqlite, &BACK_AND_DELETE);
}

#[test]
fn s7_a_deletion_that_the_ledger_cannot_write_down_is_told_on_postgres() {
    a_deletion_that_cannot_be_written_down_is_told(Kind::Postgres, &DELETE);
}

#[test]
fn e1_a_key_that_may_not_delete_is_told_with_what_to_set() {
    let site = migrated(Kind::Sqlite, 1, &DELETE);
    site.stage.order("delete=wrong_key");
    let hint =
        "Set IMAGEKIT_PRIVATE_KEY to a key that may delete, then `longshore reconcile --delete-orphans";
    site.run(&DELETE).code(30).says(hint);
}
