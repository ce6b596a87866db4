//! Runs that overlap: a rollback of a part of what another run holds, of one of two runs over the same venue, of a
//! venue that has moved meanwhile.

use std::sync::Arc;

use ledger::event::{Country, Ending, Event, Scope};
use ledger::ids::{RunId, VenueId};
use longshore::runner::{End, Moment, RunError};

use crate::support::stage::{How, Kind, Stage};

fn done(end: Result<End, RunError>) -> ledger::event::Tally {
    match end {
        Ok(End::Finished(Ending::Done, tally)) => tally,
        other => panic!("{other:?}"),
    }
}

fn venue(id: i64) -> Scope {
    let country = Some(Country { code: "PL".into(), name: "Poland".into(), slug: None });
    Scope::Venue { venue: VenueId(id), country }
}

fn two_venues() -> Stage {
    let stage = Stage::new(Kind::Sqlite);
    for id in [1, 2] {
        let entry = stage.external(&format!("/{id}.jpg"), &id.to_string());
        stage.venue(id, &format!("pub-{id}"), 1, &format!("[{entry}]"));
    }
    stage
}

#[test]
fn c6_a_wider_run_is_not_resumed_over_a_rollback_of_a_part() {
    let stage = two_venues();
    let before = stage.rows();
    let probe = |moment| matches!(moment, Moment::BeforeEffect(_));
    let dead = How { probe: Some(Arc::new(probe)), concurrency: 1, ..How::default() };
    assert!(matches!(stage.migrate(&dead), Err(RunError::Died)));
    let back = done(stage.rollback(&How { scope: venue(2), ..How::default() }));
    assert_eq!((back.venues, back.images), (1, 0), "it takes the venue over, though nothing of it was done");
    let on = done(stage.resume(&How::default()));
    assert_eq!((on.done, on.open), (1, 1));
    assert_eq!(stage.rows()[&2], before[&2]);
    assert_ne!(stage.rows()[&1], before[&1]);
}

#[test]
fn c6_a_rollback_of_one_run_leaves_the_work_of_another() {
    let stage = two_venues();
    stage.sql(
        "CREATE TRIGGER no BEFORE UPDATE ON venues WHEN OLD.id = 1 BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    assert_eq!(done(stage.migrate(&How::default())).failed, 1);
    stage.sql("DROP TRIGGER no");
    let ledger = stage.verified();
    let first: RunId = ledger.state().runs().next().unwrap().0;
    assert_eq!(done(stage.migrate(&How::default())).done, 1);
    let migrated = stage.rows();
    let back = done(stage.rollback(&How { scope: Scope::Run(first), ..How::default() }));
    // Nothing of the first run is in that row, which nobody else has changed.
    assert_eq!((back.done, back.drifted), (2, 0), "the venue that the second run moved is left to it");
    assert_eq!(stage.rows()[&1], migrated[&1]);
    assert_ne!(stage.rows()[&2], migrated[&2]);
}

#[test]
fn e6_a_venue_that_has_moved_is_claimed_where_it_is_now() {
    let stage = two_venues();
    stage.sql("UPDATE venues SET city_id = 2 WHERE id = 1");
    assert_eq!(done(stage.migrate(&How { scope: venue(1), ..How::default() })).done, 1);
    let mut planned = None;
    let look = |(_, record): ledger::event::Placed| {
        if let Event::Planned(event) = record.event {
            planned = event.country.map(|country| country.code);
        }
        Ok::<_, ledger::store::LedgerError>(())
    };
    stage.verified().events(ledger::ids::Seq(1), look).unwrap();
    assert_eq!(planned.as_deref(), Some("DE"));
}

#[test]
fn c6_a_run_cut_off_while_planning_passes_by_what_was_rolled_back_since() {
    let stage = two_venues();
    let dead = How { probe: Some(Arc::new(|moment| moment == Moment::AfterAppend)), ..How::default() };
    assert!(matches!(stage.migrate(&dead), Err(RunError::Died)));
    let city = ledger::event::City { id: 1, name: "Kraków".into(), slug: None };
    let country = Some(Country { code: "PL".into(), name: "Poland".into(), slug: None });
    done(stage.rollback(&How { scope: Scope::City { city, country }, ..How::default() }));
    let entry = stage.external("/3.jpg", "3");
    stage.venue(3, "pub-3", 1, &format!("[{entry}]"));
    let before = stage.rows();
    let on = done(stage.resume(&How::default()));
    assert_eq!((on.done, on.venues), (0, 2), "the third venue lies where a rollback was");
    assert_eq!(stage.rows(), before);
}
