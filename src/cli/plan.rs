//! `plan`: what a run would do, and changing nothing (requirement C3). `migrate --dry-run` gives the same answer.

use std::path::PathBuf;

use clap::Args;
use ledger::ledger::Ledger;
use ledger::report::Pace;
use ledger::store::LedgerError;
use serde::Serialize;

use super::drive::HostArgs;
use super::look::{self, LeftOut, Preview, look};
use super::open::target_of;
use super::out::OutArgs;
use super::place::{Chosen, PlaceArgs};
use super::sizes::Sizes;
use super::usage::{self, Used};
use super::{Context, migrate};
use crate::error::{Exit, Failure};
use crate::limits::{
    CATALOG_PAGE_VENUES, DELIVERY_BYTES_READ_MAX, IMAGE_BYTES_MAX, IN_FLIGHT_DEFAULT, IN_FLIGHT_MAX,
    PLAN_DOWNLOAD_MS, PLAN_FILE_BYTES_MAX, PLAN_ROW_MS, PLAN_UPLOAD_MS, USED_NOTE_PERCENT,
};
use crate::outside::catalog::Catalog;
use crate::runner::saved::{SavedPlan, SavedVenue};
use crate::runner::{Geography, movable};
use crate::show::{self, Cell, Column, Grid, Out, Sheet};

/// What a run would do; nothing is changed anywhere.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// At most this many venues, in id order; those with old trouble last.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Ask the origin for the size of every file, not of a sample.
    #[arg(long)]
    exact: bool,
    /// Images in flight at once, as the run will have them.
    #[arg(long, value_name = "N", default_value_t = IN_FLIGHT_DEFAULT,
          value_parser = clap::value_parser!(u32).range(1..=IN_FLIGHT_MAX as i64))]
    concurrency: u32,
    /// The largest image taken, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = IMAGE_BYTES_MAX, value_parser = clap::value_parser!(u64).range(1..))]
    max_bytes: u64,
    #[command(flatten)]
    hosts: HostArgs,
    /// Save the plan to this new file, for `migrate --plan` to do exactly that.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: OutArgs,
}

/// What is to be planned, and how the run will be.
pub struct Asked<'a> {
    /// At most this many venues.
    pub limit: Option<u64>,
    /// Ask for every size.
    pub exact: bool,
    /// Images in flight at once.
    pub concurrency: u32,
    /// The largest image taken, in bytes.
    pub bytes_max: u64,
    /// Hosts that images may be fetched from beside the origin's own.
    pub allow_hosts: &'a [String],
    /// Whether each file is seen served.
    pub delivery_check: bool,
    /// Where the plan is saved.
    pub save: Option<PathBuf>,
}

/// How long one thing takes.
#[derive(Debug, Serialize)]
struct Latency {
    ms: u64,
    /// The median of what this ledger's runs did; else it is assumed.
    is_measured: bool,
}

#[derive(Debug, Serialize)]
struct Time {
    seconds: u64,
    download: Latency,
    upload: Latency,
    row_update: Latency,
    in_flight: u32,
}

#[derive(Debug, Serialize)]
struct Usage {
    #[serde(flatten)]
    used: Used,
    /// What the media library will hold; null where the bytes are not known.
    storage_after_bytes: Option<u64>,
    /// What will have been delivered, with the run's own looks at each file.
    bandwidth_after_bytes: Option<u64>,
    /// Whether both stay within what is free.
    stays_free: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Saved {
    file: String,
    digest: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    preview: Preview,
    /// Bytes to be moved; null where the origin did not say.
    bytes: Option<u64>,
    sizes: Sizes,
    time: Time,
    /// Null where ImageKit could not be asked.
    usage: Option<Usage>,
    saved: Option<Saved>,
    /// What a run with this limit does about the venues that are left out, in words.
    #[serde(skip)]
    passed_by: Option<String>,
}

pub fn run(context: &Context<'_>, args: &PlanArgs) -> Result<Exit, Failure> {
    if args.place.is_empty() {
        return Err(Failure::usage("`plan` wants to know what to plan")
            .hint("`longshore plan --country Poland`")
            .hint("`longshore plan --country PL --limit 10 --out ten.plan`")
            .hint("`longshore plan --city Kraków --exact`")
            .hint("`longshore plan --venue-id 842`"));
    }
    let out = args.output.out(context)?;
    let catalog = context.open_catalog()?;
    let (geography, chosen) = context.runtime.block_on(args.place.find(&*catalog))?;
    let asked = Asked {
        limit: args.limit,
        exact: args.exact,
        concurrency: args.concurrency,
        bytes_max: args.max_bytes,
        allow_hosts: &args.hosts.allow_host,
        delivery_check: true,
        save: args.out.clone(),
    };
    say(context, &*catalog, &geography, &chosen, &asked, &out)
}

/// Plans, and says so.
pub fn say(
    context: &Context<'_>,
    catalog: &dyn Catalog,
    geography: &Geography,
    chosen: &Chosen,
    asked: &Asked<'_>,
    out: &Out,
) -> Result<Exit, Failure> {
    let is_there = context.ledger_path().exists();
    let ledger = is_there.then(|| context.read_ledger(catalog)).transpose()?;
    let state = ledger.as_ref().map(Ledger::state);
    let preview = look(context, catalog, geography, chosen, asked.limit, state)?;
    let (sizes, bytes, venues) = measure(context, catalog, chosen, asked, &preview, ledger.as_ref())?;
    let time = time(&preview, asked, ledger.as_ref())?;
    let usage = usage::ask(context).map(|used| after(used, &preview, bytes, asked));
    let saved = match &asked.save {
        None => None,
        Some(file) => {
            let target = target_of(context.target.name(), &context.runtime.block_on(catalog.identity())?);
            let plan = SavedPlan::new(target, chosen.scope.clone(), asked.limit, venues);
            if (plan.venues().len() as u64, plan.images()) != (preview.venues, preview.images) {
                return Err(Failure::usage("the database changed while it was read; nothing was saved")
                    .hint("The same command again plans what is there now"));
            }
            plan.write(file)?;
            Some(Saved { file: file.display().to_string(), digest: plan.digest().to_string() })
        }
    };
    let passed_by = preview.passed_by(&chosen.scope);
    let answer = Answer { passed_by, preview, bytes, sizes, time, usage, saved };
    show::say(out, || sheet(&answer), &answer)?;
    if answer.preview.images > 0 {
        eprintln!("Nothing was changed. `longshore migrate` asks before it begins.");
        return Ok(Exit::Done);
    }
    eprintln!("{}", answer.preview.nothing_left());
    let is_troubled = state.is_some_and(|state| migrate::has_trouble(state, chosen));
    Ok(if is_troubled { Exit::SomeFailed } else { Exit::Done })
}

/// Reads once more what the run would take: for the sizes, and to save it.
fn measure(
    context: &Context<'_>,
    catalog: &dyn Catalog,
    chosen: &Chosen,
    asked: &Asked<'_>,
    preview: &Preview,
    ledger: Option<&Ledger>,
) -> Result<(Sizes, Option<u64>, Vec<SavedVenue>), Failure> {
    let origin = context.open_origin(asked.bytes_max, asked.allow_hosts)?;
    let mut sizes = Sizes::new(preview.files, asked.exact);
    let (mut saved, mut saved_bytes, mut after) = (Vec::new(), 0, None);
    loop {
        let page = context.runtime.block_on(catalog.venues(chosen.place, after, CATALOG_PAGE_VENUES))?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let mut files = Vec::new();
        for venue in page.iter().filter(|venue| preview.takes(venue.id)) {
            let entries = movable(ledger.map(Ledger::state), chosen.place, venue).unwrap_or_default();
            files.extend(look::files(&entries));
            if asked.save.is_some() && !entries.is_empty() {
                saved_bytes += entries.iter().map(|entry| entry.len()).sum::<usize>();
                if saved_bytes > PLAN_FILE_BYTES_MAX {
                    return Err(too_large());
                }
                let entries = entries.into_iter().map(str::to_owned).collect();
                saved.push(SavedVenue { venue: venue.id, slug: venue.slug.clone(), entries });
            }
        }
        context.runtime.block_on(sizes.ask(&*origin, files));
    }
    let bytes = sizes.finish();
    Ok((sizes, bytes, saved))
}

fn too_large() -> Failure {
    Failure::usage(format!(
        "a saved plan of all that would be larger than {}",
        show::bytes(PLAN_FILE_BYTES_MAX as u64)
    ))
    .hint("Nothing was saved. Plan a city, or fewer venues (`--limit`)")
}

/// Images and their latency, as many at once as the run will have in flight.
fn time(preview: &Preview, asked: &Asked<'_>, ledger: Option<&Ledger>) -> Result<Time, LedgerError> {
    let mut pace = Pace::default();
    if let Some(ledger) = ledger {
        ledger.events(ledger::ids::Seq(1), |(_, record)| {
            pace.take(&record.event);
            Ok::<_, LedgerError>(())
        })?;
    }
    let latency = |measured: Option<u64>, assumed| Latency {
        ms: measured.unwrap_or(assumed),
        is_measured: measured.is_some(),
    };
    let download = latency(pace.download_ms(), PLAN_DOWNLOAD_MS);
    let upload = latency(pace.upload_ms(), PLAN_UPLOAD_MS);
    let row_update = latency(pace.row_ms(), PLAN_ROW_MS);
    let work_ms = preview.images * (download.ms + upload.ms) + preview.venues * row_update.ms;
    let seconds = work_ms.div_ceil(u64::from(asked.concurrency) * 1_000);
    Ok(Time { seconds, download, upload, row_update, in_flight: asked.concurrency })
}

/// What the run's own looks at so many files take of the bandwidth.
pub fn looked_at(bytes: u64, files: u64, delivery_check: bool) -> u64 {
    match delivery_check {
        true => bytes.min(files * DELIVERY_BYTES_READ_MAX as u64),
        false => 0,
    }
}

fn after(used: Used, preview: &Preview, bytes: Option<u64>, asked: &Asked) -> Usage {
    let looked_at = |bytes: u64| looked_at(bytes, preview.files, asked.delivery_check);
    let storage = bytes.map(|bytes| used.storage_bytes + bytes);
    let bandwidth = bytes.map(|bytes| used.bandwidth_bytes + looked_at(bytes));
    let stays_free = storage.zip(bandwidth).map(|(storage, bandwidth)| {
        storage <= used.storage_limit_bytes && bandwidth <= used.bandwidth_limit_bytes
    });
    Usage { used, storage_after_bytes: storage, bandwidth_after_bytes: bandwidth, stays_free }
}

fn sheet(answer: &Answer) -> Sheet {
    let Answer { preview, bytes, sizes, time, .. } = answer;
    let mut sheet = Sheet::new(format!("What migrating {} would do", preview.scope));
    let columns =
        [Column::text("City"), Column::text("Country"), Column::number("Venues"), Column::number("Images")];
    let mut grid = Grid::new(columns);
    for line in &preview.cities {
        let city = line.city.as_deref().unwrap_or("(no city)");
        grid.row([city.into(), line.country.as_deref().into(), line.venues.into(), line.images.into()]);
    }
    grid.total(["Total".into(), Cell::Empty, preview.venues.into(), preview.images.into()]);
    sheet.table(grid);
    if let Some(passed_by) = &answer.passed_by {
        sheet.line(passed_by.clone());
    } else if preview.bad_venues > 0 {
        let venues = show::count(preview.bad_venues, "venue");
        sheet.line(format!("Left out: {venues} (bad_data)."));
        let (shown, more) = preview.some_left_out();
        for LeftOut { venue_id, why } in shown {
            sheet.line(format!("  Venue {venue_id}: {why}."));
        }
        if more > 0 {
            sheet.line(format!("  … and {more} more; `--format json` names them all."));
        }
    }
    let about = if sizes.is_exact { "" } else { "about " };
    let much = bytes.map_or("unknown".to_owned(), |bytes| format!("{about}{}", show::bytes(bytes)));
    sheet.line(format!(
        "To be moved: {much}, by the sizes of {} of {}.",
        sizes.known,
        show::count(preview.files, "file")
    ));
    if sizes.unknown > 0 {
        sheet.line(format!("  The origin does not say the size of {}.", show::count(sizes.unknown, "file")));
    }
    if !sizes.troubled.is_empty() {
        let kinds: Vec<_> = sizes.troubled.iter().map(|(kind, files)| format!("{files} {kind}")).collect();
        sheet.line(format!("  In trouble already: {}.", kinds.join(", ")));
    }
    sheet.line(format!("Expected time: {}, {} in flight.", show::duration(time.seconds), time.in_flight));
    let of = |what: &str, latency: &Latency| {
        let how = if latency.is_measured { "" } else { " (assumed)" };
        format!("{what} {} ms{how}", latency.ms)
    };
    let each = [of("download", &time.download), of("upload", &time.upload), of("row", &time.row_update)];
    sheet.line(format!("  {}.", each.join(", ")));
    if let Some(usage) = &answer.usage {
        lines_of_usage(&mut sheet, usage);
    }
    if let Some(saved) = &answer.saved {
        sheet.line(format!("Saved to {}, digest", saved.file));
        sheet.line(format!("  {}", saved.digest));
    }
    sheet
}

fn lines_of_usage(sheet: &mut Sheet, usage: &Usage) {
    let Usage { used, .. } = usage;
    let of = |now: u64, after: Option<u64>, free: u64| {
        let after = after.map_or("unknown".to_owned(), show::bytes);
        format!("{} now, {after} after the run, {} are free", show::bytes(now), show::bytes(free))
    };
    let storage = of(used.storage_bytes, usage.storage_after_bytes, used.storage_limit_bytes);
    let bandwidth = of(used.bandwidth_bytes, usage.bandwidth_after_bytes, used.bandwidth_limit_bytes);
    sheet.line(format!("Storage: {storage}."));
    sheet.line(format!("Bandwidth this month: {bandwidth}."));
    sheet.line(match usage.stays_free {
        Some(true) if is_nearly_all(usage) => "That stays in the free tier, and uses nearly all of it.",
        Some(true) => "That stays in the free tier.",
        Some(false) => "That leaves the free tier.",
        None => "Whether that stays in the free tier is not known.",
    });
}

/// Whether the run takes an amount to where `migrate` warns.
fn is_nearly_all(usage: &Usage) -> bool {
    let grown = |now: u64, after: Option<u64>| after.unwrap_or(now).saturating_sub(now);
    let Usage { used, storage_after_bytes: storage, bandwidth_after_bytes: bandwidth, .. } = usage;
    let after = used.plus(grown(used.storage_bytes, *storage), grown(used.bandwidth_bytes, *bandwidth));
    !after.above(USED_NOTE_PERCENT).is_empty()
}
