//! A ledger with the state its events give: what the wheel turns on.

use std::path::Path;

use crate::chain::Head;
use crate::event::{Event, Opened, Placed, Record};
use crate::ids::{NotAnId, RunId, Seq};
use crate::state::State;
use crate::store::{LedgerError, Store};
use crate::timestamp::Timestamp;

/// The file and what it says, moved on together.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    state: State,
    /// The last event the state speaks of, where it is an older one than the file's.
    upto: Option<Seq>,
}

/// A moment of the past, as reports are asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// The events up to this one.
    Seq(Seq),
    /// The events before the first that is later than this.
    Time(Timestamp),
}

impl AsOf {
    fn is_past(self, seq: Seq, record: &Record) -> bool {
        match self {
            Self::Seq(last) => seq > last,
            Self::Time(last) => record.at > last,
        }
    }
}

impl std::str::FromStr for AsOf {
    type Err = NotAnId;
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let seq = text.parse().map(|seq| Self::Seq(Seq(seq)));
        seq.or_else(|_| text.parse().map(Self::Time))
            .map_err(|_| NotAnId::new(text, "an event's number or a time (RFC 3339)"))
    }
}

impl Ledger {
    /// Creates a ledger with its first line.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create(path: &Path, opened: Opened, at: Timestamp, holder: &str) -> Result<Self, LedgerError> {
        let id = opened.ledger;
        let first = Record { at, run: None, event: Event::Opened(opened) };
        Self::replay(Store::create(path, id, &first, holder)?, None)
    }

    /// Opens a ledger to write to it, after verifying it whole.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::replay`].
    pub fn open(path: &Path, holder: &str) -> Result<Self, LedgerError> {
        let opened = Store::open(path, holder).and_then(|store| Self::replay(store, None));
        opened.map_err(|refused| match refused {
            // What is wrong with a ledger is graver than who has it, and its holder may be the last to notice.
            LedgerError::Held { .. } => match Self::read(path) {
                Err(graver) if graver.is_about_what_it_says() => graver,
                _ => refused,
            },
            _ => refused.after(|| Self::read_once(path, None).map(drop)),
        })
    }

    /// Opens a ledger to read it, after verifying it whole; a writer beside does not matter.
    ///
    /// # Errors
    /// As [`Store::read`] and [`Store::replay`].
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        Self::read_as_of(path, None)
    }

    /// Opens a ledger as it was at a moment. It is verified whole all the same; what came later is not looked at, so
    /// that the answer stays the same for ever.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub fn read_as_of(path: &Path, as_of: Option<AsOf>) -> Result<Self, LedgerError> {
        let read = Self::read_once(path, as_of);
        read.map_err(|error| error.after(|| Self::read_once(path, None).map(drop)))
    }

    fn read_once(path: &Path, as_of: Option<AsOf>) -> Result<Self, LedgerError> {
        Self::replay(Store::read(path)?, as_of)
    }

    fn replay(mut store: Store, as_of: Option<AsOf>) -> Result<Self, LedgerError> {
        let mut state = State::default();
        let mut upto = None;
        let id = store.id();
        store.replay(|(seq, record)| {
            if upto.is_none() && as_of.is_some_and(|as_of| as_of.is_past(seq, &record)) {
                upto = Some(Seq(seq.0.saturating_sub(1)));
            }
            if upto.is_some() {
                return Ok(());
            }
            state.apply(seq, &record).map_err(|illegal| illegal.to_string())?;
            let is_ours = state.opened().is_some_and(|opened| opened.ledger == id);
            if is_ours { Ok(()) } else { Err("it opens another ledger".into()) }
        })?;
        Ok(Self { store, state, upto })
    }

    /// What the events give.
    pub fn state(&self) -> &State {
        &self.state
    }
    /// The file.
    pub fn store(&self) -> &Store {
        &self.store
    }
    /// The last event that the state speaks of: the head's, or an older one where it was opened as of a moment.
    pub fn upto(&self) -> Seq {
        self.upto.unwrap_or(self.head().seq)
    }
    /// The events that the state speaks of, from a seq on.
    ///
    /// # Errors
    /// When the file cannot be read, or `each` says so.
    pub fn events<E: From<LedgerError>>(
        &self,
        from: Seq,
        each: impl FnMut(Placed) -> Result<(), E>,
    ) -> Result<(), E> {
        self.store.range(from, self.upto(), each)
    }
    /// The events in which a text stands as a whole, in order. All are read, and only these are decoded.
    ///
    /// # Errors
    /// When the file cannot be read, or `each` says so.
    pub fn mentions<E: From<LedgerError>>(
        &self,
        text: &str,
        each: impl FnMut(Placed) -> Result<(), E>,
    ) -> Result<(), E> {
        self.store.mentions(text, self.upto(), each)
    }
    /// The last event's place and hash.
    pub fn head(&self) -> Head {
        self.store.head()
    }
    /// Reads on: takes in what another process has appended since, and gives it in order. Nothing new is no error.
    ///
    /// # Errors
    /// When the file cannot be read, or what was appended is damaged or does not follow on what came before.
    ///
    /// # Panics
    /// On a ledger opened as of a moment: its answer stays the same for ever.
    pub fn catch_up(&mut self) -> Result<Vec<Placed>, LedgerError> {
        assert!(self.upto.is_none(), "a ledger opened as of a moment does not go on");
        let (state, mut new) = (&mut self.state, Vec::new());
        let read = self.store.catch_up(|(seq, record)| {
            state.apply(seq, &record).map_err(|illegal| illegal.to_string())?;
            new.push((seq, record));
            Ok(())
        });
        read.map_err(|error| error.after(|| Self::read_once(self.store.path(), None).map(drop)))?;
        Ok(new)
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
