//! Where in an array the entries lie that an edit looks for.
//!
//! Every element is parsed once and every question answered by a look into a map, so that an edit of thousands of
//! entries costs about as much as reading them.

use std::collections::{HashMap, VecDeque};

use super::entry::{Entry, FILE_ID, UPLOADED_AT};

/// How closely an element must agree with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closeness {
    /// To the letter.
    Text,
    /// As an entry: key order and spaces do not count.
    Entry,
    /// In the keys that are ours.
    Ours,
    /// In the keys that are ours, apart from when the file was uploaded.
    OursAnyTime,
    /// In the keys that are ours, apart from when the file was uploaded and which file it is.
    OursAnyFile,
}

impl Closeness {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 5] = [Self::Text, Self::Entry, Self::Ours, Self::OursAnyTime, Self::OursAnyFile];
}

/// An element or an entry looked for, parsed once.
pub(super) struct Parsed<'a> {
    /// Its text.
    pub(super) raw: &'a str,
    /// Its members, if it is an object.
    pub(super) entry: Option<Entry<'a>>,
}

impl<'a> Parsed<'a> {
    pub(super) fn new(raw: &'a str) -> Self {
        Self { raw, entry: Entry::parse(raw) }
    }

    /// What two texts have in common that agree so closely; `None` for one that agrees with nothing.
    fn feature(&self, closeness: Closeness) -> Option<Vec<Option<&str>>> {
        match closeness {
            Closeness::Text => Some(vec![Some(self.raw)]),
            Closeness::Entry => Some(self.entry.as_ref()?.members_sorted()),
            Closeness::Ours => Some(self.entry.as_ref()?.ours(&[])),
            Closeness::OursAnyTime => Some(self.entry.as_ref()?.ours(&[UPLOADED_AT])),
            Closeness::OursAnyFile => Some(self.entry.as_ref()?.ours(&[UPLOADED_AT, FILE_ID])),
        }
    }
}

/// The elements of an array by what they have in common with others, and which of them are taken.
pub(super) struct Places<'e> {
    by_feature: [HashMap<Vec<Option<&'e str>>, VecDeque<usize>>; 5],
    is_taken: Vec<bool>,
}

impl<'e> Places<'e> {
    pub(super) fn new(elements: &'e [Parsed<'e>]) -> Self {
        let mut by_feature: [HashMap<_, VecDeque<usize>>; 5] = Default::default();
        for (closeness, places) in Closeness::ALL.into_iter().zip(&mut by_feature) {
            for (place, element) in elements.iter().enumerate() {
                if let Some(feature) = element.feature(closeness) {
                    places.entry(feature).or_default().push_back(place);
                }
            }
        }
        Self { by_feature, is_taken: vec![false; elements.len()] }
    }

    /// Takes the first free element that agrees so closely with what is wanted.
    pub(super) fn take(&mut self, closeness: Closeness, wanted: &'e Parsed<'e>) -> Option<usize> {
        let places = self.by_feature[closeness as usize].get_mut(&wanted.feature(closeness)?)?;
        while let Some(place) = places.pop_front() {
            // Another closeness may have taken it.
            if !std::mem::replace(&mut self.is_taken[place], true) {
                return Some(place);
            }
        }
        None
    }

    /// The first free element of each URL and file id that an entry is known by.
    pub(super) fn by_mark(&self, elements: &'e [Parsed<'e>]) -> HashMap<&'e str, usize> {
        let mut first = HashMap::new();
        for (place, element) in elements.iter().enumerate().filter(|(place, _)| !self.is_taken[*place]) {
            for mark in element.entry.iter().flat_map(Entry::marks) {
                first.entry(mark).or_insert(place);
            }
        }
        first
    }
}
