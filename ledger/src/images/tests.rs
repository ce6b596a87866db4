//! Edits of whole arrays: many at once, and any at all.

mod made;
mod others;
mod properties;

use super::{Change, Entry, Found, before, edit};

/// Five thousand elements, of which every tenth moves. Comparing each change with each element would be felt here.
#[test]
fn many_changes_in_a_long_array_are_all_made() {
    let entry = |n: usize| {
        format!(
            r#"{{"url": "https://o/{n}.jpg", "upload_status": "external", "source": "trivia_advisor_migration", "k": {n}}}"#
        )
    };
    let done = |n: usize| entry(n).replace("external", "completed").replace("https://o/", "https://ik/");
    let array = |moved: &dyn Fn(usize) -> bool| {
        let all: Vec<_> = (0..5_000).map(|n| if moved(n) { done(n) } else { entry(n) }).collect();
        format!("[{}]", all.join(", "))
    };
    let changes: Vec<Change> = (0..5_000)
        .step_by(10)
        .map(|n| Change {
            from: entry(n),
            to: done(n),
            any_time: true,
            earlier: Vec::new(),
            may_be_gone: false,
        })
        .collect();
    assert_eq!(changes.len(), 500);

    let edited = edit(&array(&|_| false), &changes).unwrap();
    assert_eq!(edited.text, array(&|n| n % 10 == 0));
    for (index, found) in edited.found.iter().enumerate() {
        assert!(matches!(found, Found::Changed { place, .. } if *place == index * 10), "{found:?}");
    }
    let again = edit(&edited.text, &changes).unwrap();
    assert!(!again.is_changed() && again.found.iter().all(|found| matches!(found, Found::Held { .. })));

    // All of them drifted: each is shown the element most like it.
    let drifted = array(&|_| false).replace("\"external\"", "\"paused\"");
    let left = edit(&drifted, &changes).unwrap();
    assert_eq!(left.text, drifted);
    for (found, change) in left.found.iter().zip(&changes) {
        let like = change.from.replace("\"external\"", "\"paused\"");
        assert_eq!(*found, Found::Drifted { found: Some(like) });
    }
}

/// SQLite keeps a key that stands twice, and most readers believe the last: it is a change of ours.
#[test]
fn a_second_key_of_ours_is_drift() {
    let (from, to) = (r#"{"url": "a", "k": 1}"#, r#"{"url": "A", "k": 1}"#);
    let twice = r#"{"url": "a", "k": 1, "url": "b"}"#;
    let change =
        Change { from: from.into(), to: to.into(), any_time: true, earlier: Vec::new(), may_be_gone: false };
    let edited = edit(&format!("[{twice}]"), &[change]).unwrap();
    assert_eq!(edited.found, [Found::Drifted { found: Some(twice.into()) }]);
    assert!(!edited.is_changed());
}

/// Another's key that stands twice stays twice.
#[test]
fn a_second_key_of_theirs_stays() {
    let (from, to) = (r#"{"url": "a"}"#, r#"{"url": "A"}"#);
    let change = Change::exact(from, to);
    let edited = edit(r#"[{"x": 1, "url": "a", "x": 2}]"#, &[change]).unwrap();
    assert_eq!(edited.text, r#"[{"x": 1, "url": "A", "x": 2}]"#);
    assert!(Entry::parse(&edited.text[1..edited.text.len() - 1]).is_some());
}

/// What was there before a change that is found done, whatever others did to their own keys since.
#[test]
fn the_entry_before_a_change_found_done_has_what_others_did() {
    let from = r#"{"url":"a","k":1,"width":null}"#;
    let to = r#"{"url": "A", "k": 1, "width": 9, "imagekit_uploaded_at": "now", "original_tigris_url": "a"}"#;
    let change =
        Change { from: from.into(), to: to.into(), any_time: true, earlier: Vec::new(), may_be_gone: false };
    // Untouched, in another order, or uploaded at another time: the planned entry to the letter.
    for found in [
        to,
        r#"{"k": 1, "url": "A", "width": 9, "original_tigris_url": "a", "imagekit_uploaded_at": "now"}"#,
        r#"{"url": "A", "k": 1, "width": 9, "imagekit_uploaded_at": "then", "original_tigris_url": "a"}"#,
    ] {
        assert_eq!(before(found, &change), from);
    }
    let added = to.replace("\"k\": 1", "\"k\": 1, \"theirs\": 1.0");
    assert_eq!(before(&added, &change), r#"{"url": "a", "k": 1, "theirs": 1.0, "width": null}"#);
    assert_eq!(before(&to.replace("\"k\": 1, ", ""), &change), r#"{"url": "a", "width": null}"#);
}

/// Only a completed entry may carry another time of its upload; one that appears in an external entry is a change.
#[test]
fn an_upload_time_in_an_external_entry_is_drift() {
    let change = Change {
        from: r#"{"url": "a"}"#.into(),
        to: r#"{"url": "A"}"#.into(),
        any_time: true,
        earlier: Vec::new(),
        may_be_gone: false,
    };
    let theirs = r#"{"url": "a", "imagekit_uploaded_at": "theirs"}"#;
    let edited = edit(&format!("[{theirs}]"), &[change]).unwrap();
    assert_eq!(edited.found, [Found::Drifted { found: Some(theirs.into()) }]);
}
