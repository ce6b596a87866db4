//! What both databases' claims share: how long one is tried for, and how a holder is named.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::plain;
use crate::limits;

/// The time a claim is tried for. A claim that is refused may be free in a moment: the backend of a program that was
/// killed notices late.
pub(super) struct Trying {
    until: Instant,
}

impl Trying {
    /// Starts the clock.
    pub(super) fn start() -> Self {
        Self { until: Instant::now() + Duration::from_millis(limits::CLAIM_TRY_MS_MAX) }
    }

    /// Waits a moment before the next try; false, at once, when the time is over.
    pub(super) async fn again(&self) -> bool {
        let now = Instant::now();
        if now >= self.until {
            return false;
        }
        sleep_until(self.until.min(now + Duration::from_millis(limits::CLAIM_AGAIN_MS))).await;
        true
    }
}

/// What somebody calls itself, in quotes that are its only ones: it is that program's own text, and proves nothing.
pub(super) fn calls_itself(name: &str) -> String {
    format!("it calls itself \"{}\"", plain(name).replace('"', "'"))
}

/// Waits until a claim's connection is due to be used again.
pub(super) async fn until_next_ping() {
    sleep(Duration::from_millis(limits::CLAIM_PING_MS)).await;
}

/// A country's name among claims: upper case, as ISO has it; the venues without a country have one of their own.
pub(super) fn claimed(country: Option<&str>) -> String {
    country.map_or_else(|| "none".to_owned(), |code| code.trim().to_ascii_uppercase())
}
