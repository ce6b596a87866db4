//! Proof that the rules bite: every planted bug is found within few histories.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::bug::Bug;
use super::number;
use super::story::{self, Trim};

/// So many histories are told for each bug at most.
const SEEDS: u64 = 1_000;

/// The first history in which a rule notices a bug, and what it says.
fn found(bug: Bug, seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| {
        let dir = tempfile::tempdir().unwrap();
        let tell = || story::tell(seed, Some(bug), &Trim::default(), dir.path(), false);
        // That something panics is not what is asked for.
        let told = catch_unwind(AssertUnwindSafe(tell)).ok()?;
        Some((seed, told.wrong.into_iter().next()?))
    })
}

/// Prints a table; `LONGSHORE_SIMULATE_BUGS` has it look through more or fewer histories.
#[test]
fn e5_each_planted_bug_is_found() {
    let seeds = number("LONGSHORE_SIMULATE_BUGS", SEEDS);
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Vec::new());
    let look = || {
        while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = std::time::Instant::now();
            let found = found(*bug, seeds);
            all.lock().unwrap().push((*bug, found, began.elapsed()));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(look))));
    let mut all = all.into_inner().unwrap();
    all.sort_by_key(|(bug, ..)| *bug as usize);
    println!("| What the program does wrong | Seed | What a rule says |\n|---|---|---|");
    for (bug, found, took) in &all {
        let (seed, what) = found
            .as_ref()
            .map_or(("-".to_owned(), "nothing"), |(seed, what)| (seed.to_string(), what.as_str()));
        println!("| {} | {seed} | {what} | {bug:?} {:.1}", bug.says(), took.as_secs_f64());
    }
    let missed: Vec<Bug> = all.iter().filter(|(_, found, _)| found.is_none()).map(|(bug, ..)| *bug).collect();
    assert!(missed.is_empty(), "no rule notices these within {seeds} histories: {missed:?}");
}
