//! Turning the wheel for a command, and saying how it ended.

use std::sync::Arc;

use clap::Args;
use ledger::event::{Alerted, Event, Options, PauseReason, Paused, Scope, Tally, Verb};
use ledger::ids::RunId;
use ledger::ledger::Ledger;
use ledger::plan;
use ledger::store::private;
use tokio::sync::mpsc;

use super::notices::Notifier;
use super::open::{Clients, holder, now, operator};
use super::reconcile::Deleted;
use super::{Context, usage};
use crate::error::{Exit, Failure};
use crate::limits::{
    ERROR_RATE_MAX_PERCENT, IMAGE_BYTES_MAX, IN_FLIGHT_DEFAULT, IN_FLIGHT_MAX, PATIENCE_MS_DEFAULT,
};
use crate::outside::catalog::Catalog;
use crate::runner::control::Socket;
use crate::runner::{self, End, Message, RunError, Selection, Setting, Start, Told, Watch, World};
use crate::show;

/// How a run is run.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Answer the question before anything is changed, for scripts.
    #[arg(long)]
    pub yes: bool,
    /// Images in flight at once [default: 16, or as the run was started]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=IN_FLIGHT_MAX as i64))]
    pub concurrency: Option<u32>,
    /// How long an outage is waited through before the run pauses [default: 300, or as the run was started]
    #[arg(long, value_name = "SECONDS")]
    pub patience: Option<u64>,
}

/// What only a run forward is asked.
#[derive(Debug, Clone, Args)]
pub struct ForwardArgs {
    /// Do not see that the CDN serves each file before a row points at it.
    #[arg(long)]
    pub no_delivery_check: bool,
    /// The largest image taken, in bytes [default: 25000000, or as the run was started]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_bytes: Option<u64>,
    /// Pause when more of a country's images than this failed or were skipped, in percent; 100 never pauses
    /// [default: 10, or as the run was started]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(..=100))]
    pub max_error_rate: Option<u32>,
    #[command(flatten)]
    pub hosts: HostArgs,
}

/// Where images may be fetched from.
#[derive(Debug, Clone, Default, Args)]
pub struct HostArgs {
    /// A host that images may be fetched from beside the origin's own, `name` or `name:port`; may be given several times
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
}

impl RunArgs {
    /// A new run's options.
    pub fn options(&self, forward: Option<&ForwardArgs>, limit: Option<u64>) -> Options {
        let usual = Options::new(IN_FLIGHT_DEFAULT, IMAGE_BYTES_MAX, PATIENCE_MS_DEFAULT);
        let usual = Options { limit, error_rate_max_percent: ERROR_RATE_MAX_PERCENT, ..usual };
        self.over(&usual, forward)
    }

    /// A resumed run's options: those it has, where no flag says otherwise.
    pub fn over(&self, options: &Options, forward: Option<&ForwardArgs>) -> Options {
        Options {
            limit: options.limit,
            concurrency: self.concurrency.unwrap_or(options.concurrency),
            delivery_check: options.delivery_check
                && !forward.is_some_and(|forward| forward.no_delivery_check),
            bytes_max: forward.and_then(|forward| forward.max_bytes).unwrap_or(options.bytes_max),
            error_rate_max_percent: forward
                .and_then(|forward| forward.max_error_rate)
                .unwrap_or(options.error_rate_max_percent),
            allow_hosts: forward
                .map(|forward| &forward.hosts.allow_host)
                .filter(|hosts| !hosts.is_empty())
                .unwrap_or(&options.allow_hosts)
                .clone(),
            patience_ms: self.patience.map_or(options.patience_ms, |seconds| seconds.saturating_mul(1_000)),
            ..options.clone()
        }
    }
}

/// What a run is turned with.
pub struct Driver<'a> {
    pub context: &'a Context<'a>,
    pub ledger: &'a mut Ledger,
    pub catalog: Arc<dyn Catalog>,
    /// For a run forward.
    pub clients: Option<Clients>,
    /// What is chosen from while the run plans.
    pub selection: Selection,
}

/// How a run ended, this time.
pub struct Turned {
    pub run: RunId,
    pub end: End,
    /// Files that it was to delete and that may still be there.
    pub files_left: Vec<Deleted>,
}

impl Driver<'_> {
    /// Starts a run and turns it. A forecast that comes near the end of ImageKit's plan is told of as the run's first alert.
    pub fn start(&mut self, start: Start, forecast: Option<Alerted>) -> Result<Turned, Failure> {
        let what = (start.verb, start.scope.clone());
        self.turning(what, (0, 0), forecast, async |ledger, setting| {
            runner::start(ledger, start, setting).await
        })
    }

    /// Goes on with an unfinished run.
    pub fn resume(&mut self, run: RunId, options: Options, retry_failed: bool) -> Result<Turned, Failure> {
        let tally = self.ledger.state().tally(run);
        let retried = match retry_failed {
            true => plan::retryable(self.ledger.state(), run).0.len() as u64,
            false => 0,
        };
        let progress = (tally.images - tally.open - retried, tally.images);
        let started = &self.ledger.state().run(run).expect("an unfinished run is in its ledger").started;
        let what = (started.verb, started.scope.clone());
        let seen = (started.verb == Verb::Migrate).then(|| usage::ask(self.context)).flatten();
        let seen = seen.and_then(|used| used.alert(usage::IS_USED));
        self.turning(what, progress, seen, async |ledger, setting| {
            runner::resume(ledger, run, options, retry_failed, setting).await
        })
    }

    fn turning(
        &mut self,
        (verb, scope): (Verb, Scope),
        (settled, total): (u64, u64),
        before: Option<Alerted>,
        turn: impl AsyncFnOnce(&mut Ledger, Setting<'_>) -> Result<(RunId, End), RunError>,
    ) -> Result<Turned, Failure> {
        let watch = self.clients.as_ref().filter(|_| verb == Verb::Migrate);
        let watch =
            watch.map(|clients| Watch { before, look: usage::watch(self.context, clients.cdn.clone()) });
        let forward = self.clients.clone().map(|clients| self.context.with_spool(clients)).transpose()?;
        let notifier = Notifier::of(self.context, verb, scope)?;
        let (outbox, inbox) = mpsc::unbounded_channel();
        let (stop, context) = (outbox.clone(), self.context);
        let path = self.ledger.store().path();
        let socket = Socket::listen(path, context.runtime.handle(), outbox.clone());
        if let Err(error) = &socket {
            eprintln!("Note: `longshore control` cannot reach this run: {}", private::told(error));
        }
        self.context.interrupt.on_next(move || {
            let paused = Paused {
                reason: PauseReason::Interrupted,
                message: "it was interrupted".to_owned(),
                advice: "`longshore resume` goes on".to_owned(),
            };
            let _the_run_has_ended = stop.send(Message::Stop(paused));
        });
        let mut progress = show::Progress::new(settled, total);
        let mut files_left = Vec::new();
        let setting = Setting {
            world: World { catalog: self.catalog.clone(), forward },
            operator: operator(),
            holder: holder(),
            now,
            selection: self.selection.clone(),
            inbox,
            outbox,
            tell: Box::new(|told| {
                if let (Told::Appended(records), Some(notifier)) = (&told, &notifier) {
                    for record in *records {
                        if let Event::Alerted(alerted) = &record.event {
                            notifier.send(context, record, alerted);
                        }
                    }
                }
                if let Told::FileLeft { file, fate, .. } = told {
                    files_left.push(Deleted::new(file, fate.clone(), true));
                }
                progress.tell(&told);
            }),
            watch,
            probe: None,
        };
        let turned = self.context.runtime.block_on(turn(self.ledger, setting));
        self.context.interrupt.clear();
        let (run, end) = turned?;
        Ok(Turned { run, end, files_left })
    }
}

/// The exit code of a run that ended so.
pub fn exit_of(end: &End) -> Exit {
    match end {
        End::Paused(_) => Exit::Paused,
        End::Finished(_, tally) if tally.drifted > 0 => Exit::SomeDrifted,
        End::Finished(_, tally) if is_troubled(tally) => Exit::SomeFailed,
        End::Finished(..) => Exit::Done,
    }
}

fn is_troubled(tally: &Tally) -> bool {
    tally.failed + tally.skipped + tally.venues_failed + tally.left_out > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_a_resumed_run_keeps_its_options_where_no_flag_says_otherwise() {
        let args = |concurrency| RunArgs { yes: true, concurrency, patience: concurrency.map(u64::from) };
        let hosts =
            |host: Option<&str>| HostArgs { allow_host: host.into_iter().map(str::to_owned).collect() };
        let forward = |no_delivery_check, max_bytes: Option<u64>| ForwardArgs {
            no_delivery_check,
            max_bytes,
            max_error_rate: max_bytes.map(|_| 25),
            hosts: hosts(max_bytes.map(|_| "b.example")),
        };
        let started = args(Some(3)).options(Some(&forward(true, Some(60_000))), Some(7));
        let same = args(None).over(&started, Some(&forward(false, None)));
        assert_eq!(same, started);
        assert_eq!(
            (same.limit, same.concurrency, same.delivery_check, same.bytes_max),
            (Some(7), 3, false, 60_000)
        );
        assert_eq!(same.patience_ms, 3_000);
        assert_eq!((same.error_rate_max_percent, &same.allow_hosts[..]), (25, &["b.example".to_owned()][..]));
        assert_eq!(args(None).options(None, None).error_rate_max_percent, ERROR_RATE_MAX_PERCENT);
        let other = args(Some(9)).over(&started, Some(&forward(false, Some(5))));
        assert_eq!((other.concurrency, other.bytes_max), (9, 5));
    }
}
