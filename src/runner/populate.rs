//! What a `populate` adds (requirement C1): the matching report, Trivia Advisor's images and the rows as they are, put
//! together venue by venue. The preview and the run ask here, so that they cannot differ.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ledger::event::{Addition, LeftOut};
use ledger::ids::VenueId;
use ledger::images::{NotAnArray, pictures};
use ledger::state::State;
use ledger::timestamp::Timestamp;
use url::Url;

use super::planning::Geography;
use crate::outside::Trouble;
use crate::outside::catalog::{Catalog, Place, Venue};
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
    /// What these venues of the report get, in their order.
    ///
    /// # Errors
    /// When one of the databases cannot be asked.
    pub async fn look(
        &self,
        catalog: &dyn Catalog,
        venues: &[VenueId],
        migrated_at: Timestamp,
    ) -> Result<Vec<Added>, Trouble> {
        let of = |venue: &VenueId| self.matches.venues.get(venue).map_or(&[][..], Vec::as_slice);
        let there = catalog.by_ids(venues).await?;
        let there: HashMap<VenueId, Venue> = there.into_iter().map(|venue| (venue.id, venue)).collect();
        let ids: Vec<i64> = venues.iter().flat_map(of).map(|pair| pair.ta_id).collect();
        let trivia = self.trivia.images(&ids).await?;
        let trivia: HashMap<i64, TaVenue> = trivia.into_iter().map(|venue| (venue.id, venue)).collect();
        let each = venues.iter().map(|id| match there.get(id) {
            Some(venue) => {
                let addition = self.add(venue, of(id), &trivia, migrated_at);
                Added { venue: venue.clone(), addition }
            }
            None => gone(*id, of(id)),
        });
        Ok(each.collect())
    }

    /// Whether a match is left out for its distance.
    pub fn is_too_far(&self, pair: &Match) -> bool {
        matches!((pair.distance_m, self.distance_max_m), (Some(far), Some(max)) if far > max as f64)
    }

    fn add(
        &self,
        venue: &Venue,
        pairs: &[Match],
        trivia: &HashMap<i64, TaVenue>,
        migrated_at: Timestamp,
    ) -> Addition {
        let mut addition = Addition { entries: Vec::new(), left_out: Vec::new() };
        let mut there: Result<HashSet<String>, NotAnArray> =
            pictures(venue.images.as_deref().unwrap_or("[]"));
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
                leave(None, "venue_images is not an array".to_owned());
                continue;
            };
            let Some(ta) = trivia.get(&pair.ta_id) else {
                leave(None, "Trivia Advisor has no such venue".to_owned());
                continue;
            };
            let Ok(converted) = entries::entries(ta, &self.base, migrated_at) else {
                leave(None, "google_place_images is not an array".to_owned());
                continue;
            };
            converted.left_out.into_iter().for_each(|left| leave(Some(left.index), left.why));
            let new = converted.entries.into_iter().filter(|new| there.insert(new.url.clone()));
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
