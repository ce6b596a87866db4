//! A history: what is there at the beginning, which commands are given, and what is looked at in the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ledger::event::{City, Country, Scope, Verb};
use ledger::ids::{Seq, VenueId};
use ledger::ledger::Ledger;
use tokio::time::{Instant, sleep, timeout};

use super::bug::Bug;
use super::command::{self, Command, Ended};
use super::database::Held;
use super::disk::{self, Disks};
use super::faults::{Fault, Weather};
use super::process::Process;
use super::world::{Inner, LEDGERS, World};
use super::{accounts, book, clock, coverage, judge, known, people, pictures};

/// Longer than any history may take, in its own time.
const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 30);

/// What of a seed's history is left away, to find out what of it matters.
#[derive(Debug, Clone, Default)]
pub struct Trim {
    /// Kinds of trouble that there are not.
    pub without: Vec<Fault>,
    /// So many commands before the end; all of them where nothing is said.
    pub acts_max: Option<u32>,
    /// The same of venues.
    pub venues_max: Option<i64>,
}

/// How one history went.
pub struct Told {
    /// What was found to be wrong.
    pub wrong: Vec<String>,
    /// How often each thing came about.
    pub happened: BTreeMap<&'static str, u64>,
    /// What came about, where it was asked for.
    pub told: Vec<String>,
    /// The heads of the ledgers at the end.
    pub heads: Vec<String>,
}

/// Tells the history of a seed, with its ledgers in an empty directory. With a planted bug it ends once that is noticed.
pub fn tell(seed: u64, bug: Option<Bug>, trim: &Trim, dir: &Path, tells: bool) -> Told {
    faulty_vfs::register_alone();
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let mut dice = fastrand::Rng::with_seed(seed);
    let weather = Weather::drawn(&mut dice).without(&trim.without);
    let world = World::new(dice, weather, tells);
    {
        let mut world = world.lock();
        world.bug = bug;
        world.databases.iter_mut().for_each(|database| database.bug = bug);
    }
    let lived = runtime.block_on(async {
        clock::begin();
        begin(&world, trim, dir);
        timeout(LONGEST, live(&world, trim, dir)).await
    });
    drop(runtime);
    let mut world = world.lock();
    if lived.is_err() {
        world.break_promise("it did not end".to_owned());
    }
    Told {
        wrong: std::mem::take(&mut world.wrong),
        happened: std::mem::take(&mut world.happened),
        told: std::mem::take(&mut world.told),
        heads: std::mem::take(&mut world.heads),
    }
}

/// What the ledgers of a history say, an event a line.
pub fn events(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for ledger in (0..LEDGERS).filter_map(|ledger| command::read(&path(dir, ledger))) {
        let id = ledger.store().id();
        lines.extend(
            book::records(&ledger, Seq(1)).iter().map(|record| format!("ledger {id}: {:?}", record.event)),
        );
    }
    lines
}

fn path(dir: &Path, ledger: usize) -> PathBuf {
    dir.join(["a.ledger", "b.ledger"][ledger])
}

fn begin(world: &World, trim: &Trim, dir: &Path) {
    let mut world = world.lock();
    // The brake on errors looks at twenty images of a country.
    let is_large = world.weather.rate(Fault::ManyVenues) > 0 && world.dice.u32(0..16) == 0;
    let venues = if is_large { 16 } else { world.dice.i64(1..=5) };
    if is_large {
        world.count(Fault::ManyVenues.name());
    }
    let venues = venues.min(trim.venues_max.unwrap_or(venues));
    let rows = rows(&mut world, venues);
    if world.has_two_databases() {
        world.count(Fault::SecondDatabase.name());
        // A copy of the first, as staging often is, or that of another application.
        let copy = |(id, row): (&i64, &Held)| (*id, Held::new(&row.slug, row.city, row.images.clone()));
        let others = match world.dice.bool() {
            true => rows.iter().map(copy).collect(),
            false => self::rows(&mut world, venues),
        };
        world.databases[1].rows = others;
    }
    world.databases[0].rows = rows;
    let bug = world.bug;
    for database in &mut world.databases {
        database.cities = [(1, 1), (2, 2)].into();
        if bug == Some(Bug::LockForEver) {
            database.rows.values_mut().for_each(|row| row.idle_max = LONGEST);
        }
    }
    people::begin(&mut world);
    if disk::has_trouble(&world) {
        world.disks = Disks::watch([0, 1].map(|ledger| path(dir, ledger)));
    }
}

/// Draws the rows of a database.
fn rows(world: &mut Inner, venues: i64) -> BTreeMap<i64, Held> {
    let mut rows = BTreeMap::new();
    for venue in 1..=venues {
        let mut entries = Vec::new();
        for n in 0..world.dice.u32(0..5) {
            let url = format!("https://origin.example/{venue}/{n}.jpg");
            let bytes = pictures::drawn(world);
            world.pictures.entry(url.clone()).or_insert(bytes);
            entries.push(format!(
                r#"{{"url": "{url}", "width": null, "height": null, "source": "trivia_advisor_migration", "migrated_at": "2026-01-01T00:00:00.000Z", "upload_status": "external"}}"#
            ));
            if world.dice.u32(0..4) == 0 {
                entries.push(format!(
                    r#"{{"url":"https://elsewhere.example/{n}", "n": 1.{n}00e400, "ä": null}}"#
                ));
            }
        }
        let city = [Some(1), Some(1), Some(2), None][world.dice.usize(0..4)];
        let slug = ["a", "b", "a-b"][world.dice.usize(0..3)];
        let images = match world.dice.u32(0..24) {
            0..2 => None,
            2 => Some(r#"{"no": "array"}"#.to_owned()),
            3 => Some("[]".to_owned()),
            _ => Some(format!("[{}]", entries.join(", "))),
        };
        rows.insert(venue, Held::new(slug, city, images));
    }
    rows
}

async fn live(world: &Arc<World>, trim: &Trim, dir: &Path) {
    // Before all else, when neither has used what the other sent, or in the end.
    let sweeps = {
        let mut world = world.lock();
        if world.has_two_databases() && trim.acts_max.is_none() { world.dice.u32(0..3) } else { 0 }
    };
    if sweeps == 1 {
        sweep_beside(world, dir).await;
    }
    let acts = world.lock().dice.u32(1..7);
    for act in 1..=acts.min(trim.acts_max.unwrap_or(acts)) {
        if is_noticed(world) {
            return;
        }
        for ledger in 0..LEDGERS {
            disk::back_up(&mut world.lock(), ledger, &path(dir, ledger));
        }
        let (first, second, wait) = {
            let mut world = world.lock();
            // Two databases matter where both ledgers are at work.
            let ledger = match world.has_two_databases() {
                true => world.dice.usize(0..LEDGERS),
                false => world.dice.usize(0..8) / 7,
            };
            let mut first = (ledger, draw(&mut world, ledger));
            // Else most files would only be deleted at the end, in fair weather.
            if act == acts && world.dice.bool() {
                first.1 = Command::Rollback(Scope::Everywhere, true);
            }
            // Whoever stands still inside a row is of interest where another takes over; a second database beside the first.
            let stands = world.weather.rate(Fault::SuspendedInRow) > 0 || world.has_two_databases();
            let has_second = world.dice.u32(0..if stands { 2 } else { 4 }) == 0;
            let other = if stands { 1 - first.0 } else { world.dice.usize(0..4) / 3 };
            let second = has_second.then(|| (other, draw(&mut world, other)));
            (first, second, world.within(1..100_000))
        };
        let first = one(world, dir, first);
        match second {
            None => drop(first.await),
            Some(second) => {
                let second = async {
                    sleep(wait).await;
                    one(world, dir, second).await
                };
                futures_util::future::join(first, second).await;
            }
        }
    }
    if sweeps == 2 {
        sweep_beside(world, dir).await;
    }
    end(world, dir).await;
}

/// One ledger goes back and deletes its orphans, while the other moves pictures of its own database, some of them the same.
async fn sweep_beside(world: &Arc<World>, dir: &Path) {
    let (ledger, wait) = {
        let mut world = world.lock();
        // A request to delete may be carried out a minute later than it is given up.
        let longest = if world.dice.bool() { 2_000 } else { 60_000 };
        (world.dice.usize(0..LEDGERS), world.within(1..longest))
    };
    for command in [Command::Migrate(Scope::Everywhere, None), Command::Rollback(Scope::Everywhere, false)] {
        one(world, dir, (ledger, command)).await;
    }
    let other = async {
        sleep(wait).await;
        one(world, dir, (1 - ledger, Command::Migrate(Scope::Everywhere, None))).await
    };
    futures_util::future::join(one(world, dir, (ledger, Command::DeleteOrphans)), other).await;
}

/// Whether a planted bug was noticed, so that there is nothing more to tell.
fn is_noticed(world: &World) -> bool {
    let world = world.lock();
    world.bug.is_some() && !world.wrong.is_empty()
}

async fn one(world: &Arc<World>, dir: &Path, (ledger, command): (usize, Command)) -> Ended {
    let process = Process::new(world, ledger);
    world.lock().tell(|| format!("process {}: {command:?} with ledger {ledger}", process.number));
    let ended = command::run(&process, &path(dir, ledger), command).await;
    let mut world = world.lock();
    if world.weather.is_fair() && !matches!(ended, Ended::Finished | Ended::Nothing) {
        world.break_promise(format!("under fair weather a command ended so: {ended:?}"));
    }
    world.count(ended.name());
    world.tell(|| format!("process {} ended: {ended:?}", process.number));
    ended
}

/// Fair weather: what is unfinished is finished, everything is migrated, looked at, rolled back, and looked at again.
async fn end(world: &Arc<World>, dir: &Path) {
    {
        let mut world = world.lock();
        (world.weather, world.storms) = (Weather::fair(), Default::default());
        world.cdn.purge();
        world.tell(|| "fair weather".to_owned());
    }
    sleep(Duration::from_secs(1_000)).await;
    let since = Instant::now();
    // Of the second ledger, where nobody ever began one, nothing is to be told.
    let there: Vec<usize> =
        (0..LEDGERS).filter(|ledger| *ledger == 0 || path(dir, *ledger).exists()).collect();
    for ledger in &there {
        while matches!(one(world, dir, (*ledger, Command::Resume(0))).await, Ended::Finished) {}
        // Few histories come to this before, and a new migration takes up by itself what has failed.
        one(world, dir, (*ledger, Command::Retry)).await;
        one(world, dir, (*ledger, Command::Migrate(Scope::Everywhere, None))).await;
    }
    let mut added = Vec::new();
    {
        let ledgers: Vec<Ledger> =
            there.iter().filter_map(|ledger| command::read(&path(dir, *ledger))).collect();
        let mut world = world.lock();
        judge::migrated(&mut world, since);
        accounts::migrated(&mut world, &ledgers);
        for (ledger, number) in ledgers.iter().zip(&there).rev() {
            let runs = ledger.state().runs().enumerate();
            let of = runs.filter(|(_, (_, run))| run.started.verb == Verb::Populate).map(|(place, _)| place);
            added.extend(of.collect::<Vec<_>>().into_iter().rev().map(|place| (*number, place)));
        }
    }
    let has_two = world.lock().has_two_databases();
    for ledger in there.iter().rev() {
        one(world, dir, (*ledger, Command::Rollback(Scope::Everywhere, !has_two))).await;
        if has_two {
            one(world, dir, (*ledger, Command::DeleteOrphans)).await;
        }
        judge::migrated(&mut world.lock(), since);
    }
    // What was added goes last: a `populate` leaves what was migrated since.
    for (ledger, place) in added {
        one(world, dir, (ledger, Command::RollbackRun(place, true))).await;
    }
    let mut world = world.lock();
    judge::restored(&mut world);
    for ledger in there {
        let path = path(dir, ledger);
        if let Some(read) = command::read(&path) {
            let records = book::records(&read, Seq(1));
            disk::has_all(&mut world, ledger, &records);
            known::found(&mut world, ledger, &read);
            world.heads.push(read.head().to_string());
            coverage::count(&mut world, &records);
        }
    }
}

fn draw(world: &mut Inner, ledger: usize) -> Command {
    let limit = |dice: &mut fastrand::Rng| (dice.u32(0..8) == 0).then(|| dice.u64(1..3));
    let (which, is_with_files) = (world.dice.usize(0..64), world.dice.bool());
    // Whoever has saved a plan runs it at some time, and others have changed something by then.
    if !world.people.plans.is_empty() && world.dice.u32(0..4) == 0 {
        return Command::MigratePlan(which);
    }
    match world.dice.u32(0..24) {
        0..7 => Command::Migrate(scope(world, ledger), limit(&mut world.dice)),
        7..12 => Command::Resume(which),
        12..14 => Command::Rollback(scope(world, ledger), is_with_files),
        14 => Command::RollbackRun(which, is_with_files),
        15 => Command::Retry,
        16..18 => Command::DeleteOrphans,
        18..20 => Command::Populate(scope(world, ledger), limit(&mut world.dice)),
        20 => Command::Plan(scope(world, ledger)),
        21 => Command::MigratePlan(which),
        22 => Command::Skip(which),
        _ => Command::Checkpoint,
    }
}

fn scope(world: &mut Inner, ledger: usize) -> Scope {
    let of = |city: Option<i64>| match city {
        Some(1) => Some(country("PL", "Poland")),
        Some(_) => Some(country("DE", "Germany")),
        None => None,
    };
    match world.dice.u32(0..8) {
        0 => Scope::Country(country("DE", "Germany")),
        1..3 => Scope::Everywhere,
        3 => {
            let id = world.dice.i64(1..3);
            let city = City { id, name: format!("City {id}"), slug: Some(format!("city-{id}")) };
            Scope::City { city, country: of(Some(id)) }
        }
        4 => {
            let venue = world.dice.i64(1..6);
            let city = world.database(ledger).rows.get(&venue).and_then(|row| row.city);
            Scope::Venue { venue: VenueId(venue), country: of(city) }
        }
        _ => Scope::Country(country("PL", "Poland")),
    }
}

fn country(code: &str, name: &str) -> Country {
    Country { code: code.to_owned(), name: name.to_owned(), slug: Some(name.to_lowercase()) }
}
