//! What a run says when it has ended or paused.

use ledger::event::{Event, Paused, Scope, Tally, Verb};
use ledger::ids::RunId;
use ledger::ledger::Ledger;
use ledger::report::{Counts, Report, ReportFold};
use ledger::state::{Aim, Mark, State, Whole};
use ledger::store::LedgerError;
use serde::Serialize;

use super::Context;
use super::drive::{Turned, exit_of};
use super::out::PlainFormat;
use super::place::name_of;
use super::reconcile::Deleted;
use super::run_files::RunFilesArgs;
use crate::error::{Exit, Failure};
use crate::runner::{End, ROLLED_BACK_GONE};
use crate::show;

#[derive(Serialize)]
struct Ended {
    run: RunId,
    verb: Verb,
    scope: Scope,
    paused: Option<Paused>,
    tally: Tally,
    /// Venues whose images are all back, of those a rollback visited; null for a run forward.
    venues_restored: Option<u64>,
    /// Venues for which there was an image, as reports count them; `tally` counts the others as well.
    #[serde(skip)]
    venues_with_images: u64,
    /// Files that a rollback has deleted from the CDN; null for a run forward.
    files_deleted: Option<u64>,
    /// Files of the same that it found gone; null for a run forward.
    files_gone: Option<u64>,
    /// Files that it was to delete and that may still be there; null for a run forward.
    files_left: Option<Vec<Deleted>>,
    /// Migrations to be rolled back first, where a `populate` could not be taken back for them.
    migrated_by: Vec<RunId>,
    /// How well a migration went, as `report --run` tells it; null for the others.
    report: Option<Report>,
}

#[derive(Serialize)]
struct Answer {
    runs: Vec<Ended>,
    /// Empty where there is no ledger yet.
    head: String,
}

/// Says how runs ended; the exit code is the gravest of theirs.
pub fn say(context: &Context<'_>, ledger: &Ledger, ends: Vec<Turned>) -> Result<Exit, Failure> {
    say_and_write(context, ledger, ends, &RunFilesArgs::default())
}

/// The same, and what each run leaves behind for others is written where that is wanted.
pub fn say_and_write(
    context: &Context<'_>,
    ledger: &Ledger,
    ends: Vec<Turned>,
    files: &RunFilesArgs,
) -> Result<Exit, Failure> {
    let exits: Vec<Exit> = ends.iter().map(|turned| exit_of(&turned.end)).collect();
    let runs: Result<Vec<Ended>, Failure> = ends.into_iter().map(|turned| ended(ledger, turned)).collect();
    let answer = Answer { runs: runs?, head: ledger.head().to_string() };
    match context.plain_format()? {
        PlainFormat::Json => show::json(&answer)?,
        PlainFormat::Table => {
            for ended in &answer.runs {
                print(ended)?;
            }
            show::line(&format!("Ledger head {}", answer.head))?;
        }
    }
    for ended in &answer.runs {
        files.write(ledger, ended.run, ended)?;
    }
    let gravest =
        [Exit::Paused, Exit::SomeDrifted, Exit::SomeFailed].into_iter().find(|exit| exits.contains(exit));
    Ok(gravest.unwrap_or(Exit::Done))
}

/// Says that there is nothing to do.
pub fn nothing(context: &Context<'_>, ledger: Option<&Ledger>, why: &str) -> Result<(), Failure> {
    eprintln!("{why}");
    let head = ledger.map_or(String::new(), |ledger| ledger.head().to_string());
    match context.plain_format()? {
        PlainFormat::Json => show::json(&Answer { runs: Vec::new(), head }),
        PlainFormat::Table => Ok(()),
    }
}

fn ended(ledger: &Ledger, turned: Turned) -> Result<Ended, Failure> {
    let Turned { run, end, files_left } = turned;
    let state = ledger.state();
    let of = state.run(run).expect("it has just ended");
    let (verb, scope) = (of.started.verb, of.started.scope.clone());
    let report = (verb == Verb::Migrate).then(|| of_run(ledger, run)).transpose()?;
    let paused = match end {
        End::Paused(paused) => Some(Paused { advice: show::with_flags(&paused.advice), ..paused }),
        End::Finished(..) => None,
    };
    let venues_restored = (verb == Verb::Rollback).then(|| restored(state, run));
    let files = (verb == Verb::Rollback).then(|| files_deleted(ledger, run)).transpose()?;
    let (files_deleted, files_gone) = files.unzip();
    let migrated_by = migrated_by(state, run);
    let tally = state.tally(run);
    let plans = of.plans().iter().filter_map(|seq| state.plan(*seq));
    let venues_with_images = plans.filter(|plan| !plan.images.is_empty()).count() as u64;
    Ok(Ended {
        run,
        verb,
        scope,
        paused,
        tally,
        venues_restored,
        venues_with_images,
        files_deleted,
        files_gone,
        files_left: (verb == Verb::Rollback).then_some(files_left),
        migrated_by,
        report,
    })
}

/// How many files a rollback has deleted, and how many it found gone.
fn files_deleted(ledger: &Ledger, run: RunId) -> Result<(u64, u64), LedgerError> {
    let (mut deleted, mut gone) = (0, 0);
    ledger.events(run.0, |(_, record)| {
        if let (true, Event::CdnDeleted(event)) = (record.run == Some(run), &record.event) {
            let of = if event.why == ROLLED_BACK_GONE { &mut gone } else { &mut deleted };
            *of += 1;
        }
        Ok::<_, LedgerError>(())
    })?;
    Ok((deleted, gone))
}

/// The migrations that have moved what this rollback of a `populate` had to leave.
fn migrated_by(state: &State, run: RunId) -> Vec<RunId> {
    let plans = state.run(run).map_or(&[][..], |run| run.plans()).iter().filter_map(|seq| state.plan(*seq));
    let taken_back = plans.flat_map(|plan| match &plan.aim {
        Aim::Back(images) => &images[..],
        Aim::Forward | Aim::Add => &[],
    });
    let left = taken_back.filter(|id| {
        state.image(**id).is_some_and(|image| image.is_added && image.mark == Some(Mark::Drifted))
    });
    let mut runs: Vec<RunId> = left.filter_map(|id| state.migrated_by(*id)).collect();
    runs.sort();
    runs.dedup();
    runs
}

fn of_run(ledger: &Ledger, run: RunId) -> Result<Report, LedgerError> {
    let mut fold = ReportFold::new(ledger.state(), Scope::Run(run));
    ledger.events(run.0, |placed| {
        fold.take(&placed);
        Ok::<_, LedgerError>(())
    })?;
    Ok(fold.finish())
}

fn restored(state: &State, run: RunId) -> u64 {
    let plans = state.run(run).map_or(&[][..], |run| run.plans()).iter().filter_map(|seq| state.plan(*seq));
    let is_back = |images: &[ledger::ids::ImageId]| {
        let mut images = images.iter().filter_map(|image| state.image(*image));
        images.all(|image| image.rung == ledger::state::Rung::RolledBack)
    };
    let whole = plans.filter(|plan| match &plan.aim {
        Aim::Back(images) => plan.whole == Whole::RolledBack && is_back(images),
        Aim::Forward | Aim::Add => false,
    });
    whole.count() as u64
}

/// What a person has decided to leave.
const CLOSED: &str = "closed by a person";

fn say_closed(tally: &Tally) -> Result<(), Failure> {
    match tally.closed {
        0 => Ok(()),
        closed => show::line(&format!("{} {CLOSED}.", show::count(closed, "image"))),
    }
}

fn print(ended: &Ended) -> Result<(), Failure> {
    let Ended { run, tally, .. } = ended;
    let what = format!("Run {run} ({} {})", ended.verb.name(), name_of(&ended.scope));
    match &ended.paused {
        Some(paused) => {
            show::line(&format!("{what} paused: {}.", paused.message))?;
            show::line(&format!("{}.", paused.advice))?;
        }
        None => show::line(&format!("{what} is finished."))?,
    }
    if let Some(restored) = ended.venues_restored {
        show::line(&format!("{restored} of {} venues restored.", tally.venues))?;
        let Tally { done, drifted, failed, .. } = tally;
        show::line(&format!("{done} images back as they were, {drifted} drifted, {failed} failed."))?;
        say_closed(tally)?;
        if let Some(files @ 1..) = ended.files_deleted {
            show::line(&format!("{} deleted from the CDN.", show::count(files, "file")))?;
        }
        if let Some(files @ 1..) = ended.files_gone {
            show::line(&format!("{} gone from the CDN already.", show::count(files, "file")))?;
        }
        for run in &ended.migrated_by {
            show::line(&format!("Run {run} has migrated some of them since: roll that back first,"))?;
            show::line(&format!("  `longshore rollback --run {run}`, then this run again."))?;
        }
        return Ok(());
    }
    if ended.verb == Verb::Populate {
        let with_images = ended.venues_with_images;
        let (added, venues) = (show::count(tally.done, "image"), show::count(with_images, "venue"));
        let Tally { left_out, drifted, failed, .. } = tally;
        show::line(&format!(
            "{added} added, {venues}; {left_out} left out, {drifted} drifted, {failed} failed."
        ))?;
        say_closed(tally)?;
        if let without @ 1.. = tally.venues - with_images {
            show::line(&format!("{} got nothing, as all was left out.", show::count(without, "more venue")))?;
        }
        return show::line(&format!("`longshore rollback --run {run}` takes it back."));
    }
    let Some(report) = &ended.report else { return Ok(()) };
    let mut table = show::Table::new(&[
        "Country",
        "Venues",
        "Images",
        "Completed",
        "Failed",
        "Skipped",
        "Drifted",
        "Success",
    ]);
    for line in report.lines.iter().chain((report.lines.len() > 1).then_some(&report.total)) {
        let c = &line.counts;
        let rate = line.success_percent.map_or("-".to_owned(), |rate| format!("{rate:.2} %"));
        let name = line.country.as_deref().unwrap_or("Total");
        table.row_with(
            &[name],
            &[line.venues, line.images, c.completed, c.failed, c.skipped, c.drifted],
            &[&rate],
        );
    }
    table.print()?;
    let total = &report.total;
    let Counts { rolled_back, closed, in_progress, untouched, .. } = total.counts;
    let beside = [(rolled_back, "rolled back"), (closed, CLOSED), (in_progress + untouched, "not moved yet")];
    let beside: Vec<String> =
        beside.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if !beside.is_empty() {
        show::line(&format!("Of the images, besides: {}.", beside.join(", ")))?;
    }
    if total.venues_failed > 0 {
        show::line(&format!("{} failed as a whole (bad_data).", show::count(total.venues_failed, "venue")))?;
    }
    let sent = format!("{} sent ({})", show::count(total.uploads, "file"), show::bytes(total.bytes_uploaded));
    let retries = match total.retries {
        1 => "1 retry".to_owned(),
        n => format!("{n} retries"),
    };
    show::line(&format!("{sent}, {} found on the CDN, {retries}.", total.adopted))?;
    if let Some(ms) = total.upload_ms {
        let (avg, p50, p95, p99) = (ms.avg, ms.p50, ms.p95, ms.p99);
        show::line(&format!("Upload times: {avg} ms on average, p50 {p50}, p95 {p95}, p99 {p99}."))?;
    }
    if !total.by_kind.is_empty() {
        let kinds: Vec<_> = total.by_kind.iter().map(|(kind, images)| format!("{images} {kind}")).collect();
        show::line(&format!("Not moved: {}.", kinds.join(", ")))?;
        show::line(&format!("  `longshore log --run {run} --kind failed --kind skipped` tells which."))?;
    }
    // A pause has advice of its own.
    if let (Some(advice), None) = (&total.advice, &ended.paused) {
        show::line(&format!("Advice: {}.", super::report::advised(advice)))?;
    }
    show::line(&format!("`longshore report --run {run}` tells more."))?;
    show::line(&format!("`longshore export rollback-data --run {run}` has the rows before and after,"))?;
    show::line(&format!("`longshore export failures --run {run}` what was not moved."))?;
    show::line(&format!("`longshore rollback --run {run}` takes it back."))
}
