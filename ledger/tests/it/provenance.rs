//! What a ledger says of where files come from: the one proof by which they may be deleted (requirement S7).

use ledger::decide::{File, Outcome};
use ledger::event::{Acquired, Ending, Event, Verb, Work};
use ledger::ids::{CdnPath, ContentHash, FileId, Format, ImageId, RunId, VenueId};
use ledger::ledger::Ledger;
use ledger::plan::Step;
use ledger::report::{Content, Provenance, is_held, provenances};
use ledger::timestamp::Timestamp;
use ledger::trouble::TroubleKind;

use crate::support::*;

/// A history with one image, downloaded.
fn downloaded() -> (History, RunId, ImageId) {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&array(&[&external("https://o/a.jpg")])]);
    let image = image(plans[0], 0);
    history.turn(run, Step::Download(image), fetched("a"));
    (history, run, image)
}

/// Writes down that a file of this id was come by so.
fn uploaded(history: &mut History, run: RunId, image: ImageId, id: &str, acquired: Acquired) {
    let Outcome::Stored(file) = stored(id) else { unreachable!() };
    history.turn(run, Step::Upload(image), Outcome::Stored(File { acquired, ..file }));
}

/// Takes everything back and migrates it anew, up to the download.
fn again(history: &mut History, run: RunId) -> (RunId, ImageId) {
    let held = array(&[&external("https://o/a.jpg")]);
    history.finish(run, Ending::Closed);
    let (run, plans) = history.forward(&[&held]);
    let image = image(plans[0], 0);
    history.turn(run, Step::Download(image), fetched("a"));
    (run, image)
}

fn path() -> CdnPath {
    let (history, _, image) = downloaded();
    let plan = history.state.plan(image.planned).unwrap();
    CdnPath::new(plan.slug.as_deref(), plan.venue, &ContentHash::of(b"a"), Format::Jpeg)
}

/// What a ledger with this history says of a file id at a path, written and read again.
fn said_at(history: &History, id: &str, path: &CdnPath) -> Provenance {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("a.ledger");
    let mut ledger = Ledger::create(&at, opened(), Timestamp::from_millis(DAWN), "test").unwrap();
    ledger.append(&history.records[1..]).unwrap();
    let id: FileId = id.parse().unwrap();
    provenances(&ledger, [(&id, path)]).unwrap().of(&id, path)
}

fn said(history: &History, id: &str) -> Provenance {
    said_at(history, id, &path())
}

#[track_caller]
fn is_own(said: &Provenance) {
    let Provenance::Own(Content { hash, bytes, .. }) = said else { panic!("{said:?}") };
    assert_eq!((*hash, *bytes), (ContentHash::of(b"a"), 1_000));
}

#[test]
fn s7_only_what_was_sent_or_recognised_is_a_ledgers_own() {
    for (acquired, is_it) in
        [(Acquired::Sent, true), (Acquired::Recognised, true), (Acquired::Adopted, false)]
    {
        let (mut history, run, image) = downloaded();
        uploaded(&mut history, run, image, "f1", acquired);
        match is_it {
            true => is_own(&said(&history, "f1")),
            false => assert_eq!(said(&history, "f1"), Provenance::Adopted),
        }
        // Another file at that path, and the same file elsewhere, are not spoken of.
        assert_eq!(said(&history, "f2"), Provenance::Unknown);
        let elsewhere = "/venues/x/x_0000000000000000.jpg".parse().unwrap();
        let moved = said_at(&history, "f1", &elsewhere);
        match is_it {
            true => assert_eq!(moved, Provenance::SentTo(path())),
            false => assert_eq!(moved, Provenance::Adopted),
        }
    }
}

#[test]
fn s7_what_became_of_the_image_since_does_not_matter() {
    let (mut history, run, image) = downloaded();
    uploaded(&mut history, run, image, "f1", Acquired::Sent);
    // Version 3 wrote `found_done` when it found its own file again, which is read as adopted: it had sent it before.
    let (run, image) = again(&mut history, run);
    uploaded(&mut history, run, image, "f1", Acquired::Adopted);
    is_own(&said(&history, "f1"));
    // Rolled back, and written off because it was somewhere else for a while.
    let back = history.start(Verb::Rollback, venue_scope(1, "PL"));
    let visit = history.plan(back, planned(1, Some("[]"), Work::TakeBack(vec![image])));
    history.planning_done(back);
    history.turn(back, Step::RestoreRow(visit), left(Some("[]")));
    is_own(&said(&history, "f1"));
}

#[test]
fn s7_what_was_adopted_once_is_never_recognised_again() {
    let (mut history, run, image) = downloaded();
    uploaded(&mut history, run, image, "f1", Acquired::Adopted);
    let (run, image) = again(&mut history, run);
    uploaded(&mut history, run, image, "f2", Acquired::Adopted);
    let (run, image) = again(&mut history, run);
    // Nothing that the state knows tells of the first any more, and it carries our tag by its adoption.
    uploaded(&mut history, run, image, "f1", Acquired::Recognised);
    assert_eq!(said(&history, "f1"), Provenance::Adopted);
}

#[test]
fn s7_a_failed_images_file_is_nobodys_proof() {
    let (mut history, run, image) = downloaded();
    let mut no = trouble(TroubleKind::NotServed);
    no.file = Some("f1".parse().unwrap());
    history.turn(run, Step::Upload(image), Outcome::Trouble(no));
    assert_eq!(said(&history, "f1"), Provenance::Failed);
    assert!(matches!(history.records.last().unwrap().event, Event::Failed(_)));
    assert_eq!(history.state.plan(image.planned).unwrap().venue, VenueId(1));
}

#[test]
fn s7_a_file_that_was_sent_is_nobody_elses_wherever_it_is_met() {
    let mut history = History::new();
    let (run, plans) =
        history.forward(&[&array(&[&external("https://o/a.jpg"), &external("https://o/b.jpg")])]);
    let [a, b] = [image(plans[0], 0), image(plans[0], 1)];
    for (image, content) in [(a, "a"), (b, "b")] {
        history.turn(run, Step::Download(image), fetched(content));
        uploaded(&mut history, run, image, "f1", Acquired::Sent);
    }
    let plan = history.state.plan(plans[0]).unwrap();
    let at = |content: &[u8]| {
        CdnPath::new(plan.slug.as_deref(), plan.venue, &ContentHash::of(content), Format::Jpeg)
    };
    // Asked about at one path, and met at the other by the time it is looked at.
    let dir = tempfile::tempdir().unwrap();
    let mut ledger =
        Ledger::create(&dir.path().join("a.ledger"), opened(), Timestamp::from_millis(DAWN), "test").unwrap();
    ledger.append(&history.records[1..]).unwrap();
    let id: FileId = "f1".parse().unwrap();
    let told = provenances(&ledger, [(&id, &at(b"a"))]).unwrap();
    is_own(&told.of(&id, &at(b"a")));
    assert_eq!(told.of(&id, &at(b"b")), Provenance::WithoutContent);
    assert!(told.of(&id, &at(b"b")).is_uploaded());
}

#[test]
fn s7_a_file_that_was_sent_and_found_again_was_moved_and_not_adopted() {
    let (mut history, run, image) = downloaded();
    uploaded(&mut history, run, image, "f1", Acquired::Sent);
    let (run, image) = again(&mut history, run);
    uploaded(&mut history, run, image, "f1", Acquired::Adopted);
    let elsewhere = "/venues/x/x_0000000000000000.jpg".parse().unwrap();
    assert_eq!(said_at(&history, "f1", &elsewhere), Provenance::SentTo(path()));
}

#[test]
fn s7_a_ledger_holds_a_file_by_its_whole_id_whatever_became_of_it_since() {
    // Ids of older versions may hold what JSON escapes.
    for id in ["f1", "f\"1\\"] {
        let (mut history, run, image) = downloaded();
        uploaded(&mut history, run, image, id, Acquired::Sent);
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("a.ledger");
        let mut ledger = Ledger::create(&at, opened(), Timestamp::from_millis(DAWN), "test").unwrap();
        ledger.append(&history.records[1..]).unwrap();
        let elsewhere: CdnPath = "/venues/x/x_0000000000000000.jpg".parse().unwrap();
        let is_held = |id: &str, path: &CdnPath| is_held(&ledger, &id.parse().unwrap(), path).unwrap();
        assert!(is_held(id, &elsewhere), "{id}");
        assert!(is_held("f2", &path()), "another is at its path");
        for other in ["f", "1", "f11", "sent", "uploaded"] {
            assert!(!is_held(other, &elsewhere), "{other}");
        }
    }
}
