//! One image's place on the ladder, and the table of what may happen to it there.

use super::{Illegal, PathKey, Whole};
use crate::event::Tally;
use crate::ids::Seq;
use crate::trouble::TroubleKind;

/// The ladder. A run forward climbs it; a rollback leads to its last rung from either of the two before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rung {
    /// Chosen, nothing done.
    Planned,
    /// In the spool.
    Downloaded,
    /// On the CDN.
    Uploaded,
    /// In the row.
    DbUpdated,
    /// Back as it was.
    RolledBack,
}

/// What stands beside the ladder: why an image does not climb on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// Someone or something has to change first.
    Failed(TroubleKind),
    /// It can never be moved as it is.
    Skipped(TroubleKind),
    /// Someone else changed what is ours.
    Drifted,
    /// A person decided to leave it.
    Closed,
}

/// Something that happened to one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    Downloaded,
    Uploaded,
    /// The file of its `uploaded` was found again.
    Confirmed,
    Stopped(Mark),
    Closed,
    DbUpdated,
    /// Drift found on the way forward.
    Drifted,
    /// A rollback named it.
    NamedBack,
    /// Drift found on the way back.
    LeftBack,
    RolledBack,
    /// A person has the run take it up again.
    Retried,
}

/// What is known of one image.
#[derive(Debug, Clone)]
pub struct Image {
    /// Where it stands.
    pub rung: Rung,
    /// Why it does not climb on, if so.
    pub mark: Option<Mark>,
    /// Whether it is an entry that a `populate` appends: it knows no bytes, only the row.
    pub is_added: bool,
    /// Whether it still speaks for its picture: `false` once a later plan of the venue took the picture over.
    pub is_current: bool,
    /// The seq of its last `downloaded`.
    pub downloaded: Option<Seq>,
    /// The seq of its last `uploaded`.
    pub uploaded: Option<Seq>,
    /// The seq of the last event that says its file is on the CDN: its `uploaded`, or a `confirmed` behind it.
    pub seen: Option<Seq>,
    /// The seq of its `db_updated`.
    pub updated: Option<Seq>,
    /// Where its file goes on the CDN, known once the bytes are.
    pub path: Option<PathKey>,
    /// Tells apart the pictures of one venue, by the entry's URL.
    pub(super) picture: u64,
    /// 128 bits of the file id's BLAKE3, 0 for none.
    pub(super) file: u128,
}

impl Image {
    pub(super) fn planned(picture: u64, is_added: bool) -> Self {
        Self {
            rung: Rung::Planned,
            mark: None,
            is_added,
            is_current: true,
            downloaded: None,
            uploaded: None,
            seen: None,
            updated: None,
            path: None,
            picture,
            file: 0,
        }
    }

    /// Whether a run forward has nothing left to do for it.
    pub fn is_settled(&self) -> bool {
        self.mark.is_some() || matches!(self.rung, Rung::DbUpdated | Rung::RolledBack)
    }

    /// Whether it waits for its row by the word of an event that does not come behind `since`: its file is then looked
    /// at again before the row may point at it.
    pub fn is_stale(&self, since: Seq) -> bool {
        self.is_waiting() && self.seen.is_none_or(|seen| seen < since)
    }

    /// Whether its row may point at its file.
    pub(super) fn is_ready(&self, since: Seq) -> bool {
        self.is_waiting() && !self.is_stale(since)
    }

    fn is_waiting(&self) -> bool {
        self.rung == Rung::Uploaded && self.mark.is_none()
    }

    /// Whether its row may hold it though no event tells so: an update may have been made by a process that ended before it
    /// could write that down, or that nobody answered. The row of one that has drifted was looked at when that was told, and
    /// that of one that a person left before it was left.
    pub fn may_be_in_row(&self) -> bool {
        let last = if self.is_added { Rung::Planned } else { Rung::Uploaded };
        self.rung == last && !matches!(self.mark, Some(Mark::Drifted | Mark::Closed))
    }

    /// Whether a rollback visits it: it reached the CDN, or was planned by a `populate`, and is not rolled back,
    /// whatever marks stand beside it.
    pub fn is_to_take_back(&self) -> bool {
        self.is_used() || (self.is_added && self.rung == Rung::Planned)
    }

    /// Whether a file it may have on the CDN is still needed: the row may point at it, or is about to.
    pub(super) fn is_used(&self) -> bool {
        matches!(self.rung, Rung::Uploaded | Rung::DbUpdated)
    }

    /// The transition table: where it stands after a happening, or why that cannot be.
    pub(super) fn after(&self, happening: Happening) -> Result<(Rung, Option<Mark>), Illegal> {
        use Happening as H;
        use Rung as R;
        if self.is_added {
            return self.after_added(happening);
        }
        match (self.rung, self.mark, happening) {
            (R::Planned | R::Downloaded, None, H::Downloaded) => Ok((R::Downloaded, None)),
            // From uploaded once more: the file was gone when it was looked at again. What reached the CDN stays on this
            // rung, as its row may have been updated without a word of it.
            (R::Downloaded | R::Uploaded, None, H::Uploaded) => Ok((R::Uploaded, None)),
            (R::Uploaded, None, H::Downloaded | H::Confirmed) => Ok((R::Uploaded, None)),
            (R::Planned | R::Downloaded | R::Uploaded, None, H::Stopped(mark)) => Ok((self.rung, Some(mark))),
            (R::Planned | R::Downloaded | R::Uploaded, _, H::Closed) | (R::DbUpdated, Some(_), H::Closed) => {
                Ok((self.rung, Some(Mark::Closed)))
            }
            (R::Planned | R::Downloaded | R::Uploaded, Some(Mark::Failed(_)), H::Retried) => {
                Ok((self.rung, None))
            }
            (R::Uploaded, None, H::DbUpdated) => Ok((R::DbUpdated, None)),
            (R::Uploaded, None, H::Drifted) => Ok((R::Uploaded, Some(Mark::Drifted))),
            (R::Uploaded | R::DbUpdated, _, H::NamedBack) => Ok((self.rung, None)),
            // A person may close an image while the rollback that named it is interrupted: the row decides.
            (R::Uploaded | R::DbUpdated, None | Some(Mark::Closed), H::LeftBack) => {
                Ok((self.rung, Some(Mark::Drifted)))
            }
            (R::Uploaded | R::DbUpdated, None | Some(Mark::Closed), H::RolledBack) => {
                Ok((R::RolledBack, None))
            }
            _ => Err(self.cannot_become(happening)),
        }
    }

    /// The same for an entry that is appended: from planned it goes straight into the row, and a rollback looks into
    /// the row even where nothing says that it got there.
    fn after_added(&self, happening: Happening) -> Result<(Rung, Option<Mark>), Illegal> {
        use Happening as H;
        use Rung as R;
        match (self.rung, self.mark, happening) {
            (R::Planned, None, H::DbUpdated) => Ok((R::DbUpdated, None)),
            (R::Planned, None, H::Drifted) => Ok((R::Planned, Some(Mark::Drifted))),
            (R::Planned, None, H::Stopped(mark)) => Ok((R::Planned, Some(mark))),
            (R::Planned, _, H::Closed) | (R::DbUpdated, Some(_), H::Closed) => {
                Ok((self.rung, Some(Mark::Closed)))
            }
            (R::Planned, Some(Mark::Failed(_)), H::Retried) => Ok((R::Planned, None)),
            (R::Planned | R::DbUpdated, _, H::NamedBack) => Ok((self.rung, None)),
            (R::Planned | R::DbUpdated, None | Some(Mark::Closed), H::LeftBack) => {
                Ok((self.rung, Some(Mark::Drifted)))
            }
            (R::Planned | R::DbUpdated, None | Some(Mark::Closed), H::RolledBack) => {
                Ok((R::RolledBack, None))
            }
            _ => Err(self.cannot_become(happening)),
        }
    }

    fn cannot_become(&self, happening: Happening) -> Illegal {
        let (rung, beside) = (self.rung, self.mark.map_or(String::new(), |mark| format!(" ({mark:?})")));
        let what = if self.is_added { "an added entry" } else { "an image" };
        Illegal::new(format!("{what} at {rung:?}{beside} cannot become {happening:?}"))
    }

    pub(super) fn count_forward(&self, tally: &mut Tally) {
        tally.images += 1;
        *match (self.mark, self.rung) {
            (Some(Mark::Failed(_)), _) => &mut tally.failed,
            (Some(Mark::Skipped(_)), _) => &mut tally.skipped,
            (Some(Mark::Drifted), _) => &mut tally.drifted,
            (Some(Mark::Closed), _) => &mut tally.closed,
            (None, Rung::DbUpdated | Rung::RolledBack) => &mut tally.done,
            (None, _) => &mut tally.open,
        } += 1;
    }

    pub(super) fn count_back(&self, whole: Whole, tally: &mut Tally) {
        tally.images += 1;
        *match (self.mark, self.rung, whole) {
            (_, Rung::RolledBack, _) => &mut tally.done,
            (Some(Mark::Drifted), ..) => &mut tally.drifted,
            (_, _, Whole::Failed) => &mut tally.failed,
            // The venue as a whole; or it had drifted, and was left then. Before its venue is visited, the row decides.
            (_, _, Whole::Closed) | (Some(Mark::Closed), _, Whole::RolledBack) => &mut tally.closed,
            _ => &mut tally.open,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table by hand: for each rung without and with a mark, which happenings are legal.
    #[test]
    fn the_transition_table() {
        let failed = Mark::Failed(TroubleKind::Timeout);
        let all = [
            ("downloaded", Happening::Downloaded),
            ("uploaded", Happening::Uploaded),
            ("confirmed", Happening::Confirmed),
            ("stopped", Happening::Stopped(failed)),
            ("closed", Happening::Closed),
            ("db_updated", Happening::DbUpdated),
            ("drifted", Happening::Drifted),
            ("named", Happening::NamedBack),
            ("left", Happening::LeftBack),
            ("rolled_back", Happening::RolledBack),
            ("retried", Happening::Retried),
        ];
        let moved = [
            (Rung::Planned, None, "downloaded stopped closed"),
            (Rung::Planned, Some(failed), "closed retried"),
            (Rung::Planned, Some(Mark::Skipped(TroubleKind::InvalidImage)), "closed"),
            (Rung::Downloaded, None, "downloaded uploaded stopped closed"),
            (Rung::Downloaded, Some(failed), "closed retried"),
            (
                Rung::Uploaded,
                None,
                "downloaded uploaded confirmed stopped closed db_updated drifted named left rolled_back",
            ),
            (Rung::Uploaded, Some(failed), "closed named retried"),
            (Rung::Uploaded, Some(Mark::Closed), "closed named left rolled_back"),
            (Rung::DbUpdated, None, "named left rolled_back"),
            (Rung::DbUpdated, Some(Mark::Drifted), "closed named"),
            (Rung::DbUpdated, Some(Mark::Closed), "closed named left rolled_back"),
            (Rung::RolledBack, None, ""),
        ];
        let added = [
            (Rung::Planned, None, "stopped closed db_updated drifted named left rolled_back"),
            (Rung::Planned, Some(failed), "closed named retried"),
            (Rung::Planned, Some(Mark::Drifted), "closed named"),
            (Rung::Planned, Some(Mark::Closed), "closed named left rolled_back"),
            (Rung::DbUpdated, None, "named left rolled_back"),
            (Rung::DbUpdated, Some(Mark::Drifted), "closed named"),
            (Rung::RolledBack, None, ""),
        ];
        let both = moved.map(|row| (false, row)).into_iter().chain(added.map(|row| (true, row)));
        for (is_added, (rung, mark, legal)) in both {
            let image = Image { rung, mark, ..Image::planned(0, is_added) };
            let found: Vec<_> =
                all.iter().filter(|(_, h)| image.after(*h).is_ok()).map(|(name, _)| *name).collect();
            assert_eq!(found.join(" "), legal, "{is_added} {rung:?} {mark:?}");
        }
    }
}
