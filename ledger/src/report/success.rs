//! How well it went: per country, or for one run.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::Counts;
use crate::event::{Event, Placed};
use crate::ids::{ImageId, RunId, Seq, VenueId};
use crate::state::{Aim, Mark, Plan, State};

/// Times of successful requests, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Milliseconds {
    /// The mean.
    pub avg: f64,
    /// Half took no longer.
    pub p50: u64,
    /// 95 in 100 took no longer.
    pub p95: u64,
    /// 99 in 100 took no longer.
    pub p99: u64,
}

/// One country's result.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CountrySuccess {
    /// The country's name; null for venues without one.
    pub country: Option<String>,
    /// Its ISO code.
    pub code: Option<String>,
    /// Venues with images.
    pub venues: u64,
    /// Their images.
    pub images: u64,
    /// Where those stand.
    pub counts: Counts,
    /// Completed in percent of completed, failed and skipped; null where there is none of these.
    pub success_percent: Option<f64>,
    /// Images failed or skipped, by kind.
    pub by_kind: BTreeMap<&'static str, u64>,
    /// Files that were sent, not found there.
    pub uploads: u64,
    /// Files that were found on the CDN and adopted.
    pub adopted: u64,
    /// Bytes of the files sent.
    pub bytes_uploaded: u64,
    /// Requests that had to be repeated, downloads and uploads.
    pub retries: u64,
    /// Times of the uploads; null where there was none.
    pub upload_ms: Option<Milliseconds>,
    /// Times of the row updates; null where there was none.
    pub row_ms: Option<Milliseconds>,
}

/// How well it went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Success {
    /// A line a country, by name.
    pub countries: Vec<CountrySuccess>,
    /// All of them together.
    pub total: CountrySuccess,
}

#[derive(Default)]
struct Line {
    success: CountrySuccess,
    upload_ms: Vec<u64>,
    row_ms: Vec<u64>,
}

/// Collects what only the events know; the rest is in the state.
pub struct SuccessFold<'a> {
    state: &'a State,
    run: Option<RunId>,
    lines: BTreeMap<Option<String>, Line>,
    total: Line,
}

impl<'a> SuccessFold<'a> {
    /// Begins with a state, for one run's images or for all current ones.
    pub fn new(state: &'a State, run: Option<RunId>) -> Self {
        let mut fold = Self { state, run, lines: BTreeMap::new(), total: Line::default() };
        fold.count();
        fold
    }

    fn count(&mut self) {
        let (state, run) = (self.state, self.run);
        let mut seen: HashSet<VenueId> = HashSet::new();
        for (_, plan) in state.plans().filter(|(_, plan)| plan.aim == Aim::Forward) {
            if run.is_some_and(|run| run != plan.run) {
                continue;
            }
            let counted: Vec<_> =
                plan.images.iter().filter(|image| run.is_some() || image.is_current).collect();
            if counted.is_empty() {
                continue;
            }
            let is_new = seen.insert(plan.venue);
            self.both(plan, |line| {
                line.success.venues += u64::from(is_new);
                for image in &counted {
                    line.success.counts.add(state, plan, image);
                    if let Some(Mark::Failed(kind) | Mark::Skipped(kind)) = image.mark {
                        *line.success.by_kind.entry(kind.name()).or_default() += 1;
                    }
                }
            });
        }
    }

    /// Takes in an event, in any order.
    pub fn take(&mut self, (_, record): &Placed) {
        if self.run.is_some() && self.run != record.run {
            return;
        }
        match &record.event {
            Event::Downloaded(e) => {
                self.at(e.image, |line| line.success.retries += u64::from(e.attempts.saturating_sub(1)));
            }
            Event::Uploaded(e) => self.at(e.image, |line| {
                line.success.retries += u64::from(e.attempts.saturating_sub(1));
                if e.found_done {
                    line.success.adopted += 1;
                } else {
                    line.success.uploads += 1;
                    line.success.bytes_uploaded += e.bytes;
                    line.upload_ms.push(e.ms);
                }
            }),
            Event::DbUpdated(e) => {
                if let Some(edit) = e.edits.first() {
                    self.at(edit.image, |line| line.row_ms.push(e.ms));
                }
            }
            _ => {}
        }
    }

    fn at(&mut self, image: ImageId, with: impl Fn(&mut Line)) {
        let planned: Seq = image.planned;
        if let Some(plan) = self.state.plan(planned) {
            self.both(plan, with);
        }
    }

    fn both(&mut self, plan: &Plan, with: impl Fn(&mut Line)) {
        let country = self.state.place(plan).country.as_ref();
        let line = self.lines.entry(country.map(|country| country.name.clone())).or_default();
        line.success.country = country.map(|country| country.name.clone());
        line.success.code = country.map(|country| country.code.clone());
        with(line);
        with(&mut self.total);
    }

    /// Ends with the figures.
    pub fn finish(self) -> Success {
        Success {
            countries: self.lines.into_values().map(Line::finish).collect(),
            total: self.total.finish(),
        }
    }
}

impl Line {
    fn finish(mut self) -> CountrySuccess {
        let counts = self.success.counts;
        let tried = counts.completed + counts.failed + counts.skipped;
        self.success.images = counts.images();
        self.success.success_percent = (tried > 0).then(|| percent(counts.completed, tried));
        self.success.upload_ms = times(self.upload_ms);
        self.success.row_ms = times(self.row_ms);
        self.success
    }
}

/// In percent, to two decimals.
fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 * 10_000.0 / whole as f64).round() / 100.0
}

fn times(mut ms: Vec<u64>) -> Option<Milliseconds> {
    ms.sort_unstable();
    // The nearest rank: the smallest time that this share of all did not exceed.
    let rank = |share: usize| ms[(ms.len() * share).div_ceil(100).max(1) - 1];
    (!ms.is_empty()).then(|| Milliseconds {
        avg: (ms.iter().sum::<u64>() as f64 * 10.0 / ms.len() as f64).round() / 10.0,
        p50: rank(50),
        p95: rank(95),
        p99: rank(99),
    })
}
