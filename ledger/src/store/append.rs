//! Appending: what was sent is what the file has, or nothing is committed.

use std::io::ErrorKind;

use rusqlite::{Connection, ErrorCode, params};

use super::guard::EVENT_BYTES_MAX;
use super::{LedgerError, Store};
use crate::chain::{self, Head};
use crate::event::Record;
use crate::wire;

impl Store {
    /// Appends records in one durable transaction; their seqs follow on the head. All or none.
    ///
    /// # Errors
    /// When the disk refuses, another process has written to the ledger, or the file does not take what is sent. What is
    /// on the disk is then unknown to this store, which must not be used again.
    ///
    /// # Panics
    /// On a store opened for reading.
    pub fn append(&mut self, records: &[Record]) -> Result<(), LedgerError> {
        self.lock.as_mut().expect("only a ledger opened for writing is appended to").check()?;
        let snapshot = self.file.writing()?;
        let first = self.head.seq.next();
        let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
            // An event is there already that did not come from here.
            Some(ErrorCode::ConstraintViolation) => {
                LedgerError::Displaced { path: self.path.clone(), by: "another process".to_owned() }
            }
            Some(ErrorCode::TooBig) => {
                let message = format!("an event of more than {EVENT_BYTES_MAX} bytes is not written");
                let source = std::io::Error::new(ErrorKind::InvalidData, message);
                LedgerError::Disk { path: self.path.clone(), source }
            }
            _ => LedgerError::from_sqlite(&self.path, first, error),
        };
        let head = insert(&self.file.connection, self.head, records).map_err(failed)?;
        let head = head.ok_or_else(|| {
            LedgerError::damaged(
                &self.path,
                first,
                "it did not read back as it was sent, so nothing was written",
            )
        })?;
        snapshot.commit().map_err(failed)?;
        self.head = head;
        Ok(())
    }
}

/// Inserts events behind a head and looks whether these, and nothing else, are there now. `None` where they are not:
/// something between swallows or rewrites what is sent.
fn insert(connection: &Connection, mut head: Head, records: &[Record]) -> rusqlite::Result<Option<Head>> {
    let (first, before) = (head.seq.next(), connection.total_changes());
    let mut insert = connection.prepare_cached("INSERT INTO event (seq, body, hash) VALUES (?1, ?2, ?3)")?;
    for record in records {
        let body = wire::encode(record);
        let seq = head.seq.next();
        head = Head { seq, hash: chain::link(head.hash, seq, &body) };
        if insert.execute(params![seq.0 as i64, body, head.hash.0])? != 1 {
            return Ok(None);
        }
    }
    // Triggers' own changes are counted here, too.
    let is_alone = connection.total_changes() - before == records.len() as u64;
    let mut last = connection.prepare_cached(
        "SELECT (SELECT count(*) FROM event WHERE seq >= ?1), seq, hash FROM event ORDER BY seq DESC LIMIT 1",
    )?;
    let found: (i64, i64, [u8; 32]) =
        last.query_row([first.0 as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let is_there = found == (records.len() as i64, head.seq.0 as i64, head.hash.0);
    Ok((is_alone && is_there).then_some(head))
}

#[cfg(test)]
mod tests {
    use rusqlite::limits::Limit;

    use super::*;
    use crate::event::{AlertAbout, Alerted, Event};
    use crate::ids::{LedgerId, Seq};
    use crate::timestamp::Timestamp;

    #[test]
    fn e7_what_does_not_read_back_is_not_committed() {
        let event = Event::Alerted(Alerted { about: AlertAbout::Paused, message: String::new() });
        let record = Record { at: Timestamp::from_millis(0), run: None, event };
        for trigger in [
            "BEFORE INSERT ON event BEGIN SELECT RAISE(IGNORE); END",
            "BEFORE INSERT ON event WHEN NEW.seq = 3 BEGIN SELECT RAISE(IGNORE); END",
            "AFTER INSERT ON event WHEN NEW.seq = 3
             BEGIN INSERT INTO event VALUES (4, 'one more', zeroblob(32)); END",
            "AFTER INSERT ON event WHEN NEW.seq = 3 BEGIN INSERT INTO ledger VALUES ('another'); END",
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.ledger");
            let mut store = Store::create(&path, LedgerId([7; 16]), &record, "test").unwrap();
            // On this connection alone, so that the file's own schema is a ledger's.
            let sql = format!("CREATE TEMP TRIGGER swallow {trigger}");
            store.file.connection.execute_batch(&sql).unwrap();
            let said = store.append(&[record.clone(), record.clone()]).unwrap_err();
            assert!(matches!(said, LedgerError::Damaged { seq: Seq(2), .. }), "{trigger}: {said:?}");
            drop(store);
            let left = Store::read(&path).unwrap().replay(|_| Ok(())).unwrap();
            assert_eq!(left.seq, Seq(1), "{trigger}");
        }
    }
    #[test]
    fn e7_an_event_too_large_to_be_read_again_is_not_written() {
        let event = Event::Alerted(Alerted { about: AlertAbout::Paused, message: "x".repeat(2_000) });
        let record = Record { at: Timestamp::from_millis(0), run: None, event };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ledger");
        let mut store = Store::create(&path, LedgerId([7; 16]), &record, "test").unwrap();
        // In place of 256 MiB.
        store.file.connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 2_000).unwrap();
        let said = store.append(std::slice::from_ref(&record)).unwrap_err();
        assert!(said.to_string().contains("an event of more than"), "{said}");
        assert!(matches!(said, LedgerError::Disk { .. }), "{said:?}");
        drop(store);
        assert_eq!(Store::read(&path).unwrap().head().seq, Seq(1));
    }
}
