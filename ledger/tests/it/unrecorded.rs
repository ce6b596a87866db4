//! A row that was updated without a word of it, and whose file and picture changed before the run was resumed (requirements
//! E5, C6): the row gets an entry that the ledger tells of, or its before-image, and a rollback knows either.

use ledger::decide::{Outcome, Row, Seen, Trouble, Verdict, decide};
use ledger::event::{Ending, Event, PauseReason, StepName};
use ledger::ids::{RunId, Seq, VenueId};
use ledger::images::{Array, Entry};
use ledger::order::{Order, put_back};
use ledger::plan::{Step, take_backs};
use ledger::state::{Mark, Rung};
use ledger::trouble::TroubleKind::{self, CatalogError, InvalidImage, NotFound, Unauthorized};

use crate::support::*;

const URL: &str = "https://o/a.jpg";

/// One venue with one image between others' entries, whose row was updated; the run was resumed.
struct CutOff {
    history: History,
    run: RunId,
    plan: Seq,
    planned: String,
    row: Option<String>,
}

impl CutOff {
    fn new() -> Self {
        let planned = array(&["7", &external(URL), "{\"theirs\": 1.0}"]);
        let mut history = History::new();
        let (run, plans) = history.forward(&[&planned]);
        history.upload(run, image(plans[0], 0), "a");
        let mut this = Self { history, run, plan: plans[0], row: Some(planned.clone()), planned };
        this.dies_behind_the_row();
        this
    }

    fn step(&self) -> Step {
        Step::Upload(image(self.plan, 0))
    }

    /// The row is written, and the process ends; another goes on.
    fn dies_behind_the_row(&mut self) {
        let Order::UpdateRow(order) = self.history.order(self.run, Step::UpdateRow(self.plan)) else {
            panic!()
        };
        assert!(matches!(
            perform_row(&order, &mut self.row),
            Outcome::Row(Row { seen: Seen::Written { .. }, .. })
        ));
        self.resume();
    }

    fn resume(&mut self) {
        let options = self.history.state.run(self.run).unwrap().options().clone();
        self.history.add(Some(self.run), resumed(options));
    }

    /// The file is gone, and the origin gives another picture: it is fetched and sent.
    fn sent_anew(&mut self, name: &str) {
        self.history.turn(self.run, self.step(), fetched(name));
        self.history.turn(self.run, self.step(), stored(name));
    }

    /// The file is gone, and nothing can be sent: what is written down once the row was looked at.
    fn given_up(&mut self, kind: TroubleKind) -> Vec<Event> {
        let order = self.put_back(kind);
        let Order::PutBack(back) = &order else { panic!() };
        let outcome = perform_row(&back.row, &mut self.row);
        let Verdict::Events(events) = decide(&order, outcome) else { panic!("nothing pauses it") };
        for event in &events {
            self.history.add(Some(self.run), event.clone());
        }
        events
    }

    fn put_back(&self, kind: TroubleKind) -> Order {
        let order = self.history.order(self.run, self.step());
        let Verdict::PutBack(put, trouble) = decide(&order, Outcome::Trouble(trouble(kind))) else {
            panic!()
        };
        put_back(&self.history.state, &self.history, &put, trouble).unwrap()
    }

    fn file(&self) -> Option<String> {
        let row = self.row.as_deref().unwrap();
        Array::parse(row).unwrap().elements().find_map(|entry| Entry::parse(entry)?.file_id())
    }

    /// Takes everything back; what became of the row's images.
    fn back(&mut self) -> Vec<Event> {
        let visits = take_backs(&self.history.state, &venue_scope(1, "PL"));
        let (run, plan) = self.history.back(1, self.row.as_deref(), visits[&VenueId(1)].clone());
        self.history.row(run, Step::RestoreRow(plan), &mut self.row)
    }
}

#[test]
fn e5_an_entry_of_an_earlier_upload_is_put_right_and_goes_back() {
    let mut cut = CutOff::new();
    // Twice: the second row update is not written down either.
    cut.sent_anew("b");
    cut.dies_behind_the_row();
    assert_eq!(cut.file().as_deref(), Some("b"));
    cut.sent_anew("c");
    let mut row = cut.row.clone();
    let events = cut.history.row(cut.run, Step::UpdateRow(cut.plan), &mut row);
    cut.row = row;
    let [Event::DbUpdated(e)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((e.array_before.as_ref(), e.found_done), (Some(&cut.planned), false));
    assert_eq!(e.edits[0].before, Some(external(URL)));
    assert_eq!((cut.file().as_deref(), Some(&e.array_after)), (Some("c"), cut.row.as_ref()));
    cut.history.finish(cut.run, Ending::Done);
    cut.back();
    assert_eq!(cut.row, Some(cut.planned));
}

#[test]
fn e5_a_rollback_finds_what_any_upload_made_of_the_row() {
    for uploads in 0..3 {
        let mut cut = CutOff::new();
        for name in &["b", "c"][..uploads] {
            cut.sent_anew(name);
            cut.resume();
        }
        assert_eq!(cut.file().as_deref(), Some("a"), "the row knows nothing of later ones");
        cut.history.finish(cut.run, Ending::Closed);
        let events = cut.back();
        let Some(Event::RolledBack(e)) = events.last() else { panic!("{events:?}") };
        assert_eq!((e.edits.len(), e.held.len(), e.left.len()), (1, 0, 0), "{uploads}");
        assert_eq!(cut.row, Some(cut.planned), "{uploads}");
    }
}

#[test]
fn e5_an_earlier_entry_keeps_the_keys_that_others_gave_it() {
    let mut cut = CutOff::new();
    cut.row = cut.row.map(|row| row.replacen("{\"url\"", "{\"alt\": \"x\", \"url\"", 1));
    cut.sent_anew("b");
    let mut row = cut.row.clone();
    cut.history.row(cut.run, Step::UpdateRow(cut.plan), &mut row);
    cut.row = row;
    assert_eq!(cut.file().as_deref(), Some("b"));
    cut.history.finish(cut.run, Ending::Done);
    cut.back();
    assert_eq!(cut.row, Some(cut.planned.replacen("{\"url\"", "{\"alt\": \"x\", \"url\"", 1)));
}

#[test]
fn e5_a_row_is_put_back_before_its_image_is_told_as_failed_or_skipped() {
    for (kind, name, mark) in
        [(NotFound, "failed", Mark::Failed(NotFound)), (InvalidImage, "skipped", Mark::Skipped(InvalidImage))]
    {
        for is_sent_once_more in [false, true] {
            let mut cut = CutOff::new();
            if is_sent_once_more {
                cut.sent_anew("b");
                cut.resume();
            }
            let events = cut.given_up(kind);
            assert_eq!(cut.row.as_ref(), Some(&cut.planned), "{kind}");
            let [Event::Failed(e) | Event::Skipped(e)] = &events[..] else { panic!("{events:?}") };
            assert_eq!((events[0].name(), e.step, e.error_type), (name, StepName::Upload, kind));
            assert_eq!(
                e.message,
                format!(
                    "it was {kind}; its row, updated without an event, named the file a, and has the entry from before again"
                )
            );
            let of = cut.history.state.image(image(cut.plan, 0)).unwrap();
            assert_eq!((of.rung, of.mark), (Rung::Uploaded, Some(mark)));
            cut.history.finish(cut.run, Ending::Done);
            let events = cut.back();
            let Some(Event::RolledBack(e)) = events.last() else { panic!("{events:?}") };
            assert_eq!((e.edits.len(), e.held.len(), e.left.len()), (0, 1, 0));
            assert_eq!(cut.row, Some(cut.planned));
        }
    }
}

#[test]
fn e5_a_row_that_has_its_own_entry_already_is_left_and_nothing_is_said_of_it() {
    for row in [Some(array(&["7", &external(URL), "{\"theirs\": 1.0}"])), None, Some("{}".to_owned())] {
        let mut cut = CutOff::new();
        cut.row.clone_from(&row);
        let events = cut.given_up(NotFound);
        let [Event::Failed(e)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((e.message.as_str(), &cut.row), ("it was not_found", &row));
    }
}

/// Another ledger adopted the file and completed the entry, which has the same file and another time then; or somebody changed
/// another key of ours.
#[test]
fn e5_an_entry_that_others_changed_is_left_and_told() {
    for (from, to) in [("uploaded_at\": \"2", "uploaded_at\": \"1"), ("\"completed\"", "\"broken\"")] {
        let mut cut = CutOff::new();
        let row = cut.row.take().unwrap();
        let theirs = row.replacen(from, to, 1);
        assert_ne!(row, theirs);
        cut.row = Some(theirs.clone());
        let events = cut.given_up(NotFound);
        let [Event::Failed(e)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(
            e.message,
            "it was not_found; its row was changed by others and is left, naming the file a"
        );
        assert_eq!(cut.row, Some(theirs));
    }
}

/// One goes back, and the other is nobody's that this ledger knows.
#[test]
fn e5_an_entry_that_others_doubled_is_told_beside_the_one_that_is_put_back() {
    let mut cut = CutOff::new();
    let row = cut.row.take().unwrap();
    let elements: Vec<String> = Array::parse(&row).unwrap().elements().map(str::to_owned).collect();
    let [seven, entry, theirs] = &elements[..] else { panic!("{row}") };
    cut.row = Some(array(&[seven, entry, entry, theirs]));
    let events = cut.given_up(NotFound);
    let [Event::Failed(e)] = &events[..] else { panic!("{events:?}") };
    assert!(
        e.message.ends_with("has the entry from before again; another entry of it names that file still"),
        "{}",
        e.message
    );
    assert_eq!(cut.file().as_deref(), Some("a"));
}

#[test]
fn e5_a_row_that_cannot_be_looked_at_pauses_the_run_or_can_be_tried_again() {
    let cut = CutOff::new();
    let order = cut.put_back(InvalidImage);
    for (of, reason) in [
        (Trouble { outage: true, ..trouble(CatalogError) }, PauseReason::Outage),
        (trouble(Unauthorized), PauseReason::Unauthorized),
    ] {
        let Verdict::Pause(paused) = decide(&order, Outcome::Trouble(of)) else { panic!() };
        assert_eq!(paused.reason, reason);
        assert!(!paused.advice.contains("IMAGEKIT"), "{}", paused.advice);
    }
    let Verdict::Events(events) = decide(&order, Outcome::Trouble(trouble(CatalogError))) else { panic!() };
    let [Event::Failed(e)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((e.step, e.error_type, e.passing), (StepName::UpdateRow, CatalogError, true));
    assert_eq!(
        e.message,
        "it was invalid_image; its row could not be looked at or put back: it was catalog_error"
    );
}

/// The late write of a run that was closed meets the plan of the next one.
#[test]
fn e5_what_an_older_run_of_this_ledger_made_of_the_row_is_known() {
    for is_completed in [true, false] {
        let planned = array(&[&external(URL)]);
        let mut history = History::new();
        let (first, plans) = history.forward(&[&planned]);
        history.upload(first, image(plans[0], 0), "a");
        let Order::UpdateRow(late) = history.order(first, Step::UpdateRow(plans[0])) else { panic!() };
        history.finish(first, Ending::Closed);
        let (run, plans) = history.forward(&[&planned]);
        let mut row = Some(planned.clone());
        perform_row(&late, &mut row);
        history.upload(run, image(plans[0], 0), "b");
        let mut cut = CutOff { history, run, plan: plans[0], planned, row };
        if is_completed {
            let mut row = cut.row.clone();
            let events = cut.history.row(run, Step::UpdateRow(cut.plan), &mut row);
            cut.row = row;
            assert!(
                matches!(&events[..], [Event::DbUpdated(e)] if e.array_before.as_ref() == Some(&cut.planned))
            );
            assert_eq!(cut.file().as_deref(), Some("b"));
        } else {
            cut.resume();
            cut.given_up(NotFound);
            assert_eq!(cut.row.as_ref(), Some(&cut.planned));
        }
        cut.history.finish(run, Ending::Done);
        cut.back();
        assert_eq!(cut.row, Some(cut.planned));
    }
}
