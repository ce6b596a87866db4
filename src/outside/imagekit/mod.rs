//! ImageKit: the CDN the images go to.

mod answers;
mod client;
mod delivery;
mod place;
mod settings;
mod upload;
mod wire;

pub use client::ImageKit;
pub use place::delivered_at;
pub(super) use settings::is_loopback;
pub use settings::{ImageKitOptions, ImageKitRefused};

use async_trait::async_trait;
use ledger::ids::{CdnPath, ContentHash, FileId, Format};
use time::Date;

use super::Trouble;
use super::probe::{Ask, Seen};
use super::spool::Spool;

/// A file as ImageKit describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdnFile {
    /// ImageKit's id.
    pub id: FileId,
    /// `filePath`.
    pub path: CdnPath,
    /// Where it is delivered: below the endpoint, at its path.
    pub url: String,
    /// Why no row may point at it, whatever its bytes are: ImageKit says that it is elsewhere, private, or no image.
    pub unfit: Option<String>,
    /// `size` in bytes.
    pub bytes: u64,
    /// Pixels across, where ImageKit says.
    pub width: Option<u32>,
    /// Pixels down, where ImageKit says.
    pub height: Option<u32>,
    /// The file's tags; an upload's answer carries those too (asked for by `responseFields`).
    pub tags: Vec<String>,
    /// The id of its current version, where ImageKit says; that of the first is the file's own.
    pub version: Option<FileId>,
}

impl CdnFile {
    /// Whether nothing tells of another version than the first.
    pub fn is_first_version(&self) -> bool {
        self.version.as_ref().is_none_or(|version| *version == self.id)
    }
}

/// A file that a listing names and that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddFile {
    /// ImageKit's id, where it is one.
    pub id: Option<FileId>,
    /// Its path, where it is one.
    pub path: Option<CdnPath>,
    /// What stands for its id, for people.
    pub said_id: Option<String>,
    /// What stands for its path, for people.
    pub said_path: Option<String>,
    /// What is odd.
    pub why: String,
}

impl std::fmt::Display for OddFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = |said: &Option<String>| said.clone().unwrap_or_else(|| "?".to_owned());
        write!(
            f,
            "the file {} at {} cannot be read: {}",
            said(&self.said_id),
            said(&self.said_path),
            self.why
        )
    }
}

/// Files of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Those that can be read.
    pub files: Vec<CdnFile>,
    /// Those that cannot.
    pub odd: Vec<OddFile>,
}

/// A file to be stored.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Where.
    pub path: CdnPath,
    /// Which bytes of the spool.
    pub hash: ContentHash,
    /// How many they are.
    pub bytes: u64,
    /// Their format.
    pub format: Format,
    /// The tags it gets.
    pub tags: Vec<String>,
}

/// What an upload came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// ImageKit stored it now.
    Now(CdnFile),
    /// There is a file of that name already; nothing was stored.
    Conflict,
    /// The spool does not hold the bytes (any more); nothing was sent. They are to be downloaded again.
    NotSpooled,
}

/// What a bulk delete came to. A file in neither list was not deleted, for reasons of ImageKit's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Gone now.
    pub deleted: Vec<FileId>,
    /// Were not there.
    pub missing: Vec<FileId>,
}

/// What of the account's plan is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in the media library now, all versions included.
    pub storage_bytes: u64,
    /// Bytes delivered in the days asked for.
    pub bandwidth_bytes: u64,
}

/// ImageKit's API and its delivery host, as far as Longshore uses them.
#[async_trait]
pub trait Cdn: Send + Sync {
    /// Stores bytes of the spool, create-only: never a second file, never a new version.
    ///
    /// # Errors
    /// `unauthorized`, `quota_exceeded`, `file_too_large`, `rejected`, `rate_limited`,
    /// `api_error`, `timeout`, `network`. After the last three it is unknown whether the file was stored.
    async fn upload(&self, upload: &Upload, spool: &Spool) -> Result<Stored, Trouble>;
    /// Where a file at this path is delivered, without asking anyone.
    fn delivered_at(&self, path: &CdnPath) -> String;
    /// A file by its id; `None` when it does not exist. An answer that is of another file is `api_error`.
    async fn details(&self, file: &FileId) -> Result<Option<CdnFile>, Trouble>;
    /// All versions of a file, each as [`Cdn::details`] describes it; none when it does not exist. An answer that is of
    /// another file, or of none, is `api_error`.
    async fn versions(&self, file: &FileId) -> Result<Vec<CdnFile>, Trouble>;
    /// A file by its exact path, out of the listing (which may lag); `None` when it is not listed.
    async fn find(&self, path: &CdnPath) -> Result<Option<CdnFile>, Trouble>;
    /// One page of all files below a folder, in a stable order: no file twice, and no more of them than `limit`. A file that
    /// cannot be read keeps no other from being read.
    async fn list(&self, folder: &str, skip: u64, limit: u32) -> Result<Listed, Trouble>;
    /// Replaces a file's tags.
    async fn set_tags(&self, file: &FileId, tags: &[String]) -> Result<CdnFile, Trouble>;
    /// Deletes one file with all its versions; `false` when it was not there.
    async fn delete(&self, file: &FileId) -> Result<bool, Trouble>;
    /// Deletes up to 100 files at once; those that are not there are named and do not keep the others.
    async fn delete_many(&self, files: &[FileId]) -> Result<Deleted, Trouble>;
    /// The BLAKE3 of the untouched original bytes (`tr=orig-true`), past the CDN's caches, streamed, and read no further
    /// than one byte behind the `bytes` that the file should have.
    ///
    /// # Errors
    /// `integrity_mismatch` when it has more; `not_served` when it is not given as it is.
    async fn original_hash(&self, url: &str, bytes: u64) -> Result<ContentHash, Trouble>;
    /// Sees that a delivery URL answers 200 with an image (media type and first bytes).
    ///
    /// # Errors
    /// `not_served` when it answers anything else; `timeout` or `network` when it does not answer.
    async fn check_delivery(&self, url: &str) -> Result<(), Trouble>;
    /// Looks at a delivery URL below the endpoint as a browser would, with a transformation (`w-300`) if there is one.
    /// An answer that says no, such as 404, is an answer.
    ///
    /// # Errors
    /// `forbidden_url` when it does not lie below the endpoint; `timeout`, `network`, `api_error` (5xx) and
    /// `rate_limited` when there was no answer to look at.
    async fn probe(&self, url: &str, transformation: Option<&str>, ask: &Ask<'_>) -> Result<Seen, Trouble>;
    /// What of the plan is used: the storage now, and the bandwidth from one day to another, fewer than 90 later,
    /// both included, in UTC.
    async fn usage(&self, from: Date, to: Date) -> Result<Usage, Trouble>;
}
