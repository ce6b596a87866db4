//! SQLite's way to the disk, for tests: a VFS over the default one that counts what is done to the files of one
//! database, fails the n-th call, writes a part of it, ends the process there, or cuts the power.
//!
//! [`register`] makes it the default of the process. It acts on the files of each [`Disk`] alone; all others go
//! straight to SQLite's own VFS.

mod disk;
mod pending;
mod shim;

pub use disk::{Counts, Disk, Fault, How, Op, Part};
pub use shim::{register, register_alone};
