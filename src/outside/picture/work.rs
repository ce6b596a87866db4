//! A bound on how long one check takes. Steps are counted, not timed, so that a verdict does not depend on how busy the
//! machine is.

use super::InvalidPicture;
use crate::limits::PICTURE_WORK_MAX;

/// The steps that a check may still take.
#[derive(Debug)]
pub(super) struct Work {
    left: u64,
}

impl Work {
    /// All steps of one check.
    pub(super) fn new() -> Self {
        Self { left: PICTURE_WORK_MAX }
    }

    /// Takes so many steps. A step is one pixel or coefficient that is looked at: some nanoseconds.
    ///
    /// # Errors
    /// When none are left.
    pub(super) fn spend(&mut self, steps: u64) -> Result<(), InvalidPicture> {
        self.left = self.left.checked_sub(steps).ok_or_else(|| {
            InvalidPicture(
                "its check takes more work than allowed: it has too many pixels, frames, scans or tables"
                    .to_owned(),
            )
        })?;
        Ok(())
    }
}
