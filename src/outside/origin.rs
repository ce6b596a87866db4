//! The origin: where the image bytes are now.

use async_trait::async_trait;
use ledger::ids::{ContentHash, Format};

use super::Trouble;
use super::spool::Spool;

/// A checked image that lies in the spool under its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// BLAKE3 of the bytes.
    pub hash: ContentHash,
    /// How many bytes.
    pub bytes: u64,
    /// The real format, by content.
    pub format: Format,
    /// Pixels across, as a viewer shows it (EXIF orientation is not applied: the stored dimensions).
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Where bytes come from.
#[async_trait]
pub trait Origin: Send + Sync {
    /// Fetches one URL into the spool, bounded, streamed, hashed, and checked to decode whole.
    ///
    /// # Errors
    /// Trouble in E1's words: `timeout`, `network`, `origin_error`, `not_found`, `origin_denied`, `forbidden_url`,
    /// `file_too_large`, `invalid_image`.
    async fn fetch(&self, url: &str, spool: &Spool) -> Result<Fetched, Trouble>;
}
