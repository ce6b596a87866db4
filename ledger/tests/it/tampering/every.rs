//! A history that has every kind of event, and is as short as that allows.

use ledger::decide::Outcome;
use ledger::event::*;
use ledger::ids::{Seq, VenueId};
use ledger::plan::{Step, take_backs};
use ledger::trouble::TroubleKind;

use crate::support::*;

fn entry(name: &str) -> String {
    format!(r#"{{"url":"{name}","upload_status":"external","source":"trivia_advisor_migration"}}"#)
}

/// A venue with an image for each fate: one is moved, one cannot be fetched, one is no image, and one is changed by others.
pub fn every_event() -> History {
    let mut history = History::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(entry);
    let (run, plans) = history.forward(&[&array(&[&a, &b, &c, &d])]);
    let image = |index| image(plans[0], index);
    history.upload(run, image(0), "a");
    history.turn(run, Step::Download(image(1)), Outcome::Trouble(trouble(TroubleKind::NotFound)));
    history.turn(run, Step::Download(image(2)), Outcome::Trouble(trouble(TroubleKind::InvalidImage)));
    history.upload(run, image(3), "d");
    let waited = Waited { part: Part::Origin, reason: WaitReason::Outage, times: 1, ms: 1_200 };
    history.add(Some(run), Event::Waited(waited));
    let (reason, message) = (PauseReason::Interrupted, "it was interrupted".to_owned());
    let paused = Paused { reason, message: message.clone(), advice: "`longshore resume` goes on".into() };
    history.add(Some(run), Event::Paused(paused));
    history.add(Some(run), Event::Alerted(Alerted { about: AlertAbout::Paused, message }));
    history.add(Some(run), resumed(options()));
    let (setting, from, to) = ("concurrency".to_owned(), "4".to_owned(), "2".to_owned());
    history.add(Some(run), Event::Adjusted(Adjusted { setting, from, to, operator: operator() }));
    for (index, name) in [(0, "a"), (3, "d")] {
        let file_id = name.parse().unwrap();
        history
            .add(Some(run), Event::Confirmed(Confirmed { image: image(index), file_id, ms: 3, attempts: 1 }));
    }
    let mut row = Some(array(&[&a, &b, &c, &d.replace("external", "deleted")]));
    history.row(run, Step::UpdateRow(plans[0]), &mut row);
    let reason = "the pub has closed".into();
    let closed = Closed { venue: VenueId(1), image: Some(image(1)), reason, operator: operator() };
    history.add(Some(run), Event::Closed(closed));
    history.finish(run, Ending::Done);

    let scope = Scope::Run(run);
    let mut images = take_backs(&history.state, &scope).remove(&VenueId(1)).unwrap();
    images.retain(|id| id.index == 0);
    let back = history.start(Verb::Rollback, scope);
    let visit = history.plan(back, planned(1, row.as_deref(), Work::TakeBack(images)));
    history.planning_done(back);
    history.row(back, Step::RestoreRow(visit), &mut row);
    let uploaded = history.records.iter().find_map(|record| match &record.event {
        Event::Uploaded(uploaded) => Some(uploaded.clone()),
        _ => None,
    });
    let Uploaded { path, file_id, .. } = uploaded.unwrap();
    let (why, tables_skipped) = ("rolled back".into(), Vec::new());
    history.add(
        Some(back),
        Event::CdnDeleted(CdnDeleted { path, file_id, why, operator: None, tables_skipped }),
    );
    let checkpoint = history.state.checkpoint();
    history.add(Some(back), Event::Checkpoint(checkpoint));
    history.finish(back, Ending::Done);
    history
}

#[test]
fn the_ledger_that_is_altered_has_every_kind_of_event() {
    let found: std::collections::BTreeSet<&str> =
        every_event().records.iter().map(|record| record.event.name()).collect();
    assert_eq!(found, std::collections::BTreeSet::from(Event::NAMES));
    assert_eq!(every_event().state.last(), Seq(every_event().records.len() as u64));
}
