//! The seeded world: countries, cities, venues and images in requirement D5's numbers, out of nothing but a seed.
//!
//! The same seed and scale give the same bytes of everything, on every machine. Only the origin's address is not
//! part of the world, as a free port is chosen late: texts that name it are made by methods that are told it.

mod awkward;
mod build;
mod entries;
mod fitted;
mod layout;
mod made;
mod names;
mod venues;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

pub use self::entries::Images;
use super::pictures::{Picture, Pictures};
use crate::outside::catalog::{City, Country};

/// Venues with something to migrate when nothing is scaled (requirement D5).
pub const VENUES_FULL: u32 = 575;

/// How an image on the origin is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Awkward {
    /// There is none: 404.
    Missing,
    /// A page says so, with status 200.
    Html,
    /// The file ends before its end.
    Truncated,
    /// More bytes than the program takes.
    Oversized,
}

impl Awkward {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Html, Self::Truncated, Self::Oversized];
}

/// What the origin has at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The path of its URL, not percent-encoded.
    pub path: String,
    /// The EA venue it belongs to.
    pub venue: i64,
    /// The picture it is, or would be were it not awkward.
    pub picture: Picture,
    /// What is wrong with it.
    pub awkward: Option<Awkward>,
}

/// A venue of Eventasaurus.
#[derive(Debug, Clone)]
pub struct Venue {
    /// `venues.id`.
    pub id: i64,
    /// `venues.slug`, not always clean.
    pub slug: Option<String>,
    /// `venues.name`.
    pub name: String,
    /// `cities.id`.
    pub city: Option<i64>,
    /// `venues.updated_at`, RFC 3339 in UTC with whole seconds.
    pub updated_at: String,
    /// `venues.venue_images`.
    pub images: Images,
}

/// A venue of Trivia Advisor.
#[derive(Debug, Clone)]
pub struct TaVenue {
    /// `venues.id`.
    pub id: i64,
    /// `venues.slug`.
    pub slug: String,
    /// `venues.name`.
    pub name: String,
    /// `venues.google_place_images` as JSON text; `None` is SQL NULL.
    pub images: Option<String>,
}

/// A row of the matching report (requirement D4); the fields are its columns, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are described where the report is: requirement D4")]
pub struct MatchRow {
    pub ta_id: i64,
    pub ta_slug: String,
    pub ta_name: String,
    pub ea_id: Option<i64>,
    pub ea_slug: String,
    pub ea_name: String,
    pub match_type: String,
    pub confidence: String,
    pub distance_m: String,
    pub name_distance: String,
    pub images_count: u32,
}

/// Everything there is, before it is put into databases and served.
#[derive(Debug)]
pub struct World {
    /// All countries, by id.
    pub countries: Vec<Country>,
    /// All cities, by id.
    pub cities: Vec<City>,
    /// All venues of Eventasaurus, by id.
    pub venues: Vec<Venue>,
    /// All venues of Trivia Advisor, by id.
    pub ta_venues: Vec<TaVenue>,
    /// The matching report, by `ta_id`.
    pub matches: Vec<MatchRow>,
    served: HashMap<String, Image>,
}

impl World {
    /// The world of a seed in which `venues` venues have something to migrate, spread over the countries as in
    /// requirement D5; fewer than one a country (4) cannot be had. External images are in the venues already.
    pub fn new(seed: u64, venues: u32) -> Self {
        Self::with(seed, venues, Pictures::Small)
    }

    /// The same with pictures of a kind; only their bytes and sides differ.
    pub fn with(seed: u64, venues: u32, pictures: Pictures) -> Self {
        build::world(seed, venues, pictures)
    }

    /// The world that fits a matching report: its venues have no images yet, `populate` would give them some.
    pub fn fitting(seed: u64, matches: Vec<MatchRow>, pictures: Pictures) -> Self {
        fitted::world(seed, matches, pictures)
    }

    /// What the origin has at a path (not percent-encoded), if it knows the path; that may be an
    /// [`Awkward::Missing`] one.
    pub fn image(&self, path: &str) -> Option<&Image> {
        self.served.get(path)
    }

    /// All images the origin knows, by path.
    pub fn images(&self) -> Vec<&Image> {
        let mut all: Vec<&Image> = self.served.values().collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }

    /// The images that are not what they should be, by path.
    pub fn awkward(&self) -> Vec<(&Image, Awkward)> {
        self.images().into_iter().filter_map(|image| Some((image, image.awkward?))).collect()
    }

    /// The venues of a country that have something to migrate, by id. The country is an ISO code.
    pub fn to_migrate(&self, code: &str) -> Vec<&Venue> {
        let country = self.countries.iter().find(|country| country.code == code).map(|country| country.id);
        let is_there = |city: i64| self.cities.iter().any(|c| c.id == city && Some(c.country) == country);
        let counted = self.venues.iter().filter(|venue| venue.images.to_migrate().next().is_some());
        counted.filter(|venue| venue.city.is_some_and(is_there)).collect()
    }
}
