//! Answers that get lost, come late, say no or are wrong, each ordered for a certain request, and what becomes of the
//! image.

use std::time::Duration;

use ledger::event::{Event, Stopped, Uploaded};
use ledger::ids::Seq;
use ledger::store::LedgerError;
use ledger::trouble::TroubleKind;
use longshore::outside::http_client_builder;
use longshore::runner::{End, RunError};
use longshore::sandbox::faults::Fault;
use longshore::sandbox::pictures::Picture;
use reqwest::multipart::{Form, Part};

use crate::support::stage::{How, Kind, Stage};

/// A world with one venue of one image, or of several.
fn world(images: usize) -> Stage {
    let stage = Stage::new(Kind::Sqlite);
    put_venue(&stage, images);
    stage
}

fn put_venue(stage: &Stage, images: usize) {
    let entries: Vec<String> =
        (0..images).map(|n| stage.external(&format!("/{n}.jpg"), &format!("picture {n}"))).collect();
    stage.venue(1, "pub", 1, &format!("[{}]", entries.join(", ")));
}

/// One image in the air at a time, so that the first request of an operation is that of the first image.
fn one_by_one() -> How {
    How { concurrency: 1, ..How::default() }
}

fn events(stage: &Stage) -> Vec<Event> {
    let mut all = Vec::new();
    let take = |(_, record): ledger::event::Placed| {
        all.push(record.event);
        Ok::<_, LedgerError>(())
    };
    stage.verified().events(Seq(1), take).unwrap();
    all
}

fn uploaded(stage: &Stage) -> Vec<Uploaded> {
    let is = |event| if let Event::Uploaded(uploaded) = event { Some(uploaded) } else { None };
    events(stage).into_iter().filter_map(is).collect()
}

fn failed(stage: &Stage) -> Vec<Stopped> {
    let is = |event| if let Event::Failed(stopped) = event { Some(stopped) } else { None };
    events(stage).into_iter().filter_map(is).collect()
}

/// Runs it to its end: how many images got there, and how many failed.
#[track_caller]
fn migrate(stage: &Stage) -> (u64, u64) {
    finished(stage.migrate(&one_by_one()))
}

#[track_caller]
fn finished(end: Result<End, RunError>) -> (u64, u64) {
    match end {
        Ok(End::Finished(_, tally)) => (tally.done, tally.failed),
        other => panic!("{other:?}"),
    }
}

/// All files: their paths and how many versions each has.
fn versions(stage: &Stage) -> Vec<usize> {
    stage.imagekit.files().iter().map(|file| file.versions).collect()
}

fn answer(status: u16) -> Fault {
    Fault::Answer { status, headers: Vec::new(), body: "{}".to_owned() }
}

#[test]
fn e1_an_upload_whose_answer_is_lost_is_found_and_not_repeated() {
    let stage = world(2);
    stage.cdn_faults.inject("upload", 0, 1, Fault::DropAfter);
    assert_eq!(migrate(&stage), (2, 0));
    assert_eq!(versions(&stage), [1, 1]);
    assert_eq!(stage.requests("upload"), 2, "the lost one is looked up and not sent again");
    let found: Vec<_> = uploaded(&stage).iter().map(|it| (it.found_done(), it.attempts)).collect();
    assert_eq!(found, [(true, 2), (false, 1)]);
}

#[test]
fn e1_an_upload_that_never_arrived_is_sent_again() {
    let stage = world(1);
    stage.cdn_faults.inject("upload", 0, 1, Fault::DropBefore);
    assert_eq!(migrate(&stage), (1, 0));
    assert_eq!(versions(&stage), [1]);
    let sent: Vec<_> = uploaded(&stage).iter().map(|it| (it.found_done(), it.attempts)).collect();
    assert_eq!((sent, stage.requests("upload")), (vec![(false, 2)], 2));
}

#[test]
fn e1_three_server_errors_are_outlasted() {
    let stage = world(1);
    stage.cdn_faults.inject("upload", 0, 3, answer(500));
    assert_eq!(migrate(&stage), (1, 0));
    assert_eq!(uploaded(&stage)[0].attempts, 4);
    assert_eq!((stage.requests("upload"), versions(&stage)), (4, vec![1]));
}

#[test]
fn e1_four_server_errors_fail_the_image_and_no_other() {
    let stage = world(2);
    let before = stage.images(1).unwrap();
    stage.cdn_faults.inject("upload", 0, 4, answer(503));
    assert_eq!(migrate(&stage), (1, 1));
    let failed = failed(&stage);
    assert_eq!((failed[0].error_type, failed[0].attempts), (TroubleKind::ApiError, 4));
    assert!(failed[0].passing && failed[0].file_id.is_none(), "{failed:?}");
    let (after, first) = (stage.images(1).unwrap(), stage.entry("/0.jpg"));
    assert!(after.contains(&first) && after != before, "its entry stays, the venue's other goes on: {after}");
    assert_eq!(versions(&stage), [1]);
}

#[test]
fn e1_a_conflict_with_a_file_that_is_not_listed_yet_is_waited_for() {
    let stage = Stage::lagging(Kind::Sqlite, Duration::from_millis(1_500));
    put_venue(&stage, 1);
    stage.cdn_faults.inject("upload", 0, 1, Fault::DropAfter);
    assert_eq!(migrate(&stage), (1, 0));
    assert_eq!(versions(&stage), [1]);
    let found = &uploaded(&stage)[0];
    assert_eq!((found.found_done(), found.attempts), (true, 2), "waiting costs no attempt");
    assert!(stage.requests("upload") >= 2, "it was told of the conflict");
    assert!(stage.requests("list") >= 3, "it looked again until the file was listed");
}

#[test]
fn e1_a_conflict_that_is_never_listed_fails_alone_and_is_adopted_once_it_is() {
    let stage = Stage::lagging(Kind::Sqlite, Duration::from_secs(3_600));
    put_venue(&stage, 1);
    let before = stage.images(1);
    stage.cdn_faults.inject("upload", 0, 1, Fault::DropAfter);
    let end = stage.migrate(&How { patience: Duration::from_secs(2), ..one_by_one() });
    assert!(matches!(&end, Ok(End::Finished(_, tally)) if tally.failed == 1), "{end:?}");
    assert_eq!((stage.images(1), versions(&stage)), (before, vec![1]));
    let failed = &failed(&stage)[0];
    assert_eq!((failed.error_type, failed.passing), (TroubleKind::ApiError, true));
    stage.order("list=lag:by=0");
    assert_eq!(migrate(&stage), (1, 0));
    assert_eq!((uploaded(&stage)[0].found_done(), versions(&stage)), (true, vec![1]));
}

#[test]
fn e1_a_rate_limit_in_milliseconds_costs_no_attempt() {
    let stage = world(1);
    let headers = vec![("X-RateLimit-Reset".to_owned(), "200".to_owned())];
    stage.cdn_faults.inject("upload", 0, 5, Fault::Answer { status: 429, headers, body: "{}".to_owned() });
    // Read as seconds, five of these waits would outlast the patience.
    assert_eq!(migrate(&stage), (1, 0));
    assert_eq!((uploaded(&stage)[0].attempts, stage.requests("upload")), (1, 6));
}

#[test]
fn e1_a_stored_file_that_is_not_served_never_reaches_the_row() {
    let stage = world(1);
    let before = stage.images(1);
    stage.cdn_faults.inject("delivery", 0, 4, answer(404));
    assert_eq!(migrate(&stage), (0, 1));
    let failed = &failed(&stage)[0];
    let file = stage.imagekit.files()[0].clone();
    assert_eq!(failed.error_type, TroubleKind::NotServed);
    assert_eq!(failed.file_id.as_ref().map(ToString::to_string), Some(file.id.clone()));
    assert_eq!(stage.images(1), before, "the site never shows a picture that is not there");
    // Once it is served, the next run adopts it.
    assert_eq!(migrate(&stage), (1, 0));
    assert_eq!((versions(&stage), stage.imagekit.files()[0].id.clone()), (vec![1], file.id));
    assert!(uploaded(&stage)[0].found_done());
}

/// Puts bytes at the path that our image has.
fn occupy(stage: &Stage, bytes: Vec<u8>) {
    let hash = ledger::ids::ContentHash::of(&Picture::new(1, "picture 0").bytes());
    let extension = Picture::new(1, "picture 0").format().extension();
    let form = Form::new()
        .text("fileName", format!("pub_{}.{extension}", hash.short()))
        .text("folder", "/venues/pub")
        .text("useUniqueFileName", "false")
        .text("tags", "somebody-elses")
        .part("file", Part::bytes(bytes).file_name("theirs.jpg"));
    let url = format!("{}/api/v1/files/upload", stage.imagekit.api_url());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sent = runtime.block_on(async {
        let client = http_client_builder().build().unwrap();
        client.post(url).basic_auth("private_sandbox", Some("")).multipart(form).send().await.unwrap()
    });
    assert!(sent.status().is_success(), "{}", sent.status());
}

fn foreign_bytes_are_left_alone(bytes: Vec<u8>) {
    let stage = world(2);
    occupy(&stage, bytes);
    let theirs = stage.imagekit.files();
    assert_eq!(migrate(&stage), (1, 1));
    let failed = failed(&stage);
    assert_eq!(failed[0].error_type, TroubleKind::IntegrityMismatch, "{failed:?}");
    assert!(failed[0].file_id.is_none(), "a foreign file is not named as ours");
    let files = stage.imagekit.files();
    assert!(files.contains(&theirs[0]), "{files:?} had {theirs:?}, tags and bytes alike");
    assert_eq!(files.len(), 2);
    assert!(stage.images(1).unwrap().contains(&stage.entry("/0.jpg")), "its entry stays as it was");
    assert_eq!(stage.requests("delete"), 0);
}

#[test]
fn e1_a_foreign_file_of_another_size_at_our_path_is_left_alone() {
    foreign_bytes_are_left_alone(Picture::new(1, "another picture altogether").bytes());
}

#[test]
fn e1_a_foreign_file_of_the_same_size_at_our_path_is_left_alone() {
    let mut bytes = Picture::new(1, "picture 0").bytes();
    let note = b"Longshore sandbox";
    let at = bytes.windows(note.len()).position(|part| part == note).unwrap();
    // Within the comment: the picture, its size and its dimensions are the same, only the hash tells.
    bytes[at] = b'l';
    foreign_bytes_are_left_alone(bytes);
}
