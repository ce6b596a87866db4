//! Projections: folds over the same events that end in plain structs. They decide nothing and print nothing.

mod added;
mod advice;
pub mod audit;
mod failures;
mod files;
mod provenance;
mod rollback_data;
mod rollout;
mod standing;
mod times;
mod trail;
mod unaccounted;

pub use added::{Added, added};
pub use advice::{
    Advice, ERROR_PERCENT_GOOD, ERROR_PERCENT_PAUSE, ERROR_PERCENT_ROLL_BACK, SUCCESS_PERCENT_GOOD,
    UPLOAD_MS_GOOD, Verdict,
};
pub use failures::{FailedImage, Failures};
pub use files::{Believed, BelievedFile, believed, in_progress, is_held};
pub use provenance::{Content, Provenance, Provenances, provenances};
pub use rollback_data::{Migrated, RollbackHead, RollbackVenue};
pub use rollout::{By, Report, ReportFold, ReportLine, Wait};
pub use standing::{CountryStanding, Counts, Standing, UnfinishedRun, Waiting, standing};
pub use times::{Milliseconds, Pace};
pub use trail::Trail;
pub use unaccounted::{Unaccounted, unaccounted};
