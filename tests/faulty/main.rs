//! The whole program on a ledger whose disk fails at one call: it says so and ends with its exit code, and the next
//! `resume` comes to the end of a run that nothing disturbed.
//!
//! Started with [`FAULT`] in its environment, this test is the program, behind a VFS that fails as it is told.

#![forbid(unsafe_code)]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../it/kill/hand.rs"]
mod hand;
#[allow(dead_code, reason = "main.rs as it is, with what only the program needs")]
#[path = "../../src/main.rs"]
mod program;
#[allow(dead_code, unused_imports, reason = "other tests use more of it")]
#[path = "../it/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use faulty_vfs::{Disk, Fault, How, Op, Part};
use hand::{Held, VENUES, held, migrate, rollback};
use rusqlite::ffi::*;
use support::program::{Ran, Workplace};
use support::stage::Kind;

/// What fails, in the words of [`spelled`].
const FAULT: &str = "LONGSHORE_TEST_FAULT";
/// Where the program notes how often each call was made, when it comes to its end without the fault.
const NOTE: &str = "LONGSHORE_TEST_NOTE";
/// The ledger whose disk fails.
const LEDGER: &str = "LONGSHORE_TEST_LEDGER";
/// Set, each call of every kind fails in turn. Else the second and the middle one, and of a migration the first and the
/// last but one, too.
const ALL: &str = "LONGSHORE_FAULTS_ALL";

/// What fails: the n-th of these calls, once.
type Case = (Part, Op, u64, How);

fn hows() -> [(&'static str, How); 8] {
    [
        ("cantopen", How::Error(SQLITE_CANTOPEN)),
        ("read", How::Error(SQLITE_IOERR_READ)),
        ("write", How::Error(SQLITE_IOERR_WRITE)),
        ("full", How::Half(SQLITE_FULL)),
        ("fsync", How::Error(SQLITE_IOERR_FSYNC)),
        ("fstat", How::Error(SQLITE_IOERR_FSTAT)),
        ("exit", How::Exit),
        ("powercut", How::PowerCutExit(0)),
    ]
}

fn spelled((part, op, nth, how): Case) -> String {
    let is_how = |(_, known): &&(&str, How)| *known == how;
    format!("{part:?} {op:?} {nth} {}", hows().iter().find(is_how).expect("it has a name").0)
}

fn read(text: &str) -> Case {
    let words: Vec<_> = text.split(' ').collect();
    let [part, op, nth, how] = words[..] else { panic!("{text:?}") };
    let nth = nth.parse().unwrap();
    let how = match hows().into_iter().find(|(name, _)| *name == how).unwrap().1 {
        How::PowerCutExit(_) => How::PowerCutExit(nth),
        how => how,
    };
    let part = Part::ALL.into_iter().find(|known| format!("{known:?}") == part).unwrap();
    (part, Op::ALL.into_iter().find(|known| format!("{known:?}") == op).unwrap(), nth, how)
}

/// The program, on a disk that fails.
fn be_the_program(fault: &str) -> ExitCode {
    faulty_vfs::register();
    let disk = Disk::of(Path::new(&std::env::var_os(LEDGER).unwrap()));
    let (part, op, nth, how) = read(fault);
    disk.order(Fault { part, op, nth, lasts: false, how });
    let code = program::main();
    if !disk.has_struck() {
        let count = disk.counts().get(&(part, op)).copied().unwrap_or(0);
        std::fs::write(std::env::var_os(NOTE).unwrap(), count.to_string()).unwrap();
    }
    code
}

/// What the program does on a disk that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Migrate,
    /// Goes on with a migration that ended in the middle of a sync of its ledger's log.
    Resume,
    Rollback,
}

impl Verb {
    fn args(self) -> Vec<&'static str> {
        match self {
            Self::Migrate => migrate(),
            Self::Resume => vec!["resume", "--yes"],
            Self::Rollback => rollback(),
        }
    }

    /// A world in which it begins.
    fn world(self, kind: Kind) -> Workplace {
        let work = Workplace::new(kind, VENUES);
        match self {
            Self::Migrate => {}
            Self::Resume => {
                let (ran, _) = faulty(&work, Self::Migrate, (Part::Wal, Op::Sync, SYNCS, How::Exit));
                assert!(ran.code.is_none(), "it came to its end: {ran}");
            }
            Self::Rollback => drop(work.run(&migrate())),
        }
        work
    }

    /// What it leaves where nothing disturbs it, and its exit code.
    fn undisturbed(self, kind: Kind) -> (Held, i32) {
        let work = self.world(kind);
        let ran = work.run(&self.args());
        let code = ran.code.filter(|code| [0, 10].contains(code)).unwrap_or_else(|| panic!("{ran}"));
        (held(&work), code)
    }
}

/// So often a migration syncs its log before it is half-way.
const SYNCS: u64 = 12;

/// Runs it on a disk that fails. Gives how the program ended, and how often such calls were made where it met none
/// that failed.
fn faulty(work: &Workplace, verb: Verb, case: Case) -> (Ran, Option<u64>) {
    let note: PathBuf = work.sandbox_dir().join("note");
    let of_program = work.command(&verb.args());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(of_program.get_args()).current_dir(work.work()).env_clear();
    command.envs(of_program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // As SQLite names it.
    let ledger = work.work().canonicalize().unwrap().join(work.ledger().file_name().unwrap());
    command.env(FAULT, spelled(case)).env(NOTE, &note).env(LEDGER, ledger);
    command.stdin(std::process::Stdio::null());
    let ran = Ran::new(&verb.args(), command.output().unwrap());
    (ran, std::fs::read_to_string(note).ok().map(|count| count.parse().unwrap()))
}

/// Each of the calls of some kinds fails in turn.
fn each_fails(kind: Kind, verb: Verb, kinds: &[(Part, Op, &[How])]) {
    let (end, code) = verb.undisturbed(kind);
    for (part, op, hows) in kinds {
        let (ran, count) = faulty(&verb.world(kind), verb, (*part, *op, u64::MAX, hows[0]));
        let ran = ran.code(code);
        let count = count.unwrap();
        assert!(count > 0, "no {op:?} of {part:?} is made: {ran}");
        let mut some = vec![1, count / 2];
        if verb == Verb::Migrate && kind == Kind::Sqlite {
            some.extend([0, count.saturating_sub(2)]);
        }
        let all = std::env::var_os(ALL).is_some();
        for how in *hows {
            let mut struck = 0;
            for nth in (0..count).filter(|nth| all || some.contains(nth)) {
                let work = verb.world(kind);
                let case = (*part, *op, nth, *how);
                let (ran, survived) = faulty(&work, verb, case);
                let told = format!("{}: {ran}", spelled(case));
                // The number of calls differs from run to run; and not all that fails matters: the log is put into the
                // ledger's file at the end, or later.
                let is_well = survived.is_some() || ran.code == Some(code);
                match how {
                    How::Exit | How::PowerCutExit(_) => assert!(is_well || ran.code.is_none(), "{told}"),
                    _ if is_well => {}
                    _ => {
                        assert_eq!(ran.code, Some(30), "{told}");
                        let is_told =
                            ran.stderr.contains("Error: the ledger") && ran.stderr.contains("cannot be used");
                        assert!(is_told, "{told}");
                    }
                }
                struck += u64::from(survived.is_none());
                goes_on(&work, verb, code, &told);
                held(&work).assert_same(&end, &told);
            }
            assert!(struck > 0, "{part:?} {op:?} {how:?} was never met");
        }
    }
}

/// Goes on as the person would, on a disk that is well, and sees that the ledger is.
fn goes_on(work: &Workplace, verb: Verb, code: i32, told: &str) {
    // Once a migration is whole, there is nothing to resume.
    let anew = if verb == Verb::Rollback { rollback() } else { migrate() };
    let goes_on = match work.ledger().exists() {
        true => work.run(&["resume", "--yes"]),
        false => work.run(&anew),
    };
    // It ended before its run began, or with its last line written.
    let goes_on = if goes_on.stderr.contains("Nothing to resume") { work.run(&anew) } else { goes_on };
    assert_eq!(goes_on.code, Some(code), "{told}\nand then: {goes_on}");
    let verified = work.run(&["ledger", "verify"]);
    assert_eq!(verified.code, Some(0), "{told}\nand then: {verified}");
}

const POWER_CUT: How = How::PowerCutExit(0);

fn e5_the_program_meets_a_log_that_fails() {
    each_fails(
        Kind::Sqlite,
        Verb::Migrate,
        &[
            (Part::Wal, Op::Write, &[How::Error(SQLITE_IOERR_WRITE), How::Half(SQLITE_FULL)]),
            (Part::Wal, Op::Sync, &[How::Error(SQLITE_IOERR_FSYNC)]),
            (Part::Wal, Op::Open, &[How::Error(SQLITE_CANTOPEN)]),
            (Part::Wal, Op::Read, &[How::Error(SQLITE_IOERR_READ)]),
        ],
    );
}

fn e5_the_program_meets_a_ledgers_file_that_fails() {
    each_fails(
        Kind::Sqlite,
        Verb::Migrate,
        &[
            (Part::Main, Op::Open, &[How::Error(SQLITE_CANTOPEN)]),
            (Part::Main, Op::Read, &[How::Error(SQLITE_IOERR_READ)]),
            (Part::Main, Op::Size, &[How::Error(SQLITE_IOERR_FSTAT)]),
            (Part::Main, Op::Write, &[How::Half(SQLITE_FULL)]),
            (Part::Main, Op::Sync, &[How::Error(SQLITE_IOERR_FSYNC)]),
            (Part::Shm, Op::Open, &[How::Error(SQLITE_CANTOPEN)]),
            (Part::New, Op::Write, &[How::Half(SQLITE_FULL)]),
            (Part::New, Op::Sync, &[How::Error(SQLITE_IOERR_FSYNC)]),
        ],
    );
}

fn e5_the_program_ends_and_the_power_is_cut_in_the_middle_of_a_call() {
    each_fails(
        Kind::Sqlite,
        Verb::Migrate,
        &[
            (Part::Wal, Op::Write, &[How::Exit, POWER_CUT]),
            (Part::Wal, Op::Sync, &[How::Exit, POWER_CUT]),
            (Part::Main, Op::Write, &[How::Exit, POWER_CUT]),
            (Part::New, Op::Write, &[How::Exit, POWER_CUT]),
            (Part::New, Op::Sync, &[POWER_CUT]),
        ],
    );
}

/// The calls by which a command that goes on or back reaches the disk.
const AGAIN: [(Part, Op, &[How]); 5] = [
    (Part::Wal, Op::Write, &[How::Half(SQLITE_FULL), How::Exit, POWER_CUT]),
    (Part::Wal, Op::Sync, &[How::Error(SQLITE_IOERR_FSYNC), POWER_CUT]),
    (Part::Wal, Op::Read, &[How::Error(SQLITE_IOERR_READ)]),
    (Part::Main, Op::Read, &[How::Error(SQLITE_IOERR_READ)]),
    (Part::Main, Op::Write, &[How::Half(SQLITE_FULL), POWER_CUT]),
];

fn e5_a_rollback_meets_a_disk_that_fails() {
    each_fails(Kind::Sqlite, Verb::Rollback, &AGAIN);
}

fn e5_a_resumed_run_meets_a_disk_that_fails() {
    each_fails(Kind::Sqlite, Verb::Resume, &AGAIN);
}

fn e5_a_ledger_beside_postgres_meets_a_disk_that_fails() {
    for verb in [Verb::Migrate, Verb::Rollback] {
        each_fails(
            Kind::Postgres,
            verb,
            &[(Part::Wal, Op::Sync, &[How::Error(SQLITE_IOERR_FSYNC), POWER_CUT])],
        );
    }
}

/// A test and its name.
macro_rules! tests {
    ($($test:ident)*) => {
        [$((stringify!($test), $test as fn())),*]
    };
}

/// The tests by their names.
const TESTS: [(&str, fn()); 6] = tests![
    e5_the_program_meets_a_log_that_fails
    e5_the_program_meets_a_ledgers_file_that_fails
    e5_the_program_ends_and_the_power_is_cut_in_the_middle_of_a_call
    e5_a_rollback_meets_a_disk_that_fails
    e5_a_resumed_run_meets_a_disk_that_fails
    e5_a_ledger_beside_postgres_meets_a_disk_that_fails
];

fn main() -> ExitCode {
    if let Ok(fault) = std::env::var(FAULT) {
        return be_the_program(&fault);
    }
    // As cargo-nextest and `cargo test` ask: which tests there are, and those whose names contain a word.
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let words: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-') && *arg != "terse").collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    for (name, test) in TESTS.into_iter().filter(|(name, _)| !has("--ignored") && wanted(name)) {
        match has("--list") {
            true => println!("{name}: test"),
            false => test(),
        }
    }
    ExitCode::SUCCESS
}
