//! How many pictures are in memory at the same time: as many as fit into two budgets of bytes.

use std::io;
use std::sync::Arc;

use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

#[cfg(doc)]
use super::check;
use super::{InvalidPicture, Picture, check_pixels, header};
use crate::limits::{PICTURE_FILES_BYTES_MAX, PICTURE_STATES_BYTES_MAX};

/// Why there is no [`Picture`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    /// The bytes are not a whole picture.
    #[error(transparent)]
    Invalid(#[from] InvalidPicture),
    /// This machine could not read the file, or not run the check.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// Checks pictures for all workers, within budgets of memory that they share.
#[derive(Debug, Clone)]
pub(crate) struct PictureLimiter {
    files: Budget,
    states: Budget,
}

/// A share of a budget of memory, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    share: OwnedSemaphorePermit,
    budget: Budget,
}

impl Room {
    /// Whether it is enough for so many bytes.
    pub(crate) fn holds(&self, bytes: u64) -> bool {
        self.share.num_permits() >= self.budget.share_of(bytes) as usize
    }

    /// Waits until it is enough for so many bytes. Nobody may grow twice: what it has stays taken meanwhile, and there is
    /// no deadlock as long as all that still may grow leave room for one that has grown.
    pub(crate) async fn grow(&mut self, bytes: u64) -> io::Result<()> {
        let missing = (self.budget.share_of(bytes) as usize).saturating_sub(self.share.num_permits());
        self.share.merge(self.budget.acquire(missing as u32).await?);
        Ok(())
    }
}

impl PictureLimiter {
    pub(crate) fn new() -> Self {
        Self { files: Budget::of(PICTURE_FILES_BYTES_MAX), states: Budget::of(PICTURE_STATES_BYTES_MAX) }
    }

    /// Waits until a file of so many bytes may be held in memory.
    pub(crate) async fn room(&self, bytes: u64) -> io::Result<Room> {
        self.files.take(bytes).await
    }

    /// [`check`] of a file on the disk that has so many bytes.
    pub(crate) async fn check_file(&self, file: &mut File, bytes: u64) -> Result<Picture, PictureError> {
        let room = self.room(bytes).await?;
        let mut whole = Vec::with_capacity(bytes as usize);
        file.take(bytes).read_to_end(&mut whole).await?;
        self.check_bytes(whole, room).await
    }

    /// [`check`] of a file in memory, for which there was [`PictureLimiter::room`].
    pub(crate) async fn check_bytes(&self, bytes: Vec<u8>, room: Room) -> Result<Picture, PictureError> {
        let header = header(&bytes)?;
        // A check that has this memory waits for nothing more, so there is no deadlock.
        let state = self.states.take(header.1.memory).await?;
        let checked = spawn_blocking(move || {
            // A check runs to its end also when its caller is cancelled, and holds its memory until then.
            let _held = (room, state);
            check_pixels(&bytes, header)
        });
        match checked.await {
            Ok(picture) => Ok(picture?),
            // A check that panics is a bug, and goes on as a panic.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => Err(io::Error::other(error).into()),
        }
    }
}

/// Bytes of memory that tasks take and give back.
#[derive(Debug, Clone)]
struct Budget {
    /// In thousands of bytes, since a semaphore's permits are few.
    left: Arc<Semaphore>,
    /// The whole budget, in the same unit.
    all: u32,
}

impl Budget {
    fn of(bytes: u64) -> Self {
        let all = kilo(bytes);
        Self { left: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Waits for so many bytes; for the whole budget where they are more than that.
    async fn take(&self, bytes: u64) -> io::Result<Room> {
        Ok(Room { share: self.acquire(self.share_of(bytes)).await?, budget: self.clone() })
    }

    fn share_of(&self, bytes: u64) -> u32 {
        kilo(bytes).min(self.all)
    }

    async fn acquire(&self, share: u32) -> io::Result<OwnedSemaphorePermit> {
        Arc::clone(&self.left).acquire_many_owned(share).await.map_err(io::Error::other)
    }
}

fn kilo(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1_000)).unwrap_or(u32::MAX)
}
