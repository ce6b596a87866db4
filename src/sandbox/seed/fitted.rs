//! The world that fits a matching report: who is matched is known, where and with which pictures is made up.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::sandbox::pictures::{Pictures, rng};

use super::awkward::{self, Candidate};
use super::entries::{Images, moment};
use super::venues::{Places, local_path, ta_image};
use super::{Image, MatchRow, TaVenue, Venue, World, layout};

pub(super) fn world(seed: u64, mut matches: Vec<MatchRow>, pictures: Pictures) -> World {
    let rng = &mut rng(seed, "fitted");
    matches.sort_by_key(|row| row.ta_id);
    let (mut ta_venues, mut images_of) = (Vec::new(), BTreeMap::<i64, Vec<Image>>::new());
    for row in &matches {
        let mut images = Vec::new();
        for number in 1..=row.images_count as usize {
            let path = local_path(&row.ta_slug, number);
            let picture = pictures.picture(seed, &path);
            images.push(ta_image(&path, number, &picture, rng));
            if let Some(venue) = row.ea_id {
                images_of.entry(venue).or_default().push(Image { path, venue, picture, awkward: None });
            }
        }
        ta_venues.push(TaVenue {
            id: row.ta_id,
            slug: row.ta_slug.clone(),
            name: row.ta_name.clone(),
            images: (!images.is_empty()).then(|| format!("[{}]", images.join(", "))),
        });
    }

    // One venue may be matched with several.
    ta_venues.dedup_by_key(|venue| venue.id);

    let places = Places::new();
    let mut venues = ea_venues(&matches, &places, rng);
    spread_awkward(&venues, &mut images_of, &places, rng);
    venues.sort_by_key(|venue| venue.id);
    // In the order of ids, so that of two venues with one image always the same has it.
    let served = images_of.into_values().flatten().map(|image| (image.path.clone(), image)).collect();
    let Places { countries, cities, .. } = places;
    World { countries, cities, venues, ta_venues, matches, served }
}

/// The matched venues, in the report's order at first, over the countries in requirement D5's proportions.
fn ea_venues(matches: &[MatchRow], places: &Places, rng: &mut fastrand::Rng) -> Vec<Venue> {
    let mut known = HashSet::new();
    let matched: Vec<(i64, &MatchRow)> = matches
        .iter()
        .filter_map(|row| Some((row.ea_id?, row)))
        .filter(|(id, _)| known.insert(*id))
        .collect();
    let mut homes = Vec::new();
    for (land, venues) in
        layout::venues_a_land(u32::try_from(matched.len()).unwrap_or(u32::MAX)).iter().enumerate()
    {
        homes.extend(layout::cities(land, *venues, rng).into_iter().map(|city| places.city(land, city)));
    }
    rng.shuffle(&mut homes);
    let venue = |((id, row), city): ((i64, &MatchRow), i64)| Venue {
        id,
        slug: Some(row.ea_slug.clone()).filter(|slug| !slug.is_empty()),
        name: row.ea_name.clone(),
        city: Some(city),
        updated_at: moment(rng),
        images: if id % 5 == 0 { Images::Null } else { Images::Text("[]".to_owned()) },
    };
    matched.into_iter().zip(homes).map(venue).collect()
}

fn spread_awkward(
    venues: &[Venue],
    images_of: &mut BTreeMap<i64, Vec<Image>>,
    places: &Places,
    rng: &mut fastrand::Rng,
) {
    let mut by_country: HashMap<i64, Vec<(i64, usize)>> = HashMap::new();
    for venue in venues {
        let Some(city) = venue.city.and_then(|id| places.cities.iter().find(|city| city.id == id)) else {
            continue;
        };
        by_country.entry(city.country).or_default().push((venue.id, city.id as usize));
    }
    for country in &places.countries {
        let mut there = by_country.remove(&country.id).unwrap_or_default();
        there.sort_unstable();
        let images = |id: i64| images_of.get(&id).map_or(0, Vec::len);
        let candidates: Vec<Candidate> =
            there.iter().map(|&(id, city)| Candidate { city, images: images(id), is_free: true }).collect();
        for (at, image, kind) in
            awkward::spread(&candidates, country.code == "PL", country.id as usize - 1, rng)
        {
            if let Some(image) = images_of.get_mut(&there[at].0).and_then(|images| images.get_mut(image)) {
                image.awkward = Some(kind);
            }
        }
    }
}
