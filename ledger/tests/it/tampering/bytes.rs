//! Altered as bytes of the file, which knows no rows.

use ledger::ledger::Ledger;
use ledger::store::LedgerError;
use ledger::wire::encode;

use super::{Bench, refused};

/// Puts a file in the ledger's place, with nothing beside it.
fn put(bench: &Bench, bytes: &[u8]) {
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(bench.dir.path().join(format!("a.ledger{ending}")));
    }
    std::fs::write(&bench.path, bytes).unwrap();
}

/// What became of an altered file.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    /// It is refused for what it is, and not for what the disk is said to do.
    Refused,
    /// It says what was written, up to an earlier event: a tail was cut off, which a head that was kept shows.
    Shorter,
    /// It says what was written, to the letter.
    Same,
}

fn became(bench: &Bench, bytes: &[u8], what: &dyn std::fmt::Display) -> Became {
    put(bench, bytes);
    match bench.read(what) {
        Ok((head, records)) => {
            let is_ours = bench.heads.contains(&head) && records == bench.records[..head.seq.0 as usize];
            assert!(is_ours, "{what}: it says what nobody wrote");
            if head.seq.0 == bench.last() { Became::Same } else { Became::Shorter }
        }
        Err(
            LedgerError::Damaged { .. }
            | LedgerError::OtherSchema { .. }
            | LedgerError::NotALedger { .. }
            | LedgerError::Newer { .. },
        ) => Became::Refused,
        Err(other) => panic!("{what}: {other:?}"),
    }
}

/// Each byte of a file of small pages, in which an event lies in several. The bit that is turned goes round.
#[test]
fn e7_each_byte_of_the_file_is_missed_or_has_no_meaning() {
    let bench = Bench::new(512);
    let whole = std::fs::read(&bench.path).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        // All of each page's header and of its first pointers, and of the file's.
        let is_header = at < 100 || at % 512 < 12;
        let turns: &[u8] = if is_header { &[0x01, 0x80, 0xff] } else { &[1 << (at % 8)] };
        for turn in turns {
            let mut altered = whole.clone();
            altered[at] ^= turn;
            let what = format!("byte {at} turned by {turn:#x}");
            match became(&bench, &altered, &what) {
                Became::Refused => refused += 1,
                Became::Shorter => panic!("{what}: a tail is missing"),
                Became::Same => {}
            }
        }
    }
    assert!(refused > whole.len() / 2, "only {refused} of {} bytes mattered", whole.len());
    bench.was_bounded();
}

/// The index of a table tells where an event is looked for. One that leads astray must not leave events out of what is
/// asked for later, though all are there when the ledger is verified from its beginning.
#[test]
fn e7_an_index_that_leads_astray_leaves_no_event_out() {
    let bench = Bench::new(512);
    let whole = std::fs::read(&bench.path).unwrap();
    let is_index = |at: usize| whole[at / 512 * 512] == 5 && whole[at] != 0;
    let (mut opened, mut astray) = (0, 0);
    for at in (100..whole.len()).filter(|at| is_index(*at)) {
        for byte in (0..8).map(|bit| whole[at] ^ (1 << bit)).chain([0]) {
            let mut altered = whole.clone();
            altered[at] = byte;
            let what = format!("byte {at} is {byte}");
            match became(&bench, &altered, &what) {
                Became::Refused => {}
                Became::Shorter => panic!("{what}: a tail is missing"),
                Became::Same => {
                    opened += 1;
                    let ledger = Ledger::read(&bench.path).unwrap();
                    // Each in its turn: a file is led astray from many.
                    let seqs = (1..=bench.last()).filter(|seq| seq % 16 == opened % 16);
                    astray += usize::from(refused(&bench, &ledger, seqs, &what) > 0);
                }
            }
        }
    }
    assert!(astray > 0, "no index led astray");
}

/// In pages of the usual size, an event's text and its hash lie in one piece, so that it can be named.
#[test]
fn e7_each_byte_of_an_event_in_the_file_names_the_event() {
    let bench = Bench::new(4096);
    let whole = std::fs::read(&bench.path).unwrap();
    for (seq, (record, head)) in (1..).zip(bench.records.iter().zip(&bench.heads)) {
        let stored = [encode(record).as_bytes(), &head.hash.0].concat();
        // SQLite leaves copies behind where it moved an event, which nobody reads.
        let is_read = |at: &usize| {
            let mut altered = whole.clone();
            altered[*at] ^= 1;
            put(&bench, &altered);
            bench.read(&format_args!("byte {at}")).is_err()
        };
        let places = (0..whole.len()).filter(|at| whole[*at..].starts_with(&stored)).filter(is_read);
        let [from] = places.collect::<Vec<_>>()[..] else { panic!("event {seq} is not read once") };
        // The rows' own test has every byte; here it is that they are found by where they lie.
        for at in (from..from + stored.len()).step_by(3) {
            let mut altered = whole.clone();
            altered[at] ^= [0x01, 0x20, 0x80, 0xff][at % 4];
            put(&bench, &altered);
            bench.is_damaged_at(seq, &format_args!("byte {at} of the file, {} of event {seq}", at - from));
        }
    }
    bench.was_bounded();
}

/// A page that is lost, is that of another place, or is all of one byte; and a file that ends early or goes on.
#[test]
fn e7_pages_lost_and_swapped_and_files_cut_short_are_found() {
    let bench = Bench::new(512);
    let whole = std::fs::read(&bench.path).unwrap();
    let pages: Vec<&[u8]> = whole.chunks(512).collect();
    let see = |bytes: &[u8], what: &dyn std::fmt::Display| became(&bench, bytes, what);
    let mut shorter = Vec::new();
    for one in 0..pages.len() {
        for filled in [0x00, 0xff] {
            let mut altered = pages.clone();
            let page = [filled; 512];
            altered[one] = &page;
            let what = format!("page {one} filled with {filled}");
            assert_eq!(see(&altered.concat(), &what), Became::Refused, "{what}");
        }
        for other in (0..pages.len()).filter(|other| *other != one) {
            let mut altered = pages.clone();
            altered[one] = pages[other];
            let mut became = vec![see(&altered.concat(), &format_args!("page {other} at {one}, too"))];
            altered[other] = pages[one];
            became.push(see(&altered.concat(), &format_args!("pages {one} and {other} swapped")));
            // The order in which a schema names its triggers means nothing.
            let is_schema =
                [one, other].iter().all(|n| pages[*n].windows(14).any(|w| w == b"CREATE TRIGGER"));
            assert!(is_schema || !became.contains(&Became::Same), "pages {one} and {other}");
            if became.contains(&Became::Shorter) {
                shorter.push(one.min(other)..=one.max(other));
            }
        }
    }
    // The first page of events in the place of their index is a whole ledger of these events alone: a tail cut off. It is
    // found once with each of the two as the first.
    assert!(shorter.len() == 2 && shorter[0] == shorter[1], "{shorter:?}");
    for end in 0..whole.len() {
        // Each place near a page's edge, and some of the others.
        if end % 31 == 0 || !(2..511).contains(&(end % 512)) {
            let what = format!("cut off at byte {end}");
            assert_eq!(see(&whole[..end], &what), Became::Refused, "{what}");
        }
    }
    for more in [1, 511, 512, 5_000] {
        let what = format!("{more} bytes more");
        assert_eq!(see(&[&whole[..], &vec![0; more]].concat(), &what), Became::Same, "{what}");
    }
    bench.was_bounded();
}
