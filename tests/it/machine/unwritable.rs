//! Ledgers that may be read and not written.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::small::{SmallDisk, is_root, where_mounting_is_allowed};
use crate::kill::hand::Going;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const READERS: [&[&str]; 8] = [
    &["status"],
    &["report"],
    &["log"],
    &["audit", "--country", "DE"],
    &["export", "failures"],
    &["export", "rollback-data", "--country", "DE"],
    &["status", "--as-of", "3"],
    &["ledger", "verify"],
];
const WRITERS: [&[&str]; 3] = [
    &["resume", "--yes"],
    &["migrate", "--country", "PL", "--yes"],
    &["rollback", "--country", "DE", "--yes"],
];

/// The program as a user whom permissions bind: root without the privileges that make it root.
fn bound(work: &Workplace, args: &[&str]) -> Ran {
    let plain = work.command(args);
    if !is_root() {
        return Going::spawn(plain, args).end();
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-all", "--inh-caps", "-all"]);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(work.work());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs(&work.settings);
    Ran::new(args, command.output().unwrap())
}

/// A finished run and one that can be resumed.
fn with_a_ledger(work: &mut Workplace) {
    work.run(&["migrate", "--country", "DE", "--yes"]);
    let key = work.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_of_another".into()).unwrap();
    work.run(&["migrate", "--country", "FR", "--yes"]).code(11);
    work.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), key);
}

fn answers(work: &Workplace) -> Vec<String> {
    READERS.iter().map(|args| bound(work, args).code(0).stdout).collect()
}

/// Sees that readers answer as before, and that writers are refused and told what to do.
fn is_read_and_not_written(work: &Workplace, before: &[String]) {
    assert_eq!(answers(work), before);
    // Sizes and usage are looked at before a question is asked.
    let counts = || {
        let mut counts = work.counts();
        counts.retain(|op, _| !["origin_head", "usage"].contains(&op.as_str()));
        counts
    };
    for args in WRITERS {
        let (rows, asked) = (work.rows(), counts());
        let ran = bound(work, args).code(30);
        assert!(ran.stderr.contains("this user write to it and to its directory"), "{ran}");
        assert!(work.rows() == rows && counts() == asked, "{ran}");
    }
}

#[test]
fn e5_a_ledger_that_may_not_be_written_is_read_and_nothing_is_begun() {
    let mut work = Workplace::new(Kind::Sqlite, 4);
    with_a_ledger(&mut work);
    let before = answers(&work);
    let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for (file, dir) in [(0o600, 0o500), (0o400, 0o700), (0o400, 0o500)] {
        // What readers and writers share; a reader that leaves does not take it along.
        for left in ["-wal", "-shm"] {
            let left = work.work().join(format!("longshore.production.ledger{left}"));
            let _it_may_not_be_there = std::fs::remove_file(left);
        }
        mode(&work.ledger(), file);
        mode(&work.work(), dir);
        is_read_and_not_written(&work, &before);
    }
    mode(&work.work(), 0o700);
    mode(&work.ledger(), 0o600);
    bound(&work, &["resume", "--yes"]).code(0).says("is finished");
}

#[test]
fn e5_where_nothing_may_be_made_that_is_said_before_any_question_with_what_to_type() {
    let work = Workplace::new(Kind::Sqlite, 4);
    set_permissions(work.work(), Permissions::from_mode(0o500)).unwrap();
    let ran = bound(&work, &["migrate", "--country", "PL"]).code(30).says("--ledger PATH");
    assert!(!ran.stderr.contains("This moves") && !ran.stderr.contains("What was written before"), "{ran}");
    let doctor = bound(&work, &["doctor", "--format", "json"]).code(13);
    let of_ledger =
        doctor.json()["checks"].as_array().unwrap().iter().filter(|line| line["check"] == "ledger").count();
    assert_eq!(of_ledger, 1, "{doctor}");
    bound(&work, &["plan", "--country", "PL", "--out", "a.plan"]).code(2).says("`--out` names a file");
    bound(&work, &["countries", "-o", "a"]).code(30).says("`-o` names a file");
    set_permissions(work.work(), Permissions::from_mode(0o700)).unwrap();
    bound(&work, &["migrate", "--country", "PL", "--ledger", "none/a.ledger", "--yes"])
        .code(30)
        .says("--ledger PATH");
}

#[test]
fn d7_where_nothing_can_be_written_the_flag_is_named_with_what_it_takes() {
    let mut work = Workplace::new(Kind::Sqlite, 4);
    with_a_ledger(&mut work);
    let cases: [(&[&str], i32, &str); 4] = [
        (&["ledger", "backup", "none/a.copy"], 30, "`longshore ledger backup FILE` names a new file"),
        (&["status", "--log-file", "none/a.log"], 30, "`--log-file` names a file"),
        (&["migrate", "--country", "PL", "--out", "none/a", "--yes"], 2, "`--out` names another directory"),
        (&["countries", "-o", "none/a"], 2, "`-o` names a file"),
    ];
    for (args, code, hint) in cases {
        work.run(args).code(code).says(hint);
    }
}

#[test]
fn e5_a_ledger_on_a_read_only_disk_is_read_and_nothing_is_begun() {
    where_mounting_is_allowed(
        "machine::unwritable::e5_a_ledger_on_a_read_only_disk_is_read_and_nothing_is_begun",
        || {
            let mut work = Workplace::new(Kind::Sqlite, 4);
            let disk = SmallDisk::mount(&work.work(), 32_000_000);
            with_a_ledger(&mut work);
            let before = answers(&work);
            disk.is_read_only(true);
            is_read_and_not_written(&work, &before);
            disk.is_read_only(false);
            work.run(&["resume", "--yes"]).code(0).says("is finished");

            // Cut off in the middle, part of the ledger is in its log.
            let mut going = Going::start(&work, &["migrate", "--country", "GB", "--yes"]);
            going.reach("an upload", || work.requests("upload") > 8);
            let _killed = going.kill();
            let (status, head) = (work.run(&["status"]).code(0), work.head());
            disk.is_read_only(true);
            assert_eq!(work.run(&["status"]).code(0).stdout, status.stdout);
            disk.is_read_only(false);
            assert_eq!(work.head(), head);
        },
    );
}
