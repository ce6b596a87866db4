//! Altered through SQL, row by row.

use ledger::chain::{self, Head};
use ledger::ids::{LedgerId, Seq};
use ledger::ledger::Ledger;
use ledger::wire::encode;
use rusqlite::{Connection, params};

use super::{Bench, refused};

/// Gives back what was done, whatever it was.
fn undone(intruder: &mut Connection, sql: &str, see: impl FnOnce()) {
    intruder
        .execute_batch("CREATE TEMP TABLE IF NOT EXISTS kept AS SELECT seq, body, hash FROM event")
        .unwrap();
    intruder.execute_batch(&format!("BEGIN; {sql}; COMMIT")).unwrap_or_else(|error| panic!("{sql}: {error}"));
    see();
    let all =
        "BEGIN; DELETE FROM event; INSERT INTO event SELECT seq, body, hash FROM kept ORDER BY seq; COMMIT";
    intruder.execute_batch(all).unwrap();
}

#[test]
fn e7_each_byte_of_each_event_and_of_each_hash_counts() {
    let bench = Bench::new(4096);
    let intruder = bench.intruder();
    let mut write =
        intruder.prepare("UPDATE event SET body = CAST(?1 AS TEXT), hash = ?2 WHERE seq = ?3").unwrap();
    for (record, head) in bench.records.iter().zip(&bench.heads) {
        let (body, hash, seq) = (encode(record).into_bytes(), head.hash.0, head.seq.0);
        let row = seq as i64;
        for at in 0..body.len() {
            let mut altered = body.clone();
            // Another letter, another case, no UTF-8, and where C ends a text.
            altered[at] = [body[at] ^ 1, body[at] ^ 0x20, body[at] ^ 0x80, 0][(at + seq as usize) % 4];
            write.execute(params![altered, hash, row]).unwrap();
            bench.is_damaged_at(seq, &format_args!("byte {at} of event {seq}"));
        }
        for at in 0..body.len() {
            // One byte fewer and one more, at a few places of each event.
            if at % 64 == 0 {
                let (shorter, longer) =
                    ([&body[..at], &body[at + 1..]].concat(), [&body[..at], b" ", &body[at..]].concat());
                for altered in [shorter, longer] {
                    write.execute(params![altered, hash, row]).unwrap();
                    bench.is_damaged_at(seq, &format_args!("a byte more or less at {at} of event {seq}"));
                }
            }
        }
        for at in 0..hash.len() {
            let mut altered = hash;
            altered[at] ^= 1 << (at % 8);
            write.execute(params![body, altered, row]).unwrap();
            bench.is_damaged_at(seq, &format_args!("byte {at} of the hash of event {seq}"));
        }
        for altered in [&hash[..31], &[], &[hash.as_slice(), &[0]].concat()] {
            write.execute(params![body, altered, row]).unwrap();
            bench.is_damaged_at(seq, &format_args!("a hash of {} bytes for event {seq}", altered.len()));
        }
        write.execute(params![body, hash, row]).unwrap();
    }
    bench.ends_at(bench.last(), &"all is as it was");
    bench.was_bounded();
}

#[test]
fn e7_each_row_that_is_dropped_doubled_moved_or_swapped_is_found() {
    let bench = Bench::new(4096);
    let (last, mut intruder) = (bench.last(), bench.intruder());
    let mut see = |sql: &str, seq: u64| undone(&mut intruder, sql, || bench.is_damaged_at(seq, &sql));
    for n in 1..=last {
        // The last one dropped is a tail cut off: see below.
        if n < last {
            see(&format!("DELETE FROM event WHERE seq = {n}"), n);
        }
        // As one more at the end, behind a gap, before the beginning, and in the place of each other.
        let copy = |to: i64| format!("INSERT INTO event SELECT {to}, body, hash FROM event WHERE seq = {n}");
        see(&copy(last as i64 + 1), last + 1);
        see(&copy(last as i64 + 2), last + 1);
        see(&copy(0), 1);
        see(&copy(i64::MIN), 1);
        see(&copy(i64::MAX), last + 1);
        // Within, and all that follows one place on.
        let (from, to) = (n + 1, -1_000_000);
        let shift = format!(
            "UPDATE event SET seq = {to} - seq WHERE seq >= {from}; UPDATE event SET seq = {to} - seq + 1 WHERE seq < 0; {}",
            copy(from as i64)
        );
        see(&shift, from);
        // Under another number, and the gap it leaves.
        see(&format!("UPDATE event SET seq = {} WHERE seq = {n}", last + 1), n.min(last));
        see(&format!("UPDATE event SET seq = -{n} WHERE seq = {n}"), 1);
        for other in n + 1..=last {
            let swap = format!(
                "UPDATE event SET seq = 0 WHERE seq = {n}; UPDATE event SET seq = {n} WHERE seq = {other};
                 UPDATE event SET seq = {other} WHERE seq = 0"
            );
            see(&swap, n);
            // The texts alone.
            let text = |of: u64| format!("(SELECT body FROM kept WHERE seq = {of})");
            let texts = format!(
                "UPDATE event SET body = {} WHERE seq = {n}; UPDATE event SET body = {} WHERE seq = {other}",
                text(other),
                text(n)
            );
            see(&texts, n);
        }
    }
    see("DELETE FROM event", 1);
    bench.ends_at(last, &"all is as it was");
    bench.was_bounded();
}

#[test]
fn e7_another_id_is_another_ledger() {
    let bench = Bench::new(4096);
    let intruder = bench.intruder();
    let id: String = intruder.query_row("SELECT id FROM ledger", [], |row| row.get(0)).unwrap();
    for at in 0..id.len() {
        for digit in ["0", "1", "a", "F", "x", "", "00"].iter().filter(|digit| id[at..=at] != ***digit) {
            let other = format!("{}{digit}{}", &id[..at], &id[at + 1..]);
            intruder.execute("UPDATE ledger SET id = ?1", [&other]).unwrap();
            bench.is_damaged_at(1, &other);
        }
    }
    intruder.execute("UPDATE ledger SET id = ?1", [&id]).unwrap();
    bench.ends_at(bench.last(), &"all is as it was");
}

/// What a chain cannot show, and a head that was kept elsewhere does.
#[test]
fn c12_a_tail_cut_off_and_a_whole_forgery_are_seen_by_an_older_head_alone() {
    let bench = Bench::new(4096);
    let (last, mut intruder) = (bench.last(), bench.intruder());
    let kept = bench.heads[last as usize - 1];
    let at_kept = || Ledger::read(&bench.path).unwrap().store().head_at(kept.seq).unwrap();
    assert_eq!(at_kept(), Some(kept));
    for n in 1..last {
        let cut = format!("DELETE FROM event WHERE seq > {n}");
        undone(&mut intruder, &cut, || {
            bench.ends_at(n, &cut);
            assert_eq!(at_kept(), None, "{cut}");
        });
    }
    // One word of an event is another, and every hash from there on is computed anew.
    let id = LedgerId([7; 16]);
    let is_told = |n: usize| encode(&bench.records[n]).contains("Pub 1");
    let forged = (0..bench.records.len()).find(|n| is_told(*n)).unwrap();
    let mut head = Head { seq: Seq(0), hash: chain::genesis(id) };
    for (n, record) in bench.records.iter().enumerate() {
        let mut body = encode(record);
        if n == forged {
            body = body.replace("Pub 1", "Pub 2");
        }
        let seq = head.seq.next();
        head = Head { seq, hash: chain::link(head.hash, seq, &body) };
        let forge = "UPDATE event SET body = ?1, hash = ?2 WHERE seq = ?3";
        intruder.execute(forge, params![body, head.hash.0, seq.0 as i64]).unwrap();
    }
    let (found, records) = bench.read(&"a forgery").unwrap();
    assert_eq!(found, head);
    assert_ne!(records, bench.records);
    assert_ne!(at_kept(), Some(kept));
    // An older head than the forged event does not show it: what it proves is what came before it.
    let before = bench.heads[forged - 1];
    assert_eq!(Ledger::read(&bench.path).unwrap().store().head_at(before.seq).unwrap(), Some(before));
}

/// What was verified when a ledger was opened is read again later, and may have gone by then: one event, or all from one on.
#[test]
fn e7_events_that_go_from_under_a_reader_are_missed_however_they_are_asked_for() {
    let bench = Bench::new(4096);
    let (last, mut intruder) = (bench.last() as usize, bench.intruder());
    let ledger = Ledger::read(&bench.path).unwrap();
    let all = |what: &dyn std::fmt::Display| refused(&bench, &ledger, 1..=bench.last(), what);
    for n in 1..=last {
        // From each event up to the one that is gone on, that one alone, and all that mention a file.
        let mut see = |sql: &str, missed: usize| {
            undone(&mut intruder, sql, || assert_eq!(all(&sql), missed, "{sql}"));
        };
        see(&format!("DELETE FROM event WHERE seq = {n}"), n + 2);
        see(&format!("DELETE FROM event WHERE seq >= {n}"), last + (last - n + 1) + 1);
    }
    assert_eq!(all(&"all is as it was"), 0);
}
