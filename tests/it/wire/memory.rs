//! The program with less memory than it wants.

use super::place::{Place, Verb, each_in};
use crate::support::program::{Ran, under};
use crate::support::stage::Kind;

/// Kilobytes of addresses that it may have: from what it starts with to what is plenty.
const LIMITS_KB: std::ops::Range<usize> = 30_000..230_000;
/// From one limit to the next.
const STEP_KB: usize = 10_000;

/// Bytes of each picture, and of the first row.
const MORE: usize = 3_000_000;

#[test]
fn e5_with_too_little_memory_it_ends_and_the_next_goes_on() {
    let step = if std::env::var_os("LONGSHORE_FAULTS_ALL").is_some() { STEP_KB } else { 2 * STEP_KB };
    let ended = each_in(
        || Place::larger(Kind::Sqlite, MORE),
        Verb::Migrate,
        LIMITS_KB.step_by(step).collect(),
        |place, end, limit_kb| {
            let args = Verb::Migrate.args();
            let command = place.site.command(&args);
            let ran = Ran::new(&args, under(&format!("ulimit -v {limit_kb}"), &command).output().unwrap());
            println!("{limit_kb}: {ran}");
            place.comes_to(Verb::Migrate, end, &ran, ran.code.is_none());
            ran.code != Some(0)
        },
    );
    assert!(ended > 0);
}
