//! Deleting files from the CDN, by requirement S7 and in no other way: only what is ours alone, what no row uses, and
//! what no image of the ledger needs.

use std::cell::RefCell;

use ledger::ids::{CdnPath, FileId, LedgerId, VenueId};
use ledger::ledger::Ledger;
use ledger::state::PathKey;

use super::RunError;
use super::retry::{Halt, Outside, Retry};
use super::uses::{Marks, every_row};
use crate::limits::DELETE_FILES_A_SCAN_MAX;
use crate::outside::catalog::{Catalog, Venue};
use crate::outside::imagekit::Cdn;

/// A file that might be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Candidate {
    /// Where it is said to be.
    pub path: CdnPath,
    /// Its id.
    pub file: FileId,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was deleted now.
    Deleted,
    /// There was no file of that id any more: perhaps we were cut off between deleting it and writing that down.
    Gone,
    /// It stays.
    Kept(Kept),
}

/// Why a file stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// An image of the ledger is between uploaded and rolled-back.
    Needed,
    /// This venue's row uses it.
    InRow(VenueId),
    /// It lies somewhere else than it was said to.
    Moved(CdnPath),
    /// Its tags do not name this ledger.
    NotOurs,
    /// Its tags name another ledger too.
    Shared(Vec<String>),
}

/// Whether all candidates were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// All of them.
    All,
    /// It was asked to stop before that.
    Stopped,
}

/// Deletes those of the candidates that S7 allows, each under the ledger's writing lock that `ledger` holds: no run of
/// this ledger goes on beside it, and a row needs no claim because none is changed.
///
/// The rows are read just before, and once for many candidates; the tags of each by its file id, immediately before
/// its deletion, so that a ledger that has adopted it in the meantime is seen. `told` is called with what became of each
/// candidate, in their order; it appends `cdn_deleted` for [`Fate::Deleted`] and for [`Fate::Gone`], within a run or
/// without. Whoever dies between the two finds the file gone the next time, and writes it down then.
///
/// Between two requests nobody holds the ledger, so the caller may write alerts meanwhile.
///
/// # Errors
/// When the CDN or the database cannot be asked, or `told` cannot write. What was told until then is so.
pub async fn delete_unused<E: Into<RunError>>(
    cdn: &dyn Cdn,
    catalog: &dyn Catalog,
    retry: &Retry,
    ledger: &RefCell<&mut Ledger>,
    candidates: &[Candidate],
    mut told: impl FnMut(&mut Ledger, &Candidate, Fate) -> Result<(), E>,
) -> Result<Swept, RunError> {
    for candidates in candidates.chunks(DELETE_FILES_A_SCAN_MAX) {
        let users = match users(catalog, retry, candidates).await {
            Ok(users) => users,
            Err(halt) => return stopped(halt),
        };
        for (candidate, user) in candidates.iter().zip(users) {
            let (is_needed, id) = (is_needed(&ledger.borrow(), candidate), ledger.borrow().store().id());
            let fate = match (is_needed, user) {
                (true, _) => Fate::Kept(Kept::Needed),
                (false, Some(venue)) => Fate::Kept(Kept::InRow(venue)),
                (false, None) => match delete(cdn, retry, id, candidate).await {
                    Ok(fate) => fate,
                    Err(halt) => return stopped(halt),
                },
            };
            told(&mut ledger.borrow_mut(), candidate, fate).map_err(Into::into)?;
        }
    }
    Ok(Swept::All)
}

/// A ledger's tag among a file's: what those of another look like too.
pub fn is_ledger_tag(tag: &str) -> bool {
    tag.trim().to_ascii_lowercase().starts_with("ledger-")
}

fn is_needed(ledger: &Ledger, candidate: &Candidate) -> bool {
    ledger.state().users_of(PathKey::of(&candidate.path)) > 0
}

/// For each candidate the first row that uses it, over all rows of the database.
async fn users(
    catalog: &dyn Catalog,
    retry: &Retry,
    candidates: &[Candidate],
) -> Result<Vec<Option<VenueId>>, Halt> {
    let marks = Marks::of(candidates.iter().map(|candidate| (&candidate.file, &candidate.path)));
    let mut users = vec![None; candidates.len()];
    let see = |row: Venue| {
        let text = row.images.unwrap_or_default();
        marks.find(&text, |place| {
            users[place].get_or_insert(row.id);
        });
    };
    every_row(catalog, retry, see).await?;
    Ok(users)
}

async fn delete(cdn: &dyn Cdn, retry: &Retry, ledger: LedgerId, candidate: &Candidate) -> Result<Fate, Halt> {
    let asked = retry.run(Outside::Api, || cdn.details(&candidate.file)).await?;
    let Some(found) = asked.value else { return Ok(Fate::Gone) };
    let ours = ledger.tag();
    let others = || found.tags.iter().filter(|tag| is_ledger_tag(tag) && **tag != ours);
    Ok(if found.path != candidate.path {
        Fate::Kept(Kept::Moved(found.path))
    } else if !found.tags.contains(&ours) {
        Fate::Kept(Kept::NotOurs)
    } else if others().next().is_some() {
        Fate::Kept(Kept::Shared(others().cloned().collect()))
    } else {
        // `false` after a lost answer: our own request of a moment ago deleted it.
        retry.run(Outside::Api, || cdn.delete(&found.id)).await?;
        Fate::Deleted
    })
}

fn stopped(halt: Halt) -> Result<Swept, RunError> {
    match halt {
        Halt::GivenUp | Halt::Deferred => Ok(Swept::Stopped),
        Halt::Trouble(trouble, _) => Err(RunError::Outside(trouble)),
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Needed => f.write_str("an image of the ledger needs it"),
            Self::InRow(venue) => write!(f, "the row of venue {venue} uses it"),
            Self::Moved(path) => write!(f, "it lies at {path} now"),
            Self::NotOurs => f.write_str("its tags do not name this ledger"),
            Self::Shared(ledgers) => write!(f, "its tags name another ledger too: {}", ledgers.join(", ")),
        }
    }
}
