//! The application's database in memory: rows with locks, claims that sessions hold, and a table besides that may speak
//! of files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ledger::ids::VenueId;
use ledger::trouble::TroubleKind;
use longshore::limits;
use longshore::outside::Trouble;
use longshore::outside::catalog::search::{Search, Seen, Spot, Table, Texts};
use longshore::outside::catalog::{
    Catalog, City, Claim, ClaimRefused, Country, Identity, Place, Rewrite, Row, Venue,
};
use tokio::time::{Instant, sleep};

use super::judge;
use super::parts::Part;
use super::process::Process;

/// After this the server ends a session that stands still inside a transaction.
const SESSION_IDLE_MAX: Duration = Duration::from_secs(60);

/// What the database holds.
#[derive(Default)]
pub struct Database {
    pub rows: BTreeMap<i64, Held>,
    /// Texts of another table, each with the change that wrote it.
    pub pages: Vec<(String, i64)>,
    pub cities: BTreeMap<i64, i64>,
    claims: BTreeMap<String, u64>,
    /// Processes that stand still: since when, and until when.
    still: BTreeMap<u64, (Instant, Instant)>,
    changes: i64,
}

/// A row.
pub struct Held {
    pub slug: String,
    pub city: Option<i64>,
    pub images: Option<String>,
    /// What it held at the beginning, where nobody but Longshore has written to it since.
    pub original: Option<Option<String>>,
    /// Whether somebody wrote an old text of it back.
    pub is_stale: bool,
    /// Texts that it had, for those who write old ones back.
    pub past: Vec<Option<String>>,
    /// The change that wrote it last.
    pub change: i64,
    /// When it was written last.
    pub written: Instant,
    lock: Option<(u64, Instant)>,
}

impl Held {
    pub fn new(slug: &str, city: Option<i64>, images: Option<String>) -> Self {
        Self {
            slug: slug.to_owned(),
            city,
            original: Some(images.clone()),
            is_stale: false,
            past: vec![images.clone()],
            images,
            change: 0,
            written: Instant::now(),
            lock: None,
        }
    }

    /// Whether somebody holds it locked now, so that others would wait.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some_and(|(_, since)| since.elapsed() < SESSION_IDLE_MAX)
    }
}

impl Database {
    /// Writes a row as anybody may.
    pub fn write(&mut self, id: i64, images: Option<String>) {
        self.changes += 1;
        let row = self.rows.get_mut(&id).expect("the row is there");
        row.past.push(images.clone());
        (row.images, row.change, row.written) = (images, self.changes, Instant::now());
    }

    /// Writes a text of the other table.
    pub fn say(&mut self, text: String) {
        self.changes += 1;
        self.pages.push((text, self.changes));
    }

    /// Whether any text names a file.
    pub fn uses(&self, path: &str) -> Option<Instant> {
        let rows = self.rows.values().filter(|row| row.images.as_ref().is_some_and(|it| it.contains(path)));
        rows.map(|row| row.written).max()
    }

    /// Gives back what a process holds that is no more.
    pub fn forget(&mut self, process: u64) {
        self.claims.retain(|_, by| *by != process);
        for row in self.rows.values_mut() {
            row.lock = row.lock.filter(|(by, _)| *by != process);
        }
    }

    /// A process stands still until then.
    pub fn stand_still(&mut self, process: u64, until: Instant) {
        self.still.insert(process, (Instant::now(), until));
    }

    /// Ends the session that holds some claim.
    pub fn lose_claim(&mut self, process: u64) {
        self.claims.retain(|_, by| *by != process);
    }

    fn holder(&mut self, country: &str) -> Option<u64> {
        let by = *self.claims.get(country)?;
        let is_ended = |(since, until): &(Instant, Instant)| {
            *until > Instant::now() && since.elapsed() >= SESSION_IDLE_MAX
        };
        if self.still.get(&by).is_some_and(is_ended) {
            self.claims.remove(country);
            return None;
        }
        Some(by)
    }

    fn venue(&self, id: i64) -> Option<Venue> {
        let row = self.rows.get(&id)?;
        let (slug, city, images) = (Some(row.slug.clone()), row.city, row.images.clone());
        Some(Venue { id: VenueId(id), slug, name: Some(format!("Venue {id}")), city, images })
    }

    fn page(&self, place: Place, after: Option<VenueId>, limit: u32) -> Vec<Venue> {
        let country = |city: Option<i64>| city.and_then(|city| self.cities.get(&city)).copied();
        let is_in = |id: i64, row: &Held| match place {
            Place::Everywhere => true,
            Place::Country(wanted) => country(row.city) == Some(wanted),
            Place::City(wanted) => row.city == Some(wanted),
            Place::Venue(VenueId(wanted)) => id == wanted,
        };
        let after = after.map_or(i64::MIN, |VenueId(after)| after);
        let rows = self.rows.iter().filter(|(id, row)| **id > after && is_in(**id, row));
        let ids = rows.filter(|(_, row)| row.images.is_some()).map(|(id, _)| *id);
        ids.take(limit as usize).filter_map(|id| self.venue(id)).collect()
    }
}

/// What one process sees of the database.
pub struct Seat(pub Arc<Process>);

/// A row's lock, given back when dropped.
struct Locked<'a> {
    by: &'a Process,
    row: i64,
    since: Instant,
}

impl Locked<'_> {
    /// Whether the server has not ended the session.
    fn holds(&self) -> bool {
        let world = self.by.world.lock();
        let row = world.database.rows.get(&self.row);
        row.is_some_and(|row| row.lock == Some((self.by.number, self.since)))
            && self.since.elapsed() < SESSION_IDLE_MAX
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if let Some(row) = self.by.world.lock().database.rows.get_mut(&self.row) {
            row.lock = row.lock.filter(|lock| *lock != (self.by.number, self.since));
        }
    }
}

#[async_trait]
impl Catalog for Seat {
    async fn identity(&self) -> Result<Identity, Trouble> {
        let (kind, database) = ("sqlite", "pretended".to_owned());
        Ok(Identity { kind, system: None, database, host: None, schema: None, is_standby: false })
    }

    async fn countries(&self) -> Result<Vec<Country>, Trouble> {
        self.0.arrive(Part::Database).await?;
        let country = |id, name: &str, code: &str| Country {
            id,
            name: name.to_owned(),
            code: code.to_owned(),
            slug: name.to_lowercase(),
        };
        Ok(vec![country(2, "Germany", "DE"), country(1, "Poland", "PL")])
    }

    async fn cities(&self) -> Result<Vec<City>, Trouble> {
        self.0.arrive(Part::Database).await?;
        let world = self.0.world.lock();
        let each = world.database.cities.iter().map(|(id, country)| City {
            id: *id,
            name: format!("City {id}"),
            slug: format!("city-{id}"),
            country: *country,
        });
        Ok(each.collect())
    }

    async fn venues(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble> {
        self.rows(place, after, limit).await
    }

    async fn rows(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble> {
        self.0.arrive(Part::Database).await?;
        // Small pages, so that a small world has several.
        let limit = limit.min(2);
        Ok(self.0.world.lock().database.page(place, after, limit))
    }

    async fn texts(&self, _skip: &[String]) -> Result<Texts, Trouble> {
        let table = |table: &str, column: &str| Table {
            table: table.to_owned(),
            columns: vec![column.to_owned()],
            rows: None,
            is_estimate: false,
        };
        let tables = vec![table("pages", "body"), table("venues", "venue_images")];
        Ok(Texts { tables, ..Texts::default() })
    }

    async fn search(&self, search: &Search) -> Result<Seen, Trouble> {
        self.0.arrive(Part::Database).await?;
        let since = search.since.as_ref().and_then(Seen::version).unwrap_or(-1);
        let (texts, change) = {
            let mut world = self.0.world.lock();
            let number = self.0.number;
            world.cdn.looked(number);
            let rows = world.database.rows.iter().filter(|(_, row)| row.change > since);
            let rows =
                rows.filter_map(|(id, row)| Some((format!("id {id}"), row.images.clone()?, Some(*id))));
            let pages = world.database.pages.iter().filter(|(_, change)| *change > since);
            let pages = pages.map(|(text, change)| (format!("id {change}"), text.clone(), None));
            (rows.chain(pages).collect::<Vec<_>>(), world.database.changes)
        };
        for (row, text, venue) in texts {
            let (table, column) = match venue {
                Some(_) => ("venues".into(), "venue_images".into()),
                None => ("pages".into(), "body".into()),
            };
            let spot = Spot { table, column, row: row.into(), venue: venue.map(VenueId) };
            (search.see)(&spot, Some(text.as_bytes()));
        }
        Ok(Seen::at(change))
    }

    async fn by_ids(&self, ids: &[VenueId]) -> Result<Vec<Venue>, Trouble> {
        self.0.arrive(Part::Database).await?;
        let world = self.0.world.lock();
        Ok(ids.iter().filter_map(|VenueId(id)| world.database.venue(*id)).collect())
    }

    async fn images(&self, VenueId(venue): VenueId) -> Result<Option<Option<String>>, Trouble> {
        self.0.arrive(Part::Database).await?;
        Ok(self.0.world.lock().database.rows.get(&venue).map(|row| row.images.clone()))
    }

    async fn rewrite(
        &self,
        VenueId(id): VenueId,
        rewrite: &(dyn for<'text> Fn(Option<&'text str>) -> Rewrite + Send + Sync),
    ) -> Result<Row, Trouble> {
        let process = &*self.0;
        process.arrive(Part::Database).await?;
        let began = Instant::now();
        let locked = loop {
            let since = Instant::now();
            match process.world.lock().database.rows.get_mut(&id) {
                None => return Ok(Row::Missing),
                Some(row) if !row.is_locked() => {
                    row.lock = Some((process.number, since));
                    break Locked { by: process, row: id, since };
                }
                Some(_) => {}
            }
            if began.elapsed() > Duration::from_secs(10) {
                return Err(Trouble::new(TroubleKind::CatalogError, "the row is locked by somebody else"));
            }
            sleep(Duration::from_millis(50)).await;
        };
        let held = process.world.lock().database.rows.get(&id).map(|row| row.images.clone());
        let Some(before) = held else { return Ok(Row::Missing) };
        let after = match rewrite(before.as_deref()) {
            Rewrite::Leave => return Ok(Row::Left(before)),
            Rewrite::Write(after) => after,
        };
        sleep(Duration::from_millis(3)).await;
        process.moment().await;
        if !locked.holds() {
            return Err(Part::Database.unanswered());
        }
        {
            let mut world = process.world.lock();
            judge::written(&mut world, process, id, before.as_deref(), after.as_deref());
            world.database.write(id, after.clone());
        }
        drop(locked);
        let is_lost = process.world.lock().strikes(super::faults::Fault::LostAnswer);
        process.leave().await;
        match is_lost {
            true => Err(Part::Database.unanswered()),
            false => Ok(Row::Written { before, after }),
        }
    }

    async fn claim(&self, country: Option<&str>, _holder: &str) -> Result<Box<dyn Claim>, ClaimRefused> {
        self.0.arrive(Part::Database).await.map_err(ClaimRefused::Trouble)?;
        let held = Claimed { process: self.0.clone(), country: country.unwrap_or("none").to_owned() };
        let began = Instant::now();
        while !held.take() {
            if began.elapsed() >= Duration::from_millis(limits::CLAIM_TRY_MS_MAX) {
                return Err(ClaimRefused::Held("another process".to_owned()));
            }
            sleep(Duration::from_millis(250)).await;
        }
        Ok(Box::new(held))
    }
}

/// A claim on a country.
struct Claimed {
    process: Arc<Process>,
    country: String,
}

impl Claimed {
    /// Takes it, where it is free; whether it is held then.
    fn take(&self) -> bool {
        let mut world = self.process.world.lock();
        match world.database.holder(&self.country) {
            Some(by) => by == self.process.number,
            None => {
                world.database.claims.insert(self.country.clone(), self.process.number);
                true
            }
        }
    }
}

#[async_trait]
impl Claim for Claimed {
    async fn check(&self) -> Result<(), ClaimRefused> {
        self.process.moment().await;
        match self.take() {
            true => Ok(()),
            false => Err(ClaimRefused::Held("another process".to_owned())),
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let claims = &mut self.process.world.lock().database.claims;
        if claims.get(&self.country) == Some(&self.process.number) {
            claims.remove(&self.country);
        }
    }
}
