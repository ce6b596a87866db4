//! Entries that a `populate` appends, and takes out again.

use super::array::{Array, NotAnArray};
use super::edit::{Edited, Found};
use super::entry::Entry;
use super::places::{Closeness, Parsed, Places};

/// Appends the entries that are not there yet. One whose picture is there in another entry is drift: what is there
/// stays, and nobody wants a picture twice.
///
/// # Errors
/// When the text is not a JSON array.
pub fn append(array: &str, entries: &[String]) -> Result<Edited, NotAnArray> {
    let array = Array::parse(array)?;
    let elements: Vec<Parsed<'_>> = array.elements().map(Parsed::new).collect();
    let wanted: Vec<Parsed<'_>> = entries.iter().map(|raw| Parsed::new(raw)).collect();
    let mut places = Places::new(&elements, &wanted);
    let held: Vec<Option<usize>> = wanted
        .iter()
        .map(|wanted| {
            let mut closest = [Closeness::Text, Closeness::Entry, Closeness::Ours].into_iter();
            closest.find_map(|closeness| places.take(closeness, wanted))
        })
        .collect();
    let akin = places.by_mark();
    let mut new = Vec::new();
    let found = wanted.iter().zip(held).map(|(wanted, held)| match held {
        Some(place) => Found::Held { found: Some(elements[place].raw.to_owned()) },
        None => match wanted.entry.iter().flat_map(Entry::marks).find_map(|mark| akin.get(mark)) {
            Some(place) => Found::Drifted { found: Some(elements[*place].raw.to_owned()) },
            None => {
                new.push(wanted.raw);
                let place = elements.len() + new.len() - 1;
                Found::Changed { place, before: None, after: Some(wanted.raw.to_owned()) }
            }
        },
    });
    let found = found.collect();
    Ok(Edited { text: array.append(new), found })
}

/// Takes out the entries that are there as they were appended. One to which others have added keys, or that was
/// migrated or changed since, is drift and stays; one that is gone with its picture was taken out already.
///
/// # Errors
/// When the text is not a JSON array.
pub fn remove(array: &str, entries: &[String]) -> Result<Edited, NotAnArray> {
    let array = Array::parse(array)?;
    let elements: Vec<Parsed<'_>> = array.elements().map(Parsed::new).collect();
    let wanted: Vec<Parsed<'_>> = entries.iter().map(|raw| Parsed::new(raw)).collect();
    let mut places = Places::new(&elements, &wanted);
    let taken: Vec<Option<usize>> = wanted
        .iter()
        .map(|wanted| {
            let mut closest = [Closeness::Text, Closeness::Entry].into_iter();
            closest.find_map(|closeness| places.take(closeness, wanted))
        })
        .collect();
    let akin = places.by_mark();
    let found = wanted.iter().zip(&taken).map(|(wanted, taken)| match taken {
        Some(place) => {
            Found::Changed { place: *place, before: Some(elements[*place].raw.to_owned()), after: None }
        }
        None => match wanted.entry.iter().flat_map(Entry::marks).find_map(|mark| akin.get(mark)) {
            Some(place) => Found::Drifted { found: Some(elements[*place].raw.to_owned()) },
            None => Found::Held { found: None },
        },
    });
    let found = found.collect();
    Ok(Edited { text: array.retain(|place| !places.is_taken(place)), found })
}

/// Whether an entry's picture is in an array already, as its `url` or as an `original_tigris_url`.
///
/// # Errors
/// When the text is not a JSON array.
pub fn pictures(array: &str) -> Result<std::collections::HashSet<String>, NotAnArray> {
    let array = Array::parse(array)?;
    let entries = array.elements().filter_map(Entry::parse);
    Ok(entries.flat_map(|entry| entry.pictures().collect::<Vec<_>>()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = r#"{"url": "a", "upload_status": "external", "width": null}"#;
    const B: &str = r#"{"url": "b", "upload_status": "external", "width": null}"#;

    fn entries(all: &[&str]) -> Vec<String> {
        all.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn c1_what_is_there_stays_and_the_rest_is_appended() {
        let there = format!("[7, {A}]");
        let edited = append(&there, &entries(&[A, B])).unwrap();
        assert_eq!(edited.text, format!("[7, {A}, {B}]"));
        assert_eq!(edited.found[0], Found::Held { found: Some(A.into()) });
        assert!(matches!(edited.found[1], Found::Changed { place: 2, before: None, .. }));
        let again = append(&edited.text, &entries(&[A, B])).unwrap();
        assert!(!again.is_changed());
        assert_eq!(remove(&edited.text, &entries(&[B])).unwrap().text, there);
    }

    #[test]
    fn c1_a_picture_that_is_there_otherwise_is_left_alone_both_ways() {
        let migrated = r#"{"url": "A", "upload_status": "completed", "original_tigris_url": "a"}"#;
        let widened = r#"{"url": "b", "upload_status": "external", "width": null, "theirs": 1}"#;
        let there = format!("[{migrated}, {widened}]");
        for edited in [append(&there, &entries(&[A])), remove(&there, &entries(&[A]))] {
            let edited = edited.unwrap();
            assert_eq!(edited.found, [Found::Drifted { found: Some(migrated.into()) }]);
            assert_eq!(edited.text, there);
        }
        // Appended by us and widened by others: it is there, and it is not ours alone to take out.
        assert!(matches!(append(&there, &entries(&[B])).unwrap().found[..], [Found::Held { .. }]));
        assert!(matches!(remove(&there, &entries(&[B])).unwrap().found[..], [Found::Drifted { .. }]));
        assert_eq!(remove("[]", &entries(&[B])).unwrap().found, [Found::Held { found: None }]);
    }

    /// Many entries are taken out from among very many elements of others. Comparing each with each would be felt here.
    #[test]
    fn e1_many_entries_are_taken_out_of_a_long_array_at_once() {
        let ours: Vec<String> = (0..5_000).map(|n| A.replace("\"a\"", &format!("\"{n}\""))).collect();
        let there = format!("[{}]", vec!["1"; 150_000].join(", "));
        let added = append(&there, &ours).unwrap().text;
        assert_eq!(remove(&added, &ours).unwrap().text, there);
    }

    #[test]
    fn c1_pictures_are_known_by_either_url() {
        let array = r#"[{"url": "\u0061"}, {"url": "K", "original_tigris_url": "o"}, 7, {"url": 7}]"#;
        let found = pictures(array).unwrap();
        assert_eq!(found, ["a", "K", "o"].map(str::to_owned).into());
        assert!(pictures("{}").is_err());
    }
}
