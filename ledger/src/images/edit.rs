//! Finding entries in an array as it is now, and putting others in their places.
//!
//! An entry is matched by its whole value first, then by the keys that are ours, never by its index: others move,
//! append and remove entries while we work. Equal entries count: each can be matched once.

use std::collections::HashMap;
use std::slice;

use super::array::{Array, NotAnArray};
use super::entry::{Entry, same};
use super::places::{Closeness, Parsed, Places};

/// One entry that is to become another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The entry that should be there.
    pub from: String,
    /// The entry that it becomes.
    pub to: String,
    /// The completed one of the two may carry another `imagekit_uploaded_at`: no `db_updated` has recorded it.
    pub any_time: bool,
    /// What earlier uploads would have made of the entry: its row may have got one of them without a word of it. Such an
    /// entry is put right, or back. With `any_time` it may also name a file that no event tells of.
    pub earlier: Vec<String>,
    /// Nothing of it need be there: it was never known to be in the row, and what would be there is the work of another
    /// image of this ledger, or was taken out by it.
    pub may_be_gone: bool,
}

impl Change {
    /// A change whose two sides are known to the letter.
    pub fn exact(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), any_time: false, earlier: Vec::new(), may_be_gone: false }
    }

    /// The way back.
    pub fn reversed(&self) -> Self {
        Self { from: self.to.clone(), to: self.from.clone(), ..self.clone() }
    }

    /// Whether an entry that it replaces is what an earlier upload had made of its image.
    pub fn puts_right(&self, replaced: &str) -> bool {
        let names_file = |raw| Entry::parse(raw).is_some_and(|entry| entry.names_file());
        names_file(replaced) && !names_file(&self.from)
    }
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The entry was there and was replaced or taken out, or was put there.
    Changed {
        /// Its index: where it is now, or was.
        place: usize,
        /// The text that was there; none where it was put there.
        before: Option<String>,
        /// The text put there; none where it was taken out.
        after: Option<String>,
    },
    /// What should become of it was so already.
    Held {
        /// The text that is there; none where nothing is to be there.
        found: Option<String>,
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

/// The closest first: a loose match must not take what another change matches exactly.
const EXACTLY: &[Closeness] = &[Closeness::Text, Closeness::Entry, Closeness::Ours];
const LOOSELY: &[Closeness] = &[Closeness::OursAnyTime, Closeness::OursAnyFile];

/// Which of a change's entries is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The one that names a file, where one of the two does.
    Completed,
    /// What an earlier upload would have made.
    Earlier,
    /// The other of the two.
    Other,
}

/// Makes every change whose entry is there, in one pass.
///
/// # Errors
/// When the text is not a JSON array.
pub fn edit(array: &str, changes: &[Change]) -> Result<Edited, NotAnArray> {
    let array = Array::parse(array)?;
    let elements: Vec<Parsed<'_>> = array.elements().map(Parsed::new).collect();
    let wanted: Vec<[Parsed<'_>; 2]> =
        changes.iter().map(|change| [&change.from, &change.to].map(|raw| Parsed::new(raw))).collect();
    let earlier: Vec<Vec<Parsed<'_>>> =
        changes.iter().map(|change| change.earlier.iter().map(|raw| Parsed::new(raw)).collect()).collect();
    let mut places = Places::new(&elements, wanted.iter().flatten().chain(earlier.iter().flatten()));
    let mut found: Vec<Option<Found>> = vec![None; changes.len()];
    let mut replaced: Vec<Option<usize>> = vec![None; elements.len()];

    // What names a file and a time goes first, whichever way the change leads: it is never taken for a twin that is
    // still, or again, external. Another time is the last thing to be believed.
    let names_file = |side: &Parsed<'_>| side.entry.as_ref().is_some_and(Entry::names_file);
    let completes = |[from, to]: &[Parsed<'_>; 2]| names_file(to) && !names_file(from);
    let passes = [
        (Side::Completed, EXACTLY),
        (Side::Earlier, EXACTLY),
        (Side::Other, EXACTLY),
        (Side::Completed, LOOSELY),
        (Side::Other, LOOSELY),
    ];
    for (side, closeness) in passes.into_iter().flat_map(|(side, all)| all.iter().map(move |c| (side, *c))) {
        for (index, sides @ [from, to]) in wanted.iter().enumerate() {
            let is_done = side != Side::Earlier && completes(sides) == (side == Side::Completed);
            let wanted = match side {
                Side::Earlier => &earlier[index][..],
                _ if is_done => slice::from_ref(to),
                _ => slice::from_ref(from),
            };
            // The side that was never uploaded has no time that could differ: one that stands there is a change.
            let is_timed = || wanted.iter().filter_map(|wanted| wanted.entry.as_ref()).all(Entry::is_timed);
            let change = &changes[index];
            let may = match closeness {
                Closeness::OursAnyTime => change.any_time && is_timed(),
                Closeness::OursAnyFile => change.any_time && !change.earlier.is_empty() && is_timed(),
                Closeness::Text | Closeness::Entry | Closeness::Ours => true,
            };
            if found[index].is_some() || !may {
                continue;
            }
            let Some(place) = wanted.iter().find_map(|wanted| places.take(closeness, wanted)) else {
                continue;
            };
            let element = &elements[place];
            found[index] = Some(if is_done && closeness != Closeness::OursAnyFile {
                Found::Held { found: Some(element.raw.to_owned()) }
            } else {
                replaced[place] = Some(index);
                let after = Some(put(element, to, closeness));
                Found::Changed { place, before: Some(element.raw.to_owned()), after }
            });
        }
    }

    let text = array.replace(|place| match found[replaced[place]?].as_ref()? {
        Found::Changed { after, .. } => after.as_deref(),
        _ => None,
    });
    let akin = if found.contains(&None) { places.by_mark() } else { HashMap::new() };
    let akin = |sides: &[Parsed<'_>; 2]| {
        let marks = sides.iter().filter_map(|side| side.entry.as_ref()).flat_map(Entry::marks);
        let place = marks.filter_map(|mark| akin.get(mark)).min()?;
        Some(elements[*place].raw.to_owned())
    };
    let not_found = |index: usize| match changes[index].may_be_gone {
        true => Found::Held { found: None },
        false => Found::Drifted { found: akin(&wanted[index]) },
    };
    let found = found.into_iter().enumerate();
    let found = found.map(|(index, found)| found.unwrap_or_else(|| not_found(index)));
    Ok(Edited { text, found: found.collect() })
}

/// The new text of an element: the change's own, unless others have added keys, which then stay.
fn put(element: &Parsed<'_>, to: &Parsed<'_>, closeness: Closeness) -> String {
    match (closeness, &element.entry, &to.entry) {
        (Closeness::Ours | Closeness::OursAnyTime | Closeness::OursAnyFile, Some(element), Some(to)) => {
            element.made_like(to)
        }
        _ => to.raw.to_owned(),
    }
}

/// The entry that was there before a change which is found done: the change's own, unless others have added keys to
/// it or taken keys of theirs away since. Those were never ours to bring back or to drop.
pub fn before(found: &str, change: &Change) -> String {
    let entries = (Entry::parse(found), Entry::parse(&change.from), Entry::parse(&change.to));
    let (Some(found), Some(from), Some(to)) = entries else { return change.from.clone() };
    if same(&found.made_like(&to), &change.to) { change.from.clone() } else { found.made_like(&from) }
}

/// The array with changes that it holds taken back again: what it was before them, as far as it can be known.
///
/// # Errors
/// When the text is not a JSON array.
pub fn take_back(array: &str, changes: &[Change]) -> Result<String, NotAnArray> {
    let back: Vec<Change> = changes.iter().map(Change::reversed).collect();
    Ok(edit(array, &back)?.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(from: &str, to: &str) -> Change {
        Change::exact(from, to)
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
