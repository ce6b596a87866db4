//! The wheel: plan, perform, decide, append, apply.
//!
//! The calling thread owns the ledger and turns the wheel; tokio's workers do what waits. Outcomes that have arrived
//! together are appended in one transaction, and the next step of an image starts only when its last is on disk.
//! Signals come by the same channel as outcomes.

mod begin;
mod claims;
pub mod control;
mod deferred;
mod delete;
mod gate;
mod leave;
mod log;
mod named;
mod ours;
mod parts;
mod perform;
mod planning;
pub mod populate;
pub mod reconcile;
mod retry;
pub mod saved;
mod steer;
mod sweep;
mod uses;
mod waits;
mod watch;
mod wheel;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use ledger::event::{Alerted, Ending, Paused, Record, Tally};
use ledger::ids::RunId;
use ledger::order::Order;
use ledger::plan::Step;
use ledger::store::LedgerError;

pub use begin::{Start, resume, start, touched};
pub use claims::Claims;
pub use delete::{Candidate, Deleting, Fate, Kept, Swept, delete_unused, planned_for};
pub use gate::Waiting;
pub use leave::{Leaving, put_back};
pub use parts::Outside;
pub use perform::{Forward, Held, Performed, World};
pub use planning::{Geography, movable, refusal};
pub use populate::Populate;
pub use retry::{Halt, Retry, Tried, notice};
pub use saved::SavedPlan;
pub use sweep::ROLLED_BACK_GONE;
pub use uses::{Uses, every_row};
pub use watch::{Look, Watch};
pub use wheel::Setting;
pub use witness::Listing;

use crate::outside::Trouble;

/// What a run forward chooses from while it plans.
#[derive(Clone)]
pub enum Selection {
    /// Whatever can be moved in the place it was asked to take.
    Place,
    /// What a matching report brings.
    Matches(Populate),
    /// Exactly what a saved plan names.
    Saved(Arc<SavedPlan>),
}

/// What reaches the thread that turns the wheel.
#[derive(Debug)]
pub enum Message {
    /// A step was performed.
    Done {
        /// The step.
        step: Step,
        /// Its order.
        order: Box<Order>,
        /// What came of it.
        performed: Performed,
    },
    /// A worker waits, and why.
    Waiting {
        /// What it waits for, for people.
        why: String,
        /// How long.
        wait: Duration,
    },
    /// A part that was away, or took no more requests, answers again.
    Back {
        /// Which part.
        outside: Outside,
        /// How long it had answered nobody, and why.
        waited: Waiting,
    },
    /// Something that a person should hear of.
    Alert(Alerted),
    /// Someone asks the run to stop in order.
    Stop(Paused),
    /// Someone steers the run from another terminal.
    Control(control::Asked),
    /// A worker asks whether the ledger holds a file as uploaded.
    Held(Held),
    /// A worker panicked: a bug.
    Panicked(String),
    /// A test stops everything dead here.
    Died,
}

/// What a run tells while it goes on. The runner has never heard of a terminal.
#[derive(Debug)]
pub enum Told<'a> {
    /// These were written down.
    Appended(&'a [Record]),
    /// A worker waits, and why.
    Waiting(&'a str, Duration),
    /// A part answers again, after this long.
    Back(Outside, Duration),
    /// The run stops; this much is still in the air.
    Stopping(usize),
    /// Something was left as it is, and why.
    Left(&'a str),
    /// A file that was to be deleted may still be there.
    FileLeft {
        /// The file.
        file: &'a Candidate,
        /// Whether it was kept, or nobody knows.
        fate: &'a Fate,
        /// The same for people.
        words: &'a str,
    },
}

/// How a run ended, this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is finished.
    Finished(Ending, Tally),
    /// It stopped in order and can go on.
    Paused(Paused),
}

/// Why a run broke off.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The ledger cannot be used any more.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Someone else works on the same country.
    #[error("{country} is being worked on by {holder}")]
    Held {
        /// The country's ISO code, or words for none.
        country: String,
        /// Who, in that process's own words.
        holder: String,
    },
    /// The outside was in trouble before anything could begin.
    #[error("{0}")]
    Outside(Trouble),
    /// What the run was asked to take is no longer in the database.
    #[error("the place of run {0} is no longer in the database")]
    PlaceGone(RunId),
    /// A test stopped it dead.
    #[error("stopped dead")]
    Died,
}

/// Where a run can be stopped dead by a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A step is about to meet the world.
    BeforeEffect(Step),
    /// It has, and nothing of it is written down.
    AfterEffect(Step),
    /// Some events are on disk, and nothing that follows from them has begun.
    AfterAppend,
}

/// Says whether to die at a moment. Called from any thread.
pub type Probe = std::sync::Arc<dyn Fn(Moment) -> bool + Send + Sync>;
