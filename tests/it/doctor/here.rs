//! What lies on this machine: the ledger, room for it, descriptors.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{LOOKS, doctor, findings, finds, lines, stands};
use crate::support::program::{Ran, Workplace, under};
use crate::support::sqlite::behind_triggers;
use crate::support::stage::Kind;

fn with_ledger(at: &Workplace, ledger: &str) -> Ran {
    at.run_looking(&["doctor", "--format", "json", "--ledger", ledger], &LOOKS)
}

#[test]
fn c16_a_ledger_that_cannot_be_used_is_told() {
    let at = Workplace::new(Kind::Sqlite, 4);
    at.run(&["migrate", "--country", "DE", "--yes"]);
    let bytes = std::fs::read(at.ledger()).unwrap();
    let path = at.work().join("other.ledger");
    let private = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    };
    private(b"no ledger, and long enough not to be taken for an empty one");
    finds(&with_ledger(&at, "other.ledger"), "ledger", "is not a ledger", "`--ledger PATH`");
    private(&bytes);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA user_version = 99").unwrap();
    finds(&with_ledger(&at, "other.ledger"), "ledger", "newer program (format 99)", "Use that program");
    drop(other);
    let tamper =
        "PRAGMA user_version = 1; UPDATE event SET body = replace(body, 'tester', 'nobody') WHERE seq = 2";
    behind_triggers(&path, tamper);
    finds(&with_ledger(&at, "other.ledger"), "ledger", "damaged at event 2", "restore it from a backup");
    finds(&with_ledger(&at, "no/such.ledger"), "ledger", "its directory no is not there", "--ledger PATH");
    std::fs::write(at.work().join("gone.ledger-wal"), "").unwrap();
    std::fs::set_permissions(at.work().join("gone.ledger-wal"), Permissions::from_mode(0o600)).unwrap();
    let left = with_ledger(&at, "gone.ledger");
    finds(&left, "ledger", "gone.ledger-wal is left of a ledger that is gone", "move this file away");
    assert_eq!(findings(&left), ["ledger"]);
}

#[test]
fn c16_a_ledger_of_another_database_is_told() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    at.run(&["migrate", "--country", "DE", "--yes"]);
    let other = Workplace::new(Kind::Sqlite, 4);
    let theirs = other.settings["PRODUCTION_DATABASE_URL"].clone();
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), theirs);
    finds(&doctor(&at), "ledger", "belongs to production", "`--ledger PATH` names another ledger");
    // Where the database cannot be asked, only that stays open.
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), "sqlite:/nowhere/at-all.db".into());
    let away = doctor(&at);
    stands(&away, "ledger", "ok");
    assert!(lines(&away, "ledger")[0]["found"].to_string().contains("could not be seen"), "{away}");
}

#[test]
fn c16_files_that_others_may_read_are_told() {
    let at = Workplace::new(Kind::Sqlite, 4);
    at.run(&["migrate", "--country", "DE", "--yes"]);
    let spool = at.work().join("longshore.production.ledger.spool");
    std::fs::create_dir_all(&spool).unwrap();
    std::fs::set_permissions(&spool, Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(at.ledger(), Permissions::from_mode(0o644)).unwrap();
    let ran = doctor(&at);
    finds(&ran, "ledger", "(mode 0644)", "chmod 600 longshore.production.ledger");
    finds(&ran, "ledger", "(mode 0755)", "chmod 700 longshore.production.ledger.spool");
    for line in lines(&ran, "ledger").iter().filter(|line| line["state"] == "finding") {
        let chmod: Vec<&str> = line["advice"].as_str().unwrap().split(' ').collect();
        let done = Command::new(chmod[0]).args(&chmod[1..]).current_dir(at.work()).status().unwrap();
        assert!(done.success());
    }
    doctor(&at).code(0);
}

#[test]
fn c16_who_writes_to_the_ledger_and_what_is_unfinished_is_noted() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let mut wrong = at.command(&["migrate", "--country", "DE", "--yes"]);
    wrong.env("IMAGEKIT_PRIVATE_KEY", "private_wrong").output().unwrap();
    let note = |ran: &Ran, found: &str, advice: &str| {
        let lines = lines(ran, "ledger");
        let says = |key: &str, line: &serde_json::Value, text: &str| line[key].to_string().contains(text);
        let is_there = lines.iter().any(|line| {
            line["state"] == "note" && says("found", line, found) && says("advice", line, advice)
        });
        assert!(is_there, "{found:?} is not noted: {ran}");
    };
    let ran = doctor(&at).code(0);
    note(&ran, "run 2 (migrate Germany) is not finished", "longshore resume --run 2");
    let held = ledger::store::Store::open(&at.ledger(), "longshore somebody@elsewhere pid 7").unwrap();
    let ran = doctor(&at).code(0);
    note(&ran, "being written to by longshore somebody@elsewhere pid 7", "Wait for it");
    drop(held);
    assert!(!doctor(&at).stdout.contains("somebody@elsewhere"), "the lock file's text alone means nothing");
}

#[test]
fn c16_a_disk_without_room_is_told() {
    let at = Workplace::new(Kind::Sqlite, 4);
    // What the kernel shows there as files takes no room, and has none.
    let ran = with_ledger(&at, "/proc/longshore.ledger");
    finds(&ran, "disk", "0 B free, 1.00 GB are needed", "Make room on the disk");
    stands(&with_ledger(&at, "no/such.ledger"), "disk", "not_checked");
}

#[test]
fn c16_too_few_descriptors_are_told() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let few = limited(&at, "ulimit -n 100");
    finds(&few, "descriptors", "100 files and connections may be open, a run needs 112", "ulimit -n 1024");
    let enough = limited(&at, "ulimit -n 160").code(0);
    assert!(lines(&enough, "descriptors")[0]["found"].to_string().contains("--concurrency 32"), "{enough}");
}

#[test]
fn c16_too_little_memory_is_told() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let little = limited(&at, "ulimit -v 400000");
    finds(&little, "memory", "may take 409.6 MB, a run needs up to 600.0 MB", "ulimit -v unlimited");
    stands(&limited(&at, "ulimit -v 600000").code(0), "memory", "ok");
}

/// `doctor` under a limit of the shell.
fn limited(at: &Workplace, limit: &str) -> Ran {
    let args = ["doctor", "--format", "json"];
    Ran::new(&args, under(limit, &at.command(&args)).output().unwrap())
}

#[test]
fn c16_a_path_too_long_for_the_control_socket_is_told() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let long = format!("{}.ledger", "l".repeat(96));
    finds(&with_ledger(&at, &long), "socket", "has 108 bytes", "Work in the ledger's own directory");
    let longest = with_ledger(&at, &long[1..]).code(0);
    stands(&longest, "socket", "ok");
}
