//! Where in an array the entries lie that an edit looks for.
//!
//! Every element is parsed once and every question answered by a look into a map, so that an edit of thousands of
//! entries costs about as much as reading them. A map holds only what is looked for, and is made when it is first asked:
//! mostly everything is found to the letter, and most elements of a row may be others' own.

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

/// Texts that are equal where two elements agree.
type Feature<'e> = Vec<Option<&'e str>>;

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
    fn feature(&self, closeness: Closeness) -> Option<Feature<'_>> {
        match closeness {
            Closeness::Text => Some(vec![Some(self.raw)]),
            Closeness::Entry => Some(self.entry.as_ref()?.members_sorted()),
            Closeness::Ours => Some(self.entry.as_ref()?.ours(&[])),
            Closeness::OursAnyTime => Some(self.entry.as_ref()?.ours(&[UPLOADED_AT])),
            Closeness::OursAnyFile => Some(self.entry.as_ref()?.ours(&[UPLOADED_AT, FILE_ID])),
        }
    }
}

/// The elements of an array by what they have in common with what is looked for, and which of them are taken.
pub(super) struct Places<'e> {
    elements: &'e [Parsed<'e>],
    wanted: Vec<&'e Parsed<'e>>,
    /// By the number of the closeness.
    by_feature: [Option<HashMap<Feature<'e>, VecDeque<usize>>>; 5],
    is_taken: Vec<bool>,
}

impl<'e> Places<'e> {
    /// `wanted` is all that will be looked for.
    pub(super) fn new(elements: &'e [Parsed<'e>], wanted: impl IntoIterator<Item = &'e Parsed<'e>>) -> Self {
        let (wanted, is_taken) = (wanted.into_iter().collect(), vec![false; elements.len()]);
        Self { elements, wanted, by_feature: Default::default(), is_taken }
    }

    /// The free elements that agree so closely with anything that is wanted.
    fn agreeing(&self, closeness: Closeness) -> HashMap<Feature<'e>, VecDeque<usize>> {
        let wanted = self.wanted.iter().filter_map(|wanted| wanted.feature(closeness));
        let mut agreeing: HashMap<_, VecDeque<usize>> =
            wanted.map(|feature| (feature, VecDeque::new())).collect();
        for (place, element) in self.elements.iter().enumerate().filter(|(place, _)| !self.is_taken[*place]) {
            let feature = element.feature(closeness);
            if let Some(places) = feature.and_then(|feature| agreeing.get_mut(&feature)) {
                places.push_back(place);
            }
        }
        agreeing
    }

    /// Takes the first free element that agrees so closely with what is wanted.
    pub(super) fn take(&mut self, closeness: Closeness, wanted: &'e Parsed<'e>) -> Option<usize> {
        let feature = wanted.feature(closeness)?;
        if self.by_feature[closeness as usize].is_none() {
            self.by_feature[closeness as usize] = Some(self.agreeing(closeness));
        }
        let places = self.by_feature[closeness as usize].as_mut()?.get_mut(&feature)?;
        while let Some(place) = places.pop_front() {
            // Another closeness may have taken it.
            if !std::mem::replace(&mut self.is_taken[place], true) {
                return Some(place);
            }
        }
        None
    }

    /// Whether the element at a place is taken.
    pub(super) fn is_taken(&self, place: usize) -> bool {
        self.is_taken[place]
    }

    /// The first free element of each URL and file id that an entry is known by.
    pub(super) fn by_mark(&self) -> HashMap<&'e str, usize> {
        let mut first = HashMap::new();
        for (place, element) in self.elements.iter().enumerate().filter(|(place, _)| !self.is_taken[*place]) {
            for mark in element.entry.iter().flat_map(Entry::marks) {
                first.entry(mark).or_insert(place);
            }
        }
        first
    }
}
