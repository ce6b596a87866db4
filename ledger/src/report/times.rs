//! Times of requests, and what they come to.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::Event;

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

/// Times as they come, by how often each came: there are far fewer different ones than requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Times(BTreeMap<u64, u64>);

impl Times {
    pub(super) fn add(&mut self, ms: u64) {
        *self.0.entry(ms).or_default() += 1;
    }

    fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The nearest rank: the smallest time that this share of all did not exceed.
    fn rank(&self, percent: u64) -> Option<u64> {
        let wanted = (self.count() * percent).div_ceil(100).max(1);
        let mut so_far = 0;
        self.0
            .iter()
            .find(|(_, times)| {
                so_far += **times;
                so_far >= wanted
            })
            .map(|(ms, _)| *ms)
    }

    /// What they come to; `None` where there is none.
    pub(super) fn milliseconds(&self) -> Option<Milliseconds> {
        let sum: f64 = self.0.iter().map(|(ms, times)| *ms as f64 * *times as f64).sum();
        Some(Milliseconds {
            avg: (sum * 10.0 / self.count() as f64).round() / 10.0,
            p50: self.rank(50)?,
            p95: self.rank(95)?,
            p99: self.rank(99)?,
        })
    }
}

/// How long things took so far, for whoever plans the next run.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    download: Times,
    upload: Times,
    row: Times,
}

impl Pace {
    /// Takes in an event, in any order.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Downloaded(e) => self.download.add(e.ms),
            Event::Uploaded(e) if !e.found_done() => self.upload.add(e.ms),
            Event::DbUpdated(e) if !e.found_done => self.row.add(e.ms),
            _ => {}
        }
    }
    /// The median of the downloads, in milliseconds.
    pub fn download_ms(&self) -> Option<u64> {
        self.download.rank(50)
    }
    /// The median of the uploads, in milliseconds.
    pub fn upload_ms(&self) -> Option<u64> {
        self.upload.rank(50)
    }
    /// The median of the row updates, in milliseconds.
    pub fn row_ms(&self) -> Option<u64> {
        self.row.rank(50)
    }
}
