//! One writer a ledger: an operating-system lock on a file of its own, which frees itself when its holder dies.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{LedgerError, private};

/// How often a lock is tried for whose file is gone by the time it is held.
const TRIES: usize = 10;
/// As much as is read of what a holder calls itself: the file may claim any length.
const HOLDER_BYTES_MAX: u64 = 4096;

/// The writer's lock of one ledger, held until it is dropped. Its file stays behind: that it is there means nothing.
#[derive(Debug)]
pub(super) struct Lock {
    /// The ledger, as it was named.
    ledger: PathBuf,
    path: PathBuf,
    holder: String,
    file: File,
    /// SQLite's log, locked as well: whoever deletes the lock's file by mistake leaves that one alone.
    log: Option<File>,
}

impl Lock {
    /// Takes the lock of the ledger at `path`.
    ///
    /// # Errors
    /// When another process holds it, or the disk refuses.
    pub(super) fn take(path: &Path, holder: &str) -> Result<Self, LedgerError> {
        let name = beside(path, ".lock");
        let file = held(path, &name, holder)?;
        Ok(Self { ledger: path.to_owned(), path: name, holder: holder.to_owned(), file, log: None })
    }

    /// Locks the log too, once SQLite has made it.
    ///
    /// # Errors
    /// When another process writes to the ledger, which then has lost its lock's file.
    pub(super) fn take_log(&mut self) -> Result<(), LedgerError> {
        let disk = |source| LedgerError::Disk { path: self.ledger.clone(), source };
        let log = match private::open(&beside(&self.ledger, "-wal")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            log => log.map_err(disk)?,
        };
        match log.try_lock() {
            Ok(()) => self.log = Some(log),
            Err(TryLockError::Error(source)) => return Err(disk(source)),
            Err(TryLockError::WouldBlock) => {
                let holder = format!(
                    "another process, which is not named any more: its {} was deleted or replaced",
                    self.path.display()
                );
                return Err(LedgerError::Held { path: self.ledger.clone(), holder });
            }
        }
        Ok(())
    }

    /// Sees that others still find this lock where they look for it, and takes it anew where its file is gone.
    ///
    /// # Errors
    /// When another process has taken the file's place.
    pub(super) fn check(&mut self) -> Result<(), LedgerError> {
        if is_at(&self.file, &self.path) {
            return Ok(());
        }
        self.file = held(&self.ledger, &self.path, &self.holder).map_err(|error| match error {
            LedgerError::Held { path, holder } => LedgerError::Displaced { path, by: holder },
            other => other,
        })?;
        Ok(())
    }
}

/// The file itself counts, not the link or the detour by which it is named.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
    name.push(ending);
    name.into()
}

/// Whether a path still leads to this very file: a lock on one that nobody finds keeps nobody out.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Holds the lock's file, which may be deleted between opening and locking it.
fn held(ledger: &Path, path: &Path, holder: &str) -> Result<File, LedgerError> {
    let disk = |source| LedgerError::Disk { path: ledger.to_owned(), source };
    for _ in 0..TRIES {
        let mut file = private::open_or_create(path).map_err(disk)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = Vec::new();
                let _unreadable_is_unknown =
                    Read::by_ref(&mut file).take(HOLDER_BYTES_MAX).read_to_end(&mut holder);
                let holder = String::from_utf8_lossy(&holder).into_owned();
                let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
                return Err(LedgerError::Held { path: ledger.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(disk(source)),
        }
        if is_at(&file, path) {
            file.set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(holder.as_bytes()))
                .map_err(disk)?;
            return Ok(file);
        }
    }
    let holder = format!("somebody who keeps replacing {}", path.display());
    Err(LedgerError::Held { path: ledger.to_owned(), holder })
}
