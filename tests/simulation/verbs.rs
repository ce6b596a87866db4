//! Which run a command starts or goes on with, as the program decides it; and the commands that are no run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ledger::event::{Closed, Event, Input, Options, Record, Scope, Verb};
use ledger::ids::{ImageId, RunId, VenueId};
use ledger::images::Entry;
use ledger::ledger::Ledger;
use ledger::plan;
use ledger::state::{Run, State};
use longshore::outside::Trouble;
use longshore::outside::catalog::{Catalog, Place};
use longshore::runner::saved::SavedVenue;
use longshore::runner::{
    Geography, Leaving, Retry, RunError, SavedPlan, Selection, Start, movable, put_back,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::bug::Bug;
use super::command::{Begin, Ended, operator, target};
use super::process::Process;
use super::{clock, database, judge, people};

fn start(verb: Verb, scope: Scope, options: Options, close: Vec<RunId>, selection: Selection) -> Begin {
    Begin::Start(Box::new((Start { verb, scope, options, close }, selection)))
}

fn refused(why: String) -> Begin {
    Begin::Not(Ended::Refused(why))
}

/// `migrate` of a place: an unfinished migration that holds something of it goes on.
pub fn migrate(process: &Process, ledger: &Ledger, scope: Scope, options: Options) -> Begin {
    let held = plan::holders(ledger.state(), &scope);
    let is_other =
        |run: &&RunId| ledger.state().run(**run).is_some_and(|of| of.started.verb != Verb::Migrate);
    if let Some(run) = held.iter().find(is_other) {
        return refused(format!("run {run} holds venues of it"));
    }
    if let Some(run) = held.first() {
        return Begin::Resume(*run, false);
    }
    if let Scope::Venue { venue, .. } = scope {
        // Who names a venue takes up what they had left there.
        let left = &mut process.world.lock().people.left;
        left.retain(|(by, of, _), _| (*by, *of) != (process.ledger, venue.0));
    }
    start(Verb::Migrate, scope, options, Vec::new(), Selection::Place)
}

/// `populate`: not over what another run holds.
pub fn populate(process: &Arc<Process>, ledger: &Ledger, scope: Scope, mut options: Options) -> Begin {
    if let Some(run) = plan::holders(ledger.state(), &scope).first() {
        return refused(format!("run {run} holds venues of it"));
    }
    if let Scope::Venue { venue, .. } = scope {
        let left = &mut process.world.lock().people.left;
        left.retain(|(by, of, _), _| (*by, *of) != (process.ledger, venue.0));
    }
    let populate = people::populate(process);
    options.input = Some(Input { path: "report.csv".into(), digest: populate.matches.digest.clone() });
    start(Verb::Populate, scope, options, Vec::new(), Selection::Matches(populate))
}

/// `rollback`, which closes the unfinished runs that are wholly in its scope; not over others that hold something of it.
pub fn rollback(ledger: &Ledger, scope: Scope, options: Options) -> Begin {
    let state = ledger.state();
    if let Some(run) = plan::in_the_way(state, &scope).first() {
        return refused(format!("run {run} may have updated rows of it"));
    }
    let unfinished = state.unfinished().map(|(run, _)| run);
    let close: Vec<RunId> = unfinished.filter(|run| plan::is_taken_over(state, *run, &scope)).collect();
    let has_files = options.delete_cdn_files && !plan::deletable(state, &scope).is_empty();
    if plan::take_backs(state, &scope).is_empty() && close.is_empty() && !has_files {
        return Begin::Not(Ended::Nothing);
    }
    start(Verb::Rollback, scope, options, close, Selection::Place)
}

/// What a run that goes on still chooses from.
pub fn selection(process: &Arc<Process>, of: &Run) -> Selection {
    match (of.started.verb, &of.options().input) {
        _ if of.is_planned => Selection::Place,
        (Verb::Populate, _) => Selection::Matches(people::populate(process)),
        (Verb::Migrate, Some(input)) => {
            let plans = &process.world.lock().people.plans;
            let mut saved = plans.iter().map(|(_, plan)| plan);
            let plan = saved.find(|plan| plan.digest().to_string() == input.digest);
            Selection::Saved(plan.expect("plans are kept").clone())
        }
        (Verb::Migrate | Verb::Rollback, _) => Selection::Place,
    }
}

/// Reads the catalog as a command does before there is a run: once, and with an error where that fails.
async fn asked<T>(answer: impl Future<Output = Result<T, Trouble>>) -> Result<T, RunError> {
    answer.await.map_err(RunError::Outside)
}

/// `plan --out`: what `migrate` of the place would move now.
pub async fn save_plan(process: &Arc<Process>, ledger: &Ledger, scope: Scope) -> Result<Ended, RunError> {
    let catalog = database::Seat(process.clone());
    let geography = asked(Geography::read(&catalog)).await?;
    let Some(place) = geography.place_of(&scope) else { return Ok(Ended::Nothing) };
    let (mut venues, mut after) = (Vec::new(), None);
    loop {
        let page = asked(catalog.venues(place, after, 100)).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for venue in &page {
            let entries = movable(Some(ledger.state()), place, venue).unwrap_or_default();
            if !entries.is_empty() {
                let entries = entries.into_iter().map(str::to_owned).collect();
                venues.push(SavedVenue { venue: venue.id, slug: venue.slug.clone(), entries });
            }
        }
        if matches!(place, Place::Venue(_)) {
            break;
        }
    }
    let plan = SavedPlan::new(target(), scope, None, venues);
    let plan = SavedPlan::parse(&plan.text()).expect("what was saved can be read");
    let mut world = process.world.lock();
    world.count("plan saved");
    world.people.plans.push((process.ledger, Arc::new(plan)));
    Ok(Ended::Finished)
}

/// `migrate --plan`: exactly that, or nothing where it has moved.
pub async fn migrate_plan(
    process: &Arc<Process>,
    ledger: &Ledger,
    which: usize,
    mut options: Options,
) -> Result<Begin, RunError> {
    let plan = {
        let plans = &process.world.lock().people.plans;
        let ours: Vec<_> = plans.iter().filter(|(by, _)| *by == process.ledger).collect();
        ours.get(which % ours.len().max(1)).map(|(_, plan)| plan.clone())
    };
    let Some(plan) = plan.filter(|plan| !plan.venues().is_empty()) else {
        return Ok(Begin::Not(Ended::Nothing));
    };
    if let Some(run) = plan::holders(ledger.state(), &plan.scope).first() {
        return Ok(refused(format!("run {run} holds venues of it")));
    }
    let (ids, mut now) = (plan.ids(), Vec::new());
    let catalog = database::Seat(process.clone());
    now.extend(asked(catalog.by_ids(&ids)).await?);
    let differences = plan.differences(&ids, &now, |venue, entry| ledger.state().is_closed(venue, entry));
    if let Some(difference) = differences.first() {
        process.world.lock().count("plan refused");
        return Ok(refused(difference.to_string()));
    }
    process.world.lock().count("plan run");
    options.input = Some(Input { path: "a.plan".into(), digest: plan.digest().to_string() });
    let scope = plan.scope.clone();
    Ok(start(Verb::Migrate, scope, options, Vec::new(), Selection::Saved(plan)))
}

/// `skip`: of one venue, one picture or all that waits. Rows that may hold what no event tells of are looked at first.
pub async fn skip(
    process: &Arc<Process>,
    catalog: &dyn Catalog,
    ledger: &mut Ledger,
    which: usize,
) -> Result<Ended, RunError> {
    let state = ledger.state();
    let has_some = |venue: &VenueId| {
        let plans = state.venue(*venue).map_or(&[][..], |plans| plans.all());
        plans.iter().any(|planned| !plan::waiting(state, *planned).is_empty())
            || !plan::waiting_whole(state, *venue).is_empty()
    };
    let mut venues: Vec<VenueId> = state.plans().map(|(_, plan)| plan.venue).collect();
    venues.sort();
    venues.dedup();
    venues.retain(has_some);
    let Some(venue) = venues.get(which % venues.len().max(1)).copied() else { return Ok(Ended::Nothing) };
    let images = waiting(ledger, venue)?;
    let mut whole = plan::waiting_whole(ledger.state(), venue);
    let wanted = images.get(which % (images.len() + 1)).and_then(|(_, _, url)| url.clone());
    if wanted.is_some() {
        whole.clear();
    }
    let images: Vec<_> =
        images.into_iter().filter(|(_, _, url)| wanted.is_none() || *url == wanted).collect();
    let ids: Vec<ImageId> = images.iter().map(|(_, image, _)| *image).collect();
    process.leaves();
    let (_stop, stopping) = watch::channel(false);
    let (outbox, _inbox) = mpsc::unbounded_channel();
    let retry = Retry::new(stopping, outbox, Duration::from_secs(300));
    let holder = format!("process {}", process.number);
    let with = Leaving { catalog, retry: &retry, holder: &holder, probe: None };
    let is_looked_at = process.world.lock().bug != Some(Bug::LeftUnlooked);
    let mut told = if is_looked_at { put_back(ledger, &ids, with).await? } else { BTreeMap::new() };
    let (mut records, mut left) = (Vec::new(), Vec::<(String, ImageId)>::new());
    for (run, image, url) in images {
        records.push(closed(run, venue, Some(image), told.remove(&image).map(|row| row.told)));
        left.extend(url.map(|url| (url, image)));
    }
    records.extend(whole.into_iter().map(|run| closed(run, venue, None, None)));
    ledger.append(&records)?;
    let mut world = process.world.lock();
    world.count("left by a person");
    judge::left(&mut world, process.ledger, venue, left.iter().map(|(url, _)| url));
    for (url, image) in left {
        let of = world.people.left.entry((process.ledger, venue.0, url));
        let (_, images) = of.or_insert_with(|| (Instant::now(), Vec::new()));
        images.push(image);
    }
    Ok(Ended::Finished)
}

fn closed(run: RunId, venue: VenueId, image: Option<ImageId>, told: Option<String>) -> Record {
    let reason = told.unwrap_or_else(|| "a person".to_owned());
    let event = Closed { venue, image, reason, operator: operator() };
    Record { at: clock::now(), run: Some(run), event: Event::Closed(event) }
}

/// The pictures of a venue that wait, each with its run and its URL.
fn waiting(ledger: &Ledger, venue: VenueId) -> Result<Vec<(RunId, ImageId, Option<String>)>, RunError> {
    let state: &State = ledger.state();
    let mut all = Vec::new();
    for planned in state.venue(venue).map_or(&[][..], |plans| plans.all()) {
        let ids = plan::waiting(state, *planned);
        let Some(run) = state.plan(*planned).map(|plan| plan.run).filter(|_| !ids.is_empty()) else {
            continue;
        };
        let Event::Planned(event) = ledger.store().record(*planned)?.event else { continue };
        let entries = match &event.work {
            ledger::event::Work::Move(entries) => &entries[..],
            ledger::event::Work::Add(addition) => &addition.entries[..],
            ledger::event::Work::TakeBack(_) => &[],
        };
        for image in ids {
            let entry = entries.get(image.index as usize).and_then(|entry| Entry::parse(entry));
            all.push((run, image, entry.and_then(|entry| entry.url())));
        }
    }
    Ok(all)
}

/// `ledger checkpoint`.
pub fn checkpoint(ledger: &mut Ledger) -> Result<Ended, RunError> {
    let Some(run) = ledger.state().runs().map(|(run, _)| run).last() else { return Ok(Ended::Nothing) };
    let event = Event::Checkpoint(ledger.state().checkpoint());
    ledger.append(&[Record { at: clock::now(), run: Some(run), event }])?;
    Ok(Ended::Finished)
}
