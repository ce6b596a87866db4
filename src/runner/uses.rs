//! Which files the database's rows speak of: every text of every table is looked at, in whatever spelling it names them.

mod forms;
mod lexemes;
mod marks;
mod runs;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use ledger::ids::{CdnPath, FileId, VenueId};

pub(super) use self::forms::without_percents;
use self::marks::Marks;
use super::parts::Outside;
use super::retry::{Halt, Retry};
use crate::limits::CATALOG_PAGE_VENUES;
use crate::outside::catalog::search::{Search, See, Seen, Spot};
use crate::outside::catalog::{Catalog, Place, Venue};

/// Who uses some files.
pub struct Uses {
    /// The first place where each of them was found.
    spots: Arc<Mutex<Vec<Option<Spot>>>>,
    /// Which of the venues that were asked about use any of them.
    users: Arc<Mutex<HashSet<VenueId>>>,
    search: Search,
    /// What the last look has seen.
    seen: Mutex<Option<Seen>>,
}

impl Uses {
    /// Of these files, which are known by their places from here on, in all tables but those left out. Nothing is looked at
    /// yet.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a FileId, &'a CdnPath)>, skip: &[String]) -> Self {
        Self::noting(files, skip, HashSet::new())
    }

    /// The same, which also notes which of these venues use any of the files, though others use them too.
    pub fn noting<'a>(
        files: impl IntoIterator<Item = (&'a FileId, &'a CdnPath)>,
        skip: &[String],
        venues: HashSet<VenueId>,
    ) -> Self {
        let files: Vec<_> = files.into_iter().collect();
        let spots = Arc::new(Mutex::new(vec![None; files.len()]));
        let users: Arc<Mutex<HashSet<VenueId>>> = Arc::default();
        let marks = Marks::of(files);
        let (run_min, found, using) = (marks.run_min(), spots.clone(), users.clone());
        let see: See = Arc::new(move |spot: &Spot, text: Option<&[u8]>| {
            let asked_about = spot.venue.filter(|venue| venues.contains(venue));
            let put = |place: usize| {
                if let Some(venue) = asked_about {
                    using.lock().unwrap_or_else(PoisonError::into_inner).insert(venue);
                }
                let mut spots = found.lock().unwrap_or_else(PoisonError::into_inner);
                spots[place].get_or_insert_with(|| spot.clone());
            };
            match text {
                Some(text) => marks.find(text, put),
                // Nobody knows what it holds.
                None => (0..marks.files()).for_each(put),
            }
        });
        let search = Search { skip: skip.to_vec(), run_min, since: None, tolerates_hidden: false, see };
        Self { spots, users, search, seen: Mutex::default() }
    }

    /// The same where nothing is deleted by it: rows may be hidden.
    pub fn tolerating_hidden(mut self) -> Self {
        self.search.tolerates_hidden = true;
        self
    }

    /// Looks at all texts, or at those that were written since the last look.
    ///
    /// # Errors
    /// When the database cannot be read through; [`Halt::GivenUp`] when it is to stop.
    pub async fn look(&self, catalog: &dyn Catalog, retry: &Retry) -> Result<(), Halt> {
        let mut stop = retry.stop.clone();
        let since = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let search = Search { since, ..self.search.clone() };
        let looking = retry.run(Outside::Catalog, || catalog.search(&search));
        // Looking through a large database takes longer than anybody wants to wait who stops a run.
        let seen: Seen = tokio::select! {
            biased;
            seen = looking => seen?.value,
            Ok(_) = stop.wait_for(|stops| *stops) => return Err(Halt::GivenUp),
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(())
    }

    /// Who uses a file now: what was written since the last look is looked at, however short a while ago that was.
    ///
    /// # Errors
    /// As [`Uses::look`].
    pub async fn now(
        &self,
        place: usize,
        catalog: &dyn Catalog,
        retry: &Retry,
    ) -> Result<Option<Spot>, Halt> {
        if self.known(place).is_none() {
            self.look(catalog, retry).await?;
        }
        Ok(self.known(place))
    }

    /// Which of the venues that were asked about use a file, or may.
    pub fn users(&self) -> HashSet<VenueId> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who was found to use a file.
    pub fn known(&self, place: usize) -> Option<Spot> {
        self.spots.lock().unwrap_or_else(PoisonError::into_inner)[place].clone()
    }
}

/// Calls `each` with every row of `venues` that holds images, in the order of their ids.
///
/// # Errors
/// When the database cannot be read; [`Halt::GivenUp`] when it is to stop.
pub async fn every_row(
    catalog: &dyn Catalog,
    retry: &Retry,
    mut each: impl FnMut(Venue),
) -> Result<(), Halt> {
    let mut after: Option<VenueId> = None;
    loop {
        let page = || catalog.rows(Place::Everywhere, after, CATALOG_PAGE_VENUES);
        let page = retry.run(Outside::Catalog, page).await?.value;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        page.into_iter().for_each(&mut each);
    }
}
