//! The classes, decided: no file and no entry is in two, and none in no class.

use std::collections::{HashMap, HashSet};

use ledger::ids::{CdnPath, FileId, VenueId};
use ledger::ledger::Ledger;
use ledger::report::{Believed, BelievedFile, Provenances, in_progress};
use ledger::state::PathKey;
use url::Url;

use super::survey::EntrySeen;
use super::{
    BelievedClass, BelievedJudged, EntryClass, EntryJudged, FileClass, FileJudged, Grounds, Judged,
    RowJudged, Survey,
};
use crate::outside::catalog::search::Spot;
use crate::outside::imagekit::CdnFile;
use crate::runner::ours::{NotOurs, described, others};

/// What a URL points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pointer {
    /// A file of the CDN, at this path.
    Cdn(String),
    /// The origin.
    Origin,
    /// Neither.
    Neither,
}

/// Puts everything into its class.
pub fn judge(
    survey: Survey,
    ledger: &Ledger,
    believed: &Believed,
    told_of: &Provenances,
    grounds: &Grounds,
) -> Judged {
    let there = There::of(&survey, believed);
    let entries = survey.entries.iter().map(|entry| entry_judged(entry, &there, believed, grounds)).collect();
    let believed_files = believed.files.iter().map(|file| believed_judged(file, &there)).collect();
    let needed: HashMap<&FileId, &CdnPath> =
        believed.files.iter().filter(|file| file.is_needed).map(|file| (&file.file, &file.path)).collect();
    let (hands, id) = (in_progress(ledger.state()), ledger.store().id());
    let judged = |(file, used_by): (CdnFile, Option<Spot>)| {
        let others: Vec<String> = others(&file, id).cloned().collect();
        let key = PathKey::of(&file.path);
        let is_tagged = file.tags.contains(&id.tag());
        // Somebody may have taken the tag away; the ledger knows its file all the same.
        let is_needed_itself = needed.get(&file.id) == Some(&&file.path);
        let said = told_of.of(&file.id, &file.path);
        let not_ours = described(&file, id, &said).err();
        let class = match (is_tagged || is_needed_itself, &not_ours) {
            (false, _) => FileClass::Foreign,
            (true, _) if said.is_uploaded() && used_by.is_some() => FileClass::InUse,
            (true, _) if hands.contains(&key) => FileClass::InProgress,
            (true, _) if said.is_uploaded() && ledger.state().users_of(key) > 0 => FileClass::Unreferenced,
            (true, None) => FileClass::Orphan,
            (true, Some(NotOurs::Shared(_))) if used_by.is_none() => FileClass::Shared,
            (true, Some(_)) => FileClass::ForeignTagged,
        };
        let is_known = ledger.state().file_at(key).is_some();
        let is_told = matches!(class, FileClass::Foreign | FileClass::ForeignTagged | FileClass::Shared);
        FileJudged { class, file, others, is_known, used_by, why: not_ours.filter(|_| is_told) }
    };
    let row_judged = |(venue, why): &(VenueId, String)| RowJudged {
        venue_id: *venue,
        why: why.clone(),
        is_finding: ledger.state().venue(*venue).is_some() || survey.unread_users.contains(venue),
    };
    Judged {
        external: survey.external,
        rows: survey.rows,
        bad_rows: survey.bad_rows.clone(),
        unread: survey.unread.iter().map(row_judged).collect(),
        unreadable: survey.odd.n,
        unreadable_named: survey.odd.named.clone(),
        entries,
        believed: believed_files,
        files: survey.files.iter().cloned().zip(survey.users.iter().cloned()).map(judged).collect(),
    }
}

/// What is on the CDN, listed or not.
struct There<'a> {
    by_id: HashMap<&'a FileId, &'a CdnPath>,
    by_path: HashMap<&'a CdnPath, &'a FileId>,
    paths: HashSet<&'a str>,
    /// Files that are not there, as ImageKit says when it is asked for them by their ids.
    gone: &'a HashSet<FileId>,
    /// Files of which nobody knows whether and where they are.
    not_known: &'a HashSet<FileId>,
    /// Paths at which the ledger has those.
    not_known_paths: HashSet<&'a str>,
    /// Whether a file is listed whose path nobody knows: it may be at any.
    has_anywhere: bool,
}

impl<'a> There<'a> {
    fn of(survey: &'a Survey, believed: &'a Believed) -> Self {
        let listed = survey.files.iter().map(|file| (&file.id, &file.path));
        let odd = &survey.odd;
        let by_id: HashMap<_, _> = odd.there.iter().chain(listed).chain(&survey.unlisted).collect();
        let by_path: HashMap<_, _> = by_id.iter().map(|(id, path)| (*path, *id)).collect();
        let of_odd = odd.paths.iter().map(String::as_str);
        let paths = by_path.keys().map(|path| path.as_str()).chain(of_odd).collect();
        let (gone, not_known) = (&survey.gone, &survey.not_known);
        let of_ledger = believed.files.iter().filter(|file| not_known.contains(&file.file));
        let not_known_paths = of_ledger.map(|file| file.path.as_str()).collect();
        // A nameless one that was found by its id is at a path that is known by now; nobody can say which that is.
        let has_anywhere = odd.nameless > 0 || !odd.anywhere.is_empty();
        Self { by_id, by_path, paths, gone, not_known, not_known_paths, has_anywhere }
    }

    /// Whether a file that is not found at a path may be there all the same. What ImageKit answers about an entry's own file
    /// holds, whatever else it lists oddly.
    fn may_be_at(&self, path: &str, file: Option<&str>) -> bool {
        let id: Option<FileId> = file.and_then(|id| id.parse().ok());
        let has_answer = |id| self.gone.contains(id) || self.by_id.contains_key(id);
        let is_not_known = id.as_ref().is_some_and(|id| self.not_known.contains(id));
        let may_be_another = self.has_anywhere && !id.as_ref().is_some_and(has_answer);
        self.not_known_paths.contains(path) || is_not_known || may_be_another
    }
}

fn believed_judged(file: &BelievedFile, there: &There<'_>) -> BelievedJudged {
    let now = there.by_id.get(&file.file).copied();
    let is_there = now == Some(&file.path);
    let class = match (is_there, file.is_needed) {
        (true, _) => BelievedClass::There,
        (false, _) if there.not_known.contains(&file.file) => BelievedClass::NotKnown,
        (false, true) => BelievedClass::Gone,
        (false, false) => BelievedClass::GoneUnneeded,
    };
    BelievedJudged {
        class,
        path: file.path.clone(),
        file: file.file.clone(),
        image: file.image,
        venue: file.venue,
        moved_to: now.filter(|now| **now != file.path).cloned(),
        replaced_by: there.by_path.get(&file.path).filter(|id| ***id != file.file).map(|id| (*id).clone()),
    }
}

fn entry_judged(seen: &EntrySeen, there: &There<'_>, believed: &Believed, grounds: &Grounds) -> EntryJudged {
    let EntrySeen { venue, place, status, url, file } = seen;
    let is_known = || {
        let id = file.as_deref().and_then(|id| id.parse::<FileId>().ok());
        id.is_some_and(|id| believed.entries.contains(&(*venue, id)))
    };
    let class = match (status.as_deref(), pointer(url.as_deref(), grounds)) {
        (Some("external" | "completed"), Pointer::Neither) => EntryClass::Neither,
        (Some("external"), Pointer::Origin) => EntryClass::External,
        (Some("external"), Pointer::Cdn(_)) | (Some("completed"), Pointer::Origin) => {
            EntryClass::Contradictory
        }
        (Some("completed"), Pointer::Cdn(path)) if !there.paths.contains(path.as_str()) => {
            match there.may_be_at(&path, file.as_deref()) {
                true => EntryClass::NotKnown,
                false => EntryClass::CompletedGone,
            }
        }
        (Some("completed"), Pointer::Cdn(_)) if is_known() => EntryClass::Completed,
        (Some("completed"), Pointer::Cdn(_)) => EntryClass::CompletedUnknown,
        (_, _) => EntryClass::Other,
    };
    EntryJudged { class, venue: *venue, place: *place, url: url.clone(), file: file.clone() }
}

/// What a URL points at, by host and path; the CDN's counts first where both are on one host. How a picture is asked
/// for, by query or by a `tr:` in the path, does not change which file it is.
pub(super) fn pointer(url: Option<&str>, grounds: &Grounds) -> Pointer {
    let Some(url) = url.and_then(|url| Url::parse(url).ok()) else { return Pointer::Neither };
    let is_at = |base: &Url| url.host() == base.host() && url.port() == base.port() && base.has_host();
    let base = grounds.endpoint.path().trim_end_matches('/');
    let below = url.path().strip_prefix(base).filter(|path| path.starts_with('/'));
    match below {
        Some(path) if is_at(&grounds.endpoint) => {
            let parts = path.split('/').skip(1).filter(|part| !part.starts_with("tr:"));
            Pointer::Cdn(
                parts.map(|part| format!("/{}", crate::runner::uses::without_percents(part))).collect(),
            )
        }
        _ if is_at(&grounds.origin) => Pointer::Origin,
        _ => Pointer::Neither,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c13_a_url_points_at_the_cdn_at_the_origin_or_at_neither() {
        let grounds = Grounds {
            endpoint: "https://ik.example/id/".parse().unwrap(),
            origin: "https://cdn.example".parse().unwrap(),
        };
        let cdn = |path: &str| Pointer::Cdn(path.to_owned());
        for (url, points_at) in [
            ("https://ik.example/id/venues/a/b.jpg", cdn("/venues/a/b.jpg")),
            ("https://ik.example/id/tr:w-1,h-2/venues/a/b%20c.jpg?tr=w-3#x", cdn("/venues/a/b c.jpg")),
            ("https://ik.example/idle/venues/a/b.jpg", Pointer::Neither),
            ("https://cdn.example/uploads/a.jpg", Pointer::Origin),
            ("https://cdn.example:444/uploads/a.jpg", Pointer::Neither),
            ("https://cdn.example.evil/uploads/a.jpg", Pointer::Neither),
            ("/uploads/a.jpg", Pointer::Neither),
            ("data:image/png;base64,xx", Pointer::Neither),
        ] {
            assert_eq!(pointer(Some(url), &grounds), points_at, "{url}");
        }
        assert_eq!(pointer(None, &grounds), Pointer::Neither);
    }
}
