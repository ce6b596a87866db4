//! A claim as an operating system's lock on a file of its own beside the database.
//!
//! The lock goes with the process, whatever ends it; the file stays, and its mere existence means nothing.

use std::ffi::OsString;
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use async_trait::async_trait;
use ledger::store::private::{self, Refused};

use super::super::claims::{Trying, calls_itself, claimed};
use crate::limits;
use crate::outside::Trouble;
use crate::outside::catalog::inspect::Unclaimable;
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

/// Sees that a claim's file is one that this user can lock, without making it or waiting for whoever holds it.
pub(super) fn check(database: &Path, country: Option<&str>) -> Result<(), Trouble> {
    match usable(&beside(database, country)) {
        None => Ok(()),
        Some(why) => Err(refused(format!("{}. {}", why.found, why.advice)).here()),
    }
}

/// What lies in the way of claims beside a database.
pub(super) fn in_the_way(database: &Path) -> Vec<Unclaimable> {
    let (Some(dir), Some(name)) = (database.parent(), database.file_name()) else { return Vec::new() };
    let mut begin = name.as_encoded_bytes().to_vec();
    begin.extend_from_slice(b".longshore-");
    let is_claim = |name: &[u8]| name.starts_with(&begin) && name.ends_with(b".lock");
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut claims: Vec<PathBuf> = entries
        .filter(|entry| is_claim(entry.file_name().as_encoded_bytes()))
        .map(|entry| entry.path())
        .collect();
    claims.sort();
    claims.iter().filter_map(|path| usable(path)).collect()
}

fn usable(path: &Path) -> Option<Unclaimable> {
    match private::open(path) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // Whoever holds it is waited for, and told, when it is taken.
        Err(_) if left_by_another(path).is_some_and(|about| machine::locker(&about).is_some()) => None,
        Err(error) => Some(unusable(path, &error)),
    }
}

/// A claim's file that belongs to another user.
fn left_by_another(path: &Path) -> Option<Metadata> {
    let about = path.symlink_metadata().ok()?;
    (about.is_file() && about.uid() != rustix::process::geteuid().as_raw()).then_some(about)
}

fn unusable(path: &Path, error: &io::Error) -> Unclaimable {
    let found = format!("the claim's file {} cannot be used: {error}", plain(&path.to_string_lossy()));
    let advice = match left_by_another(path) {
        Some(about) => {
            let who = match (private::may_move(path), about.uid()) {
                (true, _) => "take it away".to_owned(),
                (false, 0) => "have root take it away".to_owned(),
                (false, uid) => format!("have its owner (uid {uid}) or root take it away"),
            };
            format!(
                "A claim is a lock that ends with its process, and the file that stays behind means nothing. When nobody \
                 else's longshore works on this database, {who}: rm {}",
                private::quoted(path)
            )
        }
        None => Refused::of(error).map_or_else(String::new, |refused| refused.advice().to_owned()),
    };
    Unclaimable { found, advice }
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
        // Its holder may be another user, whose files cannot be opened.
        if let Some((process, user)) = left_by_another(path).and_then(|about| machine::locker(&about)) {
            return ClaimRefused::Held(format!("process {process} of user {user}"));
        }
        let Unclaimable { found, advice } = unusable(path, &error);
        let message = if advice.is_empty() { found } else { format!("{found}. {advice}") };
        // No venue is at fault for this machine's disk, so it is an outage.
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
    let mut who = file.metadata().ok().and_then(|about| machine::locker(&about)).map_or_else(
        || "another process on this machine".to_owned(),
        |(process, user)| format!("process {process} of user {user}"),
    );
    let name = plain(&String::from_utf8_lossy(&bytes));
    if read.is_ok() && !name.is_empty() {
        who.push_str(&format!("; {}", calls_itself(&name)));
    }
    who
}
