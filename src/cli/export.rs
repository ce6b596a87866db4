//! `export`: rollback data and failures, for other programs (requirement C11).

use std::io::Write;

use clap::{Args, Subcommand};
use ledger::event::{Placed, Scope};
use ledger::ids::Seq;
use ledger::ledger::Ledger;
use ledger::report::{FailedImage, Failures, Migrated};
use ledger::store::LedgerError;

use super::Context;
use super::audit::trail;
use super::out::OutArgs;
use super::past::{AsOfArgs, PastArgs};
use super::stream::{Broken, Object, array, deliver};
use crate::error::{Exit, Failure};
use crate::show::{self, Cell, Column, Format, Grid, Sheet};

/// Documents for other programs.
#[derive(Debug, Subcommand)]
pub enum ExportVerb {
    /// Whole arrays of what stands migrated, before and after, as one JSON document.
    RollbackData(ExportArgs),
    /// What failed, was skipped or drifted and still stands so.
    Failures(ExportArgs),
}

/// Of what, as of when, and where to.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    what: PastArgs,
    #[command(flatten)]
    as_of: AsOfArgs,
    #[command(flatten)]
    out: OutArgs,
}

impl ExportVerb {
    /// Whether its answer is a sheet, which every format can be made of.
    pub fn has_sheet(&self) -> bool {
        matches!(self, Self::Failures(_))
    }
}

pub fn run(context: &Context<'_>, verb: &ExportVerb) -> Result<Exit, Failure> {
    let (ExportVerb::RollbackData(args) | ExportVerb::Failures(args)) = verb;
    let out = args.out.out(context)?;
    let ledger = args.as_of.read(context)?;
    let scope = args.what.scope(ledger.state())?.unwrap_or(Scope::Everywhere);
    match (verb, out.format) {
        (ExportVerb::RollbackData(_), _) => deliver(&out, |to| rollback_data(to, &ledger, &scope))?,
        (ExportVerb::Failures(_), Format::Json) => deliver(&out, |to| failures(to, &ledger, &scope))?,
        (ExportVerb::Failures(_), _) => {
            let sheet = sheet(&ledger, &scope)?;
            show::say(&out, || sheet, &())?;
        }
    }
    eprintln!("As of event {}.", ledger.upto());
    Ok(Exit::Done)
}

/// What of a scope stands migrated: one document, a line a venue.
pub fn rollback_data(to: &mut dyn Write, ledger: &Ledger, scope: &Scope) -> Result<(), Broken> {
    let migrated = Migrated::new(ledger.state(), scope);
    let trail = trail(ledger, Some(scope.clone()))?;
    let head = migrated.head(ledger.store())?;
    let mut answer = Object::new(to)?;
    answer.member("country", &head.country)?;
    answer.member("migration_timestamp", &head.migration_timestamp)?;
    answer.member("total_venues", &head.total_venues)?;
    answer.member("total_images", &head.total_images)?;
    answer.array("venues", |venues| {
        for venue in migrated.venues() {
            if let Some(venue) = migrated.venue(ledger.store(), &trail, venue)? {
                venues.push(&venue)?;
            }
        }
        Ok(())
    })?;
    answer.member("as_of", &ledger.upto())?;
    answer.end()
}

/// What failed in a scope and still stands so: one array, a line a failure.
pub fn failures(to: &mut dyn Write, ledger: &Ledger, scope: &Scope) -> Result<(), Broken> {
    array(to, |all| each_failure(ledger, scope, |failure| all.push(&failure)))?;
    Ok(writeln!(to)?)
}

fn each_failure<E: From<LedgerError>>(
    ledger: &Ledger,
    scope: &Scope,
    mut each: impl FnMut(FailedImage) -> Result<(), E>,
) -> Result<(), E> {
    let mut failures = Failures::new(ledger.state(), scope.clone());
    ledger.events(Seq(1), |placed: Placed| {
        failures.take(&placed);
        Ok::<_, LedgerError>(())
    })?;
    failures.each(ledger.store(), |mut failure| {
        failure.image_url = failure.image_url.map(|url| show::address(&url));
        each(failure)
    })
}

fn sheet(ledger: &Ledger, scope: &Scope) -> Result<Sheet, Failure> {
    let mut grid = Grid::new([
        Column::number("venue_id"),
        Column::text("venue_slug"),
        Column::text("image_url"),
        Column::text("error_type"),
        Column::text("error_message"),
        Column::number("retry_count"),
        Column::text("timestamp"),
    ]);
    each_failure(ledger, scope, |failure| {
        grid.row([
            Cell::Id(failure.venue_id.0),
            failure.venue_slug.into(),
            failure.image_url.into(),
            failure.error_type.into(),
            failure.error_message.into(),
            Cell::Count(failure.retry_count.into()),
            failure.timestamp.to_string().into(),
        ]);
        Ok::<_, Failure>(())
    })?;
    let mut sheet = Sheet::new("What failed");
    sheet.line(format!("{} as of event {}.", show::count(grid.rows.len() as u64, "failure"), ledger.upto()));
    sheet.table(grid);
    Ok(sheet)
}
