//! What another user has left in a directory, or put on the way to it, is neither read for ours nor written through, and hangs
//! nobody who reads (requirements S5, E7).

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kill::hand::VENUES;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const READERS: [&[&str]; 7] = [
    &["status"],
    &["report"],
    &["audit"],
    &["log"],
    &["export", "failures"],
    &["ledger", "verify"],
    &["ledger", "backup", "copy"],
];
/// The user to whom what is nobody's belongs, and a colleague.
const ANOTHER: u32 = 65_534;
const COLLEAGUE: u32 = 4_242;
/// Longer than any of these commands takes.
const LONGEST: &str = "60";

fn work() -> Workplace {
    Workplace::new(Kind::Sqlite, VENUES)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn beside(ledger: &Path, ending: &str) -> PathBuf {
    let mut name = ledger.to_owned().into_os_string();
    name.push(ending);
    name.into()
}

/// Whether files can be given to another user; where they cannot, it says so.
fn can_give_away() -> bool {
    let can = rustix::process::geteuid().is_root();
    if !can {
        eprintln!("NOT RUN: only root can make another user's files");
    }
    can
}

/// Runs the program, which is ended when it hangs; its code is 124 then.
fn run(at: &Workplace, args: &[&str]) -> Ran {
    let mut command = Command::new("timeout");
    command.args([LONGEST, env!("CARGO_BIN_EXE_longshore")]).args(args).current_dir(at.work());
    command.env_clear().envs(&at.settings).env("PATH", std::env::var_os("PATH").unwrap());
    Ran::new(args, command.stdin(Stdio::null()).output().unwrap())
}

/// Pastes what a message says to type, from its first word on.
#[track_caller]
fn paste(at: &Workplace, said: &str, from: &str) {
    let typed = said.split_once(from).unwrap_or_else(|| panic!("{from} is not in {said}")).1;
    let typed = format!("{from}{}", typed.split(['\n', '"']).next().unwrap());
    let done = Command::new("sh").args(["-c", &typed]).current_dir(at.work()).status().unwrap();
    assert!(done.success(), "{typed}");
}

/// A log that holds the whole of another ledger, as any user can make one.
fn log_of_another_ledger(at: &Workplace) -> Vec<u8> {
    let other = at.sandbox_dir().join("other.ledger");
    // Some of its venues cannot be moved, which is no matter here.
    at.run(&["migrate", "--country", "DE", "--yes", "--ledger", other.to_str().unwrap()]);
    let ledger = rusqlite::Connection::open(&other).unwrap();
    ledger.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(())).unwrap();
    ledger.execute_batch("VACUUM").unwrap();
    let log = fs::read(beside(&other, "-wal")).unwrap();
    assert!(log.len() > 4096, "it holds pages");
    log
}

#[test]
fn s5_a_log_that_another_user_left_is_not_read_once_the_directory_is_closed() {
    if !can_give_away() {
        return;
    }
    let at = work();
    at.run(&MIGRATE).code(0);
    let (head, planted) = (at.head(), log_of_another_ledger(&at));
    for ending in ["-wal", "-journal", "-shm"] {
        let log = beside(&at.ledger(), ending);
        mode(&at.work(), 0o777);
        fs::write(&log, &planted).unwrap();
        mode(&log, 0o644);
        chown(&log, Some(ANOTHER), None).unwrap();
        let ran = at.run(&["status"]).code(2).says("(mode 0777)");
        let name = format!("longshore.production.ledger{ending}");
        let hint = ran.stderr.split_once("Hint").map_or(ran.stderr.as_str(), |(_, hint)| hint);
        assert!(hint.contains(&name), "what others have left there is named: {ran}");
        paste(&at, &ran.stderr, "chmod go-w ");
        for args in READERS {
            let ran = at.run(args).code(2).says(&name).says("belongs to another user (uid 65534)");
            assert!(!ran.stderr.contains("chown") && !ran.stderr.contains("rm "), "{ran}");
            assert!(!at.work().join("copy").exists(), "{ran}");
        }
        let doctor = at.run(&["doctor", "--format", "json"]).code(13);
        assert_eq!(doctor.stdout.matches("belongs to another user").count(), 1, "{doctor}");
        paste(&at, &at.run(&["status"]).code(2).stderr, "mv ");
        at.run(&["status"]).code(0);
        assert_eq!(at.head(), head, "{ending}");
        // A log of one's own that has another name elsewhere may be that of another ledger.
        fs::write(&log, "").unwrap();
        fs::hard_link(&log, at.sandbox_dir().join("second")).unwrap();
        at.run(&["status"]).code(2).says("has 2 names (hard links)");
        fs::remove_file(&log).unwrap();
        fs::remove_file(at.sandbox_dir().join("second")).unwrap();
    }
}

#[test]
fn s5_a_colleagues_ledger_is_read_with_the_log_of_its_owner_and_of_no_third() {
    if !can_give_away() {
        return;
    }
    let at = work();
    at.run(&MIGRATE).code(0);
    let head = at.head();
    // A writer that was killed leaves its log.
    let ledger = rusqlite::Connection::open(at.ledger()).unwrap();
    ledger.execute_batch("BEGIN IMMEDIATE; ROLLBACK").unwrap();
    for path in [at.work(), at.ledger()] {
        chown(path, Some(COLLEAGUE), None).unwrap();
    }
    for (ending, owner, code) in
        [("-wal", COLLEAGUE, 0), ("-shm", 0, 0), ("-shm", ANOTHER, 2), ("-wal", ANOTHER, 2)]
    {
        let file = beside(&at.ledger(), ending);
        assert!(file.exists(), "{ending}");
        chown(&file, Some(owner), None).unwrap();
        let ran = at.run(&["status"]).code(code);
        assert!(code == 0 || ran.stderr.contains("belongs to another user (uid 65534)"), "{ran}");
        if code == 0 {
            assert_eq!(at.head(), head);
        }
        chown(&file, Some(COLLEAGUE), None).unwrap();
    }
}

#[test]
fn s5_what_is_written_where_a_flag_says_goes_through_no_directory_link_of_another() {
    if !can_give_away() {
        return;
    }
    let at = work();
    let (victim, shared) = (at.sandbox_dir().join("victim"), at.sandbox_dir().join("shared"));
    for dir in [&victim, &shared] {
        fs::create_dir(dir).unwrap();
    }
    mode(&shared, 0o1777);
    let all = ["index.html", "notes"];
    for name in all {
        fs::write(victim.join(name), "mine\n").unwrap();
        mode(&victim.join(name), 0o600);
    }
    symlink(&victim, shared.join("reports")).unwrap();
    symlink("/dev", shared.join("dev")).unwrap();
    for name in ["reports", "dev"] {
        lchown(shared.join(name), Some(ANOTHER), None).unwrap();
    }
    // Behind a link of one's own it is another's as well.
    symlink(shared.join("reports"), at.work().join("own")).unwrap();
    at.run(&MIGRATE).code(0);
    let (rows, shared) = (at.rows(), shared.to_str().unwrap());
    for dir in [&format!("{shared}/reports"), "own"] {
        let file = |name: &str| format!("{dir}/{name}");
        let migrate =
            |out: &str| ["migrate", "--country", "DE", "--yes", "--out", out].map(str::to_owned).to_vec();
        let one = |args: &[&str], name: &str| {
            [args, &[&*file(name)]].concat().iter().map(|s| (*s).to_owned()).collect()
        };
        let all_args: Vec<Vec<String>> = vec![
            one(&["report", "--format", "html", "-o"], "index.html"),
            one(&["export", "failures", "-o"], "new"),
            one(&["countries", "-vv", "--log-file"], "notes"),
            one(&["countries", "--log-file"], "new"),
            one(&["plan", "--country", "DE", "--out"], "new"),
            one(&["ledger", "backup"], "new"),
            migrate(&file("files")),
        ];
        for args in all_args {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let ran = run(&at, &args).code(2).says("is a symbolic link of another user (uid 65534)");
            let ran = ran.says("Name another file, or work in a directory of your own");
            let mut names: Vec<_> =
                fs::read_dir(&victim).unwrap().map(|file| file.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, all, "{ran}");
            for name in all {
                assert_eq!(fs::read_to_string(victim.join(name)).unwrap(), "mine\n", "{ran}");
            }
            assert!(!ran.stderr.contains("chmod"), "no advice reaches through it: {ran}");
        }
    }
    for flag in ["-o", "--log-file"] {
        run(&at, &["countries", flag, &format!("{shared}/dev/null")])
            .code(2)
            .says("is a symbolic link of another user");
    }
    assert!(at.rows() == rows);
    // Links of one's own to a directory are fine, and so is a directory that others may write where no link is on the way.
    symlink(&victim, at.work().join("mine")).unwrap();
    for dir in ["mine", shared] {
        let file = |name: &str| format!("{dir}/{name}");
        run(&at, &["countries", "-o", &file("a")]).code(0);
        run(&at, &["countries", "--log-file", &file("b")]).code(0);
        run(&at, &["plan", "--country", "FR", "--out", &file("c")]).code(0);
        let ran = run(&at, &["migrate", "--country", "FR", "--yes", "--out", &file("d")]);
        assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
        for name in ["a", "b", "c", "d"] {
            assert_eq!(fs::metadata(at.work().join(file(name))).unwrap().mode() & 0o077, 0, "{dir} {name}");
        }
    }
    // A link that others can exchange is as good as theirs.
    mode(&at.work(), 0o777);
    run(&at, &["countries", "-o", "mine/a"]).code(2).says("(mode 0777)").says("chmod go-w /");
    run(&at, &["countries", "--log-file", "mine/b"]).code(2).says("(mode 0777)").says("chmod go-w /");
    run(&at, &["plan", "--country", "FR", "--out", "mine/e"])
        .code(2)
        .says("(mode 0777)")
        .says("chmod go-w /");
    let ran = run(&at, &["migrate", "--country", "FR", "--yes", "--out", "mine/d"]).code(2);
    ran.says("(mode 0777)").says("chmod go-w /");
}

#[test]
fn e7_a_file_that_claims_to_be_endless_is_not_read_to_its_end() {
    let at = work();
    at.run(&MIGRATE).code(0);
    let (text, damaged) = (at.sandbox_dir().join("text"), at.sandbox_dir().join("damaged"));
    fs::write(&text, "this is no database, but it is long enough for a header of one".repeat(99)).unwrap();
    fs::copy(at.ledger(), &damaged).unwrap();
    // Every page but the first.
    let file = File::options().write(true).open(&damaged).unwrap();
    for at in (4096..file.metadata().unwrap().len()).step_by(4096) {
        file.write_all_at(&[0xff; 4096], at).unwrap();
    }
    for path in [&text, &damaged] {
        File::options().write(true).open(path).unwrap().set_len(8_000 << 30).unwrap();
        mode(path, 0o600);
        let ledger = ["--ledger", path.to_str().unwrap()];
        for args in READERS.into_iter().chain([&MIGRATE[..], &["resume", "--yes"]]) {
            let ran = run(&at, &[args, &ledger].concat()).code(20);
            assert!(!at.work().join("copy").exists(), "{ran}");
        }
        run(&at, &[&["doctor"], &ledger[..]].concat()).code(13);
    }
}
