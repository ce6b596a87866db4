//! What of ImageKit's plan is used, against what is free (requirement D6).

use serde::Serialize;
use time::OffsetDateTime;

use super::Context;
use crate::config::Config;
use crate::error::Failure;
use crate::outside::Trouble;
use crate::outside::imagekit::Cdn;

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

/// Asks ImageKit; `None` where it cannot be asked, which is said on stderr: whoever wanted to know something else
/// besides still gets that.
pub fn ask(context: &Context<'_>) -> Option<Used> {
    let unknown = |why: String| {
        eprintln!("What of ImageKit's plan is used is not known: {why}.");
        None
    };
    let cdn = match context.open_cdn() {
        Ok(cdn) => cdn,
        Err(Failure { message, .. }) => return unknown(message),
    };
    let used = context.runtime.block_on(used(&*cdn, &context.config));
    used.map_or_else(|trouble| unknown(trouble.message), Some)
}

/// What is used this month.
///
/// # Errors
/// Those of [`Cdn::usage`].
pub async fn used(cdn: &dyn Cdn, config: &Config) -> Result<Used, Trouble> {
    let today = OffsetDateTime::now_utc().date();
    let since = today.replace_day(1).unwrap_or(today);
    let usage = cdn.usage(since, today).await?;
    Ok(Used {
        storage_bytes: usage.storage_bytes,
        storage_limit_bytes: bytes(config.imagekit_storage_limit_gb),
        bandwidth_bytes: usage.bandwidth_bytes,
        bandwidth_limit_bytes: bytes(config.imagekit_bandwidth_limit_gb),
        bandwidth_since: since.to_string(),
    })
}

fn bytes(gigabytes: f64) -> u64 {
    (gigabytes * BYTES_IN_GB).round() as u64
}
