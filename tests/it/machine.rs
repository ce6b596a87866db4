//! The machine itself in trouble: disks that are full or may not be written to, too few file descriptors, a clock that
//! steps back, a database that is restarted or refuses a venue. The program says so and stops in order, no image is
//! blamed, and `resume` gets to the end of a run that nothing disturbed.

mod arenas;
mod clock;
mod descriptors;
mod disk;
mod gravest;
mod names;
mod refused;
mod restart;
pub mod small;
mod standby;
mod unreadable;
mod unwritable;
