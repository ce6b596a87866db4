//! How a run is run in a test.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ledger::event::{Options, Scope};
use ledger::timestamp::Timestamp;
use longshore::limits::{ANSWER_MS_MAX, IDLE_MS_MAX, IMAGE_BYTES_MAX};
use longshore::outside::catalog::Catalog;
use longshore::runner::Probe;

use super::sqlite::SqliteFile;
use super::stage::{now, poland};

/// What stands between a run and its database.
pub type Before = Arc<dyn Fn(Arc<dyn Catalog>) -> Arc<dyn Catalog> + Send + Sync>;

/// How a run is run in a test.
#[derive(Clone)]
pub struct How {
    /// Images in flight.
    pub concurrency: u32,
    /// Where it dies.
    pub probe: Option<Probe>,
    /// How long it waits for what is away.
    pub patience: Duration,
    /// How long a transfer may stand still.
    pub idle: Duration,
    /// How long an answer may take altogether, beside what its bytes take.
    pub whole: Duration,
    /// At most this many venues.
    pub limit: Option<u64>,
    /// Which place a new run takes.
    pub scope: Scope,
    /// Whether a resumed run takes up what had failed.
    pub retry_failed: bool,
    /// What a populate is made from: the report, and Trivia Advisor.
    pub matches: Option<(PathBuf, Arc<SqliteFile>)>,
    /// Whether a rollback deletes the files that nothing needs any more.
    pub delete_cdn_files: bool,
    /// What stands before its database.
    pub before: Option<Before>,
    /// The clock it goes by.
    pub now: fn() -> Timestamp,
}

impl Default for How {
    fn default() -> Self {
        Self {
            concurrency: 4,
            probe: None,
            patience: Duration::from_secs(10),
            idle: Duration::from_millis(IDLE_MS_MAX),
            whole: Duration::from_millis(ANSWER_MS_MAX),
            limit: None,
            scope: poland(),
            retry_failed: false,
            matches: None,
            delete_cdn_files: false,
            before: None,
            now,
        }
    }
}

impl How {
    /// The options of its run.
    pub fn options(&self) -> Options {
        let patience_ms = self.patience.as_millis() as u64;
        let usual = Options::new(self.concurrency, IMAGE_BYTES_MAX, patience_ms);
        Options { limit: self.limit, delete_cdn_files: self.delete_cdn_files, ..usual }
    }
}
