//! `--delete-orphans` keeps S7: what is ours alone and what nothing uses goes, and nothing else.

use std::collections::BTreeSet;

use ledger::ids::LedgerId;
use ledger::ledger::Ledger;
use longshore::sandbox::faults::Fault;
use serde_json::{Value, json};

use super::{classes, files, found, id_of, migrated, plant, reconciled, rewrite, tag};
use crate::kill::hand::Going;
use crate::support::program::Workplace;
use crate::support::stage::Kind;

const DELETE: [&str; 3] = ["reconcile", "--delete-orphans", "--yes"];

/// A sandbox in which the United Kingdom was migrated and rolled back, so that all files are orphans.
fn orphaned(kind: Kind) -> Workplace {
    let at = migrated(kind);
    at.run(&["rollback", "--country", "GB", "--yes"]).code(0);
    at
}

fn paths(at: &Workplace) -> BTreeSet<String> {
    files(at).into_iter().map(|file| file.path).collect()
}

fn fates(answer: &Value, fate: &str) -> BTreeSet<String> {
    let deleted = answer["deleted"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let of = deleted.iter().filter(|file| file["fate"] == fate);
    of.map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

fn written_off(at: &Workplace) -> Vec<Value> {
    at.run_json(&["log", "--kind", "cdn_deleted"]).code(0).json_lines()
}

/// Some venue whose images are an array.
fn a_venue(at: &Workplace) -> i64 {
    let rows = at.rows();
    *rows.iter().find(|(_, row)| row.images.as_deref().is_some_and(|text| text.starts_with('['))).unwrap().0
}

fn deletes_orphans_alone(kind: Kind) {
    let at = orphaned(kind);
    let (ours, other) = (id_of(&at.ledger()).tag(), LedgerId([9; 16]).tag());
    let all = files(&at);
    assert!(all.len() > 5);
    tag(&at, &all[0], &other);
    // An entry of somebody else's making knows the second by its name alone, in another spelling, and the third by id.
    let name = all[1].path.rsplit('/').next().unwrap().replace('-', "%2D");
    let id = &all[2].id;
    let more =
        format!(r#"{{"source": "somebody", "cover": "https:\/\/else.example\/{name}?w=1", "id": ["{id}"]}}"#);
    rewrite(&at, a_venue(&at), |text| match text.trim() {
        "[]" => format!("[{more}]"),
        text => format!("[{more}, {}", text.trim_start_matches('[')),
    });
    plant(&at, "/venues/theirs", "plain.jpg", "longshore");
    plant(&at, "/venues/lost", "lost_1.jpg", &ours);
    let before = at.rows();
    let answer = at.run_json(&DELETE).code(0).json();
    let set = |files: &[longshore::sandbox::imagekit::File], more: &str| -> BTreeSet<String> {
        files.iter().map(|file| file.path.clone()).chain([more.to_owned()]).collect()
    };
    let mut kept = set(&all[..3], "/venues/theirs/plain.jpg");
    // Its tag is copied easily; no event tells of it.
    kept.insert("/venues/lost/lost_1.jpg".to_owned());
    let gone: BTreeSet<String> = all[3..].iter().map(|file| file.path.clone()).collect();
    assert_eq!(paths(&at), kept, "{answer}");
    assert_eq!(fates(&answer, "deleted"), gone);
    let orphans = gone.len();
    assert_eq!(
        classes(&answer["files"]),
        json!({"in_use": 2, "shared": 1, "foreign_tagged": 1, "foreign": 1, "orphan": orphans})
    );
    assert!(at.rows() == before, "no row is touched");
    let off = written_off(&at);
    let told = |line: &Value| line["event"]["cdn_deleted"]["path"].as_str().unwrap().to_owned();
    assert_eq!((off.iter().map(told).collect::<BTreeSet<_>>(), off.len()), (gone.clone(), orphans));
    let is_by_tester = |line: &Value| line["event"]["cdn_deleted"]["operator"]["user"] == "tester";
    assert!(off.iter().all(|line| line["run"] == Value::Null && is_by_tester(line)), "{off:?}");
    assert_eq!(answer["head"], at.run_json(&["ledger", "verify"]).code(0).json()["head"]);
    let left = json!({"in_use": 2, "shared": 1, "foreign_tagged": 1, "foreign": 1});
    assert_eq!(classes(&reconciled(&at, 0)["files"]), left);
    at.run(&DELETE).code(0);
    assert_eq!(paths(&at), kept);
    // What was deleted is sent again, and what was kept is found.
    at.run(&["migrate", "--country", "GB", "--yes"]);
    assert!(all.iter().all(|file| paths(&at).contains(&file.path)));
    reconciled(&at, 0);
}

#[test]
fn s7_orphans_and_nothing_else_are_deleted_on_sqlite() {
    deletes_orphans_alone(Kind::Sqlite);
}

#[test]
fn s7_orphans_and_nothing_else_are_deleted_on_postgres() {
    deletes_orphans_alone(Kind::Postgres);
}

#[test]
fn c13_without_a_terminal_or_under_a_lock_nothing_is_deleted() {
    let at = orphaned(Kind::Sqlite);
    let before = (paths(&at), at.head());
    at.run(&["reconcile", "--delete-orphans"]).code(2).says("no terminal");
    at.run(&["reconcile", "--yes"]).code(2);
    let writer = Ledger::open(&at.ledger(), "somebody else").unwrap();
    at.run(&DELETE).code(22).says("somebody else");
    drop(writer);
    assert_eq!((paths(&at), at.head()), before);
}

#[test]
fn s7_what_has_come_to_be_used_since_it_was_listed_is_kept() {
    let at = orphaned(Kind::Sqlite);
    let all = files(&at);
    let args = ["reconcile", "--delete-orphans", "--format", "json"];
    let mut going = Going::at_a_terminal(&at, &args);
    going.says("Type DELETE to go on:");
    let url = format!("{}{}", at.settings["IMAGEKIT_URL_ENDPOINT"], all[0].path);
    rewrite(&at, a_venue(&at), |_| format!(r#"[{{"url": "{url}", "source": "somebody"}}]"#));
    tag(&at, &all[1], &LedgerId([9; 16]).tag());
    going.types("DELETE\n");
    let ran = going.end().code(13).says("uses it").says("its tags name another ledger too");
    assert_eq!(paths(&at), all[..2].iter().map(|file| file.path.clone()).collect(), "{ran}");
    assert_eq!(written_off(&at).len(), all.len() - 2, "{ran}");
}

#[test]
fn s7_dying_between_deletion_and_ledger_is_made_good_the_next_time() {
    let at = orphaned(Kind::Sqlite);
    let n = paths(&at).len();
    // The first deletion takes its effect, but nobody hears of it; then ImageKit is away.
    at.sandbox.faults.inject("delete", 0, 1, Fault::DropAfter);
    let away = Fault::Answer { status: 503, headers: vec![], body: String::new() };
    at.sandbox.faults.inject("delete", 1, 100, away);
    let mut going = Going::start(&at, &DELETE);
    going.reach("a deletion", || paths(&at).len() < n);
    going.kill();
    at.sandbox.faults.clear();
    assert_eq!((paths(&at).len(), written_off(&at).len()), (n - 1, 0));
    let answer = reconciled(&at, 13);
    assert_eq!(classes(&answer["believed"]), json!({"there": n - 1, "gone_unneeded": 1}));
    let lost = found(&answer, "believed", "gone_unneeded");
    let ran = at.run_json(&DELETE).code(0).says("1 file that the CDN has no more: written off");
    let is_listed = ran.stderr.lines().any(|line| lost.iter().any(|path| line.trim() == path.as_str()));
    assert!(!is_listed, "what is gone is not deleted: {ran}");
    let answer = ran.json();
    assert_eq!(fates(&answer, "already_gone").into_iter().collect::<Vec<_>>(), lost);
    assert_eq!((paths(&at).len(), written_off(&at).len()), (0, n));
    assert_eq!(reconciled(&at, 0)["believed"]["all"], 0);
    at.run(&["migrate", "--country", "GB", "--yes"]);
    assert_eq!(paths(&at).len(), n);
    reconciled(&at, 0);
}

#[test]
fn s7_two_ledgers_on_one_account_leave_each_others_files_alone() {
    let at = migrated(Kind::Sqlite);
    // Staging: a database, an origin and a ledger of its own, and the same ImageKit.
    let mut staging = Workplace::new(Kind::Sqlite, 12);
    for name in ["IMAGEKIT_URL_ENDPOINT", "IMAGEKIT_UPLOAD_URL", "IMAGEKIT_API_URL", "IMAGEKIT_PRIVATE_KEY"] {
        staging.settings.insert(name.into(), at.settings[name].clone());
    }
    let both = files(&at).len() as u64;
    for country in ["GB", "PL"] {
        staging.run(&["migrate", "--country", country, "--yes"]);
    }
    let theirs = files(&at).len() as u64 - both;
    assert!(theirs > 0 && staging.sandbox.imagekit.files().is_empty());
    // In use by both; and what staging alone has is foreign, named with its ledger.
    let answer = reconciled(&at, 0);
    assert_eq!(classes(&answer["files"]), json!({"in_use": both, "foreign": theirs}));
    let tag_of_staging = id_of(&staging.ledger()).tag();
    let named = answer["named"]["files"].as_array().unwrap();
    assert!(named.iter().all(|file| file["other_ledgers"] == json!([tag_of_staging])), "{answer}");
    // Production goes back: staging still shows those pictures.
    at.run(&["rollback", "--country", "GB", "--yes"]).code(0);
    let before = paths(&at);
    let answer = at.run_json(&DELETE).code(0).json();
    assert_eq!(classes(&answer["files"]), json!({"shared": both, "foreign": theirs}));
    assert_eq!((answer["deleted"].as_array().unwrap().len(), paths(&at)), (0, before));
    staging.run(&["reconcile"]).code(0).says("Everything fits");
}
