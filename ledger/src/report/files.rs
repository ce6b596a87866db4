//! The files that the ledger believes to be on the CDN, and the entries that it answers for (requirement C13).

use std::collections::HashSet;

use crate::event::Event;
use crate::ids::{CdnPath, FileId, ImageId, Seq, VenueId};
use crate::ledger::Ledger;
use crate::state::{Aim, Image, PathKey, Rung, State, Whole};
use crate::store::LedgerError;

/// A file that the ledger believes in: it was uploaded, and nothing tells of its deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BelievedFile {
    /// Where it is.
    pub path: CdnPath,
    /// Its id.
    pub file: FileId,
    /// The image it was last uploaded for.
    pub image: ImageId,
    /// That image's venue.
    pub venue: VenueId,
    /// Whether some image at this path is between uploaded and rolled-back.
    pub is_needed: bool,
}

/// What the ledger answers for.
#[derive(Debug, Default)]
pub struct Believed {
    /// Every file, once.
    pub files: Vec<BelievedFile>,
    /// The completed entries a rollback would visit, by venue and file.
    pub entries: HashSet<(VenueId, FileId)>,
}

/// Whether the ledger holds a file as uploaded: that id at whatever path, whatever became of it since, or any file at that
/// path now.
///
/// # Errors
/// When the file cannot be read.
pub fn is_held(ledger: &Ledger, file: &FileId, path: &CdnPath) -> Result<bool, LedgerError> {
    /// Why reading ends.
    enum Ended {
        Found,
        Unreadable(LedgerError),
    }
    impl From<LedgerError> for Ended {
        fn from(error: LedgerError) -> Self {
            Self::Unreadable(error)
        }
    }
    if ledger.state().file_at(PathKey::of(path)).is_some() {
        return Ok(true);
    }
    // The state keeps no ids: only one that is nowhere is looked for to the end.
    let read = ledger.mentions(&file.to_string(), |(_, record)| match record.event {
        Event::Uploaded(uploaded) if uploaded.file_id == *file => Err(Ended::Found),
        _ => Ok(()),
    });
    match read {
        Ok(()) => Ok(false),
        Err(Ended::Found) => Ok(true),
        Err(Ended::Unreadable(error)) => Err(error),
    }
}

/// Folds the events into what the ledger answers for.
///
/// # Errors
/// When the file cannot be read.
pub fn believed(ledger: &Ledger) -> Result<Believed, LedgerError> {
    let (state, mut believed) = (ledger.state(), Believed::default());
    ledger.events(Seq(1), |(seq, record)| {
        let Event::Uploaded(uploaded) = record.event else { return Ok::<_, LedgerError>(()) };
        let Some(plan) = state.plan(uploaded.image.planned) else { return Ok(()) };
        let image = state.image(uploaded.image);
        if image.is_some_and(|image| image.uploaded == Some(seq) && is_needed(image)) {
            believed.entries.insert((plan.venue, uploaded.file_id.clone()));
        }
        let key = PathKey::of(&uploaded.path);
        if state.file_at(key) == Some(seq) {
            believed.files.push(BelievedFile {
                path: uploaded.path,
                file: uploaded.file_id,
                image: uploaded.image,
                venue: plan.venue,
                is_needed: state.users_of(key) > 0,
            });
        }
        Ok(())
    })?;
    Ok(believed)
}

/// The paths whose files are in an unfinished run's hands: perhaps stored and not yet written down, stored and not yet
/// in a row, or being taken back.
pub fn in_progress(state: &State) -> HashSet<PathKey> {
    let plans = state.unfinished().flat_map(|(_, run)| run.plans());
    let plans = plans.filter(|planned| state.is_last(**planned)).filter_map(|planned| state.plan(*planned));
    let is_held = |image: &&Image| matches!(image.rung, Rung::Downloaded | Rung::Uploaded);
    let mut paths = HashSet::new();
    for plan in plans {
        match &plan.aim {
            Aim::Forward | Aim::Add => {
                paths.extend(plan.images.iter().filter(is_held).filter_map(|i| i.path))
            }
            Aim::Back(images) if plan.whole == Whole::Open => {
                paths.extend(images.iter().filter_map(|image| state.image(*image)?.path));
            }
            Aim::Back(_) => {}
        }
    }
    paths
}

fn is_needed(image: &Image) -> bool {
    matches!(image.rung, Rung::Uploaded | Rung::DbUpdated)
}
