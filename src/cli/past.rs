//! Questions to the ledger: of which scope, and as of when (requirements C6, C8 to C12).

use clap::Args;
use ledger::event::Scope;
use ledger::ids::RunId;
use ledger::ledger::{AsOf, Ledger};
use ledger::state::State;

use super::Context;
use super::open::now;
use super::place::PlaceArgs;
use crate::error::Failure;

/// A place or a run, as the ledger knows it.
#[derive(Debug, Clone, Args)]
pub struct PastArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// What one run did.
    #[arg(long, value_name = "N", conflicts_with_all = ["country", "city", "venue_id"])]
    pub run: Option<RunId>,
}

/// A moment to look back from.
#[derive(Debug, Clone, Args)]
pub struct AsOfArgs {
    /// As it was then: an event's number, or a time (RFC 3339). The answer is the same for ever.
    #[arg(long, value_name = "SEQ|TIME")]
    pub as_of: Option<AsOf>,
}

impl PastArgs {
    /// What was asked for; `None` when nothing was named.
    ///
    /// # Errors
    /// When the ledger knows no such place or run.
    pub fn scope(&self, state: &State) -> Result<Option<Scope>, Failure> {
        let Some(run) = self.run else { return self.place.in_ledger(state) };
        let known = state.run(run).map(|_| Some(Scope::Run(run)));
        known.ok_or_else(|| {
            Failure::usage(format!("there is no run {run}"))
                .hint("`longshore log --kind run_started` lists them")
        })
    }
}

impl AsOfArgs {
    /// Opens the ledger to read it, as of the moment asked for.
    ///
    /// # Errors
    /// When there is none, it is damaged, or the moment has not come yet: that answer would not stay the same.
    pub fn read(&self, context: &Context<'_>) -> Result<Ledger, Failure> {
        let too_early = |what: String| {
            Err(Failure::usage(what).hint("Without --as-of the answer is as of now, and names its event"))
        };
        if let Some(AsOf::Time(time)) = self.as_of
            && time > now()
        {
            return too_early(format!("{time} has not come yet"));
        }
        context.tell_whose();
        let ledger = Ledger::read_as_of(&context.ledger_path(), self.as_of)?;
        let head = ledger.head().seq;
        if let Some(AsOf::Seq(seq)) = self.as_of
            && seq > head
        {
            return too_early(format!("there is no event {seq} yet; the last is {head}"));
        }
        if ledger.state().opened().is_none() {
            return Err(Failure::usage("this ledger did not exist then")
                .hint("`longshore log` shows when it was opened"));
        }
        Ok(ledger)
    }
}
