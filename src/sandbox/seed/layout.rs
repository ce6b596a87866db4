//! How many of everything: requirement D5's numbers, or a world of another size in the same proportions.

use super::VENUES_FULL;
use super::names::LANDS;

/// Images a venue, on average: exactly so in every country of requirement D5.
pub(super) const IMAGES_PER_VENUE: usize = 5;
/// Google gives no more photographs of a place than about this.
const IMAGES_MAX: usize = 9;

/// Venues with something to migrate in each of [`LANDS`]: at least one wherever D5 has some, the rest by largest
/// remainder.
pub(super) fn venues_a_land(total: u32) -> Vec<usize> {
    let total = u64::from(total);
    let full = u64::from(VENUES_FULL);
    let mut shares: Vec<u64> = LANDS.iter().map(|land| u64::from(land.venues) * total / full).collect();
    for (share, land) in shares.iter_mut().zip(&LANDS) {
        *share = (*share).max(u64::from(land.venues.min(1)));
    }
    let remainder = |at: usize| u64::from(LANDS[at].venues) * total % full;
    let mut by_remainder: Vec<usize> = (0..LANDS.len()).filter(|&at| LANDS[at].venues > 0).collect();
    by_remainder.sort_by_key(|&at| std::cmp::Reverse(remainder(at)));
    for &at in by_remainder.iter().cycle() {
        if shares.iter().sum::<u64>() >= total {
            break;
        }
        shares[at] += 1;
    }
    // The one a country may have made too many: the largest gives way, down to one each.
    while shares.iter().sum::<u64>() > total.max(by_remainder.len() as u64) {
        if let Some(largest) = shares.iter_mut().max() {
            *largest -= 1;
        }
    }
    shares.into_iter().map(|share| usize::try_from(share).unwrap_or(usize::MAX)).collect()
}

/// The city (an index into the land's list) of each venue: every city at least one, the first ones more. A smaller
/// world has fewer cities, in proportion.
pub(super) fn cities(land: usize, venues: usize, rng: &mut fastrand::Rng) -> Vec<usize> {
    let (known, full) = (LANDS[land].cities.len(), LANDS[land].venues.max(1) as usize);
    let cities = (known * venues).div_ceil(full).min(known).min(venues);
    let mut chosen: Vec<usize> = (0..cities).collect();
    while chosen.len() < venues {
        // The smaller of two draws: the first city gets about twice the average.
        chosen.push(rng.usize(..cities).min(rng.usize(..cities)));
    }
    rng.shuffle(&mut chosen);
    chosen
}

/// The number of images of each venue: one to nine, in sum exactly five each.
pub(super) fn images(venues: usize, rng: &mut fastrand::Rng) -> Vec<usize> {
    let mut images = vec![IMAGES_PER_VENUE; venues];
    for _ in 0..venues * 4 {
        let (from, to) = (rng.usize(..venues), rng.usize(..venues));
        if from != to && images[from] > 1 && images[to] < IMAGES_MAX {
            images[from] -= 1;
            images[to] += 1;
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c14_scaling_keeps_the_proportions_and_one_venue_a_country() {
        assert_eq!(venues_a_land(VENUES_FULL), [412, 89, 45, 29, 0]);
        assert_eq!(venues_a_land(0), [1, 1, 1, 1, 0]);
        for total in 4..3_000 {
            let shares = venues_a_land(total);
            assert_eq!(shares.iter().sum::<usize>(), total as usize);
            assert!(shares[..4].iter().all(|&share| share >= 1), "{total}: {shares:?}");
        }
        assert_eq!(venues_a_land(5_750), [4_120, 890, 450, 290, 0]);
    }
}
