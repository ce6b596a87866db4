//! The brake: a run whose images fail too often pauses, so that a person looks before the rest goes the same way
//! (requirement E2). Whether it is due follows from the events alone, so restarts change nothing.

use crate::event::{PauseReason, Paused};
use crate::ids::RunId;
use crate::state::State;

/// Fewer images than this say nothing: of three, one that is missing is no reason to stop or to go back.
pub const RATE_MIN: u64 = 20;

/// How well images go: the one way of counting of the brake, of reports and of the advice that follows.
///
/// An image has gone well when it is in its row, or on the CDN and waiting for the row: failures settle at once, and not to
/// count what waits would make every run begin with them. It is troubled when it has failed, or the program skipped it.
/// What has drifted, what a person closed and what is not on the CDN yet is neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// Images that have gone well so far.
    pub well: u64,
    /// Images that failed, or that the program skipped.
    pub troubled: u64,
}

impl Rate {
    /// Both together.
    pub fn tried(self) -> u64 {
        self.well + self.troubled
    }
    /// Whether more than so many percent are troubled, of enough images to say so.
    pub fn is_above(self, percent: u64) -> bool {
        self.tried() >= RATE_MIN && self.troubled * 100 > self.tried() * percent
    }
}

/// Whether a run is to pause, and what to say then. It counts by country, and anew after each such pause.
pub fn brake(state: &State, run: RunId) -> Option<Paused> {
    let of = state.run(run)?;
    let max = of.options().error_rate_max_percent;
    let mut rates = of.settled().map(|(code, settled)| (code, settled.rate()));
    let (code, rate) = rates.find(|(_, rate)| rate.is_above(u64::from(max)))?;
    let (images, troubled) = (rate.tried(), rate.troubled);
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
