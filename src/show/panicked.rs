//! What a panic says.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use super::{failure, log_line, plain};
use crate::error::{Exit, Failure};
use crate::secrets::masked;

/// How tokio begins where the system gives it no more threads, which it has no other way to say.
const NO_MORE_THREADS: &str = "OS can't spawn worker thread";

/// Tells of a panic, and says how the program ends by it. Where the system gives no more threads, that is told. All else is
/// told as the standard library tells it, but without secrets (requirement S1) and harmless for a terminal (requirement
/// S4): its message may hold anything that the program had in its hands.
pub fn panicked(info: &PanicHookInfo<'_>) -> Exit {
    if let Some(said) = info.payload_as_str().filter(|said| said.starts_with(NO_MORE_THREADS)) {
        let failed = Failure::new(Exit::CannotGoOn, "the system gives this program no more threads");
        failure(
            &failed
                .because(said)
                .hint("Let it have more memory (`ulimit -v`), or more processes (`ulimit -u`)")
                .hint("What was written before is safe, and `longshore resume` goes on from there"),
        );
        return Exit::CannotGoOn;
    }
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
    Exit::Bug
}
