//! Reading what is there: the CDN's listing first, then the rows, so that a file that a row has begun to use in the
//! meantime is seen as used. The ledger is read last, so that it tells of all that the rows show.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use ledger::ids::{CdnPath, FileId, VenueId};
use ledger::images::{Array, Entry};
use ledger::report::Believed;
use ledger::trouble::TroubleKind;

use super::Grounds;
use super::judge::{Pointer, pointer};
use crate::limits::{
    ENTRY_CHARS_KEPT_MAX, FINDING_PATH_CHARS_MAX, LIST_BYTES_MAX, LIST_FILES_MAX, LIST_MS_MAX,
    LIST_PAGE_MS_MAX, ODD_FILES_NAMED_MAX, OUTAGE_ANSWERS_IN_A_ROW,
};
use crate::outside::Trouble;
use crate::outside::catalog::search::Spot;
use crate::outside::catalog::{Catalog, Venue, unread};
use crate::outside::imagekit::{Cdn, CdnFile, OddFile};
use crate::runner::RunError;
use crate::runner::parts::Outside;
use crate::runner::retry::{Halt, Retry};
use crate::runner::uses::{Uses, every_row};

/// Below which folder Longshore's files are.
const FOLDER: &str = "/venues";

/// What the CDN lists and what the rows hold.
#[derive(Debug, Default)]
pub struct Survey {
    /// The listed files, each once.
    pub files: Vec<CdnFile>,
    /// Files of the listing that cannot be read.
    pub odd: Odd,
    /// For each of the listed files where it is used.
    pub users: Vec<Option<Spot>>,
    /// Entries of ours, but for plain external ones.
    pub entries: Vec<EntrySeen>,
    /// Entries that are external and at the origin.
    pub external: u64,
    /// Rows that hold anything.
    pub rows: u64,
    /// Those whose images are no array.
    pub bad_rows: Vec<VenueId>,
    /// Those whose images were not read, and why not.
    pub unread: Vec<(VenueId, String)>,
    /// Those of them that use a listed file, or may.
    pub unread_users: HashSet<VenueId>,
    /// Files that the listing does not have and that are there all the same, by id: a listing may lag.
    pub unlisted: HashMap<FileId, CdnPath>,
    /// Files that were asked for by id, without an answer that can be read: nobody knows whether and where they are.
    pub not_known: HashSet<FileId>,
    /// Files that were asked for by id and are not there.
    pub gone: HashSet<FileId>,
}

/// Files of a listing that cannot be read.
#[derive(Debug, Default)]
pub struct Odd {
    /// How many.
    pub n: u64,
    /// Those that are named.
    pub named: Vec<OddFile>,
    /// Those that have an id and a path.
    pub there: HashMap<FileId, CdnPath>,
    /// Where others lie whose path is told: without an id, or at a path that none of ours has.
    pub paths: HashSet<String>,
    /// Ids of those whose path is not told: each may be at any.
    pub anywhere: HashSet<FileId>,
    /// How many have neither: each may be any file, at any path.
    pub nameless: u64,
}

/// An entry of ours.
#[derive(Debug)]
pub struct EntrySeen {
    pub venue: VenueId,
    pub place: u64,
    pub status: Option<String>,
    pub url: Option<String>,
    pub file: Option<String>,
}

/// Lists all files, reads all rows, and looks for uses of the files in all texts but those of tables left out.
///
/// # Errors
/// When the CDN or the database cannot be asked.
pub async fn survey(
    cdn: &dyn Cdn,
    catalog: &dyn Catalog,
    retry: &Retry,
    grounds: &Grounds,
    skip_tables: &[String],
) -> Result<Survey, RunError> {
    let (files, odd) = list(cdn, retry).await.map_err(outside)?;
    let mut survey = Survey { files, odd, ..Survey::default() };
    let seen = every_row(catalog, retry, |row| survey.see(grounds, row)).await;
    seen.map_err(outside)?;
    let unread = survey.unread.iter().map(|(venue, _)| *venue).collect();
    let uses = Uses::noting(survey.files.iter().map(|file| (&file.id, &file.path)), skip_tables, unread);
    let uses = uses.tolerating_hidden();
    uses.look(catalog, retry).await.map_err(outside)?;
    survey.unread_users = uses.users();
    survey.users = (0..survey.files.len()).map(|place| uses.known(place)).collect();
    Ok(survey)
}

/// Asks by their ids for the files that the ledger or a row names and the listing lacks. One whose request alone goes wrong is
/// not known, and the others are asked for.
///
/// # Errors
/// When the CDN cannot be asked, or breaks for many of them in a row.
pub async fn ask_for_unlisted(
    cdn: &dyn Cdn,
    retry: &Retry,
    survey: &mut Survey,
    believed: &Believed,
) -> Result<(), RunError> {
    let listed: HashMap<&FileId, &CdnPath> = survey.files.iter().map(|file| (&file.id, &file.path)).collect();
    let of_rows = survey.entries.iter().filter_map(|entry| entry.file.as_deref()?.parse().ok());
    let named = believed.files.iter().map(|file| file.file.clone()).chain(of_rows);
    let mut unlisted: Vec<FileId> = named.filter(|file| !listed.contains_key(file)).collect();
    unlisted.sort();
    unlisted.dedup();
    let (mut odd_in_a_row, mut asked_again, mut broken_in_a_row) = (Vec::new(), HashSet::new(), 0);
    while let Some(id) = unlisted.pop() {
        let (is_one_of_many, was_away) =
            (odd_in_a_row.len() + 1 == OUTAGE_ANSWERS_IN_A_ROW as usize, Cell::new(false));
        // An answer that came and cannot be read is that file's own, and the next would be the same: it is not asked for
        // again. Many in a row are the API's, unless it still gives a page of its listing (requirement E3).
        let details = async || match cdn.details(&id).await {
            Err(no) if no.odd && is_one_of_many && !retry.gives_what_it_gave(Outside::Api).await => {
                was_away.set(true);
                Err(no.outage())
            }
            Err(no) if no.odd => Ok(Err(no)),
            asked => asked.map(Ok),
        };
        let tried = match retry.run(Outside::Api, details).await {
            Ok(tried) => {
                broken_in_a_row = 0;
                tried.value
            }
            Err(Halt::Trouble(trouble, _))
                if broken_in_a_row < OUTAGE_ANSWERS_IN_A_ROW
                    && retry.is_its_own(Outside::Api, &trouble).await =>
            {
                // A plain no costs no time.
                broken_in_a_row += u32::from(trouble.kind.is_passing());
                if !survey.odd.there.contains_key(&id) {
                    survey.not_known.insert(id);
                }
                continue;
            }
            Err(halt) => return Err(outside(halt)),
        };
        if was_away.get() {
            // What was answered just before is asked for once more.
            let suspects = odd_in_a_row.drain(..);
            unlisted.extend(suspects.filter(|suspect: &FileId| asked_again.insert(suspect.clone())));
        }
        match tried {
            Ok(found) => {
                odd_in_a_row.clear();
                survey.odd.there.remove(&id);
                survey.odd.anywhere.remove(&id);
                survey.not_known.remove(&id);
                match found {
                    Some(file) => {
                        survey.unlisted.insert(id, file.path);
                    }
                    None => {
                        survey.gone.insert(id);
                    }
                }
            }
            Err(_) => {
                match is_one_of_many {
                    true => odd_in_a_row.clear(),
                    false => odd_in_a_row.push(id.clone()),
                }
                // Where the listing's path can be read, that is where it is.
                if !survey.odd.there.contains_key(&id) {
                    survey.not_known.insert(id);
                }
            }
        }
    }
    Ok(())
}

impl Survey {
    fn see(&mut self, grounds: &Grounds, row: Venue) {
        self.rows += 1;
        let text = row.images.unwrap_or_default();
        if let Some(why) = unread(&text) {
            return self.unread.push((row.id, why.to_owned()));
        }
        let Ok(array) = Array::parse(&text) else { return self.bad_rows.push(row.id) };
        for (place, raw) in (0..).zip(array.elements()) {
            let Some(entry) = Entry::parse(raw).filter(Entry::is_ours) else { continue };
            let (status, url) = (entry.status(), entry.url());
            let is_plain = status.as_deref() == Some("external")
                && matches!(pointer(url.as_deref(), grounds), Pointer::Origin);
            match is_plain {
                true => self.external += 1,
                false => {
                    let file = entry.file_id().map(kept);
                    let (status, url) = (status.map(kept), url.map(kept));
                    self.entries.push(EntrySeen { venue: row.id, place, status, url, file });
                }
            }
        }
    }
}

/// What is kept of an entry's text until everything was read: what is longer points at nothing of ours.
fn kept(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(ENTRY_CHARS_KEPT_MAX) {
        text.truncate(at);
        text.shrink_to_fit();
    }
    text
}

/// All files below the folder. Pages shift when files are deleted meanwhile, so a file may be missed or come twice:
/// the second time does not count, and a missed one that anybody names is asked for by its id.
async fn list(cdn: &dyn Cdn, retry: &Retry) -> Result<(Vec<CdnFile>, Odd), Halt> {
    let (mut files, mut odd, mut known) = (Vec::new(), Odd::default(), HashSet::new());
    let (mut page, mut bytes, begun) = (0, 0, Instant::now());
    let wrong = |what: String| Halt::Trouble(Trouble::new(TroubleKind::ApiError, what), 1);
    loop {
        let skip = page * u64::from(LIST_FILES_MAX);
        let listed = retry.run(Outside::Api, || cdn.list(FOLDER, skip, LIST_FILES_MAX)).await?.value;
        let (n, before) = (listed.files.len() + listed.odd.len(), known.len());
        for file in listed.files {
            if known.insert(file.id.clone()) {
                bytes += kept_bytes(&file);
                files.push(file);
            }
        }
        for file in listed.odd {
            // Without an id it is new as often as it comes, and brings a listing no further.
            if file.id.clone().is_none_or(|id| known.insert(id)) {
                bytes += odd_bytes(&file);
                odd.add(file);
            }
        }
        if n < LIST_FILES_MAX as usize {
            return Ok((files, odd));
        }
        let read = files.len() as u64 + odd.n;
        if known.len() == before {
            return Err(wrong(format!("ImageKit's listing of {FOLDER} repeats itself after {read} files")));
        }
        if bytes > LIST_BYTES_MAX {
            let megabytes = LIST_BYTES_MAX / 1_000_000;
            return Err(wrong(format!(
                "ImageKit lists more than {read} files below {FOLDER}, those of others among them, and their description \
                 takes over {megabytes} MB: that is Longshore's own bound on memory, not ImageKit's; move files that \
                 Longshore did not store to another folder"
            )));
        }
        page += 1;
        if is_too_slow(begun.elapsed(), page) {
            let minutes = begun.elapsed().as_secs() / 60;
            return Err(wrong(format!(
                "ImageKit listed no more than {read} files below {FOLDER} in {minutes} min, and the listing does not end"
            )));
        }
    }
}

/// Whether so many pages have taken longer than any ImageKit that works does: each answer is bounded, and all of them are.
fn is_too_slow(took: Duration, pages: u64) -> bool {
    took > Duration::from_millis(LIST_MS_MAX + pages * LIST_PAGE_MS_MAX)
}

/// What a file takes while all are kept, its id and its path more than once.
fn kept_bytes(file: &CdnFile) -> usize {
    let (path, tags) =
        (file.path.as_str().len(), file.tags.iter().map(|tag| tag.len() + size_of::<String>()));
    let unfit = file.unfit.as_ref().map_or(0, String::len);
    size_of::<CdnFile>() + 2 * path + file.url.len() + tags.sum::<usize>() + unfit
}

/// The same for a file that cannot be read: its path is kept twice where it is named.
fn odd_bytes(file: &OddFile) -> usize {
    let said = [&file.said_id, &file.said_path].into_iter().flatten().map(String::len).sum::<usize>();
    size_of::<OddFile>()
        + 2 * file.path.as_ref().map_or(0, |path| path.as_str().len())
        + said
        + file.why.len()
}

impl Odd {
    fn add(&mut self, file: OddFile) {
        self.n += 1;
        // What is told and is no path of ours lies there and nowhere else. Of what was cut nobody knows the rest.
        let told = file.said_path.as_deref().map(|said| said.trim_matches('/'));
        let told = told.filter(|said| !said.is_empty() && said.chars().count() < FINDING_PATH_CHARS_MAX - 2);
        match (&file.id, &file.path, told) {
            (Some(id), Some(path), _) => {
                self.there.insert(id.clone(), path.clone());
            }
            (None, Some(path), _) => {
                self.paths.insert(path.as_str().to_owned());
            }
            (_, None, Some(told)) => {
                self.paths.insert(format!("/{told}"));
            }
            (Some(id), None, None) => {
                self.anywhere.insert(id.clone());
            }
            (None, None, None) => self.nameless += 1,
        }
        if self.named.len() < ODD_FILES_NAMED_MAX {
            self.named.push(file);
        }
    }
}

fn outside(halt: Halt) -> RunError {
    match halt {
        Halt::Trouble(trouble, _) => RunError::Outside(trouble),
        Halt::GivenUp | Halt::Deferred => {
            RunError::Outside(Trouble::new(TroubleKind::Network, "it was asked to stop before all was read"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e1_an_odd_file_counts_with_all_its_text_against_the_bound_on_memory() {
        let long = "p".repeat(5_000);
        let odd = OddFile { id: None, path: None, said_id: None, said_path: None, why: String::new() };
        let path = format!("/{long}").parse().ok();
        let kept = odd_bytes(&odd);
        for (odd, times) in [
            (OddFile { path, ..odd.clone() }, 2),
            (OddFile { said_id: Some(long.clone()), ..odd.clone() }, 1),
            (OddFile { said_path: Some(long.clone()), ..odd.clone() }, 1),
            (OddFile { why: long.clone(), ..odd }, 1),
        ] {
            assert!(odd_bytes(&odd) >= kept + times * long.len(), "{times}");
        }
    }

    #[test]
    fn e1_a_listing_that_goes_on_page_by_slow_page_is_ended() {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        // An outage of half an hour, and then a page a second.
        assert!(!is_too_slow(minutes(30), 1) && !is_too_slow(minutes(30) + Duration::from_secs(900), 900));
        // A page a minute: after three quarters of an hour it is clear.
        assert!(!is_too_slow(minutes(44), 44) && is_too_slow(minutes(46), 46));
    }
}
