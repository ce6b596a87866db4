//! What all parts of the pretend world share: dice, trouble, what has happened, and what was found to be wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger::ids::ContentHash;
use tokio::time::Instant;

use super::book::Book;
use super::bug::Bug;
use super::cdn::Library;
use super::database::Database;
use super::disk::Disks;
use super::entries::Entries;
use super::faults::{Fault, Weather};
use super::judge::Notes;
use super::known::Known;
use super::parts::Part;
use super::people::People;

/// One history's world. All processes of the history share it.
pub struct World(Mutex<Inner>);

/// What is in it.
pub struct Inner {
    /// Decides everything that is left to chance; seeded once a history.
    pub dice: fastrand::Rng,
    /// Which kinds of trouble there are, and how often.
    pub weather: Weather,
    /// The application's database; in some histories there are two, one of each ledger.
    pub databases: Vec<Database>,
    /// ImageKit's files.
    pub cdn: Library,
    /// What the origin gives, by URL.
    pub pictures: BTreeMap<String, Arc<[u8]>>,
    /// What the origin gave, by URL.
    pub given: BTreeMap<String, BTreeSet<ContentHash>>,
    /// The bytes beside each ledger that were downloaded and not uploaded yet.
    pub spools: [BTreeMap<ContentHash, Arc<[u8]>>; LEDGERS],
    /// What people know and keep.
    pub people: People,
    /// What each ledger came to when its last process ended; none where that was not in order.
    pub known: [Option<Known>; LEDGERS],
    /// The heads of the ledgers at the end.
    pub heads: Vec<String>,
    /// What the ledgers lie on.
    pub disks: Disks,
    /// Until when each part is in trouble as a whole, and how.
    pub storms: [Option<(Instant, Fault)>; Part::ALL.len()],
    /// What each process has asked for, by its number.
    pub notes: BTreeMap<u64, Notes>,
    /// What each ledger's processes have written down.
    pub books: [Book; LEDGERS],
    /// What entries of ours held when they were planned or written.
    pub entries: Entries,
    /// A planted bug; none in the program as it is.
    pub bug: Option<Bug>,
    /// How often each thing came about.
    pub happened: BTreeMap<&'static str, u64>,
    /// Promises that were broken.
    pub wrong: Vec<String>,
    /// What came about, in order, for whoever reads a failing history.
    pub told: Vec<String>,
    /// Whether that is kept.
    pub tells: bool,
    processes: u64,
    moments: u64,
}

/// Ledgers that work on one ImageKit account.
pub const LEDGERS: usize = 2;

impl World {
    /// An empty world.
    pub fn new(dice: fastrand::Rng, weather: Weather, tells: bool) -> Arc<Self> {
        let databases = if weather.rate(Fault::SecondDatabase) > 0 { 2 } else { 1 };
        Arc::new(Self(Mutex::new(Inner {
            dice,
            weather,
            databases: (0..databases).map(|_| Database::default()).collect(),
            cdn: Library::default(),
            pictures: BTreeMap::new(),
            given: BTreeMap::new(),
            spools: Default::default(),
            people: People::default(),
            known: Default::default(),
            heads: Vec::new(),
            disks: Disks::default(),
            storms: [None; Part::ALL.len()],
            notes: BTreeMap::new(),
            books: Default::default(),
            entries: Entries::default(),
            bug: None,
            happened: BTreeMap::new(),
            wrong: Vec::new(),
            told: Vec::new(),
            tells,
            processes: 0,
            moments: 0,
        })))
    }

    /// The world, for as long as nothing is waited for.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Which database a ledger works on.
    pub fn place(&self, ledger: usize) -> usize {
        ledger.min(self.databases.len() - 1)
    }

    /// The database that a ledger works on.
    pub fn database(&self, ledger: usize) -> &Database {
        &self.databases[self.place(ledger)]
    }

    /// The same, to be changed.
    pub fn database_mut(&mut self, ledger: usize) -> &mut Database {
        let place = self.place(ledger);
        &mut self.databases[place]
    }

    /// Some database.
    pub fn any_database(&mut self) -> usize {
        match self.databases.len() {
            1 => 0,
            all => self.dice.usize(0..all),
        }
    }

    /// Whether each ledger has a database of its own.
    pub fn has_two_databases(&self) -> bool {
        self.databases.len() > 1
    }

    /// Whether a kind of trouble comes about now.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.dice.u32(0..10_000) < self.weather.rate(fault);
        if strikes {
            self.count(fault.name());
        }
        strikes
    }

    /// Counts something that came about.
    pub fn count(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    /// Notes what came about.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.tells {
            let at = Instant::now().duration_since(super::clock::start());
            let line = format!("{:>9.3} {}", at.as_secs_f64(), what());
            self.told.push(line);
        }
    }

    /// Notes a broken promise.
    pub fn break_promise(&mut self, what: String) {
        self.tell(|| format!("BROKEN: {what}"));
        self.wrong.push(what);
    }

    /// A time between two, in milliseconds.
    pub fn within(&mut self, ms: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.dice.u64(ms))
    }

    /// One of several.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        (!of.is_empty()).then(|| &of[self.dice.usize(0..of.len())])
    }

    /// What a process has asked for.
    pub fn notes(&mut self, process: u64) -> &mut Notes {
        self.notes.entry(process).or_default()
    }

    /// The number of this moment: what comes later has a greater one.
    pub fn moment(&mut self) -> u64 {
        self.moments += 1;
        self.moments
    }

    /// The number of a new process.
    pub fn next_process(&mut self) -> u64 {
        self.processes += 1;
        self.processes
    }
}
