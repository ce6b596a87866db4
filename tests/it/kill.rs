//! The real program killed, interrupted and cut off from its database in the middle of its work, and what comes after.

mod campaign;
pub mod hand;
mod outage;
mod signals;
mod suspended;
