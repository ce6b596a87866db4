//! How many bytes a run would move: the origin is asked for sizes, of a sample or of every file (requirement C3).

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use ledger::trouble::TroubleKind;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::limits::{IN_FLIGHT_DEFAULT, PLAN_SAMPLE_FILES};
use crate::outside::origin::Origin;

/// What the origin said.
#[derive(Debug, Default, Serialize)]
pub struct Sizes {
    /// Files asked for.
    pub asked: u64,
    /// Files whose size it said.
    pub known: u64,
    /// Files that it said nothing of: it does not take the question, or leaves the length out.
    pub unknown: u64,
    /// Files that would not be moved, or could not be asked for, by `error_type`.
    pub troubled: BTreeMap<&'static str, u64>,
    /// Whether every file was asked for and answered.
    pub is_exact: bool,
    #[serde(skip)]
    bytes: u64,
    /// Files that a run would not store.
    #[serde(skip)]
    unmoved: u64,
    #[serde(skip)]
    passed: u64,
    #[serde(skip)]
    files: u64,
    #[serde(skip)]
    wanted: u64,
    /// The origin cannot be reached, or there is no time left: nothing more is asked.
    #[serde(skip)]
    is_away: bool,
    #[serde(skip)]
    until: Option<Instant>,
}

impl Sizes {
    /// To be asked of so many files: of each, or of a sample.
    pub fn new(files: u64, exact: bool) -> Self {
        let wanted = if exact { files } else { files.min(PLAN_SAMPLE_FILES) };
        Self { files, wanted, ..Self::default() }
    }

    /// To be asked within this time: what the origin has not said by then is left out.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self { until: Some(Instant::now() + time), ..self }
    }

    /// Asks for those of the next files that belong to the sample, which is spread evenly and the same every time.
    pub async fn ask(&mut self, origin: &dyn Origin, next: Vec<String>) {
        let sampled: Vec<String> = next.into_iter().filter(|_| self.is_sampled()).collect();
        if self.is_away {
            return;
        }
        let answers = stream::iter(sampled).map(|url| async move { origin.size(&url).await });
        let mut answers = answers.buffer_unordered(IN_FLIGHT_DEFAULT as usize);
        loop {
            let next = answers.next();
            let answer = match self.until {
                Some(until) => timeout_at(until, next).await,
                None => Ok(next.await),
            };
            let answer = match answer {
                Ok(Some(answer)) => answer,
                Ok(None) => return,
                Err(_no_time_left) => {
                    self.is_away = true;
                    return;
                }
            };
            self.asked += 1;
            match answer {
                Ok(Some(bytes)) => {
                    self.known += 1;
                    self.bytes += bytes;
                }
                Ok(None) => self.unknown += 1,
                Err(trouble) => {
                    *self.troubled.entry(trouble.kind.name()).or_default() += 1;
                    use TroubleKind::*;
                    let is_unmoved =
                        matches!(trouble.kind, NotFound | OriginDenied | ForbiddenUrl | FileTooLarge);
                    self.unmoved += u64::from(is_unmoved);
                    if trouble.outage {
                        self.is_away = true;
                        return;
                    }
                }
            }
        }
    }

    /// Whether nothing more would be asked, because the origin cannot be reached or no time is left.
    pub fn is_over(&self) -> bool {
        self.is_away || self.until.is_some_and(|until| Instant::now() >= until)
    }

    fn is_sampled(&mut self) -> bool {
        let share =
            |passed: u64| u128::from(passed) * u128::from(self.wanted) / u128::from(self.files.max(1));
        let is_sampled = share(self.passed) != share(self.passed + 1);
        self.passed += 1;
        is_sampled
    }

    /// How many bytes all files have that would be moved; `None` where the origin said nothing.
    pub fn finish(&mut self) -> Option<u64> {
        let said = self.known + self.unmoved;
        self.is_exact = said == self.files;
        if self.files == 0 {
            return Some(0);
        }
        let all = u128::from(self.bytes) * u128::from(self.files);
        (said > 0).then(|| (all / u128::from(said)) as u64)
    }
}
