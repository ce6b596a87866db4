//! Killed anywhere, the end is the same: the wheel is stopped dead at every step, then resumed, or rolled back
//! instead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger::event::Ending;
use longshore::runner::{End, Moment, RunError};

use crate::support::stage::{How, Kind, Rows, Stage};

/// Three venues: other sources' entries and odd numbers around ours, twin entries, identical bytes under two URLs,
/// and one image that is missing.
fn world(kind: Kind) -> Stage {
    let stage = Stage::new(kind);
    let other = r#"{"n": 12345678901234567890123, "x": 0.1000000000000000055, "source": "google"}"#;
    let (a, b) = (stage.external("/a1.jpg", "a"), stage.external("/a2.jpg", "b"));
    stage.venue(1, "pub-a", 1, &format!("[{other}, {a}, 7, {b}]"));
    let twin = stage.external("/t.jpg", "t");
    let same = stage.external("/same.jpg", "t");
    stage.venue(2, "pub-b", 1, &format!("[{twin}, {twin}, {same}]"));
    let odd =
        stage.external("/c.jpg", "c").replace("\"width\": null", "\"theirs\": [1.50, {}], \"width\": null");
    stage.venue(3, "pub-c", 1, &format!("[{}, {odd}]", stage.entry("/missing.jpg")));
    stage
}

/// Dies at the `n`th moment of this sort; says how many there were.
pub fn dying_at(n: u64, sort: fn(Moment) -> bool, concurrency: u32) -> (How, Arc<AtomicU64>) {
    let seen = Arc::new(AtomicU64::new(0));
    let count = seen.clone();
    let probe = move |moment| sort(moment) && count.fetch_add(1, Ordering::SeqCst) == n;
    (How { probe: Some(Arc::new(probe)), concurrency, ..How::default() }, seen)
}

/// A sort of moments, and how to tell one.
pub type Sort = (&'static str, fn(Moment) -> bool);

/// Before, between and after what a run does and what it writes down.
pub const SORTS: [Sort; 3] = [
    ("before the effect", |moment| matches!(moment, Moment::BeforeEffect(_))),
    ("after the effect, before the append", |moment| matches!(moment, Moment::AfterEffect(_))),
    ("after the append", |moment| matches!(moment, Moment::AfterAppend)),
];

/// Rows without the times of the uploads and without file ids, which differ from run to run.
fn timeless(rows: &Rows) -> Rows {
    let plain = |text: &String| {
        let mut out = text.clone();
        for key in ["\"imagekit_uploaded_at\": \"", "\"imagekit_file_id\": \"", "\"url\": \"http://"] {
            let mut from = 0;
            while let Some(at) = out[from..].find(key).map(|at| from + at + key.len()) {
                let end = match key.starts_with("\"url") {
                    // Only the port differs.
                    true => at + out[at..].find('/').unwrap(),
                    false => at + out[at..].find('"').unwrap(),
                };
                out.replace_range(at..end, "…");
                from = at;
            }
        }
        out = out
            .split("\"original_tigris_url\": \"http://")
            .map(|part| part.split_once('/').map_or(part.to_owned(), |(_, rest)| rest.to_owned()))
            .collect::<Vec<_>>()
            .join("");
        out
    };
    rows.iter().map(|(id, text)| (*id, text.as_ref().map(plain))).collect()
}

fn files(stage: &Stage) -> BTreeMap<String, (String, usize)> {
    stage.imagekit.files().into_iter().map(|file| (file.path, (file.content, file.versions))).collect()
}

/// Whether a run went to its end.
pub fn is_done(end: &Result<End, RunError>) -> bool {
    matches!(end, Ok(End::Finished(Ending::Done, _)))
}

/// Dies at every moment of every sort on the way that `walk` takes, and each time `check`s the world it left.
fn at_every_step(
    kind: Kind,
    concurrency: u32,
    walk: fn(&Stage, &How) -> Result<End, RunError>,
    check: impl Fn(&Stage, &Rows, &str),
) {
    for (name, sort) in SORTS {
        for n in 0.. {
            let stage = world(kind);
            let before = stage.rows();
            let (how, seen) = dying_at(n, sort, concurrency);
            let end = walk(&stage, &how);
            if seen.load(Ordering::SeqCst) <= n {
                assert!(is_done(&end), "{end:?}");
                assert!(n >= 3, "there were only {n} moments {name}");
                println!("{kind:?}: died at each of {n} moments {name}");
                break;
            }
            assert!(matches!(end, Err(RunError::Died)), "{end:?}");
            stage.verified();
            check(&stage, &before, &format!("{kind:?}, dead at {n} {name}"));
        }
    }
}

/// What an undisturbed run leaves.
fn undisturbed(kind: Kind) -> (Rows, BTreeMap<String, (String, usize)>) {
    let stage = world(kind);
    assert!(is_done(&stage.migrate(&How::default())));
    (timeless(&stage.rows()), files(&stage))
}

fn migrate_is_resumed(kind: Kind, concurrency: u32) {
    let (rows, cdn) = undisturbed(kind);
    at_every_step(kind, concurrency, Stage::migrate, |stage, before, at| {
        let end = stage.migrate(&How::default());
        assert!(is_done(&end), "{at}: {end:?}");
        assert_eq!(timeless(&stage.rows()), rows, "{at}");
        assert_eq!(files(stage), cdn, "{at}");
        stage.verified();
        let back = stage.rollback(&How::default());
        assert!(is_done(&back), "{at}: {back:?}");
        assert_eq!(stage.rows(), *before, "{at}: rolled back");
        stage.verified();
    });
}

fn migrate_is_rolled_back_instead(kind: Kind) {
    at_every_step(kind, 1, Stage::migrate, |stage, before, at| {
        let back = stage.rollback(&How::default());
        assert!(is_done(&back), "{at}: {back:?}");
        assert_eq!(stage.rows(), *before, "{at}");
        let ledger = stage.verified();
        assert_eq!(ledger.state().unfinished().count(), 0, "{at}: nothing is left to resume");
        let again = stage.migrate(&How::default());
        assert!(is_done(&again), "{at}: {again:?}");
        assert!(files(stage).values().all(|(_, versions)| *versions == 1), "{at}: no file twice");
    });
}

fn rollback_is_resumed(kind: Kind) {
    let walk = |stage: &Stage, how: &How| {
        let end = stage.migrate(&How::default());
        assert!(is_done(&end), "{end:?}");
        stage.rollback(how)
    };
    at_every_step(kind, 1, walk, |stage, before, at| {
        // Dead after the very last append there is nothing left to resume.
        if stage.verified().state().unfinished().next().is_some() {
            let end = stage.resume(&How::default());
            assert!(is_done(&end), "{at}: {end:?}");
        }
        assert_eq!(stage.rows(), *before, "{at}");
        stage.verified();
    });
}

/// What was lost is found, and the run takes it up again.
fn retry(stage: &Stage, how: &How) -> Result<End, RunError> {
    let end = stage.migrate(&How::default());
    assert!(is_done(&end), "{end:?}");
    let _entry = stage.external("/missing.jpg", "m");
    stage.retry(how)
}

fn retry_is_resumed(kind: Kind) {
    let stage = world(kind);
    assert!(is_done(&retry(&stage, &How::default())));
    let (rows, cdn) = (timeless(&stage.rows()), files(&stage));
    at_every_step(kind, 1, retry, |stage, before, at| {
        if stage.verified().state().unfinished().next().is_some() {
            let end = stage.resume(&How::default());
            assert!(is_done(&end), "{at}: {end:?}");
        }
        assert_eq!(timeless(&stage.rows()), rows, "{at}");
        assert_eq!(files(stage), cdn, "{at}");
        let back = stage.rollback(&How::default());
        assert!(is_done(&back), "{at}: {back:?}");
        assert_eq!(stage.rows(), *before, "{at}: rolled back");
        stage.verified();
    });
}

fn deleting() -> How {
    How { delete_cdn_files: true, ..How::default() }
}

/// A rollback that also deletes files, resumed or begun again.
fn deleting_goes_on(kind: Kind, again: fn(&Stage) -> Result<End, RunError>) {
    let walk = |stage: &Stage, how: &How| {
        let end = stage.migrate(&How::default());
        assert!(is_done(&end), "{end:?}");
        stage.rollback(&How { delete_cdn_files: true, ..how.clone() })
    };
    at_every_step(kind, 1, walk, |stage, before, at| {
        if stage.verified().state().unfinished().next().is_some() {
            let end = again(stage);
            assert!(is_done(&end), "{at}: {end:?}");
        }
        assert_eq!(stage.rows(), *before, "{at}");
        assert_eq!(files(stage), BTreeMap::new(), "{at}: nothing needs any file");
        let forward = stage.migrate(&How::default());
        assert!(is_done(&forward), "{at}: {forward:?}");
        assert!(files(stage).values().all(|(_, versions)| *versions == 1), "{at}: no file twice");
        stage.verified();
    });
}

#[test]
fn e5_a_retry_dead_at_every_step_is_resumed_on_sqlite() {
    retry_is_resumed(Kind::Sqlite);
}

#[test]
fn e5_a_retry_dead_at_every_step_is_resumed_on_postgres() {
    retry_is_resumed(Kind::Postgres);
}

#[test]
fn e5_s7_a_rollback_that_deletes_dead_at_every_step_is_resumed_on_sqlite() {
    deleting_goes_on(Kind::Sqlite, |stage| stage.resume(&deleting()));
}

#[test]
fn e5_s7_a_rollback_that_deletes_dead_at_every_step_is_begun_again_on_sqlite() {
    deleting_goes_on(Kind::Sqlite, |stage| stage.rollback(&deleting()));
}

#[test]
fn e5_s7_a_rollback_that_deletes_dead_at_every_step_is_resumed_on_postgres() {
    deleting_goes_on(Kind::Postgres, |stage| stage.resume(&deleting()));
}

#[test]
fn e5_a_migration_dead_at_every_step_is_resumed_on_sqlite() {
    migrate_is_resumed(Kind::Sqlite, 1);
}

#[test]
fn e5_a_migration_dead_at_every_step_is_resumed_on_sqlite_with_many_in_flight() {
    migrate_is_resumed(Kind::Sqlite, 6);
}

#[test]
fn e5_a_migration_dead_at_every_step_is_resumed_on_postgres() {
    migrate_is_resumed(Kind::Postgres, 1);
}

#[test]
fn e5_a_migration_dead_at_every_step_is_rolled_back_instead_on_sqlite() {
    migrate_is_rolled_back_instead(Kind::Sqlite);
}

#[test]
fn e5_a_migration_dead_at_every_step_is_rolled_back_instead_on_postgres() {
    migrate_is_rolled_back_instead(Kind::Postgres);
}

#[test]
fn e5_a_rollback_dead_at_every_step_is_resumed_on_sqlite() {
    rollback_is_resumed(Kind::Sqlite);
}

#[test]
fn e5_a_rollback_dead_at_every_step_is_resumed_on_postgres() {
    rollback_is_resumed(Kind::Postgres);
}
