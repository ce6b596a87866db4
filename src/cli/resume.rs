//! `resume`: an unfinished run goes on from whatever moment it was cut off (requirement C5).

use clap::Args;
use ledger::event::{Ending, Verb};
use ledger::ids::RunId;
use ledger::ledger::Ledger;
use ledger::plan;
use ledger::state::{Run, RunStatus, State};
use ledger::store::LedgerError;

use super::ask::database;
use super::drive::{Driver, ForwardArgs, RunArgs};
use super::place::{name_of, typed};
use super::run_files::RunFilesArgs;
use super::searched::{refuse_hidden, say};
use super::{Context, approved, ended};
use crate::error::{Exit, Failure};
use crate::runner::touched;
use crate::show;

/// Go on with a run that was paused or cut off.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Which, where several are unfinished.
    #[arg(long, value_name = "N")]
    run: Option<RunId>,
    /// Take up again what of the run had failed; a run that has finished goes on by this alone.
    #[arg(long)]
    retry_failed: bool,
    #[command(flatten)]
    how: RunArgs,
    #[command(flatten)]
    forward: ForwardArgs,
    #[command(flatten)]
    files: RunFilesArgs,
}

pub fn run(context: &Context<'_>, args: &ResumeArgs) -> Result<Exit, Failure> {
    let path = context.ledger_path();
    if !path.try_exists()? {
        ended::nothing(
            context,
            None,
            &format!("Nothing to resume: there is no ledger at {}.", path.display()),
        )?;
        return Ok(Exit::Done);
    }
    args.files.prepare()?;
    let catalog = context.open_catalog_to_write()?;
    let mut ledger = context.open_ledger(&*catalog)?.ok_or(LedgerError::Missing { path })?;
    let Some(run) = choose(&ledger, args)? else {
        let why = match args.retry_failed {
            true => "Nothing to take up again: what failed is settled, or belongs to a later run.",
            false => "Nothing to resume: every run is finished.",
        };
        ended::nothing(context, Some(&ledger), why)?;
        return Ok(Exit::Done);
    };
    let of = ledger.state().run(run).expect("it was just chosen");
    let verb = of.started.verb;
    context.check_claims(&*catalog, touched(Some(ledger.state()), &of.started.scope, verb, Some(run)))?;
    let forward = (verb == Verb::Migrate).then_some(&args.forward);
    let options = args.how.over(of.options(), forward);
    eprintln!("Run {run} ({} {}) goes on.", verb.name(), name_of(&of.started.scope));
    show::question(&format!("It works on {}.", database(context, &*catalog)?));
    if options.delete_cdn_files {
        // What was left out may be gone since; then there is nothing to leave out.
        let texts = context.runtime.block_on(catalog.texts(&options.skip_tables))?;
        refuse_hidden(&texts, &format!("rollback {} --delete-cdn-files", typed(&of.started.scope)))?;
        say(&texts, "`longshore reconcile --format json`");
    }
    let needs_cdn = forward.is_some() || options.delete_cdn_files;
    let clients = needs_cdn.then(|| context.open_clients(&options)).transpose()?;
    let selection = approved::selection(context, run, of)?;
    let mut driver = Driver { context, ledger: &mut ledger, catalog, clients, selection };
    let end = driver.resume(run, options, args.retry_failed)?;
    ended::say_and_write(context, &ledger, vec![end], &args.files)
}

fn choose(ledger: &Ledger, args: &ResumeArgs) -> Result<Option<RunId>, Failure> {
    let state = ledger.state();
    if let Some(wanted) = args.run {
        return match state.run(wanted) {
            None => {
                Err(Failure::usage(format!("there is no run {wanted}")).hint("`longshore status` lists them"))
            }
            Some(run) if run.is_finished() && !args.retry_failed => {
                Err(Failure::usage(format!("run {wanted} is finished"))
                    .hint(format!("`longshore resume --run {wanted} --retry-failed` takes up what failed")))
            }
            Some(run) if run.is_finished() => retry(state, wanted),
            Some(_) => Ok(Some(wanted)),
        };
    }
    let mut candidates: Vec<RunId> = state.unfinished().map(|(run, _)| run).collect();
    let mut what = "several runs are unfinished";
    if candidates.is_empty() && args.retry_failed {
        candidates = state.runs().map(|(run, _)| run).filter(|run| has_failed(state, *run)).collect();
        what = "several runs have failed images";
    }
    match candidates[..] {
        [] => Ok(None),
        [run] if state.run(run).is_some_and(Run::is_finished) => retry(state, run),
        [run] => Ok(Some(run)),
        _ => {
            let say = |id: &RunId| {
                let started = state.run(*id).map(|run| &run.started);
                started.map_or(String::new(), |started| {
                    format!("run {id}: {} {}", started.verb.name(), name_of(&started.scope))
                })
            };
            let failure = candidates.iter().map(say).fold(Failure::usage(what), Failure::because);
            Err(failure.hint("`longshore resume --run N` goes on with one of them"))
        }
    }
}

/// Whether a run that has finished left something that it can take up again.
pub(super) fn has_failed(state: &State, run: RunId) -> bool {
    let (images, venues) = plan::retryable(state, run);
    let is_done = state.run(run).is_some_and(|run| run.status == RunStatus::Finished(Ending::Done));
    is_done && !(images.is_empty() && venues.is_empty())
}

/// A finished run goes on with what had failed, unless an unfinished one holds venues of its scope.
fn retry(state: &State, run: RunId) -> Result<Option<RunId>, Failure> {
    if !has_failed(state, run) {
        return Ok(None);
    }
    let holder = state.run(run).and_then(|of| plan::holders(state, &of.started.scope).first().copied());
    match holder {
        None => Ok(Some(run)),
        Some(holder) => {
            Err(Failure::new(Exit::Held, format!("the unfinished run {holder} holds venues of run {run}"))
                .hint(format!("`longshore resume --run {holder}` finishes it")))
        }
    }
}
