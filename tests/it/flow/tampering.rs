//! A ledger that somebody altered, or that a newer program wrote, is refused (requirement E7).

use rusqlite::Connection;

use crate::support::program::Workplace;
use crate::support::sqlite::behind_triggers;
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "DE", "--yes"];

/// A finished run, and one that is paused, so that `resume` too would have something to do.
fn with_a_ledger() -> Workplace {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    at.run(&MIGRATE);
    let right =
        at.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), "private_of_another_account".into()).unwrap();
    at.run(&["migrate", "--country", "FR", "--yes"]).code(11);
    at.settings.insert("IMAGEKIT_PRIVATE_KEY".into(), right);
    at.run(&["ledger", "verify"]).code(0);
    at
}

/// Commands that only read, and commands that write.
const ALL: [&[&str]; 10] = [
    &["ledger", "verify"],
    &["ledger", "backup", "copy.ledger"],
    &["export", "failures"],
    &["report"],
    &MIGRATE,
    &["migrate", "--country", "PL", "--yes"],
    &["resume"],
    &["rollback", "--country", "DE", "--yes"],
    &["status"],
    &["log"],
];

/// Does this to a ledger, and sees that every command says so at that event and changes nothing.
fn is_refused(at: &Workplace, alter: &str, seq: u64, code: i32) {
    let whole = std::fs::read(at.ledger()).unwrap();
    behind_triggers(&at.ledger(), alter);
    for args in ALL {
        let ran = at.run_idle(args).code(code);
        let named = code != 20 || ran.stderr.contains(&format!("is damaged at event {seq}: "));
        assert!(named, "{alter}: {ran}");
        assert!(!ran.stderr.contains("panicked"), "{alter}: {ran}");
    }
    // Nobody has it open, so that all of it is in the one file again.
    std::fs::write(at.ledger(), whole).unwrap();
    at.run(&["ledger", "verify"]).code(0);
}

#[test]
fn e7_an_altered_ledger_is_refused_with_the_first_bad_event() {
    let at = with_a_ledger();
    let last = at.run_json(&["ledger", "verify"]).json()["events"].as_u64().unwrap();
    let uploaded: u64 = {
        let seq = "SELECT CAST(min(seq) AS TEXT) FROM event_search WHERE kind = 'uploaded'";
        at.ask_ledger(seq).unwrap().parse().unwrap()
    };
    let flip =
        format!("UPDATE event SET body = replace(body, '\"width\":', '\"width\":1') WHERE seq = {uploaded}");
    is_refused(&at, &flip, uploaded, 20);
    let space = "UPDATE event SET body = body || ' ' WHERE seq = 3";
    is_refused(&at, space, 3, 20);
    is_refused(&at, &format!("UPDATE event SET body = '' WHERE seq = {last}"), last, 20);
    is_refused(&at, "UPDATE event SET hash = zeroblob(32) WHERE seq = 4", 4, 20);
    is_refused(&at, "UPDATE event SET hash = x'00' WHERE seq = 4", 4, 20);
    is_refused(&at, "DELETE FROM event WHERE seq = 5", 5, 20);
    is_refused(&at, "DELETE FROM event WHERE seq = 1", 1, 20);
    is_refused(&at, "DELETE FROM event", 1, 20);
    let swap = "UPDATE event SET seq = -6 WHERE seq = 6; UPDATE event SET seq = 6 WHERE seq = 7; \
                UPDATE event SET seq = 7 WHERE seq = -6";
    is_refused(&at, swap, 6, 20);
    let insert = format!(
        "INSERT INTO event (seq, body, hash) SELECT {last} + 1, body, hash FROM event WHERE seq = {last}"
    );
    is_refused(&at, &insert, last + 1, 20);
    let before = "INSERT INTO event (seq, body, hash) SELECT 0, body, hash FROM event WHERE seq = 1";
    is_refused(&at, before, 1, 20);
    is_refused(&at, "UPDATE ledger SET id = '00000000000000000000000000000000'", 1, 20);
    is_refused(&at, "UPDATE ledger SET id = 'x'", 1, 20);
    is_refused(&at, "DELETE FROM ledger", 1, 20);
}

#[test]
fn e7_every_command_that_meets_an_altered_ledger_names_the_event() {
    let at = with_a_ledger();
    behind_triggers(&at.ledger(), "UPDATE event SET body = body || ' ' WHERE seq = 4");
    let report = at.sandbox_dir().join("matching_report.csv");
    let report = report.to_str().unwrap();
    for args in [
        &["report"][..],
        &["audit", "--country", "DE"],
        &["export", "failures"],
        &["export", "rollback-data", "--country", "DE"],
        &["status", "--as-of", "2"],
        &["plan", "--country", "PL"],
        &["skip", "--venue-id", "1", "--reason", "a test"],
        &["reconcile"],
        &["rollback", "--country", "DE", "--dry-run"],
        &["populate", "--target", "production", "--yes", "--matches", report],
        &["ledger", "backup", "copy.ledger"],
        &["ledger", "checkpoint"],
        &["ledger", "verify", "--head", &format!("4:{}", "0".repeat(64))],
    ] {
        at.run_idle(args).code(20).says("is damaged at event 4: ");
    }
}

#[test]
fn e7_a_newer_ledger_is_refused_with_what_to_do() {
    let at = with_a_ledger();
    is_refused(&at, "PRAGMA user_version = 2", 0, 21);
    behind_triggers(&at.ledger(), "PRAGMA user_version = 2");
    at.run(&["status"]).code(21).says("written by a newer program (format 2)").says("Use that program");
}

#[test]
fn e7_what_is_no_ledger_is_left_alone() {
    let at = Workplace::new(Kind::Sqlite, 4);
    for other in
        [&b"not a database, and longer than the header of one would be, by a hundred bytes or so"[..], b""]
    {
        std::fs::write(at.ledger(), other).unwrap();
        for args in [&MIGRATE[..], &["resume"], &["status"], &["rollback", "--country", "DE", "--yes"]] {
            let ran = at.run(args).code(20);
            assert!(ran.stderr.contains("is not a ledger"), "{ran}");
            assert_eq!(std::fs::read(at.ledger()).unwrap(), other, "{ran}");
        }
    }
    std::fs::remove_file(at.ledger()).unwrap();
    // A database of somebody else's, the application's own for one, must not even change its journal's mode.
    let path = at.work().join("else.db");
    let sqlite = Connection::open(&path).unwrap();
    sqlite.execute_batch("CREATE TABLE event (seq INTEGER, body TEXT, hash BLOB)").unwrap();
    drop(sqlite);
    let before = std::fs::read(&path).unwrap();
    at.run_idle(&[&MIGRATE[..], &["--ledger", "else.db"]].concat()).code(20).says("is not a ledger");
    assert!(std::fs::read(&path).unwrap() == before, "it was changed");
}

/// What a file does whose schema is somebody else's: nothing, and every command says what differs.
#[test]
fn e7_a_ledger_whose_schema_somebody_changed_is_refused_with_what_differs() {
    let at = with_a_ledger();
    let whole = std::fs::read(at.ledger()).unwrap();
    let away = "DROP VIEW event_search; DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_deleted; \
                DROP TRIGGER event_follows_on; ALTER TABLE event RENAME TO kept; CREATE VIEW event AS";
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
    let swallows = "CREATE TRIGGER swallow BEFORE INSERT ON event WHEN NEW.body LIKE '%db_updated%' \
                    BEGIN SELECT RAISE(IGNORE); END";
    let id = "INSERT INTO ledger VALUES ('00000000000000000000000000000000')";
    for (sql, words) in [
        (
            format!("{away} {endless} SELECT i AS seq, '' AS body, x'' AS hash FROM n WHERE i < 0"),
            "the view \"event\" is no part",
        ),
        (
            format!("{away} SELECT 1 AS seq, hex(zeroblob(490000000)) AS body, x'' AS hash"),
            "the view \"event\" is no part",
        ),
        (swallows.to_owned(), "the trigger \"swallow\" is no part of a ledger"),
        ("DROP TRIGGER event_follows_on".to_owned(), "the trigger \"event_follows_on\" is missing"),
        (id.to_owned(), "it has more than one id"),
    ] {
        let db = Connection::open(at.ledger()).unwrap();
        db.execute_batch(&format!("{sql}; PRAGMA journal_mode = DELETE")).unwrap();
        drop(db);
        let before = std::fs::read(at.ledger()).unwrap();
        for args in ALL {
            at.run(args).code(20).says(words);
        }
        assert!(std::fs::read(at.ledger()).unwrap() == before, "{sql}: it was written to");
        std::fs::write(at.ledger(), &whole).unwrap();
    }
    at.run(&["ledger", "verify"]).code(0);
}
