//! What is known of one run.

use std::collections::BTreeMap;

use crate::event::{Ending, Options, PauseReason, RunStarted};
use crate::ids::{Seq, VenueId};
use crate::timestamp::Timestamp;

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// It runs, or was cut off.
    Going,
    /// It stopped in order, and can go on.
    Paused(PauseReason),
    /// It ended.
    Finished(Ending),
}

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    /// How it was started. Its options are those of the last start or resumption.
    pub started: RunStarted,
    /// When it was started.
    pub started_at: Timestamp,
    /// When anything of it was last written down.
    pub last_at: Timestamp,
    /// Whether it goes on.
    pub status: RunStatus,
    /// Whether all its venues are planned.
    pub is_planned: bool,
    pub(super) images: u64,
    pub(super) last_venue: Option<VenueId>,
    pub(super) plans: Vec<Seq>,
    pub(super) settled: BTreeMap<Option<Box<str>>, Settled>,
}

/// A run's settled images in one country, since the run last paused for its error rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// All of them.
    pub images: u64,
    /// Those that failed, or that the program skipped.
    pub troubled: u64,
}

impl Run {
    pub(super) fn new(started: RunStarted, at: Timestamp) -> Self {
        Self {
            started,
            started_at: at,
            last_at: at,
            status: RunStatus::Going,
            is_planned: false,
            images: 0,
            last_venue: None,
            plans: Vec::new(),
            settled: BTreeMap::new(),
        }
    }
    /// Whether it has ended and can never go on.
    pub fn is_finished(&self) -> bool {
        matches!(self.status, RunStatus::Finished(_))
    }
    /// The settings it runs with.
    pub fn options(&self) -> &Options {
        &self.started.options
    }
    /// What it has settled since it last paused for its error rate, by country code.
    pub fn settled(&self) -> impl Iterator<Item = (Option<&str>, Settled)> {
        self.settled.iter().map(|(code, settled)| (code.as_deref(), *settled))
    }
    /// Its plans, in venue-id order.
    pub fn plans(&self) -> &[Seq] {
        &self.plans
    }
    /// The last venue it planned; planning goes on behind it.
    pub fn last_venue(&self) -> Option<VenueId> {
        self.last_venue
    }
    /// Images planned so far, forward or back.
    pub fn images(&self) -> u64 {
        self.images
    }
}
