//! Writes out, venue by venue, what each side has: the array in Eventasaurus, the venue and its row of the matching
//! report at Trivia Advisor, the images on the origin.

use std::collections::HashMap;

use crate::sandbox::pictures::{Picture, Pictures};

use super::build::{Draft, Twins};
use super::entries::{self, Element, Entry, Images, moment_ms};
use super::names::LANDS;
use super::venues::{Namer, local_path, ta_image};
use super::{Image, MatchRow, TaVenue, Venue};

/// What has been made so far.
#[derive(Default)]
pub(super) struct Made {
    seed: u64,
    pictures: Pictures,
    extras: usize,
    pub(super) venues: Vec<Venue>,
    pub(super) ta: Vec<(TaVenue, MatchRow)>,
    pub(super) served: HashMap<String, Image>,
}

impl Made {
    pub(super) fn new(seed: u64, pictures: Pictures) -> Self {
        Self { seed, pictures, ..Self::default() }
    }

    /// The array of a venue with something to migrate; what the origin and Trivia Advisor have of it is noted.
    pub(super) fn images(
        &mut self,
        id: i64,
        draft: &Draft,
        slug: Option<&str>,
        ta_slug: &str,
        name: &str,
        rng: &mut fastrand::Rng,
    ) -> Images {
        let second_from = if draft.is_matched_twice { draft.images / 2 } else { draft.images };
        let second_slug = format!("{ta_slug}-wednesdays");
        let mut ours: Vec<Entry> = Vec::new();
        let mut ta: [Vec<String>; 2] = Default::default();
        for at in 0..draft.images {
            if at == 1 && draft.twins == Some(Twins::Entries) {
                ours.push(ours[0].clone());
                continue;
            }
            let key_of = if at == 1 && draft.twins == Some(Twins::Bytes) { 0 } else { at };
            let picture = self.pictures.picture(self.seed, &format!("venue {id}, picture {key_of}"));
            let (is_second, number) = (at >= second_from, at + 1);
            let path = local_path(if is_second { &second_slug } else { ta_slug }, number);
            ta[usize::from(is_second)].push(ta_image(&path, number, &picture, rng));
            ours.push(entry(&path, &picture, rng));
            let awkward = draft.awkward.filter(|(image, _)| *image == at).map(|(_, kind)| kind);
            self.served.insert(path.clone(), Image { path, venue: id, picture, awkward });
        }
        let [first, second] = ta;
        let ea = slug.map(|slug| (id, slug, name));
        self.ta(ta_slug, name, first, ea, draft.is_matched_twice || rng.u32(..70) == 0, rng);
        if !second.is_empty() {
            self.ta(&second_slug, name, second, ea, false, rng);
        }
        let mut elements: Vec<Element> = ours.into_iter().map(Element::Ours).collect();
        if rng.u32(..4) == 0 {
            for _ in 0..rng.usize(1..=3) {
                elements.insert(rng.usize(..=elements.len()), Element::Other(entries::other(rng)));
            }
        }
        Images::Array(elements)
    }

    /// The images of a venue with nothing to migrate, one kind after the other.
    pub(super) fn extra(&mut self, rng: &mut fastrand::Rng) -> Images {
        const KINDS: usize = 7;
        self.extras += 1;
        match self.extras % KINDS {
            0 => Images::Null,
            1 | 2 => Images::Text("[]".to_owned()),
            3 | 4 => Images::Text(format!("[{}]", [(); 2].map(|()| entries::other(rng)).join(", "))),
            5 => Images::Null,
            _ => {
                const BAD: [&str; 4] = [r#"{"url": "/a.jpg"}"#, r#""[]""#, "42", r#"{"images": []}"#];
                Images::Text(BAD[self.extras / KINDS % BAD.len()].to_owned())
            }
        }
    }

    /// Notes a venue of Trivia Advisor and its row in the report; `ea` is the venue it is matched with.
    fn ta(
        &mut self,
        slug: &str,
        name: &str,
        images: Vec<String>,
        ea: Option<(i64, &str, &str)>,
        is_far: bool,
        rng: &mut fastrand::Rng,
    ) {
        let (match_type, confidence, distance_m) = match (ea.is_some(), is_far, rng.u32(..100)) {
            (false, ..) => ("no_match", "0.0", String::new()),
            (true, true, _) => ("slug_only", "0.85", tenths(rng.u32(600_000..170_000_000))),
            (true, false, 0..82) => ("slug_geo", "1.0", tenths(rng.u32(..1_000))),
            (true, false, 82..98) => ("slug_only", "0.85", tenths(rng.u32(1_000..20_000))),
            (true, false, _) => ("geo_name", "0.85", tenths(rng.u32(..500))),
        };
        let row = MatchRow {
            ta_id: 0,
            ta_slug: slug.to_owned(),
            ta_name: name.to_owned(),
            ea_id: ea.map(|(id, ..)| id),
            ea_slug: ea.map_or("", |(_, slug, _)| slug).to_owned(),
            ea_name: ea.map_or("", |(.., name)| name).to_owned(),
            match_type: match_type.to_owned(),
            confidence: confidence.to_owned(),
            distance_m,
            name_distance: if ea.is_some() { "0".to_owned() } else { String::new() },
            images_count: u32::try_from(images.len()).unwrap_or(u32::MAX),
        };
        let images = (!images.is_empty()).then(|| format!("[{}]", images.join(", ")));
        self.ta.push((TaVenue { id: 0, slug: slug.to_owned(), name: name.to_owned(), images }, row));
    }

    /// Venues that only Trivia Advisor has.
    pub(super) fn unmatched(&mut self, namer: &mut Namer, rng: &mut fastrand::Rng) {
        for number in 0..self.ta.len() / 5 + 3 {
            let (name, slug) = namer.name(number % LANDS.len(), "Elsewhere", rng);
            let picture = self.pictures.picture(self.seed, &slug);
            let images =
                (1..=number % 6).map(|at| ta_image(&local_path(&slug, at), at, &picture, rng)).collect();
            self.ta(&slug, &name, images, None, false, rng);
        }
    }

    /// Gives Trivia Advisor's venues ids of an order of their own.
    pub(super) fn number_ta(&mut self, rng: &mut fastrand::Rng) {
        rng.shuffle(&mut self.ta);
        let mut id = 0;
        for (venue, row) in &mut self.ta {
            id += rng.i64(1..=4);
            (venue.id, row.ta_id) = (id, id);
        }
    }
}

fn entry(path: &str, picture: &Picture, rng: &mut fastrand::Rng) -> Entry {
    let (says_width, says_height) = match rng.u32(..100) {
        0..60 => (true, true),
        60..95 => (false, false),
        known => (known % 2 == 0, known % 2 == 1),
    };
    Entry {
        path: path.to_owned(),
        width: says_width.then(|| picture.width()),
        height: says_height.then(|| picture.height()),
        migrated_at: moment_ms(rng),
        further: (rng.u32(..12) == 0).then(|| entries::further(rng)),
        is_terse: rng.u32(..15) == 0,
    }
}

fn tenths(n: u32) -> String {
    format!("{}.{}", n / 10, n % 10)
}
