//! What a run forward would take now, before it is started or only to be looked at.

use std::collections::{BTreeMap, HashSet};

use ledger::event::Scope;
use ledger::ids::VenueId;
use ledger::images::Entry;
use ledger::plan;
use ledger::state::State;
use serde::Serialize;

use super::Context;
use super::place::{Chosen, typed};
use crate::error::Failure;
use crate::limits::{CATALOG_PAGE_VENUES, SHOWN_FILES_MAX};
use crate::outside::catalog::{Catalog, Venue};
use crate::runner::{Geography, movable, refusal};
use crate::show;

/// What is to be moved in one city.
#[derive(Debug, Default, Serialize)]
pub struct CityLine {
    /// The city's name; null for venues without one.
    pub city: Option<String>,
    /// Its country's name.
    pub country: Option<String>,
    /// Venues with something to move.
    pub venues: u64,
    /// Their images.
    pub images: u64,
}

/// A venue of which nothing can be moved.
#[derive(Debug, Serialize)]
pub struct LeftOut {
    /// The venue.
    pub venue_id: VenueId,
    /// Why not, in words.
    pub why: String,
}

/// What a run would take.
#[derive(Debug, Serialize)]
pub struct Preview {
    /// What it was asked to take, as people call it.
    pub scope: String,
    /// Of which database.
    pub target: &'static str,
    /// Venues with something to move.
    pub venues: u64,
    /// Their images.
    pub images: u64,
    /// Files behind those: an image that a venue has twice is stored once.
    pub files: u64,
    /// Venues whose row is no array, too large, or would become so: nothing of them can be moved.
    pub bad_venues: u64,
    /// Which those are, in id order.
    pub left_out: Vec<LeftOut>,
    /// A line a city.
    pub cities: Vec<CityLine>,
    /// The venues that a limit leaves; `None` without one.
    #[serde(skip)]
    chosen: Option<HashSet<VenueId>>,
}

impl Preview {
    /// Whether a venue is taken that has something to move.
    pub fn takes(&self, venue: VenueId) -> bool {
        self.left_out.binary_search_by_key(&venue, |left| left.venue_id).is_err()
            && self.chosen.as_ref().is_none_or(|chosen| chosen.contains(&venue))
    }

    /// Why a run would take nothing.
    pub fn nothing_left(&self) -> String {
        match self.bad_venues {
            0 => format!("Nothing is left to migrate in {}.", self.scope),
            bad => {
                let venues = show::count(bad, "venue");
                format!("Nothing is left to migrate in {} but {venues} refused (bad_data).", self.scope)
            }
        }
    }

    /// What a run with a limit does about the venues that are left out: it takes none of them up, and they are those of the
    /// whole place. `None` where there are none, or where there is no limit and they fail.
    pub fn passed_by(&self, scope: &Scope) -> Option<String> {
        self.chosen.as_ref().filter(|_| self.bad_venues > 0)?;
        let (venues, place) = (show::count(self.bad_venues, "venue"), typed(scope));
        Some(format!(
            "Not counted by --limit, and passed by: {venues} of {} (bad_data). `longshore plan {place}` names them.",
            self.scope
        ))
    }

    /// Some of the venues that are left out, and how many more there are.
    pub fn some_left_out(&self) -> (&[LeftOut], u64) {
        let shown = &self.left_out[..self.left_out.len().min(SHOWN_FILES_MAX)];
        (shown, self.bad_venues - shown.len() as u64)
    }
}

/// The files behind some entries: each URL once.
pub fn files(entries: &[&str]) -> Vec<String> {
    let mut seen = HashSet::new();
    let urls = entries.iter().filter_map(|entry| Entry::parse(entry).and_then(|entry| entry.url()));
    urls.filter(|url| seen.insert(url.clone())).collect()
}

/// Looks. With a limit, venues that an earlier run left in trouble come last, as in the run.
pub fn look(
    context: &Context<'_>,
    catalog: &dyn Catalog,
    geography: &Geography,
    chosen: &Chosen,
    limit: Option<u64>,
    state: Option<&State>,
) -> Result<Preview, Failure> {
    struct Found {
        comes_last: bool,
        venue: VenueId,
        city: Option<i64>,
        images: u64,
        files: u64,
    }
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    // How large a row becomes is known only with the endpoint that its URLs begin with.
    let cdn = context.open_cdn();
    let mut see = |venue: &Venue| {
        let entries = movable(state, chosen.place, venue);
        if let Some(why) = refusal(venue, &entries, cdn.as_deref().ok()) {
            left_out.push(LeftOut { venue_id: venue.id, why });
            return;
        }
        let entries = entries.unwrap_or_default();
        if entries.is_empty() {
            return;
        }
        let comes_last = limit.is_some() && state.is_some_and(|state| plan::is_troubled(state, venue.id));
        let (images, files) = (entries.len() as u64, files(&entries).len() as u64);
        found.push(Found { comes_last, venue: venue.id, city: venue.city, images, files });
    };
    let mut after = None;
    loop {
        let page = catalog.venues(chosen.place, after, CATALOG_PAGE_VENUES);
        let page = context.runtime.block_on(page)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        page.iter().for_each(&mut see);
    }
    if let (Err(Failure { message, .. }), false) = (&cdn, found.is_empty()) {
        eprintln!("Rows that would become too large are counted here, and a run leaves them out: {message}.");
    }
    found.sort_by_key(|found| found.comes_last);
    found.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
    let mut cities: BTreeMap<(Option<&str>, Option<i64>), CityLine> = BTreeMap::new();
    for Found { city, images, .. } in &found {
        let (city, country) = geography.city(*city);
        let line = cities.entry((city.map(|city| city.name.as_str()), city.map(|city| city.id))).or_default();
        line.city = city.map(|city| city.name.clone());
        line.country = country.map(|country| country.name.clone());
        line.venues += 1;
        line.images += images;
    }
    let cities: Vec<CityLine> = cities.into_values().collect();
    Ok(Preview {
        scope: chosen.name.clone(),
        target: context.target.name(),
        venues: cities.iter().map(|line| line.venues).sum(),
        images: cities.iter().map(|line| line.images).sum(),
        files: found.iter().map(|found| found.files).sum(),
        bad_venues: left_out.len() as u64,
        left_out,
        cities,
        chosen: limit.map(|_| found.iter().map(|found| found.venue).collect()),
    })
}
