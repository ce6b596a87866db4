//! What a panic says.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use super::{log_line, plain};
use crate::secrets::masked;

/// A panic on stderr, as the standard library tells it, but without secrets (requirement S1) and harmless for a terminal
/// (requirement S4): its message may hold anything that the program had in its hands.
pub fn panicked(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let backtrace = Backtrace::capture();
    let more = match backtrace.status() {
        BacktraceStatus::Captured => format!("stack backtrace:\n{backtrace}"),
        _ => "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace".to_owned(),
    };
    for line in masked(&format!("thread '{name}' {info}\n{more}")).lines() {
        log_line(&masked(&plain(line)));
    }
}
