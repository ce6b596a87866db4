//! One writer a ledger: an operating-system lock on a file of its own, which frees itself when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::LedgerError;

/// Takes the writer's lock of the ledger at `path`, kept until the file is dropped. The file stays behind: that it is
/// there means nothing.
///
/// # Errors
/// When another process holds it, or the disk refuses.
pub fn lock(path: &Path, holder: &str) -> Result<File, LedgerError> {
    let disk = |source| LedgerError::Disk { path: path.to_owned(), source };
    // The file itself counts, not the link or the detour by which it is named.
    let mut name = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
    name.push(".lock");
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(name).map_err(disk)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _unreadable_is_unknown = file.read_to_string(&mut holder);
            let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
            return Err(LedgerError::Held { path: path.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(disk(source)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(holder.as_bytes()))
        .map_err(disk)?;
    Ok(file)
}
