//! Looking on while another process appends, until Ctrl-C (requirements C8, C12).

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::Duration;

use super::Context;
use crate::limits::LOOK_AGAIN_MS;
use crate::show;

/// Whoever looks on. From its beginning a Ctrl-C or SIGTERM ends the looking in order, and with success.
pub struct Watch {
    asked_to_end: Receiver<()>,
}

impl Watch {
    /// Begins.
    pub fn new(context: &Context<'_>) -> Self {
        let (ask, asked_to_end) = channel();
        context.interrupt.on_next(move || {
            let _it_has_ended = ask.send(());
        });
        Self { asked_to_end }
    }

    /// Whether to end: somebody asked for it, or nobody reads any more.
    pub fn is_over(&self) -> bool {
        !show::is_read() || !matches!(self.asked_to_end.try_recv(), Err(TryRecvError::Empty))
    }

    /// Waits a moment before the next look; `false` when it is to end instead. SQLite tells nobody of other processes'
    /// writing, so there is nothing to wait for but time.
    pub fn again(&self) -> bool {
        let wait = self.asked_to_end.recv_timeout(Duration::from_millis(LOOK_AGAIN_MS));
        show::is_read() && matches!(wait, Err(RecvTimeoutError::Timeout))
    }
}
