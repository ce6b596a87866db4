//! Projections: folds over the same events that end in plain structs. They decide nothing and print nothing.

pub mod audit;
mod failures;
mod files;
mod rollback_data;
mod standing;
mod success;
mod trail;

pub use failures::{FailedImage, Failures};
pub use files::{Believed, BelievedFile, believed, in_progress};
pub use rollback_data::{Migrated, RollbackHead, RollbackVenue};
pub use standing::{CountryStanding, Counts, Standing, UnfinishedRun, Waiting, standing};
pub use success::{CountrySuccess, Milliseconds, Success, SuccessFold};
pub use trail::Trail;
