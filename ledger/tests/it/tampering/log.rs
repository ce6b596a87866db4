//! Altered in the write-ahead log, which alone has the newest events of a run that was killed.
//!
//! SQLite believes a log up to the first transaction that is not whole. So a byte turned there, as after a power cut, is
//! a tail cut off: what is left is a valid, shorter ledger, and an older head alone shows it.

use ledger::ids::Seq;
use ledger::ledger::Ledger;
use rusqlite::Connection;

use super::{Bench, write};

#[test]
fn c12_each_byte_of_the_log_is_missed_by_an_older_head_and_nothing_else_is_ever_read() {
    let bench = Bench::new(512);
    let (first, wal) = (bench.last() - 9, bench.dir.path().join("a.ledger-wal"));
    for file in [&bench.path, &wal, &bench.dir.path().join("a.ledger-shm")] {
        let _ = std::fs::remove_file(file);
    }
    write(&bench.path, &bench.records[..first as usize]);
    let small = "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM; PRAGMA journal_mode = WAL";
    Connection::open(&bench.path).unwrap().execute_batch(small).unwrap();
    let mut writer = Ledger::open(&bench.path, "test").unwrap();
    let mut commits = vec![first];
    for batch in bench.records[first as usize..].chunks(3) {
        writer.append(batch).unwrap();
        commits.push(writer.head().seq.0);
    }
    // As it is when the writer is killed here: nothing of the log has come into the file.
    let (file, log) = (std::fs::read(&bench.path).unwrap(), std::fs::read(&wal).unwrap());
    drop(writer);
    let put = |log: &[u8]| {
        let _ = std::fs::remove_file(bench.dir.path().join("a.ledger-shm"));
        std::fs::write(&bench.path, &file).unwrap();
        std::fs::write(&wal, log).unwrap();
    };
    let kept = bench.heads[bench.heads.len() - 1];
    let see = |what: &dyn std::fmt::Display| {
        let (head, records) = bench.read(what).unwrap_or_else(|error| panic!("{what}: {error}"));
        let seq = head.seq.0;
        assert!(commits.contains(&seq), "{what}: it ends at {seq}, within a transaction");
        assert_eq!(head, bench.heads[seq as usize - 1], "{what}");
        assert!(records == bench.records[..seq as usize], "{what}");
        let is_whole = Ledger::read(&bench.path).unwrap().store().head_at(kept.seq).unwrap() == Some(kept);
        assert_eq!(is_whole, head.seq == kept.seq, "{what}");
        head.seq
    };
    put(&log);
    assert_eq!(see(&"nothing altered"), kept.seq);
    // All of the log's header and of each frame's, and every fifth byte of the pages, which a checksum covers as a whole.
    let is_header = |at: usize| at < 32 || (at - 32) % 536 < 24;
    let (mut shorter, mut turned) = (0, 0);
    for at in (0..log.len()).filter(|at| is_header(*at) || at % 5 == 0) {
        let mut altered = log.clone();
        altered[at] ^= 1 << (at % 8);
        put(&altered);
        turned += 1;
        shorter += usize::from(see(&format_args!("byte {at} of the log")) < kept.seq);
    }
    assert!(shorter > turned / 2, "only {shorter} of {turned} bytes mattered");
    let mut last = Seq(first);
    for end in (0..=log.len()).step_by(61) {
        put(&log[..end]);
        let seq = see(&format_args!("the log cut off at byte {end}"));
        assert!(seq >= last, "a longer log has a shorter ledger");
        last = seq;
    }
    bench.was_bounded();
}
