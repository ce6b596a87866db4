//! Every call by which a ledger reaches the disk fails once: whatever was told as written is there afterwards, nothing
//! is there by half, and the disk is named as what failed.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

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

/// The last of all.
const LAST: u64 = 13;

/// How a story ended.
type Told = Result<(), LedgerError>;

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
fn story(path: &Path, told: &mut u64) -> Told {
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
    assert_eq!(is_whole(path, LAST, case), LAST, "{case}");
    let file = rusqlite::Connection::open(path).unwrap();
    let sound: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok", "{case}");
}

/// What is there already, and what is done.
type Story = (fn(&Path), fn(&Path, &mut u64) -> Told);

/// Tells a story once for each call of this kind, with this fault there, until one is told without meeting it. Gives
/// how many met it.
fn at_every((prepare, story): Story, (part, op): (Part, Op), lasts: bool, how: impl Fn(u64) -> How) -> u64 {
    faulty_vfs::register();
    for nth in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ledger");
        prepare(&path);
        let disk = Disk::of(&path);
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
            Ok(()) => assert_eq!(told, LAST, "{case}"),
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

/// From the first event on.
const NEW: Story = (|_| {}, story);
/// A copy of a ledger, which is gone on with.
const COPY: Story = (copied, continued);

/// Makes a copy of some events at `path`.
fn copied(path: &Path) {
    let first = path.with_extension("first");
    let mut writer = Ledger::create(&first, opened(), at(1), "test").unwrap();
    writer.append(&records(1, 2)).unwrap();
    writer.append(&records(2, 5)).unwrap();
    writer.store().copy_to(path).unwrap();
}

fn continued(path: &Path, told: &mut u64) -> Told {
    *told = 5;
    let mut writer = Ledger::open(path, "test")?;
    for last in APPENDS.into_iter().filter(|last| *last > 5) {
        writer.append(&records(*told, last))?;
        *told = last;
    }
    Ok(())
}

/// Events whose log is so long that SQLite puts it into the ledger's file within an append.
const CHECKPOINTED: Story = (filled, continued);

/// Makes a ledger with a log of nearly the thousand pages at which that is done, left by a writer that was killed.
fn filled(path: &Path) {
    let made = path.with_extension("made");
    let mut writer = Ledger::create(&made, opened(), at(1), "test").unwrap();
    writer.append(&records(1, 2)).unwrap();
    writer.append(&records(2, 5)).unwrap();
    let log = |path: &Path| path.with_file_name(format!("{}-wal", path.file_name().unwrap().display()));
    // Pages are written again and again, with what they have.
    let again = rusqlite::Connection::open(&made).unwrap();
    while std::fs::metadata(log(&made)).unwrap().len() < 996 * 4_120 {
        again.execute_batch("PRAGMA user_version = 1").unwrap();
    }
    std::fs::copy(&made, path).unwrap();
    std::fs::copy(log(&made), log(path)).unwrap();
    for file in [path, &log(path)] {
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
}

/// Each kind of call on these files fails, once or from then on. Gives how many did.
fn fails(story: Story, parts: &[Part]) -> BTreeMap<(Part, Op), u64> {
    let mut met = BTreeMap::new();
    for part in parts {
        for (op, hows) in errors() {
            for (how, lasts) in hows.into_iter().flat_map(|how| [(how, false), (how, true)]) {
                *met.entry((*part, op)).or_default() += at_every(story, (*part, op), lasts, |_| how);
            }
        }
    }
    println!("{met:?}");
    met
}

/// Sees that what a test is about has happened.
#[track_caller]
fn happened(met: &BTreeMap<(Part, Op), u64>, part: Part, ops: &[Op]) {
    for op in ops {
        assert!(met[&(part, *op)] > 0, "no {op:?} of {part:?} was met");
    }
}

#[test]
fn e5_each_call_on_the_ledgers_file_fails() {
    let met = fails(NEW, &[Part::Main]);
    happened(&met, Part::Main, &[Op::Open, Op::Read, Op::Write, Op::Sync, Op::Size]);
}

#[test]
fn e5_each_call_on_the_ledgers_log_fails() {
    let met = fails(NEW, &[Part::Wal]);
    happened(&met, Part::Wal, &[Op::Open, Op::Read, Op::Write, Op::Sync, Op::Size, Op::Delete]);
}

#[test]
fn e5_each_call_on_a_ledger_being_made_and_on_the_shared_index_fails() {
    let met = fails(NEW, &[Part::Shm, Part::New]);
    happened(&met, Part::Shm, &[Op::Open]);
    happened(&met, Part::New, &[Op::Open, Op::Write, Op::Sync]);
}

#[test]
fn e5_each_call_of_a_checkpoint_within_an_append_fails() {
    let undisturbed = at_every(CHECKPOINTED, (Part::Wal, Op::Truncate), false, |_| How::Exit);
    assert_eq!(undisturbed, 0);
    // The log is read to its thousandth page each time, so these are the calls of the checkpoint alone.
    for (op, how) in [
        (Op::Write, How::Half(SQLITE_FULL)),
        (Op::Write, How::PowerCut(1)),
        (Op::Sync, How::Error(SQLITE_IOERR_FSYNC)),
        (Op::Sync, How::PowerCut(2)),
    ] {
        let met = at_every(CHECKPOINTED, (Part::Main, op), false, |_| how);
        assert!(met > 1, "{op:?}: {met}");
    }
    for (op, how) in [(Op::Write, How::Error(SQLITE_IOERR_WRITE)), (Op::Sync, How::PowerCut(3))] {
        let met = at_every(CHECKPOINTED, (Part::Wal, op), false, |_| how);
        assert!(met > 1, "{op:?}: {met}");
    }
}

#[test]
fn e5_each_call_on_a_copy_that_is_gone_on_with_fails() {
    let met = fails(COPY, &[Part::Main, Part::Journal, Part::Wal]);
    happened(&met, Part::Journal, &[Op::Open, Op::Write, Op::Sync, Op::Delete]);
}

/// The power is cut before each call of every kind.
fn is_cut(story: Story, seeds: u64) -> BTreeMap<(Part, Op), u64> {
    let mut met = BTreeMap::new();
    for call in Part::ALL.into_iter().flat_map(|part| Op::ALL.map(|op| (part, op))) {
        for seed in 0..seeds {
            *met.entry(call).or_default() +=
                at_every(story, call, false, |nth| How::PowerCut(seed * 1_000 + nth));
        }
    }
    println!("{met:?}");
    met
}

/// Ways to lose what is not sure, for each call: `LONGSHORE_POWER_CUTS`, or a few.
fn seeds() -> u64 {
    std::env::var("LONGSHORE_POWER_CUTS").map_or(8, |seeds| seeds.parse().expect("a number"))
}

#[test]
fn e5_what_is_told_as_written_outlives_a_power_cut_at_each_call() {
    let met = is_cut(NEW, seeds());
    happened(&met, Part::Wal, &[Op::Write, Op::Sync, Op::Delete]);
    happened(&met, Part::Main, &[Op::Write, Op::Sync]);
    happened(&met, Part::New, &[Op::Write, Op::Sync]);
}
