//! Several entries with one URL: each image stands for one of them, in reports and exports too.

use ledger::decide::Outcome;
use ledger::event::{Ending, Scope};
use ledger::ids::{ImageId, RunId, Seq, VenueId};
use ledger::images::{Array, Entry};
use ledger::plan::Step;
use ledger::report::{Migrated, Trail, standing, unaccounted};
use ledger::state::{Aim, Rung, State};
use ledger::trouble::TroubleKind::NotFound;
use proptest::prelude::*;

use crate::model::{World, stories};
use crate::properties::config;
use crate::support::*;

const URL: &str = "https://o/twin.jpg";

fn is_current(history: &History, id: ImageId) -> bool {
    history.state.image(id).unwrap().is_current
}

/// Two entries with one URL, of which the second is in the row and the first has failed.
fn one_of_two() -> (History, [ImageId; 2], Option<String>) {
    let mut history = History::new();
    let held = array(&[&external(URL), "7", &external(URL)]);
    let (run, plans) = history.forward(&[&held]);
    let [failed, done] = [0, 1].map(|index| image(plans[0], index));
    history.turn(run, Step::Download(failed), Outcome::Trouble(trouble(NotFound)));
    history.upload(run, done, "twin");
    let mut row = Some(held);
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    history.finish(run, Ending::Done);
    (history, [failed, done], row)
}

/// Plans what can be moved in the row, and moves it.
fn again(history: &mut History, row: &mut Option<String>) -> (RunId, Seq) {
    let (run, plans) = history.forward(&[row.as_deref().unwrap()]);
    for index in 0..history.state.plan(plans[0]).unwrap().images.len() {
        history.upload(run, image(plans[0], index as u32), "twin");
    }
    history.row(run, Step::UpdateRow(plans[0]), row);
    history.finish(run, Ending::Done);
    (run, plans[0])
}

fn rollback_data(history: &History) -> (u64, String) {
    let mut trail = Trail::new(&history.state, Scope::Everywhere);
    (1..).map(Seq).zip(history.records.iter().cloned()).for_each(|placed| trail.take(&placed));
    let migrated = Migrated::new(&history.state, &Scope::Everywhere);
    let images = migrated.head(history).unwrap().total_images;
    let venue = migrated.venue(history, &trail, VenueId(1)).unwrap().unwrap();
    (images, venue.images_before_phase2.get().to_owned())
}

#[test]
fn c11_a_twin_that_is_planned_again_alone_leaves_the_other_what_it_is() {
    let (mut history, [failed, done], mut row) = one_of_two();
    let (_, plan) = again(&mut history, &mut row);
    assert_eq!([failed, done].map(|id| is_current(&history, id)), [false, true]);
    assert!(is_current(&history, image(plan, 0)));
    let total = standing(&history.state).total;
    assert_eq!((total.completed, total.images()), (2, 2));
    let (images, before) = rollback_data(&history);
    assert_eq!((images, before), (2, array(&[&external(URL), "7", &external(URL)])));
    assert_eq!(unaccounted(&history.state, &history).unwrap(), []);
}

#[test]
fn c11_a_twin_that_others_add_later_takes_no_one_s_place() {
    let mut history = History::new();
    let held = array(&[&external(URL)]);
    let mut row = Some(held);
    let (_, first) = again(&mut history, &mut row);
    let more = format!("{}, {}]", row.unwrap().strip_suffix(']').unwrap(), external(URL));
    let mut row = Some(more);
    let (_, second) = again(&mut history, &mut row);
    assert!(is_current(&history, image(first, 0)) && is_current(&history, image(second, 0)));
    assert_eq!(standing(&history.state).total.completed, 2);
    assert_eq!(unaccounted(&history.state, &history).unwrap(), []);
}

#[test]
fn c11_what_others_put_back_and_is_planned_again_speaks_for_itself_alone() {
    let (mut history, [failed, done], _) = one_of_two();
    // Both entries are as they were first: nothing of the image that was in the row is left there.
    let mut row = Some(array(&[&external(URL), "7", &external(URL)]));
    let (_, plan) = again(&mut history, &mut row);
    assert_eq!([failed, done].map(|id| is_current(&history, id)), [false, false]);
    let total = standing(&history.state).total;
    assert_eq!((total.completed, total.images()), (2, 2), "{plan}");
    assert_eq!(unaccounted(&history.state, &history).unwrap(), []);
}

#[test]
fn c8_twins_that_were_rolled_back_are_taken_up_one_by_one() {
    let (mut history, [failed, done], mut row) = one_of_two();
    let (back, plan) = history.back(1, row.as_deref(), vec![done]);
    history.row(back, Step::RestoreRow(plan), &mut row);
    history.finish(back, Ending::Done);
    // Others take one of the two out of the row: what was rolled back is not the one that is left to be moved.
    let mut row = Some(array(&[&external(URL)]));
    again(&mut history, &mut row);
    assert_eq!([failed, done].map(|id| is_current(&history, id)), [false, true]);
    let total = standing(&history.state).total;
    assert_eq!((total.completed, total.rolled_back), (1, 1));
}

#[test]
fn c12_an_image_that_the_row_holds_and_no_report_counts_is_found() {
    let (mut history, [_, done], row) = one_of_two();
    // The state is that of a row which somebody put back as it was...
    let (_, plans) = history.forward(&[&array(&[&external(URL), "7", &external(URL)])]);
    assert!(!is_current(&history, done));
    assert_eq!(unaccounted(&history.state, &history).unwrap(), []);
    // ...while the text that was planned has the entry still.
    let at = plans[0].0 as usize - 1;
    let ledger::event::Event::Planned(planned) = &mut history.records[at].event else { panic!() };
    planned.array = row;
    let found = unaccounted(&history.state, &history).unwrap();
    assert_eq!(found.iter().map(|of| (of.venue, of.image)).collect::<Vec<_>>(), [(VenueId(1), done)]);
}

proptest! {
    // Two of one URL, of which one fails and is taken up again: many stories have none.
    #![proptest_config(ProptestConfig { cases: 1_000, ..config() })]

    /// Whatever happened: an entry in a row that names a file has an image that speaks for it.
    #[test]
    fn c11_no_entry_of_a_row_is_without_an_image_that_speaks_for_it(story in stories(true)) {
        let world = World::after(&story);
        let history = &world.history;
        prop_assert_eq!(unaccounted(&history.state, history).unwrap(), []);
        for (venue, row) in &world.rows {
            let array = row.as_deref().and_then(|row| Array::parse(row).ok());
            let entries = array.iter().flat_map(Array::elements).filter_map(Entry::parse);
            let ours = entries.filter(|entry| entry.is_completed() && entry.file_id().is_some()).count();
            prop_assert!(ours <= speaking(&history.state, *venue), "venue {}: {:?}", venue, row);
        }
    }
}

/// Images whose entry the row may hold: those on the CDN, whether what became of their row was written down or not, and
/// those in the row that speak for their pictures.
fn speaking(state: &State, venue: i64) -> usize {
    let plans = state.venue(VenueId(venue)).map_or(&[][..], |plans| plans.all());
    let forward = plans.iter().filter_map(|seq| state.plan(*seq)).filter(|plan| plan.aim == Aim::Forward);
    let speaks = |image: &&ledger::state::Image| {
        image.rung == Rung::Uploaded || (image.rung == Rung::DbUpdated && image.is_current)
    };
    forward.flat_map(|plan| &plan.images).filter(speaks).count()
}
