//! The events, in the past tense, each saying when it is written. They are what the ledger consists of; everything
//! else is derived from them.

use serde::{Deserialize, Serialize};

pub use run::*;
pub use venue::*;

use crate::ids::{RunId, Seq};
use crate::timestamp::Timestamp;

mod run;
mod texts;
mod venue;

/// One line of the ledger: an event, when it happened and in which run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When it was written down.
    pub at: Timestamp,
    /// The run it belongs to; `None` for `opened`, and for a `cdn_deleted` outside of any run. `run_started` carries
    /// its own seq.
    pub run: Option<RunId>,
    /// What happened.
    pub event: Event,
}

/// Everything that can have happened. On the wire the variant's name is the key of a JSON object with one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The first line of a ledger.
    Opened(Opened),
    /// A run began; before anything else of it.
    RunStarted(RunStarted),
    /// An unfinished run goes on.
    Resumed(Resumed),
    /// A venue was chosen, before anything is done to it.
    Planned(Planned),
    /// The last venue of a run was planned.
    PlanningDone(PlanningDone),
    /// Checked bytes are in the spool.
    Downloaded(Downloaded),
    /// The CDN has the file and serves it.
    Uploaded(Uploaded),
    /// The CDN still has the file of an `uploaded` that was written before the run was last started or resumed, with the
    /// same bytes.
    Confirmed(Confirmed),
    /// Attempts are spent, or pointless from the start; someone or something has to change first.
    Failed(Stopped),
    /// The image can never be moved as it is.
    Skipped(Stopped),
    /// A person decided to leave it.
    Closed(Closed),
    /// The row holds the after-images.
    DbUpdated(DbUpdated),
    /// Someone else changed what is ours; a person has to look.
    Drifted(Drifted),
    /// The row holds the before-images again.
    RolledBack(RolledBack),
    /// A CDN file is gone; clears the upload of every image at that path.
    CdnDeleted(CdnDeleted),
    /// A run stopped before its end and can go on.
    Paused(Paused),
    /// Something a person should hear of.
    Alerted(Alerted),
    /// Workers had to wait for a part of the outside; once it answers again, or when the run stops.
    Waited(Waited),
    /// A person changed a setting of a run.
    Adjusted(Adjusted),
    /// Every thousand images and at a run's end: the state so far, asserted.
    Checkpoint(Checkpoint),
    /// A run ended.
    RunFinished(RunFinished),
}

impl Event {
    /// All names on the wire.
    pub const NAMES: [&'static str; 21] = [
        "opened",
        "run_started",
        "resumed",
        "planned",
        "planning_done",
        "downloaded",
        "uploaded",
        "confirmed",
        "failed",
        "skipped",
        "closed",
        "db_updated",
        "drifted",
        "rolled_back",
        "cdn_deleted",
        "paused",
        "alerted",
        "waited",
        "adjusted",
        "checkpoint",
        "run_finished",
    ];

    /// The event's name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::RunStarted(_) => "run_started",
            Self::Resumed(_) => "resumed",
            Self::Planned(_) => "planned",
            Self::PlanningDone(_) => "planning_done",
            Self::Downloaded(_) => "downloaded",
            Self::Uploaded(_) => "uploaded",
            Self::Confirmed(_) => "confirmed",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
            Self::Closed(_) => "closed",
            Self::DbUpdated(_) => "db_updated",
            Self::Drifted(_) => "drifted",
            Self::RolledBack(_) => "rolled_back",
            Self::CdnDeleted(_) => "cdn_deleted",
            Self::Paused(_) => "paused",
            Self::Alerted(_) => "alerted",
            Self::Waited(_) => "waited",
            Self::Adjusted(_) => "adjusted",
            Self::Checkpoint(_) => "checkpoint",
            Self::RunFinished(_) => "run_finished",
        }
    }
}

/// A record and its place in the ledger.
pub type Placed = (Seq, Record);
