//! How many pictures are checked at the same time: as many as fit into a budget of bytes.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use ledger::ids::Format;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::{InvalidPicture, Picture, check, header};
use crate::limits::PICTURE_BYTES_MAX;

/// Why there is no [`Picture`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    /// It is no whole picture.
    #[error(transparent)]
    Invalid(#[from] InvalidPicture),
    /// This machine could not read it back.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

/// Checks pictures for all workers, who share a budget of memory.
#[derive(Debug, Clone)]
pub(crate) struct PictureLimiter {
    /// Thousands of bytes.
    budget: Arc<Semaphore>,
}

impl PictureLimiter {
    pub(crate) fn new() -> Self {
        Self { budget: Arc::new(Semaphore::new(kilo(PICTURE_BYTES_MAX) as usize)) }
    }

    /// [`check`] of a file. Its header is read first: what the check needs is known before it is taken.
    pub(crate) async fn check_file(&self, path: &Path, format: Format) -> Result<Picture, PictureError> {
        let file = path.to_owned();
        let bytes = on_a_thread(move || {
            let file = File::open(file)?;
            let bytes = file.metadata()?.len();
            Ok(bytes + header(BufReader::new(file), format)?.memory)
        })
        .await?;
        let path = path.to_owned();
        self.within(bytes, move || {
            let mut bytes = Vec::new();
            File::open(path)?.read_to_end(&mut bytes)?;
            Ok(check(&bytes)?)
        })
        .await
    }

    /// [`check`] of what is held in memory.
    pub(crate) async fn check_bytes(&self, bytes: Vec<u8>) -> Result<Picture, PictureError> {
        self.within(bytes.len() as u64, move || Ok(check(&bytes)?)).await
    }

    async fn within(
        &self,
        bytes: u64,
        work: impl FnOnce() -> Result<Picture, PictureError> + Send + 'static,
    ) -> Result<Picture, PictureError> {
        // Whoever needs more than there is gets all of it, and so runs alone.
        let cost = kilo(bytes.min(PICTURE_BYTES_MAX));
        let permit =
            Arc::clone(&self.budget).acquire_many_owned(cost).await.map_err(std::io::Error::other)?;
        on_a_thread(move || {
            // The permit goes along: a check runs to its end even when nobody waits for it any more.
            let _permit = permit;
            work()
        })
        .await
    }
}

/// Thousands of bytes, at least one.
fn kilo(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1_000).max(1)).unwrap_or(u32::MAX)
}

/// Runs blocking work. A check that panics is a bug, and goes on as a panic.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PictureError> + Send + 'static,
) -> Result<T, PictureError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(PictureError::Disk(std::io::Error::other(error))),
    }
}
