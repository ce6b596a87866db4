//! Puts a world together: first who is where and how many images each has, then what is special about a few.

use crate::sandbox::pictures::{Pictures, rng};

use super::awkward::{self, Candidate};
use super::entries::moment;
use super::made::Made;
use super::names::LANDS;
use super::venues::{Namer, Odd, Places};
use super::{Awkward, Venue, World, layout};

/// A venue whose images exist in number only.
pub(super) struct Draft {
    land: usize,
    /// An index into the land's cities.
    city: Option<usize>,
    /// How many images are to be migrated; none in an extra venue.
    pub(super) images: usize,
    odd: Option<Odd>,
    pub(super) twins: Option<Twins>,
    pub(super) is_matched_twice: bool,
    pub(super) awkward: Option<(usize, Awkward)>,
}

/// Two entries of one venue that come to the same file on the CDN.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Twins {
    /// The same entry twice.
    Entries,
    /// Two URLs with the same bytes.
    Bytes,
}

/// One extra venue, with nothing to migrate, for this many others.
const VENUES_PER_EXTRA: usize = 12;
/// Of the extra ones at least this many, so that each kind is there.
const EXTRAS_MIN: usize = 14;
/// One odd slug, and one pair of twins, among this many venues of a country.
const VENUES_PER_ODD: usize = 16;
const VENUES_PER_TWINS: usize = 12;

pub(super) fn world(seed: u64, venues: u32, pictures: Pictures) -> World {
    let rng = &mut rng(seed, "world");
    let mut drafts = drafts(venues, rng);
    rng.shuffle(&mut drafts);
    for land in 0..LANDS.len() {
        let mut counted: Vec<&mut Draft> =
            drafts.iter_mut().filter(|draft| draft.land == land && draft.images > 0).collect();
        mark(&mut counted, land, rng);
    }
    let places = Places::new();
    let mut namer = Namer::default();
    let mut id = 100;
    let mut made = Made::new(seed, pictures);
    for draft in drafts {
        id += rng.i64(1..=3);
        let city = draft.city.map(|city| places.city(draft.land, city));
        let town =
            city.and_then(|id| places.cities.get(id as usize - 1)).map_or("Nowhere", |city| &city.name);
        let (name, clean) = namer.name(draft.land, town, rng);
        let slug = draft.odd.map_or_else(|| Some(clean.clone()), |odd| odd.slug(&clean));
        let ta_slug = slug.as_deref().unwrap_or(&clean);
        let images = match draft.images {
            0 => made.extra(rng),
            _ => made.images(id, &draft, slug.as_deref(), ta_slug, &name, rng),
        };
        made.venues.push(Venue { id, slug, name, city, updated_at: moment(rng), images });
    }
    made.unmatched(&mut namer, rng);
    made.number_ta(rng);
    let Places { countries, cities, .. } = places;
    let Made { venues, ta, served, .. } = made;
    let (ta_venues, matches) = ta.into_iter().unzip();
    World { countries, cities, venues, ta_venues, matches, served }
}

fn drafts(venues: u32, rng: &mut fastrand::Rng) -> Vec<Draft> {
    let draft = |land, city, images| Draft {
        land,
        city,
        images,
        odd: None,
        twins: None,
        is_matched_twice: false,
        awkward: None,
    };
    let mut drafts = Vec::new();
    for (land, venues) in layout::venues_a_land(venues).into_iter().enumerate() {
        let cities = layout::cities(land, venues, rng);
        let images = layout::images(venues, rng);
        drafts.extend(cities.into_iter().zip(images).map(|(city, images)| draft(land, Some(city), images)));
    }
    for extra in 0..(drafts.len() / VENUES_PER_EXTRA).max(EXTRAS_MIN) {
        let land = extra % LANDS.len();
        // Every third of them is nowhere.
        let city = (extra % 3 > 0).then(|| rng.usize(..LANDS[land].cities.len()));
        drafts.push(draft(land, city, 0));
    }
    drafts
}

/// Says what is special about which of a country's venues, in id order.
fn mark(venues: &mut [&mut Draft], land: usize, rng: &mut fastrand::Rng) {
    for (turn, at) in (2..venues.len()).step_by(VENUES_PER_ODD).enumerate() {
        venues[at].odd = Some(Odd::ALL[turn % Odd::ALL.len()]);
    }
    for (turn, at) in (4..venues.len()).step_by(VENUES_PER_TWINS).enumerate() {
        let kind = if turn % 2 == 0 { Twins::Bytes } else { Twins::Entries };
        if let Some(venue) = venues[at..].iter_mut().find(|venue| venue.images >= 3 && venue.twins.is_none())
        {
            venue.twins = Some(kind);
        }
    }
    if land == 0
        && let Some(venue) =
            venues.iter_mut().find(|venue| venue.images >= 4 && venue.twins.is_none() && venue.odd.is_none())
    {
        venue.is_matched_twice = true;
    }
    let candidate = |venue: &&mut Draft| Candidate {
        city: venue.city.unwrap_or(usize::MAX),
        images: venue.images,
        is_free: venue.twins.is_none(),
    };
    let candidates: Vec<Candidate> = venues.iter().map(candidate).collect();
    for (at, image, kind) in awkward::spread(&candidates, LANDS[land].code == "PL", land, rng) {
        venues[at].awkward = Some((image, kind));
    }
}
