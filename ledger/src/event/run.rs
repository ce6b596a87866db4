//! What happens to a ledger and to a run as a whole.

use serde::{Deserialize, Serialize};

use super::texts::texts;
use super::venue::{City, Country};
use crate::ids::{ImageId, LedgerId, RunId, VenueId};

/// Which database a ledger belongs to, for ever (requirement D7). Never credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `dev` or `production`.
    pub name: String,
    /// `postgres` or `sqlite`.
    pub kind: String,
    /// PostgreSQL's system identifier, where it could be read.
    pub system: Option<String>,
    /// The database's name; for SQLite its canonical path.
    pub database: String,
    /// `host:port` when the ledger was opened; may change later.
    pub host: Option<String>,
}

/// See [`Event::Opened`](super::Event::Opened).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// The file format, 1.
    pub format: u32,
    /// The ledger's random id.
    pub ledger: LedgerId,
    /// `I/N` where this ledger is one shard of several.
    pub shard: Option<String>,
    /// The database it belongs to.
    pub target: Target,
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Forward: origin to CDN, and the rows with it.
    Migrate,
    /// Back: rows to their before-images.
    Rollback,
    /// Forward, without any file: external entries into the rows.
    Populate,
}

impl Verb {
    /// The command's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Rollback => "rollback",
            Self::Populate => "populate",
        }
    }
}

/// What a run was asked to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scope {
    /// A country.
    Country(Country),
    /// A city.
    City {
        /// The city.
        city: City,
        /// Its country.
        country: Option<Country>,
    },
    /// One venue.
    Venue {
        /// The venue.
        venue: VenueId,
        /// Its country, if it has one.
        country: Option<Country>,
    },
    /// What one earlier run did.
    Run(RunId),
    /// Every venue.
    Everywhere,
}

/// A file a run takes its venues from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Where it was: a matching report, or a saved plan.
    pub path: String,
    /// What it said: BLAKE3 of the report's bytes, or the plan's own digest, 64 lower-case hex digits.
    pub digest: String,
}

/// The settings of a run that decide what it does or how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// At most this many venues.
    pub limit: Option<u64>,
    /// Images in flight at once.
    pub concurrency: u32,
    /// Whether the CDN is asked to serve each file before the row may point at it.
    pub delivery_check: bool,
    /// The largest image taken, in bytes.
    pub bytes_max: u64,
    /// How long an outage is waited through before the run pauses, in milliseconds.
    pub patience_ms: u64,
    /// The file its venues come from; null for those of a place.
    pub input: Option<Input>,
    /// `populate`: matches that lie further apart than this are left out, in metres.
    pub distance_max_m: Option<u64>,
    /// `rollback`: the files that no row needs any more are deleted (requirement S7).
    pub delete_cdn_files: bool,
    /// The run pauses when more of a country's images than this failed or were skipped, in percent; 100 never pauses.
    pub error_rate_max_percent: u32,
    /// Requests to the CDN a second at most, over all workers; null for no limit of ours.
    pub rate_per_second_max: Option<u32>,
    /// Hosts that images may be fetched from beside the origin's own, each `name` or `name:port`.
    #[serde(deserialize_with = "texts")]
    pub allow_hosts: Vec<String>,
    /// `rollback`: tables that are left out of the search for users of a file that is to be deleted.
    #[serde(deserialize_with = "texts")]
    pub skip_tables: Vec<String>,
}

impl Options {
    /// A run over a whole place, each file seen served before a row points at it, and none deleted; without a brake of
    /// its own.
    pub fn new(concurrency: u32, bytes_max: u64, patience_ms: u64) -> Self {
        Self {
            limit: None,
            concurrency,
            delivery_check: true,
            bytes_max,
            patience_ms,
            input: None,
            distance_max_m: None,
            delete_cdn_files: false,
            error_rate_max_percent: 100,
            rate_per_second_max: None,
            allow_hosts: Vec::new(),
            skip_tables: Vec::new(),
        }
    }
}

/// Who did it, where, with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The user's login.
    pub user: String,
    /// The machine's name.
    pub host: String,
    /// The program's version.
    pub version: String,
}

/// See [`Event::RunStarted`](super::Event::RunStarted). The seq of this event is the run's number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStarted {
    /// Forward or back.
    pub verb: Verb,
    /// What it was asked to take.
    pub scope: Scope,
    /// With which settings.
    pub options: Options,
    /// By whom.
    pub operator: Operator,
}

/// See [`Event::Resumed`](super::Event::Resumed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resumed {
    /// The settings from here on.
    pub options: Options,
    /// Failed images of this run that it takes up again.
    pub retry_images: Vec<ImageId>,
    /// Venues that this run could not restore and takes up again.
    pub retry_venues: Vec<VenueId>,
    /// By whom.
    pub operator: Operator,
}

/// See [`Event::PlanningDone`](super::Event::PlanningDone).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanningDone {
    /// Venues planned by the run.
    pub venues: u64,
    /// Images planned by the run.
    pub images: u64,
}

/// Why a run paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// A wrong key.
    Unauthorized,
    /// The CDN's plan is exhausted.
    QuotaExceeded,
    /// The CDN, the origin or the database stayed away for longer than the patience.
    Outage,
    /// Too many images failed.
    ErrorRate,
    /// A person asked for it.
    Operator,
}

/// See [`Event::Paused`](super::Event::Paused).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paused {
    /// Why.
    pub reason: PauseReason,
    /// What happened, for people.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// What a person should hear of (requirement E8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertAbout {
    /// A run paused, for another reason than its error rate.
    Paused,
    /// A run paused because too many of its images failed.
    ErrorRate,
    /// The CDN or the origin is away, and is waited for.
    Outage,
    /// The application's database is away, and is waited for.
    DatabaseLost,
    /// The CDN or the origin has taken nothing for over a minute, as it was asked too often.
    RateLimit,
    /// What ImageKit's plan has free is nearly used up, or will be by the run.
    Usage,
    /// A run is finished.
    Finished,
}

/// See [`Event::Alerted`](super::Event::Alerted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerted {
    /// What it is about.
    pub about: AlertAbout,
    /// What happened, for people.
    pub message: String,
}

/// A part of the outside that workers wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Where the images come from.
    Origin,
    /// ImageKit: its API, its upload and its delivery.
    Cdn,
    /// The application's database.
    Database,
}

/// Why workers waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The part took no more requests for a while.
    RateLimit,
    /// The part did not answer, or only with errors of its own.
    Outage,
}

/// See [`Event::Waited`](super::Event::Waited). Shorter waits than a second are written down together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waited {
    /// For which part.
    pub part: Part,
    /// Why.
    pub reason: WaitReason,
    /// How often it began.
    pub times: u32,
    /// Milliseconds in which the part answered nobody, together.
    pub ms: u64,
}

/// See [`Event::Adjusted`](super::Event::Adjusted).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjusted {
    /// Which setting: `concurrency` or `rate_per_second_max`.
    pub setting: String,
    /// Its value before; `none` for no limit.
    pub from: String,
    /// Its value now, to be kept by whoever resumes the run.
    pub to: String,
    /// By whom.
    pub operator: Operator,
}

/// How many images stand on each rung.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rungs {
    /// Chosen, nothing done.
    pub planned: u64,
    /// In the spool.
    pub downloaded: u64,
    /// On the CDN.
    pub uploaded: u64,
    /// In the row.
    pub db_updated: u64,
    /// Back as they were.
    pub rolled_back: u64,
}

/// See [`Event::Checkpoint`](super::Event::Checkpoint). Replay must agree with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Images on each rung, over all runs.
    pub rungs: Rungs,
    /// Which projection the digest sums; an unknown one is passed over.
    pub digest_version: u32,
    /// The sum, 32 lower-case hex digits.
    pub digest: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything it planned is settled.
    Done,
    /// A rollback took over what it had not settled; it is never resumed.
    Closed,
}

/// What became of a run's images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Venues planned.
    pub venues: u64,
    /// Images planned (forward), or to be taken back.
    pub images: u64,
    /// In the row (forward), or back as they were.
    pub done: u64,
    /// Failed.
    pub failed: u64,
    /// Skipped by the program.
    pub skipped: u64,
    /// Changed by someone else.
    pub drifted: u64,
    /// Closed by a person.
    pub closed: u64,
    /// Not settled; of a run that is done, only where a later run has taken the venue.
    pub open: u64,
    /// Venues that failed as a whole: bad data, or a row that could not be restored.
    pub venues_failed: u64,
    /// Images and whole matches of a `populate` that could not become entries.
    pub left_out: u64,
}

/// See [`Event::RunFinished`](super::Event::RunFinished).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFinished {
    /// How.
    pub ending: Ending,
    /// With what result.
    pub tally: Tally,
}
