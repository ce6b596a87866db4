//! A model that walks: runs forward and back over a few venues, with a row store and a CDN in memory, through the
//! real `plan`, `order`, `decide` and `apply`. Whatever it writes is a legal history.

mod perform;
mod story;
mod walk;
mod world;

pub use story::{Story, Tape, stories};
pub use world::World;
