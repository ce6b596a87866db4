//! Twins of every sort: equal entries, equal bytes, equal paths.

use ledger::event::{Country, Event, Scope};

use super::{elements, events, next_seq, tally};
use crate::support::stage::{How, Kind, Stage};

/// Bytes of which there are two make two files under two paths and one under one path, and every entry comes home.
fn twins_of_every_sort(kind: Kind) {
    let stage = Stage::new(kind);
    stage.sql("INSERT INTO cities VALUES (3, 'Kraków', 'krakow', 2)");
    let twin = stage.external("/twin.jpg", "t");
    let (one, other) = (stage.external("/one.jpg", "s"), stage.external("/other.jpg", "s"));
    // Two equal entries, and equal bytes under two URLs.
    stage.venue(1, "pub", 1, &format!("[{twin}, {one}, {twin}, {other}]"));
    // The same bytes in another venue, and so under another path.
    stage.venue(2, "inn", 1, &format!("[{one}]"));
    // Slugs that are written alike on the CDN, one of them in another city.
    stage.venue(3, "bar.1", 1, &format!("[{one}]"));
    stage.venue(4, "bar_1", 1, &format!("[{one}]"));
    // No slug: the path is made of the id.
    stage.venue(5, "x", 1, &format!("[{twin}]"));
    stage.sql("UPDATE venues SET slug = NULL WHERE id = 5");
    let before = stage.rows();

    let t = tally(stage.migrate(&How::default()));
    assert_eq!((t.venues, t.images, t.done), (5, 8, 8), "{t:?}");
    let files: Vec<_> = stage.imagekit.files();
    let folders: Vec<_> = files.iter().map(|file| file.path.rsplit_once('/').unwrap().0).collect();
    assert_eq!(folders, ["/venues/bar_1", "/venues/inn", "/venues/pub", "/venues/pub", "/venues/venue-5"]);
    assert!(files.iter().all(|file| file.versions == 1));
    assert_eq!(stage.requests("upload"), 5, "one upload a path");
    let url = |id: i64, place: usize| url_of(&elements(&stage.images(id).unwrap())[place]);
    assert_eq!(url(1, 0), url(1, 2));
    assert_eq!(url(1, 1), url(1, 3));
    assert_eq!(url(3, 0), url(4, 0));
    assert!(url(5, 0).contains("/venues/venue-5/venue-5_"), "{}", url(5, 0));

    let t = tally(stage.rollback(&How::default()));
    assert_eq!((t.done, t.drifted), (8, 0));
    assert_eq!(stage.rows(), before);

    let t = tally(stage.migrate(&How { concurrency: 1, ..How::default() }));
    assert_eq!((t.done, stage.requests("upload")), (8, 5));
}

/// A slug may stand in two countries. Whose run comes second adopts the first one's file, and each is taken back by
/// itself.
fn one_slug_in_two_countries(kind: Kind) {
    let stage = Stage::new(kind);
    let picture = stage.external("/same.jpg", "s");
    stage.venue(1, "red-lion", 1, &format!("[{picture}]"));
    stage.venue(2, "red-lion", 2, &format!("[{picture}]"));
    let before = stage.rows();
    let germany = Scope::Country(Country { code: "DE".into(), name: "Germany".into(), slug: None });
    let germany = How { scope: germany, ..How::default() };

    assert_eq!(tally(stage.migrate(&How::default())).done, 1);
    assert_eq!(stage.images(2), before[&2], "not in this scope");
    let from = next_seq(&stage);
    assert_eq!(tally(stage.migrate(&germany)).done, 1);
    let uploaded = events(&stage, from).into_iter().find_map(|(_, event)| match event {
        Event::Uploaded(uploaded) => Some(uploaded),
        _ => None,
    });
    assert!(uploaded.unwrap().found_done(), "adopted");
    assert_eq!((stage.requests("upload"), stage.imagekit.files().len()), (1, 1));
    let url = |id| url_of(&elements(&stage.images(id).unwrap())[0]);
    assert_eq!(url(1), url(2));

    let german = stage.images(2);
    assert_eq!(tally(stage.rollback(&How::default())).done, 1);
    assert_eq!((stage.images(1), stage.images(2)), (before[&1].clone(), german));
    assert_eq!(tally(stage.rollback(&germany)).done, 1);
    assert_eq!(stage.rows(), before);
}

fn url_of(entry: &str) -> String {
    let entry: serde_json::Value = serde_json::from_str(entry).unwrap();
    entry["url"].as_str().unwrap().to_owned()
}

#[test]
fn c4_twins_of_every_sort_on_sqlite() {
    twins_of_every_sort(Kind::Sqlite);
}

#[test]
fn c4_twins_of_every_sort_on_postgres() {
    twins_of_every_sort(Kind::Postgres);
}

#[test]
fn c4_one_slug_in_two_countries_on_sqlite() {
    one_slug_in_two_countries(Kind::Sqlite);
}

#[test]
fn c4_one_slug_in_two_countries_through_pgbouncer() {
    one_slug_in_two_countries(Kind::Pgbouncer);
}
