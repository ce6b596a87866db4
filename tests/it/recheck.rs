//! What the ledger, an earlier process or a listing says of a file on the CDN is looked at again before a row points at it
//! (requirement C4: the site never shows a picture that is not there).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ledger::event::{Ending, Event, Tally};
use ledger::images::{Array, Entry};
use ledger::plan::Step;
use longshore::runner::{End, Moment, RunError};

use crate::crash::{SORTS, dying_at, is_done};
use crate::support::stage::{How, Kind, Stage};

/// Two venues with four images, two of which are one picture.
fn world(kind: Kind, list_lag: Duration) -> Stage {
    let stage = Stage::lagging(kind, list_lag);
    let (a, b) = (stage.external("/a.jpg", "a"), stage.external("/b.jpg", "b"));
    stage.venue(1, "pub-a", 1, &format!("[{a}, {b}]"));
    let (t, u) = (stage.external("/t.jpg", "t"), stage.external("/u.jpg", "t"));
    stage.venue(2, "pub-b", 1, &format!("[{t}, {u}]"));
    stage
}

fn tally(end: Result<End, RunError>) -> Tally {
    match end {
        Ok(End::Finished(Ending::Done, tally)) => tally,
        other => panic!("{other:?}"),
    }
}

/// Every completed entry names a file that is there, by its id and at its URL. How many there are.
#[track_caller]
fn every_row_is_served(stage: &Stage) -> usize {
    let (files, endpoint) = (stage.imagekit.files(), stage.imagekit.url_endpoint());
    let mut completed = 0;
    for (venue, row) in stage.rows() {
        let row = row.unwrap();
        for entry in Array::parse(&row).unwrap().elements().filter_map(Entry::parse) {
            let Some(id) = entry.file_id() else { continue };
            let file = files.iter().find(|file| file.id == id);
            let file = file.unwrap_or_else(|| panic!("venue {venue} names {id}, which is not there"));
            assert_eq!(entry.url(), Some(format!("{endpoint}{}", file.path)));
            completed += 1;
        }
    }
    completed
}

/// All is migrated, every file once; and it goes back to what it was.
#[track_caller]
fn all_is_served_and_goes_back(stage: &Stage, before: &crate::support::stage::Rows) {
    assert_eq!(every_row_is_served(stage), 4);
    assert!(stage.imagekit.files().iter().all(|file| file.versions == 1));
    let ledger = stage.verified();
    assert_eq!(ledger.state().unfinished().count(), 0);
    assert!(is_done(&stage.rollback(&How::default())));
    assert_eq!(stage.rows(), *before);
    stage.verified();
}

/// Dies before the first row update, or between it and its event.
fn dying(moment: fn(Step) -> Moment) -> How {
    let seen = Arc::new(AtomicU64::new(0));
    let probe = move |at| match at {
        Moment::BeforeEffect(step @ Step::UpdateRow(_)) | Moment::AfterEffect(step @ Step::UpdateRow(_)) => {
            at == moment(step) && seen.fetch_add(1, Ordering::SeqCst) == 0
        }
        _ => false,
    };
    How { probe: Some(Arc::new(probe)), concurrency: 1, ..How::default() }
}

#[test]
fn c4_a_listing_that_still_names_deleted_files_gives_no_dead_id() {
    let stage = world(Kind::Sqlite, Duration::ZERO);
    let before = stage.rows();
    assert_eq!(tally(stage.migrate(&How::default())).done, 4);
    stage.order("list=lag:by=3s");
    assert!(is_done(&stage.rollback(&How { delete_cdn_files: true, ..How::default() })));
    assert_eq!(stage.imagekit.files(), []);
    // Every upload is stored, its answer lost, and the listing names the file that was deleted.
    stage.order("upload=lostx3");
    assert_eq!(tally(stage.migrate(&How::default())).done, 4);
    all_is_served_and_goes_back(&stage, &before);
}

#[test]
fn c4_a_file_that_went_while_nobody_worked_is_sent_again_before_its_row_changes() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        for spool_is_lost in [false, true] {
            let stage = world(kind, Duration::ZERO);
            let before = stage.rows();
            assert!(matches!(stage.migrate(&dying(Moment::BeforeEffect)), Err(RunError::Died)));
            stage.delete_all_files();
            if spool_is_lost {
                stage.lose_spool();
            }
            assert_eq!(tally(stage.resume(&How::default())).done, 4);
            all_is_served_and_goes_back(&stage, &before);
        }
    }
}

#[test]
fn e5_a_row_that_got_a_file_which_is_gone_since_is_put_right() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let stage = world(kind, Duration::ZERO);
        let before = stage.rows();
        // The row is written, and nobody wrote that down; then its files go.
        assert!(matches!(stage.migrate(&dying(Moment::AfterEffect)), Err(RunError::Died)));
        assert_ne!(stage.rows(), before);
        stage.delete_all_files();
        let tally = tally(stage.resume(&How::default()));
        assert_eq!((tally.done, tally.drifted), (4, 0));
        all_is_served_and_goes_back(&stage, &before);
    }
}

#[test]
fn e5_the_same_row_is_rolled_back_instead() {
    let stage = world(Kind::Sqlite, Duration::ZERO);
    let before = stage.rows();
    assert!(matches!(stage.migrate(&dying(Moment::AfterEffect)), Err(RunError::Died)));
    stage.delete_all_files();
    // Dead again once the first file was sent again, before the row is touched.
    assert!(matches!(stage.resume(&dying(Moment::BeforeEffect)), Err(RunError::Died)));
    assert!(is_done(&stage.rollback(&How::default())));
    assert_eq!(stage.rows(), before);
}

/// What others did to a picture of the origin after its row was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// There is another.
    Replaced,
    /// There is none.
    Removed,
    /// What is there is no picture.
    NoPicture,
}

/// Everywhere: dead between a row's update and its event; then its files go, and one picture of the origin is not what it
/// was. `after` has the world, its rows at first, what was done, and the tally of the resumed run.
fn a_row_of_which_nothing_is_left(after: fn(&Stage, &crate::support::stage::Rows, Since, Tally)) {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        for since in [Since::Replaced, Since::Removed, Since::NoPicture] {
            let stage = world(kind, Duration::ZERO);
            let before = stage.rows();
            assert!(matches!(stage.migrate(&dying(Moment::AfterEffect)), Err(RunError::Died)));
            assert_ne!(stage.rows(), before);
            stage.delete_all_files();
            stage.lose_spool();
            match since {
                Since::Replaced => drop(stage.external("/a.jpg", "another")),
                Since::Removed => stage.origin.remove("/a.jpg"),
                Since::NoPicture => stage.origin.put("/a.jpg", "image/jpeg", "gone"),
            }
            let tally = tally(stage.resume(&How::default()));
            stage.verified();
            after(&stage, &before, since, tally);
        }
    }
}

#[test]
fn e5_a_row_whose_file_and_picture_are_gone_since_keeps_no_dead_file() {
    a_row_of_which_nothing_is_left(|stage, before, since, tally| {
        let (done, failed, skipped) = match since {
            Since::Replaced => (4, 0, 0),
            Since::Removed => (3, 1, 0),
            Since::NoPicture => (3, 0, 1),
        };
        let counted = (tally.done, tally.failed, tally.skipped, tally.drifted);
        assert_eq!(counted, (done, failed, skipped, 0), "{since:?}");
        assert_eq!(every_row_is_served(stage), done as usize, "{since:?}");
        let waits = stage.entry("/a.jpg");
        let is_left = stage.rows()[&1].as_ref().unwrap().contains(&waits);
        assert_eq!(is_left, since != Since::Replaced, "what is told as failed is as it was");
        assert!(is_done(&stage.rollback(&How::default())));
        assert_eq!(stage.rows(), *before, "{since:?}");
        stage.verified();
    });
}

#[test]
fn e5_what_was_put_back_is_taken_up_once_its_picture_is_there_again() {
    a_row_of_which_nothing_is_left(|stage, before, _, _| {
        let _entry = stage.external("/a.jpg", "a");
        assert!(is_done(&stage.migrate(&How::default())));
        assert_eq!(every_row_is_served(stage), 4);
        assert!(is_done(&stage.rollback(&How::default())));
        assert_eq!(stage.rows(), *before);
        stage.verified();
    });
}

/// The same, dead again before each effect, between it and its event, and after each append.
fn resumed_and_dead_again(kind: Kind, since: Since, then: fn(&Stage, &How) -> Result<End, RunError>) {
    for (name, sort) in SORTS {
        for n in 0.. {
            let stage = Stage::lagging(kind, Duration::ZERO);
            let (a, b) = (stage.external("/a.jpg", "a"), stage.external("/b.jpg", "b"));
            stage.venue(1, "pub-a", 1, &format!("[{a}, {b}]"));
            let before = stage.rows();
            assert!(matches!(stage.migrate(&dying(Moment::AfterEffect)), Err(RunError::Died)));
            stage.delete_all_files();
            stage.lose_spool();
            match since {
                Since::Replaced => drop(stage.external("/a.jpg", "another")),
                Since::Removed | Since::NoPicture => stage.origin.remove("/a.jpg"),
            }
            let (how, seen) = dying_at(n, sort, 1);
            let end = stage.resume(&how);
            if seen.load(Ordering::SeqCst) <= n {
                assert!(n >= 3, "there were only {n} moments {name}");
                break;
            }
            assert!(matches!(end, Err(RunError::Died)), "{end:?}");
            let at = format!("{kind:?}, {since:?}, dead at {n} {name}");
            let end = then(&stage, &How::default());
            assert!(is_done(&end) || is_nothing_left(&stage), "{at}: {end:?}");
            every_row_is_served(&stage);
            assert!(is_done(&stage.rollback(&How::default())) || stage.rows() == before, "{at}");
            assert_eq!(stage.rows(), before, "{at}");
            stage.verified();
        }
    }
}

fn is_nothing_left(stage: &Stage) -> bool {
    stage.verified().state().unfinished().next().is_none()
}

#[test]
fn e5_a_row_put_right_dead_at_every_step_is_resumed_on_sqlite() {
    resumed_and_dead_again(Kind::Sqlite, Since::Replaced, |stage, how| stage.migrate(how));
}

#[test]
fn e5_a_row_put_back_dead_at_every_step_is_resumed_on_postgres() {
    resumed_and_dead_again(Kind::Postgres, Since::Removed, |stage, how| stage.migrate(how));
}

#[test]
fn e5_a_row_put_right_dead_at_every_step_is_rolled_back_instead_on_postgres() {
    resumed_and_dead_again(Kind::Postgres, Since::Replaced, |stage, how| stage.rollback(how));
}

#[test]
fn e5_a_row_put_back_dead_at_every_step_is_rolled_back_instead_on_sqlite() {
    resumed_and_dead_again(Kind::Sqlite, Since::Removed, |stage, how| stage.rollback(how));
}

#[test]
fn e5_a_ledger_restored_from_a_backup_believes_no_file_without_a_look() {
    let stage = world(Kind::Sqlite, Duration::ZERO);
    let before = stage.rows();
    assert!(matches!(stage.migrate(&dying(Moment::BeforeEffect)), Err(RunError::Died)));
    let backup = std::fs::read(stage.ledger_path()).unwrap();
    assert!(is_done(&stage.resume(&How::default())));
    assert!(is_done(&stage.rollback(&How { delete_cdn_files: true, ..How::default() })));
    assert_eq!((stage.rows(), stage.imagekit.files()), (before.clone(), vec![]));
    std::fs::write(stage.ledger_path(), backup).unwrap();
    assert_eq!(tally(stage.resume(&How::default())).done, 4);
    all_is_served_and_goes_back(&stage, &before);
}

#[test]
fn c5_what_is_still_there_is_confirmed_and_not_sent_again() {
    let stage = world(Kind::Sqlite, Duration::ZERO);
    let before = stage.rows();
    assert!(matches!(stage.migrate(&dying(Moment::BeforeEffect)), Err(RunError::Died)));
    let sent = stage.requests("upload");
    assert_eq!(tally(stage.resume(&How::default())).done, 4);
    let mut names = Vec::new();
    let ledger = stage.verified();
    ledger
        .events(ledger::ids::Seq(1), |(_, record)| {
            if let Event::Confirmed(_) | Event::Uploaded(_) = record.event {
                names.push(record.event.name());
            }
            Ok::<_, ledger::store::LedgerError>(())
        })
        .unwrap();
    let confirmed = names.iter().filter(|name| **name == "confirmed").count() as u64;
    assert_eq!((stage.requests("upload"), names.len() as u64 - confirmed), (3, 4));
    assert_eq!(confirmed, sent, "what the first process had sent is looked at once");
    all_is_served_and_goes_back(&stage, &before);
}

#[test]
fn c4_a_file_with_other_bytes_of_the_same_size_is_not_adopted() {
    let stage = world(Kind::Sqlite, Duration::ZERO);
    assert_eq!(tally(stage.migrate(&How::default())).done, 4);
    assert!(is_done(&stage.rollback(&How::default())));
    let before = stage.rows();
    let path = stage.imagekit.files().into_iter().find(|file| file.path.contains("/pub-a/")).unwrap().path;
    let mut bytes = stage.file_bytes(&path);
    let middle = bytes.len() - 20;
    bytes[middle] ^= 1;
    stage.overwrite_file(&path, bytes);
    let tally = tally(stage.migrate(&How::default()));
    assert_eq!((tally.done, tally.failed), (3, 1));
    let failed = stage.verified();
    let kinds: Vec<_> =
        ledger::report::standing(failed.state()).waiting.iter().map(|w| w.error_type).collect();
    assert_eq!(kinds, ["integrity_mismatch"]);
    assert!(!stage.rows()[&1].as_ref().unwrap().contains(&path), "its entry is as it was: {before:?}");
}
