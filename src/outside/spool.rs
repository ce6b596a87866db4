//! The spool: downloaded bytes on this disk, named by their content. A cache: a missing or damaged file only costs
//! another download, so nothing here is synced to disk, and nothing read back is believed without hashing it again.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use ledger::ids::ContentHash;
use ledger::store::is_out_of_descriptors;
use ledger::store::private::Dir;
use ledger::trouble::TroubleKind;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::task::spawn_blocking;

use super::Trouble;

/// What the names of unfinished files begin with; finished ones are bare hex.
const DRAFT_PREFIX: &str = "draft-";

/// A directory of files named by BLAKE3, private to the user. It is used by its handle: whatever comes to stand under its
/// name meanwhile is left alone.
#[derive(Debug, Clone)]
pub struct Spool {
    dir: Arc<Dir>,
}

/// What a clearing came upon.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Files that were removed.
    pub files: usize,
    /// What has no name that the spool gives, and so has been left where it is.
    pub strange: Vec<OsString>,
}

impl Spool {
    /// Opens the spool at `dir`, creating it if need be, and makes it private to the user (requirement S5).
    ///
    /// # Errors
    /// Those of the file system. A link, another user's directory and a file are refused.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Ok(Self { dir: Arc::new(Dir::own(dir)?) })
    }

    /// Where it was opened.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Begins a file whose content, and so whose name, is not known yet.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn create(&self) -> io::Result<Draft> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{DRAFT_PREFIX}{:032x}", u128::from_be_bytes(random));
        let open = {
            let (dir, name) = (self.dir.clone(), name.clone());
            move || dir.create(&name)
        };
        let file = spawn_blocking(open).await.map_err(io::Error::other)??;
        Ok(Draft { dir: self.dir.clone(), name: Some(name), file: tokio::fs::File::from_std(file) })
    }

    /// Opens a finished file for reading from its beginning, after hashing it again: what lay on a disk between two
    /// processes proves nothing. The file that was hashed is the one handed out, not another of the same name.
    /// `None` when it is missing, or was different and has therefore been removed.
    ///
    /// # Errors
    /// Those of the file system, apart from the file's absence.
    pub async fn open_checked(&self, hash: &ContentHash, bytes: u64) -> io::Result<Option<tokio::fs::File>> {
        let (dir, hash) = (self.dir.clone(), *hash);
        let file =
            spawn_blocking(move || open_if_same(&dir, hash, bytes)).await.map_err(io::Error::other)??;
        Ok(file.map(tokio::fs::File::from_std))
    }

    /// Removes a finished file; one that is not there is fine.
    ///
    /// # Errors
    /// Those of the file system, apart from the file's absence.
    pub async fn remove(&self, hash: &ContentHash) -> io::Result<()> {
        let (dir, name) = (self.dir.clone(), hash.to_string());
        spawn_blocking(move || dir.remove(&name)).await.map_err(io::Error::other)?
    }

    /// Removes the unfinished files that a killed process left. Only for whoever holds the ledger's lock: the
    /// drafts of a living process look the same.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn clear_drafts(&self) -> io::Result<Cleared> {
        self.clear_where(is_draft).await
    }

    /// Removes all that the spool made: nothing is waiting for its upload any more. The same holds as for the drafts.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn clear(&self) -> io::Result<Cleared> {
        self.clear_where(|name| is_draft(name) || is_finished(name)).await
    }

    async fn clear_where(&self, is_meant: fn(&str) -> bool) -> io::Result<Cleared> {
        let dir = self.dir.clone();
        let clear = move || {
            let mut cleared = Cleared::default();
            for name in dir.names()? {
                match name.to_str() {
                    Some(name) if is_meant(name) => {
                        dir.remove(name)?;
                        cleared.files += 1;
                    }
                    Some(name) if is_draft(name) || is_finished(name) => {}
                    _ => cleared.strange.push(name),
                }
            }
            cleared.strange.sort();
            Ok(cleared)
        };
        spawn_blocking(clear).await.map_err(io::Error::other)?
    }
}

/// Whether the spool gives such a name to an unfinished file.
fn is_draft(name: &str) -> bool {
    name.strip_prefix(DRAFT_PREFIX).is_some_and(|number| is_hex(number, 32))
}

/// The same of a finished one.
fn is_finished(name: &str) -> bool {
    is_hex(name, 64)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A file being written into the spool. Dropped before `commit`, it is removed.
#[derive(Debug)]
pub struct Draft {
    dir: Arc<Dir>,
    /// `None` once the file has its final name and must outlive this value.
    name: Option<String>,
    file: tokio::fs::File,
}

impl Draft {
    /// Appends bytes.
    ///
    /// # Errors
    /// Those of the file system, possibly of an earlier write.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }

    /// The file with all that was written, at its beginning, to be read.
    ///
    /// # Errors
    /// Those of the writes that were still under way.
    pub async fn reread(&mut self) -> io::Result<&mut tokio::fs::File> {
        self.file.flush().await?;
        self.file.rewind().await?;
        Ok(&mut self.file)
    }

    /// Whether what was written can be read back: bytes of this hash.
    ///
    /// # Errors
    /// Those of the file system.
    pub async fn holds(&mut self, hash: &ContentHash) -> io::Result<bool> {
        let mut file = self.reread().await?.try_clone().await?.into_std().await;
        let read = move || blake3::Hasher::new().update_reader(&mut file).map(|read| read.finalize());
        Ok(spawn_blocking(read).await.map_err(io::Error::other)??.as_bytes() == &hash.0)
    }

    /// Gives the file its final name. It is not synced: after a power loss a file that is missing or cut short is
    /// found out by [`Spool::open_checked`] and downloaded again.
    ///
    /// # Errors
    /// Those of the file system; the file is then removed.
    pub async fn commit(mut self, hash: &ContentHash) -> io::Result<()> {
        self.file.flush().await?;
        let Some(name) = self.name.clone() else { return Ok(()) };
        let (dir, hash) = (self.dir.clone(), hash.to_string());
        spawn_blocking(move || dir.rename(&name, &hash)).await.map_err(io::Error::other)??;
        self.name = None;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Unlinking one small file is short, and a task started from here might never run when the program ends. A
        // failure leaves a draft, which `clear_drafts` takes away.
        if let Some(name) = &self.name {
            let _ = self.dir.remove(name);
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

fn open_if_same(dir: &Dir, hash: ContentHash, bytes: u64) -> io::Result<Option<fs::File>> {
    let name = hash.to_string();
    if let Some(mut file) = dir.read(&name)?
        && file.metadata().is_ok_and(|about| about.is_file() && about.len() == bytes)
    {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&mut file)?;
        if hasher.finalize().as_bytes() == &hash.0 {
            file.seek(SeekFrom::Start(0))?;
            return Ok(Some(file));
        }
    }
    dir.remove(&name)?;
    Ok(None)
}
