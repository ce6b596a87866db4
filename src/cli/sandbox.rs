//! `sandbox`: stand-ins for everything outside, in the foreground until a signal (requirement C14).

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ledger::store::private;
use tokio::sync::oneshot;

use super::Context;
use crate::error::{Exit, Failure};
use crate::outside::{catalog, matches};
use crate::sandbox::faults::Order;
use crate::sandbox::faults::kinds::KINDS;
use crate::sandbox::faults::order::{CDN_OPERATIONS, ORIGIN_OPERATIONS};
use crate::sandbox::pictures::Pictures;
use crate::sandbox::seed::VENUES_FULL;
use crate::sandbox::whole::{CONTROL, Options, Sandbox, SandboxError};

/// Run stand-ins for everything outside, on this machine.
#[derive(Debug, Args)]
#[command(after_long_help = language())]
pub struct SandboxArgs {
    /// Where everything lies; opened again if a sandbox is there.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Everything follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Venues with something to migrate.
    #[arg(long, value_name = "N", default_value_t = VENUES_FULL, value_parser = clap::value_parser!(u32).range(4..))]
    venues: u32,
    /// Which pictures the origin has; small ones unless said otherwise.
    #[arg(long, value_name = "small|photos")]
    pictures: Option<Pictures>,
    /// Make databases that fit this matching report, before anything was populated.
    #[arg(long, value_name = "FILE", conflicts_with = "venues")]
    matches: Option<PathBuf>,
    /// A PostgreSQL database to fill instead of SQLite files, with NAME_dev and NAME_trivia_advisor beside it; made if
    /// they are missing.
    #[arg(long, value_name = "postgres://…")]
    catalog: Option<String>,
    /// How long every answer waits, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// How long ImageKit's list does not notice a change, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    list_lag: u64,
    /// ImageKit's limit of requests per second and operation; uploads and delivery have none.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Let something go wrong, like `upload=503x10`; may be given several times, and ordered or taken back
    /// later at the address in DIR/control. The language is below.
    #[arg(long, value_name = "PLACE=KIND…")]
    fault: Vec<Order>,
}

pub fn run(context: &Context<'_>, args: &SandboxArgs) -> Result<Exit, Failure> {
    if let Some(url) = &args.catalog {
        catalog::check(url).map_err(|trouble| Failure::usage(format!("--catalog: {}", trouble.message)))?;
    }
    // What `populate` would not read is told in the same words.
    args.matches.as_deref().map_or(Ok(()), |report| matches::read(report).map(drop))?;
    let options = Options {
        dir: args.dir.clone(),
        seed: args.seed,
        venues: args.venues,
        pictures: args.pictures,
        matches: args.matches.clone(),
        catalog: args.catalog.clone(),
        latency: Duration::from_millis(args.latency),
        list_lag: Duration::from_millis(args.list_lag),
        rate_per_second: args.rate,
    };
    let (stop, stopped) = oneshot::channel();
    context.interrupt.on_next(move || {
        let _already_stopping = stop.send(());
    });
    context.runtime.block_on(async {
        let sandbox = Sandbox::open(&options).await?;
        sandbox.order(args.fault.iter().cloned()).await;
        let url = |of: &str| sandbox.settings.iter().find(|(name, _)| *name == of).map(|(_, url)| url);
        if url("DEV_DATABASE_URL") == url("PRODUCTION_DATABASE_URL") {
            eprintln!("Note: it was made by an older version, and its dev and production are one database.");
            eprintln!("A sandbox in a new directory has two.");
        }
        eprintln!("The sandbox is up. In another terminal:");
        eprintln!("  . {}", private::quoted(&args.dir.join("env")));
        eprintln!("  longshore countries");
        eprintln!("Faults are ordered and taken back while it is up:");
        let control = private::quoted(&args.dir.join(CONTROL));
        eprintln!("  curl -d cdn=away:for=20s $(cat {control})/faults");
        eprintln!("Ctrl-C stops it; started again on this directory, it goes on where it was.");
        let _the_sender_lives_in_the_interrupt = stopped.await;
        sandbox.stop().await;
        Ok(Exit::Done)
    })
}

impl From<SandboxError> for Failure {
    fn from(error: SandboxError) -> Self {
        let message = error.to_string();
        match error {
            SandboxError::Occupied(_) => {
                Self::usage(message).hint("`--dir` wants an empty or missing directory")
            }
            SandboxError::Other { .. } => Self::usage(message).hint(
                "Open it with that --seed, --pictures and --venues or --matches, or name another --dir",
            ),
            SandboxError::Report(_) => {
                Self::usage(message).hint("`--matches` wants a CSV with all columns of a matching report")
            }
            SandboxError::Io(error) => error.into(),
            SandboxError::Fill(_) => Self::new(Exit::CannotGoOn, message),
        }
    }
}

/// The language of `--fault`, for the help page.
fn language() -> String {
    let mut page = String::from(
        "Faults are written PLACE=KIND[xN|xN%][:after=N][:for=TIME]:\n\n  \
         upload=503x10                 the next ten uploads are answered with 503\n  \
         upload=429x30%:reset=200      30 of each hundred uploads, chosen by the seed; try again in 200 ms\n  \
         cdn=away:after=20:for=3s      ImageKit is away for 3 s from its 20th request on\n  \
         origin/uploads/a.jpg=404      one file, until it is taken back; `*` at the end stands for anything\n\n",
    );
    let _ = writeln!(
        page,
        "Places: {}, {}; cdn is all of ImageKit, all is everything.",
        CDN_OPERATIONS.join(", "),
        ORIGIN_OPERATIONS.join(", ")
    );
    page.push_str("Times: 1500, 1500ms, 20s. Kinds:\n\n");
    for (written, what) in KINDS {
        let _ = writeln!(page, "  {written:<33} {what}");
    }
    page
}
