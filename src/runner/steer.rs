//! What reaches a wheel beside outcomes: waiting, alerts, signals, and a person at another terminal.

use ledger::event::{Adjusted, AlertAbout, Alerted, Event, Operator, PauseReason, Paused, Resumed};
use tokio::sync::oneshot;

use super::control::{Answer, Ask, Asked, Phase, Request};
use super::wheel::Wheel;
use super::{Message, RunError, Told};
use crate::limits::IN_FLIGHT_MAX;

/// A run that a person has paused: it waits in place, and goes on by `control resume`.
#[derive(Debug)]
pub(super) struct Rest {
    by: Operator,
    /// Who asked, and is answered when nothing is in the air any more.
    replies: Vec<oneshot::Sender<Answer>>,
    /// Whether the pause is written down.
    is_written: bool,
}

impl Rest {
    /// What is written down.
    fn paused(&self, run: ledger::ids::RunId) -> Paused {
        let Operator { user, host, .. } = &self.by;
        Paused {
            reason: PauseReason::Operator,
            message: format!("{user}@{host} paused it"),
            advice: format!(
                "`longshore control resume` lets it go on; once its process has ended, `longshore resume --run {run}`"
            ),
        }
    }
}

/// What an alert about a pause is about.
pub(super) fn alert_of(paused: &Paused) -> Event {
    let about = match paused.reason {
        PauseReason::ErrorRate => AlertAbout::ErrorRate,
        _ => AlertAbout::Paused,
    };
    let message = format!("{}. {}", paused.message, paused.advice);
    Event::Alerted(Alerted { about, message })
}

/// The event of a changed rate; none where it is the same.
pub(super) fn rate_adjusted(from: Option<u32>, to: Option<u32>, operator: Operator) -> Option<Event> {
    let say = |rate: Option<u32>| rate.map_or("none".to_owned(), |rate| rate.to_string());
    let (setting, from_said, to_said) = ("rate_per_second_max".to_owned(), say(from), say(to));
    let adjusted = Adjusted { setting, from: from_said, to: to_said, operator };
    (from != to).then_some(Event::Adjusted(adjusted))
}

impl Wheel<'_> {
    /// Takes in what is no outcome.
    ///
    /// # Errors
    /// When the ledger cannot be written to.
    pub(super) fn hear(&mut self, message: Message, in_air: usize) -> Result<(), RunError> {
        match message {
            Message::Waiting { why, wait } => (self.setting.tell)(Told::Waiting(&why, wait)),
            Message::Back { outside, waited } => {
                if waited.is_alerted {
                    (self.setting.tell)(Told::Back(outside, waited.took));
                }
                let waited = self.waits.take(outside, waited);
                self.append(waited.into_iter().collect())?;
            }
            Message::Alert(alerted) => self.alert(alerted)?,
            Message::Stop(paused) => self.pause(paused, in_air),
            Message::Control(asked) => self.steered(asked, in_air)?,
            Message::Panicked(what) => panic!("a worker panicked: {what}"),
            Message::Died => return Err(RunError::Died),
            Message::Held(held) => self.say_held(held)?,
            Message::Done { .. } => unreachable!("an outcome is decided, not heard"),
        }
        Ok(())
    }

    fn steered(&mut self, asked: Asked, in_air: usize) -> Result<(), RunError> {
        let Asked { request: Request { ask, operator }, reply } = asked;
        let mut refused = None;
        match ask {
            Ask::Status => {}
            Ask::Pause if self.is_stopping() => refused = Some("it is stopping"),
            Ask::Pause => {
                if self.phase != Phase::Planning {
                    let _no_worker_listens = self.stop.send(true);
                }
                let rest = self.resting.get_or_insert_with(|| Rest {
                    by: operator,
                    replies: Vec::new(),
                    is_written: false,
                });
                if !rest.is_written {
                    rest.replies.push(reply);
                    return Ok(());
                }
            }
            Ask::Resume => match self.resting.take() {
                None => refused = Some("it is not paused by `control pause`"),
                Some(rest) => {
                    if rest.is_written {
                        self.phase = Phase::Going;
                        let options = self.run_state().options().clone();
                        let (retry_images, retry_venues) = (Vec::new(), Vec::new());
                        self.append(vec![Event::Resumed(Resumed {
                            options,
                            retry_images,
                            retry_venues,
                            operator,
                        })])?;
                    }
                    // Those who still wait for the pause learn that it goes on.
                    for reply in rest.replies {
                        let refused = Some("somebody let it go on before it had paused");
                        let _they_may_have_left = reply.send(self.answer(in_air, refused));
                    }
                    if !self.is_stopping() {
                        let _no_worker_listens = self.stop.send(false);
                    }
                }
            },
            Ask::Concurrency(0) => refused = Some("at least one image is in flight"),
            Ask::Concurrency(wanted) if wanted as usize > IN_FLIGHT_MAX => {
                refused = Some("that is more than are ever in flight at once");
            }
            Ask::Concurrency(wanted) => {
                let from = self.run_state().options().concurrency.to_string();
                self.adjust("concurrency", from, wanted.to_string(), operator)?;
            }
            Ask::Rate(Some(0)) => refused = Some("`control pause` stops a run; a rate is at least 1/s"),
            Ask::Rate(wanted) => {
                let from = self.run_state().options().rate_per_second_max;
                self.append(rate_adjusted(from, wanted, operator).into_iter().collect())?;
                self.obey_rate();
            }
        }
        let _they_may_have_left = reply.send(self.answer(in_air, refused));
        Ok(())
    }

    /// Holds the CDN's gate to the run's own rate.
    pub(super) fn obey_rate(&self) {
        let rate = self.run_state().options().rate_per_second_max;
        self.retry.gates.set_cdn_rate(rate);
    }

    fn adjust(
        &mut self,
        setting: &str,
        from: String,
        to: String,
        operator: Operator,
    ) -> Result<(), RunError> {
        if from == to {
            return Ok(());
        }
        let setting = setting.to_owned();
        self.append(vec![Event::Adjusted(Adjusted { setting, from, to, operator })])
    }

    /// Waits in place until somebody lets the run go on, or it is to stop. Nothing is in the air.
    ///
    /// # Errors
    /// When the ledger cannot be written to.
    pub(super) async fn rest(&mut self) -> Result<(), RunError> {
        if let Some(rest) = self.resting.as_ref().filter(|rest| !rest.is_written) {
            let paused = rest.paused(self.run);
            let waits = self.waits.rest(&self.retry.gates);
            self.append(waits)?;
            self.append(vec![alert_of(&paused), Event::Paused(paused)])?;
        }
        self.phase = Phase::Paused;
        let replies = self.resting.as_mut().map(|rest| {
            rest.is_written = true;
            std::mem::take(&mut rest.replies)
        });
        for reply in replies.into_iter().flatten() {
            let _they_may_have_left = reply.send(self.answer(0, None));
        }
        while self.resting.is_some() && !self.is_stopping() {
            let message = self.setting.inbox.recv().await.expect("the wheel itself holds a sender");
            self.hear(message, 0)?;
        }
        Ok(())
    }

    /// The pause that is written down already, when the run is to stop while it waits in place.
    pub(super) fn rested(&self) -> Option<Paused> {
        let rest = self.resting.as_ref().filter(|rest| rest.is_written)?;
        let advice = format!("Its process has ended; `longshore resume --run {}` goes on", self.run);
        Some(Paused { advice, ..rest.paused(self.run) })
    }

    /// Where the run stands.
    pub(super) fn answer(&self, in_air: usize, refused: Option<&str>) -> Answer {
        let of = self.run_state();
        let tally = self.ledger.state().tally(self.run);
        let phase = match self.phase {
            _ if self.is_stopping() => Phase::Stopping,
            Phase::Planning | Phase::Going if self.resting.is_some() => Phase::Pausing,
            phase => phase,
        };
        Answer {
            run: self.run,
            verb: of.started.verb,
            scope: of.started.scope.clone(),
            phase,
            images: of.images(),
            settled: tally.images - tally.open,
            in_air: in_air as u64,
            concurrency: of.options().concurrency,
            rate_per_second_max: of.options().rate_per_second_max,
            waiting: self.retry.waiting(),
            refused: refused.map(str::to_owned),
        }
    }
}
