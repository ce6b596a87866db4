//! What a rollback would need to know without this program: whole arrays, before and after (requirement C11).

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::value::RawValue;

use super::trail::Trail;
use crate::event::{DbUpdated, Event, Scope};
use crate::ids::{ImageId, Seq, VenueId};
use crate::images::{Change, Found, edit};
use crate::order::Past;
use crate::plan::is_within;
use crate::state::{Aim, Rung, State};
use crate::store::LedgerError;
use crate::timestamp::Timestamp;

/// What of a scope stands migrated: in the row, and not rolled back.
#[derive(Debug)]
pub struct Migrated<'a> {
    state: &'a State,
    venues: BTreeMap<VenueId, Vec<ImageId>>,
}

/// What the document begins with.
#[derive(Debug)]
pub struct RollbackHead {
    /// The country's name; null where the venues are of several, or of none.
    pub country: Option<String>,
    /// When the first of these rows was updated; null where none was.
    pub migration_timestamp: Option<Timestamp>,
    /// Venues with an image that stands migrated.
    pub total_venues: u64,
    /// Those images.
    pub total_images: u64,
}

/// One venue's arrays, whole.
#[derive(Debug, Serialize)]
pub struct RollbackVenue {
    /// `venues.id`.
    pub venue_id: VenueId,
    /// Its slug when it was planned last.
    pub venue_slug: Option<String>,
    /// The name of its city then.
    pub city: Option<String>,
    /// The array without what stands migrated in the scope, as it was or would be.
    pub images_before_phase2: Box<RawValue>,
    /// The array as Longshore recorded it last.
    pub images_after_phase2: Box<RawValue>,
}

impl<'a> Migrated<'a> {
    /// What of a scope stands migrated in a state.
    pub fn new(state: &'a State, scope: &Scope) -> Self {
        let mut venues: BTreeMap<VenueId, Vec<ImageId>> = BTreeMap::new();
        let plans = state.plans().filter(|(_, plan)| plan.aim == Aim::Forward);
        for (planned, plan) in plans.filter(|(_, plan)| is_within(state, plan, scope)) {
            let stands =
                plan.ids(planned).filter(|(_, image)| image.is_current && image.rung == Rung::DbUpdated);
            let mut stands = stands.map(|(id, _)| id).peekable();
            if stands.peek().is_some() {
                venues.entry(plan.venue).or_default().extend(stands);
            }
        }
        Self { state, venues }
    }

    /// The venues, in the order of their ids.
    pub fn venues(&self) -> impl Iterator<Item = VenueId> {
        self.venues.keys().copied()
    }

    fn updated(&self, images: &[ImageId]) -> Option<Seq> {
        images.iter().filter_map(|image| self.state.image(*image)?.updated).min()
    }

    /// What the document begins with.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn head(&self, past: &impl Past) -> Result<RollbackHead, LedgerError> {
        let last = |images: &Vec<ImageId>| self.state.plan(images.last()?.planned);
        let mut countries: Vec<_> = self
            .venues
            .values()
            .filter_map(last)
            .map(|plan| self.state.place(plan).country.clone())
            .collect();
        countries.dedup_by(|one, other| one.as_ref().map(|c| &c.code) == other.as_ref().map(|c| &c.code));
        let first = self.venues.values().filter_map(|images| self.updated(images)).min();
        Ok(RollbackHead {
            country: match &countries[..] {
                [Some(country)] => Some(country.name.clone()),
                _ => None,
            },
            migration_timestamp: first.map(|seq| past.record(seq)).transpose()?.map(|record| record.at),
            total_venues: self.venues.len() as u64,
            total_images: self.venues.values().map(|images| images.len() as u64).sum(),
        })
    }

    /// One venue's arrays.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn venue(
        &self,
        past: &impl Past,
        trail: &Trail<'_>,
        venue: VenueId,
    ) -> Result<Option<RollbackVenue>, LedgerError> {
        let Some(images) = self.venues.get(&venue) else { return Ok(None) };
        let (Some(first), Some(id)) = (self.updated(images), images.last()) else { return Ok(None) };
        let Some(plan) = self.state.plan(id.planned) else { return Ok(None) };
        let named: HashSet<ImageId> = images.iter().copied().collect();
        let (mut before, mut after) = (None, None);
        let mut changes: Vec<Change> = Vec::new();
        // Whether nothing but what is listed was done to the row since: then the array before is the one recorded.
        let mut is_plain = true;
        for seq in trail.of(venue).iter().copied().filter(|seq| *seq >= first) {
            match past.record(seq)?.event {
                Event::DbUpdated(DbUpdated { edits, array_before, array_after, .. }) => {
                    if seq == first {
                        before = array_before;
                    }
                    after = Some(array_after);
                    for edit in edits {
                        match (named.contains(&edit.image), edit.before, edit.after) {
                            (true, Some(from), Some(to)) => {
                                changes.push(Change::exact(from, to));
                            }
                            _ => is_plain = false,
                        }
                    }
                }
                Event::RolledBack(e) => {
                    (after, is_plain) = (e.array_after, false);
                }
                _ => {}
            }
        }
        if let Some(after) = after.as_deref().filter(|_| !is_plain) {
            // What others have edited since cannot be taken back: the array recorded before the first update is then the
            // one that a person can restore from.
            before = all_taken_back(after, &changes).or(before);
        }
        Ok(Some(RollbackVenue {
            venue_id: venue,
            venue_slug: plan.slug.as_deref().map(str::to_owned),
            city: self.state.place(plan).city.as_ref().map(|city| city.name.clone()),
            images_before_phase2: raw(before),
            images_after_phase2: raw(after),
        }))
    }
}

/// The array with all of these changes taken back; `None` where one of them is not there any more.
fn all_taken_back(array: &str, changes: &[Change]) -> Option<String> {
    let back: Vec<Change> = changes.iter().map(Change::reversed).collect();
    let edited = edit(array, &back).ok()?;
    let is_there = |found: &Found| !matches!(found, Found::Drifted { .. });
    edited.found.iter().all(is_there).then_some(edited.text)
}

/// A database's JSON as it is. SQL NULL is null; what is no JSON, which no update has ever left behind, is a string.
fn raw(text: Option<String>) -> Box<RawValue> {
    let text = text.unwrap_or_else(|| "null".to_owned());
    RawValue::from_string(text.clone())
        .unwrap_or_else(|_| serde_json::value::to_raw_value(&text).expect("a string is always JSON"))
}
