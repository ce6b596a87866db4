//! A database that refuses an update, or changes it on the way: nothing of it may stay.

use ledger::ids::VenueId;
use ledger::trouble::TroubleKind;
use longshore::outside::catalog::{Catalog, Rewrite, Row, open};

use super::{World, put};
use crate::support::postgres::run;

/// The update of venue 1 is refused in these words, the row is what it was, and venue 2 can still be written.
async fn refuses(world: &World, catalog: &dyn Catalog, words: &[&str]) {
    let before = world.catalog.images(VenueId(1)).await.unwrap();
    let trouble = catalog.rewrite(VenueId(1), &put(Some("[1]"))).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.outage), (TroubleKind::CatalogError, false), "{trouble}");
    for word in words {
        assert!(trouble.message.contains(word), "{word} in {trouble}");
    }
    assert_eq!(world.catalog.images(VenueId(1)).await.unwrap(), before);
    let row = catalog.rewrite(VenueId(2), &put(Some("[1]"))).await;
    assert!(matches!(row, Ok(Row::Written { .. })), "{row:?}");
}

/// A trigger on venue 1 with this body.
async fn with_trigger(when: &str, body: &str) -> World {
    let world = World::postgres().await;
    let sql = format!(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; \
         CREATE {when} EXECUTE FUNCTION meddle()"
    );
    run(&mut world.database().admin().await, &sql).await;
    world
}

const BEFORE: &str = "TRIGGER t BEFORE UPDATE ON venues FOR EACH ROW WHEN (old.id = 1)";
const AFTER: &str =
    "TRIGGER t AFTER UPDATE ON venues FOR EACH ROW WHEN (old.id = 1 AND pg_trigger_depth() = 0)";
const AT_COMMIT: &str = "CONSTRAINT TRIGGER t AFTER UPDATE ON venues DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
     WHEN (old.id = 1 AND new.venue_images <> '[9]')";
const REWRITE_AGAIN: &str = "UPDATE venues SET venue_images = '[9]' WHERE id = 1; RETURN NULL;";

#[tokio::test]
async fn e1_a_trigger_that_rewrites_before_the_update() {
    let world = with_trigger(BEFORE, "new.venue_images = '[9]'; RETURN new;").await;
    refuses(&world, world.catalog.as_ref(), &["did not come back as sent"]).await;
}

#[tokio::test]
async fn e1_a_trigger_that_rewrites_after_the_update() {
    let world = with_trigger(AFTER, REWRITE_AGAIN).await;
    refuses(&world, world.catalog.as_ref(), &["did not read back as sent"]).await;
}

#[tokio::test]
async fn e1_a_trigger_that_rewrites_at_the_commit() {
    let world = with_trigger(AT_COMMIT, REWRITE_AGAIN).await;
    refuses(&world, world.catalog.as_ref(), &["did not read back as sent"]).await;
}

#[tokio::test]
async fn e1_a_trigger_that_swallows_the_update() {
    let world = with_trigger(BEFORE, "RETURN NULL;").await;
    refuses(&world, world.catalog.as_ref(), &["changed 0 rows"]).await;
}

#[tokio::test]
async fn e1_a_trigger_that_raises_is_quoted_without_secrets() {
    let body = r"RAISE EXCEPTION E'not now\n\x1b[2J https://h.example/a?sig=hunter2'; RETURN NULL;";
    let world = with_trigger(BEFORE, body).await;
    refuses(&world, world.catalog.as_ref(), &["not now", "https://h.example/a", "P0001"]).await;
    let said = world.catalog.rewrite(VenueId(1), &put(None)).await.unwrap_err().to_string();
    assert!(!said.contains("hunter2") && !said.contains(char::is_control), "{said}");
}

#[tokio::test]
async fn e1_a_constraint() {
    let world = World::postgres().await;
    world.run("ALTER TABLE venues ADD CHECK (id <> 1 OR venue_images <> '[1]')").await;
    refuses(&world, world.catalog.as_ref(), &["23514"]).await;
}

/// A role of its own with all rights on the tables but what `sql` takes away.
async fn as_role(sql: &str) -> (World, Box<dyn Catalog>) {
    let world = World::postgres().await;
    let url = world.database().as_role_url().await;
    let role = format!("{}_app", world.database().name);
    let sql = format!("GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}; {sql}");
    world.run(&sql.replace("ROLE", &role)).await;
    (world, open(&url).await.unwrap())
}

const SECURITY: &str = "ALTER TABLE venues ENABLE ROW LEVEL SECURITY; \
     CREATE POLICY shown ON venues FOR SELECT USING (true);";

#[tokio::test]
async fn e1_a_policy_that_hides_a_row_from_updates_is_not_a_deletion() {
    let policy = format!("{SECURITY} CREATE POLICY own ON venues FOR UPDATE USING (id <> 1)");
    let (world, catalog) = as_role(&policy).await;
    assert!(catalog.images(VenueId(1)).await.unwrap().is_some(), "the row can be read");
    refuses(&world, catalog.as_ref(), &["lacks the right"]).await;
    assert_eq!(catalog.rewrite(VenueId(99), &put(None)).await.unwrap(), Row::Missing);
}

#[tokio::test]
async fn e1_a_policy_that_refuses_what_is_written() {
    let check = "USING (true) WITH CHECK (id <> 1)";
    let (world, catalog) =
        as_role(&format!("{SECURITY} CREATE POLICY own ON venues FOR UPDATE {check}")).await;
    refuses(&world, catalog.as_ref(), &["42501"]).await;
}

#[tokio::test]
async fn e1_a_role_that_may_only_read() {
    let (_world, catalog) = as_role("REVOKE UPDATE ON venues FROM ROLE").await;
    let trouble = catalog.rewrite(VenueId(1), &put(Some("[1]"))).await.unwrap_err();
    assert!(trouble.kind == TroubleKind::CatalogError && trouble.message.contains("42501"), "{trouble}");
}

#[tokio::test]
async fn e1_sqlite_triggers_are_found_out_too() {
    let rewrite = "UPDATE venues SET venue_images = '[9]' WHERE id = 1;";
    for (trigger, words) in [
        (format!("AFTER UPDATE ON venues WHEN old.id = 1 BEGIN {rewrite} END"), "did not read back"),
        (
            "BEFORE UPDATE ON venues WHEN old.id = 1 BEGIN SELECT RAISE(ABORT, 'not now'); END".into(),
            "not now",
        ),
        ("BEFORE UPDATE ON venues WHEN old.id = 1 BEGIN SELECT RAISE(IGNORE); END".into(), "changed 0 rows"),
    ] {
        let world = World::sqlite().await;
        world.run(&format!("CREATE TRIGGER t {trigger}")).await;
        refuses(&world, world.catalog.as_ref(), &[words]).await;
    }
}

#[tokio::test]
async fn e1_a_sqlite_file_that_another_writes_is_a_catalog_error() {
    let world = World::sqlite().await;
    let writer = rusqlite::Connection::open(world.url.trim_start_matches("sqlite:")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let trouble = world.catalog.rewrite(VenueId(1), &put(Some("[1]"))).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.outage), (TroubleKind::CatalogError, false), "{trouble}");
    writer.execute_batch("COMMIT").unwrap();
    assert!(matches!(world.catalog.rewrite(VenueId(1), &put(Some("[1]"))).await, Ok(Row::Written { .. })));
}

#[tokio::test]
async fn s6_nobody_writes_a_sqlite_row_while_its_rewrite_is_decided() {
    let world = World::sqlite().await;
    let path = world.url.trim_start_matches("sqlite:");
    let decide = |_: Option<&str>| {
        let writer = rusqlite::Connection::open(path).unwrap();
        writer.busy_timeout(std::time::Duration::ZERO).unwrap();
        let refused = writer.execute("UPDATE venues SET venue_images = '[9]' WHERE id = 1", []).unwrap_err();
        assert_eq!(refused.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
        Rewrite::Write(Some("[1]".into()))
    };
    world.run("PRAGMA journal_mode = WAL").await;
    assert!(matches!(world.catalog.rewrite(VenueId(1), &decide).await, Ok(Row::Written { .. })));
}

#[tokio::test]
async fn d6_opening_creates_no_file_and_takes_no_other_file_for_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.db");
    let said = open(&format!("sqlite:{}", missing.display())).await.err().unwrap();
    assert!(said.message.contains("there is no database at"), "{said}");
    assert!(!missing.exists());
    let text = dir.path().join("text.db");
    std::fs::write(&text, "this is no database, however long it may go on".repeat(90)).unwrap();
    let said = open(&format!("sqlite:{}", text.display())).await.err().unwrap();
    assert_eq!((said.kind, said.outage), (TroubleKind::CatalogError, false), "{said}");
}

#[tokio::test]
async fn d7_a_sqlite_database_is_known_by_its_canonical_path() {
    let world = World::sqlite().await;
    let path = world.url.trim_start_matches("sqlite:").to_owned();
    let link = format!("{path}.link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let linked = open(&format!("sqlite:{link}")).await.unwrap();
    assert_eq!(linked.identity().await.unwrap(), world.catalog.identity().await.unwrap());
}
