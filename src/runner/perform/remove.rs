//! An upload's own removal: what ImageKit has just stored otherwise than it was sent goes again, and nothing else does.
//!
//! The ledger never counted on such a file, so dying at any line here loses nothing: before the deletion the file lies where
//! the next try meets it, which names it and leaves it; behind it the next try sends the bytes again. What was done stands in
//! the message of the `failed` that follows.

use ledger::ids::{CdnPath, FileId};
use ledger::order::Put;
use ledger::trouble::{Treatment, TroubleKind};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use super::Performer;
use crate::outside::Trouble;
use crate::outside::imagekit::CdnFile;
use crate::runner::Message;
use crate::runner::ours::others;
use crate::runner::parts::Outside;
use crate::runner::retry::{Halt, Retry};

/// A worker's question to the thread that owns the ledger.
#[derive(Debug)]
pub struct Held {
    /// The file.
    pub file: FileId,
    /// Where it is to be.
    pub path: CdnPath,
    /// Whether the ledger holds either as uploaded.
    pub reply: oneshot::Sender<bool>,
}

/// What became of a file.
enum Fate {
    Removed,
    Gone,
    Stays(&'static str),
    /// Its deletion was asked for, and no answer came.
    Unknown,
}

impl Performer {
    /// Removes what an upload has just stored otherwise than it was sent. What happened, and what became of the file.
    pub(super) async fn removed(&self, put: &Put, file: &CdnFile, differs: &str) -> Trouble {
        let fate = match self.remove(put, file).await {
            Ok(fate) => fate,
            Err(Halt::Trouble(..)) => {
                Fate::Stays("ImageKit could not be asked, or did not say that it is deleted")
            }
            // Without a step nothing is deferred: only a run that stops gives up.
            Err(Halt::GivenUp | Halt::Deferred) => Fate::Stays("the run stops"),
        };
        let (id, kind) = (&file.id, TroubleKind::IntegrityMismatch);
        match fate {
            Fate::Removed => {
                Trouble::new(kind, format!("{differs}; the file {id} of this upload was removed again"))
            }
            Fate::Gone => Trouble::new(kind, format!("{differs}; the file {id} of this upload is not there")),
            Fate::Stays(why) => Trouble::new(kind, format!("{differs}; the file {id} stays: {why}"))
                .with_file(file.id.clone()),
            Fate::Unknown => Trouble::new(
                kind,
                format!(
                    "{differs}; the deletion of the file {id} of this upload was asked for and not answered: nobody knows \
                     whether it is still there"
                ),
            )
            .with_file(file.id.clone()),
        }
    }

    /// The answer named the file, and may be wrong: only one at the path of that upload, with its tags and no other version
    /// goes, and only where the ledger holds neither its id nor its path as uploaded.
    async fn remove(&self, put: &Put, file: &CdnFile) -> Result<Fate, Halt> {
        if self.is_held(put, file).await {
            return Ok(Fate::Stays("the ledger holds it, or one at its path, as uploaded"));
        }
        let (cdn, tags) = (&self.forward().cdn, self.tags(put));
        // The file is there already, and no later step comes back to it: it is waited for here, and not deferred.
        let retry = Retry { step: None, ..self.retry.clone() };
        let versions = retry.complete(Outside::Api, || cdn.versions(&file.id)).await?.value;
        let is_ours = |it: &CdnFile| {
            let is_of_it = it.path == put.path && tags.iter().all(|tag| it.tags.contains(tag));
            is_of_it && it.is_first_version() && others(it, self.ledger).next().is_none()
        };
        match &versions[..] {
            [] => return Ok(Fate::Gone),
            [only] if is_ours(only) => {}
            _ => return Ok(Fate::Stays("asked by its id, ImageKit tells of another file than was sent")),
        }
        let may_be_deleted = AtomicBool::new(false);
        let delete = async || {
            let deleted = cdn.delete(&file.id).await;
            // A refusal has deleted nothing; whatever else went wrong may have come after the deletion.
            let is_lost = |no: &Trouble| no.outage || no.kind.treatment() == Treatment::Retry;
            if deleted.as_ref().is_err_and(is_lost) {
                may_be_deleted.store(true, Ordering::Relaxed);
            }
            deleted
        };
        match retry.complete(Outside::Api, delete).await {
            Ok(deleted) if deleted.value => Ok(Fate::Removed),
            Ok(_) => Ok(Fate::Gone),
            Err(_) if may_be_deleted.load(Ordering::Relaxed) => Ok(Fate::Unknown),
            Err(halt) => Err(halt),
        }
    }

    /// Whether the ledger holds the file, or any at the path, as uploaded. Where nobody answers, it may.
    async fn is_held(&self, put: &Put, file: &CdnFile) -> bool {
        let (reply, answer) = oneshot::channel();
        let held = Held { file: file.id.clone(), path: put.path.clone(), reply };
        self.retry.inbox.send(Message::Held(held)).is_err() || answer.await.unwrap_or(true)
    }
}
