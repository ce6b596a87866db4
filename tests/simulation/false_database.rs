//! The application's database as a program with a planted bug would use it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
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
use super::judge::{completed, elements};
use super::process::Process;

/// What stands between the runner and the seat of its process.
pub struct False {
    seat: Arc<Seat>,
    process: Arc<Process>,
    bug: Bug,
    /// The texts of rows as the process read them last.
    read: Mutex<BTreeMap<i64, Option<String>>>,
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
        Self { seat, process: process.clone(), bug, read: Mutex::default() }
    }

    fn keep(&self, venues: Vec<Venue>) -> Vec<Venue> {
        let mut read = self.read.lock().unwrap();
        venues.iter().for_each(|venue| drop(read.insert(venue.id.0, venue.images.clone())));
        venues
    }

    fn is_back(&self) -> bool {
        self.process.world.lock().notes(self.process.number).is_back
    }

    /// What the program puts into a row that holds some text, by what it would rightly do.
    fn wrong(&self, id: i64, held: Option<&str>, rewrite: &Rewriting<'_>) -> Rewrite {
        let right = rewrite(held);
        let by_index = || {
            let planned = self.read.lock().unwrap().get(&id).cloned().flatten();
            by_index(planned.as_deref(), held, rewrite)
        };
        match (self.bug, right) {
            (Bug::WrittenForNothing, Rewrite::Leave) => Rewrite::Write(held.map(str::to_owned)),
            (Bug::MatchedByIndex, right) => by_index().unwrap_or(right),
            (Bug::DriftOverwritten, Rewrite::Leave) if !self.is_back() => {
                by_index().unwrap_or(Rewrite::Leave)
            }
            (Bug::RestoredUnchecked, Rewrite::Leave) if self.is_back() => {
                by_index().unwrap_or(Rewrite::Leave)
            }
            (Bug::RestoredWrongly, Rewrite::Write(Some(text))) if self.is_back() => {
                Rewrite::Write(Some(text.replacen(r#""height": null"#, r#""height": 80"#, 1)))
            }
            (Bug::RestoredWhole, Rewrite::Write(text)) if self.is_back() => {
                let world = self.process.world.lock();
                let first = world.database.rows.get(&id).map(|row| row.past[0].clone());
                Rewrite::Write(first.unwrap_or(text))
            }
            (Bug::Reformatted, Rewrite::Write(Some(text))) => Rewrite::Write(Some(reformatted(&text))),
            (_, right) => right,
        }
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

/// Makes the changes to a planned text, and puts the entries that they give where they are in it.
fn by_index(planned: Option<&str>, held: Option<&str>, rewrite: &Rewriting<'_>) -> Option<Rewrite> {
    let Rewrite::Write(Some(done)) = rewrite(planned) else { return None };
    let (planned, done) = (elements(planned?), elements(&done));
    let mut entries = elements(held?);
    let changed = planned.iter().zip(done).enumerate().filter(|(_, (old, new))| old != &new);
    let changed: Vec<_> = changed.map(|(place, (_, new))| (place, new)).collect();
    for (place, new) in changed {
        *entries.get_mut(place)? = new;
    }
    let text = format!("[{}]", entries.join(", "));
    (Some(text.as_str()) != held).then_some(Rewrite::Write(Some(text)))
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
        let place = if self.bug == Bug::OtherCountry { Place::Everywhere } else { place };
        Ok(self.keep(self.seat.venues(place, after, limit).await?))
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
        Ok(self.keep(self.seat.by_ids(ids).await?))
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
            Bug::ClaimElsewhere => self.seat.claim(None, holder).await,
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
    let countries = process.world.lock().database.countries_of(venue.0);
    let Some(country) = countries.last().copied() else { return Ok(()) };
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
