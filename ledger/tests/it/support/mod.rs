//! What the tests share.

mod history;
mod outcomes;

pub use history::*;
pub use outcomes::*;
