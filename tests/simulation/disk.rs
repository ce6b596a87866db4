//! The disks that ledgers lie on: full, failing, or without power. And ledgers that are put back to an old backup.

use std::path::{Path, PathBuf};

use faulty_vfs::{Disk, How, Op, Part};
use ledger::event::{Opened, Record, Target};
use ledger::ids::{LedgerId, Seq};
use ledger::ledger::Ledger;
use ledger::store::LedgerError;
use ledger::timestamp::Timestamp;
use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_IOERR_READ, SQLITE_IOERR_WRITE};
use tokio::time::Instant;

use super::book;
use super::faults::{Fault, Weather};
use super::process::Process;
use super::world::{Inner, LEDGERS, World};

/// What comes about between two calls of a process.
const FAULTS: [Fault; 5] =
    [Fault::DiskFull, Fault::DiskWriteFails, Fault::DiskSyncFails, Fault::DiskReadFails, Fault::PowerCut];

/// The disks of a history's ledgers, where anything is to go wrong with them.
#[derive(Default)]
pub struct Disks([Option<Watched>; LEDGERS]);

struct Watched {
    disk: Disk,
    /// The process whose trouble it is.
    orderer: Option<u64>,
    /// When it was last noticed that what was ordered has happened. Whoever met it may go on for a while, and more is ordered.
    struck: Option<Instant>,
    /// The power is cut when this process has ended.
    cut: Option<u64>,
}

impl Watched {
    fn new(path: &Path) -> Self {
        Self { disk: Disk::of(path), orderer: None, struck: None, cut: None }
    }

    fn notice(&mut self) {
        if self.orderer.is_some() && self.disk.has_struck() {
            self.struck = Some(Instant::now());
        }
    }
}

impl Disks {
    /// Watches the ledgers at these paths.
    pub fn watch(paths: [PathBuf; LEDGERS]) -> Self {
        Self(paths.map(|path| Some(Watched::new(&path))))
    }

    fn order(&mut self, ledger: usize, process: u64, fault: faulty_vfs::Fault) {
        if let Some(watched) = &mut self.0[ledger] {
            watched.notice();
            watched.disk.order(fault);
            watched.orderer = Some(process);
        }
    }

    /// The process is killed: what it has open is not put in order any more, as it is when a program closes it.
    pub fn leave(&mut self, by: &Process) {
        let how = How::Error(SQLITE_IOERR_WRITE);
        let fault = faulty_vfs::Fault { part: Part::Main, op: Op::Write, nth: 0, lasts: true, how };
        let is_dead = |watched: &Watched| watched.orderer.is_some() && watched.disk.has_struck();
        if !self.0[by.ledger].as_ref().is_none_or(is_dead) {
            self.order(by.ledger, by.number, fault);
        }
    }

    /// The process has ended and closed its ledger; all is well from now on. Whether anything was wrong while it lived.
    pub fn mend(&mut self, by: &Process) -> bool {
        let Some(watched) = &mut self.0[by.ledger] else { return false };
        watched.notice();
        let has_struck = watched.struck.is_some_and(|struck| struck >= by.born);
        if watched.orderer.is_some_and(|orderer| orderer == by.number) {
            watched.disk.mend();
            watched.orderer = None;
            if let Some(seed) = watched.cut.take() {
                watched.disk.cut_power(seed);
            }
        }
        has_struck
    }

    /// The ledger is another file from here on.
    fn anew(&mut self, ledger: usize, path: &Path) {
        if let Some(watched) = &mut self.0[ledger] {
            *watched = Watched::new(path);
        }
    }

    /// Whether these disks are watched at all.
    pub fn are_watched(&self) -> bool {
        self.0[0].is_some()
    }
}

/// Whether the weather has any trouble with disks.
pub fn has_trouble(world: &Inner) -> bool {
    FAULTS.iter().any(|fault| world.weather.rate(*fault) > 0)
}

/// Lets something go wrong with the disk of a process's ledger. Whether the process dies of it at once.
pub fn trouble(world: &mut Inner, by: &Process) -> bool {
    for fault in FAULTS {
        if !world.disks.are_watched() || !world.strikes(fault) {
            continue;
        }
        world.tell(|| format!("process {}: {}", by.number, fault.name()));
        let (nth, lasts, seed) = (world.dice.u64(0..4), world.dice.bool(), world.dice.u64(..));
        let part = [Part::Main, Part::Wal][world.dice.usize(0..2)];
        let is_at_once = world.dice.bool();
        let ordered = |part, op, how| faulty_vfs::Fault { part, op, nth, lasts, how };
        let half = |code| if is_at_once { How::Half(code) } else { How::Error(code) };
        let fault = match fault {
            Fault::DiskFull => {
                faulty_vfs::Fault { lasts: true, ..ordered(Part::Wal, Op::Write, half(SQLITE_FULL)) }
            }
            Fault::DiskWriteFails => ordered(part, Op::Write, half(SQLITE_IOERR_WRITE)),
            Fault::DiskSyncFails => ordered(part, Op::Sync, How::Error(SQLITE_IOERR_FSYNC)),
            Fault::DiskReadFails => ordered(part, Op::Read, How::Error(SQLITE_IOERR_READ)),
            _ if is_at_once => {
                if let Some(watched) = &mut world.disks.0[by.ledger] {
                    watched.cut = Some(seed);
                }
                return true;
            }
            _ => ordered(part, [Op::Write, Op::Sync][nth as usize % 2], How::PowerCut(seed)),
        };
        world.disks.order(by.ledger, by.number, fault);
    }
    false
}

/// Whether a ledger still has everything behind a process whose disk has failed.
pub fn nothing_lost(world: &mut Inner, ledger: usize, path: &Path) {
    // The trouble is another process's, which still has the ledger.
    if world.disks.0[ledger].as_ref().is_some_and(|watched| watched.orderer.is_some()) {
        return;
    }
    if world.people.appended[ledger].is_empty() {
        return;
    }
    let read = match Ledger::read(path) {
        Err(LedgerError::Missing { .. }) => return,
        read => read.expect("a ledger can be read"),
    };
    has_all(world, ledger, &book::records(&read, Seq(1)));
}

/// A ledger has everything that its processes were told it has, in that order.
pub fn has_all(world: &mut Inner, ledger: usize, there: &[Record]) {
    let mut rest = there.iter();
    let lost =
        world.people.appended[ledger].iter().find(|appended| !rest.any(|there| there == *appended)).cloned();
    if let Some(lost) = lost {
        world.break_promise(format!("ledger {ledger} has lost {lost:?}"));
    }
}

/// Between two commands: a backup of a ledger is made, or an older one is put into its place.
pub fn back_up(world: &mut Inner, ledger: usize, path: &Path) {
    if world.weather.rate(Fault::BackupRestored) == 0 {
        return;
    }
    let backup = path.with_extension("backup");
    if let Some(left) = world.people.backups[ledger].clone()
        && world.strikes(Fault::BackupRestored)
    {
        for ending in ["-wal", "-shm"] {
            let mut beside = path.as_os_str().to_owned();
            beside.push(ending);
            let _it_may_be_gone = std::fs::remove_file(beside);
        }
        std::fs::copy(&backup, path).expect("a backup can be put back");
        world.disks.anew(ledger, path);
        world.tell(|| format!("ledger {ledger} is an old backup from here on"));
        world.people.forgot[ledger] = true;
        world.people.appended[ledger].clear();
        world.known[ledger] = None;
        book::put_back(world, ledger, &Ledger::read(path).expect("it is a ledger"));
        world.people.left.retain(|(by, ..), _| *by != ledger);
        world.people.left.extend(left);
        // What the ledger knows nothing of, it does not take back.
        for row in world.database_mut(ledger).rows.values_mut() {
            row.original = row.original.take().filter(|original| *original == row.images);
        }
    } else if world.dice.bool()
        && let Ok(read) = Ledger::read(path)
    {
        let _there_may_be_none = std::fs::remove_file(&backup);
        let copied = read.store().copy_to(&backup).and_then(|()| Ledger::read(&backup));
        if copied.is_ok_and(|copy| copy.head() == read.head()) {
            world.count("backup made");
            let left = world.people.left.clone();
            world.people.backups[ledger] =
                Some(left.into_iter().filter(|((by, ..), _)| *by == ledger).collect());
        } else {
            world.break_promise(format!("ledger {ledger}: a copy of it is not the same"));
        }
    }
}

#[test]
fn e5_a_disk_that_has_failed_is_to_blame_whatever_is_to_fail_next() {
    faulty_vfs::register_alone();
    let dir = tempfile::tempdir().unwrap();
    let paths = ["a.ledger", "b.ledger"].map(|name| dir.path().join(name));
    let mut disks = Disks::watch(paths.clone());
    let process = Process::new(&World::new(fastrand::Rng::with_seed(0), Weather::fair(), false), 0);
    let fault = |nth| {
        let how = How::Error(SQLITE_IOERR_FSYNC);
        faulty_vfs::Fault { part: Part::New, op: Op::Sync, nth, lasts: false, how }
    };
    let make = || {
        let (name, kind, database) = ("dev".into(), "sqlite".into(), "pretended".into());
        let target = Target { name, kind, system: None, database, host: None };
        let opened = Opened { format: 1, ledger: LedgerId([1; 16]), shard: None, target };
        Ledger::create(&paths[0], opened, Timestamp::from_millis(0), "a test")
    };
    disks.order(0, process.number, fault(1_000));
    assert!(!disks.mend(&process));
    disks.order(0, process.number, fault(0));
    assert!(matches!(make(), Err(LedgerError::Disk { .. })));
    disks.order(0, process.number, fault(1_000));
    assert!(disks.mend(&process));
}
