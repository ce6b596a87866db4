//! A deterministic simulation: one seed gives one history, to the last event of its ledgers. The catalog, the origin, the CDN
//! and time are pretended; the runner, its retries and claims, and the ledgers are the program's own.
//!
//! A history draws some kinds of trouble, venues, and commands of two ledgers' processes, which meet that trouble between
//! any two calls. Rules of its own (`judge`, `accounts`) look at every row that is written, every file that is deleted, and
//! at the end, when all is taken up again under fair weather.

mod accounts;
mod book;
mod bug;
mod bugs;
mod cdn;
mod clock;
mod command;
mod coverage;
mod database;
mod disk;
mod entries;
mod false_cdn;
mod false_database;
mod faults;
mod judge;
mod known;
mod others;
mod parts;
mod people;
mod pictures;
mod process;
mod reach;
mod runs;
mod steering;
mod story;
mod tally;
mod verbs;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use faults::{Fault, Weather};
use story::{Told, Trim};

/// Seeds of a run of all tests.
const SEEDS: u64 = 1_000;
/// With so many seeds all trouble and all events have come about that are not seldom.
const SEEDS_OF_MOST: u64 = 1_000;
/// With so many, these as well, and all steps of images.
const SEEDS_OF_ALL: u64 = 10_000;
/// So many seeds that break a promise end a thread's part of a long run.
const BROKEN_MAX: usize = 20;
/// What else has to come about.
const ALSO: [&str; 4] =
    ["row put back", "cached 404 served", "file of two databases", "swept beside another database"];
/// What comes about a few times in a thousand histories.
const SELDOM: [&str; 7] = [
    "used up",
    "wrong key",
    "plan run",
    "plan refused",
    "left by a person",
    "row put back as its image is left",
    "cached version served",
];

/// How often each thing came about.
type Happened = BTreeMap<&'static str, u64>;

/// Events that no history leads to.
const ABSENT: [&str; 1] = ["chain_broken"];

/// One history; what is wrong with it where it panicked, too.
fn tell(seed: u64, trim: &Trim, tells: bool) -> (Told, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let told = catch_unwind(AssertUnwindSafe(|| story::tell(seed, None, trim, dir.path(), tells)));
    let mut told = told.unwrap_or_else(|_| Told {
        wrong: vec!["it panicked".to_owned()],
        happened: Happened::new(),
        told: Vec::new(),
        heads: Vec::new(),
    });
    let in_dir = format!("{}/", dir.path().display());
    told.told.iter_mut().for_each(|line| *line = line.replace(&in_dir, ""));
    let events = if tells { story::events(dir.path()) } else { Vec::new() };
    (told, events)
}

/// The shortest history of a seed that still breaks a promise.
fn trimmed(seed: u64) -> Trim {
    let breaks = |trim: &Trim| !tell(seed, trim, false).0.wrong.is_empty();
    let mut trim = Trim::default();
    for acts in 0..7 {
        let fewer = Trim { acts_max: Some(acts), ..trim.clone() };
        if breaks(&fewer) {
            trim = fewer;
            break;
        }
    }
    for venues in 1..5 {
        let fewer = Trim { venues_max: Some(venues), ..trim.clone() };
        if breaks(&fewer) {
            trim = fewer;
            break;
        }
    }
    for fault in Weather::drawn(&mut fastrand::Rng::with_seed(seed)).kinds() {
        let mut fewer = trim.clone();
        fewer.without.push(fault);
        if breaks(&fewer) {
            trim = fewer;
        }
    }
    trim
}

/// Tells the histories of some seeds, and which of them break a promise, each with what is wrong. Ends at [`BROKEN_MAX`] of
/// these.
fn tell_all(seeds: impl Iterator<Item = u64>) -> (Happened, BTreeMap<u64, Vec<String>>) {
    let (mut happened, mut broken) = (Happened::new(), BTreeMap::new());
    for seed in seeds {
        let told = tell(seed, &Trim::default(), false).0;
        told.happened.into_iter().for_each(|(what, times)| *happened.entry(what).or_default() += times);
        if told.wrong.is_empty() {
            continue;
        }
        println!("seed {seed} breaks a promise: {}", told.wrong.join("\n"));
        broken.insert(seed, told.wrong);
        if broken.len() == BROKEN_MAX {
            break;
        }
    }
    (happened, broken)
}

/// How to tell a broken seed again, and the shortest history of it that breaks a promise.
fn shortest(seed: u64) -> String {
    let trim = trimmed(seed);
    let kinds = Weather::drawn(&mut fastrand::Rng::with_seed(seed)).without(&trim.without).kinds();
    let (short, events) = tell(seed, &trim, true);
    format!(
        "LONGSHORE_SIMULATE_FROM={seed} tests/run --simulate 1 tells seed {seed} again\n\
         The shortest history of it that breaks a promise, with {kinds:?}, {:?} commands and {:?} venues:\n{}\n{}\n{}",
        trim.acts_max,
        trim.venues_max,
        short.wrong.join("\n"),
        short.told.join("\n"),
        events.join("\n"),
    )
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect(name))
}

#[test]
fn e5_histories_keep_every_promise() {
    let (from, n) = (number("LONGSHORE_SIMULATE_FROM", 0), number("LONGSHORE_SIMULATE", SEEDS));
    let began = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let (mut happened, mut broken) = (Happened::new(), BTreeMap::new());
    std::thread::scope(|scope| {
        let each: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || tell_all((from + thread..from + n).step_by(threads as usize))))
            .collect();
        for told in each {
            let (told, wrong) = told.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            broken.extend(wrong);
            told.into_iter().for_each(|(what, times)| *happened.entry(what).or_default() += times);
        }
    });
    let took = began.elapsed().as_secs_f64();
    println!("seeds {from} to {}: {took:.0} s, {:.0} histories a second", from + n - 1, n as f64 / took);
    happened.iter().for_each(|(what, times)| println!("{times:>10}  {what}"));
    if let Some((first, _)) = broken.first_key_value() {
        panic!("these seeds break a promise: {:?}\n{}", broken.keys(), shortest(*first));
    }
    let unlisted = coverage::unlisted(&happened);
    assert!(unlisted.is_empty(), "these steps are in no list: {unlisted:?}");
    if n >= SEEDS_OF_MOST {
        let names = Fault::ALL.map(Fault::name).into_iter().chain(ledger::event::Event::NAMES).chain(ALSO);
        let absent: Vec<&str> = names
            .filter(|name| !happened.contains_key(name) && !ABSENT.contains(name) && !SELDOM.contains(name))
            .collect();
        assert!(absent.is_empty(), "these never came about: {absent:?}");
    }
    if n >= SEEDS_OF_ALL {
        let absent: Vec<&str> = SELDOM.into_iter().filter(|name| !happened.contains_key(name)).collect();
        assert!(absent.is_empty(), "these never came about: {absent:?}");
        let absent = coverage::absent(&happened);
        assert!(absent.is_empty(), "these steps never came about: {absent:?}");
    }
}

#[test]
fn e5_a_seed_gives_one_history() {
    // In the last one, a person asks something of a run in the moment in which it ends.
    for seed in (0..20).chain([155]) {
        // Four at a time, so that threads wait for each other in other places each time.
        let told = std::thread::scope(|scope| {
            [(); 4]
                .map(|()| scope.spawn(|| tell(seed, &Trim::default(), true).0))
                .map(|told| told.join().expect("what panics is told"))
        });
        let [one, others @ ..] = &told;
        for other in others {
            let first = one.told.iter().zip(&other.told).find(|(one, other)| one != other);
            assert_eq!(first, None, "seed {seed}");
            assert_eq!(one.heads, other.heads, "seed {seed}");
        }
    }
}
