//! Simulated time: tokio's, paused, which moves on when nothing is left to do but to wait.

use std::cell::Cell;

use ledger::timestamp::Timestamp;
use tokio::time::Instant;

/// When every history begins: 2026-03-01.
const BEGINNING_MS: i64 = 1_772_323_200_000;

thread_local! {
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
    /// By how much the machine's clock was set since, in milliseconds.
    static SET: Cell<i64> = const { Cell::new(0) };
}

/// Begins a history on this thread, inside its runtime.
pub fn begin() {
    START.set(Some(Instant::now()));
    SET.set(0);
}

/// Somebody sets the machine's clock, back or forward.
pub fn set(by_ms: i64) {
    SET.set(SET.get() + by_ms);
}

/// When this thread's history began.
pub fn start() -> Instant {
    START.get().expect("a history begins its clock")
}

/// What a process's clock shows.
pub fn now() -> Timestamp {
    Timestamp::from_millis(BEGINNING_MS + SET.get() + start().elapsed().as_millis() as i64)
}
