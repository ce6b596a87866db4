//! `rollback`: before-images back into the rows, out of the ledger (requirement C6).

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use ledger::event::{Ending, Scope, Verb};
use ledger::ids::RunId;
use ledger::ledger::Ledger;
use ledger::plan;
use ledger::state::{Aim, RunStatus, State};
use ledger::store::LedgerError;
use serde::Serialize;

use super::ask::{DRY_RUN, confirm, database, run_in_question};
use super::drive::{Driver, RunArgs};
use super::out::PlainFormat;
use super::past::PastArgs;
use super::place::{name_of, typed};
use super::resume::has_failed;
use super::searched::{refuse_hidden, say, searched};
use super::{Context, ended};
use crate::error::{Exit, Failure};
use crate::outside::catalog::Catalog;
use crate::outside::catalog::search::Texts;
use crate::runner::{Selection, Start, touched};
use crate::show;

/// Put the database back as it was before a migration.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    what: PastArgs,
    /// Only say what would be done; nothing is changed anywhere.
    #[arg(long)]
    dry_run: bool,
    /// Also delete the files on the CDN that this ledger sent, that are as it sent them, and that nothing needs any more.
    #[arg(long)]
    delete_cdn_files: bool,
    /// A table in which nobody looks for uses of files, because it is huge and holds none; may be given several times
    #[arg(long, value_name = "SCHEMA.TABLE", requires = "delete_cdn_files")]
    skip_table: Vec<String>,
    #[command(flatten)]
    how: RunArgs,
}

/// What a rollback would take back.
#[derive(Debug, Serialize)]
struct Preview {
    scope: String,
    target: &'static str,
    venues: u64,
    images: u64,
    countries: BTreeMap<String, u64>,
    /// The runs whose changes go back.
    takes_back: BTreeSet<RunId>,
    /// Unfinished runs that are closed first.
    closes: Vec<RunId>,
    /// Where uses of files are looked for; null where no file is deleted.
    looks_at: Option<Texts>,
}

pub fn run(context: &Context<'_>, args: &RollbackArgs) -> Result<Exit, Failure> {
    if args.dry_run {
        let ledger = Ledger::read(&context.ledger_path())?;
        let scope = scope(&ledger, args)?;
        let texts = match args.delete_cdn_files {
            true => Some(texts(context, &*context.open_catalog()?, (args, &scope))?),
            false => None,
        };
        let preview = Preview { looks_at: texts, ..preview(context, &ledger, &scope) };
        say_runs(ledger.state(), &preview);
        say_migrated(ledger.state(), &scope);
        return dry_run(context, &preview, &scope);
    }
    let catalog = context.open_catalog_to_write()?;
    let missing = || LedgerError::Missing { path: context.ledger_path() };
    let mut ledger = context.open_ledger(&*catalog)?.ok_or_else(missing)?;
    let scope = scope(&ledger, args)?;
    context.check_claims(&*catalog, touched(Some(ledger.state()), &scope, Verb::Rollback, None))?;
    let preview = preview(context, &ledger, &scope);
    let has_files = args.delete_cdn_files && !plan::deletable(ledger.state(), &scope).is_empty();
    if plan::take_backs(ledger.state(), &scope).is_empty() && preview.closes.is_empty() && !has_files {
        let why = format!("Nothing is left to roll back in {}.", preview.scope);
        ended::nothing(context, Some(&ledger), &why)?;
        return Ok(Exit::Done);
    }
    let texts = args.delete_cdn_files.then(|| texts(context, &*catalog, (args, &scope))).transpose()?;
    let (images, venues) = (show::count(preview.images, "image"), show::count(preview.venues, "venue"));
    show::asked(&format!("This puts {images} of {venues} in {} back as they were,", preview.scope));
    show::question(&format!("in {}. What others changed since stays.", database(context, &*catalog)?));
    say_runs(ledger.state(), &preview);
    say_files(texts.as_ref(), &scope);
    say_migrated(ledger.state(), &scope);
    for run in &preview.closes {
        eprintln!("Run {run} is unfinished; it is closed first and never resumed.");
    }
    let mut options = args.how.options(None, None);
    options.delete_cdn_files = args.delete_cdn_files;
    options.skip_tables = texts.map_or_else(Vec::new, |texts| texts.skipped);
    // A rollback that deletes nothing needs neither a key nor the CDN.
    let clients = args.delete_cdn_files.then(|| context.open_clients(&options)).transpose()?;
    confirm("`longshore migrate` works again afterwards.", "ROLLBACK", args.how.yes, DRY_RUN)?;
    let selection = Selection::Place;
    let mut driver = Driver { context, ledger: &mut ledger, catalog, clients, selection };
    let end = driver.start(Start { verb: Verb::Rollback, scope, options, close: preview.closes }, None)?;
    if ledger.state().unfinished().next().is_none() {
        context.clear_spool()?;
    }
    ended::say(context, &ledger, vec![end])
}

/// What is looked at before a file is deleted, if nothing keeps it from being looked at.
fn texts(
    context: &Context<'_>,
    catalog: &dyn Catalog,
    (args, scope): (&RollbackArgs, &Scope),
) -> Result<Texts, Failure> {
    let texts = searched(context, catalog, &args.skip_table)?;
    refuse_hidden(&texts, &format!("rollback {} --delete-cdn-files", typed(scope)))?;
    Ok(texts)
}

fn scope(ledger: &Ledger, args: &RollbackArgs) -> Result<Scope, Failure> {
    let scope = args.what.scope(ledger.state())?;
    if let Some(Scope::Run(run)) = scope
        && let Some(of) = ledger.state().run(run).filter(|of| of.started.verb == Verb::Rollback)
    {
        let failure = Failure::usage(format!("run {run} is a rollback itself"));
        return Err(failure.hint(match of.status {
            _ if !of.is_finished() => format!("`longshore resume --run {run}` finishes it"),
            _ if has_failed(ledger.state(), run) => {
                format!("`longshore resume --run {run} --retry-failed` takes up what failed")
            }
            RunStatus::Finished(Ending::Closed) => {
                format!("`longshore rollback {}` puts back what it had left", typed(&of.started.scope))
            }
            _ if has_taken_out(ledger.state(), run) => {
                "`longshore populate --matches FILE` adds again what it took out".to_owned()
            }
            _ => "`longshore migrate` moves again what it put back".to_owned(),
        }));
    }
    if let Some(scope) = &scope {
        refuse_over_unfinished(ledger.state(), scope)?;
    }
    scope.ok_or_else(|| {
        Failure::usage("`rollback` wants to know what to roll back")
            .hint("`longshore rollback --country Poland --dry-run`")
            .hint("`longshore rollback --city Kraków`")
            .hint("`longshore rollback --venue-id 842`")
            .hint("`longshore rollback --run 12`")
    })
}

/// Whether a rollback took back what a `populate` had added.
fn has_taken_out(state: &State, run: RunId) -> bool {
    let plans = state.run(run).map_or(&[][..], |run| run.plans()).iter();
    let back = plans.filter_map(|planned| state.plan(*planned)).filter_map(|plan| match &plan.aim {
        Aim::Back(images) => Some(images),
        Aim::Forward | Aim::Add => None,
    });
    back.flat_map(|images| images.iter()).filter_map(|id| state.image(*id)).any(|image| image.is_added)
}

/// Refuses to roll back over rows that an unfinished run may have written without the ledger knowing of it.
fn refuse_over_unfinished(state: &State, scope: &Scope) -> Result<(), Failure> {
    let Some(run) = plan::in_the_way(state, scope).last().copied() else { return Ok(()) };
    let of = &state.run(run).expect("an unfinished run is in its ledger").started;
    let verb = of.verb.name();
    let what =
        format!("the unfinished run {run} ({verb}) may have updated rows of {} already", name_of(scope));
    let failure = Failure::new(Exit::Held, what)
        .because("the ledger does not know of that yet, and the rollback would leave it")
        .hint(format!("`longshore resume --run {run}` finishes it"));
    Err(failure.hint(match of.verb {
        Verb::Rollback => format!("`longshore rollback {}` takes its place", typed(&of.scope)),
        Verb::Migrate | Verb::Populate => format!("`longshore rollback --run {run}` takes it back first"),
    }))
}

fn preview(context: &Context<'_>, ledger: &Ledger, scope: &Scope) -> Preview {
    let state = ledger.state();
    let visits = plan::take_backs(state, scope);
    let (mut countries, mut takes_back) = (BTreeMap::new(), BTreeSet::new());
    for image in visits.values().flatten() {
        let plan = state.plan(image.planned);
        takes_back.extend(plan.map(|plan| plan.run));
        let country = plan.and_then(|plan| state.place(plan).country.as_ref());
        let name = country.map_or_else(|| "(no country)".to_owned(), |country| country.name.clone());
        *countries.entry(name).or_default() += 1;
    }
    Preview {
        scope: name_of(scope),
        target: context.target.name(),
        venues: visits.values().filter(|images| !images.is_empty()).count() as u64,
        images: visits.values().map(|images| images.len() as u64).sum(),
        countries,
        takes_back,
        closes: state
            .unfinished()
            .map(|(run, _)| run)
            .filter(|run| plan::is_taken_over(state, *run, scope))
            .collect(),
        looks_at: None,
    }
}

/// Names what is taken back: which runs, and whose they were.
fn say_runs(state: &State, preview: &Preview) {
    let runs: BTreeSet<RunId> = preview.takes_back.iter().chain(&preview.closes).copied().collect();
    for run in runs {
        show::asked(&format!("  {}.", run_in_question(state, run)));
    }
}

/// Names the migrations that stand on what a `populate` has added: that is left, until they are rolled back.
fn say_migrated(state: &State, scope: &Scope) {
    let mut by_run: BTreeMap<RunId, u64> = BTreeMap::new();
    for run in plan::take_backs(state, scope).values().flatten().filter_map(|id| state.migrated_by(*id)) {
        *by_run.entry(run).or_default() += 1;
    }
    for (run, images) in by_run {
        let images = show::count(images, "image");
        eprintln!("{images} of these were migrated since by run {run} and are left: roll that back first.");
    }
}

fn say_files(texts: Option<&Texts>, scope: &Scope) {
    let Some(texts) = texts else { return eprintln!("Files on the CDN stay.") };
    eprintln!(
        "Files on the CDN that this ledger sent, that are as it sent them and that nothing needs any more are deleted."
    );
    let all = "--delete-cdn-files --dry-run --format json";
    say(texts, &format!("`longshore rollback {} {all}`", typed(scope)));
}

fn dry_run(context: &Context<'_>, preview: &Preview, scope: &Scope) -> Result<Exit, Failure> {
    match context.plain_format()? {
        PlainFormat::Json => show::json(preview)?,
        PlainFormat::Table => {
            let mut table = show::Table::new(&["Country", "Images to take back"]);
            for (country, images) in &preview.countries {
                table.row(&[country], &[*images]);
            }
            table.row(&["Total"], &[preview.images]);
            table.print()?;
            for run in &preview.closes {
                eprintln!("Run {run} is unfinished; it would be closed first and never resumed.");
            }
            say_files(preview.looks_at.as_ref(), scope);
            eprintln!("Nothing was changed. Without --dry-run, `rollback` asks before it begins.");
        }
    }
    Ok(Exit::Done)
}
