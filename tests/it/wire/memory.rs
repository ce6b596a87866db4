//! The program with less memory than it wants.

use super::place::{Place, Verb, each_in};
use crate::kill::hand::Going;
use crate::support::program::{Ran, under};
use crate::support::stage::Kind;

/// Kilobytes of addresses that it may have: from what it starts with to what is plenty.
const LIMITS_KB: std::ops::Range<usize> = 30_000..230_000;
/// With this much it starts.
const STARTS_KB: usize = 40_000;
/// From one limit to the next.
const STEP_KB: usize = 10_000;

/// Bytes of each picture, and of the first row.
const MORE: usize = 3_000_000;

#[test]
fn e5_with_too_little_memory_it_ends_and_the_next_goes_on() {
    let step = if std::env::var_os("LONGSHORE_FAULTS_ALL").is_some() { STEP_KB } else { 2 * STEP_KB };
    let larger = || Place::larger(Kind::Sqlite, MORE, MORE);
    let ended = each_in(larger, Verb::Migrate, LIMITS_KB.step_by(step).collect(), |place, end, limit_kb| {
        let args = [Verb::Migrate.args(), vec!["--patience", "1"]].concat();
        let mut command = under(&format!("ulimit -v {limit_kb}"), &place.site.command(&args));
        let ran = Ran::new(&args, command.output().unwrap());
        println!("{limit_kb}: {ran}");
        // Below what it starts with, the system ends it before its first word.
        let is_told = *limit_kb < STARTS_KB || ran.stderr.contains("memory allocation of");
        place.comes_to(Verb::Migrate, end, &ran, is_told);
        ran.code != Some(0)
    });
    assert!(ended > 0);
}

/// Somewhere between starting and not, the system gives threads for some of the workers.
#[test]
fn e5_with_memory_for_some_of_its_workers_it_says_so_and_ends() {
    let place = Place::new(Kind::Sqlite);
    let args = ["status"];
    let ends = |limit_kb: usize| {
        let command = under(&format!("ulimit -v {limit_kb}"), &place.site.command(&args));
        Going::spawn(command, &args).end()
    };
    let ends: Vec<Ran> = (STARTS_KB..2 * STARTS_KB).step_by(1_000).map(ends).collect();
    let told = ends.iter().filter(|ran| ran.stderr.contains("no more threads"));
    let codes: Vec<_> = told.map(|ran| ran.code).collect();
    assert!(!codes.is_empty() && codes.iter().all(|code| *code == Some(30)), "{codes:?}");
}
