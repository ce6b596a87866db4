//! Every call by which a ledger reaches the disk fails once: whatever was told as written is there afterwards, nothing
//! is there by half, and the disk is named as what failed.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use faulty_vfs::{Disk, Fault, How, Op, Part};
use ledger::event::{
    AlertAbout, Alerted, Country, Event, Opened, Operator, Options, Record, RunStarted, Scope, Target, Verb,
};
use ledger::ids::{LedgerId, RunId, Seq};
use ledger::ledger::Ledger;
use ledger::store::LedgerError;
use ledger::timestamp::Timestamp;
use rusqlite::ffi::*;

/// The last events of the appends: one or several at a time.
const APPENDS: [u64; 7] = [2, 5, 6, 7, 11, 12, 13];
/// The ledger is closed behind this one and opened again.
const CLOSED: u64 = 7;
/// This event takes several pages.
const LONG: u64 = 6;

fn opened() -> Opened {
    let target = Target {
        name: "dev".into(),
        kind: "sqlite".into(),
        system: None,
        database: "/data/eventasaurus.db".into(),
        host: None,
    };
    Opened { format: 1, ledger: LedgerId([7; 16]), shard: None, target }
}

fn at(seq: u64) -> Timestamp {
    Timestamp::from_millis(seq as i64)
}

/// What stands at a seq behind the first.
fn record(seq: u64) -> Record {
    let event = if seq == 2 {
        let operator = Operator { user: "anna".into(), host: "desk".into(), version: "0.1.0".into() };
        let options = Options::new(4, 25_000_000, 300_000);
        let scope = Scope::Country(Country { code: "PL".into(), name: "Poland".into(), slug: None });
        Event::RunStarted(RunStarted { verb: Verb::Migrate, scope, options, operator })
    } else {
        let message = if seq == LONG { "long ".repeat(2_000) } else { seq.to_string() };
        Event::Alerted(Alerted { about: AlertAbout::Usage, message })
    };
    Record { at: at(seq), run: Some(RunId(Seq(2))), event }
}

fn records(after: u64, last: u64) -> Vec<Record> {
    (after + 1..=last).map(record).collect()
}

/// Makes a ledger, appends, reads beside it, closes it, and goes on with it. `told` is the last event that was told as
/// written.
fn story(path: &Path, told: &mut u64) -> Result<(), LedgerError> {
    let mut writer = Ledger::create(path, opened(), at(1), "test")?;
    *told = 1;
    let mut reader = Ledger::read(path)?;
    for last in APPENDS {
        writer.append(&records(*told, last))?;
        *told = last;
        if last == CLOSED {
            assert_eq!(reader.catch_up()?.len() as u64, last - 1);
            assert_eq!(reader.head(), writer.head());
            drop(reader);
            drop(writer);
            writer = Ledger::open(path, "test")?;
            reader = Ledger::read(path)?;
        }
    }
    reader.catch_up()?;
    assert_eq!(writer.store().record(Seq(LONG))?, record(LONG));
    let mut seen = 0;
    writer.events(Seq(1), |_| {
        seen += 1;
        Ok::<_, LedgerError>(())
    })?;
    assert_eq!(seen, *told);
    Ok(())
}

/// Sees that a ledger has all that was told, at most the one append more that was under way, and nothing by half.
#[track_caller]
fn is_whole(path: &Path, told: u64, case: &str) -> u64 {
    let read = match Ledger::read(path) {
        Err(LedgerError::Missing { .. }) if told == 0 => return 0,
        read => read.unwrap_or_else(|error| panic!("{case}: {told} were told, and then: {error}")),
    };
    let head = read.head().seq.0;
    let next = APPENDS.into_iter().find(|last| *last > told);
    let may_be = [told.max(1), if told == 0 { 1 } else { next.unwrap_or(told) }];
    assert!(may_be.contains(&head), "{case}: {told} were told, and {head} are there");
    read.events(Seq(2), |(seq, found)| {
        assert_eq!(found, record(seq.0), "{case}");
        Ok::<_, LedgerError>(())
    })
    .unwrap();
    head
}

/// Reads, goes on with what is left, and reads again.
#[track_caller]
fn goes_on(path: &Path, told: u64, case: &str) {
    let left = is_whole(path, told, case);
    let mut head = left.max(1);
    if left == 0 {
        let made = Ledger::create(path, opened(), at(1), "test");
        drop(made.unwrap_or_else(|error| panic!("{case}: it is not made again: {error}")));
    }
    let mut writer = Ledger::open(path, "test").unwrap_or_else(|error| panic!("{case}: {error}"));
    for last in APPENDS.into_iter().filter(|last| *last > left) {
        writer.append(&records(head, last)).unwrap_or_else(|error| panic!("{case}: {error}"));
        head = last;
    }
    drop(writer);
    assert_eq!(is_whole(path, 13, case), 13, "{case}");
    let file = rusqlite::Connection::open(path).unwrap();
    let sound: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok", "{case}");
}

/// A ledger's place in a directory of its own, whose disk can fail.
fn place() -> (tempfile::TempDir, PathBuf, Disk) {
    faulty_vfs::register();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ledger");
    let disk = Disk::of(&path);
    (dir, path, disk)
}

/// Tells the story once for each call of this kind, with this fault there, until one is told without meeting it. Gives
/// how many met it.
fn at_every(part: Part, op: Op, lasts: bool, how: impl Fn(u64) -> How) -> u64 {
    for nth in 0.. {
        let (_dir, path, disk) = place();
        let fault = Fault { part, op, nth, lasts, how: how(nth) };
        disk.order(fault);
        let mut told = 0;
        let case = format!("{fault:?}");
        let end = catch_unwind(AssertUnwindSafe(|| story(&path, &mut told)));
        let end = end.unwrap_or_else(|_| panic!("{case}: it panicked, {told} were told"));
        if !disk.has_struck() {
            end.unwrap_or_else(|error| panic!("{case} was not met: {error}"));
            return nth;
        }
        match end {
            // Not all that fails matters: a log that cannot be deleted stays.
            Ok(()) => assert_eq!(told, 13, "{case}"),
            Err(LedgerError::Disk { .. }) => {}
            Err(error) => panic!("{case}: the disk is at fault, and it says: {error}"),
        }
        disk.mend();
        goes_on(&path, told, &case);
    }
    unreachable!("a story has an end")
}

/// What can be met, and what SQLite's own VFS says of it.
fn errors() -> BTreeMap<Op, Vec<How>> {
    let errors = |codes: &[i32]| codes.iter().map(|code| How::Error(*code)).collect::<Vec<_>>();
    let halves = [How::Half(SQLITE_IOERR_WRITE), How::Half(SQLITE_FULL)];
    BTreeMap::from([
        (Op::Open, errors(&[SQLITE_CANTOPEN, SQLITE_IOERR_SHMMAP])),
        (Op::Read, errors(&[SQLITE_IOERR_READ])),
        (Op::Write, [errors(&[SQLITE_IOERR_WRITE, SQLITE_FULL]), halves.to_vec()].concat()),
        (Op::Sync, errors(&[SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC])),
        (Op::Truncate, errors(&[SQLITE_IOERR_TRUNCATE])),
        (Op::Size, errors(&[SQLITE_IOERR_FSTAT])),
        (Op::Delete, errors(&[SQLITE_IOERR_DELETE])),
    ])
}

fn fails(part: Part) {
    for (op, hows) in errors() {
        for how in hows {
            for lasts in [false, true] {
                let met = at_every(part, op, lasts, |_| how);
                println!("{part:?} {op:?} {how:?} lasts {lasts}: {met}");
            }
        }
    }
}

#[test]
fn e5_each_call_on_the_ledgers_file_fails() {
    fails(Part::Main);
}

#[test]
fn e5_each_call_on_the_ledgers_log_fails() {
    fails(Part::Wal);
}

#[test]
fn e5_each_call_on_the_ledgers_other_files_fails() {
    fails(Part::Journal);
    fails(Part::Shm);
    fails(Part::New);
}

#[test]
fn e5_what_is_told_as_written_outlives_a_power_cut_at_each_call() {
    for part in Part::ALL {
        for op in Op::ALL {
            for seed in 0..8 {
                let met = at_every(part, op, false, |nth| How::PowerCut(seed * 1_000 + nth));
                if seed == 0 {
                    println!("{part:?} {op:?}: {met}");
                }
            }
        }
    }
}
