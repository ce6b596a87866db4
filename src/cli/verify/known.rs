//! What the ledger knows already of images that are not on the CDN: that they failed, were skipped, or were left by a
//! person (requirement C7). It is told apart, because no further look changes it.
//!
//! Only external entries are looked up. A completed one that is not served is a hole on the site, whatever is known.

use ledger::state::{Mark, State};
use serde::Serialize;

use super::choose::Subject;

/// Where the ledger says that an image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Known {
    /// How it is known.
    pub standing: Standing,
    /// Why it was not moved; none where a person decided to leave it.
    pub error_type: Option<&'static str>,
}

/// How an image is known; the names are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A run could not move it.
    Failed,
    /// It can never be moved as it is.
    Skipped,
    /// A person decided to leave it.
    Closed,
}

/// Looks up all images of one venue. Of entries with one URL no more are known than the ledger speaks of, except where
/// a person left the picture: that is about all of them, as `migrate` takes it.
pub fn look_up(state: &State, venue: &mut [Subject]) {
    let mut looked_up: Vec<(Box<str>, Vec<Known>)> = Vec::new();
    for subject in venue.iter_mut().filter(|subject| !subject.is_completed) {
        let key = subject.url.as_deref().unwrap_or(&subject.entry);
        let at = looked_up.iter().position(|(known_as, _)| **known_as == *key);
        let at = at.unwrap_or_else(|| {
            let known = state.marks(subject.venue, &subject.entry).filter_map(known);
            looked_up.push((key.into(), known.collect()));
            looked_up.len() - 1
        });
        let left = &mut looked_up[at].1;
        let closed = left.iter().find(|known| known.standing == Standing::Closed).copied();
        subject.known = closed.or_else(|| left.pop());
    }
}

fn known(mark: Mark) -> Option<Known> {
    let (standing, kind) = match mark {
        Mark::Failed(kind) => (Standing::Failed, Some(kind)),
        Mark::Skipped(kind) => (Standing::Skipped, Some(kind)),
        Mark::Closed => (Standing::Closed, None),
        Mark::Drifted => return None,
    };
    Some(Known { standing, error_type: kind.map(|kind| kind.name()) })
}
