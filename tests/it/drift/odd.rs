//! Entries that nobody would write on purpose.

use super::{elements, tally};
use crate::support::stage::{How, Kind, Stage};

const FORTY: &str = "1234567890123456789012345678901234567890";

/// Forth and back again: what is odd and not ours stays to the letter, what is odd and ours moves and comes home.
fn there_and_back(stage: &Stage, done: u64) {
    let before = stage.rows();
    let t = tally(stage.migrate(&How::default()));
    assert_eq!((t.images, t.done), (done, done), "{t:?}");
    for (id, text) in stage.rows() {
        let (text, was) = (text.unwrap(), before[&id].clone().unwrap());
        for (now, then) in elements(&text).iter().zip(elements(&was)) {
            assert!(*now == then || now.contains("\"completed\""), "venue {id}: {now}");
        }
    }
    let t = tally(stage.rollback(&How::default()));
    assert_eq!((t.done, t.drifted), (done, 0), "{t:?}");
    assert_eq!(stage.rows(), before);
    stage.verified();
}

/// What both databases can hold.
fn odd_entries(kind: Kind) {
    let stage = Stage::new(kind);
    let plain = stage.external("/a.jpg", "a");
    let bare = stage.external("/b.jpg", "b").replace("\"width\": null, \"height\": null, ", "");
    let half = stage.external("/c.jpg", "c").replace("\"width\": null, ", "\"width\": 7, ");
    let numbers = format!(r#"{{"n": {FORTY}, "x": -0.{FORTY}, "source": "google"}}"#);
    let ours_with_numbers =
        stage.external("/d.jpg", "d").replace("\"width\"", &format!("\"n\": {FORTY}, \"width\""));
    let deep = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
    let ours_deep =
        stage.external("/e.jpg", "e").replace("\"width\"", &format!("\"deep\": {deep}, \"width\""));
    stage.venue(1, "pub-1", 1, &format!("[{numbers}, {plain}, {bare}, {half}, {ours_with_numbers}]"));
    stage.venue(2, "pub-2", 1, &format!("[{deep}, {ours_deep}, {FORTY}, null, \"{FORTY}\"]"));
    there_and_back(&stage, 5);

    tally(stage.migrate(&How::default()));
    let array = stage.images(1).unwrap();
    let entry = |place: usize| serde_json::from_str::<serde_json::Value>(&elements(&array)[place]).unwrap();
    let is_filled = |place: usize, key: &str| entry(place)[key].as_u64().is_some_and(|pixels| pixels > 7);
    assert!(is_filled(1, "width") && is_filled(1, "height"), "null is filled in");
    assert!(
        entry(2).get("width").is_none() && entry(2).get("height").is_none(),
        "a key that is not there stays so"
    );
    assert!(entry(3)["width"] == 7 && is_filled(3, "height"), "what is known stays");
    assert!(array.contains(&format!("\"n\": {FORTY}")));
}

/// An entry that is ours but has no usable URL fails by itself; its venue goes on.
fn urls_that_are_none(kind: Kind) {
    let stage = Stage::new(kind);
    let plain = stage.external("/a.jpg", "a");
    let with_url = |url: &str| {
        let entry = stage.entry("/x.jpg");
        let end = entry.find(", \"width\"").unwrap();
        format!("{{\"url\": {url}{}", &entry[end..])
    };
    let none = ["7", "null", "{\"a\": []}", "\"\"", "\"file:///etc/passwd\"", "\"not a url\""].map(with_url);
    stage.venue(1, "pub", 1, &format!("[{}, {plain}]", none.join(", ")));
    let before = stage.rows();
    let t = tally(stage.migrate(&How::default()));
    assert_eq!((t.images, t.done, t.failed), (7, 1, 6), "{t:?}");
    let (now, then) = (elements(&stage.images(1).unwrap()), elements(before[&1].as_ref().unwrap()));
    assert_eq!(now[..6], then[..6]);
    assert!(now[6].contains("\"completed\""));
    assert_eq!(tally(stage.rollback(&How::default())).done, 1);
    assert_eq!(stage.rows(), before);

    // Someone mends one of them: it is taken up from the row as it now is.
    let url = format!("\"url\": \"{}/a.jpg\",", stage.origin.base_url());
    stage.set_images(1, &before[&1].clone().unwrap().replacen("\"url\": 7,", &url, 1));
    let t = tally(stage.migrate(&How::default()));
    assert_eq!((t.done, t.failed, stage.requests("upload")), (2, 5, 1), "{t:?}");
}

#[test]
fn d3_odd_entries_on_sqlite() {
    odd_entries(Kind::Sqlite);
}

#[test]
fn d3_odd_entries_on_postgres() {
    odd_entries(Kind::Postgres);
}

#[test]
fn e1_urls_that_are_none() {
    Kind::ALL.into_iter().for_each(urls_that_are_none);
}

/// SQLite keeps texts that jsonb refuses or tidies: lone surrogates, keys twice, spaces anywhere.
#[test]
fn d3_what_only_sqlite_can_hold() {
    let stage = Stage::new(Kind::Sqlite);
    let plain = stage.external("/a.jpg", "a");
    let lone =
        stage.external("/b.jpg", "b").replace("\"width\"", "\"\\ud800\" : \"\\udc00\\u0000\" ,\"width\"");
    let spaced =
        stage.external("/c.jpg", "c").replace("\": ", "\"\n:\t").replace("\"source\"", "\"sourc\\u0065\"");
    let twice = plain.replace("\"width\": null", "\"url\": \"https://other/\", \"width\": null");
    let status_twice = plain.replace("\"width\": null", "\"upload_status\": \"external\", \"width\": null");
    let theirs_twice = stage.external("/d.jpg", "d").replace("\"width\"", "\"k\": 1, \"k\": 1.0, \"width\"");
    let odd = "{\"\\ud800\":\"\\ud800\",\"n\":1e999}";
    stage.venue(
        1,
        "pub",
        1,
        &format!("\n[{odd} ,\t{lone}, {twice},{spaced},{status_twice} ,{theirs_twice}\n] "),
    );
    there_and_back(&stage, 3);
    tally(stage.migrate(&How::default()));
    let now = elements(&stage.images(1).unwrap());
    assert_eq!(
        (now[0].as_str(), now[2].as_str(), now[4].as_str()),
        (odd, twice.as_str(), status_twice.as_str())
    );
    assert!(now[1].contains("\"\\ud800\": \"\\udc00\\u0000\""), "{}", now[1]);
    assert!(now[5].contains("\"k\": 1, \"k\": 1.0"), "{}", now[5]);
}
