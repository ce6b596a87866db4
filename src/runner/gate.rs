//! What all workers that talk to one outside part share: a rate limit or an outage slows them down together.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

/// The way to one part. Open, unless something shut it for a while.
#[derive(Debug, Default)]
pub struct Gate(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    shut_until: Option<Instant>,
    /// Odd answers since the last good one.
    odd_in_a_row: u32,
    episode: Option<Episode>,
    /// The time between two requests, where there is a limit of ours.
    spacing: Option<Duration>,
    /// When the next request may go.
    next: Option<Instant>,
}

/// A time in which the part has answered nobody.
#[derive(Debug)]
struct Episode {
    since: Instant,
    why: String,
    waits: u32,
    is_alerted: bool,
}

/// What shutting a gate came to.
#[derive(Debug)]
pub struct Shut {
    /// How long it stays shut.
    pub wait: Duration,
    /// Since when the part has answered nobody.
    pub since: Instant,
    /// How often that was found so far.
    pub waits: u32,
    /// Whether this found it; otherwise another worker has just done so.
    pub is_news: bool,
}

impl Gate {
    /// Shuts it, for as long as was asked, else for as long as the backoff says at this turn, and no longer than the
    /// part may stay away.
    pub fn shut(
        &self,
        asked: Option<Duration>,
        backoff: impl FnOnce(u32) -> Duration,
        patience: Duration,
        why: &str,
    ) -> Shut {
        let (mut inner, now) = (self.lock(), Instant::now());
        let already = inner.shut_until.and_then(|until| until.checked_duration_since(now));
        let already = already.filter(|wait| !wait.is_zero());
        let begun = || Episode { since: now, why: String::new(), waits: 0, is_alerted: false };
        let episode = inner.episode.get_or_insert_with(begun);
        why.clone_into(&mut episode.why);
        let wait = match (asked, already) {
            (None, Some(wait)) => {
                return Shut { wait, since: episode.since, waits: episode.waits, is_news: false };
            }
            (Some(asked), already) => asked.max(already.unwrap_or_default()),
            (None, None) => backoff(episode.waits).min(patience.saturating_sub(episode.since.elapsed())),
        };
        // Sixteen workers that were refused together have waited once.
        episode.waits += u32::from(already.is_none());
        let shut = Shut { wait, since: episode.since, waits: episode.waits, is_news: already.is_none() };
        inner.shut_until = Some(now + wait);
        shut
    }

    /// How long a request has to wait; `None` when it may go, which is then counted.
    pub fn wait(&self) -> Option<Duration> {
        let (mut inner, now) = (self.lock(), Instant::now());
        let until = |at: Option<Instant>| at?.checked_duration_since(now).filter(|wait| !wait.is_zero());
        if let Some(wait) = until(inner.shut_until).max(until(inner.next)) {
            return Some(wait);
        }
        inner.next = inner.spacing.map(|spacing| now + spacing);
        None
    }

    /// Counts an odd answer; how many there were in a row.
    pub fn odd(&self) -> u32 {
        let mut inner = self.lock();
        inner.odd_in_a_row += 1;
        inner.odd_in_a_row
    }

    /// The part has answered. How long it had answered nobody, where a person was told so.
    pub fn answered(&self) -> Option<Duration> {
        let mut inner = self.lock();
        inner.odd_in_a_row = 0;
        let over = inner.episode.take()?;
        over.is_alerted.then(|| over.since.elapsed())
    }

    /// What all workers wait for, while they do.
    pub fn waiting(&self) -> Option<String> {
        let inner = self.lock();
        let is_shut = inner.shut_until.is_some_and(|until| until > Instant::now());
        inner.episode.as_ref().filter(|_| is_shut).map(|episode| episode.why.clone())
    }

    /// Begins to count anew how long and how often the part has answered nobody.
    pub fn forget(&self) {
        let mut inner = self.lock();
        (inner.odd_in_a_row, inner.episode) = (0, None);
    }

    /// Whether a person is to be told of this episode: once.
    pub fn alert_once(&self) -> bool {
        let mut inner = self.lock();
        inner.episode.as_mut().is_some_and(|episode| !std::mem::replace(&mut episode.is_alerted, true))
    }

    /// Lets at most so many requests a second through; `None` for as many as come.
    pub fn set_rate(&self, per_second_max: Option<u32>) {
        let mut inner = self.lock();
        inner.spacing = per_second_max.map(|rate| Duration::from_secs_f64(f64::from(rate.max(1)).recip()));
        inner.next = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nothing panics while it holds this")
    }
}
