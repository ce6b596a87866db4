//! Whole ledgers: one country migrated with every kind of trouble, one image rolled back. `v1.ledger` has columns that are
//! computed from the events, `v2.ledger` a view.

use std::path::PathBuf;

use ledger::decide::Outcome;
use ledger::event::{Event, Record, RunStarted, Verb, Work};
use ledger::ids::Seq;
use ledger::ledger::Ledger;
use ledger::plan::{Step, take_backs};
use ledger::report::{Counts, standing};
use ledger::timestamp::Timestamp;
use ledger::trouble::TroubleKind;
use ledger::wire::decode;

use super::{chain, path};
use crate::support::*;

/// What both tell.
fn story() -> History {
    let mut history = History::new();
    let entries = ["a", "b", "c"].map(|name| external(&format!("https://o/{name}.jpg")));
    let first = array(&[&entries[0], "{\"theirs\":0.1000000000000000055}", &entries[1]]);
    let (run, plans) = history.forward(&[&first, &array(&[&entries[2]])]);
    history.upload(run, image(plans[0], 0), "a");
    let missing = Outcome::Trouble(trouble(TroubleKind::NotFound));
    history.turn(run, Step::Download(image(plans[0], 1)), missing);
    let mut row = Some(first);
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.upload(run, image(plans[1], 0), "c");
    history.turn(run, Step::UpdateRow(plans[1]), left(Some("[]")));
    let checkpoint = history.state.checkpoint();
    history.add(Some(run), Event::Checkpoint(checkpoint));
    history.finish(run, ledger::event::Ending::Done);

    let scope = venue_scope(1, "PL");
    let images = take_backs(&history.state, &scope).remove(&ledger::ids::VenueId(1)).unwrap();
    let run = history.start(Verb::Rollback, scope);
    let visit = history.plan(run, planned(1, row.as_deref(), Work::TakeBack(images)));
    history.planning_done(run);
    history.row(run, Step::RestoreRow(visit), &mut row);
    history.finish(run, ledger::event::Ending::Done);
    history
}

/// A copy to work on.
fn copied(name: &str, dir: &tempfile::TempDir) -> PathBuf {
    let copy = dir.path().join(name);
    std::fs::copy(path(name), &copy).unwrap();
    copy
}

#[test]
fn e7_a_ledger_of_every_version_is_read_verified_and_says_what_it_said() {
    let dir = tempfile::tempdir().unwrap();
    for (name, head) in HEADS {
        let ledger = Ledger::read(&copied(name, &dir)).unwrap();
        assert_eq!(ledger.head().to_string(), head);
        let said = standing(ledger.state());
        let counts = Counts { failed: 1, drifted: 1, rolled_back: 1, ..Counts::default() };
        assert_eq!(said.total, counts);
        let [poland] = &said.countries[..] else { panic!("{said:?}") };
        assert_eq!((poland.code.as_deref(), poland.venues, poland.images), (Some("PL"), 2, 3));
        let waiting: Vec<_> = said.waiting.iter().map(|w| (w.error_type, w.images, w.venue.0)).collect();
        assert_eq!(waiting, [("drifted", 1, 2), ("not_found", 1, 1)]);
        assert_eq!(said.unfinished, []);
        assert_eq!(ledger.state().checkpoint().digest, DIGEST);
        assert_eq!(ledger.store().record(Seq(1)).unwrap().event, Event::Opened(opened()));
    }
}

#[test]
fn e7_the_chain_is_the_written_formula() {
    let dir = tempfile::tempdir().unwrap();
    for (name, head) in HEADS {
        let events = chain::by_hand(&copied(name, &dir));
        let (seq, _, hash) = events.last().unwrap();
        assert_eq!(format!("{seq}:{hash}"), head);
        // The crate reads today what it said then.
        let told: Vec<_> = events.iter().map(|(_, body, _)| decode(body).unwrap()).collect();
        assert_eq!(told, story().records);
    }
}

#[test]
fn e7_a_ledger_of_every_version_goes_on_in_its_own_form() {
    let dir = tempfile::tempdir().unwrap();
    for (name, search) in [("v1.ledger", "event"), ("v2.ledger", "event_search")] {
        let copy = copied(name, &dir);
        let schema = || {
            let file = rusqlite::Connection::open(&copy).unwrap();
            let mut all = file.prepare("SELECT coalesce(sql, '') FROM sqlite_schema ORDER BY name").unwrap();
            let all = all.query_map([], |row| row.get::<_, String>(0)).unwrap();
            all.map(Result::unwrap).collect::<Vec<_>>()
        };
        let before = schema();
        let mut ledger = Ledger::open(&copy, "test").unwrap();
        let scope = ledger::event::Scope::Country(country("PL"));
        let started = RunStarted { verb: Verb::Migrate, scope, options: options(), operator: operator() };
        let run = ledger.next_run(0);
        let plan = Event::Planned(moving(1, &array(&[&external("https://o/again.jpg")])));
        let events = [Event::RunStarted(started), plan];
        let record = |event| Record { at: Timestamp::from_millis(DAWN), run: Some(run), event };
        ledger.append(&events.map(record)).unwrap();
        let head = ledger.head();
        drop(ledger);
        assert_eq!(Ledger::read(&copy).unwrap().head(), head);
        assert_eq!(schema(), before, "nobody alters a ledger's form");
        // By hand, too.
        let sql = format!("SELECT group_concat(seq) FROM {search} WHERE venue = 1 AND kind = 'planned'");
        let file = rusqlite::Connection::open(&copy).unwrap();
        assert_eq!(file.query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap(), "3,16,21");
        let sql =
            format!("SELECT kind, at, run, image FROM {search} WHERE image LIKE '3:%' ORDER BY seq LIMIT 1");
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let found: (String, String, i64, String) = file.query_row(&sql, [], read).unwrap();
        assert_eq!(found, ("downloaded".into(), "2026-11-22T15:40:06.000Z".into(), 2, "3:0".into()));
    }
}

#[test]
fn e7_the_digest_of_a_checkpoint_is_the_written_formula() {
    let short = |bytes: &[u8]| blake3::hash(bytes).as_bytes()[..16].to_vec();
    // The images as the story leaves them: (planned, index, rung, file).
    let images = [(3, 0, 4, short(b"a")), (3, 1, 0, vec![0; 16]), (4, 0, 2, short(b"c"))];
    let share = |(planned, index, rung, file): &(u64, u32, u8, Vec<u8>)| {
        let bytes = [&planned.to_le_bytes()[..], &index.to_le_bytes(), &[*rung], file].concat();
        let hash = blake3::derive_key("longshore checkpoint v1", &bytes);
        u128::from_le_bytes(hash[..16].try_into().unwrap())
    };
    let sum = images.iter().map(share).fold(0, u128::wrapping_add);
    assert_eq!(format!("{sum:032x}"), DIGEST);
}

const HEADS: [(&str, &str); 2] = [
    ("v1.ledger", "19:91391c6ca9dbe25e936b095e26472c3b07135b7d24e09265251281da59ae9f39"),
    ("v2.ledger", "19:d95e09bf3ecf70db92cd15878a979a7397f10b94ce151ab200b455b09f089d22"),
];
const DIGEST: &str = "75613fd609297d1808e4490bd9d81174";
