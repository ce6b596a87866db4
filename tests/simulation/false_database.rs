//! The application's database as a program with a planted bug would use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ledger::event::Scope;
use ledger::ids::VenueId;
use longshore::outside::Trouble;
use longshore::outside::catalog::search::{Search, See, Seen, Texts};
use longshore::outside::catalog::{
    Catalog, City, Claim, ClaimRefused, Country, Identity, Place, Rewrite, Row, Venue,
};
use serde_json::Value;
use tokio::time::sleep;

use super::bug::Bug;
use super::database::Seat;
use super::entries;
use super::judge::{completed, elements};
use super::process::Process;
use super::reach;

/// What stands between the runner and the seat of its process.
pub struct False {
    seat: Arc<Seat>,
    process: Arc<Process>,
    bug: Bug,
}

/// A claim that says yes.
struct Believed {
    _inner: Option<Box<dyn Claim>>,
}

#[async_trait]
impl Claim for Believed {
    async fn check(&self) -> Result<(), ClaimRefused> {
        Ok(())
    }
}

type Rewriting<'a> = dyn for<'text> Fn(Option<&'text str>) -> Rewrite + Send + Sync + 'a;

impl False {
    pub fn new(process: &Arc<Process>, bug: Bug) -> Self {
        let seat = Arc::new(Seat(process.clone()));
        Self { seat, process: process.clone(), bug }
    }

    fn is_back(&self) -> bool {
        self.process.world.lock().notes(self.process.number).is_back
    }

    /// What the program puts into a row that holds some text, by what it would rightly do.
    fn wrong(&self, id: i64, held: Option<&str>, rewrite: &Rewriting<'_>) -> Rewrite {
        let right = rewrite(held);
        let is_unchecked = match self.bug {
            Bug::DriftOverwritten => !self.is_back(),
            Bug::RestoredUnchecked => self.is_back(),
            _ => false,
        };
        match (self.bug, right) {
            (Bug::WrittenForNothing, Rewrite::Leave) => Rewrite::Write(held.map(str::to_owned)),
            (Bug::MatchedByIndex, right) => self.by_index(id, held, rewrite).unwrap_or(right),
            (_, right) if is_unchecked => self.over_edits(id, held, rewrite).unwrap_or(right),
            (Bug::RowLeftBehind, Rewrite::Write(Some(ref text)))
                if !self.is_back() && takes_out(held, text) && !puts_in(held, text) =>
            {
                Rewrite::Leave
            }
            (Bug::RestoredWrongly, Rewrite::Write(Some(text))) if self.is_back() => {
                Rewrite::Write(Some(text.replacen(r#""height": null"#, r#""height": 80"#, 1)))
            }
            (Bug::RestoredWhole, Rewrite::Write(text)) if self.is_back() => {
                let world = self.process.world.lock();
                let first = world.database(self.process.ledger).rows.get(&id).map(|row| row.past[0].clone());
                Rewrite::Write(first.unwrap_or(text))
            }
            (Bug::Reformatted, Rewrite::Write(Some(text))) => Rewrite::Write(Some(reformatted(&text))),
            (_, right) => right,
        }
    }

    /// Makes the changes to the text that was planned, and puts the entries that they give, and that are not in a text yet,
    /// where they are in it.
    fn by_index(&self, id: i64, text: Option<&str>, rewrite: &Rewriting<'_>) -> Option<Rewrite> {
        let planned = self.process.world.lock().books[self.process.ledger].arrays.get(&id)?.clone()?;
        let Rewrite::Write(Some(done)) = rewrite(Some(&planned)) else { return None };
        let mut entries = elements(text?);
        let changed = elements(&planned).into_iter().zip(elements(&done)).enumerate();
        for (place, (old, new)) in changed {
            if old != new && !entries.contains(&new) {
                *entries.get_mut(place)? = new;
            }
        }
        let written = format!("[{}]", entries.join(", "));
        (elements(text?) != elements(&written)).then_some(Rewrite::Write(Some(written)))
    }

    /// Takes an entry that somebody has edited for what it was before.
    fn over_edits(&self, id: i64, held: Option<&str>, rewrite: &Rewriting<'_>) -> Option<Rewrite> {
        let held = elements(held?);
        let before: Vec<Option<String>> = {
            let world = self.process.world.lock();
            held.iter().map(|entry| entries::unedited(&world, self.process.ledger, id, entry)).collect()
        };
        let as_before: Vec<&str> =
            held.iter().zip(&before).map(|(entry, before)| before.as_deref().unwrap_or(entry)).collect();
        let Rewrite::Write(Some(done)) = rewrite(Some(&format!("[{}]", as_before.join(", ")))) else {
            return None;
        };
        let mut done = elements(&done);
        for (place, done) in done.iter_mut().enumerate() {
            if as_before.get(place) == Some(done) {
                *done = held[place];
            }
        }
        (done != held).then(|| Rewrite::Write(Some(format!("[{}]", done.join(", ")))))
    }

    async fn read_and_write(&self, venue: VenueId, rewrite: &Rewriting<'_>) -> Result<Row, Trouble> {
        let Some(read) = self.seat.images(venue).await? else { return Ok(Row::Missing) };
        let Rewrite::Write(text) = rewrite(read.as_deref()) else { return Ok(Row::Left(read)) };
        let write = move |_: Option<&str>| Rewrite::Write(text.clone());
        match self.bug {
            Bug::RowToldBefore => {
                let (seat, process, after) = (self.seat.clone(), self.process.clone(), write(None));
                tokio::spawn(async move {
                    sleep(Duration::from_millis(200)).await;
                    if !process.is_dead() {
                        let _nobody_asks = seat.rewrite(venue, &write).await;
                    }
                });
                let Rewrite::Write(after) = after else { unreachable!("it is to be written") };
                Ok(Row::Written { before: read, after })
            }
            _ => {
                self.process.moment().await;
                self.seat.rewrite(venue, &write).await
            }
        }
    }
}

/// The completed entries of a text that another has not.
fn completed_only<'a>(of: &'a str, other: &str) -> Vec<&'a str> {
    let other = elements(other);
    elements(of).into_iter().filter(|it| completed(it).is_some() && !other.contains(it)).collect()
}

/// Whether a completed entry of what a row holds is not in a text.
fn takes_out(held: Option<&str>, text: &str) -> bool {
    held.is_some_and(|held| !completed_only(held, text).is_empty())
}

/// Whether a text has a completed entry that is not in what a row holds.
fn puts_in(held: Option<&str>, text: &str) -> bool {
    !completed_only(text, held.unwrap_or("[]")).is_empty()
}

/// A text as a library prints it: numbers as it reads them, keys in its order.
fn reformatted(text: &str) -> String {
    let entry = |text: &str| serde_json::from_str::<Value>(text).map_or(text.to_owned(), |it| it.to_string());
    format!("[{}]", elements(text).into_iter().map(entry).collect::<Vec<_>>().join(","))
}

#[async_trait]
impl Catalog for False {
    async fn identity(&self) -> Result<Identity, Trouble> {
        self.seat.identity().await
    }

    async fn countries(&self) -> Result<Vec<Country>, Trouble> {
        self.seat.countries().await
    }

    async fn cities(&self) -> Result<Vec<City>, Trouble> {
        self.seat.cities().await
    }

    async fn venues(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble> {
        let place = match (self.bug, place) {
            (Bug::OtherCountry, _) | (Bug::OtherCity, Place::City(_)) => Place::Everywhere,
            _ => place,
        };
        self.seat.venues(place, after, limit).await
    }

    async fn rows(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble> {
        self.seat.rows(place, after, limit).await
    }

    async fn texts(&self, skip: &[String]) -> Result<Texts, Trouble> {
        self.seat.texts(skip).await
    }

    async fn search(&self, search: &Search) -> Result<Seen, Trouble> {
        if let (Bug::UsesAskedOnce, Some(since)) = (self.bug, &search.since) {
            return Ok(since.clone());
        }
        let (bug, see) = (self.bug, search.see.clone());
        let see: See = Arc::new(move |spot, text| {
            let is_spelled = || text.is_some_and(|text| text.contains(&b'%'));
            let is_unseen = match bug {
                Bug::UsesOfPagesUnseen => spot.venue.is_none(),
                Bug::UsesOfRowsUnseen => spot.venue.is_some(),
                Bug::SpellingUnseen => is_spelled(),
                _ => false,
            };
            if !is_unseen {
                see(spot, text);
            }
        });
        self.seat.search(&Search { see, ..search.clone() }).await
    }

    async fn by_ids(&self, ids: &[VenueId]) -> Result<Vec<Venue>, Trouble> {
        self.seat.by_ids(ids).await
    }

    async fn images(&self, venue: VenueId) -> Result<Option<Option<String>>, Trouble> {
        self.seat.images(venue).await
    }

    async fn rewrite(
        &self,
        venue: VenueId,
        rewrite: &(dyn for<'text> Fn(Option<&'text str>) -> Rewrite + Send + Sync),
    ) -> Result<Row, Trouble> {
        match self.bug {
            Bug::RowToldBefore | Bug::RowNotLocked => self.read_and_write(venue, rewrite).await,
            Bug::FoundDoneLost => {
                let row = self.seat.rewrite(venue, rewrite).await?;
                let is_done = |text: &String| elements(text).into_iter().any(|it| completed(it).is_some());
                Ok(match row {
                    Row::Left(Some(text)) if is_done(&text) && !self.is_back() => {
                        Row::Left(Some("[]".to_owned()))
                    }
                    row => row,
                })
            }
            Bug::LastUploadOnly if !self.is_back() => {
                let is_missed = AtomicBool::new(false);
                let blind = |held: Option<&str>| match rewrite(held) {
                    Rewrite::Write(Some(text)) if takes_out(held, &text) => {
                        is_missed.store(true, Ordering::Relaxed);
                        Rewrite::Leave
                    }
                    right => right,
                };
                let row = self.seat.rewrite(venue, &blind).await?;
                Ok(if is_missed.into_inner() { Row::Left(Some("[]".to_owned())) } else { row })
            }
            _ => {
                let wrong = |held: Option<&str>| self.wrong(venue.0, held, rewrite);
                self.seat.rewrite(venue, &wrong).await
            }
        }
    }

    async fn claim(&self, country: Option<&str>, holder: &str) -> Result<Box<dyn Claim>, ClaimRefused> {
        let only_deletes = self.process.world.lock().notes(self.process.number).only_deletes;
        match self.bug {
            Bug::DeletedWithoutClaim if only_deletes => Ok(Box::new(Believed { _inner: None })),
            Bug::ClaimElsewhere => {
                let country = format!("not {}", country.unwrap_or("none"));
                self.seat.claim(Some(&country), holder).await
            }
            Bug::ClaimNotChecked => {
                let claim = self.seat.claim(country, holder).await?;
                Ok(Box::new(Believed { _inner: Some(claim) }))
            }
            _ => self.seat.claim(country, holder).await,
        }
    }
}

/// `resume` of a program that has forgotten that a run was rolled back: its last row is written again.
pub async fn write_again(process: &Arc<Process>) -> Result<(), ClaimRefused> {
    let taken_back = process.world.lock().books[process.ledger].taken_back.clone();
    let Some((venue, before, after)) = taken_back else { return Ok(()) };
    let countries = process.world.lock().database(process.ledger).countries_of(venue.0);
    let Some(country) = countries.last().copied() else { return Ok(()) };
    {
        let mut world = process.world.lock();
        let Some(run) = world.books[process.ledger].reach.rolled_back(venue) else { return Ok(()) };
        reach::takes(&mut world, process.number, &Scope::Everywhere, None);
        reach::goes_on(&mut world, process.number, run);
    }
    let seat = Seat(process.clone());
    let claim = seat.claim(Some(country).filter(|country| *country != "none"), "resume").await?;
    claim.check().await?;
    let rewrite = |held: Option<&str>| match held == Some(after.as_str()) {
        true => Rewrite::Write(Some(before.clone())),
        false => Rewrite::Leave,
    };
    seat.rewrite(venue, &rewrite).await.map_err(ClaimRefused::Trouble)?;
    Ok(())
}
