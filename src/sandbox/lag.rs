//! How long ImageKit's list does not notice a change. It can be changed while the stand-in is at work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long the list lags: now, and unless something else is ordered.
#[derive(Debug, Default)]
pub(super) struct Lag {
    now_ms: AtomicU64,
    usual_ms: AtomicU64,
}

impl Lag {
    /// What it is from now on.
    pub(super) fn set(&self, lag: Duration) {
        self.now_ms.store(ms(lag), Ordering::SeqCst);
    }

    /// What it is unless something else is ordered, and from now on.
    pub(super) fn set_usual(&self, lag: Duration) {
        self.usual_ms.store(ms(lag), Ordering::SeqCst);
        self.set(lag);
    }

    /// As usual again.
    pub(super) fn reset(&self) {
        self.now_ms.store(self.usual_ms.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// In milliseconds.
    pub(super) fn ms(&self) -> i64 {
        i64::try_from(self.now_ms.load(Ordering::SeqCst)).unwrap_or(i64::MAX)
    }
}

fn ms(lag: Duration) -> u64 {
    u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)
}
