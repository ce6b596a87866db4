//! `sandbox`: stand-ins for everything outside, in the foreground until a signal (requirement C14).

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::sync::oneshot;

use super::Context;
use crate::error::{Exit, Failure};
use crate::sandbox::faults::Fault;
use crate::sandbox::seed::VENUES_FULL;
use crate::sandbox::whole::{Options, Sandbox, SandboxError};

/// Run stand-ins for everything outside, on this machine.
#[derive(Debug, Args)]
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
    /// Make databases that fit this matching report, before anything was populated.
    #[arg(long, value_name = "FILE", conflicts_with = "venues")]
    matches: Option<PathBuf>,
    /// A PostgreSQL database to fill, made if it is missing, instead of SQLite files.
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
    /// Answer the first TIMES requests of an operation with a status, like `upload=503x10`; may be given several
    /// times. Operations: upload, list, details, update, delete, bulk_delete, delivery, delivery_original,
    /// usage, origin, origin_head.
    #[arg(long, value_name = "OP=STATUSxTIMES", value_parser = fault)]
    fault: Vec<(String, u16, u64)>,
}

pub fn run(context: &Context<'_>, args: &SandboxArgs) -> Result<Exit, Failure> {
    let options = Options {
        dir: args.dir.clone(),
        seed: args.seed,
        venues: args.venues,
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
        for (op, status, times) in &args.fault {
            let body = r#"{"message":"put in by --fault"}"#.to_owned();
            sandbox.faults.inject(
                op,
                0,
                *times,
                Fault::Answer { status: *status, headers: Vec::new(), body },
            );
        }
        eprintln!("The sandbox is up. In another terminal:");
        eprintln!("  . {}", args.dir.join("env").display());
        eprintln!("  longshore countries");
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
            SandboxError::Other { .. } => Self::usage(message)
                .hint("Open it with that --seed and --venues or --matches, or name another --dir"),
            SandboxError::Report(_) => {
                Self::usage(message).hint("`--matches` wants a CSV with all columns of a matching report")
            }
            SandboxError::Io(_) => Self::new(Exit::CannotGoOn, message),
            SandboxError::Fill(_) => Self::new(Exit::CannotGoOn, message),
        }
    }
}

fn fault(text: &str) -> Result<(String, u16, u64), String> {
    let parsed = text.split_once('=').and_then(|(op, rest)| {
        let (status, times) = rest.split_once('x')?;
        Some((op.to_owned(), status.parse().ok()?, times.parse().ok()?))
    });
    parsed.ok_or_else(|| "it is written like upload=503x10".to_owned())
}
