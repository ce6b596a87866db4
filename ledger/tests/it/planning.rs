//! What a plan's next steps are, by a table written by hand, and what an agenda makes of them.

use ledger::decide::Outcome;
use ledger::event::{Closed, Ending, Event, Scope, Verb, Work};
use ledger::ids::{RunId, Seq, VenueId};
use ledger::plan::{Agenda, Step, plan};
use ledger::state::{Mark, Rung};
use ledger::trouble::TroubleKind::{CatalogError, InvalidImage, NotFound, Rejected};

use crate::support::*;

/// Where one image can stand, and what it wants: a letter for each step, `-` for none. A row update is wanted by an
/// image on the CDN; it comes when no image of the venue wants anything else.
const TABLE: [(&str, char); 12] = [
    ("planned", 'D'),
    ("planned failed", '-'),
    ("planned skipped", '-'),
    ("planned closed", '-'),
    ("downloaded", 'U'),
    ("downloaded failed", '-'),
    ("downloaded closed", '-'),
    ("uploaded", 'R'),
    ("uploaded failed", '-'),
    ("uploaded drifted", '-'),
    ("uploaded closed", '-'),
    ("db_updated", '-'),
];

/// Brings an image where a line of the table has it.
fn bring(history: &mut History, run: RunId, planned: Seq, index: u32, line: &str) {
    let id = image(planned, index);
    let name = format!("f{index}");
    let mut words = line.split(' ');
    let (rung, mark) = (words.next().unwrap(), words.next());
    if rung != "planned" {
        history.turn(run, Step::Download(id), fetched(&name));
    }
    if matches!(rung, "uploaded" | "db_updated") {
        history.turn(run, Step::Upload(id), stored(&name));
    }
    let event = |history: &History, outcome| {
        let events = history.decide(run, Step::UpdateRow(planned), outcome);
        let of_it = |event: &Event| match event {
            Event::Failed(e) => e.image == Some(id),
            Event::Drifted(e) => e.image == id,
            _ => false,
        };
        events.into_iter().find(of_it).unwrap()
    };
    let event = match (rung, mark) {
        (_, Some("closed")) => {
            let (venue, reason) = (VenueId(1), "the pub asked".to_owned());
            Event::Closed(Closed { venue, image: Some(id), reason, operator: operator() })
        }
        ("uploaded", Some("failed")) => event(history, Outcome::Trouble(trouble(CatalogError))),
        ("uploaded", Some("drifted")) => event(history, left(Some("[]"))),
        ("planned", Some(mark)) => {
            let kind = if mark == "failed" { NotFound } else { InvalidImage };
            history.decide(run, Step::Download(id), Outcome::Trouble(trouble(kind))).remove(0)
        }
        ("downloaded", Some(_)) => {
            history.decide(run, Step::Upload(id), Outcome::Trouble(trouble(Rejected))).remove(0)
        }
        ("db_updated", _) => {
            let order = match history.order(run, Step::UpdateRow(planned)) {
                ledger::order::Order::UpdateRow(order) => order,
                other => panic!("{other:?}"),
            };
            let outcome = perform_row(&order, &mut order.array.clone());
            let mut events = history.decide(run, Step::UpdateRow(planned), outcome);
            let Event::DbUpdated(mut e) = events.remove(0) else { panic!("{events:?}") };
            e.edits.retain(|edit| edit.image == id);
            Event::DbUpdated(e)
        }
        _ => return,
    };
    history.add(Some(run), event);
}

#[test]
fn c15_a_row_that_was_given_up_is_due_again() {
    let mut history = History::new();
    let entry = external("https://o/a.jpg");
    let (run, plans) = history.forward(&[&array(&[&entry])]);
    history.upload(run, image(plans[0], 0), "a");
    let row = Step::UpdateRow(plans[0]);
    let mut agenda = Agenda::new(run);
    for _ in 0..2 {
        assert_eq!(agenda.take(&history.state), Some(row));
        assert_eq!(agenda.take(&history.state), None, "it is in the air once");
        agenda.settle(&history.state, row, None);
    }
    history.row(run, row, &mut Some(array(&[&entry])));
    history.finish(run, Ending::Done);
    let images = vec![image(plans[0], 0)];
    let (run, plan) = history.back(1, None, images);
    let mut agenda = Agenda::new(run);
    for _ in 0..2 {
        assert_eq!(agenda.take(&history.state), Some(Step::RestoreRow(plan)));
        agenda.settle(&history.state, Step::RestoreRow(plan), None);
    }
}

#[test]
fn the_decision_table_by_hand_over_every_three_neighbours() {
    let entries = ["https://o/a.jpg", "https://o/b.jpg", "https://o/c.jpg"].map(external);
    let mut start = History::new();
    let (run, plans) = start.forward(&[&array(&[&entries[0], &entries[1], &entries[2]])]);
    let planned = plans[0];
    for a in TABLE {
        let mut with_a = start.clone();
        bring(&mut with_a, run, planned, 0, a.0);
        for b in TABLE {
            let mut with_b = with_a.clone();
            bring(&mut with_b, run, planned, 1, b.0);
            for c in TABLE {
                let mut history = with_b.clone();
                bring(&mut history, run, planned, 2, c.0);
                let mut expected = Vec::new();
                for (index, (_, wants)) in (0..).zip([a, b, c]) {
                    match wants {
                        'D' => expected.push(Step::Download(image(planned, index))),
                        'U' => expected.push(Step::Upload(image(planned, index))),
                        _ => {}
                    }
                }
                if expected.is_empty() && [a, b, c].iter().any(|(_, wants)| *wants == 'R') {
                    expected.push(Step::UpdateRow(planned));
                }
                let found = plan(&history.state, planned);
                assert_eq!(found, expected, "{} · {} · {}", a.0, b.0, c.0);
                assert_eq!(
                    history.state.is_over(planned),
                    expected.is_empty(),
                    "{} · {} · {}",
                    a.0,
                    b.0,
                    c.0
                );
            }
        }
    }
}

#[test]
fn the_table_brings_images_where_it_says() {
    for (line, _) in TABLE {
        let mut history = History::new();
        let (run, plans) = history.forward(&[&array(&[&external("https://o/a.jpg")])]);
        bring(&mut history, run, plans[0], 0, line);
        let image = history.state.image(image(plans[0], 0)).unwrap();
        let rung = match image.rung {
            Rung::Planned => "planned",
            Rung::Downloaded => "downloaded",
            Rung::Uploaded => "uploaded",
            Rung::DbUpdated => "db_updated",
            Rung::RolledBack => "rolled_back",
        };
        let mark = match image.mark {
            None => "",
            Some(Mark::Failed(_)) => " failed",
            Some(Mark::Skipped(_)) => " skipped",
            Some(Mark::Drifted) => " drifted",
            Some(Mark::Closed) => " closed",
        };
        assert_eq!(format!("{rung}{mark}"), line);
    }
}

#[test]
fn c6_a_venue_is_restored_in_one_step_and_once() {
    let row = array(&[&external("https://o/a.jpg")]);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&row]);
    history.upload(run, image(plans[0], 0), "a");
    history.finish(run, Ending::Closed);
    let (run, visit) = history.back(1, Some(&row), vec![image(plans[0], 0)]);
    let steps = |history: &History| plan(&history.state, visit);
    assert_eq!(steps(&history), [Step::RestoreRow(visit)]);
    assert!(!history.state.is_over(visit));
    let mut failed = history.clone();
    failed.turn(run, Step::RestoreRow(visit), Outcome::Trouble(trouble(CatalogError)));
    history.row(run, Step::RestoreRow(visit), &mut Some(row));
    for history in [history, failed] {
        assert_eq!(steps(&history), []);
        assert!(history.state.is_over(visit));
    }
}

fn downloaded_twins() -> (History, RunId, Seq) {
    let twin = external("https://o/a.jpg");
    let mut history = History::new();
    let (run, plans) = history.forward(&[&array(&[&twin, &twin, &twin])]);
    for index in 0..3 {
        history.turn(run, Step::Download(image(plans[0], index)), fetched("same"));
    }
    (history, run, plans[0])
}

#[test]
fn uploads_of_one_path_come_one_after_the_other() {
    let (mut history, run, planned) = downloaded_twins();
    let mut agenda = Agenda::new(run);
    for index in 0..3 {
        let step = agenda.take(&history.state).unwrap();
        assert_eq!(step, Step::Upload(image(planned, index)));
        assert_eq!(agenda.take(&history.state), None);
        let path = ledger::plan::upload_path(&history.state, step);
        history.turn(run, step, stored("same"));
        agenda.settle(&history.state, step, path);
    }
    assert_eq!(agenda.take(&history.state), Some(Step::UpdateRow(planned)));
    assert_eq!(agenda.take(&history.state), None);
}

#[test]
fn a_row_comes_once_though_its_last_images_settle_together() {
    let entries = ["https://o/a.jpg", "https://o/b.jpg"].map(external);
    let mut history = History::new();
    let (run, plans) = history.forward(&[&array(&[&entries[0], &entries[1]])]);
    for index in 0..2 {
        history.turn(run, Step::Download(image(plans[0], index)), fetched(&format!("{index}")));
    }
    let mut agenda = Agenda::new(run);
    let steps = [agenda.take(&history.state).unwrap(), agenda.take(&history.state).unwrap()];
    let paths = steps.map(|step| ledger::plan::upload_path(&history.state, step));
    for (index, step) in steps.into_iter().enumerate() {
        history.turn(run, step, stored(&format!("f{index}")));
    }
    for (step, path) in steps.into_iter().zip(paths) {
        agenda.settle(&history.state, step, path);
    }
    assert_eq!(agenda.take(&history.state), Some(Step::UpdateRow(plans[0])));
    assert_eq!((agenda.take(&history.state), agenda.in_air()), (None, 1));
}

#[test]
fn c5_an_older_runs_agenda_passes_by_what_a_later_run_named() {
    let rows = ["https://o/a.jpg", "https://o/b.jpg"].map(|url| array(&[&external(url)]));
    let mut history = History::new();
    let (older, plans) = history.forward(&[&rows[0], &rows[1]]);
    let later = history.start(Verb::Rollback, venue_scope(1, "PL"));
    history.plan(later, planned(1, None, Work::TakeBack(Vec::new())));
    history.planning_done(later);
    let mut agenda = Agenda::new(older);
    assert_eq!(agenda.take(&history.state), Some(Step::Download(image(plans[1], 0))));
    assert_eq!(agenda.take(&history.state), None);
    assert_eq!(history.state.run(older).unwrap().started.scope, Scope::Country(country("PL")));
}
