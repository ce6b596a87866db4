//! The spool: downloaded bytes on this disk, named by their content. A cache: a missing or damaged file only costs
//! another download.

use std::path::{Path, PathBuf};

/// A directory of files named by BLAKE3, private to the user.
#[derive(Debug, Clone)]
pub struct Spool {
    dir: PathBuf,
}

impl Spool {
    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}
