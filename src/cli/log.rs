//! `log`: the events, filtered (requirement C12).

use clap::Args;
use ledger::event::{Event, Placed, Scope};
use ledger::ids::{ImageId, RunId, Seq, VenueId};
use ledger::ledger::Ledger;
use ledger::plan::is_within;
use ledger::state::State;
use ledger::timestamp::Timestamp;
use serde::Serialize;

use super::Context;
use super::out::PlainFormat;
use super::place::PlaceArgs;
use super::watch::Watch;
use crate::error::{Exit, Failure};
use crate::show;

/// The events.
#[derive(Debug, Args)]
pub struct LogArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Of one run.
    #[arg(long, value_name = "N")]
    run: Option<RunId>,
    /// Of one kind, like `uploaded`; may be given several times.
    #[arg(long, value_name = "NAME")]
    kind: Vec<String>,
    /// Not before this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Not after this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Go on with what any process appends from now on, until Ctrl-C.
    #[arg(long, conflicts_with = "until")]
    follow: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    seq: Seq,
    at: Timestamp,
    run: Option<RunId>,
    event: &'a Event,
}

pub fn run(context: &Context<'_>, args: &LogArgs) -> Result<Exit, Failure> {
    let watch = args.follow.then(|| Watch::new(context));
    context.tell_whose();
    let mut ledger = Ledger::read(&context.ledger_path())?;
    let scope = args.place.in_ledger(ledger.state())?;
    if let Some(unknown) = args.kind.iter().find(|kind| !Event::NAMES.contains(&kind.as_str())) {
        return Err(Failure::usage(format!("there is no event {unknown:?}"))
            .hint(format!("The events are {}", Event::NAMES.join(", "))));
    }
    let format = context.plain_format()?;
    let say = |placed: &Placed, state: &State| match is_wanted(args, scope.as_ref(), state, placed) {
        true => say(format, placed),
        false => Ok(()),
    };
    let told = ledger.events(Seq(1), |placed| match watch.as_ref().is_some_and(Watch::is_over) {
        true => Err(Broken::Over),
        false => Ok(say(&placed, ledger.state())?),
    });
    match told {
        Err(Broken::Over) => return Ok(Exit::Done),
        Err(Broken::Failed(failure)) => return Err(failure),
        Ok(()) => {}
    }
    while watch.as_ref().is_some_and(Watch::again) {
        for placed in ledger.catch_up()? {
            say(&placed, ledger.state())?;
        }
    }
    Ok(Exit::Done)
}

/// Why telling the past broke off.
enum Broken {
    /// Somebody has seen enough of a log that is followed.
    Over,
    Failed(Failure),
}

impl<T: Into<Failure>> From<T> for Broken {
    fn from(failed: T) -> Self {
        Self::Failed(failed.into())
    }
}

fn say(format: PlainFormat, (seq, record): &Placed) -> Result<(), Failure> {
    match format {
        PlainFormat::Json => {
            show::json_line(&Line { seq: *seq, at: record.at, run: record.run, event: &record.event })
        }
        PlainFormat::Table => show::event(*seq, record),
    }
}

fn is_wanted(args: &LogArgs, scope: Option<&Scope>, state: &State, (seq, record): &Placed) -> bool {
    args.run.is_none_or(|run| record.run == Some(run))
        && (args.kind.is_empty() || args.kind.iter().any(|kind| kind == record.event.name()))
        && args.since.is_none_or(|since| record.at >= since)
        && args.until.is_none_or(|until| record.at <= until)
        && scope.is_none_or(|scope| is_about(&record.event, *seq, scope, state))
}

/// Whether an event speaks of a venue in the scope, as its plan had it.
fn is_about(event: &Event, seq: Seq, scope: &Scope, state: &State) -> bool {
    let of_plan = |planned: Seq| state.plan(planned).is_some_and(|plan| is_within(state, plan, scope));
    let of_image = |image: ImageId| of_plan(image.planned);
    let of_venue = |venue: VenueId| {
        let plans = state.venue(venue).map_or(&[][..], |plans| plans.all());
        plans.iter().rev().find(|planned| **planned < seq).is_some_and(|planned| of_plan(*planned))
    };
    match event {
        Event::Planned(_) => of_plan(seq),
        Event::Downloaded(e) => of_image(e.image),
        Event::Uploaded(e) => of_image(e.image),
        Event::Confirmed(e) => of_image(e.image),
        Event::Failed(e) | Event::Skipped(e) => of_venue(e.venue),
        Event::Closed(e) => of_venue(e.venue),
        Event::DbUpdated(e) => of_venue(e.venue),
        Event::Drifted(e) => of_image(e.image),
        Event::RolledBack(e) => of_venue(e.venue),
        _ => false,
    }
}
