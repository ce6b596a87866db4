//! A plan that is saved, looked at by people, and run exactly so or not at all (requirement C3).
//!
//! # The digest
//!
//! BLAKE3 in derive-key mode, context `longshore plan v1`, over the venues in the order of the file. Numbers are 64
//! bits, little endian; a text is its length in bytes and then its bytes:
//!
//! ```text
//! the version, the target, the scope and the limit: the text of a JSON array, members in the file's order, no spaces
//! number of venues
//! of each venue:   its id · 0, or 1 and its slug as a text · number of entries · each entry as a text
//! ```
//!
//! So it stays the same whatever the file's white space, and two plans with one digest move the same.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use ledger::event::{Scope, Target};
use ledger::ids::{ContentHash, VenueId};
use ledger::images::{Array, Became, Entry, compare};
use serde::{Deserialize, Serialize};

use crate::outside::catalog::{Venue, unread};

/// The version this program writes, and the only one it reads.
const VERSION: u32 = 1;
/// What the digest is derived for; another version of the canonical form gets another one.
const DIGEST_CONTEXT: &str = "longshore plan v1";

/// A plan in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    version: u32,
    /// The database it was made for.
    pub target: Target,
    /// What it was asked to take.
    pub scope: Scope,
    /// At most this many venues were asked for.
    pub limit: Option<u64>,
    /// What is to be moved, in the order of the venues' ids, each of them once.
    venues: Vec<SavedVenue>,
    digest: ContentHash,
}

/// What is to be moved of one venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedVenue {
    /// `venues.id`.
    pub venue: VenueId,
    /// Its slug, of which the paths on the CDN are made.
    pub slug: Option<String>,
    /// The entries, each in the catalog's own text.
    pub entries: Vec<String>,
}

/// Why a file is no plan that can be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPlan {
    /// It is something else.
    #[error("it is no saved plan: {0}")]
    Unreadable(String),
    /// A newer program saved it.
    #[error("it is of version {0}, and this program reads version {VERSION}")]
    Version(u32),
    /// Someone has edited it.
    #[error("it was changed since it was saved: its digest is {written}, its content's is {found}")]
    Changed {
        /// What it says.
        written: ContentHash,
        /// What is right for what it holds.
        found: ContentHash,
    },
    /// A venue stands there twice, or before one with a smaller id.
    #[error("venue {0} is not in its place: each comes once, in the order of ids")]
    Order(VenueId),
}

/// What has moved since a plan was saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which venue.
    pub venue: VenueId,
    /// What of it.
    pub moved: Moved,
}

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moved {
    /// There is no such venue any more.
    VenueGone,
    /// It has another slug.
    Slug {
        /// The plan's.
        planned: Option<String>,
        /// The database's.
        now: Option<String>,
    },
    /// `venue_images` holds more than is read by now: how much, and the limit.
    NotRead(String),
    /// `venue_images` is no array any more.
    NotAnArray,
    /// An entry is not there any more, by its URL.
    EntryGone(String),
    /// An entry with this URL is there, but is not one that is to be moved any more.
    NotExternal(String),
    /// An entry with this URL is to be moved, but something else of it has changed.
    EntryChanged(String),
    /// A person has decided to leave the entry with this URL.
    Closed(String),
    /// An entry is to be moved that the plan does not know, by its URL.
    EntryNew(String),
}

impl SavedPlan {
    /// A plan to be saved.
    pub fn new(target: Target, scope: Scope, limit: Option<u64>, mut venues: Vec<SavedVenue>) -> Self {
        venues.sort_by_key(|venue| venue.venue);
        let digest = digest(&target, &scope, limit, &venues);
        Self { version: VERSION, target, scope, limit, venues, digest }
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is no plan, or not the one that was saved.
    pub fn parse(text: &str) -> Result<Self, NotAPlan> {
        // The version first: what a newer one holds besides would only be called an unknown field.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let unreadable = |error: serde_json::Error| NotAPlan::Unreadable(error.to_string());
        let Version { version } = serde_json::from_str(text).map_err(unreadable)?;
        if version != VERSION {
            return Err(NotAPlan::Version(version));
        }
        let plan: Self = serde_json::from_str(text).map_err(unreadable)?;
        if let Some(pair) = plan.venues.windows(2).find(|pair| pair[0].venue >= pair[1].venue) {
            return Err(NotAPlan::Order(pair[1].venue));
        }
        let found = digest(&plan.target, &plan.scope, plan.limit, &plan.venues);
        match found == plan.digest {
            true => Ok(plan),
            false => Err(NotAPlan::Changed { written: plan.digest, found }),
        }
    }

    /// The text of its file.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a plan has string keys only");
        text.push('\n');
        text
    }

    /// The digest over what it moves.
    pub fn digest(&self) -> ContentHash {
        self.digest
    }

    /// What it moves, in the order of the venues' ids.
    pub fn venues(&self) -> &[SavedVenue] {
        &self.venues
    }

    /// The ids of those, in order.
    pub fn ids(&self) -> Vec<VenueId> {
        self.venues.iter().map(|venue| venue.venue).collect()
    }

    /// Whether a venue is in it.
    pub fn names(&self, venue: VenueId) -> bool {
        self.venues.binary_search_by_key(&venue, |planned| planned.venue).is_ok()
    }

    /// How many images it moves.
    pub fn images(&self) -> u64 {
        self.venues.iter().map(|venue| venue.entries.len() as u64).sum()
    }

    /// Whether a venue, as it is now, is in the plan and nothing of it has moved since.
    pub fn still_holds(&self, now: &Venue, is_closed: impl Fn(VenueId, &str) -> bool) -> bool {
        let place = self.venues.binary_search_by_key(&now.id, |venue| venue.venue);
        let takes_closed = matches!(self.scope, Scope::Venue { .. });
        let is_closed = |venue, entry: &str| !takes_closed && is_closed(venue, entry);
        place.is_ok_and(|place| self.venues[place].moved(now, is_closed).is_empty())
    }

    /// What of some of its venues has moved since: empty where a run would do exactly what the plan says. `now` holds these
    /// as the database has them, in any order; others there do not matter. `is_closed` names the entries that a person
    /// has decided to leave; a plan of one venue alone takes those too.
    pub fn differences(
        &self,
        of: &[VenueId],
        now: &[Venue],
        is_closed: impl Fn(VenueId, &str) -> bool,
    ) -> Vec<Difference> {
        let asked: HashSet<VenueId> = of.iter().copied().collect();
        let now: HashMap<VenueId, &Venue> = now.iter().map(|venue| (venue.id, venue)).collect();
        let takes_closed = matches!(self.scope, Scope::Venue { .. });
        let is_closed = |venue, entry: &str| !takes_closed && is_closed(venue, entry);
        let of = |planned: &SavedVenue| {
            let moved = match now.get(&planned.venue) {
                Some(venue) => planned.moved(venue, is_closed),
                None => vec![Moved::VenueGone],
            };
            let venue = planned.venue;
            moved.into_iter().map(move |moved| Difference { venue, moved })
        };
        self.venues.iter().filter(|venue| asked.contains(&venue.venue)).flat_map(of).collect()
    }
}

impl SavedVenue {
    fn moved(&self, now: &Venue, is_closed: impl Fn(VenueId, &str) -> bool) -> Vec<Moved> {
        let mut moved = Vec::new();
        if self.slug != now.slug {
            moved.push(Moved::Slug { planned: self.slug.clone(), now: now.slug.clone() });
        }
        let all = match now.images.as_deref().map(Array::parse).transpose() {
            Ok(array) => array.map_or(Vec::new(), |array| array.elements().collect()),
            Err(_) => {
                let why = now.images.as_deref().and_then(unread);
                let what = why.map_or(Moved::NotAnArray, |why| Moved::NotRead(why.to_owned()));
                return [moved, vec![what]].concat();
            }
        };
        let is_movable = |entry: &&str| Entry::parse(entry).is_some_and(|entry| entry.is_movable());
        let (movable, others): (Vec<&str>, Vec<&str>) = all.into_iter().partition(is_movable);
        // Equal entries are told apart by how many there are, and each is met once.
        let planned: Vec<&str> = self.entries.iter().map(String::as_str).collect();
        let (mut is_met, mut gone) = (vec![false; movable.len()], Vec::new());
        for (planned, became) in planned.iter().zip(compare(&planned, &movable).became) {
            match became {
                Became::Same(place) => {
                    is_met[place] = true;
                    if is_closed(self.venue, movable[place]) {
                        moved.push(Moved::Closed(url(movable[place])));
                    }
                }
                Became::Ours(_) | Became::Changed(_) | Became::Gone => gone.push(url(planned)),
            }
        }
        let is_new = |(entry, is_met): &(&str, bool)| !is_met && !is_closed(self.venue, entry);
        let new = movable.into_iter().zip(is_met).filter(is_new).map(|(entry, _)| entry);
        let mut new = ByUrl::new(new.collect());
        let mut others = ByUrl::new(if gone.is_empty() { Vec::new() } else { others });
        for wanted in gone {
            moved.push(if new.take_at(&wanted) {
                Moved::EntryChanged(wanted)
            } else if others.take_at(&wanted) || others.take_from(&wanted) {
                Moved::NotExternal(wanted)
            } else {
                Moved::EntryGone(wanted)
            });
        }
        moved.extend(new.left().map(|entry| Moved::EntryNew(url(entry))));
        moved
    }
}

/// Entries to be found by a URL, the first first and each once: a row may hold very many.
struct ByUrl<'a> {
    entries: Vec<&'a str>,
    is_taken: Vec<bool>,
    at: HashMap<String, VecDeque<usize>>,
    from: HashMap<String, VecDeque<usize>>,
}

impl<'a> ByUrl<'a> {
    fn new(entries: Vec<&'a str>) -> Self {
        let (mut at, mut from) = (HashMap::<_, VecDeque<_>>::new(), HashMap::<_, VecDeque<_>>::new());
        for (place, entry) in entries.iter().enumerate() {
            at.entry(url(entry)).or_default().push_back(place);
            let original = Entry::parse(entry).and_then(|entry| entry.original_url());
            original.into_iter().for_each(|url| from.entry(url).or_default().push_back(place));
        }
        Self { is_taken: vec![false; entries.len()], entries, at, from }
    }

    /// Takes an entry with this URL, if there is one.
    fn take_at(&mut self, url: &str) -> bool {
        take(self.at.get_mut(url), &mut self.is_taken)
    }

    /// Takes an entry that says that its picture was at this URL before it was moved.
    fn take_from(&mut self, url: &str) -> bool {
        take(self.from.get_mut(url), &mut self.is_taken)
    }

    /// What nobody took.
    fn left(&self) -> impl Iterator<Item = &'a str> {
        self.entries.iter().zip(&self.is_taken).filter(|(_, is_taken)| !**is_taken).map(|(entry, _)| *entry)
    }
}

fn take(mut places: Option<&mut VecDeque<usize>>, is_taken: &mut [bool]) -> bool {
    let mut free = std::iter::from_fn(|| places.as_deref_mut()?.pop_front());
    free.any(|place| !std::mem::replace(&mut is_taken[place], true))
}

/// What a person knows an entry by.
fn url(entry: &str) -> String {
    Entry::parse(entry).and_then(|entry| entry.url()).unwrap_or_else(|| "(no url)".to_owned())
}

fn digest(target: &Target, scope: &Scope, limit: Option<u64>, venues: &[SavedVenue]) -> ContentHash {
    let mut hasher = blake3::Hasher::new_derive_key(DIGEST_CONTEXT);
    let number = |hasher: &mut blake3::Hasher, n: usize| {
        hasher.update(&(n as u64).to_le_bytes());
    };
    let text = |hasher: &mut blake3::Hasher, text: &str| {
        number(hasher, text.len());
        hasher.update(text.as_bytes());
    };
    let frame = serde_json::to_string(&(VERSION, target, scope, limit)).expect("they have string keys only");
    text(&mut hasher, &frame);
    number(&mut hasher, venues.len());
    for SavedVenue { venue, slug, entries } in venues {
        hasher.update(&venue.0.to_le_bytes());
        number(&mut hasher, usize::from(slug.is_some()));
        slug.iter().for_each(|slug| text(&mut hasher, slug));
        number(&mut hasher, entries.len());
        entries.iter().for_each(|entry| text(&mut hasher, entry));
    }
    ContentHash(*hasher.finalize().as_bytes())
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slug =
            |slug: &Option<String>| slug.as_ref().map_or("none".to_owned(), |slug| format!("{slug:?}"));
        write!(f, "venue {}: ", self.venue)?;
        match &self.moved {
            Moved::VenueGone => f.write_str("it is gone"),
            Moved::Slug { planned, now } => write!(f, "its slug was {} and is {}", slug(planned), slug(now)),
            Moved::NotRead(why) => write!(f, "venue_images {why}"),
            Moved::NotAnArray => f.write_str("its images are no array any more"),
            Moved::EntryGone(url) => write!(f, "an entry is gone: {url}"),
            Moved::NotExternal(url) => write!(f, "an entry is no longer external: {url}"),
            Moved::EntryChanged(url) => write!(f, "an entry has changed: {url}"),
            Moved::Closed(url) => write!(f, "an entry was closed by a person: {url}"),
            Moved::EntryNew(url) => write!(f, "an entry is new: {url}"),
        }
    }
}

#[cfg(test)]
mod tests;
