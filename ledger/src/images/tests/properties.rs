//! What holds of any array and of anything that others do to it.

use proptest::prelude::*;

use super::made::{array, elements, facts};
use super::others::{Slot, apply, edits};
use crate::images::{Array, CdnFacts, Change, Entry, Found, edit, movable, take_back};

const MOVED_MAX: usize = 9;

/// The changes that completing every movable entry makes.
fn changes(array: &str, facts: &[CdnFacts]) -> Vec<Change> {
    let entries = movable(array).unwrap();
    let change = |(from, facts): (&str, &CdnFacts)| Change {
        from: from.to_owned(),
        to: Entry::parse(from).unwrap().complete(facts),
        any_time: true,
        earlier: Vec::new(),
        may_be_gone: false,
    };
    entries.into_iter().zip(facts).map(change).collect()
}

fn back(changes: &[Change]) -> Vec<Change> {
    changes.iter().map(Change::reversed).collect()
}

/// All facts there could be use for; with `alike`, two entries may have come to one file.
fn all_facts(alike: bool) -> impl Strategy<Value = Vec<CdnFacts>> {
    (0..MOVED_MAX).map(|n| facts(if alike { n / 2 } else { n })).collect::<Vec<_>>()
}

/// An array as its elements, with the change that each came of.
fn slots(text: &str, found: &[Found]) -> Vec<Slot> {
    let ours = |place: usize| {
        found.iter().position(|found| matches!(found, Found::Changed { place: at, .. } if *at == place))
    };
    let elements = Array::parse(text).unwrap();
    elements.elements().enumerate().map(|(place, text)| Slot::new(text, ours(place))).collect()
}

fn texts(slots: &[Slot]) -> Vec<String> {
    slots.iter().map(|slot| slot.text.clone()).collect()
}

fn is_changed(found: &Found) -> bool {
    matches!(found, Found::Changed { .. })
}

fn is_held(found: &Found) -> bool {
    matches!(found, Found::Held { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn c6_forth_and_back_is_the_identity_on_the_text(
        (elements, space) in elements(), facts in all_facts(true),
    ) {
        let before = array(&elements, space);
        let changes = changes(&before, &facts);
        let there = edit(&before, &changes).unwrap();
        for (place, element) in Array::parse(&there.text).unwrap().elements().enumerate() {
            let of = there.found.iter().zip(&changes).find(
                |(found, _)| matches!(found, Found::Changed { place: at, .. } if *at == place));
            prop_assert_eq!(element, of.map_or(elements[place].as_str(), |(_, change)| change.to.as_str()));
        }
        prop_assert!(there.found.iter().all(is_changed));
        let again = edit(&there.text, &changes).unwrap();
        prop_assert!(!again.is_changed() && again.found.iter().all(is_held));

        let home = edit(&there.text, &back(&changes)).unwrap();
        prop_assert_eq!(&home.text, &before);
        prop_assert_eq!(take_back(&there.text, &changes).unwrap(), before.clone());
        let again = edit(&home.text, &back(&changes)).unwrap();
        prop_assert!(!again.is_changed() && again.found.iter().all(is_held));
    }

    #[test]
    fn d3_what_others_do_before_an_edit_is_kept(
        (elements, space) in elements(), facts in all_facts(false), edits in edits(),
    ) {
        let planned = array(&elements, space);
        let changes = changes(&planned, &facts);
        let mut held = elements.iter().map(|text| Slot::new(text, None)).collect();
        apply(&mut held, &edits);
        let text = array(&texts(&held), space);
        let edited = edit(&text, &changes).unwrap();
        let after = Array::parse(&edited.text).unwrap();
        prop_assert_eq!(after.len(), held.len());
        for (place, element) in after.elements().enumerate() {
            let of = edited.found.iter().position(
                |found| matches!(found, Found::Changed { place: at, .. } if *at == place));
            match of {
                None => prop_assert_eq!(element, &held[place].text),
                Some(index) => {
                    let (element, to) = (Entry::parse(element).unwrap(), Entry::parse(&changes[index].to).unwrap());
                    prop_assert_eq!(element.ours(&[]), to.ours(&[]));
                    kept(&element, &held[place])?;
                }
            }
        }
        // Taken back at once, the row is to the letter what they had left.
        let mut undo = changes;
        for (change, found) in undo.iter_mut().zip(&edited.found) {
            if let Found::Changed { before, after, .. } = found {
                (change.from, change.to) = (before.clone().unwrap(), after.clone().unwrap());
            }
        }
        prop_assert_eq!(take_back(&edited.text, &undo).unwrap(), text);
    }

    #[test]
    fn c6_what_others_do_between_is_kept_when_we_go_back(
        (elements, space) in elements(), facts in all_facts(false), edits in edits(),
    ) {
        let before = array(&elements, space);
        let changes = changes(&before, &facts);
        let there = edit(&before, &changes).unwrap();
        let mut held = slots(&there.text, &there.found);
        apply(&mut held, &edits);
        let home = edit(&array(&texts(&held), space), &back(&changes)).unwrap();
        let after = Array::parse(&home.text).unwrap();
        prop_assert_eq!(after.len(), held.len());
        for (slot, element) in held.iter().zip(after.elements()) {
            match slot.ours {
                None => prop_assert_eq!(element, &slot.text),
                Some(index) if slot.added.is_empty() => prop_assert_eq!(element, &changes[index].from),
                Some(index) => {
                    let (element, was) = (Entry::parse(element).unwrap(), Entry::parse(&changes[index].from).unwrap());
                    prop_assert_eq!(element.ours(&[]), was.ours(&[]));
                    kept(&element, slot)?;
                }
            }
        }
        for (index, found) in home.found.iter().enumerate() {
            let is_there = held.iter().any(|slot| slot.ours == Some(index));
            prop_assert_eq!(is_changed(found), is_there, "{:?}", found);
        }
    }
}

/// What others added to an element is in it still, in their own text.
fn kept(entry: &Entry<'_>, slot: &Slot) -> Result<(), TestCaseError> {
    let members = entry.members_sorted();
    for (key, value) in &slot.added {
        let is_there = members.chunks(2).any(|pair| pair == [Some(key.as_str()), Some(value.as_str())]);
        prop_assert!(is_there, "{key}: {value}");
    }
    Ok(())
}
