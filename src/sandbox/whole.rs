//! The whole sandbox in one directory: databases, origin, ImageKit, and the settings to work with them.

use std::fs::DirBuilder;
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ledger::store::private;
use serde::{Deserialize, Serialize};

use super::databases::{self, FillError};
use super::faults::{Faults, Order};
use super::pictures::Pictures;
use super::seed::{VENUES_FULL, World};
use super::{control, imagekit, origin};

/// What a sandbox is made of. All that must be the same when its directory is opened again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    seed: u64,
    venues: u32,
    /// Sandboxes of before there were photos have small ones.
    #[serde(default)]
    pictures: Pictures,
    /// BLAKE3 of the report that the world was made to fit; sandboxes of before this was known have none.
    #[serde(default)]
    matches: Option<String>,
    origin_port: u16,
    imagekit_port: u16,
    production_database_url: String,
    dev_database_url: String,
    trivia_advisor_database_url: String,
}

impl Made {
    /// What it was made of, in words.
    fn what(&self) -> String {
        let of = match &self.matches {
            Some(digest) => format!("that fits a matching report (BLAKE3 {digest})"),
            None => format!("with {} venues", self.venues),
        };
        format!("of seed {} {of} and {}", self.seed, self.pictures)
    }
}

/// The report that a fitted world is made from. A copy of its own, because `matching_report.csv` is there to be tried
/// things with.
const FITTED: &str = "fitted.csv";
/// Where the control address is written down: it is another one each time.
pub const CONTROL: &str = "control";

/// How a sandbox is made and how it behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything lies.
    pub dir: PathBuf,
    /// Everything follows from it.
    pub seed: u64,
    /// Venues with something to migrate; of no meaning with a report.
    pub venues: u32,
    /// Which pictures there are; none named means small ones in a new directory, and what there is in one that is opened
    /// again.
    pub pictures: Option<Pictures>,
    /// A matching report that the databases are to fit, before anything was populated. A directory that is opened
    /// again fits what it did, with or without naming it.
    pub matches: Option<PathBuf>,
    /// A PostgreSQL database to fill instead of SQLite files.
    pub catalog: Option<String>,
    /// How long every answer waits.
    pub latency: Duration,
    /// How long ImageKit's list does not notice a change.
    pub list_lag: Duration,
    /// ImageKit's limit of requests per second and operation, uploads and delivery excepted.
    pub rate_per_second: Option<u32>,
}

impl Options {
    /// The usual sandbox in a directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            seed: 1,
            venues: VENUES_FULL,
            pictures: None,
            matches: None,
            catalog: None,
            latency: Duration::ZERO,
            list_lag: Duration::ZERO,
            rate_per_second: None,
        }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The directory holds something else, or a sandbox that was cut off while it was made.
    #[error("{} holds something that is no whole sandbox", .0.display())]
    Occupied(PathBuf),
    /// The directory holds a sandbox of another seed, size, report or database.
    #[error("{} holds a sandbox {what}", dir.display())]
    Other {
        /// The directory.
        dir: PathBuf,
        /// What that sandbox was made of.
        what: String,
    },
    /// The report to fit cannot be read.
    #[error(transparent)]
    Report(FillError),
    /// The disk or a port.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A database.
    #[error(transparent)]
    Fill(#[from] FillError),
}

/// A sandbox at work.
pub struct Sandbox {
    /// What is served.
    pub world: Arc<World>,
    /// What the stand-ins count and where they misbehave.
    pub faults: Arc<Faults>,
    /// The origin.
    pub origin: origin::Running,
    /// ImageKit.
    pub imagekit: imagekit::Running,
    /// Where faults are ordered.
    pub control: control::Running,
    /// The settings, name and value.
    pub settings: Vec<(&'static str, String)>,
}

impl Sandbox {
    /// Makes a sandbox in an empty or missing directory, or opens the one that is there on its old ports.
    ///
    /// # Errors
    /// When the directory holds something else, or a port is taken.
    pub async fn open(options: &Options) -> Result<Self, SandboxError> {
        let made = read(options)?;
        let world = Arc::new(world(options, made.as_ref())?);
        DirBuilder::new().recursive(true).mode(0o700).create(&options.dir)?;
        let dir = options.dir.canonicalize()?;
        // Everything in it is opened by its name.
        private::check_exclusive(&dir.join("sandbox.json"))?;
        let faults = Arc::new(Faults::seeded(options.seed));
        let at = origin::Options {
            port: made.as_ref().map_or(0, |made| made.origin_port),
            latency: options.latency,
        };
        let origin = origin::serve(at, world.clone(), faults.clone()).await?;
        let at = imagekit::Options {
            port: made.as_ref().map_or(0, |made| made.imagekit_port),
            dir: dir.join("cdn"),
            latency: options.latency,
            list_lag: options.list_lag,
            reads_per_second: options.rate_per_second,
            writes_per_second: options.rate_per_second,
            ..imagekit::Options::default()
        };
        let private_key = at.private_key.clone();
        let imagekit = imagekit::serve(at, faults.clone()).await?;
        let made = match made {
            Some(made) => made,
            None => {
                let ports = (origin.addr.port(), imagekit.addr.port());
                let made = fill(options, &dir, &world, &origin.base_url(), ports).await?;
                let text = serde_json::to_string_pretty(&made).map_err(io::Error::other)?;
                secret(&dir.join("sandbox.json"), &text)?;
                made
            }
        };
        let settings = vec![
            ("PRODUCTION_DATABASE_URL", made.production_database_url),
            ("DEV_DATABASE_URL", made.dev_database_url),
            ("TRIVIA_ADVISOR_DATABASE_URL", made.trivia_advisor_database_url),
            ("ORIGIN_BASE_URL", origin.base_url()),
            ("IMAGEKIT_PRIVATE_KEY", private_key),
            ("IMAGEKIT_PUBLIC_KEY", "public_sandbox".to_owned()),
            ("IMAGEKIT_URL_ENDPOINT", imagekit.url_endpoint()),
            ("IMAGEKIT_UPLOAD_URL", imagekit.api_url()),
            ("IMAGEKIT_API_URL", imagekit.api_url()),
            ("IMAGEKIT_STORAGE_LIMIT_GB", "3".to_owned()),
            ("IMAGEKIT_BANDWIDTH_LIMIT_GB", "20".to_owned()),
            ("LONGSHORE_NOTIFY_URL", String::new()),
        ];
        let control = control::serve(Arc::clone(&faults)).await?;
        secret(&dir.join(CONTROL), &format!("{}\n", control.url()))?;
        // Written last: whoever waits for it finds everything else ready.
        let lines = settings
            .iter()
            .map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''")));
        secret(&dir.join("env"), &lines.collect::<String>())?;
        Ok(Self { world, faults, origin, imagekit, control, settings })
    }

    /// Orders faults, as the control address does; a part that is ordered away is away when this comes back.
    pub async fn order(&self, orders: impl IntoIterator<Item = Order>) {
        orders.into_iter().for_each(|order| self.faults.order(order));
        self.faults.settled().await;
    }

    /// Stops both stand-ins.
    pub async fn stop(self) {
        self.origin.stop().await;
        self.imagekit.stop().await;
    }
}

/// The sandbox that is in the directory already, if there is one.
fn read(options: &Options) -> Result<Option<Made>, SandboxError> {
    let dir = &options.dir;
    let is_empty = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error.into()),
    };
    if is_empty {
        return Ok(None);
    }
    let occupied = || SandboxError::Occupied(dir.clone());
    let text =
        private::open_trusted(&dir.join("sandbox.json")).and_then(io::read_to_string).map_err(|error| {
            match private::Refused::of(&error) {
                // Others have a hand in it, and what is done about that is told.
                Some(_) => SandboxError::Io(error),
                None => occupied(),
            }
        })?;
    let made: Made = serde_json::from_str(&text).map_err(|_| occupied())?;
    let is_same_report = match &options.matches {
        Some(report) => made.matches == Some(digest(report)?),
        None => true,
    };
    let is_same_world = (made.seed, made.venues) == (options.seed, options.venues) && is_same_report;
    let is_same_kind = options.pictures.is_none_or(|pictures| pictures == made.pictures);
    let is_same_catalog = options.catalog.as_ref().is_none_or(|url| *url == made.production_database_url);
    if !is_same_world || !is_same_kind || !is_same_catalog {
        return Err(SandboxError::Other { dir: dir.clone(), what: made.what() });
    }
    Ok(Some(made))
}

/// The world of a directory: what it was made of, or is to be made of.
fn world(options: &Options, made: Option<&Made>) -> Result<World, SandboxError> {
    let report = match made {
        Some(made) => made.matches.as_ref().map(|_| options.dir.join(FITTED)),
        None => options.matches.clone(),
    };
    let pictures = made.map(|made| made.pictures).or(options.pictures).unwrap_or_default();
    let Some(report) = report else { return Ok(World::with(options.seed, options.venues, pictures)) };
    let matches = databases::read_report(&report).map_err(SandboxError::Report)?;
    Ok(World::fitting(options.seed, matches, pictures))
}

/// BLAKE3 of a report, in hex.
fn digest(report: &Path) -> Result<String, SandboxError> {
    let mut bytes = Vec::new();
    let read = private::open_regular(report).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|error| {
        SandboxError::Report(FillError::Report { path: report.to_owned(), source: error.into() })
    })?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

async fn fill(
    options: &Options,
    dir: &Path,
    world: &World,
    origin_base: &str,
    (origin_port, imagekit_port): (u16, u16),
) -> Result<Made, SandboxError> {
    let report = dir.join("matching_report.csv");
    let matches = match &options.matches {
        Some(given) => {
            for copy in [&report, &dir.join(FITTED)] {
                std::fs::copy(given, copy)?;
            }
            Some(digest(&report)?)
        }
        None => {
            databases::write_report(&report, world)?;
            None
        }
    };
    let [production, dev, trivia_advisor] = match &options.catalog {
        Some(url) => {
            let urls = databases::fill_postgres(url, world, origin_base).await?;
            [urls.eventasaurus, urls.eventasaurus_dev, urls.trivia_advisor]
        }
        None => {
            let files = databases::fill_sqlite(dir, world, origin_base)?;
            [files.eventasaurus, files.eventasaurus_dev, files.trivia_advisor]
                .map(|path| format!("sqlite:{}", path.display()))
        }
    };
    Ok(Made {
        seed: options.seed,
        venues: options.venues,
        pictures: options.pictures.unwrap_or_default(),
        matches,
        origin_port,
        imagekit_port,
        production_database_url: production,
        dev_database_url: dev,
        trivia_advisor_database_url: trivia_advisor,
    })
}

/// Writes a file that may hold a password, in one piece.
fn secret(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    let part = path.with_extension("part");
    let mut file = private::create_anew(&part)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(part, path)
}
