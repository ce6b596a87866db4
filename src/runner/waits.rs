//! How long a run's workers waited for the parts of the outside, until that is written down.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::event::{Event, Part, WaitReason, Waited};

use super::gate::Waiting;
use super::parts::{Gates, Outside};
use crate::limits::WAIT_WRITTEN_MS_MIN;

/// Waits that are over and not written down yet.
#[derive(Debug, Default)]
pub struct Waits(BTreeMap<(Part, WaitReason), (u32, Duration)>);

impl Waits {
    /// Takes in one that is over. The event to be written down now, unless it was so short that it is kept for later.
    pub fn take(&mut self, outside: Outside, waited: Waiting) -> Option<Event> {
        let key = (outside.part(), waited.reason);
        let (times, took) = self.0.entry(key).or_default();
        *times += 1;
        *took += waited.took;
        let is_long = *took >= Duration::from_millis(WAIT_WRITTEN_MS_MIN);
        is_long.then(|| self.0.remove(&key).map(|waited| event(key, waited))).flatten()
    }

    /// All that is left, and what still goes on: the run stops.
    pub fn rest(&mut self, gates: &Gates) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for (outside, gate) in gates.each() {
            events.extend(gate.unanswered().and_then(|waited| self.take(outside, waited)));
            gate.forget();
        }
        events.extend(std::mem::take(&mut self.0).into_iter().map(|(key, waited)| event(key, waited)));
        events
    }
}

fn event((part, reason): (Part, WaitReason), (times, took): (u32, Duration)) -> Event {
    Event::Waited(Waited { part, reason, times, ms: took.as_millis() as u64 })
}
