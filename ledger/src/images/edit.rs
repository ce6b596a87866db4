//! Finding entries in an array as it is now, and putting others in their places.
//!
//! An entry is matched by its whole value first, then by the keys that are ours, never by its index: others move,
//! append and remove entries while we work. Equal entries count: each can be matched once.

use super::array::{Array, NotAnArray};
use super::entry::{Entry, same};

/// One entry that is to become another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The entry that should be there.
    pub from: String,
    /// The entry that it becomes.
    pub to: String,
    /// The completed one of the two may carry another `imagekit_uploaded_at`: no `db_updated` has recorded it.
    pub any_time: bool,
}

impl Change {
    /// Whether it leads to the completed entry; otherwise it leads back, or neither side is one.
    fn completes(&self) -> bool {
        let names_file = |raw| Entry::parse(raw).is_some_and(|entry| entry.names_file());
        names_file(&self.to) && !names_file(&self.from)
    }
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The entry was there and was replaced.
    Changed {
        /// Its index, the same before and after.
        place: usize,
        /// The text that was there.
        before: String,
        /// The text put there.
        after: String,
    },
    /// The entry it should become was there already.
    Held {
        /// Its index.
        place: usize,
        /// Its text.
        found: String,
    },
    /// Neither is there: someone changed a key of ours, or removed the entry.
    Drifted {
        /// The entry most like it, if any.
        found: Option<String>,
    },
}

/// An edited array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The whole text, unchanged where nothing was replaced.
    pub text: String,
    /// What became of each change, in their order.
    pub found: Vec<Found>,
}

impl Edited {
    /// Whether the text differs from what was there.
    pub fn is_changed(&self) -> bool {
        self.found.iter().any(|found| matches!(found, Found::Changed { .. }))
    }
}

/// How closely an element must agree, the closest first: a loose match must not take what another change matches
/// exactly.
#[derive(Clone, Copy)]
enum Closeness {
    Text,
    Entry,
    Ours,
    OursAnyTime,
}
const EXACTLY: [Closeness; 3] = [Closeness::Text, Closeness::Entry, Closeness::Ours];
const LOOSELY: [Closeness; 1] = [Closeness::OursAnyTime];

fn agrees(closeness: Closeness, element: &str, wanted: &str, any_time: bool) -> bool {
    let ours = |any_time| match (Entry::parse(element), Entry::parse(wanted)) {
        (Some(element), Some(wanted)) => element.same_ours(&wanted, any_time),
        _ => false,
    };
    match closeness {
        Closeness::Text => element == wanted,
        Closeness::Entry => same(element, wanted),
        Closeness::Ours => ours(false),
        Closeness::OursAnyTime => any_time && ours(true),
    }
}

/// Makes every change whose entry is there, in one pass.
///
/// # Errors
/// When the text is not a JSON array.
pub fn edit(array: &str, changes: &[Change]) -> Result<Edited, NotAnArray> {
    let array = Array::parse(array)?;
    let elements: Vec<&str> = array.elements().collect();
    let mut takers: Vec<Option<usize>> = vec![None; elements.len()];
    let mut found: Vec<Option<Found>> = vec![None; changes.len()];

    let completes: Vec<bool> = changes.iter().map(Change::completes).collect();

    // The completed side goes first, whichever way the change leads: it names a file and a time, and so is never
    // taken for a twin that is still, or again, external. Another time is the last thing to be believed.
    let passes = [(true, &EXACTLY[..]), (false, &EXACTLY), (true, &LOOSELY), (false, &LOOSELY)];
    let passes =
        passes.into_iter().flat_map(|(first, all)| all.iter().map(move |closeness| (first, *closeness)));
    for (is_first, closeness) in passes {
        for (index, change) in changes.iter().enumerate() {
            if found[index].is_some() {
                continue;
            }
            let is_done = completes[index] == is_first;
            let wanted = if is_done { &change.to } else { &change.from };
            let place = (0..elements.len()).find(|place| {
                takers[*place].is_none() && agrees(closeness, elements[*place], wanted, change.any_time)
            });
            let Some(place) = place else { continue };
            takers[place] = Some(index);
            let element = elements[place].to_owned();
            found[index] = Some(if is_done {
                Found::Held { place, found: element }
            } else {
                let after = put(&element, change, closeness);
                Found::Changed { place, before: element, after }
            });
        }
    }

    let text = array.replace(|place| match found[takers[place]?].as_ref()? {
        Found::Changed { after, .. } => Some(after.as_str()),
        _ => None,
    });
    let found = found.into_iter().zip(changes).map(|(found, change)| {
        found.unwrap_or_else(|| Found::Drifted { found: akin(&elements, &takers, change) })
    });
    Ok(Edited { text, found: found.collect() })
}

/// The new text of an element: the change's own, unless others have added keys, which then stay.
fn put(element: &str, change: &Change, closeness: Closeness) -> String {
    match (closeness, Entry::parse(element), Entry::parse(&change.to)) {
        (Closeness::Ours | Closeness::OursAnyTime, Some(element), Some(to)) => element.made_like(&to),
        _ => change.to.clone(),
    }
}

fn akin(elements: &[&str], takers: &[Option<usize>], change: &Change) -> Option<String> {
    let (from, to) = (Entry::parse(&change.from)?, Entry::parse(&change.to)?);
    let is_akin = |raw: &str| Entry::parse(raw).is_some_and(|entry| entry.akin(&from) || entry.akin(&to));
    let free = elements.iter().zip(takers).filter(|(_, taker)| taker.is_none());
    free.map(|(element, _)| *element).find(|element| is_akin(element)).map(str::to_owned)
}

/// The array with changes that it holds taken back again: what it was before them, as far as it can be known.
///
/// # Errors
/// When the text is not a JSON array.
pub fn take_back(array: &str, changes: &[Change]) -> Result<String, NotAnArray> {
    let back: Vec<Change> = changes
        .iter()
        .map(|change| Change { from: change.to.clone(), to: change.from.clone(), any_time: change.any_time })
        .collect();
    Ok(edit(array, &back)?.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(from: &str, to: &str) -> Change {
        Change { from: from.into(), to: to.into(), any_time: false }
    }

    const A: &str = r#"{"url": "a", "upload_status": "external"}"#;
    const A_DONE: &str = r#"{"url": "A", "upload_status": "completed", "original_tigris_url": "a"}"#;

    #[test]
    fn a_moved_entry_is_followed_and_added_keys_stay() {
        let array = r#"[ 7, {"upload_status": "external", "theirs": 1.0, "url": "a"} ]"#;
        let there = edit(array, &[change(A, A_DONE)]).unwrap();
        assert_eq!(
            there.text,
            r#"[ 7, {"upload_status": "completed", "theirs": 1.0, "url": "A", "original_tigris_url": "a"} ]"#
        );
        let back = edit(&there.text, &[change(A_DONE, A)]).unwrap();
        assert_eq!(back.text, array);
    }

    #[test]
    fn twins_are_matched_once_each() {
        let array = format!("[{A},{A}]");
        let one = edit(&array, &[change(A, A_DONE)]).unwrap();
        assert_eq!(one.text, format!("[{A_DONE},{A}]"));
        let both = edit(&array, &[change(A, A_DONE), change(A, A_DONE)]).unwrap();
        assert_eq!(both.text, format!("[{A_DONE},{A_DONE}]"));
        let again = edit(&both.text, &[change(A, A_DONE), change(A, A_DONE)]).unwrap();
        assert!(!again.is_changed());
        assert!(again.found.iter().all(|found| matches!(found, Found::Held { .. })));
    }

    #[test]
    fn e5_a_change_found_done_leaves_its_external_twin_alone() {
        let done = |time: &str| {
            format!(r#"{{"url": "A", "imagekit_file_id": "f", "imagekit_uploaded_at": "{time}"}}"#)
        };
        let forward = Change { any_time: true, ..change(A, &done("now")) };
        let back = Change { any_time: true, ..change(&done("now"), A) };
        let half = format!("[{A},{}]", done("now"));
        assert!(!edit(&half, std::slice::from_ref(&forward)).unwrap().is_changed());
        assert_eq!(edit(&half, std::slice::from_ref(&back)).unwrap().text, format!("[{A},{A}]"));
        // The completed twin is another run's: the one still external is ours.
        let others = format!("[{},{A}]", done("then"));
        assert!(!edit(&others, std::slice::from_ref(&back)).unwrap().is_changed());
        let both = format!("[{},{}]", done("then"), done("now"));
        assert_eq!(edit(&others, std::slice::from_ref(&forward)).unwrap().text, both);
    }

    #[test]
    fn an_exact_match_goes_before_a_loose_one() {
        let loose = r#"{"url": "a", "upload_status": "external", "theirs": 1}"#;
        let edited = edit(&format!("[{loose},{A}]"), &[change(A, A_DONE)]).unwrap();
        assert!(matches!(edited.found[0], Found::Changed { place: 1, .. }));
    }

    #[test]
    fn a_changed_key_of_ours_is_drift_and_is_shown() {
        let theirs = r#"{"url": "a", "upload_status": "deleted"}"#;
        let edited = edit(&format!("[{theirs}]"), &[change(A, A_DONE)]).unwrap();
        assert_eq!(edited.found, [Found::Drifted { found: Some(theirs.into()) }]);
        assert_eq!(edited.text, format!("[{theirs}]"));
        assert_eq!(edit("[]", &[change(A, A_DONE)]).unwrap().found, [Found::Drifted { found: None }]);
    }

    #[test]
    fn another_upload_time_is_found_done_only_where_none_was_recorded() {
        let done = |time: &str| format!(r#"{{"url": "A", "imagekit_uploaded_at": "{time}"}}"#);
        let array = format!("[{}]", done("then"));
        let strict = change(A, &done("now"));
        assert!(matches!(
            edit(&array, std::slice::from_ref(&strict)).unwrap().found[0],
            Found::Drifted { .. }
        ));
        let lenient = Change { any_time: true, ..strict };
        assert!(matches!(edit(&array, &[lenient]).unwrap().found[0], Found::Held { .. }));
    }
}
