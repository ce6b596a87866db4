//! Files are deleted while others are at work on the same rows (requirement S7).

use crate::kill::hand::Going;
use crate::support::site::Site;
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "PL", "--yes"];
const ROLLBACK: [&str; 4] = ["rollback", "--country", "PL", "--yes"];
const DELETE: [&str; 3] = ["reconcile", "--delete-orphans", "--yes"];
const OTHER: [&str; 2] = ["--ledger", "other.ledger"];

fn site(kind: Kind) -> Site {
    let site = Site::new(kind);
    site.venue(1, 1, &["/1a.jpg", "/1b.jpg"]);
    site.venue(2, 1, &["/2.jpg"]);
    site
}

/// A deletion that takes its time, once it has begun.
fn deleting(site: &Site, args: &[&str]) -> Going {
    site.stage.order("delete=late:by=1500");
    let mut going = Going::spawn(site.command(args), args);
    going.reach("a file is being deleted", || site.stage.requests("delete") >= 1);
    going
}

/// A run of another ledger that is at work for longer than a claim is tried for.
fn another_run(site: &Site) -> Going {
    site.stage.order("origin=late:by=14s");
    let (args, before) = ([&MIGRATE[..], &OTHER].concat(), site.stage.requests("origin"));
    let mut other = Going::spawn(site.command(&args), &args);
    other.reach("the other run is at work", || site.stage.requests("origin") > before);
    other
}

/// Every completed entry points at a file that is there.
#[track_caller]
fn every_row_is_served(site: &Site) -> usize {
    let files = site.paths();
    let rows: String = site.stage.rows().into_values().flatten().collect();
    let named: Vec<&str> = rows.split("\"url\": \"").filter_map(|part| part.split('"').next()).collect();
    let endpoint = site.stage.imagekit.url_endpoint();
    let named: Vec<&str> = named.into_iter().filter_map(|url| url.strip_prefix(&endpoint)).collect();
    for path in &named {
        assert!(files.iter().any(|file| file == path), "{path} is gone");
    }
    named.len()
}

fn a_row_that_comes_to_use_a_file_meanwhile_keeps_it(kind: Kind) {
    for delete in [&DELETE[..], &[&ROLLBACK[..], &["--delete-cdn-files"]].concat()] {
        let site = site(kind);
        site.one_run(&MIGRATE, 0);
        let endpoint = site.stage.imagekit.url_endpoint();
        site.stage.venue(7, "other", 2, "[]");
        if delete == DELETE {
            site.one_run(&ROLLBACK, 0);
        }
        let going = deleting(&site, delete);
        // All files are named now, each in another spelling; the first one is on its way out.
        let paths = site.paths();
        let named: Vec<String> = paths.iter().map(|path| format!("{endpoint}{path}")).collect();
        let named = format!(
            r#"[{{"source": "user", "a": "{}", "b": "{}", "c": "{}"}}]"#,
            named[0],
            named[1].replace('/', "\\/").replace("pub-", "p%75b-"),
            named[2].to_uppercase()
        );
        site.stage.set_images(7, &named);
        let ran = going.end().code(if delete == DELETE { 13 } else { 0 });
        assert_eq!(site.paths().len(), 2, "{ran}");
        ran.says("in the row of venue 7 uses it");
    }
}

#[test]
fn s7_a_row_that_comes_to_use_a_file_while_others_are_deleted_keeps_it_on_sqlite() {
    a_row_that_comes_to_use_a_file_meanwhile_keeps_it(Kind::Sqlite);
}

#[test]
fn s7_a_row_that_comes_to_use_a_file_while_others_are_deleted_keeps_it_on_postgres() {
    a_row_that_comes_to_use_a_file_meanwhile_keeps_it(Kind::Postgres);
}

fn another_ledgers_run_waits_for_the_deletion(kind: Kind) {
    for delete in [&DELETE[..], &[&ROLLBACK[..], &["--delete-cdn-files"]].concat()] {
        let site = site(kind);
        site.one_run(&MIGRATE, 0);
        site.one_run(&ROLLBACK, 0);
        let going = deleting(&site, delete);
        let other = site.run(&[&MIGRATE[..], &OTHER].concat()).code(0);
        going.end();
        assert_eq!(every_row_is_served(&site), 3, "{other}");
        site.run(&["reconcile", "--ledger", "other.ledger"]).code(0);
    }
}

#[test]
fn s7_another_ledgers_run_waits_for_a_deletion_on_sqlite() {
    another_ledgers_run_waits_for_the_deletion(Kind::Sqlite);
}

#[test]
fn s7_another_ledgers_run_waits_for_a_deletion_on_postgres() {
    another_ledgers_run_waits_for_the_deletion(Kind::Postgres);
}

#[test]
fn s7_nothing_is_deleted_while_another_ledgers_run_is_at_work() {
    let site = site(Kind::Sqlite);
    site.one_run(&MIGRATE, 0);
    site.one_run(&ROLLBACK, 0);
    let other = another_run(&site);
    let refused = site.run(&DELETE).code(22).says("PL is being worked on by");
    assert_eq!(site.paths().len(), 3, "{refused}");
    other.end().code(0);
    assert_eq!(every_row_is_served(&site), 3);
    // What the other has adopted is its own, too.
    site.run(&DELETE);
    assert_eq!(every_row_is_served(&site), 3);
}

#[test]
fn s7_a_file_that_alone_cannot_be_deleted_keeps_no_other() {
    let site = site(Kind::Sqlite);
    site.one_run(&MIGRATE, 0);
    let files = site.stage.imagekit.files();
    site.stage.order(&format!("delete/v1/files/{}=500", files[0].id));
    let args = [&ROLLBACK[..], &["--delete-cdn-files", "--patience", "5"]].concat();
    site.run(&args).code(0).says("it could not be deleted");
    assert_eq!(site.paths(), [files[0].path.clone()]);
    site.stage.order("delete=none");
    site.run(&DELETE).code(0);
    assert!(site.paths().is_empty());
}

#[test]
fn s7_a_venue_that_got_another_slug_is_claimed_by_the_one_it_was_planned_with() {
    let site = site(Kind::Sqlite);
    site.one_run(&MIGRATE, 0);
    site.one_run(&ROLLBACK, 0);
    let other = another_run(&site);
    site.stage.sql("UPDATE venues SET slug = slug || '-renamed'");
    site.run(&DELETE).code(22).says("PL is being worked on by");
    other.end().code(0);
    assert_eq!(every_row_is_served(&site), 3);
}

/// Ends the session that holds a claim, and holds it in its place until there is a country with the number 99.
pub(super) const TAKES_THE_CLAIM: &str = "DO $$
    DECLARE claim bigint;
    BEGIN
        SELECT (classid::bigint << 32) | objid::bigint INTO STRICT claim FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
        PERFORM pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
        WHILE NOT pg_try_advisory_lock(claim) LOOP PERFORM pg_sleep(0.01); END LOOP;
        WHILE NOT EXISTS (SELECT FROM countries WHERE id = 99) LOOP PERFORM pg_sleep(0.05); END LOOP;
    END $$";

#[test]
fn s7_once_another_holds_the_country_no_more_is_deleted() {
    let site = site(Kind::Postgres);
    site.one_run(&MIGRATE, 0);
    site.one_run(&ROLLBACK, 0);
    let going = deleting(&site, &DELETE);
    let ran = std::thread::scope(|threads| {
        threads.spawn(|| site.stage.sql(TAKES_THE_CLAIM));
        let ran = going.end();
        site.stage.sql("INSERT INTO countries VALUES (99, 'Nowhere', 'ZZ', 'nowhere')");
        ran
    });
    let ran = ran.code(22).says("PL is being worked on by");
    assert_eq!(site.paths().len(), 2, "the one that was on its way: {ran}");
}
