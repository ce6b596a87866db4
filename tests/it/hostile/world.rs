//! A world of venues of which each is hostile in its own way, and knows what must become of it.

use std::collections::BTreeMap;

use super::origin::Shelf;
use super::texts::texts;
use super::traps::Traps;
use super::{answers, arrays, pictures, urls};
use crate::support::pictures::jpeg;
use crate::support::raw_http::answer;
use crate::support::stage::Kind;

/// How many there are at least; SQLite can hold some more.
const VENUES_LEAST: usize = 300;
/// Ids that are hard on programs which keep them in a float, or count from one.
const IDS: [i64; 4] = [-9_007_199_254_740_993, -1, 0, i64::MAX];

/// What must become of one element of a venue's array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is not ours: nobody touches it, to the letter.
    NotOurs,
    /// Its picture goes to the CDN.
    Moved,
    /// It fails or is skipped for this reason (`error_type`), and stays as it is.
    Stopped(&'static str),
}

/// What a venue's `venue_images` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// SQL NULL.
    Null,
    /// A text.
    Text(String),
    /// Bytes that are no text. Only SQLite can hold them.
    Bytes(Vec<u8>),
}

/// What a venue holds, and what must become of it.
#[derive(Debug, Clone)]
pub struct Body {
    /// In words, for messages.
    pub what: String,
    /// The column.
    pub held: Held,
    /// What becomes of its elements; `None` where it is no array, and the venue as a whole is reported as bad data.
    pub fates: Option<Vec<Fate>>,
    /// Whether jsonb refuses it.
    pub is_for_sqlite_only: bool,
}

impl Body {
    /// An array of these elements, each in its own text.
    pub fn of(what: impl Into<String>, elements: Vec<(String, Fate)>) -> Self {
        let texts: Vec<&str> = elements.iter().map(|(text, _)| text.as_str()).collect();
        let text = format!("[{}]", texts.join(", "));
        Self::text(what, text, elements.into_iter().map(|(_, fate)| fate).collect())
    }
    /// An array in this very text.
    pub fn text(what: impl Into<String>, text: impl Into<String>, fates: Vec<Fate>) -> Self {
        let held = Held::Text(text.into());
        Self { what: what.into(), held, fates: Some(fates), is_for_sqlite_only: false }
    }
    /// Something that is no array.
    pub fn bad(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { fates: None, ..Self::text(what, text, Vec::new()) }
    }
    /// The same, where only SQLite can hold it.
    pub fn for_sqlite_only(self) -> Self {
        Self { is_for_sqlite_only: true, ..self }
    }
}

/// A venue.
#[derive(Debug, Clone)]
pub struct Venue {
    /// `venues.id`.
    pub id: i64,
    /// Its slug.
    pub slug: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// What it holds.
    pub body: Body,
}

/// Makes entries, and puts on the origin what they speak of.
pub struct Forge<'a> {
    /// `http://127.0.0.1:port`, the origin's base.
    pub base: &'a str,
    /// Where nothing may ever arrive.
    pub traps: &'a Traps,
    /// What the origin answers.
    pub shelf: &'a Shelf,
}

impl Forge<'_> {
    /// An entry of ours with this JSON value as its URL.
    pub fn entry(&self, url: &str) -> String {
        format!(
            r#"{{"url": {url}, "width": null, "height": null, "source": "trivia_advisor_migration", "migrated_at": "2026-01-01T00:00:00.000Z", "upload_status": "external"}}"#
        )
    }
    /// An entry of ours with this text as its URL.
    pub fn at(&self, url: &str) -> String {
        self.entry(&serde_json::to_string(url).unwrap())
    }
    /// An entry for a path of the origin, which answers so.
    pub fn answered(&self, path: &str, acts: Vec<crate::support::raw_http::Act>) -> String {
        self.shelf.put(path, acts);
        self.at(&format!("{}{path}", self.base))
    }
    /// An entry for a path of the origin with these bytes.
    pub fn holding(&self, path: &str, bytes: &[u8]) -> String {
        self.answered(path, answer(200, &[("content-type", "image/jpeg")], bytes))
    }
    /// An entry whose picture is well. Several share one, as twins do.
    pub fn good(&self, number: usize) -> String {
        let (path, side) = (format!("/good/{}.jpg", number % 5), 20 + (number % 5) as u32);
        match self.shelf.has(&path) {
            true => self.at(&format!("{}{path}", self.base)),
            false => self.holding(&path, &jpeg(side, side)),
        }
    }
    /// The same as an element that is to be moved.
    pub fn fine(&self) -> (String, Fate) {
        (self.good(0), Fate::Moved)
    }
}

/// Three hundred venues and more. Each kind of body is there once; every name and slug is dangerous, each text in both
/// places, and once with a picture that is well.
pub fn venues(kind: Kind, forge: &Forge<'_>) -> Vec<Venue> {
    let mut bodies =
        [arrays::bodies(forge), urls::bodies(forge), answers::bodies(forge), pictures::bodies(forge)]
            .concat();
    bodies.retain(|body| kind == Kind::Sqlite || !body.is_for_sqlite_only);
    let texts = texts();
    let special = bodies.len();
    for number in 0..texts.len() {
        bodies.push(Body::of("a picture that is well", vec![(forge.good(number), Fate::Moved)]));
    }
    let id = |number: usize| IDS.get(number).copied().unwrap_or(number as i64);
    let text = |number: usize| texts[number % texts.len()].clone();
    let venue = |(number, body): (usize, Body)| {
        // Twice the number walks through all texts as well, as there is an odd number of them, in another order.
        Venue { id: id(number), slug: text(2 * number + 1), name: text(number), body }
    };
    assert_eq!(texts.len() % 2, 1, "an even number of texts would leave every second one out as a slug");
    assert!(bodies.len() >= VENUES_LEAST, "{special} and {}", texts.len());
    bodies.into_iter().enumerate().map(venue).collect()
}

/// What must become of each venue's elements of ours, in their order: moved, or the `error_type`. Venues of which
/// nothing is ours are left out.
pub fn expected(venues: &[Venue]) -> BTreeMap<i64, Vec<Option<&'static str>>> {
    let ours = |venue: &Venue| {
        let fates = venue.body.fates.clone().map_or_else(
            || vec![Some("bad_data")],
            |fates| {
                let ours = fates.into_iter().filter_map(|fate| match fate {
                    Fate::NotOurs => None,
                    Fate::Moved => Some(None),
                    Fate::Stopped(kind) => Some(Some(kind)),
                });
                ours.collect()
            },
        );
        (venue.id, fates)
    };
    venues.iter().map(ours).filter(|(_, ours)| !ours.is_empty()).collect()
}
