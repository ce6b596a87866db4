//! What a `populate` adds (requirement C1): the matching report, Trivia Advisor's images and the rows as they are, put
//! together venue by venue. The preview and the run ask here, so that they cannot differ.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use ledger::event::{Addition, LeftOut};
use ledger::ids::VenueId;
use ledger::images::{NotAnArray, pictures};
use ledger::state::State;
use ledger::timestamp::Timestamp;
use url::Url;

use super::planning::Geography;
use crate::limits::{CATALOG_PAGE_BYTES_MAX, CATALOG_ROW_BYTES_MAX, LEFT_OUT_TOLD_MAX};
use crate::outside::Trouble;
use crate::outside::catalog::{Catalog, Place, Venue, answered, no_array};
use crate::outside::matches::{Match, Matches};
use crate::outside::trivia::{TaVenue, Trivia, entries};

/// Where a `populate` takes its venues and their images from.
#[derive(Clone)]
pub struct Populate {
    /// Which venue is which.
    pub matches: Arc<Matches>,
    /// Where the images are known.
    pub trivia: Arc<dyn Trivia>,
    /// What their paths are put behind.
    pub base: Url,
    /// Matches further apart than this are left out, in metres; none are where it is not said, as in runs that were
    /// started before there was a limit. A match whose distance the report does not say is none of them.
    pub distance_max_m: Option<u64>,
}

/// What one venue gets.
#[derive(Debug, Clone)]
pub struct Added {
    /// The venue as it is; one that is gone has the report's slug and nothing else.
    pub venue: Venue,
    /// What is added to it, and what could not be.
    pub addition: Addition,
}

impl Added {
    /// Leaves out the pictures that a person has closed; naming the venue itself takes them up again.
    pub fn leave_closed(&mut self, state: &State, place: Place) {
        let id = self.venue.id;
        let is_named = matches!(place, Place::Venue(_));
        self.addition.entries.retain(|entry| is_named || !state.is_closed(id, entry));
    }

    /// Whether there is anything to do or to tell.
    pub fn is_empty(&self) -> bool {
        self.addition.entries.is_empty() && self.addition.left_out.is_empty()
    }
}

impl Populate {
    /// What the first of these venues of the report get, in the order of ids, and how many of them those are: as many as
    /// the databases give at once. They must be in that order.
    ///
    /// # Errors
    /// When one of the databases cannot be asked.
    pub async fn look(
        &self,
        catalog: &dyn Catalog,
        venues: &[VenueId],
        migrated_at: Timestamp,
    ) -> Result<(Vec<Added>, usize), Trouble> {
        let of = |venue: &VenueId| self.matches.venues.get(venue).map_or(&[][..], Vec::as_slice);
        let there = catalog.by_ids(venues).await?;
        let mut looked = answered(venues, &there);
        let mut there: HashMap<VenueId, Venue> = there.into_iter().map(|venue| (venue.id, venue)).collect();
        let trivia = loop {
            let ids: BTreeSet<i64> = venues[..looked].iter().flat_map(of).map(|pair| pair.ta_id).collect();
            match self.images_of(&ids).await? {
                (trivia, true) => break trivia,
                // Fewer venues have fewer images.
                _ if looked > 1 => looked /= 2,
                (trivia, false) => break trivia,
            }
        };
        let each = venues[..looked].iter().map(|id| match there.remove(id) {
            Some(venue) => {
                let addition = self.add(&venue, of(id), &trivia, migrated_at);
                Added { venue, addition }
            }
            None => gone(*id, of(id)),
        });
        Ok((each.collect(), looked))
    }

    /// Trivia Advisor's venues with these ids, and whether that is all of them: at most two pages are held.
    async fn images_of(&self, ids: &BTreeSet<i64>) -> Result<(HashMap<i64, Option<TaVenue>>, bool), Trouble> {
        let mut rest: Vec<i64> = ids.iter().copied().collect();
        let (mut found, mut bytes) = (HashMap::new(), 0);
        while !rest.is_empty() {
            let page = self.trivia.images(&rest).await?;
            let Some(last) = page.last().map(|venue| venue.id) else { break };
            rest.retain(|id| *id > last);
            bytes += page.iter().map(TaVenue::bytes).sum::<usize>();
            found.extend(page.into_iter().map(|venue| (venue.id, Some(venue))));
            if bytes > CATALOG_PAGE_BYTES_MAX && !rest.is_empty() {
                found.extend(rest.into_iter().map(|id| (id, None)));
                return Ok((found, false));
            }
        }
        Ok((found, true))
    }

    /// Whether a match is left out for its distance.
    pub fn is_too_far(&self, pair: &Match) -> bool {
        matches!((pair.distance_m, self.distance_max_m), (Some(far), Some(max)) if far > max as f64)
    }

    fn add(
        &self,
        venue: &Venue,
        pairs: &[Match],
        trivia: &HashMap<i64, Option<TaVenue>>,
        migrated_at: Timestamp,
    ) -> Addition {
        let mut addition = Addition { entries: Vec::new(), left_out: Vec::new() };
        let mut there: Result<HashSet<String>, NotAnArray> =
            pictures(venue.images.as_deref().unwrap_or("[]"));
        let mut bytes = venue.images.as_ref().map_or(2, String::len);
        for pair in pairs {
            let mut leave = |image: Option<usize>, why: String| {
                let (trivia_advisor_id, image) = (pair.ta_id, image.map(|image| image as u32));
                addition.left_out.push(LeftOut { trivia_advisor_id, image, why });
            };
            let slug = venue.slug.as_deref().unwrap_or_default();
            if pair.ea_slug != slug {
                leave(None, format!("its slug is {slug:?} now; the report says {:?}", pair.ea_slug));
                continue;
            }
            if let (Some(far), true) = (pair.distance_m, self.is_too_far(pair)) {
                leave(None, format!("the two lie {:.1} km apart", far / 1_000.0));
                continue;
            }
            let Ok(there) = &mut there else {
                leave(None, no_array("venue_images", venue.images.as_deref()));
                continue;
            };
            let Some(ta) = trivia.get(&pair.ta_id) else {
                leave(None, "Trivia Advisor has no such venue".to_owned());
                continue;
            };
            let Some(ta) = ta else {
                leave(None, format!("its images are more than {CATALOG_PAGE_BYTES_MAX} bytes altogether"));
                continue;
            };
            let Ok(converted) = entries::entries(ta, &self.base, migrated_at) else {
                leave(None, no_array("google_place_images", ta.images.as_deref()));
                continue;
            };
            let new: Vec<_> = converted.entries.into_iter().filter(|new| !there.contains(&new.url)).collect();
            let grown = bytes + new.iter().map(|new| new.text.len() + 2).sum::<usize>();
            if grown as u64 > CATALOG_ROW_BYTES_MAX {
                let max = CATALOG_ROW_BYTES_MAX;
                leave(
                    None,
                    format!(
                        "with its images venue_images would have {grown} bytes, and no more than {max} are read"
                    ),
                );
                continue;
            }
            bytes = grown;
            let more = converted.left_out.len().saturating_sub(LEFT_OUT_TOLD_MAX);
            let mut told = converted.left_out.into_iter().take(LEFT_OUT_TOLD_MAX).peekable();
            while let Some(left) = told.next() {
                let more = if told.peek().is_some() { 0 } else { more };
                let and = if more > 0 {
                    format!("; {more} more behind it make no entry either")
                } else {
                    String::new()
                };
                leave(Some(left.index), left.why + &and);
            }
            let new = new.into_iter().filter(|new| there.insert(new.url.clone()));
            addition.entries.extend(new.map(|new| new.text));
        }
        addition
    }
}

fn gone(id: VenueId, pairs: &[Match]) -> Added {
    let slug = pairs.first().map(|pair| pair.ea_slug.clone()).filter(|slug| !slug.is_empty());
    let left_out = pairs.iter().map(|pair| LeftOut {
        trivia_advisor_id: pair.ta_id,
        image: None,
        why: "there is no such venue any more".to_owned(),
    });
    let addition = Addition { entries: Vec::new(), left_out: left_out.collect() };
    Added { venue: Venue { id, slug, name: None, city: None, images: None }, addition }
}

/// Whether a venue lies in a place.
pub fn is_in(geography: &Geography, venue: &Venue, place: Place) -> bool {
    match place {
        Place::Everywhere => true,
        Place::Country(id) => geography.of(venue).1.is_some_and(|country| country.id == id),
        Place::City(id) => venue.city == Some(id),
        Place::Venue(id) => venue.id == id,
    }
}
