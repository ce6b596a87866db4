//! `migrate`: images forward (requirement C4).

use std::path::PathBuf;

use clap::Args;
use ledger::event::Verb;
use ledger::ids::RunId;
use ledger::ledger::Ledger;
use ledger::plan;
use ledger::state::State;

use super::ask::{DRY_RUN, confirm, database, run_in_question, word_for};
use super::countries::for_each_movable;
use super::drive::{Driver, ForwardArgs, RunArgs, Turned};
use super::look::{LeftOut, Preview, look};
use super::place::{Chosen, PlaceArgs, typed};
use super::run_files::RunFilesArgs;
use super::{Context, approved, ended, forecast, plan as planned};
use crate::error::{Exit, Failure};
use crate::limits::{IMAGE_BYTES_MAX, IN_FLIGHT_DEFAULT};
use crate::outside::catalog::Catalog;
use crate::runner::{End, Selection, Start, touched};
use crate::show;

/// Move a country's, a city's or a venue's images to the CDN.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Exactly what this saved plan says, or nothing if that has moved (see `plan --out`).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["country", "city", "venue_id", "limit", "dry_run"])]
    plan: Option<PathBuf>,
    /// At most this many venues, in id order; those with old trouble last.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only say what would be done; nothing is changed anywhere.
    #[arg(long)]
    pub dry_run: bool,
    /// With --dry-run: ask the origin for the size of every file, not of a sample.
    #[arg(long, requires = "dry_run")]
    exact: bool,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    forward: ForwardArgs,
    #[command(flatten)]
    files: RunFilesArgs,
}

pub fn run(context: &Context<'_>, args: &MigrateArgs) -> Result<Exit, Failure> {
    if let Some(plan) = &args.plan {
        return approved::run(context, plan, &args.run, &args.forward, &args.files);
    }
    if args.place.is_empty() {
        return Err(Failure::usage("`migrate` wants to know what to migrate")
            .hint("`longshore migrate --country Poland --dry-run`")
            .hint("`longshore migrate --country PL --limit 10`")
            .hint("`longshore migrate --city Kraków`")
            .hint("`longshore migrate --venue-id 842`")
            .hint("`longshore migrate --plan poland.plan`"));
    }
    let catalog = match args.dry_run {
        true => context.open_catalog()?,
        false => context.open_catalog_to_write()?,
    };
    let (geography, chosen) = context.runtime.block_on(args.place.find(&*catalog))?;
    if args.dry_run {
        let asked = planned::Asked {
            limit: args.limit,
            exact: args.exact,
            concurrency: args.run.concurrency.unwrap_or(IN_FLIGHT_DEFAULT),
            bytes_max: args.forward.max_bytes.unwrap_or(IMAGE_BYTES_MAX),
            allow_hosts: &args.forward.hosts.allow_host,
            delivery_check: !args.forward.no_delivery_check,
            save: None,
        };
        let out = show::Out { format: context.common.format, file: None };
        return planned::say(context, &*catalog, &geography, &chosen, &asked, &out);
    }
    context.check_claims(&*catalog, touched(None, &chosen.scope, Verb::Migrate, None))?;
    args.files.prepare()?;
    let options = args.run.options(Some(&args.forward), args.limit);
    let clients = Some(context.open_clients(&options)?);
    let mut ledger = context.open_ledger(&*catalog)?;
    let mut ends = Vec::new();
    if let Some(ledger) = &mut ledger {
        let held = holders(ledger, &chosen)?;
        let of = catalog.clone();
        let mut driver = Driver { context, ledger, catalog: of, clients: None, selection: Selection::Place };
        for run in held {
            ends.push(go_on(&mut driver, run, args)?);
            if ends.last().is_some_and(|turned| matches!(turned.end, End::Paused(_))) {
                return ended::say_and_write(context, driver.ledger, ends, &args.files);
            }
        }
        let ledger = driver.ledger;
        if !ends.is_empty() && !has_rest(context, &*catalog, &chosen, ledger.state(), &ends)? {
            return ended::say_and_write(context, ledger, ends, &args.files);
        }
    }
    let state = ledger.as_ref().map(Ledger::state);
    let preview = look(context, &*catalog, &geography, &chosen, args.limit, state)?;
    if preview.images == 0 {
        let (shown, more) = preview.some_left_out();
        for LeftOut { venue_id, why } in shown {
            eprintln!("Venue {venue_id}: bad_data: {why}");
        }
        if more > 0 {
            let place = typed(&chosen.scope);
            eprintln!(
                "… and {more} more; `longshore plan {place} --format json` names them all, in `left_out`"
            );
        }
        ended::nothing(context, ledger.as_ref(), &preview.nothing_left())?;
        let is_troubled = preview.bad_venues > 0 || state.is_some_and(|state| has_trouble(state, &chosen));
        return Ok(if is_troubled { Exit::SomeFailed } else { Exit::Done });
    }
    let read = (&*catalog, &chosen, state);
    let forecast = forecast::of_preview(context, read, &preview, &options)?;
    if ends.is_empty() || !args.run.yes {
        let (images, venues) = (show::count(preview.images, "image"), show::count(preview.venues, "venue"));
        let (name, database) = (word_for(&chosen.scope), database(context, &*catalog)?);
        eprintln!("This moves {images} of {venues} in {name} to ImageKit");
        show::question(&format!("and rewrites their rows in {database}."));
        say_left_out(&preview, &chosen);
        let reassurance = "Nothing that is there now is deleted; `longshore rollback` takes it back.";
        confirm(reassurance, &name, args.run.yes, DRY_RUN)?;
    }
    let mut ledger = match ledger {
        Some(ledger) => ledger,
        None => context.make_ledger(&*catalog)?,
    };
    let start = Start { verb: Verb::Migrate, scope: chosen.scope.clone(), options, close: Vec::new() };
    ends.push(
        Driver { context, ledger: &mut ledger, catalog, clients, selection: Selection::Place }
            .start(start, forecast)?,
    );
    ended::say_and_write(context, &ledger, ends, &args.files)
}

/// The unfinished runs forward over the scope, to be gone on with first; a rollback or a populate over it is not run over.
fn holders(ledger: &Ledger, chosen: &Chosen) -> Result<Vec<RunId>, Failure> {
    let state = ledger.state();
    let held = plan::holders(state, &chosen.scope);
    let other = held.iter().find_map(|run| {
        let verb = state.run(*run)?.started.verb;
        (verb != Verb::Migrate).then_some((*run, verb.name()))
    });
    match other {
        Some((run, verb)) => Err(Failure::new(
            Exit::Held,
            format!("the unfinished run {run} ({verb}) holds venues of {}", chosen.name),
        )
        .hint(format!("`longshore resume --run {run}` finishes it"))),
        None => Ok(held),
    }
}

fn go_on(driver: &mut Driver<'_>, run: RunId, args: &MigrateArgs) -> Result<Turned, Failure> {
    let of = driver.ledger.state().run(run).expect("an unfinished run is there");
    let options = args.run.over(of.options(), Some(&args.forward));
    let state = driver.ledger.state();
    let countries = touched(Some(state), &of.started.scope, of.started.verb, Some(run));
    driver.context.check_claims(&*driver.catalog, countries)?;
    show::asked(&format!("{}.", run_in_question(state, run)));
    eprintln!("It is unfinished and goes on first, in {}.", database(driver.context, &*driver.catalog)?);
    confirm("What it has done is not done again.", "resume", args.run.yes, "`longshore status`")?;
    driver.selection = approved::selection(driver.context, run, of)?;
    driver.clients = Some(driver.context.open_clients(&options)?);
    driver.resume(run, options, false)
}

/// Whether anything is left to migrate that the runs that have just ended did not take.
fn has_rest(
    context: &Context<'_>,
    catalog: &dyn Catalog,
    chosen: &Chosen,
    state: &State,
    ends: &[Turned],
) -> Result<bool, Failure> {
    let mut has_rest = false;
    let of_these =
        |planned| state.plan(planned).is_some_and(|plan| ends.iter().any(|turned| turned.run == plan.run));
    context.runtime.block_on(for_each_movable(catalog, Some(state), chosen.place, |venue, _| {
        let last = state.venue(venue.id).and_then(|plans| plans.last());
        has_rest |= !last.is_some_and(of_these);
    }))?;
    Ok(has_rest)
}

/// Says before the question which venues the run will have fail; with a limit it takes none of those.
fn say_left_out(preview: &Preview, chosen: &Chosen) {
    let (shown, more) = preview.some_left_out();
    if shown.is_empty() {
        return;
    }
    if let Some(passed_by) = preview.passed_by(&chosen.scope) {
        eprintln!("{passed_by}");
        return;
    }
    let mut ids = shown.iter().map(|left| left.venue_id.to_string()).collect::<Vec<_>>().join(", ");
    if more > 0 {
        ids.push_str(&format!(" and {more} more"));
    }
    let (venues, place) = (show::count(preview.bad_venues, "more venue"), typed(&chosen.scope));
    eprintln!("Nothing can be moved of {venues}, and the run has them fail (bad_data).");
    eprintln!("`longshore plan {place}` says why. Their ids: {ids}.");
}

/// Whether images of a place wait for a person, or failed.
pub fn has_trouble(state: &State, chosen: &Chosen) -> bool {
    let mut plans = state.plans().filter(|(_, plan)| plan::is_within(state, plan, &chosen.scope));
    plans.any(|(_, plan)| plan::is_troubled(state, plan.venue))
}
