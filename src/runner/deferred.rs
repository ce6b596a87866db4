//! What was tried of steps that others are tried before, until they are tried again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use ledger::plan::Step;
use tokio::time::Instant;

use super::parts::Outside;

/// What was tried so far of steps that were deferred.
#[derive(Debug, Default)]
pub struct Deferred(Mutex<HashMap<(Step, Outside), Tries>>);

/// What was tried so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tries {
    /// Tries that count.
    pub attempts: u32,
    /// When the first one that failed was begun.
    pub since: Option<Instant>,
    /// When the failure of the last one was known.
    pub failed_at: Option<Instant>,
    /// The last of them was refused for its rate.
    pub is_refused: bool,
    /// Waits of this image's own.
    pub waits: u32,
    /// It is not to be tried again before this.
    pub not_before: Option<Instant>,
}

impl Deferred {
    /// Keeps what was tried of a step at a part, as far as it still counts when the step is tried again.
    pub fn keep(&self, step: Step, outside: Outside, tries: Tries) {
        let kept = match (tries.not_before, outside) {
            (Some(_), _) => tries,
            // Nothing can be uploaded only to see whether that works, so what others got through since must do.
            (None, Outside::Upload) => Tries { since: None, ..tries },
            // Refused for its rate so far: whether others are not will be seen when it comes back.
            (None, _) if tries.is_refused => Tries { since: None, ..tries },
            // It begins anew: the part may be back by then, and may go away again.
            (None, _) => Tries::default(),
        };
        self.lock().insert((step, outside), kept);
    }

    /// What was kept.
    pub fn take(&self, step: Step, outside: Outside) -> Option<Tries> {
        self.lock().remove(&(step, outside))
    }

    /// Forgets it all.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Step, Outside), Tries>> {
        self.0.lock().expect("nothing panics while it holds this")
    }
}
