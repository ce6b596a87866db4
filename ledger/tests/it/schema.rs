//! A file that calls itself a ledger: its schema is a ledger's to the letter, or it is damaged, whatever else it holds
//! (requirement E7).

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use ledger::event::{Event, Record, RunStarted, Verb};
use ledger::ledger::Ledger;
use ledger::store::LedgerError;
use ledger::timestamp::Timestamp;
use rusqlite::Connection;

use crate::support::*;

const GOLDEN: [&str; 2] = ["v1.ledger", "v2.ledger"];
/// All that is done here takes milliseconds.
const HANGING: Duration = Duration::from_secs(30);

const TRIGGERS: [&str; 5] = [
    "event_is_never_changed",
    "event_is_never_deleted",
    "event_follows_on",
    "id_is_never_changed",
    "id_is_never_deleted",
];
/// The table `event` under another name, and nothing that speaks of it.
const AWAY: &str = "DROP VIEW IF EXISTS event_search; DROP TRIGGER event_is_never_changed;
    DROP TRIGGER event_is_never_deleted; DROP TRIGGER event_follows_on; ALTER TABLE event RENAME TO kept;";

/// A copy of a golden ledger to work on.
fn copied(name: &str, dir: &tempfile::TempDir) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let copy = dir.path().join(name);
    std::fs::copy(from, &copy).unwrap();
    copy
}

/// Does this to a file as somebody who knows SQLite does.
fn altered(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!("PRAGMA writable_schema = ON; {sql}; PRAGMA journal_mode = DELETE;"))
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// What a file is refused with, by readers and by writers, who leave it as it is.
fn refused(path: &Path) -> String {
    let before = std::fs::read(path).unwrap();
    let (send, said) = channel();
    let opened = path.to_owned();
    std::thread::spawn(move || {
        let read = Ledger::read(&opened).map(drop);
        let _ = send.send([read, Ledger::open(&opened, "test").map(drop)]);
    });
    let said = said.recv_timeout(HANGING).expect("reading it does not end");
    let said = said.map(|said| match said {
        Err(error @ (LedgerError::OtherSchema { .. } | LedgerError::Damaged { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    });
    assert_eq!(said[0], said[1]);
    assert!(said[0].len() < 1_000 + path.as_os_str().len(), "{}", said[0]);
    assert!(std::fs::read(path).unwrap() == before, "it was written to");
    said[0].clone()
}

/// Does this to a ledger of every version, and sees that it is refused, and with what words.
fn is_refused(sql: &str, words: &str) {
    for name in GOLDEN {
        let dir = tempfile::tempdir().unwrap();
        let path = copied(name, &dir);
        altered(&path, sql);
        let said = refused(&path);
        assert!(said.contains(words), "{sql}: {said}");
    }
}

#[test]
fn e7_a_view_in_the_place_of_the_events_is_not_read() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
    for view in [
        &format!("{endless} SELECT i AS seq, '' AS body, zeroblob(32) AS hash FROM n WHERE i < 0"),
        "SELECT 1 AS seq, hex(zeroblob(400000000)) || hex(zeroblob(90000000)) AS body, zeroblob(32) AS hash",
        "SELECT seq, body, hash FROM kept",
    ] {
        let sql = format!("{AWAY} CREATE VIEW event AS {view}");
        is_refused(&sql, "the view \"event\" is no part of a ledger");
    }
    is_refused(
        "DROP TRIGGER id_is_never_changed; DROP TRIGGER id_is_never_deleted; ALTER TABLE ledger RENAME TO kept;
         CREATE VIEW ledger AS SELECT id FROM kept",
        "the view \"ledger\" is no part of a ledger",
    );
}

#[test]
fn e7_a_ledger_without_one_of_its_triggers_is_damaged() {
    for trigger in TRIGGERS {
        is_refused(&format!("DROP TRIGGER {trigger}"), &format!("the trigger \"{trigger}\" is missing"));
        // Under the same name, and never doing anything.
        let sql = format!(
            "DROP TRIGGER {trigger}; CREATE TRIGGER {trigger} BEFORE UPDATE ON event BEGIN SELECT 1; END"
        );
        is_refused(&sql, &format!("the trigger \"{trigger}\" reads "));
    }
    let one_more = "DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_deleted;
        DROP TRIGGER event_follows_on; DROP TRIGGER id_is_never_changed";
    is_refused(one_more, "is missing; and 1 more");
}

#[test]
fn e7_a_trigger_too_many_is_damage() {
    for body in [
        "BEFORE INSERT ON event WHEN NEW.body LIKE '%db_updated%' BEGIN SELECT RAISE(IGNORE); END",
        "AFTER INSERT ON event BEGIN UPDATE event SET body = '{}' WHERE seq = NEW.seq; END",
        "AFTER INSERT ON event BEGIN INSERT INTO ledger VALUES ('x'); END",
        "BEFORE INSERT ON ledger BEGIN SELECT RAISE(IGNORE); END",
    ] {
        is_refused(
            &format!("CREATE TRIGGER swallow {body}"),
            "the trigger \"swallow\" is no part of a ledger",
        );
    }
}

#[test]
fn e7_a_ledger_has_one_id() {
    is_refused("INSERT INTO ledger VALUES ('00000000000000000000000000000000')", "it has more than one id");
    is_refused("INSERT INTO ledger SELECT id FROM ledger", "it has more than one id");
    is_refused("INSERT INTO ledger VALUES (hex(zeroblob(9000000)))", "id cannot be read");
}

#[test]
fn e7_tables_and_indexes_too_many_are_damage() {
    for (sql, words) in [
        ("CREATE TABLE more (x)", "the table \"more\" is no part"),
        ("CREATE TABLE more (x UNIQUE)", "the index \"sqlite_autoindex_more_1\" is no part"),
        ("CREATE INDEX more ON event (hash)", "the index \"more\" is no part"),
        ("CREATE INDEX more ON event (seq) WHERE seq < 5", "the index \"more\" is no part"),
        ("CREATE INDEX more ON event (json_extract(body, '$.v'))", "the index \"more\" is no part"),
        ("CREATE UNIQUE INDEX more ON ledger (id)", "the index \"more\" is no part"),
        ("CREATE VIEW more AS SELECT * FROM event", "the view \"more\" is no part"),
        ("CREATE VIRTUAL TABLE more USING fts5(x)", "the table \"more\" is no part"),
        ("CREATE TABLE \"a\u{1b}[2J\nb\" (x)", "the table \"a\\u{1b}[2J\\nb\" is no part"),
    ] {
        is_refused(sql, words);
    }
    let many: String = (0..3_000).map(|n| format!("CREATE TABLE more_{n} (x); ")).collect();
    is_refused(&format!("BEGIN; {many} COMMIT"), "too many schema objects");
}

#[test]
fn e7_a_table_that_is_made_otherwise_is_damage() {
    let rewrite = |name: &str, from: &str, to: &str| {
        format!("UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}') WHERE name = '{name}'")
    };
    for (name, from, to) in [
        ("event", "body  TEXT NOT NULL", "body  BLOB NOT NULL"),
        ("event", "body  TEXT NOT NULL", "body  TEXT"),
        ("event", "body  TEXT NOT NULL", "body  TEXT NOT NULL COLLATE NOCASE"),
        ("event", "body  TEXT NOT NULL", "body  TEXT NOT NULL CHECK (length(body) > 0)"),
        ("event", "INTEGER PRIMARY KEY", "INTEGER"),
        ("event", ") STRICT", ")"),
        ("event", "CREATE TABLE", "CREATE  TABLE"),
        ("ledger", "TEXT", "TEXT COLLATE RTRIM"),
    ] {
        is_refused(&rewrite(name, from, to), &format!("the table \"{name}\" reads "));
    }
    for sql in [
        "CREATE TABLE event (seq INTEGER PRIMARY KEY, body TEXT NOT NULL, hash BLOB NOT NULL) STRICT, WITHOUT ROWID;
         INSERT INTO event SELECT seq, body, hash FROM kept; DROP TABLE kept",
        "CREATE VIRTUAL TABLE event USING fts5(seq, body, hash); DROP TABLE kept",
        "CREATE TABLE event (seq INTEGER PRIMARY KEY, body TEXT AS (printf('%d', seq)), hash BLOB AS (zeroblob(32)));
         INSERT INTO event (seq) VALUES (1); DROP TABLE kept",
    ] {
        is_refused(&format!("{AWAY} {sql}"), "the table \"event\" reads ");
    }
}

#[test]
fn e7_a_schema_that_cannot_be_one_is_damage() {
    let set = |what: &str| format!("UPDATE sqlite_schema SET {what} WHERE name = 'event'");
    for (sql, words) in [
        (set("sql = 'CREATE GARBAGE'"), "it cannot be read"),
        (set("sql = NULL"), "it cannot be read"),
        (set("sql = sql || ' -- ' || hex(zeroblob(20000000))"), "it cannot be read"),
        (set("type = 'view'"), "it cannot be read"),
        (
            "UPDATE sqlite_schema SET type = 'x' WHERE name = 'id_is_never_changed'".into(),
            "it cannot be read",
        ),
        (set("name = 'other'"), "it cannot be read"),
        (
            "UPDATE sqlite_schema SET tbl_name = 'ledger' WHERE name = 'event_follows_on'".into(),
            "event_follows_on",
        ),
        (set("rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'ledger')"), "where it cannot be"),
        (set("rootpage = 1"), ""),
        (set("rootpage = 99999999"), ""),
        ("INSERT INTO sqlite_schema SELECT * FROM sqlite_schema".into(), ""),
        (
            "CREATE TABLE x (y); UPDATE sqlite_schema SET name = 'sqlite_stat1' WHERE name = 'x'".into(),
            "sqlite_stat1",
        ),
        ("PRAGMA user_version = 0".into(), "its format is 0"),
        ("PRAGMA user_version = -1".into(), "its format is -1"),
    ] {
        is_refused(&sql, words);
    }
}

#[test]
fn e7_an_event_larger_than_any_is_not_taken_into_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = copied("v2.ledger", &dir);
    let sql = "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;
        INSERT INTO event VALUES (20, CAST(zeroblob(268435457) AS TEXT), zeroblob(32))";
    altered(&path, sql);
    let said = match Ledger::read(&path) {
        Err(error @ LedgerError::Damaged { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(said.contains("at event 20: it is larger than anything that a ledger holds"), "{said}");
}

#[test]
fn e7_texts_in_another_encoding_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = copied("v2.ledger", &dir);
    let other = dir.path().join("other.ledger");
    let db = Connection::open(&other).unwrap();
    db.execute_batch("PRAGMA encoding = 'UTF-16le'").unwrap();
    db.execute("ATTACH ?1 AS first", [path.to_str().unwrap()]).unwrap_err();
    let first = Connection::open(&path).unwrap();
    let mut made = first.prepare("SELECT sql FROM sqlite_schema ORDER BY rowid").unwrap();
    for sql in made.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        db.execute_batch(&sql.unwrap()).unwrap();
    }
    db.execute_batch("PRAGMA application_id = 1280526418; PRAGMA user_version = 1").unwrap();
    db.execute_batch("INSERT INTO ledger VALUES ('00000000000000000000000000000000')").unwrap();
    drop(db);
    let said = refused(&other);
    assert!(said.contains("its texts are in \"UTF-16le\""), "{said}");
}

/// What may follow on any event.
fn started(ledger: &Ledger) -> Record {
    let (scope, options) = (venue_scope(1, "PL"), options());
    let started = RunStarted { verb: Verb::Migrate, scope, options, operator: operator() };
    let at = Timestamp::from_millis(1_795_362_999_000);
    Record { at, run: Some(ledger.next_run(0)), event: Event::RunStarted(started) }
}

fn append(ledger: &mut Ledger) -> Result<(), LedgerError> {
    let record = started(ledger);
    ledger.append(&[record])
}

#[test]
fn e7_what_somebody_does_to_the_schema_while_a_ledger_is_open_is_noticed() {
    for name in GOLDEN {
        let dir = tempfile::tempdir().unwrap();
        let path = copied(name, &dir);
        let mut writer = Ledger::open(&path, "test").unwrap();
        let mut reader = Ledger::read(&path).unwrap();
        let head = reader.head();
        let other = Connection::open(&path).unwrap();
        // What SQLite makes by itself is none of it.
        other.execute_batch("ANALYZE").unwrap();
        append(&mut writer).unwrap();
        assert_eq!(reader.catch_up().unwrap().len(), 1);
        other
            .execute_batch("CREATE TRIGGER swallow BEFORE INSERT ON event BEGIN SELECT RAISE(IGNORE); END")
            .unwrap();
        let said = append(&mut writer).unwrap_err();
        assert!(
            matches!(&said, LedgerError::OtherSchema { what, .. } if what.contains("swallow")),
            "{said:?}"
        );
        let said = reader.catch_up().unwrap_err();
        assert!(matches!(said, LedgerError::OtherSchema { .. }), "{said:?}");
        drop((writer, reader));
        other.execute_batch("DROP TRIGGER swallow").unwrap();
        assert_eq!(Ledger::read(&path).unwrap().head().seq, head.seq.next());
    }
}

#[test]
fn e7_what_sqlite_does_for_an_operator_leaves_a_ledger_a_ledger() {
    for name in GOLDEN {
        let dir = tempfile::tempdir().unwrap();
        let path = copied(name, &dir);
        let head = Ledger::read(&path).unwrap().head();
        for sql in [
            "ANALYZE",
            "VACUUM",
            "REINDEX",
            "PRAGMA optimize",
            "PRAGMA auto_vacuum = FULL; VACUUM",
            "PRAGMA page_size = 8192; VACUUM",
            "PRAGMA journal_mode = WAL; VACUUM",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "PRAGMA journal_mode = DELETE",
            // Such a table cannot be dropped again.
            "CREATE TABLE x (y INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE x",
        ] {
            Connection::open(&path).unwrap().execute_batch(sql).unwrap();
            assert_eq!(Ledger::read(&path).unwrap().head(), head, "{sql}");
        }
        let copy = dir.path().join("copy.ledger");
        let into = format!("VACUUM INTO '{}'", copy.display());
        Connection::open(&path).unwrap().execute_batch(&into).unwrap();
        for path in [path, copy] {
            let mut ledger = Ledger::open(&path, "test").unwrap();
            assert_eq!(ledger.head(), head);
            append(&mut ledger).unwrap();
            let head = ledger.head();
            drop(ledger);
            assert_eq!(Ledger::read(&path).unwrap().head(), head);
        }
    }
}
