//! `status`: where every image stands (requirement C8).

use std::io::IsTerminal;

use clap::Args;
use ledger::report::{Added, Counts, Standing, standing};

use super::Context;
use super::out::OutArgs;
use super::past::AsOfArgs;
use super::place::name_of;
use super::watch::Watch;
use crate::error::{Exit, Failure};
use crate::show::{self, Cell, Column, Format, Grid, Out, Sheet};

/// Where every image stands.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    as_of: AsOfArgs,
    /// Say it again whenever something has changed, until Ctrl-C.
    #[arg(long, conflicts_with = "as_of")]
    watch: bool,
    #[command(flatten)]
    out: OutArgs,
}

pub fn run(context: &Context<'_>, args: &StatusArgs) -> Result<Exit, Failure> {
    let out = args.out.out(context)?;
    let watch = args.watch.then(|| Watch::new(context));
    let mut ledger = args.as_of.read(context)?;
    let standing_now = standing(ledger.state());
    let Some(watch) = watch else {
        show::say(&out, || sheet(&standing_now), &standing_now)?;
        return Ok(Exit::Done);
    };
    say_again(&out, &standing_now)?;
    while watch.again() {
        if !ledger.catch_up()?.is_empty() {
            say_again(&out, &standing(ledger.state()))?;
        }
    }
    Ok(Exit::Done)
}

/// One of many answers: a terminal shows the last alone, and a program can tell them apart by their lines.
fn say_again(out: &Out, standing: &Standing) -> Result<(), Failure> {
    match out {
        Out { format: Format::Table, file: None } if std::io::stdout().is_terminal() => {
            show::redraw(&sheet(standing))
        }
        Out { format: Format::Json, file: None } => show::json_line(standing),
        out => show::say(out, || sheet(standing), standing),
    }
}

fn sheet(standing: &Standing) -> Sheet {
    let mut sheet = Sheet::new("Where every image stands");
    sheet.table(countries(standing));
    say_added(&mut sheet, &standing.added);
    for run in &standing.unfinished {
        let how = match run.paused {
            Some(reason) => format!("paused ({})", show::word(&reason)),
            None => "running, or cut off".to_owned(),
        };
        let (id, verb, scope) = (run.run, run.verb.name(), name_of(&run.scope));
        sheet.line(format!(
            "Run {id} ({verb} {scope}): {how}; {} of {} images settled.",
            run.settled, run.images
        ));
        sheet.line(format!("  `longshore resume --run {id}` goes on."));
    }
    for waiting in &standing.waiting {
        let code = waiting.code.as_deref().unwrap_or("no country");
        let venues = show::count(waiting.venues, "venue");
        let what = match waiting.images {
            0 => venues,
            images => format!("{} in {venues}", show::count(images, "image")),
        };
        sheet.line(format!("For a person, {code}: {what}, {}.", waiting.error_type));
        sheet.line(format!("  `longshore log --venue-id {}` tells of one.", waiting.venue));
    }
    sheet
}

/// Says what a `populate` added and nothing has moved yet: of the tables' images it is none.
pub fn say_added(sheet: &mut Sheet, added: &[Added]) {
    let mut waits = false;
    for Added { run, scope, venues, images, waiting, .. } in added.iter().filter(|added| added.waiting > 0) {
        let (images, venues) = (show::count(*images, "image"), show::count(*venues, "venue"));
        let scope = name_of(scope);
        sheet.line(format!(
            "Run {run} (populate {scope}) added {images} to {venues}; {waiting} external, waiting for a migration."
        ));
        waits = true;
    }
    if waits {
        sheet.line("  `longshore countries` tells where they are.");
    }
}

fn countries(standing: &Standing) -> Grid {
    let counted = ["Images", "Done", "Going", "Failed", "Skipped", "Drifted", "Back", "Other"];
    let mut columns = vec![Column::text("Country")];
    columns.extend(counted.map(Column::number));
    let mut grid = Grid::new(columns);
    let row = |name: &str, c: &Counts| -> Vec<Cell> {
        let other = c.closed + c.untouched;
        let counts =
            [c.images(), c.completed, c.in_progress, c.failed, c.skipped, c.drifted, c.rolled_back, other];
        [name.into()].into_iter().chain(counts.map(Cell::Count)).collect()
    };
    for country in &standing.countries {
        grid.row(row(country.country.as_deref().unwrap_or("(no country)"), &country.counts));
    }
    grid.total(row("Total", &standing.total));
    grid
}
