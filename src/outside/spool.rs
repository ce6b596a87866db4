//! The spool: downloaded bytes on this disk, named by their content. A cache: a missing or damaged file only costs
//! another download, so nothing here is synced to disk, and nothing read back is believed without hashing it again.

use std::fs;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ledger::ids::ContentHash;
use ledger::store::is_out_of_descriptors;
use ledger::trouble::TroubleKind;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;

use super::Trouble;

/// What the names of unfinished files begin with; finished ones are bare hex.
const DRAFT_PREFIX: &str = "draft-";

/// A directory of files named by BLAKE3, private to the user.
#[derive(Debug, Clone)]
pub struct Spool {
    dir: PathBuf,
}

impl Spool {
    /// Opens the spool at `dir`, creating it if need be, and makes it private to the user (requirement S5).
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Begins a file whose content, and so whose name, is not known yet.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn create(&self) -> io::Result<Draft> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let path = self.dir.join(format!("{DRAFT_PREFIX}{:032x}", u128::from_be_bytes(random)));
        let open = {
            let path = path.clone();
            move || fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
        };
        let file = spawn_blocking(open).await.map_err(io::Error::other)??;
        Ok(Draft { dir: self.dir.clone(), path: Some(path), file: tokio::fs::File::from_std(file) })
    }

    /// Opens a finished file for reading from its beginning, after hashing it again: what lay on a disk between two
    /// processes proves nothing. The file that was hashed is the one handed out, not another of the same name.
    /// `None` when it is missing, or was different and has therefore been removed.
    ///
    /// # Errors
    /// Those of the file system, apart from the file's absence.
    pub async fn open_checked(&self, hash: &ContentHash, bytes: u64) -> io::Result<Option<tokio::fs::File>> {
        let (path, hash) = (self.path(hash), *hash);
        let file =
            spawn_blocking(move || open_if_same(&path, hash, bytes)).await.map_err(io::Error::other)??;
        Ok(file.map(tokio::fs::File::from_std))
    }

    /// Removes a finished file; one that is not there is fine.
    ///
    /// # Errors
    /// Those of the file system, apart from the file's absence.
    pub async fn remove(&self, hash: &ContentHash) -> io::Result<()> {
        let path = self.path(hash);
        spawn_blocking(move || remove_if_there(&path)).await.map_err(io::Error::other)?
    }

    /// Removes the unfinished files that a killed process left. Only for whoever holds the ledger's lock: the
    /// drafts of a living process look the same. Returns how many there were.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn clear_drafts(&self) -> io::Result<usize> {
        self.clear_where(|name| name.starts_with(DRAFT_PREFIX.as_bytes())).await
    }

    /// Removes everything: nothing is waiting for its upload any more. The same holds as for the drafts.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn clear(&self) -> io::Result<usize> {
        self.clear_where(|_| true).await
    }

    async fn clear_where(&self, is_meant: fn(&[u8]) -> bool) -> io::Result<usize> {
        let dir = self.dir.clone();
        let clear = move || {
            let mut cleared = 0;
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                if is_meant(entry.file_name().as_encoded_bytes()) {
                    remove_if_there(&entry.path())?;
                    cleared += 1;
                }
            }
            Ok(cleared)
        };
        spawn_blocking(clear).await.map_err(io::Error::other)?
    }

    fn path(&self, hash: &ContentHash) -> PathBuf {
        self.dir.join(hash.to_string())
    }
}

/// A file being written into the spool. Dropped before `commit`, it is removed.
#[derive(Debug)]
pub struct Draft {
    dir: PathBuf,
    /// `None` once the file has its final name and must outlive this value.
    path: Option<PathBuf>,
    file: tokio::fs::File,
}

impl Draft {
    /// Where it lies until it is committed.
    pub fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(&self.dir)
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// Those of the file system, possibly of an earlier write.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }

    /// Sees that all bytes written so far can be read by whoever opens the file's path.
    ///
    /// # Errors
    /// Those of the writes that were still under way.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.file.flush().await
    }

    /// Gives the file its final name. It is not synced: after a power loss a file that is missing or cut short is
    /// found out by [`Spool::open_checked`] and downloaded again.
    ///
    /// # Errors
    /// Those of the file system; the file is then removed.
    pub async fn commit(mut self, hash: &ContentHash) -> io::Result<()> {
        self.flush().await?;
        tokio::fs::rename(self.path(), self.dir.join(hash.to_string())).await?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Unlinking one small file is short, and a task started from here might never run when the program ends. A
        // failure leaves a draft, which `clear_drafts` takes away.
        if let Some(path) = &self.path {
            let _ = remove_if_there(path);
        }
    }
}

/// Trouble with this machine's disk. It is none of the image's fault and E1 has no kind of its own for it, so it is
/// an outage: the run waits, and pauses when waiting does not help.
pub(crate) fn disk_trouble(error: &io::Error) -> Trouble {
    let what_to_do = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": make room on the ledger's disk",
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => ": let this user write there",
        _ if is_out_of_descriptors(error) => ": let the program open more files, or lower --concurrency",
        _ => "",
    };
    let message = format!("the spool beside the ledger cannot be used ({error}){what_to_do}");
    Trouble::new(TroubleKind::Network, message).here()
}

fn open_if_same(path: &Path, hash: ContentHash, bytes: u64) -> io::Result<Option<fs::File>> {
    let mut file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if file.metadata()?.len() == bytes {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&mut file)?;
        if hasher.finalize().as_bytes() == &hash.0 {
            file.seek(SeekFrom::Start(0))?;
            return Ok(Some(file));
        }
    }
    remove_if_there(path)?;
    Ok(None)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
