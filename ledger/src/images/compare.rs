//! What became of entries, when an array is looked at again.

use std::collections::BTreeSet;

use super::entry::Entry;
use super::places::{Closeness, Parsed, Places};

/// What became of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It is there as it was, whatever the order of its keys.
    Same(usize),
    /// It is there, and keys that are not ours have changed.
    Ours(usize),
    /// One that speaks of the same picture is there instead.
    Changed(usize),
    /// Nothing like it is there.
    Gone,
}

impl Became {
    /// Where in the array looked at, from 0.
    pub fn place(self) -> Option<usize> {
        match self {
            Self::Same(place) | Self::Ours(place) | Self::Changed(place) => Some(place),
            Self::Gone => None,
        }
    }
}

/// Entries and an array, compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// What became of each entry, in their order.
    pub became: Vec<Became>,
    /// The places of what is there beyond them.
    pub new: Vec<usize>,
}

/// Looks for entries in an array as it is now. Equal entries count: each is found once.
pub fn compare(wanted: &[&str], found: &[&str]) -> Compared {
    let elements: Vec<Parsed<'_>> = found.iter().map(|raw| Parsed::new(raw)).collect();
    let wanted: Vec<Parsed<'_>> = wanted.iter().map(|raw| Parsed::new(raw)).collect();
    let mut places = Places::new(&elements, &wanted);
    let mut became = vec![Became::Gone; wanted.len()];
    let mut new: BTreeSet<usize> = (0..found.len()).collect();
    for closeness in [Closeness::Text, Closeness::Entry, Closeness::Ours] {
        for (wanted, became) in wanted.iter().zip(&mut became).filter(|(_, became)| **became == Became::Gone)
        {
            // Entries without a picture have the keys of ours in common that neither of them has.
            let is_known = || wanted.entry.iter().flat_map(Entry::marks).next().is_some();
            if closeness == Closeness::Ours && !is_known() {
                continue;
            }
            let Some(place) = places.take(closeness, wanted) else { continue };
            new.remove(&place);
            *became = if closeness == Closeness::Ours { Became::Ours(place) } else { Became::Same(place) };
        }
    }
    let akin = places.by_mark();
    for (wanted, became) in wanted.iter().zip(&mut became).filter(|(_, became)| **became == Became::Gone) {
        let mut marks = wanted.entry.iter().flat_map(Entry::marks).filter_map(|mark| akin.get(mark));
        if let Some(place) = marks.find(|place| new.contains(place)).copied() {
            new.remove(&place);
            *became = Became::Changed(place);
        }
    }
    Compared { became, new: new.into_iter().collect() }
}

/// The keys whose texts differ between two entries, in order; none where one of them is no object.
pub fn differing_keys(one: &str, other: &str) -> Vec<String> {
    let (Some(one), Some(other)) = (Entry::parse(one), Entry::parse(other)) else { return Vec::new() };
    let keys = one.keys().chain(other.keys()).collect::<BTreeSet<_>>();
    keys.into_iter().filter(|key| one.texts(key) != other.texts(key)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_apart_by_how_much_of_them_is_there() {
        let there = [
            r#"{"url": "d", "theirs": 2}"#,
            r#"{"b": 1, "a": 2}"#,
            r#"{"url": "e", "original_tigris_url": "c"}"#,
            "7",
            r#"{"url": "a"}"#,
        ];
        let wanted = [
            r#"{"url": "a"}"#,
            r#"{"a": 2, "b": 1}"#,
            r#"{"url": "e"}"#,
            r#"{"url": "d"}"#,
            r#"{"x": 1}"#,
            r#"{"url": "a"}"#,
        ];
        let said = compare(&wanted, &there);
        use Became::*;
        assert_eq!(said.became, [Same(4), Same(1), Changed(2), Ours(0), Gone, Gone]);
        assert_eq!(said.new, [3]);
        assert_eq!(differing_keys(r#"{"a": 1, "b": 2}"#, r#"{"b": 2.0, "c": 3, "a": 1}"#), ["b", "c"]);
        assert_eq!(differing_keys("7", "8"), Vec::<String>::new());
    }
}
