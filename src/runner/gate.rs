//! What all workers that talk to one outside part share: a rate limit or an outage slows them down together.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ledger::event::WaitReason;
use tokio::time::Instant;

/// The way to one part. Open, unless something shut it for a while.
#[derive(Debug, Default)]
pub struct Gate {
    inner: Mutex<Inner>,
    pace: Arc<Pace>,
}

#[derive(Debug, Default)]
struct Inner {
    shut_until: Option<Instant>,
    /// Requests in a row that the part left without an answer, or answered with an error of its own.
    failed_in_a_row: u32,
    /// When the latest of those requests was begun that got an answer.
    answered_from: Option<Instant>,
    /// The part was asked for what it gave before, since it last answered or was last found to give nothing.
    is_witness_asked: bool,
    episode: Option<Episode>,
}

/// A time in which the part has answered nobody.
#[derive(Debug)]
struct Episode {
    since: Instant,
    reason: WaitReason,
    why: String,
    waits: u32,
    is_alerted: bool,
}

/// A limit of ours on requests, which several parts may share.
#[derive(Debug, Default)]
pub struct Pace(Mutex<Spacing>);

#[derive(Debug, Default)]
struct Spacing {
    /// The time between two requests.
    between: Option<Duration>,
    /// When the next request may go.
    next: Option<Instant>,
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

/// A time in which the part has answered nobody, once it is over or looked back at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Why.
    pub reason: WaitReason,
    /// How long it took.
    pub took: Duration,
    /// Whether a person was told of it.
    pub is_alerted: bool,
}

impl Gate {
    /// A gate whose requests go at a pace that it may share with others.
    pub fn paced(pace: Arc<Pace>) -> Self {
        Self { pace, ..Self::default() }
    }

    /// Shuts it, for as long as was asked, else for as long as the backoff says at this turn, and no longer than the
    /// part may stay away.
    pub fn shut(
        &self,
        asked: Option<Duration>,
        backoff: impl FnOnce(u32) -> Duration,
        patience: Duration,
        (reason, why): (WaitReason, &str),
    ) -> Shut {
        let (mut inner, now) = (self.lock(), Instant::now());
        let already = inner.shut_until.and_then(|until| until.checked_duration_since(now));
        let already = already.filter(|wait| !wait.is_zero());
        let begun = || Episode { since: now, reason, why: String::new(), waits: 0, is_alerted: false };
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
        inner.is_witness_asked &= already.is_some();
        shut
    }

    /// How long a request has to wait; `None` when it may go, which is then counted.
    pub fn wait(&self) -> Option<Duration> {
        let shut_until = self.lock().shut_until;
        until(shut_until, Instant::now()).or_else(|| self.pace.wait())
    }

    /// Counts a request that the part left without an answer, or answered with an error of its own; how many there were
    /// in a row.
    pub fn failed(&self) -> u32 {
        let mut inner = self.lock();
        inner.failed_in_a_row += 1;
        inner.failed_in_a_row
    }

    /// Opens it, whatever shut it: the part answers others.
    pub fn open(&self) {
        self.lock().shut_until = None;
    }

    /// How long ago the latest request was begun that the part has answered; for ever, if there was none.
    pub fn silent_for(&self) -> Duration {
        self.lock().answered_from.map_or(Duration::MAX, |from| from.elapsed())
    }

    /// Whether the part has answered a request that was begun after this. What was under way already says nothing.
    pub fn has_answered_since(&self, begun: Instant) -> bool {
        self.lock().answered_from.is_some_and(|from| from > begun)
    }

    /// Whether it is time to ask the part for something that it gave before: by one worker, and again each time that it
    /// has answered, or that the gate was shut.
    pub fn take_witness_turn(&self) -> bool {
        !std::mem::replace(&mut self.lock().is_witness_asked, true)
    }

    /// The part has answered a request that was begun then. The time in which it had answered nobody, if it did so.
    pub fn answered(&self, begun: Instant) -> Option<Waiting> {
        let mut inner = self.lock();
        (inner.failed_in_a_row, inner.is_witness_asked) = (0, false);
        inner.answered_from = inner.answered_from.max(Some(begun));
        inner.episode.take().map(|episode| episode.so_far())
    }

    /// What all workers wait for, while they do.
    pub fn waiting(&self) -> Option<String> {
        let inner = self.lock();
        let is_shut = inner.shut_until.is_some_and(|until| until > Instant::now());
        inner.episode.as_ref().filter(|_| is_shut).map(|episode| episode.why.clone())
    }

    /// The time for which the part has answered nobody, while it does not.
    pub fn unanswered(&self) -> Option<Waiting> {
        self.lock().episode.as_ref().map(Episode::so_far)
    }

    /// Begins to count anew how long and how often the part has answered nobody.
    pub fn forget(&self) {
        let mut inner = self.lock();
        (inner.failed_in_a_row, inner.episode) = (0, None);
    }

    /// Whether a person is to be told of this time: once.
    pub fn alert_once(&self) -> bool {
        let mut inner = self.lock();
        inner.episode.as_mut().is_some_and(|episode| !std::mem::replace(&mut episode.is_alerted, true))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds this")
    }
}

impl Episode {
    fn so_far(&self) -> Waiting {
        Waiting { reason: self.reason, took: self.since.elapsed(), is_alerted: self.is_alerted }
    }
}

impl Pace {
    /// Lets at most so many requests a second through; `None` for as many as come.
    pub fn set(&self, per_second_max: Option<u32>) {
        let between = per_second_max.map(|rate| Duration::from_secs_f64(f64::from(rate.max(1)).recip()));
        *self.lock() = Spacing { between, next: None };
    }

    fn wait(&self) -> Option<Duration> {
        let (mut spacing, now) = (self.lock(), Instant::now());
        let wait = until(spacing.next, now);
        if wait.is_none() {
            spacing.next = spacing.between.map(|between| now + between);
        }
        wait
    }

    fn lock(&self) -> MutexGuard<'_, Spacing> {
        self.0.lock().expect("nothing panics while it holds this")
    }
}

fn until(at: Option<Instant>, now: Instant) -> Option<Duration> {
    at?.checked_duration_since(now).filter(|wait| !wait.is_zero())
}
