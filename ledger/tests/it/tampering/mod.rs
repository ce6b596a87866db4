//! A small ledger with every kind of event, altered in every way that there is, one at a time: each byte of each event,
//! each row, each byte of the file and of its write-ahead log. What was altered is found and named, or changes nothing
//! of what the ledger says; and nothing hangs, panics or takes memory without bound (requirement E7).

mod bytes;
mod every;
mod log;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use ledger::chain::Head;
use ledger::event::Record;
use ledger::ids::Seq;
use ledger::ledger::Ledger;
use ledger::store::LedgerError;
use ledger::wire::encode;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

pub use every::every_event;

use crate::support::*;

/// Reading takes a millisecond.
const HANGING: Duration = Duration::from_secs(30);
/// How much more memory the process may have needed at its peak than before the first altered file, in KiB.
const MEMORY_MAX_KB: u64 = 64 * 1024;

/// The id of a file of which several events tell.
const MENTIONED: &str = "d";

/// What a file says.
type Said = Result<(Head, Vec<Record>), LedgerError>;

/// A ledger under test, and somebody who reads it as the program does.
struct Bench {
    dir: tempfile::TempDir,
    path: PathBuf,
    /// What was written, and where the chain was at each event.
    records: Vec<Record>,
    heads: Vec<Head>,
    ask: Sender<()>,
    said: Receiver<Said>,
    peak_before: Option<u64>,
}

impl Bench {
    /// The ledger with every kind of event, closed, in pages of so many bytes.
    fn new(page_size: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ledger");
        let records = every_event().records;
        write(&path, &records);
        let sql = format!(
            "PRAGMA journal_mode = DELETE; PRAGMA page_size = {page_size}; VACUUM; PRAGMA journal_mode = WAL"
        );
        Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
        let ledger = Ledger::read(&path).unwrap();
        let head = |n: usize| ledger.store().head_at(Seq(n as u64)).unwrap().unwrap();
        let heads = (1..=records.len()).map(head).collect();
        drop(ledger);
        let ((ask, asked), (tell, said)) = (channel(), channel());
        let opened = path.clone();
        std::thread::spawn(move || asked.into_iter().all(|()| tell.send(read(&opened)).is_ok()));
        let peak_before = peak_kb();
        Self { dir, path, records, heads, ask, said, peak_before }
    }

    fn last(&self) -> u64 {
        self.records.len() as u64
    }

    /// What the file says as it is now.
    fn read(&self, what: &dyn std::fmt::Display) -> Said {
        self.ask.send(()).unwrap();
        // A reader that panics drops its end.
        self.said.recv_timeout(HANGING).unwrap_or_else(|error| panic!("{what}: it is not read: {error}"))
    }

    /// Sees that the file as it is now is damaged at this event.
    fn is_damaged_at(&self, seq: u64, what: &dyn std::fmt::Display) {
        match self.read(what) {
            Err(LedgerError::Damaged { seq: found, .. }) if found == Seq(seq) => {}
            other => panic!("{what}: not damaged at event {seq}, but {:?}", other.map(|(head, _)| head)),
        }
    }

    /// Sees that the file says what was written up to this event, and nothing else.
    fn ends_at(&self, seq: u64, what: &dyn std::fmt::Display) {
        let (head, records) = self.read(what).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(head, self.heads[seq as usize - 1], "{what}");
        assert!(
            records == self.records[..seq as usize],
            "{what}: it says something else under the same head"
        );
    }

    /// A connection that does what somebody who knows SQLite does: the triggers, which keep accidents out, do nothing.
    fn intruder(&self) -> Connection {
        let intruder = Connection::open(&self.path).unwrap();
        intruder.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).unwrap();
        intruder.pragma_update(None, "synchronous", "OFF").unwrap();
        intruder
    }

    /// Sees that reading took no memory without bound, where the system tells.
    fn was_bounded(&self) {
        if let (Some(before), Some(now)) = (self.peak_before, peak_kb()) {
            assert!(now < before + MEMORY_MAX_KB, "{before} KiB before and {now} KiB now");
        }
    }
}

/// Writes records as a run does: the first alone, the others a few at a time.
pub fn write(path: &Path, records: &[Record]) {
    let mut ledger = Ledger::create(path, opened(), records[0].at, "test").unwrap();
    for batch in records[1..].chunks(3) {
        ledger.append(batch).unwrap();
    }
}

/// Reads a ledger whole, twice: it is verified, then every event is asked for again.
fn read(path: &Path) -> Said {
    let ledger = Ledger::read(path)?;
    let mut records = Vec::new();
    ledger.events(Seq(1), |(_, record)| {
        records.push(record);
        Ok::<_, LedgerError>(())
    })?;
    Ok((ledger.head(), records))
}

/// Asks an opened ledger for its events in every other way that it can be asked: from some of them on, each of these alone,
/// and those that mention a file. Whatever became of its file, an answer is what was written, or there is none. Gives how many
/// there are not.
fn refused(
    bench: &Bench,
    ledger: &Ledger,
    seqs: impl Iterator<Item = u64>,
    what: &dyn std::fmt::Display,
) -> usize {
    type Events = Result<Vec<Record>, LedgerError>;
    let all = |ask: &dyn Fn(&mut Vec<Record>) -> Result<(), LedgerError>| {
        let mut told = Vec::new();
        ask(&mut told).map(|()| told)
    };
    let mut refused = 0;
    let mut is_true = |told: Events, written: &[Record], asked: &dyn std::fmt::Display| match told {
        Ok(told) => assert!(told == written, "{what}: {asked}: it tells of {} events", told.len()),
        Err(LedgerError::Damaged { .. }) => refused += 1,
        Err(other) => panic!("{what}: {asked}: {other:?}"),
    };
    for seq in seqs {
        let from = seq as usize - 1;
        let from_on = all(&|told| {
            ledger.events(Seq(seq), |(_, record)| {
                told.push(record);
                Ok(())
            })
        });
        is_true(from_on, &bench.records[from..], &format_args!("from {seq} on"));
        let alone = ledger.store().record(Seq(seq)).map(|record| vec![record]);
        is_true(alone, &bench.records[from..=from], &format_args!("{seq} alone"));
    }
    let mentioned = all(&|told| {
        ledger.mentions(MENTIONED, |(_, record)| {
            told.push(record);
            Ok(())
        })
    });
    let quoted = format!("\"{MENTIONED}\"");
    let mentions: Vec<Record> =
        bench.records.iter().filter(|record| encode(record).contains(&quoted)).cloned().collect();
    assert!(mentions.len() >= 2, "{mentions:?}");
    is_true(mentioned, &mentions, &"what mentions a file");
    refused
}

/// The most memory that this process has needed so far.
fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
