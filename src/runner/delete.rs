//! Deleting files from the CDN, by requirement S7 and in no other way: only what is ours alone, what no row uses, and
//! what no image of the ledger needs.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};

use ledger::ids::{CdnPath, FileId, LedgerId};
use ledger::ledger::Ledger;
use ledger::report::{Provenance, provenances};
use ledger::state::PathKey;
use ledger::trouble::Treatment;

use super::RunError;
use super::claims::Claims;
use super::ours::{NotOurs, described, has_content, is_still};
use super::parts::Outside;
use super::planning::Geography;
use super::retry::{Halt, Retry};
use super::uses::{Uses, every_row};
use crate::limits::OUTAGE_ANSWERS_IN_A_ROW;
use crate::outside::catalog::search::Spot;
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
    /// Its deletion was asked for and not answered, and it cannot be looked at since, or is to stay by now: nobody knows
    /// whether it is still there, or will be.
    NotKnown(String),
}

/// Why a file stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// An image of the ledger is between uploaded and rolled-back.
    Needed,
    /// A row uses it here.
    InRow(Spot),
    /// It lies somewhere else than it was said to.
    Moved(CdnPath),
    /// It is not this ledger's own, or not its alone.
    NotOurs(NotOurs),
    /// It alone could not be looked at or deleted, and why.
    Trouble(String),
}

/// Whether all candidates were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// All of them.
    All,
    /// It was asked to stop before that.
    Stopped,
}

/// With what files are deleted.
#[derive(Clone, Copy)]
pub struct Deleting<'a> {
    /// Where they are.
    pub cdn: &'a dyn Cdn,
    /// The database whose rows may use them.
    pub catalog: &'a dyn Catalog,
    /// Tables of it that are not looked at for uses.
    pub skip_tables: &'a [String],
    /// How things are tried.
    pub retry: &'a Retry,
    /// What others are told who find a country claimed.
    pub holder: &'a str,
}

/// Deletes those of the candidates that S7 allows, each under the ledger's writing lock that `ledger` holds: no run of
/// this ledger goes on beside it. A run of another ledger on the same database could adopt a file while it is being
/// deleted, so the countries are claimed whose venues could get it: those with its slug, now or when the ledger planned them; all where
/// no venue is known to have it.
///
/// All texts of the database are read once, for what is plainly in use. Before each deletion the file is described by its
/// id and must be this ledger's own by the events, its untouched bytes are compared with what was sent, what was written to
/// the database since is asked for it once more, and at last its versions and tags are read again, so that an editor or a
/// ledger of another database that has come to use it meanwhile is seen. These two are asked before every single request to
/// delete, also when one is sent again after a wait. Rows that are written while they and that request go on are not seen, nor
/// are those of transactions that are not committed by then. `told` is called with what became of each candidate, in their order; it appends `cdn_deleted` for
/// [`Fate::Deleted`] and for [`Fate::Gone`], within a run or without. After a request that was not answered the file is looked
/// at before anything else can end the sweep, and told of as [`Fate::NotKnown`] where that fails too, or where it is to stay by then. A file that alone cannot be
/// looked at or deleted is kept, and the others go on; the file in hand when trouble ends the sweep is told of as kept as well.
/// A stop is waited with for a moment only. Whoever dies between the two finds the file gone the next time, and writes it
/// down then.
///
/// Between two requests nobody holds the ledger, so the caller may write alerts meanwhile.
///
/// # Errors
/// When the CDN or the database cannot be asked, another works on one of those countries, or `told` cannot write, which tells of
/// a file that is gone all the same. What was told until then is so.
pub async fn delete_unused<E: Into<RunError>>(
    with: Deleting<'_>,
    claims: &mut Claims,
    ledger: &RefCell<&mut Ledger>,
    candidates: &[Candidate],
    mut told: impl FnMut(&mut Ledger, &Candidate, Fate) -> Result<(), E>,
) -> Result<Swept, RunError> {
    let planned = planned_in(&ledger.borrow(), candidates);
    let asked = candidates.iter().map(|candidate| (&candidate.file, &candidate.path));
    let told_of = provenances(&ledger.borrow(), asked.clone())?;
    let uses = Uses::of(asked, with.skip_tables);
    let surveyed = with.retry.unless_stopped(survey(with, candidates, planned)).await;
    let countries = match surveyed.unwrap_or(Err(Halt::GivenUp)) {
        Ok(countries) => countries,
        Err(halt) => return stopped(halt),
    };
    for countries in countries.values() {
        claims.take(with.catalog, countries.iter().cloned(), with.holder).await?;
    }
    let looked = with.retry.unless_stopped(uses.look(with.catalog, with.retry)).await;
    if let Err(halt) = looked.unwrap_or(Err(Halt::GivenUp)) {
        return stopped(halt);
    }
    let mut in_a_row = 0;
    for (place, candidate) in candidates.iter().enumerate() {
        let (is_needed, id) = (is_needed(&ledger.borrow(), candidate), ledger.borrow().store().id());
        let held = Claimed { claims, countries: countries.get(candidate.path.folder()) };
        let checked = with.retry.unless_stopped(held.check(with.retry)).await;
        match checked.unwrap_or(Err(Broken::STOPPED)) {
            Ok(()) => {}
            Err(broken) => return broken.ends(),
        }
        let fate = match (is_needed, uses.known(place)) {
            (true, _) => Fate::Kept(Kept::Needed),
            (false, Some(spot)) => Fate::Kept(Kept::InRow(spot)),
            (false, None) => {
                let said = told_of.of(&candidate.file, &candidate.path);
                let was_sent = Cell::new(false);
                let work = async {
                    let deleted = delete(with, id, candidate, &said, (&uses, place), held, &was_sent).await;
                    let Err(broken) = deleted else { return deleted.map_err(|broken| (broken, false)) };
                    let goes_on = in_a_row < OUTAGE_ANSWERS_IN_A_ROW && broken.is_its_own(with.retry).await;
                    Err((broken, goes_on))
                };
                match with.retry.unless_stopped(work).await.unwrap_or(Err((Broken::STOPPED, false))) {
                    Ok(fate) => {
                        in_a_row = 0;
                        fate
                    }
                    Err((broken, goes_on)) => {
                        let fate = broken.fate(was_sent.get());
                        match (goes_on, fate) {
                            (true, Some(fate)) => {
                                in_a_row += 1;
                                fate
                            }
                            (_, fate) => {
                                if let Some(fate) = fate {
                                    told(&mut ledger.borrow_mut(), candidate, fate).map_err(Into::into)?;
                                }
                                return broken.ends();
                            }
                        }
                    }
                }
            }
        };
        told(&mut ledger.borrow_mut(), candidate, fate).map_err(Into::into)?;
    }
    Ok(Swept::All)
}

fn is_needed(ledger: &Ledger, candidate: &Candidate) -> bool {
    ledger.state().users_of(PathKey::of(&candidate.path)) > 0
}

/// Countries by folder; `None` is that of venues without one.
type Countries = HashMap<String, BTreeSet<Option<String>>>;

/// Where the ledger planned what is in the folders of some candidates: a venue may have got another slug since, and another
/// ledger's run may have planned it when this one did.
fn planned_in(ledger: &Ledger, candidates: &[Candidate]) -> Countries {
    let state = ledger.state();
    let folders: HashSet<&str> = candidates.iter().map(|candidate| candidate.path.folder()).collect();
    let mut countries = Countries::new();
    for (_, plan) in state.plans() {
        let folder = CdnPath::folder_of(plan.slug.as_deref(), plan.venue);
        if folders.contains(folder.as_str()) {
            let country = state.place(plan).country.as_ref().map(|country| country.code.clone());
            countries.entry(folder).or_default().insert(country);
        }
    }
    countries
}

/// The countries for which the ledger planned what is in the folders of some candidates: those that are claimed for certain
/// before they are deleted.
pub fn planned_for(ledger: &Ledger, candidates: &[Candidate]) -> BTreeSet<Option<String>> {
    planned_in(ledger, candidates).into_values().flatten().collect()
}

/// The countries in which a venue has the slug of a candidate's folder, beside those where it was planned.
async fn survey(
    with: Deleting<'_>,
    candidates: &[Candidate],
    mut countries: Countries,
) -> Result<Countries, Halt> {
    let Deleting { catalog, retry, .. } = with;
    let geography = retry.run(Outside::Catalog, || Geography::read(catalog)).await?.value;
    let folders: HashSet<&str> = candidates.iter().map(|candidate| candidate.path.folder()).collect();
    let see = |row: Venue| {
        let folder = CdnPath::folder_of(row.slug.as_deref(), row.id);
        if folders.contains(folder.as_str()) {
            let country = geography.of(&row).1.map(|country| country.code.clone());
            countries.entry(folder).or_default().insert(country);
        }
    };
    every_row(catalog, retry, see).await?;
    // Of a folder that nobody knows, anybody may make use.
    let everywhere =
        || geography.countries().into_iter().map(|country| Some(country.code.clone())).chain([None]);
    for folder in folders {
        if !countries.contains_key(folder) {
            countries.insert(folder.to_owned(), everywhere().collect());
        }
    }
    Ok(countries)
}

/// The claims on the countries whose venues could get a file.
#[derive(Clone, Copy)]
struct Claimed<'a> {
    claims: &'a Claims,
    countries: Option<&'a BTreeSet<Option<String>>>,
}

impl Claimed<'_> {
    /// Sees that they are still held, and takes again what was lost. A database that is away is waited for.
    ///
    /// # Errors
    /// As [`Claims::take`].
    async fn check(self, retry: &Retry) -> Result<(), Broken> {
        for country in self.countries.into_iter().flatten() {
            let check = async || match self.claims.check(country.as_deref()).await {
                Err(RunError::Outside(trouble)) => Err(trouble),
                checked => Ok(checked),
            };
            let checked = retry.run(Outside::Catalog, check).await.map_err(Broken::at(Outside::Catalog))?;
            checked.value.map_err(Broken::Run)?;
        }
        Ok(())
    }
}

/// Why a candidate was not brought to an end.
enum Broken {
    /// By what it had to ask.
    Halt(Outside, Halt),
    Run(RunError),
}

impl Broken {
    /// The command stops, whatever was being asked.
    const STOPPED: Self = Self::Halt(Outside::Api, Halt::GivenUp);

    fn at(outside: Outside) -> impl Fn(Halt) -> Self {
        move |halt| Self::Halt(outside, halt)
    }

    /// Whether it is the trouble of one file, as [`Retry::is_its_own`] says.
    async fn is_its_own(&self, retry: &Retry) -> bool {
        match self {
            Self::Halt(outside, Halt::Trouble(trouble, _)) => retry.is_its_own(*outside, trouble).await,
            _ => false,
        }
    }

    /// What became of the file in hand; `None` where nothing was found out about it.
    fn fate(&self, was_sent: bool) -> Option<Fate> {
        match (was_sent, self) {
            (true, broken) => Some(Fate::NotKnown(broken.to_string())),
            (false, Self::Halt(_, Halt::GivenUp | Halt::Deferred)) => None,
            (false, broken) => Some(Fate::Kept(Kept::Trouble(broken.to_string()))),
        }
    }

    /// How the sweep ends with it.
    fn ends(self) -> Result<Swept, RunError> {
        match self {
            Self::Halt(_, halt) => stopped(halt),
            Self::Run(error) => Err(error),
        }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Halt(_, Halt::Trouble(trouble, _)) => trouble.fmt(f),
            Self::Halt(..) => f.write_str("it was stopped before that"),
            Self::Run(error) => error.fmt(f),
        }
    }
}

/// `was_sent` is set where a request to delete it was not answered, and what came of that is not known.
async fn delete(
    with: Deleting<'_>,
    ledger: LedgerId,
    candidate: &Candidate,
    said: &Provenance,
    (uses, place): (&Uses, usize),
    held: Claimed<'_>,
    was_sent: &Cell<bool>,
) -> Result<Fate, Broken> {
    let Deleting { cdn, catalog, retry, .. } = with;
    let details = retry.run(Outside::Api, || cdn.details(&candidate.file)).await;
    let asked = details.map_err(Broken::at(Outside::Api))?;
    let Some(found) = asked.value else { return Ok(Fate::Gone) };
    let not_ours = |why| Ok(Fate::Kept(Kept::NotOurs(why)));
    if found.id != candidate.file {
        return Ok(Fate::Kept(Kept::Trouble(format!("ImageKit told of the file {} instead", found.id))));
    }
    if found.path != candidate.path {
        return Ok(Fate::Kept(Kept::Moved(found.path)));
    }
    let content = match described(&found, ledger, said) {
        Ok(content) => content,
        Err(why) => return not_ours(why),
    };
    let is_as_sent = has_content(cdn, retry, &found, content).await;
    if !is_as_sent.map_err(Broken::at(Outside::Delivery))? {
        return not_ours(NotOurs::Changed("its bytes differ".to_owned()));
    }
    // Whatever is waited for, rows may come to use the file meanwhile: each attempt asks everything anew.
    let attempt = async || {
        // After a lost answer: our own request of a moment ago may have deleted it, whatever has happened since.
        if was_sent.get() && is_still(cdn, &found).await?.is_none() {
            return Ok(Ok(Fate::Deleted));
        }
        if let Err(broken) = held.check(retry).await {
            return Ok(Err(broken));
        }
        match uses.now(place, catalog, retry).await {
            Ok(None) => {}
            Ok(Some(spot)) => return Ok(Ok(Fate::Kept(Kept::InRow(spot)))),
            // The database was tried often enough; that is no trouble of the CDN.
            Err(halt) => return Ok(Err(Broken::Halt(Outside::Catalog, halt))),
        }
        match is_still(cdn, &found).await? {
            None if was_sent.get() => return Ok(Ok(Fate::Deleted)),
            None => return Ok(Ok(Fate::Gone)),
            Some(Err(why)) => return Ok(Ok(Fate::Kept(Kept::NotOurs(why)))),
            Some(Ok(())) => {}
        }
        let is_waited_for = was_sent.replace(true);
        // `false` when it is gone already, which is what was wanted.
        let deleted = cdn.delete(&found.id).await;
        if deleted.as_ref().is_err_and(|no| !no.outage && no.kind.treatment() != Treatment::Retry) {
            // A refusal has deleted nothing; whatever else went wrong may have come after the deletion, or before it.
            was_sent.set(is_waited_for);
        }
        deleted.map(|_| Ok(Fate::Deleted))
    };
    let broken = match retry.run(Outside::Api, attempt).await {
        Ok(tried) => match tried.value {
            Ok(Fate::Kept(why)) if was_sent.get() => {
                return Ok(Fate::NotKnown(format!(
                    "it is to stay, as {why}; the request may still be carried out"
                )));
            }
            Ok(fate) => return Ok(fate),
            Err(broken) => broken,
        },
        Err(halt) => Broken::Halt(Outside::Api, halt),
    };
    // A request that was not answered may have deleted it: whatever ends the sweep, one more look tells.
    if was_sent.get() {
        match is_still(cdn, &found).await {
            Ok(None) => return Ok(Fate::Deleted),
            Ok(Some(_)) => was_sent.set(false),
            Err(_) => {}
        }
    }
    Err(broken)
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
            Self::InRow(spot) => write!(f, "{spot} uses it"),
            Self::Moved(path) => write!(f, "it lies at {path} now"),
            Self::NotOurs(why) => why.fmt(f),
            Self::Trouble(why) => write!(f, "it could not be deleted: {why}"),
        }
    }
}
