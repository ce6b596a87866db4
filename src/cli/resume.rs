//! `resume`: an unfinished run goes on from whatever moment it was cut off (requirement C5).

use clap::Args;
use ledger::event::Verb;
use ledger::ids::RunId;
use ledger::ledger::Ledger;
use ledger::store::LedgerError;

use super::drive::{Driver, ForwardArgs, RunArgs};
use super::place::name_of;
use super::{Context, ended};
use crate::error::{Exit, Failure};

/// Go on with a run that was paused or cut off.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Which, where several are unfinished.
    #[arg(long, value_name = "N")]
    run: Option<RunId>,
    #[command(flatten)]
    how: RunArgs,
    #[command(flatten)]
    forward: ForwardArgs,
}

pub fn run(context: &Context<'_>, args: &ResumeArgs) -> Result<Exit, Failure> {
    let path = context.ledger_path();
    if !path.exists() {
        ended::nothing(
            context,
            None,
            &format!("Nothing to resume: there is no ledger at {}.", path.display()),
        )?;
        return Ok(Exit::Done);
    }
    let catalog = context.open_catalog()?;
    let mut ledger = context.open_ledger(&*catalog)?.ok_or(LedgerError::Missing { path })?;
    let Some(run) = choose(&ledger, args.run)? else {
        ended::nothing(context, Some(&ledger), "Nothing to resume: every run is finished.")?;
        return Ok(Exit::Done);
    };
    let of = ledger.state().run(run).expect("it was just chosen");
    let verb = of.started.verb;
    let forward = (verb == Verb::Migrate).then_some(&args.forward);
    let options = args.how.over(of.options(), forward);
    eprintln!("Run {run} ({} {}) goes on.", verb.name(), name_of(&of.started.scope));
    let clients = forward.map(|_| context.open_clients(options.bytes_max)).transpose()?;
    let mut driver = Driver { context, ledger: &mut ledger, catalog, clients };
    let end = driver.resume(run, options, false)?;
    ended::say(context, &ledger, vec![end])
}

fn choose(ledger: &Ledger, wanted: Option<RunId>) -> Result<Option<RunId>, Failure> {
    let state = ledger.state();
    let unfinished: Vec<_> = state.unfinished().collect();
    if let Some(wanted) = wanted {
        return match state.run(wanted) {
            None => {
                Err(Failure::usage(format!("there is no run {wanted}")).hint("`longshore status` lists them"))
            }
            Some(run) if run.is_finished() => Err(Failure::usage(format!("run {wanted} is finished"))),
            Some(_) => Ok(Some(wanted)),
        };
    }
    match unfinished[..] {
        [] => Ok(None),
        [(run, _)] => Ok(Some(run)),
        _ => {
            let failure = Failure::usage("several runs are unfinished");
            let say = |(id, run): &(RunId, &ledger::state::Run)| {
                format!("run {id}: {} {}", run.started.verb.name(), name_of(&run.started.scope))
            };
            let failure = unfinished.iter().map(say).fold(failure, Failure::because);
            Err(failure.hint("`longshore resume --run N` goes on with one of them"))
        }
    }
}
