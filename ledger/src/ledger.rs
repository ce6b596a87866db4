//! A ledger with the state its events give: what the wheel turns on.

use std::path::Path;

use crate::chain::Head;
use crate::event::{Event, Opened, Record};
use crate::ids::{RunId, Seq};
use crate::state::State;
use crate::store::{LedgerError, Store};
use crate::timestamp::Timestamp;

/// The file and what it says, moved on together.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    state: State,
}

impl Ledger {
    /// Creates a ledger with its first line.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create(path: &Path, opened: Opened, at: Timestamp, holder: &str) -> Result<Self, LedgerError> {
        let id = opened.ledger;
        let first = Record { at, run: None, event: Event::Opened(opened) };
        Self::replay(Store::create(path, id, &first, holder)?)
    }

    /// Opens a ledger to write to it, after verifying it whole.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::replay`].
    pub fn open(path: &Path, holder: &str) -> Result<Self, LedgerError> {
        Self::replay(Store::open(path, holder)?)
    }

    /// Opens a ledger to read it, after verifying it whole; a writer beside does not matter.
    ///
    /// # Errors
    /// As [`Store::read`] and [`Store::replay`].
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        Self::replay(Store::read(path)?)
    }

    fn replay(mut store: Store) -> Result<Self, LedgerError> {
        let mut state = State::default();
        let id = store.id();
        store.replay(|(seq, record)| {
            state.apply(seq, &record).map_err(|illegal| illegal.to_string())?;
            let is_ours = state.opened().is_some_and(|opened| opened.ledger == id);
            if is_ours { Ok(()) } else { Err("it opens another ledger".into()) }
        })?;
        Ok(Self { store, state })
    }

    /// What the events give.
    pub fn state(&self) -> &State {
        &self.state
    }
    /// The file.
    pub fn store(&self) -> &Store {
        &self.store
    }
    /// The last event's place and hash.
    pub fn head(&self) -> Head {
        self.store.head()
    }
    /// The number a run gets that is started by the `n`th of the next events to be appended, from 0.
    pub fn next_run(&self, n: u64) -> RunId {
        RunId(Seq(self.head().seq.0 + 1 + n))
    }

    /// Check, write, apply: one durable transaction, all or none. Checking is applying: nobody looks at the state
    /// between, and whoever cannot write does not go on with it.
    ///
    /// # Errors
    /// When the disk refuses; the ledger must not be used again, and the process should end.
    ///
    /// # Panics
    /// When an event cannot follow on what came before: that is a bug, and nothing is written.
    pub fn append(&mut self, records: &[Record]) -> Result<(), LedgerError> {
        for (seq, record) in (self.head().seq.0 + 1..).map(Seq).zip(records) {
            if let Err(illegal) = self.state.apply(seq, record) {
                panic!("a {} event must not be written as event {seq}: {illegal}", record.event.name());
            }
        }
        self.store.append(records)
    }
}
