//! What a ledger came to when its last process ended: the next one has to find just that, out of the events.

use ledger::event::{Checkpoint, Tally};
use ledger::ledger::Ledger;
use ledger::plan;

use super::bug::Bug;
use super::command::Command;
use super::process::Process;
use super::world::Inner;

/// What a process left of a ledger.
#[derive(PartialEq)]
pub struct Known {
    checkpoint: Checkpoint,
    tallies: Vec<Tally>,
    unfinished: usize,
    has_retryable: bool,
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

/// Whether a command has nothing to do, as all know of the ledger, or as there is none.
pub fn is_nothing(world: &Inner, number: usize, is_there: bool, command: &Command) -> bool {
    // This planted bug has it do what there is no reason for.
    if world.bug == Some(Bug::ResumedOverRollback) && matches!(command, Command::Resume(_)) {
        return false;
    }
    let known = world.known[number].as_ref();
    let has_runs = is_there && known.is_none_or(|known| !known.tallies.is_empty());
    match command {
        Command::Resume(_) => !is_there || known.is_some_and(|known| known.unfinished == 0),
        Command::Retry => !is_there || known.is_some_and(|known| !known.has_retryable),
        Command::Rollback(..) | Command::RollbackRun(..) | Command::Skip(_) | Command::Checkpoint => {
            !has_runs
        }
        Command::MigratePlan(_) => !world.people.plans.iter().any(|(by, _)| *by == number),
        Command::Migrate(..) | Command::Populate(..) | Command::DeleteOrphans | Command::Plan(_) => false,
    }
}
