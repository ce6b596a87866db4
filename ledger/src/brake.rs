//! The brake: a run whose images fail too often pauses, so that a person looks before the rest goes the same way
//! (requirement E2). Whether it is due follows from the events alone, so restarts change nothing.

use crate::event::{PauseReason, Paused};
use crate::ids::RunId;
use crate::state::{Settled, State};

/// Fewer images of a country than this, settled or on the CDN, say nothing about it.
pub const SETTLED_MIN: u64 = 20;

/// Whether a run is to pause, and what to say then.
pub fn brake(state: &State, run: RunId) -> Option<Paused> {
    let of = state.run(run)?;
    let max = of.options().error_rate_max_percent;
    let is_over = |(_, settled): &(Option<&str>, Settled)| {
        let images = settled.images + settled.uploaded;
        images >= SETTLED_MIN && settled.troubled * 100 > images * u64::from(max)
    };
    let (code, settled) = of.settled().find(is_over)?;
    let (images, troubled) = (settled.images + settled.uploaded, settled.troubled);
    let percent = troubled as f64 * 100.0 / images as f64;
    let place = code.map_or_else(|| "the venues without a country".to_owned(), str::to_owned);
    Some(Paused {
        reason: PauseReason::ErrorRate,
        message: format!(
            "{troubled} of the last {images} images of {place} failed or were skipped, {percent:.1} %; \
             it pauses above {max} %"
        ),
        advice: format!(
            "`longshore export failures --run {run}` shows them. `longshore resume --run {run}` goes on and counts \
             anew, `--retry-failed` takes the failed ones up too, `longshore rollback --run {run}` takes the run back"
        ),
    })
}
