//! The commands, a file each: resolve, run, say.

mod approved;
mod ask;
mod audit;
mod control;
mod countries;
mod doctor;
mod drive;
mod ended;
mod export;
mod flags;
mod forecast;
pub mod hangup;
mod interrupt;
mod ledger;
mod log;
mod look;
mod migrate;
mod named;
mod notices;
mod open;
mod out;
mod past;
mod place;
mod plan;
mod plan_file;
mod populate;
mod reconcile;
mod report;
mod resume;
mod rollback;
mod run_files;
mod searched;
mod sizes;
mod skip;
mod status;
mod stream;
mod trace;
mod usage;
mod verify;
mod watch;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tokio::runtime::Runtime;

pub use drive::exit_of;
pub use interrupt::Interrupt;
pub use open::can_open_files;

pub use crate::outside::machine::few_arenas;

use crate::config::{Config, Target};
use crate::error::{Exit, Failure};
use crate::outside::{catalog, check_authorities};
use crate::secrets;
use crate::show::Format;

/// Below the list of commands.
const SETTINGS: &str = "Settings come from the environment, or from .env in the working directory, which is plain data: nothing in it \
is replaced, and it must be yours. `longshore doctor` says which comes from where.";

/// Moves the images a database refers to onto the ImageKit CDN, country by country, and writes every step down.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = SETTINGS)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Args)]
struct Common {
    /// The database to work on, and with it the ledger [default: dev for `populate`, else production]
    #[arg(long, global = true, value_enum)]
    target: Option<Target>,
    /// The ledger file [default: ./longshore.<target>.ledger]
    #[arg(long, global = true, value_name = "PATH")]
    ledger: Option<PathBuf>,
    /// How answers are written; some commands have table and json only.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    trace: trace::TraceArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// What is still to be migrated, by country.
    Countries(out::OutArgs),
    /// Make external images out of a matching report, for `migrate` to take.
    Populate(populate::PopulateArgs),
    /// What a run would do; nothing is changed anywhere.
    Plan(plan::PlanArgs),
    /// Move a country's, a city's or a venue's images to the CDN.
    Migrate(migrate::MigrateArgs),
    /// Go on with a run that was paused or cut off.
    Resume(resume::ResumeArgs),
    /// Leave an image, or all that waits of a venue, by a person's decision.
    Skip(skip::SkipArgs),
    /// Pause, resume or slow down a run from another terminal.
    #[command(subcommand)]
    Control(control::ControlVerb),
    /// Put the database back as it was before a migration.
    Rollback(rollback::RollbackArgs),
    /// Where every image stands.
    Status(status::StatusArgs),
    /// How well it went, and what to do next.
    Report(report::ReportArgs),
    /// See that every image is served as the database says.
    Verify(verify::VerifyArgs),
    /// The events.
    Log(log::LogArgs),
    /// What was changed: before, after, when, in which run, by whom, and where it is written.
    Audit(audit::AuditArgs),
    /// Rollback data and failures, for other programs.
    #[command(subcommand)]
    Export(export::ExportVerb),
    /// See whether a run could begin, and what to do where not.
    Doctor(doctor::DoctorArgs),
    /// Compare the ledger, the database and what the CDN has.
    Reconcile(reconcile::ReconcileArgs),
    /// Look after the ledger itself.
    #[command(subcommand)]
    Ledger(ledger::LedgerVerb),
    /// Run stand-ins for everything outside, on this machine.
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::SandboxArgs),
    /// See the whole story in a minute, on stand-ins.
    #[cfg(feature = "sandbox")]
    Demo,
}

#[cfg(feature = "sandbox")]
mod demo;
#[cfg(feature = "sandbox")]
mod sandbox;

impl Verb {
    /// Whether its answer is a sheet, which every format can be made of.
    fn has_sheet(&self) -> bool {
        match self {
            Self::Countries(_) | Self::Plan(_) | Self::Report(_) | Self::Status(_) => true,
            Self::Verify(_) | Self::Audit(_) | Self::Reconcile(_) | Self::Doctor(_) => true,
            Self::Migrate(args) => args.dry_run,
            Self::Export(verb) => verb.has_sheet(),
            _ => false,
        }
    }

    /// Whether it can go on without settings that are wrong: `doctor` tells of all of them, and what brings its own
    /// world along uses none.
    fn bears_wrong_settings(&self) -> bool {
        match self {
            Self::Doctor(_) => true,
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) | Self::Demo => true,
            _ => false,
        }
    }

    /// Whether it reads a ledger, or asks the run that goes on with it, and uses no setting. What it takes is in its flags.
    fn uses_no_setting(&self) -> bool {
        match self {
            Self::Status(_) | Self::Report(_) | Self::Log(_) | Self::Export(_) | Self::Control(_) => true,
            Self::Audit(args) => !args.live,
            Self::Ledger(verb) => !verb.writes_to_the_ledger(),
            _ => false,
        }
    }
}

/// What every command works with.
struct Context<'a> {
    common: Common,
    target: Target,
    config: Config,
    runtime: &'a Runtime,
    interrupt: &'a Interrupt,
    notices: notices::Notices,
}

/// Runs a command.
///
/// # Errors
/// Whatever kept it from doing what was asked, with what to type next.
pub fn run(cli: Cli, runtime: &Runtime, interrupt: &Interrupt) -> Result<Exit, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::new(Exit::CannotGoOn, "the directory in which this is run cannot be found any more")
            .because(error)
            .hint("Go to one that is there (`cd DIRECTORY`), and run it again")
    })?;
    // What is refused before that is told with a directory to go to.
    if let Some(home) = std::env::home_dir() {
        ::ledger::store::private::home_is(home);
    }
    let (config, mut wrong) = Config::read(&here, catalog::login);
    secrets::know(config.secrets(catalog::login));
    let populates = matches!(cli.verb, Verb::Populate(_));
    let target = cli.common.target.unwrap_or_else(|| flags::usual_target(populates));
    flags::carry(&cli.common, target);
    if config.is_file_refused && cli.verb.uses_no_setting() {
        let refused = wrong.remove(0);
        let why = refused.causes.first().map_or("", String::as_str);
        eprintln!("Note: {} ({why}). This command goes on without it.", refused.message);
    }
    // The others stop at the first that is wrong.
    if !wrong.is_empty() && !cli.verb.bears_wrong_settings() {
        return Err(wrong.swap_remove(0));
    }
    if !cli.verb.uses_no_setting() {
        // `doctor` does not begin either: it could ask nobody.
        check_authorities().map_err(|error| {
            Failure::usage("the CA certificates that SSL_CERT_FILE names cannot be read")
                .because(error)
                .hint("Name a file in it, or `unset SSL_CERT_FILE`: this machine's own are taken then")
        })?;
    }
    trace::begin(&cli.common.trace, &config)?;
    let notices = notices::Notices::default();
    let context = Context { common: cli.common, target, config, runtime, interrupt, notices };
    let ended = obey(&context, cli.verb, wrong);
    context.notices.finish(runtime, interrupt);
    ended
}

fn obey(context: &Context<'_>, verb: Verb, wrong: Vec<Failure>) -> Result<Exit, Failure> {
    if !verb.has_sheet() {
        // Refused before anything is done, not when it is to be told.
        context.plain_format()?;
    }
    match verb {
        Verb::Countries(args) => countries::run(context, &args),
        Verb::Populate(args) => populate::run(context, &args),
        Verb::Plan(args) => plan::run(context, &args),
        Verb::Migrate(args) => migrate::run(context, &args),
        Verb::Resume(args) => resume::run(context, &args),
        Verb::Skip(args) => skip::run(context, &args),
        Verb::Control(verb) => control::run(context, &verb),
        Verb::Rollback(args) => rollback::run(context, &args),
        Verb::Status(args) => status::run(context, &args),
        Verb::Report(args) => report::run(context, &args),
        Verb::Verify(args) => verify::run(context, &args),
        Verb::Log(args) => log::run(context, &args),
        Verb::Audit(args) => audit::run(context, &args),
        Verb::Export(verb) => export::run(context, &verb),
        Verb::Doctor(args) => doctor::run(context, &args, wrong),
        Verb::Reconcile(args) => reconcile::run(context, &args),
        Verb::Ledger(verb) => ledger::run(context, &verb),
        #[cfg(feature = "sandbox")]
        Verb::Sandbox(args) => sandbox::run(context, &args),
        #[cfg(feature = "sandbox")]
        Verb::Demo => demo::run(context),
    }
}
