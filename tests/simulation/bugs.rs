//! Proof that the rules bite: every planted bug is found within few histories.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bug::Bug;
use super::number;
use super::story::{self, Trim};

/// So many histories are told for each bug at most.
const SEEDS: u64 = 1_000;
/// Characters of what a rule says that the table has.
const SAID_MAX: usize = 140;

/// What a rule says first in a history; none where it panics.
fn said(seed: u64, bug: Option<Bug>) -> Option<Option<String>> {
    let dir = tempfile::tempdir().unwrap();
    let tell = || story::tell(seed, bug, &Trim::default(), dir.path(), false);
    Some(catch_unwind(AssertUnwindSafe(tell)).ok()?.wrong.into_iter().next())
}

/// The first of some histories in which a rule notices a bug, and what it says: it says nothing of the same history without
/// the bug.
fn found(bug: Bug, seeds: impl Iterator<Item = u64>) -> Option<(u64, String)> {
    let mut found = seeds.filter_map(|seed| Some((seed, said(seed, Some(bug))??)));
    found.find(|(seed, _)| said(*seed, None) == Some(None))
}

/// Prints a table. With `LONGSHORE_SIMULATE_BUGS` it looks through so many histories from the first on; without it, it begins
/// with the one that found the bug the last time.
#[test]
fn e5_each_planted_bug_is_found() {
    let is_anew = std::env::var_os("LONGSHORE_SIMULATE_BUGS").is_some();
    let seeds = number("LONGSHORE_SIMULATE_BUGS", SEEDS);
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::new());
    let look = || {
        while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let last = bug.says().1;
            let found = found(*bug, Some(last).filter(|_| !is_anew).into_iter().chain(0..seeds));
            all.lock().unwrap().push((*bug, found));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(look))));
    let mut all = all.into_inner().unwrap();
    all.sort_by_key(|(bug, ..)| *bug as usize);
    println!("| What the program does wrong | Seed | What a rule says |\n|---|---|---|");
    for (bug, found) in &all {
        let (seed, what) = found.as_ref().map_or((u64::MAX, "nothing"), |(seed, what)| (*seed, what));
        let what: String = what.chars().take(SAID_MAX).collect();
        println!("| {} | {seed} | {what} |", bug.says().0);
    }
    for (bug, found) in all.iter().filter(|_| is_anew) {
        let seed = found.as_ref().map_or(0, |(seed, _)| *seed);
        println!("    {bug:?}: {:?}, {seed};", bug.says().0);
    }
    let missed: Vec<Bug> = all.iter().filter(|(_, found)| found.is_none()).map(|(bug, _)| *bug).collect();
    assert!(missed.is_empty(), "no rule notices these within {seeds} histories: {missed:?}");
}
