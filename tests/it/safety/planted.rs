//! What somebody has put beside a ledger, or under a name that a flag says, is neither followed nor written to nor removed
//! (requirement S5).

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::kill::hand::VENUES;
use crate::steering::in_the_middle;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
/// The user to whom what is nobody's belongs.
const ANOTHER: u32 = 65_534;
/// As the spool names finished files and drafts.
const SPOOLED: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const DRAFT: &str = "draft-0123456789abcdef0123456789abcdef";

/// A directory of somebody's files that all may read.
struct Victim(tempfile::TempDir);

impl Victim {
    fn new() -> Self {
        let victim = Self(tempfile::tempdir().unwrap());
        for name in ["precious", SPOOLED, DRAFT] {
            fs::write(victim.file(name), "mine").unwrap();
            mode(&victim.file(name), 0o644);
        }
        mode(victim.0.path(), 0o755);
        victim
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Sees that it is as it was, with nothing gone and nothing new.
    #[track_caller]
    fn is_unharmed(&self, ran: &Ran) {
        let bits = |path: &Path| path.symlink_metadata().unwrap().permissions().mode() & 0o7777;
        let mut names: Vec<_> =
            fs::read_dir(self.0.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [SPOOLED, DRAFT, "precious"], "{ran}");
        for name in &names {
            let file = self.0.path().join(name);
            assert_eq!((fs::read_to_string(&file).unwrap().as_str(), bits(&file)), ("mine", 0o644), "{ran}");
        }
        assert_eq!(bits(self.0.path()), 0o755, "{ran}");
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Whether files can be given to another user; where they cannot, it says so.
fn can_give_away() -> bool {
    let can = rustix::process::geteuid().is_root();
    if !can {
        eprintln!("NOT RUN: only root can make another user's files");
    }
    can
}

fn work() -> Workplace {
    Workplace::new(Kind::Sqlite, VENUES)
}

fn beside(at: &Workplace, ending: &str) -> PathBuf {
    at.work().join(format!("longshore.production.ledger{ending}"))
}

fn pipe(at: &Path) {
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at, pipe, 0o600.into(), 0).unwrap();
}

/// Sees that a migration is refused, tells why, and has begun nothing.
#[track_caller]
fn is_refused(at: &Workplace, why: &str) -> Ran {
    let rows = at.rows();
    let ran = at.run(&MIGRATE).code(2).says(why);
    assert!(at.rows() == rows && at.requests("upload") == 0, "{ran}");
    ran
}

#[test]
fn s5_a_spool_that_is_a_link_a_file_or_anothers_is_refused() {
    let (at, victim) = (work(), Victim::new());
    let spool = beside(&at, ".spool");
    symlink(victim.0.path(), &spool).unwrap();
    let ran = is_refused(&at, "is a symbolic link, which is not followed").says(".spool");
    victim.is_unharmed(&ran.says("mv "));
    // A rollback clears what is left there.
    at.run(&["resume", "--yes"]);
    let ran = at.run(&["rollback", "--country", "PL", "--yes"]);
    victim.is_unharmed(&ran);

    fs::remove_file(&spool).unwrap();
    fs::write(&spool, "a file").unwrap();
    is_refused(&at, "is no directory");
    assert_eq!(fs::read_to_string(&spool).unwrap(), "a file");
    fs::remove_file(&spool).unwrap();
    if can_give_away() {
        fs::create_dir(&spool).unwrap();
        mode(&spool, 0o777);
        fs::write(spool.join(SPOOLED), "theirs").unwrap();
        chown(&spool, Some(ANOTHER), None).unwrap();
        is_refused(&at, "is a directory of another user");
        assert_eq!(spool.metadata().unwrap().permissions().mode() & 0o777, 0o777);
        assert_eq!(fs::read_to_string(spool.join(SPOOLED)).unwrap(), "theirs");
        fs::remove_dir_all(&spool).unwrap();
    }
    assert!(!at.ledger().exists(), "it was refused before a run began");
    at.run(&MIGRATE).code(0);
}

#[test]
fn s5_a_spool_that_is_exchanged_for_a_link_while_a_run_goes_on_is_not_followed() {
    let victim = Victim::new();
    let (at, going) = in_the_middle();
    let (spool, away) = (beside(&at, ".spool"), at.work().join("away"));
    fs::rename(&spool, &away).unwrap();
    symlink(victim.0.path(), &spool).unwrap();
    at.sandbox.faults.clear();
    let ran = going.end().code(10);
    victim.is_unharmed(&ran);
    assert_eq!(fs::read_dir(&away).unwrap().count(), 0, "the run has gone on in its own, and cleared it");
}

#[test]
fn s5_a_spool_is_cleared_of_the_names_that_it_gives_and_of_no_others() {
    let at = work();
    let spool = beside(&at, ".spool");
    fs::create_dir(&spool).unwrap();
    let strange = ["draft-notes", "precious", &SPOOLED.to_uppercase()];
    for name in strange.into_iter().chain([SPOOLED, DRAFT]) {
        fs::write(spool.join(name), "mine").unwrap();
    }
    at.run(&MIGRATE).code(0).says("was not made by longshore, and is left alone");
    let mut left: Vec<_> = fs::read_dir(&spool).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [&SPOOLED.to_uppercase(), "draft-notes", "precious"]);
}

#[test]
fn s5_a_lock_that_is_a_link_or_has_another_name_is_not_written_to() {
    let (at, victim) = (work(), Victim::new());
    let lock = beside(&at, ".lock");
    let precious = victim.file("precious");
    symlink(&precious, &lock).unwrap();
    victim.is_unharmed(&is_refused(&at, ".lock is a symbolic link, which is not followed"));
    fs::remove_file(&lock).unwrap();
    symlink("not there", &lock).unwrap();
    is_refused(&at, ".lock is a symbolic link, which is not followed");
    assert!(!at.work().join("not there").exists());
    fs::remove_file(&lock).unwrap();
    // Within one disk, as hard links are.
    let mine = at.work().join("mine");
    fs::write(&mine, "mine").unwrap();
    fs::hard_link(&mine, &lock).unwrap();
    is_refused(&at, ".lock has 2 names (hard links)");
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    fs::remove_file(&lock).unwrap();
    fs::write(&lock, "").unwrap();
    mode(&lock, 0o666);
    is_refused(&at, "may be written to by others (mode 0666)")
        .says("chmod go-w longshore.production.ledger.lock");
    fs::remove_file(&lock).unwrap();
    pipe(&lock);
    is_refused(&at, ".lock is no regular file");
    fs::remove_file(&lock).unwrap();
    if can_give_away() {
        fs::write(&lock, "theirs").unwrap();
        chown(&lock, Some(ANOTHER), None).unwrap();
        // Whoever has the directory may take it away.
        is_refused(&at, "belongs to another user").says("While nobody else works with it, take it away: rm ");
        assert_eq!(fs::read_to_string(&lock).unwrap(), "theirs");
    }
    assert!(!at.ledger().exists());
}

#[test]
fn s5_a_ledger_is_not_made_in_what_others_have_prepared_for_it() {
    let (at, victim) = (work(), Victim::new());
    let new = beside(&at, ".new");
    symlink(victim.file("precious"), &new).unwrap();
    victim.is_unharmed(&is_refused(&at, ".new is a symbolic link, which is not followed"));
    fs::remove_file(&new).unwrap();
    for ending in ["-wal", "-shm", "-journal"] {
        symlink(victim.file("not there"), beside(&at, ending)).unwrap();
        let why = format!("{ending} is a symbolic link, which is not followed");
        victim.is_unharmed(&is_refused(&at, &why));
        fs::remove_file(beside(&at, ending)).unwrap();
    }
    // What is left of a ledger that was being made, open for others, and under two names.
    let mine = at.work().join("mine");
    fs::write(&mine, "mine").unwrap();
    fs::hard_link(&mine, &new).unwrap();
    mode(&mine, 0o666);
    let mut spy = File::open(&new).unwrap();
    at.run(&MIGRATE).code(0);
    let mut seen = String::new();
    spy.read_to_string(&mut seen).unwrap();
    assert_eq!((seen.as_str(), fs::read_to_string(&mine).unwrap().as_str()), ("mine", "mine"));
    assert_eq!(at.ledger().metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn s5_a_claims_file_that_is_a_link_is_not_written_to() {
    let (at, victim) = (work(), Victim::new());
    let claim = at.sandbox_dir().join("eventasaurus.db.longshore-PL.lock");
    symlink(victim.file("precious"), &claim).unwrap();
    let rows = at.rows();
    let ran = at.run(&[&MIGRATE[..], &["--patience", "1"]].concat());
    assert_ne!(ran.code, Some(0), "{ran}");
    victim.is_unharmed(&ran.says("is a symbolic link, which is not followed").says("rm "));
    assert!(at.rows() == rows);
}

#[test]
fn s5_what_stands_where_the_socket_belongs_is_left_alone() {
    for is_link in [false, true] {
        let (at, victim) = (work(), Victim::new());
        let socket = beside(&at, ".sock");
        match is_link {
            true => symlink(victim.file("precious"), &socket).unwrap(),
            false => fs::write(&socket, "mine").unwrap(),
        }
        let ran = at.run(&MIGRATE).code(0).says("`longshore control` cannot reach this run").says("rm ");
        assert_eq!(socket.is_symlink(), is_link, "{ran}");
        assert_eq!(fs::read_to_string(&socket).unwrap(), "mine", "{ran}");
        victim.is_unharmed(&ran);
    }
}

#[test]
fn s5_what_is_written_where_a_flag_says_follows_no_link() {
    let (at, victim) = (work(), Victim::new());
    let link = |name: &str, to: PathBuf| symlink(to, at.work().join(name)).unwrap();
    link("answer", victim.file("precious"));
    link("dangling", victim.file("not there"));
    link("files", victim.0.path().to_owned());
    victim.is_unharmed(&at.run(&[&MIGRATE[..], &["--out", "files"]].concat()).code(2).says("symbolic link"));
    victim.is_unharmed(&at.run(&[&MIGRATE[..], &["--out", "files/"]].concat()).code(2).says("symbolic link"));
    at.run(&MIGRATE).code(0);
    for name in ["answer", "dangling"] {
        for args in [&["report", "-o", name][..], &["export", "rollback-data", "-o", name]] {
            victim.is_unharmed(&at.run(args).code(2).says("symbolic link"));
        }
        victim.is_unharmed(&at.run(&["ledger", "backup", name]).code(2));
        victim.is_unharmed(&at.run(&["plan", "--country", "DE", "--out", name]).code(2));
        victim.is_unharmed(&at.run(&["countries", "--log-file", name]).code(2).says("symbolic link"));
    }
    // A second name of a file is no link, and the other stays what it is.
    fs::write(at.work().join("mine"), "mine").unwrap();
    for twin in ["twin", "twin.log"] {
        fs::hard_link(at.work().join("mine"), at.work().join(twin)).unwrap();
    }
    at.run(&["countries", "--log-file", "twin.log"]).code(2).says("names (hard links)");
    at.run(&["report", "-o", "twin"]).code(0);
    assert_eq!(fs::read_to_string(at.work().join("mine")).unwrap(), "mine");
    if can_give_away() {
        chown(at.work().join("mine"), Some(ANOTHER), None).unwrap();
        at.run(&["report", "-o", "mine"]).code(2).says("it belongs to another user");
        assert_eq!(fs::read_to_string(at.work().join("mine")).unwrap(), "mine");
    }
}

#[test]
fn s5_a_ledger_that_others_may_change_is_read_and_not_written_to() {
    let at = work();
    at.run(&MIGRATE).code(0);
    let head = at.head();
    let refuses_to = |code: i32, why: &str| {
        for args in [&["migrate", "--country", "DE", "--yes"][..], &["ledger", "checkpoint"]] {
            at.run(args).code(2).says(why);
        }
        for args in [&["status"][..], &["report"], &["audit"], &["ledger", "verify"], &["log"]] {
            let ran = at.run(args).code(code);
            assert!(code == 0 || ran.stderr.contains(why), "{ran}");
        }
        let doctor = at.run(&["doctor", "--format", "json"]).code(13);
        assert!(doctor.stdout.contains(why), "{doctor}");
    };
    let refuses = |why: &str| refuses_to(0, why);
    // Who reads it does not wait for a pipe.
    for ending in ["-wal", "-shm", "-journal"] {
        pipe(&beside(&at, ending));
        for args in [&["status"][..], &["ledger", "verify"], &["ledger", "checkpoint"]] {
            at.run(args).code(2).says("is no regular file").says("Do not delete it");
        }
        fs::remove_file(beside(&at, ending)).unwrap();
    }
    mode(&at.ledger(), 0o666);
    refuses("chmod go-w");
    mode(&at.ledger(), 0o620);
    refuses("may be written to by others (mode 0620)");
    mode(&at.ledger(), 0o600);
    for bits in [0o777, 0o720, 0o702] {
        mode(&at.work(), bits);
        refuses_to(2, "is a directory that others may write to");
        refuses_to(2, "chmod go-w /");
    }
    // The sticky bit keeps nobody from making what SQLite would open.
    mode(&at.work(), 0o1777);
    refuses_to(2, "is a directory that others may write to (mode 1777)");
    mode(&at.work(), 0o700);
    assert_eq!(at.head(), head);
    if can_give_away() {
        let head = at.head();
        chown(at.ledger(), Some(ANOTHER), None).unwrap();
        at.run(&["ledger", "checkpoint"]).code(2).says("belongs to another user (uid 65534)");
        at.run(&["status"]).code(0);
        // What SQLite has made beside it belongs to its owner, and goes with it.
        for ending in ["", "-wal", "-shm"] {
            let _there_may_be_none = chown(beside(&at, ending), Some(0), None);
        }
        chown(at.work(), Some(ANOTHER), None).unwrap();
        at.run(&["ledger", "checkpoint"]).code(2).says("is a directory of another user (uid 65534)");
        at.run(&["status"]).code(0);
        assert_eq!(at.head(), head);
    }
}

#[test]
fn s5_a_backup_is_not_made_where_others_could_exchange_it_and_removes_nothing() {
    let at = work();
    at.run(&MIGRATE).code(0);
    let open = at.work().join("open");
    fs::create_dir(&open).unwrap();
    mode(&open, 0o777);
    at.run(&["ledger", "backup", "open/copy"]).code(2).says("chmod go-w /").says("/open\n");
    assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
    // SQLite would take up what others put beside the copy meanwhile.
    mode(&open, 0o1777);
    at.run(&["ledger", "backup", "open/copy"]).code(2).says("(mode 1777)");
    assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
    mode(&open, 0o700);
    at.run(&["ledger", "backup", "open/copy"]).code(0);
}
