//! One run, turned until it is finished, paused, or broken off.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use ledger::brake::brake;
use ledger::decide::{Verdict, decide};
use ledger::event::{AlertAbout, Alerted, Ending, Event, Operator, Paused, Record, RunFinished};
use ledger::ids::{ContentHash, RunId};
use ledger::ledger::Ledger;
use ledger::order::{Order, Origins, Put, last_completed, order, put_back, some_origins};
use ledger::plan::{Agenda, Step, is_upload_due, upload_path};
use ledger::report::is_held;
use ledger::state::{PathKey, State};
use ledger::timestamp::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::control::Phase;
use super::perform::{Performed, Performer, World};
use super::retry::Retry;
use super::steer::{Rest, alert_of};
use super::waits::Waits;
use super::witness::{Given, Witness};
use super::{Claims, End, Held, Message, Moment, Probe, RunError, Selection, Told, Watch, log};
use crate::limits::{
    APPEND_BATCH_MAX, CHECKPOINT_IMAGES, ORIGINS_BYTES_MAX, ROWS_IN_AIR_BYTES_MAX, WITNESSES_MAX,
};

/// What a wheel turns with.
pub struct Setting<'a> {
    /// The outside.
    pub world: World,
    /// Who is at work.
    pub operator: Operator,
    /// What others are told who find a country claimed.
    pub holder: String,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// What is chosen from while the run plans.
    pub selection: Selection,
    /// Where signals come in.
    pub inbox: mpsc::UnboundedReceiver<Message>,
    /// The other end, for the workers.
    pub outbox: mpsc::UnboundedSender<Message>,
    /// Who listens.
    pub tell: Box<dyn FnMut(Told<'_>) + 'a>,
    /// Who watches the usage of the CDN's plan; `None` where a run adds nothing to it, or nobody wants to know any more.
    pub watch: Option<Watch>,
    /// A test's finger; `None` otherwise.
    pub probe: Option<Probe>,
}

/// A run being turned.
pub struct Wheel<'a> {
    pub(super) ledger: &'a mut Ledger,
    pub(super) run: RunId,
    pub(super) setting: Setting<'a>,
    pub(super) claims: Claims,
    pub(super) retry: Retry,
    pub(super) waits: Waits,
    pub(super) stop: watch::Sender<bool>,
    pausing: Option<Paused>,
    /// Set while a person has it wait in place.
    pub(super) resting: Option<Rest>,
    pub(super) phase: Phase,
    /// Images that need a spooled file, by its hash: it goes when the last is served.
    spooled: HashMap<ContentHash, u32>,
    settled_since_checkpoint: u64,
    origins: Origins,
    /// Bytes of the texts of what is in the air.
    bytes_in_air: usize,
}

impl<'a> Wheel<'a> {
    /// A wheel for a run that is started or resumed in the ledger.
    pub fn new(ledger: &'a mut Ledger, run: RunId, claims: Claims, setting: Setting<'a>) -> Self {
        let (stop, stopping) = watch::channel(false);
        let options = ledger.state().run(run).expect("the run was started").options();
        let patience = Duration::from_millis(options.patience_ms);
        let retry = Retry::new(stopping, setting.outbox.clone(), patience);
        let wheel = Self {
            ledger,
            run,
            setting,
            claims,
            retry,
            waits: Waits::default(),
            stop,
            pausing: None,
            resting: None,
            phase: Phase::Planning,
            spooled: HashMap::new(),
            settled_since_checkpoint: 0,
            origins: Origins::new(ORIGINS_BYTES_MAX),
            bytes_in_air: 0,
        };
        wheel.obey_rate();
        wheel
    }

    /// Performs everything that is planned, then closes the run.
    ///
    /// # Errors
    /// When the ledger cannot be written to.
    ///
    /// # Panics
    /// When a worker panicked, or an event cannot follow: a bug.
    pub async fn turn(mut self) -> Result<End, RunError> {
        if self.pausing.is_some() {
            return self.close().await;
        }
        self.tell_usage_before()?;
        let performer = Arc::new(self.performer()?);
        let mut agenda = Agenda::new(self.run);
        self.phase = Phase::Going;
        loop {
            self.start_steps(&mut agenda, &performer)?;
            if agenda.in_air() == 0 {
                if self.resting.is_none() || self.is_stopping() {
                    break;
                }
                self.rest().await?;
                // What was uploaded before the rest is looked at again, as by another process.
                agenda = Agenda::new(self.run);
                performer.forget();
                continue;
            }
            let first = self.setting.inbox.recv().await.expect("the wheel itself holds a sender");
            let mut batch = vec![first];
            while batch.len() < APPEND_BATCH_MAX
                && let Ok(more) = self.setting.inbox.try_recv()
            {
                batch.push(more);
            }
            self.take_in(&mut agenda, &performer, batch)?;
        }
        self.close().await
    }

    /// Claims the countries that only planning has shown: a venue may have moved since the scope was named.
    ///
    /// # Errors
    /// When another holds one; the run can be resumed later.
    pub async fn claim_planned(&mut self) -> Result<(), RunError> {
        let state = self.ledger.state();
        let planned = state.run(self.run).expect("the run was started").plans();
        let places = planned.iter().filter_map(|seq| state.plan(*seq)).map(|plan| state.place(plan));
        let countries: BTreeSet<_> =
            places.map(|place| place.country.as_ref().map(|country| country.code.clone())).collect();
        let catalog = &*self.setting.world.catalog;
        self.claims.take(catalog, countries, &self.setting.holder).await
    }

    fn performer(&self) -> Result<Performer, RunError> {
        let options = self.state().run(self.run).expect("the run was started").options();
        let before = last_completed(self.ledger.state(), self.ledger.store())?;
        let planned = some_origins(self.ledger.state(), self.ledger.store(), self.run, WITNESSES_MAX)?;
        let given = |forward| Arc::new(Given::new(forward, options.bytes_max, before, planned));
        let given = self.setting.world.forward.clone().map(given);
        let witness = given.clone().map(|given| given as Arc<dyn Witness>);
        Ok(Performer {
            world: self.setting.world.clone(),
            retry: Retry { witness, ..self.retry.clone() },
            given,
            deferred: Arc::default(),
            stored: Arc::default(),
            ledger: self.ledger.store().id(),
            run: self.run,
            delivery_check: options.delivery_check,
        })
    }

    fn state(&self) -> &State {
        self.ledger.state()
    }

    fn start_steps(&mut self, agenda: &mut Agenda, performer: &Arc<Performer>) -> Result<(), RunError> {
        let room = self.state().run(self.run).expect("the run was started").options().concurrency.max(1);
        let has_room =
            |this: &Self, in_air| in_air < room as usize && this.bytes_in_air < ROWS_IN_AIR_BYTES_MAX;
        while self.pausing.is_none() && self.resting.is_none() && has_room(self, agenda.in_air()) {
            let Some(step) = agenda.take(self.ledger.state()) else { break };
            // With nothing left to start, there is nothing to brake.
            if let Some(paused) = brake(self.ledger.state(), self.run) {
                let path = upload_path(self.state(), step);
                agenda.settle(self.ledger.state(), step, path);
                self.pause(paused, agenda.in_air());
                break;
            }
            let order = order(self.ledger.state(), self.ledger.store(), &mut self.origins, self.run, step)?;
            self.bytes_in_air += order.bytes();
            self.spawn(step, order, performer.clone());
        }
        Ok(())
    }

    fn spawn(&self, step: Step, order: Order, performer: Arc<Performer>) {
        let plan = self.state().plan(step.planned()).expect("a step belongs to a plan");
        let country = self.state().place(plan).country.as_ref().map(|country| country.code.as_str());
        let claim = self.claims.of(country);
        let (outbox, probe) = (self.setting.outbox.clone(), self.setting.probe.clone());
        let dies = move |moment| probe.as_ref().is_some_and(|probe| probe(moment));
        let work = async move {
            if dies(Moment::BeforeEffect(step)) {
                return Message::Died;
            }
            let performed = performer.perform(step, &order, claim).await;
            log::performed(&performed);
            if dies(Moment::AfterEffect(step)) {
                return Message::Died;
            }
            Message::Done { step, order: Box::new(order), performed }
        };
        let work = tokio::spawn(work.instrument(log::step(plan.venue, step)));
        tokio::spawn(async move {
            let message = work.await.unwrap_or_else(|error| Message::Panicked(error.to_string()));
            let _the_wheel_has_stopped = outbox.send(message);
        });
    }

    /// Decides what has arrived together, appends it in one transaction, and notes what follows.
    fn take_in(
        &mut self,
        agenda: &mut Agenda,
        performer: &Arc<Performer>,
        batch: Vec<Message>,
    ) -> Result<(), RunError> {
        let mut events = Vec::new();
        let mut settled: Vec<(Step, Option<PathKey>, Option<Box<Order>>)> = Vec::new();
        let mut asked = Vec::new();
        for message in batch {
            match message {
                Message::Done { step, order, performed } => {
                    self.bytes_in_air -= order.bytes();
                    let path = upload_path(self.state(), step);
                    match performed {
                        Performed::Outcome(outcome) => match decide(&order, outcome) {
                            Verdict::Events(decided) => events.extend(decided),
                            Verdict::Pause(paused) => self.pause(paused, agenda.in_air()),
                            Verdict::PutBack(put, trouble) => {
                                let back = put_back(self.state(), self.ledger.store(), &put, trouble)?;
                                self.bytes_in_air += back.bytes();
                                self.spawn(step, back, performer.clone());
                                continue;
                            }
                        },
                        Performed::Deferred => {
                            agenda.defer(step, path);
                            continue;
                        }
                        Performed::GivenUp => {}
                    }
                    // A row's texts are in its events by now.
                    let is_row = matches!(*order, Order::UpdateRow(_) | Order::RestoreRow(_));
                    let spooled = (!is_row).then_some(order);
                    settled.push((step, path, spooled));
                }
                // What has arrived together with the question is told by the answer.
                Message::Held(held) => asked.push(held),
                other => {
                    if matches!(other, Message::Back { .. }) {
                        agenda.recall();
                    }
                    self.hear(other, agenda.in_air())?;
                }
            }
        }
        self.append(events)?;
        for held in asked {
            self.say_held(held)?;
        }
        for (step, path, spooled) in settled {
            agenda.settle(self.ledger.state(), step, path);
            spooled.iter().for_each(|order| self.tidy_spool(order));
        }
        self.checkpoint_when_due()
    }

    /// Tells a worker whether the ledger holds a file, or one at its path, as uploaded.
    pub(super) fn say_held(&self, held: Held) -> Result<(), RunError> {
        let is_held = is_held(self.ledger, &held.file, &held.path)?;
        let _the_worker_has_given_up = held.reply.send(is_held);
        Ok(())
    }

    /// Whether the run is to stop, and its process to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.pausing.is_some()
    }

    pub(super) fn pause(&mut self, paused: Paused, in_air: usize) {
        if self.pausing.is_none() {
            self.pausing = Some(paused);
            let _no_worker_listens = self.stop.send(true);
            (self.setting.tell)(Told::Stopping(in_air));
        }
    }

    /// Writes events of this run down, all or none.
    pub(super) fn append(&mut self, events: Vec<Event>) -> Result<(), RunError> {
        if events.is_empty() {
            return Ok(());
        }
        let (at, run) = ((self.setting.now)(), Some(self.run));
        let records: Vec<Record> = events.into_iter().map(|event| Record { at, run, event }).collect();
        self.ledger.append(&records)?;
        for record in &records {
            self.settled_since_checkpoint += match &record.event {
                Event::DbUpdated(e) => e.edits.len() as u64,
                Event::RolledBack(e) => (e.edits.len() + e.held.len() + e.left.len()) as u64,
                Event::Failed(_) | Event::Skipped(_) => 1,
                _ => 0,
            };
        }
        (self.setting.tell)(Told::Appended(&records));
        match &self.setting.probe {
            Some(probe) if probe(Moment::AfterAppend) => Err(RunError::Died),
            _ => Ok(()),
        }
    }

    fn checkpoint_when_due(&mut self) -> Result<(), RunError> {
        if self.settled_since_checkpoint < CHECKPOINT_IMAGES {
            return Ok(());
        }
        self.settled_since_checkpoint = 0;
        self.look_at_usage();
        self.append(vec![Event::Checkpoint(self.state().checkpoint())])
    }

    /// A spooled file goes when its last image is uploaded or settled.
    fn tidy_spool(&mut self, order: &Order) {
        match order {
            Order::Download(fetch) => {
                let image = self.state().image(fetch.image);
                let downloaded =
                    image.filter(|image| image.mark.is_none()).and_then(|image| image.downloaded);
                let Some(Ok(record)) = downloaded.map(|seq| self.ledger.store().record(seq)) else { return };
                if let Event::Downloaded(downloaded) = record.event {
                    *self.spooled.entry(downloaded.hash).or_default() += 1;
                }
            }
            Order::Upload(put) => self.tidy_sent(put),
            Order::PutBack(back) => self.tidy_sent(&back.put),
            Order::UpdateRow(_) | Order::RestoreRow(_) => {}
        }
    }

    /// The same, once a file is on the CDN or its image is given up.
    fn tidy_sent(&mut self, put: &Put) {
        if is_upload_due(self.state(), put.fetch.image) {
            // Given up, or fetched again: the bytes are still waited for.
            return;
        }
        let needing = self.spooled.entry(put.hash).or_insert(1);
        *needing = needing.saturating_sub(1);
        if *needing == 0 {
            self.spooled.remove(&put.hash);
            if let (Some(forward), hash) = (self.setting.world.forward.clone(), put.hash) {
                // A cache may keep what cannot be removed.
                tokio::spawn(async move { forward.spool.remove(&hash).await });
            }
        }
    }

    /// The end of a turn: the run is finished, or pauses for the reason that stopped it.
    pub(super) async fn close(mut self) -> Result<End, RunError> {
        if self.pausing.is_none() {
            self.delete_files().await?;
        }
        let waits = self.waits.rest(&self.retry.gates);
        self.append(waits)?;
        if let Some(paused) = self.pausing.take() {
            if let Some(rested) = self.rested() {
                return Ok(End::Paused(rested));
            }
            self.append(vec![alert_of(&paused), Event::Paused(paused.clone())])?;
            return Ok(End::Paused(paused));
        }
        self.look_at_usage_at_the_end().await?;
        let (ending, tally) = (Ending::Done, self.state().tally(self.run));
        let checkpoint = Event::Checkpoint(self.state().checkpoint());
        let message = format!("{} of {} images done", tally.done, tally.images);
        let alerted = Event::Alerted(Alerted { about: AlertAbout::Finished, message });
        self.append(vec![checkpoint, alerted, Event::RunFinished(RunFinished { ending, tally })])?;
        if let (Some(forward), None) = (&self.setting.world.forward, self.state().unfinished().next()) {
            let _a_cache_may_keep_what_it_has = forward.spool.clear().await;
        }
        Ok(End::Finished(ending, tally))
    }
}
