//! Names, slugs and Trivia Advisor's side of a venue.

use std::collections::HashMap;

use crate::outside::catalog::{City, Country};
use crate::sandbox::pictures::Picture;

use super::entries::{moment, quoted};
use super::names::{self, LANDS};

/// All countries and cities of the catalog, and the id of a land's city.
pub(super) struct Places {
    pub(super) countries: Vec<Country>,
    pub(super) cities: Vec<City>,
    first_city: Vec<i64>,
}

impl Places {
    pub(super) fn new() -> Self {
        let (mut countries, mut cities, mut first_city) = (Vec::new(), Vec::new(), Vec::new());
        for (land, id) in LANDS.iter().zip(1..) {
            let [name, code, slug] = [land.name, land.code, land.slug].map(str::to_owned);
            countries.push(Country { id, name, code, slug });
            let first = cities.len() as i64 + 1;
            first_city.push(first);
            for (entry, city) in land.cities.iter().zip(first..) {
                let (name, slug) = names::city(entry);
                cities.push(City { id: city, name, slug, country: id });
            }
        }
        Self { countries, cities, first_city }
    }

    /// `cities.id` of a city of a land, both by index.
    pub(super) fn city(&self, land: usize, city: usize) -> i64 {
        self.first_city[land] + city as i64
    }
}

/// Gives venues names, and slugs that no other has.
#[derive(Default)]
pub(super) struct Namer {
    taken: HashMap<String, u32>,
}

impl Namer {
    /// A name of the land's kind, with the city's in half of them, and its clean slug.
    pub(super) fn name(&mut self, land: usize, city: &str, rng: &mut fastrand::Rng) -> (String, String) {
        let land = &LANDS[land];
        let first = land.firsts[rng.usize(..land.firsts.len())];
        let second = land.seconds[rng.usize(..land.seconds.len())];
        let name = if rng.bool() { format!("{first} {second}, {city}") } else { format!("{first} {second}") };
        let slug = self.unique(names::slug(&name));
        (name, slug)
    }

    /// The slug, with a number behind it if it is taken.
    pub(super) fn unique(&mut self, slug: String) -> String {
        let taken = self.taken.entry(slug.clone()).or_default();
        *taken += 1;
        if *taken == 1 { slug } else { format!("{slug}-{taken}") }
    }
}

/// How a slug can be other than clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Odd {
    Accents,
    Dots,
    Capitals,
    Long,
    Null,
}

impl Odd {
    pub(super) const ALL: [Self; 5] = [Self::Accents, Self::Null, Self::Dots, Self::Capitals, Self::Long];

    /// The odd form of a clean slug.
    pub(super) fn slug(self, clean: &str) -> Option<String> {
        match self {
            Self::Accents => Some(format!("{clean}-café-żółw")),
            Self::Dots => Some(format!("{}.no.1", clean.replacen('-', ".", 1))),
            Self::Capitals => Some(clean.to_uppercase()),
            Self::Long => Some([clean; 20].join("-and-").chars().take(240).collect()),
            Self::Null => None,
        }
    }
}

/// Where Trivia Advisor keeps the image of a number, and so the path of its URL.
pub(super) fn local_path(ta_slug: &str, number: usize) -> String {
    format!("/uploads/google_place_images/{ta_slug}/original_google_place_{number}.jpg")
}

/// An image of Trivia Advisor (requirement D2).
pub(super) fn ta_image(path: &str, number: usize, picture: &Picture, rng: &mut fastrand::Rng) -> String {
    let reference = format!("places/ChIJ{:016x}/photos/{:032x}", rng.u64(..), rng.u128(..));
    let mut text = format!(r#"{{"local_path": {}, "position": {number}"#, quoted(path));
    if rng.u32(..5) > 0 {
        text += &format!(r#", "original_url": "https://places.googleapis.com/v1/{reference}/media""#);
    }
    text += &format!(r#", "google_ref": "{reference}", "fetched_at": "{}""#, moment(rng));
    if rng.u32(..3) == 0 {
        text += &format!(r#", "width": {}, "height": {}"#, picture.width(), picture.height());
    }
    text + "}"
}
