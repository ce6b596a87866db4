//! Projections: folds over the same events that end in plain structs. They decide nothing and print nothing.

mod standing;
mod success;

pub use standing::{CountryStanding, Counts, Standing, UnfinishedRun, Waiting, standing};
pub use success::{CountrySuccess, Milliseconds, Success, SuccessFold};
