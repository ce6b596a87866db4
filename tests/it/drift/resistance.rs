//! Databases that do not let us: triggers and policies during a whole run.

use ledger::event::{Event, Stopped};
use ledger::trouble::TroubleKind;

use super::{events, next_seq, tally};
use crate::support::stage::{How, Kind, Stage};

const REWRITES: &str = "
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id = 1 THEN NEW.venue_images := NEW.venue_images || '[\"meddled\"]'; END IF; RETURN NEW; END $$;
CREATE TRIGGER meddle BEFORE UPDATE ON venues FOR EACH ROW EXECUTE FUNCTION meddle();";
const REWRITES_AFTERWARDS: &str = "
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id = 1 AND NEW.venue_images <> '[]' THEN UPDATE venues SET venue_images = '[]' WHERE id = 1; END IF;
    RETURN NULL; END $$;
CREATE TRIGGER meddle AFTER UPDATE ON venues FOR EACH ROW EXECUTE FUNCTION meddle();";
const SWALLOWS: &str = "
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id = 1 THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TRIGGER meddle BEFORE UPDATE ON venues FOR EACH ROW EXECUTE FUNCTION meddle();";
const RAISES: &str = "
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.id = 1 THEN RAISE EXCEPTION 'venue % is being audited', NEW.id; END IF; RETURN NEW; END $$;
CREATE TRIGGER meddle BEFORE UPDATE ON venues FOR EACH ROW EXECUTE FUNCTION meddle();";
const NO_MORE_MEDDLING: &str = "DROP TRIGGER meddle ON venues";
const CONSTRAINT: &str = "ALTER TABLE venues ADD CONSTRAINT meddle CHECK \
    (id <> 1 OR NOT venue_images @> '[{\"upload_status\": \"completed\"}]')";

const HIDES: &str = "DROP POLICY IF EXISTS change ON venues;
    CREATE POLICY change ON venues FOR UPDATE USING (id <> 1)";
const HIDES_NO_MORE: &str =
    "DROP POLICY change ON venues; CREATE POLICY change ON venues FOR UPDATE USING (true)";

const SQLITE_RAISES: &str = "CREATE TRIGGER meddle BEFORE UPDATE ON venues WHEN NEW.id = 1
    BEGIN SELECT RAISE(ABORT, 'venue 1 is being audited'); END";
const SQLITE_REWRITES: &str =
    "CREATE TRIGGER meddle AFTER UPDATE ON venues WHEN NEW.id = 1 AND NEW.venue_images <> '[]'
    BEGIN UPDATE venues SET venue_images = '[]' WHERE id = 1; END";
const SQLITE_SWALLOWS: &str = "CREATE TRIGGER meddle BEFORE UPDATE ON venues WHEN NEW.id = 1
    BEGIN SELECT RAISE(IGNORE); END";

/// The venue's images fail after three retries and its row is untouched, the next venue goes on; once the hindrance is
/// gone, a new run moves them without a second upload. Then the same hindrance to the rollback.
fn resists(kind: Kind, hinder: &str, free: &str, says: &str) {
    resists_on(&Stage::new(kind), hinder, free, says);
}

fn resists_on(stage: &Stage, hinder: &str, free: &str, says: &str) {
    let (a, b) = (stage.external("/a.jpg", "a"), stage.external("/b.jpg", "b"));
    stage.venue(1, "pub-1", 1, &format!("[{a}, {b}]"));
    stage.venue(2, "pub-2", 1, &format!("[{}]", stage.external("/c.jpg", "c")));
    let before = stage.rows();
    stage.sql(hinder);

    let from = next_seq(stage);
    let t = tally(stage.migrate(&How::default()));
    assert_eq!((t.images, t.done, t.failed, t.drifted), (3, 1, 2, 0), "{t:?}");
    assert_eq!(stage.images(1), before[&1], "rolled back");
    assert_eq!(stage.updated_at(1).map(|at| at.starts_with("2025-01-01")), Some(true));
    let failed: Vec<Stopped> = failures(stage, from);
    assert_eq!(failed.len(), 2);
    for failure in &failed {
        assert_eq!((failure.venue.0, failure.error_type), (1, TroubleKind::CatalogError));
        assert_eq!(failure.attempts, 4, "three retries");
        assert!(failure.passing && failure.message.contains(says), "{failure:?}");
    }

    stage.sql(free);
    let t = tally(stage.migrate(&How::default()));
    assert_eq!((t.images, t.done, stage.requests("upload")), (2, 2, 3));

    if !hinder.contains("CHECK") {
        stage.sql(hinder.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").as_str());
        let from = next_seq(stage);
        let there = stage.images(1);
        let t = tally(stage.rollback(&How::default()));
        assert_eq!((t.done, t.failed, t.venues_failed), (1, 4, 1), "{t:?}");
        assert_eq!((stage.images(1), stage.images(2)), (there, before[&2].clone()));
        let failed = failures(stage, from);
        assert!(matches!(failed.as_slice(), [one] if one.image.is_none() && one.attempts == 4), "{failed:?}");
        stage.sql(free);
    }
    let t = tally(stage.rollback(&How::default()));
    assert_eq!((t.drifted, t.failed), (0, 0), "{t:?}");
    assert_eq!(stage.rows(), before);
    stage.verified();
}

fn failures(stage: &Stage, from: u64) -> Vec<Stopped> {
    let failed = events(stage, from).into_iter().filter_map(|(_, event)| match event {
        Event::Failed(stopped) => Some(stopped),
        _ => None,
    });
    failed.collect()
}

#[test]
fn e1_a_trigger_that_rewrites_the_array() {
    resists(Kind::Postgres, REWRITES, NO_MORE_MEDDLING, "did not come back as sent");
}

#[test]
fn e1_a_trigger_that_rewrites_the_array_afterwards() {
    resists(Kind::Pgbouncer, REWRITES_AFTERWARDS, NO_MORE_MEDDLING, "did not read back as sent");
}

#[test]
fn e1_a_trigger_that_swallows_the_update() {
    resists(Kind::Postgres, SWALLOWS, NO_MORE_MEDDLING, "changed 0 rows instead of one");
}

#[test]
fn e1_a_trigger_that_raises() {
    resists(Kind::Pgbouncer, RAISES, NO_MORE_MEDDLING, "venue 1 is being audited");
}

#[test]
fn e1_a_constraint_that_forbids() {
    resists(Kind::Postgres, CONSTRAINT, "ALTER TABLE venues DROP CONSTRAINT meddle", "meddle");
}

/// A policy for updates hides from the run's role a row that it can read.
#[test]
fn e1_a_policy_that_hides_the_row_from_updates() {
    let stage = Stage::new(Kind::Postgres);
    let role = stage.run_as_role();
    stage.sql(&format!(
        "GRANT UPDATE ON venues TO {role}; ALTER TABLE venues ENABLE ROW LEVEL SECURITY;
         CREATE POLICY see ON venues FOR SELECT USING (true)"
    ));
    resists_on(&stage, HIDES, HIDES_NO_MORE, "can be read but not locked");
}

/// Without the right to update, nothing is harmed, and a new run has only the rows left to do.
#[test]
fn e1_a_role_that_may_not_update() {
    let stage = Stage::new(Kind::Postgres);
    let role = stage.run_as_role();
    stage.venue(1, "pub", 1, &format!("[{}]", stage.external("/a.jpg", "a")));
    let before = stage.rows();
    let from = next_seq(&stage);
    assert_eq!(tally(stage.migrate(&How::default())).failed, 1);
    assert_eq!(stage.rows(), before);
    let failed = failures(&stage, from);
    assert!(failed[0].error_type == TroubleKind::CatalogError && failed[0].attempts == 4, "{failed:?}");
    stage.sql(&format!("GRANT UPDATE ON venues TO {role}"));
    let t = tally(stage.migrate(&How::default()));
    assert_eq!((t.done, stage.requests("upload")), (1, 1));
    assert_eq!(tally(stage.rollback(&How::default())).drifted, 0);
    assert_eq!(stage.rows(), before);
}

#[test]
fn e1_a_trigger_that_raises_on_sqlite() {
    resists(Kind::Sqlite, SQLITE_RAISES, "DROP TRIGGER meddle", "venue 1 is being audited");
}

#[test]
fn e1_a_trigger_that_rewrites_the_array_on_sqlite() {
    resists(Kind::Sqlite, SQLITE_REWRITES, "DROP TRIGGER meddle", "as sent");
}

#[test]
fn e1_a_trigger_that_swallows_the_update_on_sqlite() {
    resists(Kind::Sqlite, SQLITE_SWALLOWS, "DROP TRIGGER meddle", "changed 0 rows instead of one");
}
