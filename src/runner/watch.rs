//! Looking, now and then, at what of the CDN's plan is used: near its end a person hears of it (requirement E8).

use std::pin::Pin;
use std::sync::Arc;

use ledger::event::{AlertAbout, Alerted, Event};

use super::wheel::Wheel;
use super::{Message, RunError};

/// One look: what a person should hear of, if anything.
pub type Look = Pin<Box<dyn Future<Output = Option<Alerted>> + Send>>;

/// How a run watches the usage.
#[derive(Clone)]
pub struct Watch {
    /// What a look or a forecast said before the run, to be told once the run has planned.
    pub before: Option<Alerted>,
    /// Looks. It takes a few seconds at most, and says nothing where it cannot look.
    pub look: Arc<dyn Fn() -> Look + Send + Sync>,
}

impl Wheel<'_> {
    /// Tells what was seen before the run's first effect.
    pub(super) fn tell_usage_before(&mut self) -> Result<(), RunError> {
        let before = self.setting.watch.as_mut().and_then(|watch| watch.before.take());
        before.map_or(Ok(()), |alerted| self.tell_usage(alerted))
    }

    /// Looks while the run goes on; what is seen comes in like any message.
    pub(super) fn look_at_usage(&self) {
        let Some(watch) = &self.setting.watch else { return };
        let (look, outbox) = ((watch.look)(), self.setting.outbox.clone());
        tokio::spawn(async move {
            if let Some(alerted) = look.await {
                let _the_wheel_has_stopped = outbox.send(Message::Alert(alerted));
            }
        });
    }

    /// Looks when the run is finished.
    pub(super) async fn look_at_usage_at_the_end(&mut self) -> Result<(), RunError> {
        let Some(watch) = &self.setting.watch else { return Ok(()) };
        let seen = (watch.look)().await;
        seen.map_or(Ok(()), |alerted| self.tell_usage(alerted))
    }

    /// Takes in an alert about anything. Of the usage one is enough: it only grows.
    pub(super) fn alert(&mut self, alerted: Alerted) -> Result<(), RunError> {
        match alerted.about {
            AlertAbout::Usage => self.tell_usage(alerted),
            _ => self.append(vec![Event::Alerted(alerted)]),
        }
    }

    fn tell_usage(&mut self, alerted: Alerted) -> Result<(), RunError> {
        match self.setting.watch.take() {
            Some(_) => self.append(vec![Event::Alerted(alerted)]),
            None => Ok(()),
        }
    }
}
