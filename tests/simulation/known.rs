//! What a ledger came to when its last process ended: the next one has to find just that, out of the events.

use ledger::event::{Checkpoint, Tally};
use ledger::ledger::Ledger;
use ledger::plan;

use super::process::Process;
use super::world::Inner;

/// What a process left of a ledger.
#[derive(PartialEq)]
pub struct Known {
    checkpoint: Checkpoint,
    /// What each run did.
    pub tallies: Vec<Tally>,
    /// Runs that are to be gone on with.
    pub unfinished: usize,
    /// Whether anything that failed may be tried again.
    pub has_retryable: bool,
}

impl Known {
    fn of(ledger: &Ledger) -> Self {
        let state = ledger.state();
        let runs = || state.runs().map(|(run, _)| run);
        let is_retryable = |run| {
            let (images, venues) = plan::retryable(state, run);
            !images.is_empty() || !venues.is_empty()
        };
        Self {
            checkpoint: state.checkpoint(),
            tallies: runs().map(|run| state.tally(run)).collect(),
            unfinished: state.unfinished().count(),
            has_retryable: runs().any(is_retryable),
        }
    }
}

/// A process ends in order with a ledger in this state.
pub fn left(process: &Process, ledger: &Ledger) {
    process.world.lock().known[process.ledger] = Some(Known::of(ledger));
}

/// A ledger was read from its first event on: it is in the state that the last process had. From here on others may write.
pub fn found(world: &mut Inner, number: usize, ledger: &Ledger) {
    if let Some(known) = world.known[number].take()
        && known != Known::of(ledger)
    {
        world.break_promise(format!(
            "ledger {number}: the events give another state than the last process had"
        ));
    }
}
