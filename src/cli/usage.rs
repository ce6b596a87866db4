//! What of ImageKit's plan is used, against what is free (requirement D6).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ledger::event::{AlertAbout, Alerted};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::timeout;

use super::Context;
use crate::config::Config;
use crate::error::Failure;
use crate::limits::{USAGE_MS_MAX, USED_NOTE_PERCENT};
use crate::outside::Trouble;
use crate::outside::imagekit::Cdn;
use crate::runner::Look;
use crate::show;

/// How an alert begins about what is used now.
pub const IS_USED: &str = "ImageKit's plan is used:";
/// As ImageKit bills.
const BYTES_IN_GB: f64 = 1e9;

/// What is used, and what is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Bytes in the media library now.
    pub storage_bytes: u64,
    /// Bytes that are free there.
    pub storage_limit_bytes: u64,
    /// Bytes delivered since the month began.
    pub bandwidth_bytes: u64,
    /// Bytes that are free in a month.
    pub bandwidth_limit_bytes: u64,
    /// The month's first day, in UTC.
    pub bandwidth_since: String,
}

/// What is free of ImageKit's plan, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Free {
    storage: u64,
    bandwidth: u64,
}

impl Free {
    /// As the settings say.
    pub fn of(config: &Config) -> Self {
        Self {
            storage: bytes(config.imagekit_storage_limit_gb),
            bandwidth: bytes(config.imagekit_bandwidth_limit_gb),
        }
    }
}

/// One of the two amounts that a plan limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    what: &'static str,
    bytes: u64,
    free: u64,
    /// The setting that says how much is free.
    pub setting: &'static str,
}

impl Amount {
    /// Whether so many percent of what is free are used.
    pub fn is_above(&self, percent: u64) -> bool {
        u128::from(self.bytes) * 100 >= u128::from(self.free) * u128::from(percent)
    }

    /// How full it is, for a sentence.
    pub fn said(&self) -> String {
        let Self { what, bytes, free, .. } = self;
        let percent = u128::from(*bytes) * 100 / u128::from(*free).max(1);
        format!("{what} {percent} %, {} of {}", show::bytes(*bytes), show::bytes(*free))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, bytes, free, .. } = self;
        write!(f, "{what} {} of {}", show::bytes(*bytes), show::bytes(*free))
    }
}

impl Used {
    /// Both amounts.
    pub fn amounts(&self) -> [Amount; 2] {
        [
            Amount {
                what: "storage",
                bytes: self.storage_bytes,
                free: self.storage_limit_bytes,
                setting: "IMAGEKIT_STORAGE_LIMIT_GB",
            },
            Amount {
                what: "bandwidth this month",
                bytes: self.bandwidth_bytes,
                free: self.bandwidth_limit_bytes,
                setting: "IMAGEKIT_BANDWIDTH_LIMIT_GB",
            },
        ]
    }

    /// Those of which so many percent are used.
    pub fn above(&self, percent: u64) -> Vec<Amount> {
        self.amounts().into_iter().filter(|amount| amount.is_above(percent)).collect()
    }

    /// With so much more stored, and so much more delivered.
    pub fn plus(&self, stored: u64, delivered: u64) -> Self {
        Self {
            storage_bytes: self.storage_bytes + stored,
            bandwidth_bytes: self.bandwidth_bytes + delivered,
            ..self.clone()
        }
    }

    /// What a person should hear of, when little is left: `begins` says what takes the amounts there.
    pub fn alert(&self, begins: &str) -> Option<Alerted> {
        let near: Vec<String> = self.above(USED_NOTE_PERCENT).iter().map(Amount::said).collect();
        let message = format!("{begins} {}", near.join("; "));
        (!near.is_empty()).then_some(Alerted { about: AlertAbout::Usage, message })
    }
}

/// Asks ImageKit; `None` where it cannot be asked, which is said on stderr: whoever wanted to know something else
/// besides still gets that.
pub fn ask(context: &Context<'_>) -> Option<Used> {
    let unknown = |why: String| {
        eprintln!("What of ImageKit's plan is used is not known: {}.", show::plain(&why));
        None
    };
    let cdn = match context.open_cdn() {
        Ok(cdn) => cdn,
        Err(Failure { message, .. }) => return unknown(message),
    };
    let free = Free::of(&context.config);
    match context.runtime.block_on(async { soon(used(&*cdn, free)).await }) {
        Some(used) => used.map_or_else(|trouble| unknown(trouble.message), Some),
        None => unknown(format!("it gave no answer in {} s", USAGE_MS_MAX / 1_000)),
    }
}

/// Looks on behalf of a run, which is told nothing where nothing can be learned.
pub fn watch(context: &Context<'_>, cdn: Arc<dyn Cdn>) -> Arc<dyn Fn() -> Look + Send + Sync> {
    let free = Free::of(&context.config);
    Arc::new(move || {
        let cdn = cdn.clone();
        Box::pin(async move {
            let used = soon(used(&*cdn, free)).await?.ok()?;
            used.alert(IS_USED)
        })
    })
}

async fn soon<T>(asked: impl Future<Output = T>) -> Option<T> {
    timeout(Duration::from_millis(USAGE_MS_MAX), asked).await.ok()
}

/// What is used this month.
///
/// # Errors
/// Those of [`Cdn::usage`].
pub async fn used(cdn: &dyn Cdn, free: Free) -> Result<Used, Trouble> {
    let today = OffsetDateTime::now_utc().date();
    let since = today.replace_day(1).unwrap_or(today);
    let usage = cdn.usage(since, today).await?;
    Ok(Used {
        storage_bytes: usage.storage_bytes,
        storage_limit_bytes: free.storage,
        bandwidth_bytes: usage.bandwidth_bytes,
        bandwidth_limit_bytes: free.bandwidth,
        bandwidth_since: since.to_string(),
    })
}

fn bytes(gigabytes: f64) -> u64 {
    (gigabytes * BYTES_IN_GB).round() as u64
}
