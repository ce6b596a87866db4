//! `migrate --plan`: a saved plan, run exactly so or not at all (requirement C3).

use std::path::Path;
use std::sync::Arc;

use ledger::event::{Input, Options, Verb};
use ledger::ids::{RunId, Seq};
use ledger::ledger::Ledger;
use ledger::plan;
use ledger::state::{Run, State};

use super::ask::{confirm, database, word_for};
use super::drive::{Driver, ForwardArgs, RunArgs};
use super::open::target_of;
use super::run_files::RunFilesArgs;
use super::{Context, ended, forecast, populate};
use crate::error::{Exit, Failure};
use crate::limits::{CATALOG_PAGE_VENUES, PLAN_DIFFERENCES_MAX};
use crate::outside::catalog::{Catalog, answered};
use crate::runner::saved::{Difference, Moved};
use crate::runner::{SavedPlan, Selection, Start, touched};
use crate::show;

/// Runs a plan.
pub fn run(
    context: &Context<'_>,
    path: &Path,
    args: &RunArgs,
    forward: &ForwardArgs,
    files: &RunFilesArgs,
) -> Result<Exit, Failure> {
    let plan = SavedPlan::read(path)?;
    files.prepare()?;
    let catalog = context.open_catalog_to_write()?;
    check_target(context, &*catalog, path, &plan)?;
    context.check_claims(&*catalog, touched(None, &plan.scope, Verb::Migrate, None))?;
    let mut options = args.options(Some(forward), plan.limit);
    let clients = Some(context.open_clients(&options)?);
    let ledger = context.open_ledger(&*catalog)?;
    let state = ledger.as_ref().map(Ledger::state);
    if let Some(state) = state {
        refuse_over_unfinished(state, &plan)?;
    }
    check_differences(context, &*catalog, state, path, &plan)?;
    let venues = plan.venues().len() as u64;
    if venues == 0 {
        ended::nothing(context, ledger.as_ref(), "This plan moves nothing.")?;
        return Ok(Exit::Done);
    }
    let (images, venues) = (show::count(plan.images(), "image"), show::count(venues, "venue"));
    let name = word_for(&plan.scope);
    show::question(&format!(
        "This moves exactly what {} says: {images} of {venues} in {name}, to ImageKit,",
        path.display()
    ));
    show::question(&format!("and rewrites their rows in {}.", database(context, &*catalog)?));
    let forecast = forecast::of_plan(context, &plan, &options)?;
    let reassurance = "Nothing that is there now is deleted; `longshore rollback` takes it back.";
    confirm(reassurance, &name, args.yes, "the plan")?;
    let mut ledger = match ledger {
        Some(ledger) => ledger,
        None => context.make_ledger(&*catalog)?,
    };
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
    options.input = Some(Input { path, digest: plan.digest().to_string() });
    let start = Start { verb: Verb::Migrate, scope: plan.scope.clone(), options, close: Vec::new() };
    let selection = Selection::Saved(Arc::new(plan));
    let end = Driver { context, ledger: &mut ledger, catalog, clients, selection }.start(start, forecast)?;
    ended::say_and_write(context, &ledger, vec![end], files)
}

/// What a run that goes on still chooses from: a file, where it came from one and had not planned all of it.
pub fn selection(context: &Context<'_>, run: RunId, of: &Run) -> Result<Selection, Failure> {
    match (of.started.verb, &of.options().input) {
        _ if of.is_planned => Ok(Selection::Place),
        (Verb::Populate, _) => populate::reopen(context, run, of.options()),
        (Verb::Migrate, Some(_)) => reopen(run, of.options()),
        (Verb::Migrate | Verb::Rollback, _) => Ok(Selection::Place),
    }
}

/// The plan of a run that was cut off while it planned: it must say what it said then.
fn reopen(run: RunId, options: &Options) -> Result<Selection, Failure> {
    let input = options.input.as_ref().ok_or_else(|| Failure::usage(format!("run {run} has no plan")))?;
    let plan = SavedPlan::read(Path::new(&input.path))?;
    if plan.digest().to_string() != input.digest {
        return Err(Failure::usage(format!("{} is another plan now", input.path))
            .because(format!("run {run} was cut off before it had planned all its venues"))
            .hint(format!("Put the plan back, or `longshore rollback --run {run}` and plan anew")));
    }
    Ok(Selection::Saved(Arc::new(plan)))
}

/// A plan made for one database says nothing about another; the host alone may have changed.
fn check_target(
    context: &Context<'_>,
    catalog: &dyn Catalog,
    path: &Path,
    plan: &SavedPlan,
) -> Result<(), Failure> {
    let identity = context.runtime.block_on(catalog.identity())?;
    let (mut ours, mut theirs) = (target_of(context.target.name(), &identity), plan.target.clone());
    (ours.host, theirs.host) = (None, None);
    if ours.system.is_none() || theirs.system.is_none() {
        // Where one of the two could not read it, it cannot be compared.
        (ours.system, theirs.system) = (None, None);
    }
    if ours == theirs {
        return Ok(());
    }
    let message = format!("{} was made for {} ({})", path.display(), theirs.name, theirs.database);
    Err(Failure::usage(message)
        .because(format!("this is {} ({})", ours.name, ours.database))
        .hint("Plan anew for this database"))
}

fn refuse_over_unfinished(state: &State, plan: &SavedPlan) -> Result<(), Failure> {
    // A run that still plans holds its whole country; one that has planned, the venues it has not settled.
    let is_planned = |seq: &Seq| {
        let venue = state.plan(*seq).map(|of| of.venue);
        !state.is_over(*seq) && venue.is_some_and(|venue| plan.names(venue))
    };
    let holds =
        |run: &RunId| state.run(*run).is_some_and(|of| !of.is_planned || of.plans().iter().any(is_planned));
    let Some(run) = plan::holders(state, &plan.scope).into_iter().find(holds) else { return Ok(()) };
    let verb = state.run(run).map_or("", |of| of.started.verb.name());
    Err(Failure::new(Exit::Held, format!("the unfinished run {run} ({verb}) holds venues of this plan"))
        .hint(format!("`longshore resume --run {run}` finishes it")))
}

/// Refuses a plan that something has moved under, and names what.
fn check_differences(
    context: &Context<'_>,
    catalog: &dyn Catalog,
    state: Option<&State>,
    path: &Path,
    plan: &SavedPlan,
) -> Result<(), Failure> {
    let is_closed = |venue, entry: &str| state.is_some_and(|state| state.is_closed(venue, entry));
    let ids = plan.ids();
    let (mut rest, mut differences, mut count) = (&ids[..], Vec::new(), 0);
    while !rest.is_empty() {
        let asked = &rest[..rest.len().min(CATALOG_PAGE_VENUES as usize)];
        let now = context.runtime.block_on(catalog.by_ids(asked))?;
        let (asked, behind) = rest.split_at(answered(asked, &now));
        let found = plan.differences(asked, &now, is_closed);
        count += found.len();
        differences.extend(found.into_iter().take(PLAN_DIFFERENCES_MAX.saturating_sub(differences.len())));
        rest = behind;
    }
    if differences.is_empty() {
        return Ok(());
    }
    let failure = Failure::usage(format!("{} is not what the database holds any more", path.display()));
    let shown = differences.into_iter().map(bare);
    let mut failure = shown.fold(failure, |failure, difference| failure.because(difference));
    if count > PLAN_DIFFERENCES_MAX {
        failure = failure.because(format!("and {} more", count - PLAN_DIFFERENCES_MAX));
    }
    Err(failure.hint("Nothing was changed. Plan anew, and look at it again"))
}

/// With its URL as it may be shown.
fn bare(mut difference: Difference) -> Difference {
    match &mut difference.moved {
        Moved::EntryGone(url)
        | Moved::NotExternal(url)
        | Moved::EntryChanged(url)
        | Moved::Closed(url)
        | Moved::EntryNew(url) => *url = show::address(url),
        Moved::VenueGone | Moved::Slug { .. } | Moved::NotRead(_) | Moved::NotAnArray => {}
    }
    difference
}
