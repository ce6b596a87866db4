//! Dead at every moment of a small `populate` and of its rollback; resumed, or rolled back instead.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ledger::event::Scope;
use ledger::ids::{RunId, Seq};
use ledger::store::LedgerError;
use longshore::runner::{End, RunError};

use super::{HEADER, matched};
use crate::crash::{SORTS, dying_at, is_done};
use crate::support::sqlite_file;
use crate::support::stage::{How, Kind, Rows, Stage};

/// What the first run of a ledger is called.
const FIRST: Scope = Scope::Run(RunId(Seq(2)));

/// Three venues: others' elements, NULL with two matches that share an image, and an image without a path.
struct World {
    stage: Stage,
    how: How,
}

impl World {
    fn new(kind: Kind) -> Self {
        let stage = Stage::new(kind);
        stage.venue(1, "pub-1", 1, "[ {\"n\": 12345678901234567890123, \"source\": \"google\"} ,7]");
        stage.venue(2, "pub-2", 1, "[]");
        stage.sql("UPDATE venues SET venue_images = NULL WHERE id = 2");
        stage.venue(3, "pub-3", 2, "[]");
        let trivia = sqlite_file();
        let tables = "DROP TABLE venues;
            CREATE TABLE venues (id INTEGER PRIMARY KEY, slug TEXT, google_place_images TEXT);
            INSERT INTO venues VALUES
                (1, 'ta-1', '[{\"local_path\": \"/1.jpg\", \"width\": 9, \"height\": 8}, {\"local_path\": \"/2.jpg\"}]'),
                (2, 'ta-2', '[{\"local_path\": \"/3.jpg\"}, {\"local_path\": \"/4.jpg\"}]'),
                (3, 'ta-3', '[{\"local_path\": \"/3.jpg\"}, {\"local_path\": \"/5.jpg\"}]'),
                (4, 'ta-4', '[{\"width\": 1}, {\"local_path\": \"/6.jpg\"}]')";
        trivia.admin().execute_batch(tables).unwrap();
        let report = trivia.path.with_file_name("report.csv");
        let rows =
            [matched(1, 1, "0", 2), matched(2, 2, "0", 2), matched(3, 2, "0", 2), matched(4, 3, "0", 2)];
        std::fs::write(&report, HEADER.to_owned() + &rows.concat()).unwrap();
        let how =
            How { scope: Scope::Everywhere, matches: Some((report, Arc::new(trivia))), ..How::default() };
        Self { stage, how }
    }

    fn back(&self) -> How {
        How { scope: FIRST, ..How::default() }
    }

    /// The rows without ports and times.
    fn timeless(&self) -> Rows {
        let base = self.stage.origin.base_url();
        let plain = |text: String| {
            let mut parts = text.split("\"migrated_at\": \"");
            let first = parts.next().unwrap_or_default().to_owned();
            let rest = parts.map(|part| part.split_once('"').unwrap().1);
            rest.fold(first, |plain, rest| plain + rest).replace(&base, "origin:")
        };
        self.stage.rows().into_iter().map(|(id, text)| (id, text.map(plain))).collect()
    }

    /// How often each kind of event was written.
    fn count(&self, name: &str) -> usize {
        let mut count = 0;
        let take = |(_, record): ledger::event::Placed| {
            count += usize::from(record.event.name() == name);
            Ok::<_, LedgerError>(())
        };
        self.stage.verified().events(Seq(1), take).unwrap();
        count
    }
}

/// What an undisturbed `populate` leaves.
fn undisturbed(kind: Kind) -> Rows {
    let world = World::new(kind);
    assert!(is_done(&world.stage.populate(&world.how)));
    let rows = world.timeless();
    assert_eq!(world.count("db_updated"), 3);
    let urls = |id: i64| rows[&id].as_ref().unwrap().matches("\"url\"").count();
    assert_eq!((urls(1), urls(2), urls(3)), (2, 3, 1));
    rows
}

fn at_every_moment(
    kind: Kind,
    walk: fn(&World, &How) -> Result<End, RunError>,
    check: impl Fn(&World, &Rows, &str),
) {
    for (name, sort) in SORTS {
        for n in 0.. {
            let world = World::new(kind);
            let before = world.stage.rows();
            let (dying, seen) = dying_at(n, sort, 1);
            let end = walk(&world, &dying);
            if seen.load(Ordering::SeqCst) <= n {
                assert!(is_done(&end), "{end:?}");
                assert!(n >= 3, "there were only {n} moments {name}");
                break;
            }
            assert!(matches!(end, Err(RunError::Died)), "{end:?}");
            check(&world, &before, &format!("{kind:?}, dead at {n} {name}"));
            world.stage.verified();
        }
    }
}

fn populate(world: &World, dying: &How) -> Result<End, RunError> {
    world.stage.populate(&How { probe: dying.probe.clone(), concurrency: 1, ..world.how.clone() })
}

fn populate_is_resumed(kind: Kind) {
    let expected = undisturbed(kind);
    at_every_moment(kind, populate, |world, before, at| {
        for _ in 0..2 {
            let end = world.stage.populate(&world.how);
            assert!(is_done(&end), "{at}: {end:?}");
            assert_eq!(world.timeless(), expected, "{at}");
        }
        assert_eq!(world.count("db_updated"), 3, "{at}: each row once");
        let back = world.stage.rollback(&world.back());
        assert!(is_done(&back), "{at}: {back:?}");
        assert_eq!(world.stage.rows(), *before, "{at}: rolled back");
    });
}

fn populate_is_rolled_back_instead(kind: Kind) {
    let expected = undisturbed(kind);
    at_every_moment(kind, populate, |world, before, at| {
        let back = world.stage.rollback(&world.back());
        assert!(is_done(&back), "{at}: {back:?}");
        assert_eq!(world.stage.rows(), *before, "{at}");
        assert_eq!(world.stage.verified().state().unfinished().count(), 0, "{at}: nothing to resume");
        let again = world.stage.populate(&world.how);
        assert!(is_done(&again), "{at}: {again:?}");
        assert_eq!(world.timeless(), expected, "{at}: populated anew");
    });
}

fn rollback_is_resumed(kind: Kind) {
    let walk = |world: &World, dying: &How| {
        let end = world.stage.populate(&world.how);
        assert!(is_done(&end), "{end:?}");
        world.stage.rollback(&How { scope: FIRST, ..dying.clone() })
    };
    at_every_moment(kind, walk, |world, before, at| {
        // Dead after the very last append there is nothing left to resume.
        if world.stage.verified().state().unfinished().next().is_some() {
            let end = world.stage.resume(&world.back());
            assert!(is_done(&end), "{at}: {end:?}");
        }
        assert_eq!(world.stage.rows(), *before, "{at}");
        assert_eq!(world.count("rolled_back"), 3, "{at}: each row once");
    });
}

#[test]
fn e5_a_populate_dead_at_every_step_is_resumed_on_sqlite() {
    populate_is_resumed(Kind::Sqlite);
}

#[test]
fn e5_a_populate_dead_at_every_step_is_resumed_on_postgres() {
    populate_is_resumed(Kind::Postgres);
}

#[test]
fn e5_a_populate_dead_at_every_step_is_rolled_back_instead_on_sqlite() {
    populate_is_rolled_back_instead(Kind::Sqlite);
}

#[test]
fn e5_a_populate_dead_at_every_step_is_rolled_back_instead_on_postgres() {
    populate_is_rolled_back_instead(Kind::Postgres);
}

#[test]
fn e5_a_rollback_of_a_populate_dead_at_every_step_is_resumed_on_sqlite() {
    rollback_is_resumed(Kind::Sqlite);
}

#[test]
fn e5_a_rollback_of_a_populate_dead_at_every_step_is_resumed_on_postgres() {
    rollback_is_resumed(Kind::Postgres);
}
