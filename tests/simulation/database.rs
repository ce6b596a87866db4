//! The application's database in memory: rows with locks, claims that sessions hold, and a table besides that may speak
//! of files.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
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
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::bug::Bug;
use super::judge::{self, completed, elements};
use super::others;
use super::parts::Part;
use super::process::Process;

/// After this the server ends a session that stands still inside a transaction.
const SESSION_IDLE_MAX: Duration = Duration::from_secs(60);

/// Venues of a page: few, so that a small world has several.
const PAGE: u32 = 2;
/// The tables that hold texts.
const TABLES: [(&str, &str); 2] = [("pages", "body"), ("venues", "venue_images")];

/// What the database holds.
#[derive(Default)]
pub struct Database {
    pub rows: BTreeMap<i64, Held>,
    /// Texts of another table.
    pages: Vec<Page>,
    pub cities: BTreeMap<i64, i64>,
    claims: BTreeMap<String, Holder>,
    claimed: u64,
    /// Processes that stand still: since when, and until when.
    still: BTreeMap<u64, (Instant, Instant)>,
    changes: i64,
    /// A planted bug of the sessions that hold claims.
    pub bug: Option<Bug>,
}

/// A text of another table.
struct Page {
    text: String,
    /// The change that wrote it.
    change: i64,
    written: Instant,
}

/// Who holds a claim.
#[derive(Clone)]
struct Holder {
    process: u64,
    /// The claim's own number: a process may ask for a country that it holds already.
    number: u64,
    /// What others are told.
    says: String,
}

/// A row.
pub struct Held {
    pub slug: String,
    pub city: Option<i64>,
    /// Cities that it is or was in.
    pub been: Vec<Option<i64>>,
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
    /// After this the server ends a session that stands still and holds its lock.
    pub idle_max: Duration,
}

impl Held {
    pub fn new(slug: &str, city: Option<i64>, images: Option<String>) -> Self {
        Self {
            slug: slug.to_owned(),
            city,
            been: vec![city],
            original: Some(images.clone()),
            is_stale: false,
            past: vec![images.clone()],
            images,
            change: 0,
            written: Instant::now(),
            lock: None,
            idle_max: SESSION_IDLE_MAX,
        }
    }

    /// Moves it to another city.
    pub fn move_to(&mut self, city: Option<i64>) {
        self.city = city;
        self.been.push(city);
    }

    /// Whether somebody holds it locked now, so that others would wait.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some_and(|(_, since)| since.elapsed() < self.idle_max)
    }

    /// Whether somebody holds it locked, and has for longer than anybody may.
    pub fn is_locked_for_ever(&self) -> bool {
        self.is_locked() && self.lock.is_some_and(|(_, since)| since.elapsed() > SESSION_IDLE_MAX)
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
        self.pages.push(Page { text, change: self.changes, written: Instant::now() });
    }

    /// Whether any text names a file: since when the first of them does, as it is.
    pub fn uses(&self, path: &str) -> Option<Instant> {
        let rows = self.rows.values().filter(|row| row.images.as_ref().is_some_and(|it| it.contains(path)));
        let pages = self.pages.iter().filter(|page| page.text.replace("%2F", "/").contains(path));
        rows.map(|row| row.written).chain(pages.map(|page| page.written)).min()
    }

    /// Whether a row names a file as its own: since when the oldest of these rows is as it is.
    pub fn names(&self, file: &str) -> Option<Instant> {
        let has_it = |row: &&Held| {
            let entries = elements(row.images.as_deref().unwrap_or("[]"));
            entries.into_iter().filter_map(completed).any(|(id, _)| id == file)
        };
        self.rows.values().filter(has_it).map(|row| row.written).min()
    }

    /// The countries that a row is or was in, as claims name them.
    pub fn countries_of(&self, id: i64) -> Vec<&'static str> {
        let been = self.rows.get(&id).map_or(&[][..], |row| &row.been);
        let country = |city: &Option<i64>| match city.and_then(|city| self.cities.get(&city)) {
            None => "none",
            Some(1) => "PL",
            Some(_) => "DE",
        };
        been.iter().map(country).collect()
    }

    /// Whether a process holds a claim on one of some countries.
    pub fn has_claim(&self, process: u64, countries: &[&str]) -> bool {
        countries.iter().any(|country| self.claims.get(*country).is_some_and(|by| by.process == process))
    }

    /// Gives back what a process holds that is no more.
    pub fn forget(&mut self, process: u64) {
        if self.bug != Some(Bug::ClaimKept) {
            self.lose_claim(process);
        }
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
        self.claims.retain(|_, by| by.process != process);
    }

    fn holder(&mut self, country: &str) -> Option<Holder> {
        let by = self.claims.get(country)?.clone();
        let is_ended = |(since, until): &(Instant, Instant)| {
            *until > Instant::now() && since.elapsed() >= SESSION_IDLE_MAX
        };
        if self.still.get(&by.process).is_some_and(is_ended) {
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

    fn page(
        &self,
        place: Place,
        after: Option<VenueId>,
        limit: u32,
        is_wanted: fn(&str) -> bool,
    ) -> Vec<Venue> {
        let country = |city: Option<i64>| city.and_then(|city| self.cities.get(&city)).copied();
        let is_in = |id: i64, row: &Held| match place {
            Place::Everywhere => true,
            Place::Country(wanted) => country(row.city) == Some(wanted),
            Place::City(wanted) => row.city == Some(wanted),
            Place::Venue(VenueId(wanted)) => id == wanted,
        };
        let after = after.map_or(i64::MIN, |VenueId(after)| after);
        let rows = self.rows.iter().filter(|(id, row)| **id > after && is_in(**id, row));
        let ids = rows.filter(|(_, row)| row.images.as_deref().is_some_and(is_wanted)).map(|(id, _)| *id);
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
        let row = world.database(self.by.ledger).rows.get(&self.row);
        row.is_some_and(|row| row.lock == Some((self.by.number, self.since)))
            && row.is_some_and(Held::is_locked)
    }
}

impl Locked<'_> {
    /// How much later the server does what was asked, where the client hears nothing of it.
    fn late(&self) -> Option<Duration> {
        let mut world = self.by.world.lock();
        world.strikes(super::faults::Fault::LateRow).then(|| world.within(10_000..58_000))
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if let Some(row) = self.by.world.lock().database_mut(self.by.ledger).rows.get_mut(&self.row) {
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
        let each = world.database(self.0.ledger).cities.iter().map(|(id, country)| City {
            id: *id,
            name: format!("City {id}"),
            slug: format!("city-{id}"),
            country: *country,
        });
        Ok(each.collect())
    }

    async fn venues(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble> {
        self.0.arrive(Part::Database).await?;
        let world = self.0.world.lock();
        let database = world.database(self.0.ledger);
        let limit = limit.min(PAGE);
        Ok(match place {
            Place::Venue(id) if after.is_none_or(|after| id > after) => {
                database.venue(id.0).into_iter().take(limit as usize).collect()
            }
            // As SQLite does: an array with nothing in it holds nothing to move.
            _ => database.page(place, after, limit, |images| images != "[]"),
        })
    }

    async fn rows(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble> {
        self.0.arrive(Part::Database).await?;
        Ok(self.0.world.lock().database(self.0.ledger).page(place, after, limit.min(PAGE), |_| true))
    }

    async fn texts(&self, skip: &[String]) -> Result<Texts, Trouble> {
        // As in a real one, `venues` cannot be left out.
        let is_there = |name: &String| name == TABLES[0].0;
        let (skipped, wrong): (Vec<String>, Vec<String>) = skip.iter().cloned().partition(is_there);
        let tables = TABLES.iter().filter(|(table, _)| !skipped.iter().any(|name| name == table));
        let table = |(table, column): &(&str, &str)| Table {
            table: (*table).to_owned(),
            columns: vec![(*column).to_owned()],
            rows: None,
            is_estimate: false,
        };
        let wrong_skips = wrong.iter().map(|name| format!("{name} cannot be left out")).collect();
        Ok(Texts { tables: tables.map(table).collect(), skipped, wrong_skips, ..Texts::default() })
    }

    async fn search(&self, search: &Search) -> Result<Seen, Trouble> {
        self.0.arrive(Part::Database).await?;
        let since = search.since.as_ref().and_then(Seen::version).unwrap_or(-1);
        let (texts, change) = {
            let mut world = self.0.world.lock();
            let number = self.0.number;
            judge::looked(&mut world, number);
            let database = world.database(self.0.ledger);
            let rows = database.rows.iter().filter(|(_, row)| row.change > since);
            let rows =
                rows.filter_map(|(id, row)| Some((format!("id {id}"), row.images.clone()?, Some(*id))));
            let pages = database.pages.iter().filter(|page| page.change > since);
            let pages = pages.map(|page| (format!("id {}", page.change), page.text.clone(), None));
            (rows.chain(pages).collect::<Vec<_>>(), database.changes)
        };
        for (row, text, venue) in texts {
            let (table, column) = match venue {
                Some(_) => TABLES[1],
                None => TABLES[0],
            };
            if venue.is_none() && search.skip.iter().any(|skip| skip.as_str() == table) {
                continue;
            }
            let (table, column) = (table.into(), column.into());
            let spot = Spot { table, column, row: row.into(), venue: venue.map(VenueId) };
            (search.see)(&spot, Some(text.as_bytes()));
        }
        Ok(Seen::at(change))
    }

    async fn by_ids(&self, ids: &[VenueId]) -> Result<Vec<Venue>, Trouble> {
        self.0.arrive(Part::Database).await?;
        let world = self.0.world.lock();
        let ids: BTreeSet<i64> = ids.iter().map(|id| id.0).collect();
        Ok(ids.into_iter().filter_map(|id| world.database(self.0.ledger).venue(id)).collect())
    }

    async fn images(&self, VenueId(venue): VenueId) -> Result<Option<Option<String>>, Trouble> {
        self.0.arrive(Part::Database).await?;
        Ok(self.0.world.lock().database(self.0.ledger).rows.get(&venue).map(|row| row.images.clone()))
    }

    async fn rewrite(
        &self,
        VenueId(id): VenueId,
        rewrite: &(dyn for<'text> Fn(Option<&'text str>) -> Rewrite + Send + Sync),
    ) -> Result<Row, Trouble> {
        let process = &*self.0;
        judge::sends_row(&mut process.world.lock(), process, id);
        process.arrive(Part::Database).await?;
        let began = Instant::now();
        let locked = loop {
            let since = Instant::now();
            match process.world.lock().database_mut(process.ledger).rows.get_mut(&id) {
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
        let held = process.world.lock().database(process.ledger).rows.get(&id).map(|row| row.images.clone());
        let Some(before) = held else { return Ok(Row::Missing) };
        let after = match rewrite(before.as_deref()) {
            Rewrite::Leave => return Ok(Row::Left(before)),
            Rewrite::Write(after) => after,
        };
        if after.as_deref().is_some_and(|text| serde_json::from_str::<&RawValue>(text).is_err()) {
            return Err(Trouble::new(TroubleKind::CatalogError, "what was to be written is no JSON"));
        }
        sleep(Duration::from_millis(3)).await;
        process.moment_in_row().await;
        if !locked.holds() {
            process.world.lock().count("row lock lost");
            return Err(Part::Database.unanswered());
        }
        let write = move |process: &Process| {
            let mut world = process.world.lock();
            let database = world.database(process.ledger);
            let city = database.rows.get(&id).and_then(|row| row.city);
            let country = country_of(database, city);
            if database.claims.get(&country).is_some_and(|by| by.process != process.number) {
                world.count("row written under another's claim");
            }
            judge::written(&mut world, process, id, after.as_deref());
            world.database_mut(process.ledger).write(id, after.clone());
            (before, after)
        };
        if let Some(late) = locked.late() {
            let (process, since) = (self.0.clone(), locked.since);
            std::mem::forget(locked);
            tokio::spawn(async move {
                sleep(late).await;
                // The server has not noticed that the client is gone.
                let locked = Locked { by: &process, row: id, since };
                if locked.holds() {
                    write(&process);
                }
            });
            sleep(Duration::from_secs(30)).await;
            return Err(Part::Database.unanswered());
        }
        let (before, after) = write(process);
        drop(locked);
        if others::act_behind_row(&mut process.world.lock(), before.as_deref(), after.as_deref()) {
            process.kill();
            pending::<()>().await;
        }
        let is_lost = process.world.lock().strikes(super::faults::Fault::LostAnswer);
        process.leave().await;
        match is_lost {
            true => Err(Part::Database.unanswered()),
            false => Ok(Row::Written { before, after }),
        }
    }

    async fn claim(&self, country: Option<&str>, holder: &str) -> Result<Box<dyn Claim>, ClaimRefused> {
        self.0.arrive(Part::Database).await.map_err(ClaimRefused::Trouble)?;
        let number = {
            let mut world = self.0.world.lock();
            let database = world.database_mut(self.0.ledger);
            database.claimed += 1;
            database.claimed
        };
        let by = Holder { process: self.0.number, number, says: holder.to_owned() };
        let country = country.map_or_else(|| "none".to_owned(), str::to_ascii_uppercase);
        let held = Claimed { process: self.0.clone(), country, by };
        let began = Instant::now();
        while let Err(refused) = held.take() {
            if began.elapsed() >= Duration::from_millis(limits::CLAIM_TRY_MS_MAX) {
                return Err(refused);
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
    by: Holder,
}

impl Claimed {
    /// Takes it, where it is free, and says who holds it where it is not.
    fn take(&self) -> Result<(), ClaimRefused> {
        let mut world = self.process.world.lock();
        let database = world.database_mut(self.process.ledger);
        let is_stolen = database.bug == Some(Bug::ClaimTakenOver);
        match database.holder(&self.country) {
            Some(by) if by.number == self.by.number => {}
            Some(by) if !is_stolen => return Err(ClaimRefused::Held(by.says)),
            other => {
                if let Some(by) = other {
                    judge::took_over(&mut world, &self.country, &by.says, &self.by.says);
                }
                world.database_mut(self.process.ledger).claims.insert(self.country.clone(), self.by.clone());
            }
        }
        judge::checked(&mut world, self.process.number, &self.country);
        Ok(())
    }
}

#[async_trait]
impl Claim for Claimed {
    async fn check(&self) -> Result<(), ClaimRefused> {
        self.process.moment().await;
        self.take()?;
        self.process.moment_in_row().await;
        Ok(())
    }
}

/// The name under which a city's country is claimed.
fn country_of(database: &Database, city: Option<i64>) -> String {
    match city.and_then(|city| database.cities.get(&city)) {
        Some(1) => "PL".to_owned(),
        Some(_) => "DE".to_owned(),
        None => "none".to_owned(),
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut world = self.process.world.lock();
        let database = world.database_mut(self.process.ledger);
        let is_held = database.claims.get(&self.country).is_some_and(|by| by.number == self.by.number);
        if is_held && database.bug != Some(Bug::ClaimKept) {
            database.claims.remove(&self.country);
        }
    }
}
