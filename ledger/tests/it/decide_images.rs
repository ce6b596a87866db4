//! Downloads and uploads: what their orders carry, and what their outcomes mean (requirement E1).

use ledger::decide::{Outcome, Trouble, Verdict, check_stored, decide};
use ledger::event::{Acquired, CdnDeleted, Event, PauseReason, StepName, Uploaded};
use ledger::ids::{CdnPath, ContentHash, Format, RunId, Seq, VenueId};
use ledger::order::{Known, Order, Put};
use ledger::plan::Step;
use ledger::trouble::TroubleKind::{self, *};

use crate::support::*;

/// One image downloaded and another uploaded, so that every order can be had.
fn halfway() -> (History, RunId, [Step; 3]) {
    let mut history = History::new();
    let (a, b) = (external("https://o/a.jpg"), external("https://o/b.jpg"));
    let (run, plans) = history.forward(&[&array(&[&a, &b]), &array(&[&a])]);
    history.turn(run, Step::Download(image(plans[0], 1)), fetched("b"));
    history.upload(run, image(plans[1], 0), "a");
    let steps =
        [Step::Download(image(plans[0], 0)), Step::Upload(image(plans[0], 1)), Step::UpdateRow(plans[1])];
    (history, run, steps)
}

/// Requirement E1's table by hand: what a kind of trouble that did not go away comes to.
const TABLE: [(TroubleKind, &str); 18] = [
    (RateLimited, "failed passing"),
    (Timeout, "failed passing"),
    (Network, "failed passing"),
    (ApiError, "failed passing"),
    (OriginError, "failed passing"),
    (NotServed, "failed passing"),
    (NotFound, "failed lasting"),
    (OriginDenied, "failed lasting"),
    (ForbiddenUrl, "failed lasting"),
    (FileTooLarge, "skipped lasting"),
    (InvalidImage, "skipped lasting"),
    (Rejected, "failed lasting"),
    (IntegrityMismatch, "failed lasting"),
    (CatalogError, "failed passing"),
    (BadData, "failed lasting"),
    (Drifted, "failed lasting"),
    (Unauthorized, "pause unauthorized"),
    (QuotaExceeded, "pause quota"),
];

fn in_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pause(paused) => match paused.reason {
            PauseReason::Outage => "pause outage".into(),
            PauseReason::Unauthorized => "pause unauthorized".into(),
            PauseReason::QuotaExceeded => "pause quota".into(),
            other => panic!("{other:?}"),
        },
        Verdict::Events(events) => {
            let (Event::Failed(e) | Event::Skipped(e)) = &events[0] else { panic!("{events:?}") };
            format!("{} {}", events[0].name(), if e.passing { "passing" } else { "lasting" })
        }
        Verdict::PutBack(..) => "put back".into(),
    }
}

#[test]
fn e1_the_table_of_trouble_by_hand() {
    let (history, run, steps) = halfway();
    assert_eq!(TABLE.map(|(kind, _)| kind), TroubleKind::ALL);
    for (kind, expected) in TABLE {
        for step in steps {
            let verdict = decide(&history.order(run, step), Outcome::Trouble(trouble(kind)));
            assert_eq!(in_words(&verdict), expected, "{kind} in {step:?}");
        }
    }
}

#[test]
fn e1_a_stopped_image_says_where_why_and_after_how_many_tries() {
    let (history, run, steps) = halfway();
    let names = [StepName::Download, StepName::Upload, StepName::UpdateRow];
    for (step, name) in steps.into_iter().zip(names) {
        let file = Some("kept".parse().unwrap());
        let outcome = Outcome::Trouble(Trouble { file: file.clone(), ..trouble(NotServed) });
        let events = history.decide(run, step, outcome);
        let [Event::Failed(e)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((e.step, e.attempts, e.message.as_str()), (name, 3, "it was not_served"));
        assert_eq!((e.error_type, e.file_id.clone()), (NotServed, file));
        let image = e.image.unwrap();
        assert_eq!(image.planned, step.planned());
        assert_eq!(e.venue, history.state.plan(step.planned()).unwrap().venue);
    }
}

#[test]
fn e3_an_outage_pauses_whatever_its_kind_and_says_nothing_of_the_image() {
    let (history, run, steps) = halfway();
    for (kind, expected) in TABLE {
        let outcome = Outcome::Trouble(Trouble { outage: true, ..trouble(kind) });
        let verdict = decide(&history.order(run, steps[1]), outcome);
        let expected = if expected.starts_with("pause") { expected } else { "pause outage" };
        assert_eq!(in_words(&verdict), expected, "{kind}");
        let Verdict::Pause(paused) = verdict else { unreachable!() };
        assert_eq!(paused.message, format!("it was {kind}"));
        assert!(paused.advice.contains("longshore resume"), "{}", paused.advice);
    }
}

#[test]
fn c4_a_download_is_ordered_from_the_entrys_own_url() {
    let (history, run, steps) = halfway();
    let Order::Download(fetch) = history.order(run, steps[0]) else { panic!() };
    assert_eq!((fetch.url.as_str(), fetch.venue), ("https://o/a.jpg", VenueId(1)));
    let mut without = History::new();
    let entry = external("x").replace("\"url\": \"x\", ", "");
    let (run, plans) = without.forward(&[&array(&[&entry])]);
    let Order::Download(fetch) = without.order(run, Step::Download(image(plans[0], 0))) else { panic!() };
    assert_eq!(fetch.url, "");
}

#[test]
fn c4_an_upload_is_ordered_to_a_path_fixed_by_content() {
    let (history, run, steps) = halfway();
    let Order::Upload(put) = history.order(run, steps[1]) else { panic!() };
    let path = CdnPath::new(Some("pub-1"), VenueId(1), &ContentHash::of(b"b"), Format::Jpeg);
    assert_eq!((&put.path, put.known.as_ref(), put.country.as_deref()), (&path, None, Some("PL")));
    assert_eq!((put.bytes, put.width, put.height), (1_000, 640, 480));
    let events = history.decide(run, steps[1], stored("f9"));
    let [Event::Uploaded(Uploaded { image, file_id, path: at, bytes, attempts, acquired, .. })] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*image, file_id.to_string().as_str(), at), (put.fetch.image, "f9", &path));
    assert_eq!((*bytes, *attempts, *acquired), (1_000, 2, Acquired::Sent));
}

#[test]
fn e5_an_upload_that_lost_its_bytes_is_a_download_again_and_the_newest_counts() {
    let (mut history, run, steps) = halfway();
    let events = history.turn(run, steps[1], fetched("b, but changed"));
    assert!(matches!(&events[..], [Event::Downloaded(e)] if e.hash == ContentHash::of(b"b, but changed")));
    let Order::Upload(put) = history.order(run, steps[1]) else { panic!() };
    assert_eq!(put.hash, ContentHash::of(b"b, but changed"));
}

#[test]
fn e5_a_known_file_is_believed_within_its_run_only_until_it_is_deleted() {
    let entry = external("https://o/a.jpg");
    let twins = array(&[&entry, &entry]);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&twins]);
    history.upload(run, image(plans[0], 0), "same");
    let second = Step::Upload(image(plans[0], 1));
    history.turn(run, Step::Download(image(plans[0], 1)), fetched("same"));
    let known = |history: &History, run, step| match history.order(run, step) {
        Order::Upload(put) => put.known,
        other => panic!("{other:?}"),
    };
    let file = |is_believed| {
        let url = "https://ik.imagekit.io/demo/same.jpg".to_owned();
        Some(Known { file_id: "same".parse().unwrap(), url, is_believed, acquired: Acquired::Sent })
    };
    assert_eq!(known(&history, run, second), file(true));

    let path = CdnPath::new(Some("pub-1"), VenueId(1), &ContentHash::of(b"same"), Format::Jpeg);
    let (file_id, why) = ("same".parse().unwrap(), "no longer used".into());
    let deleted =
        Event::CdnDeleted(CdnDeleted { path, file_id, why, operator: None, tables_skipped: vec![] });
    // S7: while an image is between uploaded and rolled-back, its file stays.
    let refused = history.try_add(Some(run), deleted.clone()).unwrap_err();
    assert!(refused.to_string().starts_with("an image still needs the file at /venues/pub-1/"), "{refused}");
    let (back, visit) = history.back(1, Some(&twins), vec![image(plans[0], 0)]);
    history.row(back, Step::RestoreRow(visit), &mut Some(twins.clone()));

    let (later, plans) = history.forward(&[&twins]);
    history.turn(later, Step::Download(image(plans[0], 0)), fetched("same"));
    let again = Step::Upload(image(plans[0], 0));
    assert_eq!(known(&history, later, again), file(false));
    assert!(history.try_add(None, deleted.clone()).is_ok(), "outside of any run, too");
    history.add(Some(later), deleted);
    assert_eq!(known(&history, later, again), None);
}

#[test]
fn e1_what_was_stored_is_held_against_what_was_sent() {
    let (history, run, steps) = halfway();
    let Order::Upload(put) = history.order(run, steps[1]) else { panic!() };
    let path = put.path.clone();
    let check = |put: &Put, bytes, pixels| check_stored(put, &path, bytes, pixels);
    assert_eq!(check(&put, 1_000, None), Ok(()));
    assert_eq!(check(&put, 1_000, Some((640, 480))), Ok(()));
    // Turned by its EXIF orientation.
    assert_eq!(check(&put, 1_000, Some((480, 640))), Ok(()));
    for (bytes, pixels, word) in
        [(999, None, "bytes"), (1_000, Some((640, 481)), "640×481"), (1_000, Some((640, 640)), "640×640")]
    {
        let differs = check(&put, bytes, pixels).unwrap_err();
        assert!(differs.contains(word), "{differs}");
    }
    let elsewhere = "/venues/pub-1/other.jpg".parse().unwrap();
    assert!(check_stored(&put, &elsewhere, 1_000, None).unwrap_err().contains("/venues/pub-1/other.jpg"));
}

#[test]
#[should_panic(expected = "cannot come of")]
fn an_outcome_that_its_order_cannot_have_is_a_bug() {
    let (history, run, steps) = halfway();
    history.decide(run, steps[0], stored("f"));
}

#[test]
fn e1_a_venues_images_fail_each_for_itself_when_its_row_cannot_be_written() {
    let mut history = History::new();
    let urls = ["https://o/a.jpg", "https://o/b.jpg", "https://o/c.jpg"].map(external);
    let (run, plans) = history.forward(&[&array(&[&urls[0], &urls[1], &urls[2]])]);
    history.upload(run, image(plans[0], 0), "a");
    history.turn(run, Step::Download(image(plans[0], 1)), Outcome::Trouble(trouble(NotFound)));
    history.upload(run, image(plans[0], 2), "c");
    let events = history.turn(run, Step::UpdateRow(plans[0]), Outcome::Trouble(trouble(CatalogError)));
    let failed: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Failed(e) => e.image.unwrap().index,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(failed, [0, 2]);
    assert_eq!(history.finish(run, ledger::event::Ending::Done).failed, 3);
    assert_eq!(history.state.last(), Seq(history.records.len() as u64));
}
