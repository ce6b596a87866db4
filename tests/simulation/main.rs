//! A deterministic simulation: one seed gives one history, to the last event of its ledgers. The catalog, the origin, the CDN
//! and time are pretended; the runner, the retries, the claims' users and the ledgers are the program's own.

mod accounts;
mod cdn;
mod clock;
mod command;
mod database;
mod faults;
mod judge;
mod others;
mod parts;
mod process;
mod story;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Tells the histories of some seeds; the first of them that breaks a promise ends the test.
fn tell(seeds: std::ops::Range<u64>) -> BTreeMap<&'static str, u64> {
    let mut happened = BTreeMap::new();
    for seed in seeds {
        let dir = tempfile::tempdir().unwrap();
        let told = catch_unwind(AssertUnwindSafe(|| story::tell(seed, dir.path(), false)));
        let wrong = match told {
            Ok(told) => {
                told.happened.into_iter().for_each(|(what, times)| *happened.entry(what).or_default() += times);
                told.wrong
            }
            Err(_) => vec!["it panicked".to_owned()],
        };
        if !wrong.is_empty() {
            let again = tempfile::tempdir().unwrap();
            let told = catch_unwind(AssertUnwindSafe(|| story::tell(seed, again.path(), true)));
            let told = told.map_or_else(|_| Vec::new(), |told| told.told);
            let events = story::events(again.path());
            panic!("seed {seed}: {}\n{}\n{}", wrong.join("\n"), told.join("\n"), events.join("\n"));
        }
    }
    happened
}

#[test]
fn e5_histories_keep_every_promise() {
    let seeds = |name: &str, usual| {
        std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(usual)
    };
    let first = seeds("LONGSHORE_SIMULATE_FROM", 0);
    let began = std::time::Instant::now();
    let happened = tell(first..first + seeds("LONGSHORE_SIMULATE", 200));
    eprintln!("{:.1} s; {happened:#?}", began.elapsed().as_secs_f64());
}

#[test]
fn e5_a_seed_gives_one_history() {
    for seed in 0..20 {
        let [one, other] = [(); 2].map(|()| {
            let dir = tempfile::tempdir().unwrap();
            story::tell(seed, dir.path(), true)
        });
        let first = one.told.iter().zip(&other.told).find(|(one, other)| one != other);
        assert_eq!(first, None, "seed {seed}");
        assert_eq!(one.heads, other.heads, "seed {seed}");
    }
}
