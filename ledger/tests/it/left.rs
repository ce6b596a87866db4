//! What a person leaves while its row may have been updated without an event (requirements C17, E5): the row is put back
//! first; and no run is taken back below an unfinished one that may be in the same rows (C6).

use ledger::decide::{self, Outcome, Row};
use ledger::event::*;
use ledger::ids::{ImageId, RunId, Seq};
use ledger::order::{Order, RowWork, leave};
use ledger::plan::{Step, in_the_way, is_taken_over, untold};
use ledger::state::Rung;
use ledger::trouble::TroubleKind::{CatalogError, InvalidImage, NotFound};

use crate::support::*;

/// Puts the row of images of one plan back; what is told of it.
fn put_back(history: &History, images: &[ImageId], row: &mut Option<String>) -> Vec<(ImageId, String)> {
    let left = what_is_left(history, images, row);
    assert!(left.iter().all(|(_, row)| row.is_put_back), "nobody else changed it: {left:?}");
    left.into_iter().map(|(image, row)| (image, row.told)).collect()
}

fn what_is_left(
    history: &History,
    images: &[ImageId],
    row: &mut Option<String>,
) -> Vec<(ImageId, decide::RowLeft)> {
    let order = leave(&history.state, history, images).unwrap();
    let Outcome::Row(row) = perform_row(&order, row) else { panic!() };
    decide::left(&order, row)
}

fn close(history: &mut History, run: RunId, images: &[ImageId]) {
    for image in images {
        let (venue, reason) = (history.state.plan(image.planned).unwrap().venue, "no".to_owned());
        let closed = Closed { venue, image: Some(*image), reason, operator: operator() };
        history.add(Some(run), Event::Closed(closed));
    }
}

/// The row of a plan is written, and nobody writes that down.
fn write_untold(history: &History, run: RunId, planned: Seq, row: &mut Option<String>) {
    let Order::UpdateRow(order) = history.order(run, Step::UpdateRow(planned)) else { panic!() };
    assert!(matches!(perform_row(&order, row), Outcome::Row(Row { seen: decide::Seen::Written { .. }, .. })));
}

fn resume(history: &mut History, run: RunId) {
    let options = history.state.run(run).unwrap().options().clone();
    history.add(Some(run), resumed(options));
}

#[test]
fn c17_what_is_left_is_put_back_alone_whichever_upload_its_row_has() {
    for uploads in 0..3 {
        let before = array(&["7", &external("a"), "{\"theirs\": 1.0}", &external("b")]);
        let mut history = History::new();
        let (run, plans) = history.forward(&[&before]);
        let (a, b) = (image(plans[0], 0), image(plans[0], 1));
        history.upload(run, a, "a");
        history.upload(run, b, "b");
        let mut row = Some(before.clone());
        write_untold(&history, run, plans[0], &mut row);
        for name in &["c", "d"][..uploads] {
            resume(&mut history, run);
            history.turn(run, Step::Upload(a), stored(name));
        }
        assert_eq!(untold(&history.state, &[a]), [[a]]);
        let told = put_back(&history, &[a], &mut row);
        let words =
            "its row, updated without an event, named the file a, and has the entry from before again";
        assert_eq!(told, [(a, words.to_owned())], "{uploads}");
        let held = row.clone().unwrap();
        assert!(held.contains(&external("a")) && !held.contains(&external("b")), "{held}");
        close(&mut history, run, &[a]);
        // The other one goes on, and is found done.
        resume(&mut history, run);
        history.turn(run, Step::Upload(b), stored("b"));
        let events = history.row(run, Step::UpdateRow(plans[0]), &mut row);
        let [Event::DbUpdated(e)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((e.found_done, &e.array_before), (true, &Some(before.clone())));
        history.finish(run, Ending::Done);
        let (back, plan) = history.back(1, row.as_deref(), vec![a, b]);
        history.row(back, Step::RestoreRow(plan), &mut row);
        assert_eq!(row, Some(before));
    }
}

#[test]
fn c17_a_row_that_has_nothing_untold_is_not_written() {
    let before = array(&[&external("a")]);
    let edited = before.replace("external", "hidden");
    for row in [Some(before.clone()), Some(edited), Some("{}".to_owned()), None] {
        let mut history = History::new();
        let (run, plans) = history.forward(&[&before]);
        history.upload(run, image(plans[0], 0), "a");
        let mut held = row.clone();
        assert_eq!(put_back(&history, &[image(plans[0], 0)], &mut held), []);
        assert_eq!(held, row);
    }
}

#[test]
fn c17_an_entry_that_a_populate_appended_is_taken_out_again() {
    for home in [None, Some("[]"), Some("[ 7 ,\n {\"theirs\": 1.0} ]")] {
        for is_one_left in [false, true] {
            let mut history = History::new();
            let run = history.start(Verb::Populate, Scope::Everywhere);
            let entries = vec![external("a"), external("b")];
            let work = Work::Add(Addition { entries, left_out: Vec::new() });
            let plan = history.plan(run, planned(1, home, work));
            history.planning_done(run);
            let mut row = home.map(str::to_owned);
            write_untold(&history, run, plan, &mut row);
            let (a, b) = (image(plan, 0), image(plan, 1));
            let left = if is_one_left { vec![a] } else { vec![a, b] };
            assert_eq!(untold(&history.state, &left), [&left[..]]);
            let order = leave(&history.state, &history, &left).unwrap();
            assert!(matches!(order.work, RowWork::Remove { .. }));
            let told = put_back(&history, &left, &mut row);
            assert_eq!(told.len(), left.len());
            assert!(told[0].1.ends_with("had its entry, and has it no more"), "{told:?}");
            close(&mut history, run, &left);
            if is_one_left {
                assert!(!row.clone().unwrap().contains(&external("a")), "{row:?}");
                history.row(run, Step::UpdateRow(plan), &mut row);
                assert_eq!(history.state.image(b).unwrap().rung, Rung::DbUpdated);
            } else {
                assert_eq!(row.as_deref(), home);
            }
        }
    }
}

#[test]
fn c17_what_others_changed_or_doubled_in_a_row_is_told() {
    let mut history = History::new();
    let (run, plans) = history.forward(&[&array(&[&external("a")])]);
    let a = image(plans[0], 0);
    history.upload(run, a, "a");
    let mut row = Some(array(&[&external("a")]));
    write_untold(&history, run, plans[0], &mut row);
    let written = row.clone().unwrap();

    let changed = written.replace("\"completed\"", "\"reviewed\"");
    let mut row = Some(changed.clone());
    let [(_, left)] = &what_is_left(&history, &[a], &mut row)[..] else { panic!() };
    let told = "its row was changed by others and is left, naming the file a";
    assert_eq!((left.is_put_back, &left.told[..], row), (false, told, Some(changed)));

    let entry = written.trim_start_matches('[').trim_end_matches(']');
    let mut row = Some(array(&[entry, entry]));
    let [(_, left)] = &what_is_left(&history, &[a], &mut row)[..] else { panic!() };
    assert!(left.is_put_back && left.told.ends_with("another entry of it names that file still"), "{left:?}");
    assert!(row.clone().unwrap().contains(&external("a")), "{row:?}");
}

/// Whether an image's row is looked at, by where it stands.
#[test]
fn c17_a_row_is_looked_at_where_it_may_have_been_updated() {
    let mut history = History::new();
    let one = array(&[&external("a")]);
    let (run, plans) = history.forward(&[one.as_str(); 7]);
    let of = |venue: usize| image(plans[venue - 1], 0);
    for venue in 2..=7 {
        history.upload(run, of(venue), &format!("{venue}"));
    }
    let mut row = Some(one.clone());
    history.row(run, Step::UpdateRow(plans[2]), &mut row);
    history.turn(run, Step::UpdateRow(plans[3]), Outcome::Trouble(trouble(CatalogError)));
    history.turn(run, Step::UpdateRow(plans[4]), left(Some("[]")));
    close(&mut history, run, &[of(6)]);
    let stopped = Stopped {
        venue: history.state.plan(of(7).planned).unwrap().venue,
        image: Some(of(7)),
        step: StepName::Upload,
        error_type: InvalidImage,
        message: String::new(),
        attempts: 1,
        passing: false,
        file_id: None,
    };
    history.add(Some(run), Event::Skipped(stopped));
    history.turn(run, Step::Download(of(1)), Outcome::Trouble(trouble(NotFound)));
    let looked = untold(&history.state, &(1..=7).map(of).collect::<Vec<_>>());
    // The newest first: what failed on its way into the row, was skipped by the program, or waits for its row.
    assert_eq!(looked, [[of(7)], [of(4)], [of(2)]]);
}

#[test]
fn c6_an_unfinished_run_that_may_be_in_the_rows_of_another_is_in_its_way() {
    let (a, b) = (external("a"), external("b"));
    let mut history = History::new();
    let (first, plans) = history.forward(&[&array(&[&a])]);
    history.upload(first, image(plans[0], 0), "a");
    let mut row = Some(array(&[&a]));
    history.row(first, Step::UpdateRow(plans[0]), &mut row);
    history.finish(first, Ending::Done);
    let held = format!("{}, {b}]", row.clone().unwrap().trim_end_matches(']'));
    let second = history.start(Verb::Migrate, Scope::Country(country("PL")));
    let plan = history.plan(second, planned(1, Some(&held), Work::Move(vec![b])));
    history.planning_done(second);
    let scope = Scope::Run(first);
    // Nothing of it is on the CDN yet, so that no row can have it.
    assert!(in_the_way(&history.state, &scope).is_empty());
    history.upload(second, image(plan, 0), "b");
    assert!(in_the_way(&history.state, &scope).into_iter().eq([second]));
    // A place is taken back with all that is in it, and a run is not in its own way.
    assert!(in_the_way(&history.state, &Scope::Country(country("PL"))).is_empty());
    assert!(in_the_way(&history.state, &Scope::Run(second)).is_empty());
    assert!(is_taken_over(&history.state, second, &Scope::Run(second)));
    let mut row = Some(held);
    history.row(second, Step::UpdateRow(plan), &mut row);
    assert!(in_the_way(&history.state, &scope).is_empty());
}
