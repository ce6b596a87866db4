//! The bound on how long one check takes, counted and not timed, so that a verdict does not depend on how busy the
//! machine is.

use super::InvalidPicture;
use crate::limits::PICTURE_WORK_MAX;

/// What a check may still do.
#[derive(Debug)]
pub(super) struct Work {
    left: u64,
}

impl Work {
    pub(super) fn new() -> Self {
        Self { left: PICTURE_WORK_MAX }
    }

    /// Takes so many steps. A step is one pixel or coefficient that is looked at: some nanoseconds.
    ///
    /// # Errors
    /// When none are left.
    pub(super) fn spend(&mut self, steps: u64) -> Result<(), InvalidPicture> {
        self.left = self.left.checked_sub(steps).ok_or_else(|| {
            InvalidPicture("it unfolds into more pixels, frames or scans than allowed".to_owned())
        })?;
        Ok(())
    }
}
