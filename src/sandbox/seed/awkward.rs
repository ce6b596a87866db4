//! Which images are awkward: about one in a hundred, spread so evenly that a healthy run never looks like a sick one.

use std::collections::HashMap;

use super::Awkward;

/// One image in this many is awkward.
const IMAGES_PER_AWKWARD: usize = 100;
/// No country has more than one awkward image in this many.
const IMAGES_PER_AWKWARD_MIN: usize = 20;

/// A venue as far as it matters here.
pub(super) struct Candidate {
    /// Its city; venues of one city have the same.
    pub(super) city: usize,
    /// How many images it has.
    pub(super) images: usize,
    /// Whether one of its images may be awkward.
    pub(super) is_free: bool,
}

/// Chooses among one country's venues, in id order: (index of the venue, index of the image, kind). `each` asks for
/// one of every kind at least, where the country is large enough for that.
pub(super) fn spread(
    venues: &[Candidate],
    each: bool,
    first: usize,
    rng: &mut fastrand::Rng,
) -> Vec<(usize, usize, Awkward)> {
    let images: usize = venues.iter().map(|venue| venue.images).sum();
    let wanted = ((images + IMAGES_PER_AWKWARD / 2) / IMAGES_PER_AWKWARD).max(if each { 4 } else { 1 });
    let count = wanted.min(images / IMAGES_PER_AWKWARD_MIN);
    let mut in_city: HashMap<usize, usize> = HashMap::new();
    for venue in venues {
        *in_city.entry(venue.city).or_default() += venue.images;
    }
    let mut taken: HashMap<usize, usize> = HashMap::new();
    let mut is_free: Vec<bool> = venues.iter().map(|venue| venue.is_free && venue.images > 1).collect();
    let mut chosen = Vec::new();
    for turn in 0..count {
        // From the middle of each of `count` equal stretches outwards, so that no two lie close together.
        let middle = (2 * turn + 1) * venues.len() / (2 * count);
        let outwards = (0..venues.len()).flat_map(|by| [middle.checked_sub(by), Some(middle + by)]).flatten();
        let fits = |&at: &usize| {
            let Some(venue) = venues.get(at).filter(|_| is_free[at]) else { return false };
            let others = taken.get(&venue.city).copied().unwrap_or(0);
            others == 0 || (others + 1) * IMAGES_PER_AWKWARD_MIN <= in_city[&venue.city]
        };
        let Some(at) = { outwards }.find(fits) else { continue };
        is_free[at] = false;
        *taken.entry(venues[at].city).or_default() += 1;
        let kind = Awkward::ALL[(first + turn) % Awkward::ALL.len()];
        chosen.push((at, rng.usize(..venues[at].images), kind));
    }
    chosen
}
