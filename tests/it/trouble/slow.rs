//! Bodies that come slowly, and such as stop coming: what counts is progress, not the time of the whole.

use std::time::Duration;

use ledger::event::{Event, Stopped};
use ledger::ids::Seq;
use ledger::store::LedgerError;
use longshore::runner::End;

use crate::support::stage::{How, Kind, Stage};

/// One venue with one image.
fn stage() -> Stage {
    let stage = Stage::new(Kind::Sqlite);
    let entry = stage.external("/a.jpg", "a picture");
    stage.venue(1, "pub", 1, &format!("[{entry}]"));
    stage
}

/// How many images got there and how many failed, where a transfer may stand still for so long.
fn migrate(stage: &Stage, idle: Duration) -> (u64, u64) {
    match stage.migrate(&How { idle, ..How::default() }) {
        Ok(End::Finished(_, tally)) => (tally.done, tally.failed),
        other => panic!("{other:?}"),
    }
}

fn failed(stage: &Stage) -> Vec<Stopped> {
    let mut all = Vec::new();
    let take = |(_, record): ledger::event::Placed| {
        if let Event::Failed(stopped) = record.event {
            all.push(stopped);
        }
        Ok::<_, LedgerError>(())
    };
    stage.verified().events(Seq(1), take).unwrap();
    all
}

#[test]
fn e1_a_body_that_stops_coming_is_a_timeout_and_is_tried_four_times() {
    let stage = stage();
    stage.order("origin=stalled:bytes=2000");
    assert_eq!(migrate(&stage, Duration::from_millis(100)), (0, 1));
    let failed = failed(&stage);
    assert_eq!((failed[0].error_type.name(), failed[0].attempts), ("timeout", 4), "{failed:?}");
    assert!(failed[0].passing && failed[0].message.contains("no progress"), "{failed:?}");
    assert_eq!(stage.requests("origin"), 4);
    stage.order("origin=none");
    assert_eq!(migrate(&stage, Duration::from_secs(30)), (1, 0), "the next run takes it up");
}

#[test]
fn e1_a_body_that_stops_once_is_fetched_again() {
    let stage = stage();
    stage.order("origin=stalledx2:bytes=2000");
    assert_eq!(migrate(&stage, Duration::from_secs(2)), (1, 0));
    assert_eq!(stage.requests("origin"), 3);
}

#[test]
fn e1_a_slow_body_that_keeps_coming_takes_longer_than_any_one_wait_and_succeeds() {
    let stage = stage();
    let bytes = longshore::sandbox::pictures::Picture::new(1, "a picture").bytes().len();
    // Thirty waits of a tenth of a second are three seconds, half as long again as it may stand still.
    stage.order(&format!("origin=slow:bytes={}:every=100", bytes / 30));
    assert_eq!(migrate(&stage, Duration::from_secs(2)), (1, 0));
    assert_eq!(stage.requests("origin"), 1, "at the first try");
}

#[test]
fn e1_an_upload_without_an_answer_and_a_delivery_that_stops_are_timeouts_that_are_outlasted() {
    let stage = stage();
    stage.order("upload=latex1:by=3600s");
    stage.order("delivery=stalledx1:bytes=10");
    assert_eq!(migrate(&stage, Duration::from_secs(2)), (1, 0));
    assert_eq!((stage.requests("upload"), stage.requests("delivery")), (2, 2));
    let files = stage.imagekit.files();
    assert!(files.len() == 1 && files[0].versions == 1, "{files:?}");
}

#[test]
fn e1_an_api_that_trickles_is_a_timeout_of_that_image_alone() {
    let stage = stage();
    // The answer to the upload is lost, so the file is looked for in a listing that comes byte by byte.
    stage.order("upload=lostx1");
    stage.order("list=slow:bytes=1:every=50");
    let how = How { whole: Duration::from_secs(1), ..How::default() };
    let begun = std::time::Instant::now();
    match stage.migrate(&how) {
        Ok(End::Finished(_, tally)) => assert_eq!((tally.done, tally.failed), (0, 1)),
        other => panic!("{other:?}"),
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let failed = failed(&stage);
    assert_eq!((failed[0].error_type.name(), failed[0].attempts), ("timeout", 4), "{failed:?}");
    assert!(failed[0].passing && failed[0].message.contains("bytes in"), "{failed:?}");
    stage.order("list=none");
    assert_eq!(migrate(&stage, Duration::from_secs(30)), (1, 0), "the next run takes it up");
}

#[test]
fn e1_an_origin_that_trickles_is_a_timeout_of_that_image_alone() {
    let stage = stage();
    stage.order("origin=slow:bytes=1:every=50");
    let how = How { whole: Duration::from_secs(1), ..How::default() };
    match stage.migrate(&how) {
        Ok(End::Finished(_, tally)) => assert_eq!((tally.done, tally.failed), (0, 1)),
        other => panic!("{other:?}"),
    }
    let failed = failed(&stage);
    assert_eq!((failed[0].error_type.name(), failed[0].attempts), ("timeout", 4), "{failed:?}");
}
