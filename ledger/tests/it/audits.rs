//! What was changed (C10), what stands migrated and what failed (C11): folds over built histories.

use ledger::decide::Outcome;
use ledger::event::*;
use ledger::ids::{RunId, Seq, VenueId};
use ledger::images::Array;
use ledger::plan::{Step, take_backs};
use ledger::report::audit::{Change, VenueAudit, VenueVerdict, Verdict};
use ledger::report::{FailedImage, Failures, Migrated, Trail};
use ledger::store::LedgerError;
use ledger::trouble::TroubleKind::{InvalidImage, NotFound};

use crate::support::*;

fn placed(history: &History) -> impl Iterator<Item = Placed> {
    (1..).map(Seq).zip(history.records.iter().cloned())
}

fn trail(history: &History, scope: Scope) -> Trail<'_> {
    let mut trail = Trail::new(&history.state, scope);
    placed(history).for_each(|placed| trail.take(&placed));
    trail
}

fn audit(history: &History, scope: Scope) -> VenueAudit {
    trail(history, scope).venue(history, VenueId(1)).unwrap()
}

fn failures(history: &History, scope: Scope) -> Vec<FailedImage> {
    let mut fold = Failures::new(&history.state, scope);
    placed(history).for_each(|placed| fold.take(&placed));
    let mut all = Vec::new();
    fold.each(history, |failure| {
        all.push(failure);
        Ok::<_, LedgerError>(())
    })
    .unwrap();
    all
}

/// Whole arrays before and after, with how many venues and images, and when the first was updated.
fn migrated(history: &History, scope: Scope) -> (u64, u64, Option<i64>, Vec<[String; 2]>) {
    let trail = trail(history, Scope::Everywhere);
    let migrated = Migrated::new(&history.state, &scope);
    let head = migrated.head(history).unwrap();
    let venues = migrated.venues().map(|venue| {
        let venue = migrated.venue(history, &trail, venue).unwrap().unwrap();
        [venue.images_before_phase2.get().to_owned(), venue.images_after_phase2.get().to_owned()]
    });
    (head.total_venues, head.total_images, head.migration_timestamp.map(|at| at.millis()), venues.collect())
}

/// What a patch makes of a document, each entry in its own text; none is the document `null`.
fn apply(document: &mut Option<Vec<String>>, change: &Change) {
    for operation in change.patch.as_ref().unwrap() {
        let value = operation.value.as_ref().map(|value| value.get());
        let list = |text: &str| {
            let array = (text != "null").then(|| Array::parse(text).unwrap());
            array.map(|array| array.elements().map(str::to_owned).collect::<Vec<_>>())
        };
        if operation.path.is_empty() {
            let value = list(value.unwrap());
            match operation.op {
                "test" => assert_eq!(*document, value),
                "replace" => *document = value,
                other => panic!("{other}"),
            }
            continue;
        }
        let place: usize = operation.path.strip_prefix('/').unwrap().parse().unwrap();
        let entries = document.as_mut().expect("an entry is looked for in an array");
        match operation.op {
            "test" => assert_eq!(entries[place], value.unwrap()),
            "replace" => entries[place] = value.unwrap().to_owned(),
            "add" => entries.insert(place, value.unwrap().to_owned()),
            "remove" => drop(entries.remove(place)),
            other => panic!("{other}"),
        }
    }
}

fn list(text: Option<&str>) -> Option<Vec<String>> {
    text.map(|text| Array::parse(text).unwrap().elements().map(str::to_owned).collect())
}

fn take_back(history: &mut History, scope: Scope, row: &mut Option<String>) -> RunId {
    let images = take_backs(&history.state, &scope).remove(&VenueId(1)).unwrap();
    let run = history.start(Verb::Rollback, scope);
    let visit = history.plan(run, planned(1, row.as_deref(), Work::TakeBack(images)));
    history.planning_done(run);
    history.row(run, Step::RestoreRow(visit), row);
    history.finish(run, Ending::Done);
    run
}

const POLAND: fn() -> Scope = || Scope::Country(country("PL"));

/// A NULL row is populated with two entries, both are migrated, and it all goes back, the newest first.
fn there_and_back() -> (History, Vec<Option<String>>, [RunId; 4]) {
    let mut history = History::new();
    let (mut row, mut rows) = (None, vec![None]);
    let populate = history.start(Verb::Populate, Scope::Everywhere);
    let entries = vec![external("https://o/a"), external("https://o/b").replace("null", FORTY)];
    let addition = Addition { entries, left_out: Vec::new() };
    let plan = history.plan(populate, planned(1, None, Work::Add(addition)));
    history.planning_done(populate);
    history.row(populate, Step::UpdateRow(plan), &mut row);
    history.finish(populate, Ending::Done);
    rows.push(row.clone());

    let (migrate, plans) = history.forward(&[row.as_deref().unwrap()]);
    (0..2).for_each(|index| history.upload(migrate, image(plans[0], index), &format!("f{index}")));
    let resumed = Resumed {
        options: options(),
        retry_images: Vec::new(),
        retry_venues: Vec::new(),
        operator: Operator { user: "ben".into(), ..operator() },
    };
    history.add(Some(migrate), Event::Resumed(resumed));
    history.row(migrate, Step::UpdateRow(plans[0]), &mut row);
    history.finish(migrate, Ending::Done);
    rows.push(row.clone());

    let back = take_back(&mut history, POLAND(), &mut row);
    rows.push(row.clone());
    let out = take_back(&mut history, Scope::Run(populate), &mut row);
    rows.push(row);
    (history, rows, [populate, migrate, back, out])
}

const FORTY: &str = "1234567890123456789012345678901234567890";

#[test]
fn c10_patches_applied_in_order_give_what_the_row_held_each_time() {
    let (history, rows, runs) = there_and_back();
    assert_eq!((rows[0].as_ref(), rows[4].as_ref(), &rows[1]), (None, None, &rows[3]));
    let audit = audit(&history, Scope::Everywhere);
    assert_eq!(audit.changes.len(), 4);
    let mut document = None;
    for (n, change) in audit.changes.iter().enumerate() {
        assert_eq!((&change.array_before, &change.array_after), (&rows[n], &rows[n + 1]));
        apply(&mut document, change);
        assert_eq!(document, list(rows[n + 1].as_deref()), "change {n}");
        assert_eq!((change.run, change.changed_by_others, change.found_done), (runs[n], false, false));
        assert_eq!(history.records[change.seq.0 as usize - 1].at, change.at);
    }
    let said: Vec<_> = audit.changes.iter().map(|c| (c.event, c.verb, c.operator.user.as_str())).collect();
    let [there, back] = ["db_updated", "rolled_back"];
    let all = [
        (there, Verb::Populate, "anna"),
        (there, Verb::Migrate, "ben"),
        (back, Verb::Rollback, "anna"),
        (back, Verb::Rollback, "anna"),
    ];
    assert_eq!(said, all);
    let json = serde_json::to_string(&audit).unwrap();
    assert!(json.contains(&format!("\"height\": {FORTY}")), "no digit is lost: {json}");
    let of_one = self::audit(&history, Scope::Run(runs[1]));
    assert_eq!((of_one.changes.len(), of_one.changes[0].seq), (1, audit.changes[1].seq));
    assert!(!of_one.changes[0].changed_by_others, "what other runs of ours did is not others' doing");
    assert_eq!(trail(&history, Scope::Country(country("FR"))).venues().count(), 0);
}

#[test]
fn c10_what_others_did_between_is_said_and_drift_is_shown() {
    let mut history = History::new();
    let held = array(&["7", &external("https://o/a"), &external("https://o/b")]);
    let (run, plans) = history.forward(&[&held]);
    (0..2).for_each(|index| history.upload(run, image(plans[0], index), &format!("f{index}")));
    let mut row = Some(held.replace("[7", "[8"));
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.finish(run, Ending::Done);
    let left = row.clone().unwrap().replace("/f0.jpg", "/theirs.jpg");
    row = Some(left.clone());
    take_back(&mut history, POLAND(), &mut row);
    let audit = audit(&history, POLAND());
    assert!(audit.changes.iter().all(|change| change.changed_by_others), "{audit:?}");
    for change in &audit.changes {
        let mut document = list(change.array_before.as_deref());
        apply(&mut document, change);
        assert_eq!(document, list(change.array_after.as_deref()));
    }
    let [drift] = &audit.drifted[..] else { panic!("{audit:?}") };
    assert!(drift.expected.contains("/f0.jpg") && drift.found.as_ref().unwrap().contains("/theirs.jpg"));
    assert_eq!(audit.changes[1].left, [drift.image]);
    // The one that drifted is as it was when the ledger looked last; the record of ours is another.
    let live = audit.live(Some(row.as_deref())).unwrap();
    let verdicts: Vec<_> = live.images.iter().map(|image| (image.verdict, image.keys.join(" "))).collect();
    assert_eq!(verdicts, [(Verdict::Changed, "url".to_owned()), (Verdict::AsRecorded, String::new())]);
}

#[test]
fn c10_live_gives_each_entry_one_verdict_and_names_every_difference() {
    let (history, rows, runs) = there_and_back();
    let done = list(rows[2].as_deref()).unwrap();
    let migrated = {
        // As of the second run's end.
        let upto = history.records.iter().position(|r| r.run == Some(runs[2])).unwrap();
        let mut then = History::default();
        for record in history.records[..upto].iter().cloned() {
            then.add(record.run, record.event);
        }
        then
    };
    let audit = audit(&migrated, Scope::Everywhere);
    use Verdict::*;
    let (a, b) = (done[0].as_str(), done[1].as_str());
    let (kept, changed) = (a.replacen('{', "{\"theirs\": 1, ", 1), a.replace("640", "641"));
    for (row, verdict, images, others) in [
        (Some(Some(array(&[a, b]))), VenueVerdict::AsRecorded, [AsRecorded; 2], [0, 0]),
        (Some(Some(format!("[ {a} ,{b}]"))), VenueVerdict::AsRecorded, [AsRecorded; 2], [0, 0]),
        (Some(Some(array(&[b, a]))), VenueVerdict::Differs, [Moved; 2], [0, 0]),
        (Some(Some(array(&[&kept, b]))), VenueVerdict::Differs, [OtherKeys, AsRecorded], [0, 0]),
        (Some(Some(array(&[&changed, b, "7"]))), VenueVerdict::Differs, [Changed, AsRecorded], [1, 0]),
        (Some(Some(array(&[a, a]))), VenueVerdict::Differs, [AsRecorded, Gone], [1, 0]),
        (Some(Some("[]".into())), VenueVerdict::Differs, [Gone; 2], [0, 0]),
        (Some(None), VenueVerdict::Differs, [Gone; 2], [0, 0]),
        (Some(Some("{}".into())), VenueVerdict::NotAnArray, [NotAnArray; 2], [0, 0]),
        (None, VenueVerdict::RowGone, [RowGone; 2], [0, 0]),
    ] {
        let live = audit.live(row.as_ref().map(Option::as_deref)).unwrap();
        let said = [live.images[0].verdict, live.images[1].verdict];
        assert_eq!((live.verdict, said, live.images.len()), (verdict, images, 2), "{row:?}");
        assert_eq!([live.others.added.len(), live.others.removed.len()], others, "{row:?}");
        if live.verdict != VenueVerdict::AsRecorded {
            assert_eq!((live.recorded, live.found), (rows[2].clone(), row.flatten()));
        }
    }
    let keys = audit.live(Some(Some(&array(&[&changed, b])))).unwrap().images[0].keys.join(" ");
    assert_eq!(keys, "width");

    // All taken out again: the row should be NULL, and what is there again is named.
    let audit = self::audit(&history, Scope::Everywhere);
    assert_eq!(audit.live(Some(None)).unwrap().verdict, VenueVerdict::AsRecorded);
    let again = list(rows[1].as_deref()).unwrap();
    let live = audit.live(Some(Some(&array(&[&again[0]])))).unwrap();
    assert_eq!((live.verdict, live.images[0].verdict), (VenueVerdict::Differs, ThereAgain));
    assert_eq!(live.images[1].verdict, AsRecorded);
    assert_eq!(
        audit.live(Some(Some("[]"))).unwrap().verdict,
        VenueVerdict::Differs,
        "NULL is no empty array"
    );
}

/// Found by whoever restored from it: an edited entry could not be taken back, and "before" said what "after" did.
#[test]
fn c11_rollback_data_says_what_was_before_though_others_have_edited_since() {
    let mut history = History::new();
    let held = array(&[&external("https://o/a"), &external("https://o/b")]);
    let (run, plans) = history.forward(&[&held]);
    history.upload(run, image(plans[0], 0), "a");
    history.upload(run, image(plans[0], 1), "b");
    let mut row = Some(held.clone());
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.finish(run, Ending::Done);
    row = row.map(|row| row.replacen("/a.jpg", "/a.jpg?tr=w-100", 1));
    take_back(&mut history, POLAND(), &mut row);
    let (_, images, _, arrays) = migrated(&history, POLAND());
    assert_eq!((images, arrays), (1, vec![[held, row.unwrap()]]));
}

#[test]
fn c11_rollback_data_has_whole_arrays_of_what_stands_migrated() {
    let mut history = History::new();
    let held = array(&[&format!("[{FORTY}]"), &external("https://o/a"), "\"\\ud800\""]);
    let (first, plans) = history.forward(&[&held]);
    history.upload(first, image(plans[0], 0), "a");
    let mut row = Some(held.clone());
    history.row(first, Step::UpdateRow(plans[0]), &mut row);
    let updated = history.records.last().unwrap().at.millis();
    history.finish(first, Ending::Done);
    let one = row.clone().unwrap();
    let said = migrated(&history, POLAND());
    assert_eq!(said, (1, 1, Some(updated), vec![[held.clone(), one.clone()]]));

    // More comes, and is migrated by a second run: both runs are taken back together, or each by itself.
    let more = format!("{}, {}]", one.trim_end_matches(']'), external("https://o/b"));
    row = Some(more.clone());
    let (second, plans) = history.forward(&[&more]);
    history.upload(second, image(plans[0], 0), "b");
    history.row(second, Step::UpdateRow(plans[0]), &mut row);
    history.finish(second, Ending::Done);
    let two = row.clone().unwrap();
    assert_eq!(migrated(&history, POLAND()).3, [[held.clone(), two.clone()]]);
    assert_eq!(migrated(&history, Scope::Run(second)).3, [[more.clone(), two.clone()]]);
    let without_first = two.replace(&list(Some(&one)).unwrap()[1], &list(Some(&held)).unwrap()[1]);
    assert_eq!(migrated(&history, Scope::Run(first)).3, [[without_first.clone(), two]]);

    take_back(&mut history, Scope::Run(first), &mut row);
    assert_eq!(row.as_deref(), Some(without_first.as_str()));
    let (_, images, _, arrays) = migrated(&history, POLAND());
    let before =
        without_first.replace(&list(Some(&without_first)).unwrap()[3], &list(Some(&more)).unwrap()[3]);
    assert_eq!((images, arrays), (1, vec![[before, without_first]]));
    take_back(&mut history, POLAND(), &mut row);
    assert_eq!(migrated(&history, POLAND()), (0, 0, None, Vec::new()));
}

#[test]
fn c11_failures_are_those_that_still_stand() {
    let mut history = History::new();
    let entries: Vec<_> = (0..4).map(|n| external(&format!("https://o/{n}.jpg"))).collect();
    let held = array(&entries.iter().map(String::as_str).collect::<Vec<_>>());
    let (run, plans) = history.forward(&[&held]);
    for (index, kind) in [(0, NotFound), (1, InvalidImage)] {
        history.turn(run, Step::Download(image(plans[0], index)), Outcome::Trouble(trouble(kind)));
    }
    (2..4).for_each(|index| history.upload(run, image(plans[0], index), &format!("f{index}")));
    let mut row = Some(held.replace("https://o/3.jpg", "https://o/other.jpg"));
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.finish(run, Ending::Done);
    let said = failures(&history, POLAND());
    let short: Vec<_> = said.iter().map(|f| (f.image_url.as_deref(), f.error_type, f.retry_count)).collect();
    let expected = [
        (Some("https://o/0.jpg"), "not_found", 2),
        (Some("https://o/1.jpg"), "invalid_image", 2),
        (Some("https://o/3.jpg"), "drifted", 0),
    ];
    assert_eq!(short, expected);
    assert_eq!(
        (said[0].venue_slug.as_deref(), said[0].error_message.as_str()),
        (Some("pub-1"), "it was not_found")
    );
    assert_eq!(failures(&history, Scope::Run(run)), said);
    assert_eq!(failures(&history, Scope::Country(country("FR"))), []);

    let (venue, reason) = (VenueId(1), "it is gone for good".to_owned());
    let closed = Closed { venue, image: Some(image(plans[0], 0)), reason, operator: operator() };
    history.add(Some(run), Event::Closed(closed));
    assert_eq!(failures(&history, POLAND()), said[1..], "a person closed one");
    let left = array(&[&external("https://o/1.jpg")]);
    let (later, plans) = history.forward(&[&left]);
    history.upload(later, image(plans[0], 0), "again");
    history.row(later, Step::UpdateRow(plans[0]), &mut Some(left));
    assert_eq!(failures(&history, POLAND()), [], "a later run took the rest over");
}

#[test]
fn c11_a_venue_that_failed_as_a_whole_has_no_image_url() {
    let mut history = History::new();
    let run = history.start(Verb::Populate, Scope::Everywhere);
    let left_out = vec![LeftOut { trivia_advisor_id: 7, image: Some(2), why: "it has no local_path".into() }];
    let work = Work::Add(Addition { entries: vec![external("a")], left_out });
    let plan = history.plan(run, planned(1, Some("[]"), work));
    history.planning_done(run);
    history.row(run, Step::UpdateRow(plan), &mut Some("[]".into()));
    history.finish(run, Ending::Done);
    let [left] = &failures(&history, Scope::Everywhere)[..] else { panic!() };
    assert_eq!((left.image_url.as_ref(), left.error_type, left.retry_count), (None, "bad_data", 0));
    assert_eq!(left.error_message, "Trivia Advisor venue 7, image 2: it has no local_path");

    let mut history = History::new();
    let (run, _) = history.forward(&["[]"]);
    let stopped = Stopped {
        venue: VenueId(1),
        image: None,
        step: StepName::Plan,
        error_type: ledger::trouble::TroubleKind::BadData,
        message: "venue_images is not an array".into(),
        attempts: 1,
        passing: false,
        file_id: None,
    };
    history.add(Some(run), Event::Failed(stopped));
    let [whole] = &failures(&history, POLAND())[..] else { panic!() };
    assert_eq!((whole.image_url.as_ref(), whole.error_type, whole.retry_count), (None, "bad_data", 0));
}
