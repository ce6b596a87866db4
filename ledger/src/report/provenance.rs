//! What a ledger says of where files on the CDN come from. Only this proves that one is its own (requirement S7): tags can
//! be copied, and a path can be taken by anybody.

use std::collections::{HashMap, HashSet};

use crate::event::{Acquired, Event, Uploaded};
use crate::ids::{CdnPath, ContentHash, FileId, Seq};
use crate::ledger::Ledger;
use crate::store::LedgerError;

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// BLAKE3 of the bytes.
    pub hash: ContentHash,
    /// How many bytes.
    pub bytes: u64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// What a ledger says of one file id at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// It sent the file, or recognised it as its own.
    Own(Content),
    /// It met the file there, and took it over from somebody.
    Adopted,
    /// It sent the file, or recognised it as its own, and no download that was read tells what content it then had.
    WithoutContent,
    /// It sent the file to this path instead.
    SentTo(CdnPath),
    /// An image failed after the file was stored; who had stored it is not said.
    Failed,
    /// No event tells of it.
    Unknown,
}

impl Provenance {
    /// Whether an `uploaded` tells of the file at this path.
    pub fn is_uploaded(&self) -> bool {
        matches!(self, Self::Own(_) | Self::Adopted | Self::WithoutContent)
    }
}

/// What a ledger says of the files that were asked about.
#[derive(Debug, Default)]
pub struct Provenances(HashMap<FileId, Told>);

/// All that is told of one file id.
#[derive(Debug, Default)]
struct Told {
    /// Whether it was ever adopted: found again, even elsewhere, it then carries this ledger's tag by that.
    is_adopted: bool,
    is_failed: bool,
    /// Where it was uploaded, and with what content where that was asked about.
    uploads: HashMap<CdnPath, Upload>,
}

#[derive(Debug)]
struct Upload {
    is_sent: bool,
    content: Option<Content>,
}

impl Provenances {
    /// Of a file at a path that was asked about.
    pub fn of(&self, file: &FileId, path: &CdnPath) -> Provenance {
        let Some(told) = self.0.get(file) else { return Provenance::Unknown };
        match told.uploads.get(path) {
            Some(Upload { is_sent, content }) if *is_sent || !told.is_adopted => {
                content.map_or(Provenance::WithoutContent, Provenance::Own)
            }
            Some(_) => Provenance::Adopted,
            None => match told.sent_to() {
                Some(path) => Provenance::SentTo(path.clone()),
                None if told.is_adopted => Provenance::Adopted,
                None if told.is_failed => Provenance::Failed,
                None => Provenance::Unknown,
            },
        }
    }
}

/// Folds all events into what they say of these files. It does not matter what became of the images since: whether they
/// were rolled back, uploaded again or superseded by another run.
///
/// # Errors
/// When the file cannot be read.
pub fn provenances<'a>(
    ledger: &Ledger,
    asked: impl IntoIterator<Item = (&'a FileId, &'a CdnPath)>,
) -> Result<Provenances, LedgerError> {
    let (mut all, mut paths) = (Provenances::default(), HashSet::new());
    for (file, path) in asked {
        all.0.entry(file.clone()).or_default();
        paths.insert(path);
    }
    let (state, mut hashes) = (ledger.state(), HashMap::new());
    ledger.events(Seq(1), |(_, record)| {
        match record.event {
            Event::Downloaded(e) => {
                let Some(plan) = state.plan(e.image.planned) else { return Ok(()) };
                let path = CdnPath::new(plan.slug.as_deref(), plan.venue, &e.hash, e.format);
                if let Some(path) = paths.get(&path) {
                    hashes.insert(*path, e.hash);
                }
            }
            Event::Uploaded(e) => {
                let hash = hashes.get(&e.path).copied();
                if let Some(told) = all.0.get_mut(&e.file_id) {
                    told.uploaded(e, hash);
                }
            }
            Event::Failed(e) | Event::Skipped(e) => {
                if let Some(told) = e.file_id.and_then(|file| all.0.get_mut(&file)) {
                    told.is_failed = true;
                }
            }
            _ => {}
        }
        Ok::<_, LedgerError>(())
    })?;
    Ok(all)
}

impl Told {
    /// Where it was sent, or recognised without ever having been adopted.
    fn sent_to(&self) -> Option<&CdnPath> {
        let is_it = |upload: &Upload| upload.is_sent || !self.is_adopted;
        self.uploads.iter().filter(|(_, upload)| is_it(upload)).map(|(path, _)| path).min()
    }

    fn uploaded(&mut self, e: Uploaded, hash: Option<ContentHash>) {
        let Uploaded { path, bytes, width, height, acquired, .. } = e;
        self.is_adopted |= acquired == Acquired::Adopted;
        let upload = self.uploads.entry(path).or_insert(Upload { is_sent: false, content: None });
        upload.is_sent |= acquired == Acquired::Sent;
        let content = hash.map(|hash| Content { hash, bytes, width, height });
        upload.content = content.or(upload.content);
    }
}
