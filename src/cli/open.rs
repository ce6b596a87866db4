//! Opening what a command needs: the catalog, the CDN, the origin, the ledger.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ledger::event::{self, Operator, Options};
use ledger::ids::LedgerId;
use ledger::ledger::Ledger;
use ledger::store::private::{self, Dir};
use ledger::store::{LedgerError, Store, is_out_of_descriptors};
use ledger::timestamp::Timestamp;
use tokio::sync::{mpsc, watch};

use super::Context;
use super::flags::usual_ledger;
use crate::config::{self, missing};
use crate::error::{Exit, Failure, MORE_DESCRIPTORS};
use crate::limits::{DESCRIPTORS_SPARE_MIN, PATIENCE_MS_DEFAULT};
use crate::outside::Trouble;
use crate::outside::catalog::{self, Catalog, ClaimRefused, Identity};
use crate::outside::imagekit::{Cdn, ImageKit, ImageKitOptions, ImageKitRefused};
use crate::outside::origin::{HttpOrigin, Origin, OriginOptions, OriginRefused};
use crate::outside::spool::{Cleared, Spool};
use crate::runner::{Forward, Message, Retry, RunError};

/// What a run forward talks to.
#[derive(Clone)]
pub struct Clients {
    pub origin: Arc<dyn Origin>,
    pub cdn: Arc<dyn Cdn>,
}

/// The clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(since.as_millis() as i64)
}

/// Sees that enough files can be opened, before something that counts, or a library that would panic, finds out.
///
/// # Errors
/// When they cannot.
pub fn can_open_files() -> Result<(), Failure> {
    let open = |_| File::open("/dev/null");
    match (0..DESCRIPTORS_SPARE_MIN).map(open).collect::<Result<Vec<_>, _>>() {
        Err(error) if is_out_of_descriptors(&error) => {
            Err(Failure::new(Exit::CannotGoOn, "this program may open too few files at once")
                .because(error)
                .hint(MORE_DESCRIPTORS))
        }
        // Whatever else is wrong there is nothing to us.
        _ => Ok(()),
    }
}

/// Who is at work here.
pub fn operator() -> Operator {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    Operator {
        user: user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw())),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// What others are told while we hold something: short enough for PostgreSQL's `application_name`.
pub fn holder() -> String {
    let Operator { user, host, .. } = operator();
    format!("longshore {user}@{host} pid {}", std::process::id())
}

impl Context<'_> {
    /// Where the ledger lies.
    pub fn ledger_path(&self) -> PathBuf {
        self.common.ledger.clone().unwrap_or_else(|| usual_ledger(self.target))
    }

    /// Opens the application's database of the target.
    pub fn open_catalog(&self) -> Result<Arc<dyn Catalog>, Failure> {
        let url = self.config.database_url(self.target)?;
        let name = config::Config::database_setting(self.target);
        let wrong = |trouble: Trouble| Failure::usage(format!("{name}: {}", trouble.message));
        catalog::check(url.reveal()).map_err(wrong)?;
        let opened = self.runtime.block_on(catalog::open(url.reveal()));
        let failed = |trouble: Trouble| {
            let target = self.target.name();
            Failure::new(Exit::CannotGoOn, format!("the {target} database cannot be used"))
                .because(trouble.message)
        };
        // What is wrong with the ledger is graver than a database that is away (the order of the exit codes).
        let graver = |failure| match Ledger::read(&self.ledger_path()) {
            Err(error) if error.is_about_what_it_says() => error.into(),
            _ => failure,
        };
        Ok(Arc::from(opened.map_err(failed).map_err(graver)?))
    }

    /// Sees, before anybody is asked anything, that a run can write to the ledger and to what lies beside it.
    pub fn check_ledger(&self) -> Result<(), Failure> {
        Store::check(&self.ledger_path())?;
        match self.spool_path().symlink_metadata() {
            Ok(_) => Ok(Dir::ours(&self.spool_path()).map(drop)?),
            Err(_) => Ok(()),
        }
    }

    /// Opens the database for a command that writes to the ledger: another who holds that is graver, too. A standby is
    /// refused before anything is begun, as it would take no row's update.
    pub fn open_catalog_to_write(&self) -> Result<Arc<dyn Catalog>, Failure> {
        self.check_ledger()?;
        let catalog =
            self.open_catalog().map_err(|failure| match Ledger::open(&self.ledger_path(), &holder()) {
                Err(held @ LedgerError::Held { .. }) if failure.exit == Exit::CannotGoOn => held.into(),
                _ => failure,
            })?;
        self.see_primary(&*catalog)?;
        Ok(catalog)
    }

    /// Sees that a database takes updates.
    pub fn see_primary(&self, catalog: &dyn Catalog) -> Result<(), Failure> {
        if !self.runtime.block_on(catalog.identity())?.is_standby {
            return Ok(());
        }
        let name = config::Config::database_setting(self.target);
        let why = format!("the {} database is a standby, which takes no updates", self.target.name());
        Err(Failure::usage(why)
            .hint(format!("Name the primary server in {name}, and then the same command again")))
    }

    /// How a command without a run tries things, and what stops that. What it waits for is told.
    pub fn retry(&self) -> (Retry, watch::Sender<bool>) {
        let (stop, stopping) = watch::channel(false);
        let (outbox, mut inbox) = mpsc::unbounded_channel();
        self.runtime.spawn(async move {
            while let Some(message) = inbox.recv().await {
                if let Message::Waiting { why, wait } = message {
                    eprintln!("Waiting {:.1} s: {why}", wait.as_secs_f64());
                }
            }
        });
        (Retry::new(stopping, outbox, Duration::from_millis(PATIENCE_MS_DEFAULT)), stop)
    }

    /// Sees, before anybody is asked anything, that some countries can be claimed, as far as that shows.
    pub fn check_claims(
        &self,
        catalog: &dyn Catalog,
        countries: BTreeSet<Option<String>>,
    ) -> Result<(), Failure> {
        for country in countries {
            self.runtime.block_on(catalog.check_claim(country.as_deref()))?;
        }
        Ok(())
    }

    /// Opens the ledger for writing and sees that it belongs to this database; `None` when there is none yet.
    pub fn open_ledger(&self, catalog: &dyn Catalog) -> Result<Option<Ledger>, Failure> {
        // Whoever writes to it may have to tell somebody: that they cannot be told is said before anything is begun.
        self.notify()?;
        let identity = self.runtime.block_on(catalog.identity())?;
        match Ledger::open(&self.ledger_path(), &holder()) {
            Ok(ledger) => {
                self.check_target(&ledger, &identity)?;
                Ok(Some(ledger))
            }
            Err(LedgerError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Says before an answer out of a ledger that it is another user's, where its directory does not show that.
    pub fn tell_whose(&self) {
        if let Some(whose) = private::anothers_in_own_directory(&self.ledger_path()) {
            eprintln!("Note: {whose}, in a directory of yours: what it tells is that user's word.");
        }
    }

    /// Opens the ledger to read it, and sees that it belongs to this database.
    pub fn read_ledger(&self, catalog: &dyn Catalog) -> Result<Ledger, Failure> {
        self.tell_whose();
        let identity = self.runtime.block_on(catalog.identity())?;
        let ledger = Ledger::read(&self.ledger_path())?;
        self.check_target(&ledger, &identity)?;
        Ok(ledger)
    }

    /// Makes the ledger of this database.
    pub fn make_ledger(&self, catalog: &dyn Catalog) -> Result<Ledger, Failure> {
        let identity = self.runtime.block_on(catalog.identity())?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| Failure::new(Exit::CannotGoOn, error.to_string()))?;
        let target = target_of(self.target.name(), &identity);
        let opened = event::Opened { format: 1, ledger: LedgerId(id), shard: None, target };
        Ok(Ledger::create(&self.ledger_path(), opened, now(), &holder())?)
    }

    /// Sees that a ledger belongs to this database, also where it is only read.
    pub fn see_target(&self, ledger: &Ledger, catalog: &dyn Catalog) -> Result<(), Failure> {
        self.check_target(ledger, &self.runtime.block_on(catalog.identity())?)
    }

    /// A ledger belongs to one target for ever; a changed host is mentioned, another database refused.
    pub fn check_target(&self, ledger: &Ledger, identity: &Identity) -> Result<(), Failure> {
        let theirs = &ledger.state().opened().expect("a ledger that opens has its first line").target;
        let ours = target_of(self.target.name(), identity);
        let is_other_system =
            matches!((&theirs.system, &ours.system), (Some(one), Some(other)) if one != other);
        if theirs.name != ours.name
            || theirs.kind != ours.kind
            || theirs.database != ours.database
            || is_other_system
        {
            let say = |t: &event::Target| format!("{} ({} database {})", t.name, t.kind, t.database);
            let message =
                format!("the ledger {} belongs to {}", ledger.store().path().display(), say(theirs));
            let is_like = say(theirs) == say(&ours);
            let this = match (&theirs.system, &ours.system) {
                (Some(one), Some(other)) if is_like => {
                    format!(
                        "this is one of that name on another server: system identifier {other}, not {one}"
                    )
                }
                _ => format!("this is {}", say(&ours)),
            };
            return Err(Failure::usage(message)
                .because(this)
                .hint("A ledger belongs to one database for ever: `--ledger PATH` names another ledger"));
        }
        if theirs.host != ours.host {
            let host = |host: &Option<String>| host.clone().unwrap_or_else(|| "an unknown host".to_owned());
            eprintln!("Note: this database was at {} and is at {} now", host(&theirs.host), host(&ours.host));
        }
        Ok(())
    }

    /// The clients of a run forward; nothing is asked of anyone yet.
    pub fn open_clients(&self, options: &Options) -> Result<Clients, Failure> {
        Ok(Clients {
            cdn: self.open_cdn()?,
            origin: self.open_origin(options.bytes_max, &options.allow_hosts)?,
        })
    }

    /// The CDN's client; nothing is asked of it yet.
    pub fn open_cdn(&self) -> Result<Arc<dyn Cdn>, Failure> {
        let config = &self.config;
        let key = config.imagekit_private_key.as_ref().ok_or_else(|| missing("IMAGEKIT_PRIVATE_KEY"))?;
        let endpoint =
            config.imagekit_url_endpoint.as_ref().ok_or_else(|| missing("IMAGEKIT_URL_ENDPOINT"))?;
        let options = ImageKitOptions::new(
            key.reveal(),
            config::url("IMAGEKIT_URL_ENDPOINT", endpoint)?,
            config::url("IMAGEKIT_UPLOAD_URL", &config.imagekit_upload_url)?,
            config::url("IMAGEKIT_API_URL", &config.imagekit_api_url)?,
        );
        let cdn = ImageKit::new(options).map_err(|refused| match refused {
            ImageKitRefused::Client(error) => no_client(&error),
            wrong => Failure::usage(wrong.to_string()),
        })?;
        Ok(Arc::new(cdn))
    }

    /// The origin's client; nothing is asked of it yet.
    pub fn open_origin(&self, bytes_max: u64, allow_hosts: &[String]) -> Result<Arc<dyn Origin>, Failure> {
        let mut options = OriginOptions::new(config::url("ORIGIN_BASE_URL", &self.config.origin_base_url)?);
        (options.bytes_max, options.allow_hosts) = (bytes_max, allow_hosts.to_vec());
        let origin = HttpOrigin::new(options).map_err(|refused| match refused {
            OriginRefused::Client(error) => no_client(&error),
            wrong => Failure::usage(wrong.to_string()),
        })?;
        Ok(Arc::new(origin))
    }

    /// Clients and the spool between them. To be called under the ledger's lock: what a killed process left half
    /// written is cleared, and a living one's looks the same.
    pub fn with_spool(&self, Clients { origin, cdn }: Clients) -> Result<Forward, Failure> {
        let spool = Spool::open(&self.spool_path())?;
        self.mention(&self.runtime.block_on(spool.clear_drafts())?);
        Ok(Forward { origin, cdn, spool })
    }

    /// Clears what a closed run left in the spool, if there is one. Under the ledger's lock, with no run unfinished.
    pub fn clear_spool(&self) -> Result<(), Failure> {
        if self.spool_path().symlink_metadata().is_ok() {
            self.mention(&self.runtime.block_on(Spool::open(&self.spool_path())?.clear())?);
        }
        Ok(())
    }

    /// Says what in the spool is none of this program's files.
    fn mention(&self, cleared: &Cleared) {
        if let Some(first) = cleared.strange.first() {
            let (first, count) = (self.spool_path().join(first), cleared.strange.len());
            let more = if count > 1 { format!(" and {} more beside it", count - 1) } else { String::new() };
            eprintln!("Note: {}{more} was not made by longshore, and is left alone", first.display());
        }
    }

    /// Where the spool lies.
    pub fn spool_path(&self) -> PathBuf {
        let mut spool = self.ledger_path().into_os_string();
        spool.push(".spool");
        spool.into()
    }
}

/// No HTTP client can be had on this machine: none of the settings' fault.
fn no_client(error: &reqwest::Error) -> Failure {
    let failure = Failure::new(Exit::CannotGoOn, "no HTTP client can be set up on this machine");
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(failure, Failure::because)
}

pub fn target_of(name: &str, identity: &Identity) -> event::Target {
    event::Target {
        name: name.to_owned(),
        kind: identity.kind.to_owned(),
        system: identity.system.clone(),
        database: identity.database.clone(),
        host: identity.host.clone(),
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::new(Exit::CannotGoOn, trouble.message)
    }
}

impl From<ClaimRefused> for Failure {
    fn from(refused: ClaimRefused) -> Self {
        match refused {
            ClaimRefused::Held(by) => Self::new(Exit::Held, format!("it is being worked on by {by}")),
            ClaimRefused::Trouble(trouble) => trouble.into(),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Ledger(error) => error.into(),
            RunError::Outside(trouble) => trouble.into(),
            RunError::Held { .. } => Self::new(Exit::Held, error.to_string())
                .hint("Wait for it, or stop it; what it has done is safe"),
            RunError::PlaceGone(run) => Self::usage(error.to_string())
                .hint(format!("`longshore rollback --run {run}` takes back what it did and closes it")),
            RunError::Died => Self::new(Exit::Bug, error.to_string()),
        }
    }
}
