//! Choosing venues: every `planned` event of a run precedes its first effect, in venue-id order. A run cut off while
//! planning goes on behind its last planned venue.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use ledger::event::{
    Event, PauseReason, Paused, Planned, PlanningDone, Scope, StepName, Stopped, Verb, Work,
};
use ledger::ids::{CdnPath, ContentHash, FileId, Format, RunId, Seq, VenueId};
use ledger::images::{self, CdnFacts, Entry};
use ledger::plan::{is_held, is_troubled, take_backs};
use ledger::state::State;
use ledger::timestamp::Timestamp;
use ledger::trouble::TroubleKind;

use super::parts::Outside;
use super::retry::Halt;
use super::wheel::Wheel;
use super::{RunError, Selection};
use crate::limits::{CATALOG_PAGE_BYTES_MAX, CATALOG_PAGE_VENUES};
use crate::outside::Trouble;
use crate::outside::catalog::{Catalog, City, Country, Place, Venue, no_array, outgrown};
use crate::outside::imagekit::Cdn;

/// The catalog's countries and cities, read once.
#[derive(Debug, Default)]
pub struct Geography {
    countries: HashMap<i64, Country>,
    cities: HashMap<i64, City>,
}

impl Geography {
    /// Reads them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn read(catalog: &dyn Catalog) -> Result<Self, Trouble> {
        // A country is known by its ISO code, in the ledger, in claims and in scopes; without one it is none.
        let coded = catalog.countries().await?.into_iter().filter(|country| !country.code.trim().is_empty());
        let countries = coded.map(|country| (country.id, country)).collect();
        let cities = catalog.cities().await?.into_iter().map(|city| (city.id, city)).collect();
        Ok(Self { countries, cities })
    }
    /// All countries, by name.
    pub fn countries(&self) -> Vec<&Country> {
        let mut all: Vec<_> = self.countries.values().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }
    /// All cities, by name and country.
    pub fn cities(&self) -> Vec<&City> {
        let mut all: Vec<_> = self.cities.values().collect();
        all.sort_by(|one, other| {
            (&one.name, one.country, one.id).cmp(&(&other.name, other.country, other.id))
        });
        all
    }
    /// A city's country.
    pub fn country_of(&self, city: &City) -> Option<&Country> {
        self.countries.get(&city.country)
    }
    /// The place that a scope of the ledger speaks of; `None` when it is gone, or is no place.
    pub fn place_of(&self, scope: &Scope) -> Option<Place> {
        match scope {
            Scope::Country(wanted) => {
                let country = self.countries.values().find(|country| country.code == wanted.code);
                country.map(|country| Place::Country(country.id))
            }
            Scope::City { city, .. } => self.cities.contains_key(&city.id).then_some(Place::City(city.id)),
            Scope::Venue { venue, .. } => Some(Place::Venue(*venue)),
            Scope::Everywhere => Some(Place::Everywhere),
            Scope::Run(_) => None,
        }
    }
    /// Where a venue is: its city and country.
    pub fn of(&self, venue: &Venue) -> (Option<&City>, Option<&Country>) {
        self.city(venue.city)
    }
    /// A city by its id, and its country.
    pub fn city(&self, id: Option<i64>) -> (Option<&City>, Option<&Country>) {
        let city = id.and_then(|id| self.cities.get(&id));
        (city, city.and_then(|city| self.country_of(city)))
    }
}

/// What stopped the planning before its end.
pub(super) enum Broken {
    Run(RunError),
    Pause,
}
impl From<RunError> for Broken {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl Wheel<'_> {
    /// Chooses what the run takes, unless that is done. With a limit, venues that an earlier run left in trouble come
    /// last.
    ///
    /// # Errors
    /// When the ledger cannot be written to, or the place is no longer in the database. Trouble with the database
    /// pauses the run when it is turned.
    pub async fn plan(&mut self) -> Result<(), RunError> {
        let run = self.run_state();
        if run.is_planned {
            return Ok(());
        }
        let (verb, scope) = (run.started.verb, run.started.scope.clone());
        let planned = match verb {
            Verb::Migrate => self.forward(&scope).await,
            Verb::Populate => self.additions(&scope).await,
            Verb::Rollback => self.back(&scope).await,
        };
        match planned {
            Err(Broken::Run(error)) => return Err(error),
            Err(Broken::Pause) => return Ok(()),
            Ok(()) => {}
        }
        let run = self.run_state();
        let done = PlanningDone { venues: run.plans().len() as u64, images: run.images() };
        self.append(vec![Event::PlanningDone(done)])
    }

    pub(super) fn run_state(&self) -> &ledger::state::Run {
        self.ledger.state().run(self.run).expect("the run was started")
    }

    /// Where images go, for a run that moves them.
    pub(super) fn cdn(&self) -> Option<Arc<dyn Cdn>> {
        self.setting.world.forward.as_ref().map(|forward| forward.cdn.clone())
    }

    async fn forward(&mut self, scope: &Scope) -> Result<(), Broken> {
        let catalog = self.setting.world.catalog.clone();
        let cdn = self.cdn();
        let geography = self.ask(|| Geography::read(&*catalog)).await?;
        let place = geography.place_of(scope).ok_or(RunError::PlaceGone(self.run))?;
        let run = self.run_state();
        let start = run.last_venue();
        let saved = match &self.setting.selection {
            Selection::Saved(plan) => Some(plan.clone()),
            Selection::Place | Selection::Matches(_) => {
                assert!(run.options().input.is_none(), "whoever turns a saved plan's run gives it its plan");
                None
            }
        };
        let chosen = match run.options().limit {
            Some(limit) if saved.is_none() => {
                let left = limit.saturating_sub(run.plans().len() as u64);
                Some(self.choose(place, start, left as usize).await?)
            }
            Some(_) | None => None,
        };
        if let Some(plan) = saved {
            return self.exactly(&plan, &geography, place, start).await;
        }
        let mut after = start;
        loop {
            let page = self.ask(|| catalog.venues(place, after, CATALOG_PAGE_VENUES)).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            let state = self.ledger.state();
            let is_chosen = |venue: &Venue| {
                let is_free = !belongs_to_another(state, self.run, venue.id)
                    && !is_rolled_back_since(state, self.run, venue, geography.of(venue));
                is_free && chosen.as_ref().is_none_or(|chosen| chosen.contains(&venue.id))
            };
            let venues = page.into_iter().filter(is_chosen);
            let cdn = cdn.as_deref();
            let events = venues.flat_map(|venue| planned(&geography, state, place, venue, cdn));
            self.append(events.collect())?;
        }
    }

    /// The venues a limited run takes: in id order, those without old trouble first. One of which nothing can be moved does
    /// not count, and is passed by.
    async fn choose(
        &mut self,
        place: Place,
        start: Option<VenueId>,
        limit: usize,
    ) -> Result<HashSet<VenueId>, Broken> {
        let (catalog, cdn) = (self.setting.world.catalog.clone(), self.cdn());
        let (mut fresh, mut troubled) = (Vec::new(), Vec::new());
        let mut after = start;
        while fresh.len() < limit {
            let page = self.ask(|| catalog.venues(place, after, CATALOG_PAGE_VENUES)).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let state = self.ledger.state();
            let has_movable = |venue: &Venue| {
                let entries = movable(Some(state), place, venue);
                let is_refused = refusal(venue, &entries, cdn.as_deref()).is_some();
                !is_refused && entries.is_ok_and(|entries| !entries.is_empty())
            };
            let is_free =
                |venue: &&Venue| has_movable(venue) && !belongs_to_another(state, self.run, venue.id);
            for venue in page.iter().filter(is_free) {
                let pile = match is_troubled(self.ledger.state(), venue.id) {
                    true => &mut troubled,
                    false => &mut fresh,
                };
                pile.push(venue.id);
            }
        }
        Ok(fresh.into_iter().chain(troubled).take(limit).collect())
    }

    async fn back(&mut self, scope: &Scope) -> Result<(), Broken> {
        let catalog = self.setting.world.catalog.clone();
        let start = self.run_state().last_venue();
        let visits = take_backs(self.ledger.state(), scope);
        let (mut events, mut bytes) = (Vec::new(), 0);
        for (venue, images) in
            visits.into_iter().filter(|(venue, _)| start.is_none_or(|start| *venue > start))
        {
            let array = self.ask(|| catalog.images(venue)).await?.flatten();
            let last = || self.ledger.state().venue(venue).and_then(|plans| plans.last());
            let newest = images.first().map(|image| image.planned).or_else(last);
            let then = self.planned_then(newest.expect("whoever is visited was planned"))?;
            bytes += array.as_ref().map_or(0, String::len);
            events.push(Event::Planned(Planned { array, work: Work::TakeBack(images), ..then }));
            if events.len() >= CATALOG_PAGE_VENUES as usize || bytes >= CATALOG_PAGE_BYTES_MAX {
                bytes = 0;
                self.append(std::mem::take(&mut events))?;
            }
        }
        Ok(self.append(events)?)
    }

    fn planned_then(&self, planned: Seq) -> Result<Planned, RunError> {
        match self.ledger.store().record(planned)?.event {
            Event::Planned(then) => Ok(then),
            other => panic!("event {planned} is {}, not planned", other.name()),
        }
    }

    /// Asks the database, listening to signals meanwhile; what it cannot answer pauses the run.
    pub(super) async fn ask<T, F>(&mut self, question: impl FnMut() -> F) -> Result<T, Broken>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let retry = self.retry.clone();
        let answer = async {
            let answer = retry.run(Outside::Catalog, question);
            tokio::pin!(answer);
            loop {
                tokio::select! {
                    biased;
                    answer = &mut answer => break Ok(answer),
                    message = self.setting.inbox.recv() => {
                        let message = message.expect("the wheel itself holds a sender");
                        if let Err(error) = self.hear(message, 0) {
                            break Err(error);
                        }
                    }
                }
            }
        };
        match answer.await? {
            Ok(tried) => Ok(tried.value),
            Err(Halt::GivenUp | Halt::Deferred) => Err(Broken::Pause),
            Err(Halt::Trouble(trouble, _)) => {
                self.pause(paused_by(trouble), 0);
                Err(Broken::Pause)
            }
        }
    }
}

/// The pause that a database causes which cannot be asked.
fn paused_by(trouble: Trouble) -> Paused {
    let (reason, advice) = match trouble.kind {
        TroubleKind::Unauthorized => (PauseReason::Unauthorized, "Correct the database's URL"),
        _ => (PauseReason::Outage, "When the database answers again"),
    };
    Paused { reason, message: trouble.message, advice: format!("{advice}, `longshore resume` goes on") }
}

/// Whether a run must pass a venue by: a later run has named it meanwhile, or an unfinished one has still to settle it.
pub(super) fn belongs_to_another(state: &State, run: RunId, venue: VenueId) -> bool {
    let last = state.venue(venue).and_then(|plans| plans.last());
    let of = last.and_then(|planned| state.plan(planned)).map(|plan| plan.run);
    of.is_some_and(|of| of > run || (of < run && last.is_some_and(|planned| is_held(state, planned))))
}

/// Whether a later rollback took back the place a venue is in: a run that was cut off while it planned must not be
/// resumed over that, whether it had come to the venue or not.
fn is_rolled_back_since(
    state: &State,
    run: RunId,
    venue: &Venue,
    (city, country): (Option<&City>, Option<&Country>),
) -> bool {
    let later = state.runs().filter(|(id, of)| *id > run && of.started.verb == Verb::Rollback);
    later.into_iter().any(|(_, of)| match &of.started.scope {
        Scope::Country(taken) => country.is_some_and(|country| country.code == taken.code),
        Scope::City { city: taken, .. } => city.is_some_and(|city| city.id == taken.id),
        Scope::Venue { venue: taken, .. } => venue.id == *taken,
        Scope::Run(_) | Scope::Everywhere => false,
    })
}

/// The entries of a venue that `migrate` takes when it was asked for a place: not those a person has closed, unless
/// the venue itself is named. A venue that was closed as a whole, and still holds no array, has none.
///
/// # Errors
/// When the venue holds something that is no array.
pub fn movable<'a>(
    state: Option<&State>,
    at: Place,
    venue: &'a Venue,
) -> Result<Vec<&'a str>, images::NotAnArray> {
    let entries = venue.images.as_deref().map_or(Ok(Vec::new()), images::movable);
    match (state, entries) {
        (Some(state), Ok(mut entries)) if !matches!(at, Place::Venue(_)) => {
            entries.retain(|entry| !state.is_closed(venue.id, entry));
            Ok(entries)
        }
        (Some(state), Err(_)) if !matches!(at, Place::Venue(_)) && state.is_closed_whole(venue.id) => {
            Ok(Vec::new())
        }
        (_, entries) => entries,
    }
}

/// A venue is chosen, as it is and where it is.
pub(super) fn place(geography: &Geography, venue: Venue, work: Work) -> Event {
    let (city, country) = geography.of(&venue);
    let (city, country) = (city.map(City::written), country.map(Country::written));
    let Venue { id, slug, name, images, .. } = venue;
    Event::Planned(Planned { venue: id, slug, name, city, country, array: images, work })
}

/// Why a row could not be read any more with these entries completed: so that nothing is uploaded in vain, every length is
/// the greatest that it can have.
fn outgrown_by(venue: &Venue, entries: &[impl AsRef<str>], cdn: &dyn Cdn) -> Option<String> {
    // Hashes are of one length, and no format has a longer extension.
    let path = CdnPath::new(venue.slug.as_deref(), venue.id, &ContentHash([0; 32]), Format::Webp);
    let facts = CdnFacts {
        url: cdn.delivered_at(&path),
        file_id: "x".repeat(FileId::BYTES_MAX),
        width: u32::MAX,
        height: u32::MAX,
        uploaded_at: Timestamp::from_millis(0),
    };
    let completed = |entry: &str| Entry::parse(entry).map(|parsed| parsed.complete(&facts));
    let changes = entries.iter().map(AsRef::as_ref).filter_map(|entry| Some((entry, completed(entry)?)));
    let why = outgrown(venue.images.as_deref()?, changes)?;
    Some(format!("venue_images {why}"))
}

/// Why nothing of a venue can be moved, given what [`movable`] says of it: it holds no array, more than is read, or could not
/// be read any more once these entries are completed.
pub fn refusal(
    venue: &Venue,
    entries: &Result<Vec<impl AsRef<str>>, images::NotAnArray>,
    cdn: Option<&dyn Cdn>,
) -> Option<String> {
    match entries {
        Err(_) => Some(no_array("venue_images", venue.images.as_deref())),
        Ok(entries) if entries.is_empty() => None,
        Ok(entries) => outgrown_by(venue, entries, cdn?),
    }
}

/// The events by which a venue is taken: none where there is nothing to do, a report where its data are bad.
pub(super) fn planned(
    geography: &Geography,
    state: &State,
    at: Place,
    venue: Venue,
    cdn: Option<&dyn Cdn>,
) -> Vec<Event> {
    let entries = match movable(Some(state), at, &venue) {
        Ok(entries) if entries.is_empty() => return Vec::new(),
        entries => entries.map(|entries| entries.into_iter().map(str::to_owned).collect::<Vec<_>>()),
    };
    let bad = refusal(&venue, &entries, cdn);
    let work = Work::Move(entries.ok().filter(|_| bad.is_none()).unwrap_or_default());
    let id = venue.id;
    let mut events = vec![place(geography, venue, work)];
    if let Some(message) = bad {
        events.push(Event::Failed(Stopped {
            venue: id,
            image: None,
            step: StepName::Plan,
            error_type: TroubleKind::BadData,
            message,
            attempts: 1,
            passing: false,
            file_id: None,
        }));
    }
    events
}
