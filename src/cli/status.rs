//! `status`: where every image stands (requirement C8).

use ledger::ledger::Ledger;
use ledger::report::{Standing, standing};

use super::place::name_of;
use super::{Context, Format};
use crate::error::{Exit, Failure};
use crate::show;

pub fn run(context: &Context<'_>) -> Result<Exit, Failure> {
    let ledger = Ledger::read(&context.ledger_path())?;
    let standing = standing(ledger.state());
    match context.common.format {
        Format::Json => show::json(&standing)?,
        Format::Table => print(&standing)?,
    }
    Ok(Exit::Done)
}

fn print(standing: &Standing) -> Result<(), Failure> {
    let mut table = show::Table::new(&[
        "Country", "Images", "Done", "Going", "Failed", "Skipped", "Drifted", "Back", "Other",
    ]);
    let mut line = |name: &str, c: &ledger::report::Counts| {
        let other = c.closed + c.untouched;
        let counts =
            [c.images(), c.completed, c.in_progress, c.failed, c.skipped, c.drifted, c.rolled_back, other];
        table.row(&[name], &counts);
    };
    for country in &standing.countries {
        line(country.country.as_deref().unwrap_or("(no country)"), &country.counts);
    }
    line("Total", &standing.total);
    table.print()?;
    for run in &standing.unfinished {
        let how = match run.paused {
            Some(reason) => format!("paused ({})", show::word(&reason)),
            None => "running, or cut off".to_owned(),
        };
        let (id, verb, scope) = (run.run, run.verb.name(), name_of(&run.scope));
        show::line(&format!(
            "Run {id} ({verb} {scope}): {how}; {} of {} images settled.",
            run.settled, run.images
        ))?;
        show::line(&format!("  `longshore resume --run {id}` goes on."))?;
    }
    for waiting in &standing.waiting {
        let code = waiting.code.as_deref().unwrap_or("no country");
        let venues = show::count(waiting.venues, "venue");
        let what = match waiting.images {
            0 => venues,
            images => format!("{} in {venues}", show::count(images, "image")),
        };
        show::line(&format!("For a person, {code}: {what}, {}.", waiting.error_type))?;
        show::line(&format!("  `longshore log --venue-id {}` tells of one.", waiting.venue))?;
    }
    Ok(())
}
