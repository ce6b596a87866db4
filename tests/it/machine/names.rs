//! A ledger's lock file that somebody deletes, and a ledger with two names (requirement E6).

use std::time::Duration;

use longshore::sandbox::faults::Fault;

use crate::kill::hand::{Going, VENUES, migrate};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

#[test]
fn e6_deleting_the_lock_file_lets_no_second_process_in() {
    let work = Workplace::new(Kind::Sqlite, VENUES);
    work.run(&["migrate", "--country", "DE", "--yes"]);
    work.sandbox.faults.inject("upload", 0, 1_000, Fault::Delay(Duration::from_millis(50)));
    let mut going = Going::start(&work, &migrate());
    going.reach("an upload", || work.requests("upload") > 8);
    let lock = work.work().join("longshore.production.ledger.lock");
    std::fs::remove_file(&lock).unwrap();
    // Another country, so that no claim is in the way.
    let second = work.run(&["migrate", "--country", "FR", "--yes"]).code(22);
    let second = second.says("is being written to by");
    work.sandbox.faults.clear();
    let first = going.end();
    assert!(matches!(first.code, Some(0 | 10)), "{first}{second}");
    work.run(&["ledger", "verify"]).code(0);
    assert!(std::fs::read_to_string(lock).unwrap().contains("pid"), "it was taken anew");
}

#[test]
fn e6_a_hard_linked_ledger_is_refused_with_what_to_type() {
    let work = Workplace::new(Kind::Sqlite, 2);
    work.run(&["migrate", "--country", "DE", "--yes"]);
    let head = work.head();
    let other = work.work().join("other.ledger");
    std::fs::hard_link(work.ledger(), &other).unwrap();
    for args in [&["status"][..], &["resume", "--yes"], &["ledger", "verify", "--ledger", "other.ledger"]] {
        let ran = work.run(args).code(2).says("has 2 names (hard links)").says("mktemp ");
        assert!(!ran.stderr.contains("disk"), "{ran}");
    }
    let told = work.run(&["status"]).stderr;
    let typed = told.split('`').find(|words| words.starts_with("for f in ")).unwrap();
    let done = std::process::Command::new("sh").args(["-c", typed]).current_dir(work.work()).status();
    assert!(done.unwrap().success(), "{typed}");
    work.run(&["status"]).code(0);
    work.run(&["resume", "--yes"]).code(0);
    assert_eq!(work.head(), head);
    work.run(&["ledger", "verify", "--ledger", "other.ledger"]).code(0);
}
