//! What the next signal that asks the program to stop does: Ctrl-C, SIGTERM, or SIGHUP of its terminal.

use std::sync::Mutex;

type Reaction = Box<dyn FnOnce() + Send>;

/// Holds what the next signal does; with nothing held, the program leaves at once.
#[derive(Default)]
pub struct Interrupt(Mutex<Option<Reaction>>);

impl Interrupt {
    /// Sets what the next signal does, once.
    pub fn on_next(&self, reaction: impl FnOnce() + Send + 'static) {
        *self.0.lock().expect("nothing panics while it holds this") = Some(Box::new(reaction));
    }
    /// From here on a signal leaves at once again.
    pub fn clear(&self) {
        let _dropped_unused = self.take();
    }
    /// What a signal that has just come does; `None` to leave at once.
    pub fn take(&self) -> Option<Reaction> {
        self.0.lock().expect("nothing panics while it holds this").take()
    }
}
