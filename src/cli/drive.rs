//! Turning the wheel for a command, and saying how it ended.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use ledger::event::{
    Ending, Event, Options, PauseReason, Paused, Record, Resumed, RunFinished, RunStarted, Scope, Verb,
};
use ledger::ids::RunId;
use ledger::ledger::Ledger;
use ledger::plan;
use tokio::sync::mpsc;

use super::open::{holder, now, operator};
use super::{Context, place};
use crate::error::{Exit, Failure};
use crate::limits::{IMAGE_BYTES_MAX, IN_FLIGHT_DEFAULT, IN_FLIGHT_MAX, PATIENCE_MS_DEFAULT};
use crate::runner::{Claims, End, Geography, Message, Setting, Wheel, World};
use crate::show;

/// How a run is run.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Answer the question before anything is changed, for scripts.
    #[arg(long)]
    pub yes: bool,
    /// Images in flight at once.
    #[arg(long, value_name = "N", default_value_t = IN_FLIGHT_DEFAULT as u32,
          value_parser = clap::value_parser!(u32).range(1..=IN_FLIGHT_MAX as i64))]
    pub concurrency: u32,
    /// How long an outage is waited through before the run pauses, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE_MS_DEFAULT / 1_000)]
    pub patience: u64,
}

/// What only a run forward is asked.
#[derive(Debug, Clone, Args)]
pub struct ForwardArgs {
    /// Do not see that the CDN serves each file before a row points at it.
    #[arg(long)]
    pub no_delivery_check: bool,
    /// The largest image taken, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = IMAGE_BYTES_MAX,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_bytes: u64,
}

impl RunArgs {
    pub fn options(&self, forward: Option<&ForwardArgs>, limit: Option<u64>) -> Options {
        Options {
            limit,
            concurrency: self.concurrency,
            delivery_check: !forward.is_some_and(|forward| forward.no_delivery_check),
            bytes_max: forward.map_or(IMAGE_BYTES_MAX, |forward| forward.max_bytes),
        }
    }
}

/// A run to be started.
pub struct Start {
    pub verb: Verb,
    pub scope: Scope,
    pub options: Options,
    /// Unfinished runs that it takes over, closed first.
    pub close: Vec<RunId>,
}

/// What a run is turned with.
pub struct Driver<'a> {
    pub context: &'a Context<'a>,
    pub ledger: &'a mut Ledger,
    pub world: World,
    pub geography: Geography,
    pub patience: Duration,
}

impl Driver<'_> {
    /// Starts a run and turns it.
    pub fn start(&mut self, start: Start) -> Result<(RunId, End), Failure> {
        let claims = self.claim(&start.scope, start.verb, None)?;
        let (at, state) = (now(), self.ledger.state());
        let closed = start.close.iter().map(|run| {
            let (ending, tally) = (Ending::Closed, state.tally(*run));
            Record { at, run: Some(*run), event: Event::RunFinished(RunFinished { ending, tally }) }
        });
        let mut records: Vec<Record> = closed.collect();
        let run = self.ledger.next_run(records.len() as u64);
        let Start { verb, scope, options, .. } = start;
        let event = Event::RunStarted(RunStarted { verb, scope, options, operator: operator() });
        records.push(Record { at, run: Some(run), event });
        self.ledger.append(&records)?;
        self.turn(run, claims)
    }

    /// Goes on with an unfinished run.
    pub fn resume(&mut self, run: RunId, options: Options) -> Result<(RunId, End), Failure> {
        let started = &self.ledger.state().run(run).expect("an unfinished run is there").started;
        let (scope, verb) = (started.scope.clone(), started.verb);
        let claims = self.claim(&scope, verb, Some(run))?;
        let event = Event::Resumed(Resumed { options, operator: operator() });
        self.ledger.append(&[Record { at: now(), run: Some(run), event }])?;
        self.turn(run, claims)
    }

    /// Claims every country the run touches.
    fn claim(&self, scope: &Scope, verb: Verb, run: Option<RunId>) -> Result<Claims, Failure> {
        let state = self.ledger.state();
        let code = |plan: &ledger::state::Plan| state.place(plan).country.as_ref().map(|c| c.code.clone());
        let mut countries = BTreeSet::new();
        if !matches!(scope, Scope::Run(_)) {
            countries.insert(plan::country(scope).map(str::to_owned));
        }
        let planned = run.and_then(|run| state.run(run)).map_or(&[][..], |run| run.plans());
        countries.extend(planned.iter().filter_map(|seq| state.plan(*seq)).map(code));
        if verb == Verb::Rollback {
            let images = plan::take_backs(state, scope).into_values().flatten();
            countries.extend(images.filter_map(|image| state.plan(image.planned)).map(code));
        }
        let catalog = &*self.world.catalog;
        Ok(self.context.runtime.block_on(Claims::take(catalog, countries, &holder()))?)
    }

    fn turn(&mut self, run: RunId, claims: Claims) -> Result<(RunId, End), Failure> {
        let (outbox, inbox) = mpsc::unbounded_channel();
        let stop = outbox.clone();
        self.context.interrupt.on_next(move || {
            let paused = Paused {
                reason: PauseReason::Interrupted,
                message: "it was interrupted".to_owned(),
                advice: "`longshore resume` goes on".to_owned(),
            };
            let _the_run_has_ended = stop.send(Message::Stop(paused));
        });
        let started = self.ledger.state().run(run).expect("it was just started").started.clone();
        let place = place::in_catalog(&started.scope, &self.geography);
        let mut progress = show::Progress::new();
        let setting = Setting {
            world: self.world.clone(),
            claims,
            runtime: self.context.runtime.handle().clone(),
            now,
            patience: self.patience,
            inbox,
            outbox,
            tell: Box::new(|told| progress.tell(&told)),
            probe: None,
        };
        let mut wheel = Wheel::new(self.ledger, run, setting);
        match (started.verb, place) {
            (Verb::Migrate, Some(place)) => wheel.plan_forward(place)?,
            (Verb::Migrate, None) => {
                return Err(Failure::usage(format!(
                    "{} is no longer in the database",
                    place::name_of(&started.scope)
                ))
                .hint(format!("`longshore rollback --run {run}` closes the run")));
            }
            (Verb::Rollback, _) => wheel.plan_back(&started.scope)?,
        }
        let end = wheel.turn();
        self.context.interrupt.clear();
        Ok((run, end?))
    }
}

/// The exit code of a run that ended so.
pub fn exit_of(end: &End) -> Exit {
    match end {
        End::Paused(_) => Exit::Paused,
        End::Finished(_, tally) if tally.drifted > 0 => Exit::SomeDrifted,
        End::Finished(_, tally) if tally.failed + tally.skipped + tally.venues_failed > 0 => Exit::SomeFailed,
        End::Finished(..) => Exit::Done,
    }
}
