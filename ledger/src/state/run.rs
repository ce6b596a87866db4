//! What is known of one run.

use std::collections::BTreeMap;

use super::{Illegal, Rung, State};
use crate::brake::Rate;
use crate::event::{Adjusted, Ending, Options, PauseReason, RunStarted};
use crate::ids::{ImageId, RunId, Seq, VenueId};
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
    /// The seq of its last `run_started` or `resumed`: what stands before it was written by an earlier process, or
    /// before a rest.
    pub going_since: Seq,
    /// Whether it goes on.
    pub status: RunStatus,
    /// Whether all its venues are planned.
    pub is_planned: bool,
    pub(super) images: u64,
    pub(super) last_venue: Option<VenueId>,
    pub(super) plans: Vec<Seq>,
    pub(super) settled: BTreeMap<Option<Box<str>>, Settled>,
}

/// A run's images in one country, as its brake counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// In their row since the run last paused for its error rate.
    pub(super) done: u64,
    /// Failed, or skipped by the program, since then.
    pub(super) troubled: u64,
    /// On the CDN, and waiting for their row.
    pub(super) uploaded: u64,
}

impl Settled {
    /// How well they go.
    pub fn rate(self) -> Rate {
        Rate { well: self.done + self.uploaded, troubled: self.troubled }
    }
}

impl Run {
    pub(super) fn new(started: RunStarted, seq: Seq, at: Timestamp) -> Self {
        Self {
            started,
            started_at: at,
            last_at: at,
            going_since: seq,
            status: RunStatus::Going,
            is_planned: false,
            images: 0,
            last_venue: None,
            plans: Vec::new(),
            settled: BTreeMap::new(),
        }
    }
    pub(super) fn pause(&mut self, reason: PauseReason) {
        self.status = RunStatus::Paused(reason);
        if reason == PauseReason::ErrorRate {
            for settled in self.settled.values_mut() {
                *settled = Settled { uploaded: settled.uploaded, ..Settled::default() };
            }
        }
    }
    pub(super) fn count(&mut self, code: Option<Box<str>>, with: impl FnOnce(&mut Settled)) {
        with(self.settled.entry(code).or_default());
    }
    pub(super) fn adjust(&mut self, Adjusted { setting, to, .. }: &Adjusted) -> Result<(), Illegal> {
        let options = &mut self.started.options;
        let number = to.parse().ok().filter(|number: &u32| *number > 0);
        match (setting.as_str(), number) {
            ("concurrency", Some(number)) => options.concurrency = number,
            ("rate_per_second_max", Some(number)) => options.rate_per_second_max = Some(number),
            ("rate_per_second_max", None) if to == "none" => options.rate_per_second_max = None,
            _ => return Err(Illegal::new(format!("a run's {setting} cannot be {to}"))),
        }
        Ok(())
    }
    /// Whether it has ended and can never go on.
    pub fn is_finished(&self) -> bool {
        matches!(self.status, RunStatus::Finished(_))
    }
    /// The settings it runs with.
    pub fn options(&self) -> &Options {
        &self.started.options
    }
    /// What its brake counts, by country code.
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

impl State {
    /// Counts an image for the brake (requirement E2), in the country its venue was in.
    pub(super) fn count(
        &mut self,
        run: RunId,
        image: Option<ImageId>,
        with: impl FnOnce(&mut Settled),
    ) -> Result<(), Illegal> {
        let Some(plan) = image.and_then(|image| self.plan(image.planned)) else { return Ok(()) };
        let code = self.place(plan).country.as_ref().map(|country| country.code.as_str().into());
        self.run_mut(run)?.count(code, with);
        Ok(())
    }

    /// What had failed is open again, and no longer speaks against the run.
    pub(super) fn count_retried(&mut self, run: RunId, image: ImageId) -> Result<(), Illegal> {
        let is_uploaded = self.image(image).is_some_and(|image| image.rung == Rung::Uploaded);
        self.count(run, Some(image), |settled| {
            settled.troubled = settled.troubled.saturating_sub(1);
            settled.uploaded += u64::from(is_uploaded);
        })
    }

    /// An image is in its row, troubled, or neither: then it has drifted.
    pub(super) fn count_settled(
        &mut self,
        run: RunId,
        image: Option<ImageId>,
        with: impl FnOnce(&mut Settled),
    ) -> Result<(), Illegal> {
        let of = image.and_then(|image| self.image(image));
        let was_uploaded = of.is_some_and(|image| !matches!(image.rung, Rung::Planned | Rung::Downloaded));
        self.count(run, image, |settled| {
            with(settled);
            settled.uploaded = settled.uploaded.saturating_sub(u64::from(was_uploaded));
        })
    }
}
