//! The outside in miniature on loopback: what Longshore works against when nothing real may be touched.
//!
//! Each stand-in keeps to what is known of the real service, literal messages included, so that a client that works
//! here has met the real answers. Faults are put in by name of operation (see [`faults`]); nothing else misbehaves.

pub mod control;
pub mod databases;
pub mod faults;
pub mod imagekit;
mod lag;
pub mod origin;
pub mod pictures;
pub mod seed;
mod spoil;
pub mod whole;
mod wire;
