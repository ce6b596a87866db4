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
        let paused = match run.paused {
            Some(reason) => format!("paused ({})", show::word(&reason)),
            None => "running, or cut off".to_owned(),
        };
        show::line(&format!(
            "Run {} ({} {}): {paused}, {} of {} images settled; `longshore resume --run {}` goes on",
            run.run,
            run.verb.name(),
            name_of(&run.scope),
            run.settled,
            run.images,
            run.run
        ))?;
    }
    for waiting in &standing.waiting {
        let code = waiting.code.as_deref().unwrap_or("-");
        let (images, venues) = (waiting.images, waiting.venues);
        show::line(&format!(
            "{code}: {images} images of {venues} venues wait for a person ({}); see `longshore log --venue-id {}`",
            waiting.error_type, waiting.venue
        ))?;
    }
    Ok(())
}
