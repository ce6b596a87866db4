//! What a run logs of itself: a span a run, venue, image and step, and a line when a step has ended. Nothing hangs on it:
//! the ledger has all of this, and for ever.

use std::time::Duration;

use ledger::decide::{Outcome, Seen};
use ledger::ids::{RunId, VenueId};
use ledger::plan::Step;
use tracing::{Span, debug, info, info_span};

use super::{End, Outside, Performed, RunError};
use crate::outside::Trouble;

/// The span of a run, for the thread that turns it.
pub fn run(run: RunId, verb: &str) -> Span {
    let span = info_span!(target: "longshore::run", "run", %run, verb);
    span.in_scope(|| info!(target: "longshore::run", "begun"));
    span
}

/// How a run ended, this time.
pub fn ended(end: &Result<End, RunError>) {
    match end {
        Ok(End::Finished(_, tally)) => {
            info!(target: "longshore::run", images = tally.images, done = tally.done, failed = tally.failed, skipped = tally.skipped, "finished");
        }
        Ok(End::Paused(paused)) => info!(target: "longshore::run", why = paused.message, "paused"),
        Err(error) => info!(target: "longshore::run", why = %error, "broken off"),
    }
}

/// The span of a step, within those of its venue and, where it is about one, its image.
pub fn step(venue: VenueId, step: Step) -> Span {
    let venue = info_span!(target: "longshore::step", "venue", %venue);
    let (name, image) = match step {
        Step::Download(image) => ("download", Some(image)),
        Step::Upload(image) => ("upload", Some(image)),
        Step::UpdateRow(_) => ("update_row", None),
        Step::RestoreRow(_) => ("restore_row", None),
    };
    let within = match image {
        Some(image) => info_span!(target: "longshore::step", parent: &venue, "image", %image),
        None => venue,
    };
    info_span!(target: "longshore::step", parent: &within, "step", step = name)
}

/// What came of a step, within its span.
pub fn performed(performed: &Performed) {
    match performed {
        Performed::Outcome(Outcome::Fetched(file)) => {
            info!(target: "longshore::step", bytes = file.bytes, ms = file.ms, attempts = file.attempts, "downloaded");
        }
        Performed::Outcome(Outcome::Stored(file)) => {
            info!(target: "longshore::step", file_id = %file.id, acquired = ?file.acquired, ms = file.ms, attempts = file.attempts, "uploaded");
        }
        Performed::Outcome(Outcome::Row(row)) => {
            let seen = match row.seen {
                Seen::Missing => "missing",
                Seen::Left(_) => "left",
                Seen::Written { .. } => "written",
            };
            info!(target: "longshore::step", row = seen, ms = row.ms, "looked at");
        }
        Performed::Outcome(Outcome::Trouble(trouble)) => {
            info!(target: "longshore::step", kind = %trouble.kind, message = trouble.message, attempts = trouble.attempts, "in trouble");
        }
        Performed::Deferred => info!(target: "longshore::step", "deferred, as its part may be away"),
        Performed::GivenUp => info!(target: "longshore::step", "given up, as the run stops"),
    }
}

/// A wait before the next attempt.
pub fn waits(outside: Outside, why: &Trouble, attempt: u32, wait: Duration) {
    let ms = wait.as_millis() as u64;
    debug!(target: "longshore::wait", part = outside.name(), %why, attempt, ms, "waits");
}
