//! The simulation's pretended world, so that the contracts of the real parts hold it to the same.

#![expect(dead_code, reason = "the simulation uses all of it, the contracts only what answers")]

#[path = "../simulation/accounts.rs"]
mod accounts;
#[path = "../simulation/book.rs"]
mod book;
#[path = "../simulation/bug.rs"]
mod bug;
#[path = "../simulation/cdn.rs"]
pub mod cdn;
#[path = "../simulation/clock.rs"]
mod clock;
#[path = "../simulation/database.rs"]
pub mod database;
#[path = "../simulation/disk.rs"]
mod disk;
#[path = "../simulation/entries.rs"]
mod entries;
#[path = "../simulation/faults.rs"]
mod faults;
#[path = "../simulation/judge.rs"]
mod judge;
#[path = "../simulation/known.rs"]
mod known;
#[path = "../simulation/others.rs"]
mod others;
#[path = "../simulation/parts.rs"]
mod parts;
#[path = "../simulation/people.rs"]
mod people;
#[path = "../simulation/pictures.rs"]
mod pictures;
#[path = "../simulation/process.rs"]
pub mod process;
#[path = "../simulation/reach.rs"]
mod reach;
#[path = "../simulation/runs.rs"]
mod runs;
#[path = "../simulation/world.rs"]
pub mod world;

use std::sync::Arc;

/// A world without trouble, whose time is that of the runtime it is made in, which must be paused.
pub fn fair_world() -> Arc<world::World> {
    clock::begin();
    world::World::new(fastrand::Rng::with_seed(0), faults::Weather::fair(), false)
}
