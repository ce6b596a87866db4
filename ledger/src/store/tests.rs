use std::path::PathBuf;

use super::*;
use crate::event::{AlertAbout, Alerted, Event};
use crate::ids::RunId;
use crate::timestamp::Timestamp;

const ID: LedgerId = LedgerId([7; 16]);

fn record(n: u64) -> Record {
    let event = Event::Alerted(Alerted { about: AlertAbout::Paused, message: n.to_string() });
    Record { at: Timestamp::from_millis(n as i64), run: Some(RunId(Seq(1))), event }
}

/// A ledger of ten events, closed.
fn ten(dir: &tempfile::TempDir) -> PathBuf {
    let path = dir.path().join("a.ledger");
    let mut store = Store::create(&path, ID, &record(1), "test").unwrap();
    store.append(&(2..=4).map(record).collect::<Vec<_>>()).unwrap();
    store.append(&(5..=10).map(record).collect::<Vec<_>>()).unwrap();
    path
}

fn replayed(path: &Path) -> Result<(Head, Vec<u64>), LedgerError> {
    let mut seqs = Vec::new();
    let head = Store::read(path)?.replay(|(seq, read)| {
        assert_eq!(read, record(seq.0));
        seqs.push(seq.0);
        Ok(())
    })?;
    Ok((head, seqs))
}

#[test]
fn what_is_searched_is_not_computed_when_it_is_appended() {
    let dir = tempfile::tempdir().unwrap();
    let file = Connection::open(ten(&dir)).unwrap();
    let mut columns = file.prepare("SELECT name, hidden FROM pragma_table_xinfo('event')").unwrap();
    let columns = columns.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).unwrap();
    let columns: Vec<_> = columns.map(Result::unwrap).collect();
    assert_eq!(columns, ["seq", "body", "hash"].map(|name| (name.to_owned(), 0)));
    // A ledger that somebody altered can be searched all the same.

    let path = dir.path().join("a.ledger");
    tamper(&path, "UPDATE event SET body = 'no JSON' WHERE seq = 5");
    let all =
        "SELECT count(*), count(kind), count(body) FROM event_search WHERE kind IS NULL OR kind = 'alerted'";
    let counts = Connection::open(&path)
        .unwrap()
        .query_row(all, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
    assert_eq!(counts.unwrap(), (10, 9, 10));
}

/// Alters the file as someone would who knows SQLite: with the triggers out of the way meanwhile.
fn tamper(path: &Path, sql: &str) {
    let file = Connection::open(path).unwrap();
    let triggers = |what: &str| -> String {
        let sql = format!("SELECT group_concat({what}, ';') FROM sqlite_schema WHERE type = 'trigger'");
        file.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let (drop, again) = (triggers("'DROP TRIGGER ' || name"), triggers("sql || ''"));
    file.execute_batch(&format!("{drop}; {sql}; {again}")).unwrap();
}

#[test]
fn what_is_appended_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    let (head, seqs) = replayed(&path).unwrap();
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());
    let mut store = Store::open(&path, "test").unwrap();
    assert_eq!(store.head(), head);
    store.append(&[record(11)]).unwrap();
    assert_eq!(replayed(&path).unwrap().0, store.head());
    assert_eq!(store.record(Seq(3)).unwrap(), record(3));
}

#[test]
fn the_file_is_private_and_searchable_by_hand() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let file = Connection::open(&path).unwrap();
    let row = file.query_row("SELECT at, run, kind, venue FROM event_search WHERE seq = 2", [], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, Option<i64>>(3)?,
        ))
    });
    assert_eq!(row.unwrap(), ("1970-01-01T00:00:00.002Z".into(), 1, "alerted".into(), None));
}

#[test]
fn e7_every_tampering_names_the_first_bad_event() {
    let cases = [
        ("UPDATE event SET body = replace(body, '\"5\"', '\"6\"') WHERE seq = 5", 5),
        ("UPDATE event SET hash = zeroblob(32) WHERE seq = 9", 9),
        ("UPDATE event SET hash = zeroblob(3) WHERE seq = 9", 9),
        ("DELETE FROM event WHERE seq = 1", 1),
        ("DELETE FROM event WHERE seq = 4", 4),
        ("DELETE FROM event", 1),
        (
            "UPDATE event SET seq = -1 WHERE seq = 3; UPDATE event SET seq = 3 WHERE seq = 4;
          UPDATE event SET seq = 4 WHERE seq = -1",
            3,
        ),
        (
            "UPDATE event SET seq = 11 WHERE seq = 10; INSERT INTO event SELECT 10, body, hash FROM event WHERE seq = 9",
            10,
        ),
        ("INSERT INTO event SELECT -5, body, hash FROM event WHERE seq = 9", 1),
        ("INSERT INTO event SELECT 12, body, hash FROM event WHERE seq = 9", 11),
        ("UPDATE event SET body = CAST(x'ff' AS TEXT) WHERE seq = 7", 7),
        ("UPDATE ledger SET id = '00000000000000000000000000000000'", 1),
    ];
    for (sql, bad) in cases {
        let dir = tempfile::tempdir().unwrap();
        let path = ten(&dir);
        tamper(&path, sql);
        match replayed(&path) {
            Err(LedgerError::Damaged { seq, .. }) => assert_eq!(seq, Seq(bad), "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn the_triggers_refuse_everything_but_appending() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    let file = Connection::open(&path).unwrap();
    for sql in [
        "UPDATE event SET body = '{}' WHERE seq = 2",
        "DELETE FROM event WHERE seq = 10",
        "INSERT OR REPLACE INTO event SELECT 2, body, hash FROM event WHERE seq = 3",
        "INSERT INTO event SELECT 12, body, hash FROM event WHERE seq = 3",
        "INSERT INTO event (seq, body, hash) VALUES (NULL, 'x', x'00')",
        "UPDATE ledger SET id = 'x'",
    ] {
        assert!(file.execute(sql, []).is_err(), "{sql}");
    }
}

#[test]
fn e6_a_second_writer_is_refused_and_told_who_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    let first = Store::open(&path, "anna on host-a").unwrap();
    match Store::open(&path, "ben") {
        Err(LedgerError::Held { holder, .. }) => assert_eq!(holder, "anna on host-a"),
        other => panic!("{other:?}"),
    }
    assert!(replayed(&path).is_ok());
    drop(first);
    Store::open(&path, "ben").unwrap();
}

#[test]
fn e7_a_newer_file_and_a_foreign_file_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    assert!(matches!(Store::read(&path), Err(LedgerError::Newer { found: 2, .. })));
    let other = dir.path().join("b.ledger");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(Store::read(&other), Err(LedgerError::NotALedger { .. })));
    std::fs::write(&other, "not a database at all, but long enough to look like a header".repeat(9)).unwrap();
    assert!(matches!(Store::read(&other), Err(LedgerError::NotALedger { .. })));
    assert!(matches!(Store::open(&dir.path().join("c"), "x"), Err(LedgerError::Missing { .. })));
}

#[test]
fn e5_a_ledger_half_made_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ledger");
    std::fs::write(dir.path().join("a.ledger.new"), "cut off").unwrap();
    assert!(matches!(Store::open(&path, "x"), Err(LedgerError::Missing { .. })));
    let store = Store::create(&path, ID, &record(1), "x").unwrap();
    assert_eq!(store.head().seq, Seq(1));
    drop(store);
    assert!(matches!(Store::create(&path, ID, &record(1), "x"), Err(LedgerError::Disk { .. })));
    assert_eq!(replayed(&path).unwrap().1, [1]);
}

#[test]
fn e6_a_detour_to_the_ledger_is_the_same_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    let link = dir.path().join("link.ledger");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let _first = Store::open(&path, "anna").unwrap();
    assert!(matches!(Store::open(&link, "ben"), Err(LedgerError::Held { .. })));
}

#[test]
fn e5_what_an_earlier_ledger_left_beside_is_not_played_into_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ledger");
    let left = dir.path().join("a.ledger-wal");
    std::fs::write(&left, "frames").unwrap();
    let refused = Store::create(&path, ID, &record(1), "x").unwrap_err();
    assert!(refused.to_string().contains("a.ledger-wal is left of an earlier ledger"), "{refused}");
    std::fs::remove_file(&left).unwrap();
    Store::create(&path, ID, &record(1), "x").unwrap();
}

#[test]
fn c12_a_reader_reads_on_behind_a_writer_and_sees_each_event_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    let mut reader = Store::read(&path).unwrap();
    let mut seen = Vec::new();
    reader.replay(|_| Ok(())).unwrap();
    reader.catch_up(|_| Err("nothing was appended".into())).unwrap();
    let mut writer = Store::open(&path, "test").unwrap();
    for more in [11..=11, 12..=14] {
        writer.append(&more.map(record).collect::<Vec<_>>()).unwrap();
        let head = reader.catch_up(|(seq, read)| {
            assert_eq!(read, record(seq.0));
            seen.push(seq.0);
            Ok(())
        });
        assert_eq!(head.unwrap(), writer.head());
    }
    assert_eq!(seen, [11, 12, 13, 14]);
    assert_eq!(reader.head_at(Seq(14)).unwrap(), Some(writer.head()));
    assert_eq!(reader.head_at(Seq(15)).unwrap(), None);
}

#[test]
fn e7_a_reader_that_reads_on_names_what_was_altered() {
    for (sql, bad) in [
        ("UPDATE event SET body = replace(body, '11', '12') WHERE seq = 11", 11),
        ("UPDATE event SET hash = zeroblob(32) WHERE seq = 10", 10),
        ("DELETE FROM event WHERE seq >= 10", 10),
        ("DELETE FROM event WHERE seq = 11", 11),
        ("UPDATE event SET seq = 13 WHERE seq = 12", 12),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = ten(&dir);
        let mut reader = Store::read(&path).unwrap();
        reader.replay(|_| Ok(())).unwrap();
        Store::open(&path, "test").unwrap().append(&[record(11), record(12)]).unwrap();
        tamper(&path, sql);
        match reader.catch_up(|_| Ok(())) {
            Err(LedgerError::Damaged { seq, .. }) => assert_eq!(seq, Seq(bad), "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn c12_a_copy_of_a_ledger_that_is_being_written_is_a_ledger() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    let mut writer = Store::open(&path, "test").unwrap();
    let reader = Store::read(&path).unwrap();
    let copy = dir.path().join("it's a copy");
    // In the middle of an append, which is not seen, and which the copy does not hold up.
    let middle = writer.file.connection.unchecked_transaction().unwrap();
    middle.execute("INSERT INTO event (seq, body, hash) VALUES (11, 'half', zeroblob(32))", []).unwrap();
    reader.copy_to(&copy).unwrap();
    middle.rollback().unwrap();
    writer.append(&[record(11)]).unwrap();
    assert_eq!(replayed(&copy).unwrap().0, reader.head());
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let mut again = Store::open(&copy, "test").unwrap();
    again.append(&[record(11)]).unwrap();
    assert_eq!(again.head(), writer.head());
    let altered = Connection::open(&copy).unwrap().execute("DELETE FROM event WHERE seq = 11", []);
    assert!(altered.unwrap_err().to_string().contains("only ever appended to"));
    assert!(matches!(reader.copy_to(&copy), Err(LedgerError::Disk { .. })), "nothing is overwritten");
}

#[test]
fn e6_a_writer_whose_lock_file_is_deleted_takes_it_anew_and_keeps_others_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    let lock = dir.path().join("a.ledger.lock");
    let mut first = Store::open(&path, "anna on host-a").unwrap();
    std::fs::remove_file(&lock).unwrap();
    match Store::open(&path, "ben") {
        Err(LedgerError::Held { holder, .. }) => {
            assert!(holder.contains("a.ledger.lock was deleted or replaced"), "{holder}");
        }
        other => panic!("{other:?}"),
    }
    first.append(&[record(11)]).unwrap();
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "anna on host-a");
    assert!(
        matches!(Store::open(&path, "ben"), Err(LedgerError::Held { holder, .. }) if holder.contains("anna"))
    );
    assert_eq!(replayed(&path).unwrap().0, first.head());
}

#[test]
fn e6_a_writer_that_others_have_displaced_is_told_so_and_by_whom() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    let mut first = Store::open(&path, "anna").unwrap();
    let head = first.head();
    std::fs::remove_file(dir.path().join("a.ledger.lock")).unwrap();
    let other = Lock::take(&path, "ben on host-b").unwrap();
    let refused = first.append(&[record(11)]).unwrap_err();
    assert!(matches!(&refused, LedgerError::Displaced { by, .. } if by == "ben on host-b"), "{refused:?}");
    drop(other);
    // Whoever knows nothing of locks has written meanwhile.
    let file = Connection::open(&path).unwrap();
    let body = wire::encode(&record(11));
    let hash = chain::link(head.hash, Seq(11), &body);
    file.execute("INSERT INTO event (seq, body, hash) VALUES (11, ?1, ?2)", params![body, hash.0]).unwrap();
    let refused = first.append(&[record(11)]).unwrap_err();
    assert!(matches!(refused, LedgerError::Displaced { .. }), "{refused:?}");
    assert!(!refused.to_string().contains("disk"), "{refused}");
    assert_eq!(replayed(&path).unwrap().0.seq, Seq(11));
}

#[test]
fn e6_a_ledger_with_two_names_is_refused_under_both() {
    let dir = tempfile::tempdir().unwrap();
    let path = ten(&dir);
    let twin = dir.path().join("b.ledger");
    std::fs::hard_link(&path, &twin).unwrap();
    for name in [&path, &twin] {
        for refused in [Store::open(name, "anna").unwrap_err(), Store::read(name).unwrap_err()] {
            let is_it = matches!(&refused, LedgerError::Linked { path, links: 2 } if path == name);
            assert!(is_it, "{refused:?}");
        }
    }
    std::fs::remove_file(&twin).unwrap();
    Store::open(&path, "anna").unwrap();
}
