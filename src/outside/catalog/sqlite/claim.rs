//! A claim as an operating system's lock on a file of its own beside the database.
//!
//! The lock goes with the process, whatever ends it; the file stays, and its mere existence means nothing.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use async_trait::async_trait;
use ledger::store::private;

use super::super::claims::{Trying, calls_itself, claimed};
use crate::limits;
use crate::outside::catalog::{Claim, ClaimRefused, plain, refused};
use crate::outside::machine;

/// A country held beside a SQLite file.
pub(super) struct SqliteClaim {
    path: PathBuf,
    holder: String,
    /// The locked file; the lock is given back when it closes.
    held: Mutex<Option<File>>,
}

impl SqliteClaim {
    /// Takes the claim, trying for as long as the limits say.
    pub(super) async fn take(
        database: &Path,
        country: Option<&str>,
        holder: &str,
    ) -> Result<Self, ClaimRefused> {
        let claim = Self { path: beside(database, country), holder: plain(holder), held: Mutex::new(None) };
        claim.check().await?;
        Ok(claim)
    }

    fn is_held(&self) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().is_some_and(|file| is_at(file, &self.path))
    }
}

#[async_trait]
impl Claim for SqliteClaim {
    async fn check(&self) -> Result<(), ClaimRefused> {
        if self.is_held() {
            return Ok(());
        }
        let trying = Trying::start();
        loop {
            let who = match attempt(&self.path, &self.holder) {
                Ok(file) if is_at(&file, &self.path) => {
                    *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
                    return Ok(());
                }
                Ok(_) => "someone who keeps replacing the claim's file".to_owned(),
                Err(ClaimRefused::Held(who)) => who,
                Err(trouble) => return Err(trouble),
            };
            if !trying.again().await {
                return Err(ClaimRefused::Held(who));
            }
        }
    }
}

/// `<database>.longshore-<CODE or none>.lock`. The code comes from a database, so only letters and digits make it into
/// a file's name.
fn beside(database: &Path, country: Option<&str>) -> PathBuf {
    let code: String =
        claimed(country).chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let mut path = OsString::from(database);
    path.push(format!(".longshore-{code}.lock"));
    path.into()
}

/// Whether a path still leads to this very file: somebody may have deleted it, and a lock on a file that nobody finds
/// keeps nobody out.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Tries for the lock once, and writes the holder's name only when it is ours.
fn attempt(path: &Path, holder: &str) -> Result<File, ClaimRefused> {
    let failed = |error: io::Error| {
        let shown = plain(&path.to_string_lossy());
        // No venue is at fault for this machine's disk, so it is an outage.
        let message = format!("the claim's file {shown} cannot be used: {}", private::told(&error));
        ClaimRefused::Trouble(refused(message).here())
    };
    let mut file = private::open_or_create(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(ClaimRefused::Held(name_inside(&mut file))),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let named =
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| writeln!(file, "{holder}"));
    named.map_err(failed)?;
    Ok(file)
}

/// Who holds a file: the process, where the system says which one it is, and what stands in the file. That is somebody
/// else's text, and may be half written.
fn name_inside(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let read = Read::by_ref(file).take(limits::CATALOG_MESSAGE_CHARS_MAX as u64).read_to_end(&mut bytes);
    let mut who = machine::locker(file).map_or_else(
        || "another process on this machine".to_owned(),
        |(process, user)| format!("process {process} of user {user}"),
    );
    let name = plain(&String::from_utf8_lossy(&bytes));
    if read.is_ok() && !name.is_empty() {
        who.push_str(&format!("; {}", calls_itself(&name)));
    }
    who
}
