//! `populate`: external images out of a matching report (requirement C1).

mod far;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use ledger::event::{Input, LeftOut, Options, Scope, Verb};
use ledger::ids::{RunId, VenueId};
use ledger::ledger::Ledger;
use ledger::plan;
use ledger::state::State;
use serde::Serialize;

use self::far::Doubtful;
use super::ask::{DRY_RUN, confirm, database, word_for};
use super::drive::{Driver, RunArgs};
use super::open::now;
use super::out::PlainFormat;
use super::place::{Chosen, PlaceArgs, name_of};
use super::{Context, ended};
use crate::config::{self, Target};
use crate::error::{Exit, Failure};
use crate::limits::{CATALOG_PAGE_VENUES, MATCH_FAR_M};
use crate::outside::catalog::{Catalog, Place};
use crate::outside::matches::{self, Matches, MatchesError};
use crate::outside::{Trouble, trivia};
use crate::runner::populate::is_in;
use crate::runner::{Geography, Populate, Selection, Start, touched};
use crate::show;

/// Make external images out of a matching report, for `migrate` to take.
#[derive(Debug, Args)]
pub struct PopulateArgs {
    /// The matching report.
    #[arg(long, value_name = "FILE", default_value = "temp/migration_recon/matching_report.csv")]
    matches: PathBuf,
    /// Leave out matches that lie further apart than this, in kilometres; they are listed [default: 50]
    #[arg(long, value_name = "KM", value_parser = kilometres)]
    max_distance: Option<u64>,
    #[command(flatten)]
    place: PlaceArgs,
    /// At most this many venues, in id order.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only say what would be done; nothing is changed anywhere.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    run: RunArgs,
}

/// Metres, as the ledger has them.
fn kilometres(text: &str) -> Result<u64, String> {
    let km: Option<f64> = text.parse().ok().filter(|km: &f64| km.is_finite() && *km > 0.0 && *km <= 40_000.0);
    km.map(|km| (km * 1_000.0).round() as u64)
        .ok_or_else(|| "it is a number of kilometres, like 50".to_owned())
}

/// What a run would add in one country.
#[derive(Debug, Default, Serialize)]
struct CountryLine {
    country: Option<String>,
    venues: u64,
    images: u64,
}

/// Something of the report that makes no entry.
#[derive(Debug, Serialize)]
struct Left {
    venue_id: VenueId,
    #[serde(flatten)]
    left: LeftOut,
}

/// What a run would add.
#[derive(Debug, Serialize)]
struct Preview {
    scope: String,
    target: &'static str,
    matched_rows: u64,
    venues: u64,
    images: u64,
    countries: Vec<CountryLine>,
    /// Their codes: those that the run will claim.
    #[serde(skip)]
    codes: BTreeSet<Option<String>>,
    left_out: Vec<Left>,
    /// Rows of the report that cannot be read, by line.
    unreadable_lines: Vec<u64>,
    /// Why, in words.
    #[serde(skip)]
    unreadable: Vec<String>,
    /// Beyond this a match is left out.
    max_kilometres: f64,
    #[serde(flatten)]
    doubtful: Doubtful,
}

pub fn run(context: &Context<'_>, args: &PopulateArgs) -> Result<Exit, Failure> {
    if !args.dry_run {
        context.check_ledger()?;
    }
    let report = matches::read(&args.matches)?;
    if let Some(others) = &report.others {
        eprintln!("Note: {others}: what it says now is taken, and its digest is written down.");
    }
    let distance_max_m = args.max_distance.unwrap_or(MATCH_FAR_M);
    let populate = open(context, report, Some(distance_max_m))?;
    let catalog = match args.dry_run {
        true => context.open_catalog()?,
        false => context.open_catalog_to_write()?,
    };
    let (geography, chosen) = context.runtime.block_on(async {
        let geography = Geography::read(&*catalog).await?;
        let chosen = args.place.in_catalog(&*catalog, &geography).await?;
        Ok::<_, Failure>((geography, chosen.unwrap_or_else(everywhere)))
    })?;
    let ledger = match args.dry_run {
        true if context.ledger_path().exists() => Some(Ledger::read(&context.ledger_path())?),
        true => None,
        false => context.open_ledger(&*catalog)?,
    };
    let state = ledger.as_ref().map(Ledger::state);
    if let (Some(state), false) = (state, args.dry_run) {
        refuse_over_unfinished(state, &chosen)?;
    }
    let preview = look(context, args, &populate, &*catalog, &geography, &chosen, state)?;
    let is_troubled = !(preview.left_out.is_empty() && preview.unreadable_lines.is_empty());
    let exit = if is_troubled { Exit::SomeFailed } else { Exit::Done };
    if args.dry_run {
        say(context, &preview)?;
        eprintln!("Nothing was changed.");
        return Ok(Exit::Done);
    }
    tell_left(&preview);
    let place = match chosen.scope {
        Scope::Everywhere => String::new(),
        _ => format!(" in {}", chosen.name),
    };
    if preview.images == 0 {
        ended::nothing(context, ledger.as_ref(), &format!("Nothing is left to populate{place}."))?;
        return Ok(exit);
    }
    let mut countries = touched(None, &chosen.scope, Verb::Populate, None);
    countries.extend(preview.codes.iter().cloned());
    context.check_claims(&*catalog, countries)?;
    let (images, venues) = (show::count(preview.images, "image"), show::count(preview.venues, "venue"));
    show::question(&format!("This adds {images} to {venues}{place}, in {}.", database(context, &*catalog)?));
    if context.target == Target::Production {
        let reassurance = "Nothing is uploaded; `longshore rollback --run N` takes it back.";
        confirm(reassurance, &word_for(&chosen.scope), args.run.yes, DRY_RUN)?;
    }
    let mut ledger = match ledger {
        Some(ledger) => ledger,
        None => context.make_ledger(&*catalog)?,
    };
    let path = args.matches.canonicalize().unwrap_or_else(|_| args.matches.clone());
    let digest = populate.matches.digest.clone();
    let mut options = args.run.options(None, args.limit);
    options.input = Some(Input { path: path.display().to_string(), digest });
    options.distance_max_m = Some(distance_max_m);
    let start = Start { verb: Verb::Populate, scope: chosen.scope, options, close: Vec::new() };
    let selection = Selection::Matches(populate);
    let mut driver = Driver { context, ledger: &mut ledger, catalog, clients: None, selection };
    let end = driver.start(start, None)?;
    let said = ended::say(context, &ledger, vec![end])?;
    // Rows that cannot be read have no venue, and so no place in the ledger; the exit code knows of them.
    Ok(if said == Exit::Done { exit } else { said })
}

fn everywhere() -> Chosen {
    Chosen { scope: Scope::Everywhere, place: Place::Everywhere, name: name_of(&Scope::Everywhere) }
}

/// What a `populate` reads, opened.
fn open(context: &Context<'_>, report: Matches, distance_max_m: Option<u64>) -> Result<Populate, Failure> {
    let url = context.config.trivia_url()?;
    let wrong =
        |trouble: Trouble| Failure::usage(format!("TRIVIA_ADVISOR_DATABASE_URL: {}", trouble.message));
    trivia::check(url.reveal()).map_err(wrong)?;
    let base = config::url("ORIGIN_BASE_URL", &context.config.origin_base_url)?;
    let opened = context.runtime.block_on(trivia::open(url.reveal())).map_err(|trouble| {
        Failure::new(Exit::CannotGoOn, "the Trivia Advisor database cannot be used").because(trouble.message)
    })?;
    Ok(Populate { matches: Arc::new(report), trivia: Arc::from(opened), base, distance_max_m })
}

/// The matches of a run that was cut off while it planned: the report must say what it said then.
pub fn reopen(context: &Context<'_>, run: RunId, options: &Options) -> Result<Selection, Failure> {
    let missing = || Failure::usage(format!("run {run} has no matching report"));
    let input = options.input.as_ref().ok_or_else(missing)?;
    let report = matches::read(Path::new(&input.path))?;
    if report.digest != input.digest {
        return Err(Failure::usage(format!("the matching report {} is another one now", input.path))
            .because(format!("run {run} was cut off before it had planned all its venues"))
            .hint(format!(
                "Put the report back as it was, or `longshore rollback --run {run}` and populate anew"
            )));
    }
    Ok(Selection::Matches(open(context, report, options.distance_max_m)?))
}

/// A `populate` goes on by `resume`; what a migration or a rollback holds is settled first.
fn refuse_over_unfinished(state: &State, chosen: &Chosen) -> Result<(), Failure> {
    let Some(run) = plan::holders(state, &chosen.scope).first().copied() else { return Ok(()) };
    let verb = state.run(run).map_or("", |of| of.started.verb.name());
    let what = match chosen.scope {
        Scope::Everywhere => "venues".to_owned(),
        _ => format!("venues of {}", chosen.name),
    };
    Err(Failure::new(Exit::Held, format!("the unfinished run {run} ({verb}) holds {what}"))
        .hint(format!("`longshore resume --run {run}` finishes it")))
}

fn look(
    context: &Context<'_>,
    args: &PopulateArgs,
    populate: &Populate,
    catalog: &dyn Catalog,
    geography: &Geography,
    chosen: &Chosen,
    state: Option<&State>,
) -> Result<Preview, Failure> {
    let mut preview = Preview {
        scope: chosen.name.clone(),
        target: context.target.name(),
        matched_rows: populate.matches.venues.values().map(|pairs| pairs.len() as u64).sum(),
        venues: 0,
        images: 0,
        countries: Vec::new(),
        codes: BTreeSet::new(),
        left_out: Vec::new(),
        unreadable_lines: populate.matches.bad.iter().map(|bad| bad.line).collect(),
        unreadable: populate.matches.unreadable(),
        max_kilometres: populate.distance_max_m.unwrap_or(MATCH_FAR_M) as f64 / 1_000.0,
        doubtful: Doubtful::default(),
    };
    let mut lines: BTreeMap<Option<String>, CountryLine> = BTreeMap::new();
    let ids: Vec<VenueId> = populate.matches.venues.keys().copied().collect();
    let mut rest = &ids[..];
    while !rest.is_empty() {
        let page = &rest[..rest.len().min(CATALOG_PAGE_VENUES as usize)];
        let (added, looked) = context.runtime.block_on(populate.look(catalog, page, now()))?;
        rest = &rest[looked..];
        for mut added in added.into_iter().filter(|added| is_in(geography, &added.venue, chosen.place)) {
            if let Some(state) = state {
                added.leave_closed(state, chosen.place);
            }
            let (venue, images) = (added.venue.id, added.addition.entries.len() as u64);
            if images > 0 && args.limit.is_none_or(|limit| preview.venues < limit) {
                let country = geography.of(&added.venue).1;
                preview.codes.insert(country.map(|country| country.code.clone()));
                let country = country.map(|country| country.name.clone());
                let line = lines.entry(country.clone()).or_default();
                line.country = country;
                line.venues += 1;
                line.images += images;
                preview.venues += 1;
                preview.images += images;
            }
            let left = &added.addition.left_out;
            preview.doubtful.take(populate, geography, &added.venue, |pair| {
                left.iter().any(|left| left.trivia_advisor_id == pair.ta_id && left.image.is_none())
            });
            let left = added.addition.left_out.into_iter();
            preview.left_out.extend(left.map(|left| Left { venue_id: venue, left }));
        }
    }
    preview.countries = lines.into_values().collect();
    preview.countries.sort_by_key(|line| std::cmp::Reverse(line.venues));
    Ok(preview)
}

fn say(context: &Context<'_>, preview: &Preview) -> Result<(), Failure> {
    match context.plain_format()? {
        PlainFormat::Json => show::json(preview)?,
        PlainFormat::Table => {
            let mut table = show::Table::new(&["Country", "Venues", "Images to add"]);
            for line in &preview.countries {
                table.row(&[line.country.as_deref().unwrap_or("(no country)")], &[line.venues, line.images]);
            }
            table.row(&["Total"], &[preview.venues, preview.images]);
            table.print()?;
            tell_left(preview);
        }
    }
    Ok(())
}

/// What waits for a person, on stderr.
fn tell_left(preview: &Preview) {
    let is_told_below = |of: &&Left| preview.doubtful.leaves(of.venue_id, of.left.trivia_advisor_id);
    for Left { venue_id, left } in preview.left_out.iter().filter(|left| !is_told_below(left)) {
        let image = left.image.map_or(String::new(), |image| format!(" image {image}"));
        eprintln!(
            "Venue {venue_id}, Trivia Advisor {}{image}: left out: {}.",
            left.trivia_advisor_id, left.why
        );
    }
    for why in &preview.unreadable {
        eprintln!("The report, left out: {why}.");
    }
    preview.doubtful.tell(preview.max_kilometres);
}

impl From<MatchesError> for Failure {
    fn from(error: MatchesError) -> Self {
        Self::usage(error.to_string()).hint("`--matches FILE` names the matching report")
    }
}
