//! Which images are looked at: all that are ours, or a sample of them.

use std::collections::{BTreeMap, BinaryHeap};
use std::str::FromStr;

use ledger::ids::VenueId;
use ledger::images::{Array, Entry};
use serde::Serialize;

use super::known::Known;
use crate::error::Failure;
use crate::limits::{CATALOG_PAGE_VENUES, FINDINGS_MAX};
use crate::outside::catalog::{Catalog, Place, Venue, unread};
use crate::runner::Geography;

/// An image of ours, as the database has it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its venue.
    pub venue: VenueId,
    /// Its place in the venue's array, from 0.
    pub place: u64,
    /// Whether it is on the CDN already; else external.
    pub is_completed: bool,
    /// Its URL, where that is a string.
    pub url: Option<String>,
    /// Its width and height in their own texts, where the catalog says them.
    pub sides: [Option<String>; 2],
    /// Where it was before.
    pub original: Option<String>,
    /// ImageKit's id of its file.
    pub file_id: Option<String>,
    /// The entry in its own text, by which the ledger knows its picture.
    pub entry: Box<str>,
    /// How the ledger knows it already, once that was looked up.
    pub known: Option<Known>,
}

/// A row that holds more than is read, so that none of its images is looked at.
#[derive(Debug, Clone, Serialize)]
pub struct NotRead {
    /// Its venue.
    pub venue_id: VenueId,
    /// How much it holds, and the limit.
    pub why: String,
}

/// The images of ours in a row; `None` when the row holds no array, or was not read.
pub fn subjects(venue: &Venue) -> Option<Vec<Subject>> {
    let array = Array::parse(venue.images.as_deref()?).ok()?;
    let subject = |(place, raw)| {
        let entry = Entry::parse(raw)?;
        let is_completed = entry.is_completed();
        (is_completed || entry.is_movable()).then(|| Subject {
            venue: venue.id,
            place: place as u64,
            is_completed,
            url: entry.url(),
            sides: entry.sides().map(|side| side.map(str::to_owned)),
            original: entry.original_url(),
            file_id: entry.file_id(),
            entry: raw.into(),
            known: None,
        })
    };
    Some(array.elements().enumerate().filter_map(subject).collect())
}

/// The rows of a place that are not NULL, page by page.
pub struct Rows<'a> {
    catalog: &'a dyn Catalog,
    place: Place,
    after: Option<VenueId>,
}

impl<'a> Rows<'a> {
    /// From the first on.
    pub fn of(catalog: &'a dyn Catalog, place: Place) -> Self {
        Self { catalog, place, after: None }
    }

    /// The next page; an empty one behind the last.
    pub async fn next(&mut self) -> Result<Vec<Venue>, Failure> {
        let page = self.catalog.rows(self.place, self.after, CATALOG_PAGE_VENUES).await?;
        self.after = page.last().map_or(self.after, |last| Some(last.id));
        Ok(page)
    }
}

/// How many are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// So many.
    Number(u64),
    /// So many in a hundred.
    Percent(f64),
}

impl FromStr for Sample {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let percent = |text: &str| text.trim().parse().ok().filter(|share| *share > 0.0 && *share <= 100.0);
        let sample = match text.strip_suffix('%') {
            Some(text) => percent(text).map(Self::Percent),
            None => text.parse().ok().filter(|number| *number > 0).map(Self::Number),
        };
        sample.ok_or_else(|| "a number like 200, or a share like 5%".to_owned())
    }
}

/// A group of which no sample leaves everything out: one country's images of one kind.
type Stratum = (Option<i64>, bool);
/// An image's place in the order in which a sample takes them. It follows from the seed and the image alone.
type Turn = (u64, VenueId, u64);

/// What was chosen.
pub struct Choice {
    seed: u64,
    /// The last turn that is taken of each stratum; `None` takes everything.
    last: Option<BTreeMap<Stratum, Turn>>,
    /// All images that could have been, external and completed.
    pub there: [u64; 2],
    /// Those of them that are taken.
    pub taken: [u64; 2],
    /// Rows that hold no array.
    pub not_arrays: u64,
    /// Rows that were not read.
    pub not_read_total: u64,
    /// The first of them.
    pub not_read: Vec<NotRead>,
}

impl Choice {
    /// Counts what is there and chooses from it. `is_fit` says what comes into question.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn make(
        (catalog, place, geography): (&dyn Catalog, Place, &Geography),
        sample: Option<Sample>,
        seed: u64,
        is_fit: impl Fn(&Subject) -> bool,
    ) -> Result<Self, Failure> {
        let mut counts: BTreeMap<Stratum, u64> = BTreeMap::new();
        let (mut not_arrays, mut not_read_total, mut not_read) = (0, 0, Vec::new());
        let mut rows = Rows::of(catalog, place);
        loop {
            let page = rows.next().await?;
            if page.is_empty() {
                break;
            }
            for venue in &page {
                let Some(all) = subjects(venue) else {
                    match venue.images.as_deref().and_then(unread) {
                        Some(why) => {
                            not_read_total += 1;
                            if not_read.len() < FINDINGS_MAX {
                                not_read.push(NotRead { venue_id: venue.id, why: why.to_owned() });
                            }
                        }
                        None => not_arrays += 1,
                    }
                    continue;
                };
                for subject in all.iter().filter(|subject| is_fit(subject)) {
                    *counts.entry(stratum(geography, venue, subject)).or_default() += 1;
                }
            }
        }
        let sum = |counts: &BTreeMap<Stratum, u64>| {
            [false, true].map(|kind| counts.iter().filter(|(key, _)| key.1 == kind).map(|(_, n)| n).sum())
        };
        let there = sum(&counts);
        let mut choice = Self { seed, last: None, there, taken: there, not_arrays, not_read_total, not_read };
        let total: u64 = counts.values().sum();
        let wanted = match sample {
            None => total,
            Some(Sample::Number(number)) => number.min(total),
            Some(Sample::Percent(share)) => ((total as f64 * share / 100.0).ceil() as u64).min(total),
        };
        if wanted == total {
            return Ok(choice);
        }
        let quotas = quotas(&counts, wanted);
        choice.taken = sum(&quotas);
        let mut first: BTreeMap<Stratum, BinaryHeap<Turn>> = BTreeMap::new();
        let mut rows = Rows::of(catalog, place);
        loop {
            let page = rows.next().await?;
            if page.is_empty() {
                break;
            }
            for venue in &page {
                for subject in subjects(venue).unwrap_or_default().iter().filter(|subject| is_fit(subject)) {
                    let key = stratum(geography, venue, subject);
                    let quota = quotas.get(&key).copied().unwrap_or(0) as usize;
                    let heap = first.entry(key).or_default();
                    heap.push(turn(seed, subject));
                    if heap.len() > quota {
                        heap.pop();
                    }
                }
            }
        }
        choice.last = Some(first.iter().filter_map(|(key, heap)| Some((*key, *heap.peek()?))).collect());
        Ok(choice)
    }

    /// Whether an image is among the chosen.
    pub fn takes(&self, geography: &Geography, venue: &Venue, subject: &Subject) -> bool {
        let Some(last) = &self.last else { return true };
        let last = last.get(&stratum(geography, venue, subject));
        last.is_some_and(|last| turn(self.seed, subject) <= *last)
    }
}

fn stratum(geography: &Geography, venue: &Venue, subject: &Subject) -> Stratum {
    (geography.of(venue).1.map(|country| country.id), subject.is_completed)
}

fn turn(seed: u64, subject: &Subject) -> Turn {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(&subject.venue.0.to_le_bytes());
    hasher.update(&subject.place.to_le_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    (u64::from_le_bytes(first), subject.venue, subject.place)
}

/// How many of each stratum: in proportion, and at least one of each where there are so many to give. What rounding
/// leaves over goes to the largest.
fn quotas(counts: &BTreeMap<Stratum, u64>, wanted: u64) -> BTreeMap<Stratum, u64> {
    let mut largest: Vec<(Stratum, u64)> = counts.iter().map(|(key, count)| (*key, *count)).collect();
    largest.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
    let total: u64 = counts.values().sum();
    let strata = largest.len() as u64;
    if wanted < strata {
        return largest.into_iter().take(wanted as usize).map(|(key, _)| (key, 1)).collect();
    }
    let (spare, pool) = (wanted - strata, (total - strata).max(1));
    // In 128 bits, as ten million times ten million is near the end of 64.
    let share = |count: u64| (u128::from(spare) * u128::from(count - 1) / u128::from(pool)) as u64;
    let mut quotas: BTreeMap<_, _> = largest.iter().map(|(key, count)| (*key, 1 + share(*count))).collect();
    let mut left = wanted - quotas.values().sum::<u64>();
    for (key, count) in largest {
        let quota = quotas.entry(key).or_default();
        let more = left.min(count - *quota).min(1);
        (*quota, left) = (*quota + more, left - more);
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7_a_sample_is_a_number_or_a_share() {
        assert_eq!("200".parse(), Ok(Sample::Number(200)));
        assert_eq!("2.5%".parse(), Ok(Sample::Percent(2.5)));
        for wrong in ["0", "-1", "0%", "101%", "NaN%", "x", "%", "1.5"] {
            assert!(wrong.parse::<Sample>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn c7_a_sample_leaves_no_country_out_and_keeps_proportions() {
        let counts =
            |all: &[u64]| all.iter().enumerate().map(|(n, c)| ((Some(n as i64), true), *c)).collect();
        let of = |all: &[u64], wanted| quotas(&counts(all), wanted).into_values().collect::<Vec<_>>();
        assert_eq!(of(&[2_060, 445, 225, 145], 100), [70, 16, 9, 5]);
        assert_eq!(of(&[2_060, 445, 225, 1], 10), [6, 2, 1, 1]);
        assert_eq!(of(&[5, 3, 1], 2), [1, 1]);
        for wanted in 3..=9 {
            let quotas = of(&[5, 3, 1], wanted);
            assert_eq!(quotas.iter().sum::<u64>(), wanted);
            assert!(quotas.iter().zip([5, 3, 1]).all(|(quota, count)| *quota >= 1 && *quota <= count));
        }
    }
}
