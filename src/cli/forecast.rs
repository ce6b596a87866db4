//! What of ImageKit's plan will be used once a run has ended: said before its question, when little is left (C4).

use std::time::Duration;

use ledger::event::{Alerted, Options};
use ledger::state::State;

use super::look::{self, Preview};
use super::place::Chosen;
use super::sizes::Sizes;
use super::usage::{self, Used};
use super::{Context, plan};
use crate::error::Failure;
use crate::limits::{CATALOG_PAGE_VENUES, FORECAST_SIZES_MS_MAX, USED_NOTE_PERCENT};
use crate::outside::catalog::Catalog;
use crate::runner::{SavedPlan, movable};

/// Of what a run takes that was looked at.
///
/// # Errors
/// When the catalog cannot be read.
pub fn of_preview(
    context: &Context<'_>,
    (catalog, chosen, state): (&dyn Catalog, &Chosen, Option<&State>),
    preview: &Preview,
    options: &Options,
) -> Result<Option<Alerted>, Failure> {
    let Some(used) = usage::ask(context) else { return Ok(None) };
    let origin = context.open_origin(options.bytes_max, &options.allow_hosts)?;
    let mut sizes = Sizes::new(preview.files, false).within(Duration::from_millis(FORECAST_SIZES_MS_MAX));
    let mut after = None;
    while !sizes.is_over() {
        let page = context.runtime.block_on(catalog.venues(chosen.place, after, CATALOG_PAGE_VENUES))?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let taken = page.iter().filter(|venue| preview.takes(venue.id));
        let entries = taken.map(|venue| movable(state, chosen.place, venue).unwrap_or_default());
        let files = entries.flat_map(|entries| look::files(&entries)).collect();
        context.runtime.block_on(sizes.ask(&*origin, files));
    }
    Ok(warn(&used, preview.files, sizes, options))
}

/// Of what a saved plan names.
///
/// # Errors
/// When the origin's setting cannot be used.
pub fn of_plan(
    context: &Context<'_>,
    plan: &SavedPlan,
    options: &Options,
) -> Result<Option<Alerted>, Failure> {
    let Some(used) = usage::ask(context) else { return Ok(None) };
    let origin = context.open_origin(options.bytes_max, &options.allow_hosts)?;
    let entries =
        plan.venues().iter().map(|venue| venue.entries.iter().map(String::as_str).collect::<Vec<_>>());
    let files: Vec<String> = entries.flat_map(|entries| look::files(&entries)).collect();
    let count = files.len() as u64;
    let mut sizes = Sizes::new(count, false).within(Duration::from_millis(FORECAST_SIZES_MS_MAX));
    context.runtime.block_on(sizes.ask(&*origin, files));
    Ok(warn(&used, count, sizes, options))
}

/// Says what comes near its end, and makes an alert of it for the run.
fn warn(used: &Used, files: u64, mut sizes: Sizes, options: &Options) -> Option<Alerted> {
    let bytes = sizes.finish();
    if bytes.is_none() {
        eprintln!("How much this run adds is not known: the origin does not say how large its files are.");
    }
    let bytes = bytes.unwrap_or(0);
    let after = used.plus(bytes, plan::looked_at(bytes, files, options.delivery_check));
    let alerted = after.alert("when this run has ended, ImageKit's plan will be used:")?;
    eprintln!("Warning: {}.", alerted.message);
    let settings: Vec<&str> = after.above(USED_NOTE_PERCENT).iter().map(|amount| amount.setting).collect();
    eprintln!(
        "Enlarge the plan, free some of it, or take less at once (`--limit`); if it has more, say so in {}.",
        settings.join(" and ")
    );
    if !after.above(100).is_empty() {
        eprintln!("Once it is used up, ImageKit refuses uploads, and the run pauses (quota_exceeded).");
    }
    Some(alerted)
}
