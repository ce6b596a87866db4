//! `skip`: a person decides to leave what waits (requirement C17).

use std::collections::BTreeMap;

use clap::Args;
use ledger::decide::RowLeft;
use ledger::event::{Closed, Event, Record, Work};
use ledger::ids::{ImageId, RunId, VenueId};
use ledger::images::Entry;
use ledger::ledger::Ledger;
use ledger::plan;
use serde::Serialize;

use super::Context;
use super::open::{holder, now, operator};
use super::out::PlainFormat;
use crate::error::{Exit, Failure};
use crate::runner::{self, Leaving};
use crate::secrets::masked;
use crate::show;

/// Leave what waits of a venue, for good: no later run takes it up, unless it names the venue or a rollback takes it back.
#[derive(Debug, Args)]
pub struct SkipArgs {
    /// The venue.
    #[arg(long, allow_negative_numbers = true, value_name = "ID")]
    venue_id: i64,
    /// One image of it, by its URL, with or without the query string; without it, all that waits.
    #[arg(long, value_name = "URL")]
    image: Option<String>,
    /// Why, for whoever asks a year later.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("it says why the image is left".to_owned()) } else { Ok(text.to_owned()) }
}

/// An image that is left.
#[derive(Debug, Serialize)]
struct Left {
    image: ImageId,
    url: Option<String>,
    /// Whether its row held an entry of it that no event told of, and has been put back.
    put_back: bool,
    #[serde(skip)]
    told: Option<String>,
    #[serde(skip)]
    run: RunId,
}

#[derive(Debug, Serialize)]
struct Answer {
    venue_id: VenueId,
    images: Vec<Left>,
    /// Whether the venue waited as a whole, and was closed so.
    whole: bool,
    head: String,
}

pub fn run(context: &Context<'_>, args: &SkipArgs) -> Result<Exit, Failure> {
    let mut ledger = Ledger::open(&context.ledger_path(), &holder())?;
    let venue = VenueId(args.venue_id);
    if ledger.state().venue(venue).is_none() {
        return Err(Failure::usage(format!("no run has planned venue {venue}"))
            .hint("`longshore status` lists what waits for a person"));
    }
    let mut images = waiting(&ledger, venue)?;
    let whole = plan::waiting_whole(ledger.state(), venue);
    if let Some(wanted) = &args.image {
        let known: Vec<String> =
            images.iter().filter_map(|left| left.url.as_deref().map(show::address)).collect();
        // As the row has it; or as it is shown, without its query string.
        let is_exact = images.iter().any(|left| left.url.as_ref() == Some(wanted));
        images.retain(|left| {
            left.url.as_ref().is_some_and(|url| match is_exact {
                true => url == wanted,
                false => show::address(url) == *wanted,
            })
        });
        if images.is_empty() && !(whole.is_empty() && known.is_empty()) {
            let hint = match known.is_empty() {
                true => "The venue waits as a whole: without `--image` it is left so",
                false => "`--image URL` names one of these",
            };
            let failure = Failure::usage(format!("no image with that URL waits in venue {venue}"));
            return Err(known.into_iter().fold(failure, Failure::because).hint(hint));
        }
    }
    let whole = if args.image.is_none() { whole } else { Vec::new() };
    if images.is_empty() && whole.is_empty() {
        eprintln!("Nothing of venue {venue} waits for a decision.");
    }
    let mut rows = put_back(context, &ledger, &images)?;
    for left in &mut images {
        let Some(row) = rows.remove(&left.image) else { continue };
        (left.put_back, left.told) = (row.is_put_back, Some(row.told));
    }
    let each = images.iter().map(|left| (left.run, Some(left.image), left.told.as_deref()));
    let (at, operator) = (now(), operator());
    let is_whole = !whole.is_empty();
    let records = each.chain(whole.into_iter().map(|run| (run, None, None))).map(|(run, image, told)| {
        // Whoever pastes an error may paste a secret with it.
        let (mut reason, operator) = (masked(&args.reason).into_owned(), operator.clone());
        told.into_iter().for_each(|told| reason.extend(["; ", told]));
        Record { at, run: Some(run), event: Event::Closed(Closed { venue, image, reason, operator }) }
    });
    let records: Vec<Record> = records.collect();
    if !records.is_empty() {
        ledger.append(&records)?;
    }
    let head = ledger.head().to_string();
    images.iter_mut().for_each(|left| left.url = left.url.take().map(|url| show::address(&url)));
    say(context, &Answer { venue_id: venue, images, whole: is_whole, head })?;
    Ok(Exit::Done)
}

/// Puts the row back where it may have been updated without an event. A database is asked only then, so that whatever never
/// reached the CDN can be left without one.
fn put_back(
    context: &Context<'_>,
    ledger: &Ledger,
    images: &[Left],
) -> Result<BTreeMap<ImageId, RowLeft>, Failure> {
    let images: Vec<ImageId> = images.iter().map(|left| left.image).collect();
    if plan::untold(ledger.state(), &images).is_empty() {
        return Ok(BTreeMap::new());
    }
    let put_back = || {
        let catalog = context.open_catalog()?;
        context.see_target(ledger, &*catalog)?;
        context.see_primary(&*catalog)?;
        let ((retry, _stop), holder) = (context.retry(), holder());
        let with = Leaving { catalog: &*catalog, retry: &retry, holder: &holder, probe: None };
        Ok(context.runtime.block_on(runner::put_back(ledger, &images, with))?)
    };
    put_back().map_err(|failure: Failure| {
        failure
            .because("the row may be updated already, and is looked at before its image is left; no image is closed yet")
            .hint("Once that is mended, the same command again")
    })
}

/// The venue's images that wait for a person, or for an unfinished run.
fn waiting(ledger: &Ledger, venue: VenueId) -> Result<Vec<Left>, Failure> {
    let state = ledger.state();
    let mut waiting = Vec::new();
    for planned in state.venue(venue).map_or(&[][..], |plans| plans.all()) {
        let Some(plan) = state.plan(*planned) else { continue };
        let ids = plan::waiting(state, *planned);
        if ids.is_empty() {
            continue;
        }
        let Event::Planned(event) = ledger.store().record(*planned)?.event else { continue };
        let entries = match &event.work {
            Work::Move(entries) => &entries[..],
            Work::Add(addition) => &addition.entries[..],
            Work::TakeBack(_) => &[],
        };
        for image in ids {
            let entry = entries.get(image.index as usize).and_then(|entry| Entry::parse(entry));
            let (url, run) = (entry.and_then(|entry| entry.url()), plan.run);
            waiting.push(Left { image, url, put_back: false, told: None, run });
        }
    }
    Ok(waiting)
}

fn say(context: &Context<'_>, answer: &Answer) -> Result<(), Failure> {
    match context.plain_format()? {
        PlainFormat::Json => show::json(answer),
        PlainFormat::Table => {
            for left in &answer.images {
                let url = left.url.as_deref().unwrap_or("(no URL)");
                show::line(&format!("Left: image {} {url}", left.image))?;
                left.told.iter().try_for_each(|told| show::line(&format!("  {told}")))?;
            }
            if answer.whole {
                show::line(&format!("Left: venue {} as a whole", answer.venue_id))?;
            }
            let id = answer.venue_id;
            if answer.images.is_empty() && !answer.whole {
                return Ok(());
            }
            show::line(&format!("`longshore migrate --venue-id {id}` takes it up again all the same."))
        }
    }
}
