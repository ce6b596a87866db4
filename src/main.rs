//! Parse, run, exit.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::Poll;

use clap::Parser;
use longshore::cli::{self, Cli, Interrupt, hangup};
use longshore::error::Exit;
use longshore::show;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Where SIGHUP stands among the signals that are listened to.
const HANGUP: usize = 2;

/// The exit code that the first panic on any thread asks for, whatever the command says then; 0 without one.
static PANICKED: AtomicU8 = AtomicU8::new(0);
/// Whether all workers are there. Until then nothing is begun.
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);

/// The whole program. Tests start it inside their own, where the disk can fail.
pub fn main() -> ExitCode {
    cli::few_arenas();
    // Whatever is made is this user's alone (requirement S5), from the moment that it is there; also what libraries make.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    std::panic::set_hook(Box::new(|panic| {
        let exit = show::panicked(panic).code();
        if !HAS_BEGUN.load(Ordering::SeqCst) {
            // Where the system gives a thread for one worker and none for the next, unwinding would wait for the first,
            // which nobody tells to end.
            std::process::exit(exit.into());
        }
        let _the_first_counts = PANICKED.compare_exchange(0, exit, Ordering::SeqCst, Ordering::SeqCst);
    }));
    let cli = Cli::parse();
    let code = std::panic::catch_unwind(|| run(cli)).unwrap_or(Exit::Bug.code());
    ExitCode::from(match PANICKED.load(Ordering::SeqCst) {
        0 => code,
        panicked => panicked,
    })
}

fn run(cli: Cli) -> u8 {
    if let Err(failure) = cli::can_open_files() {
        show::failure(&failure);
        return failure.exit.code();
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Error: the program cannot start its workers: {error}");
            return Exit::CannotGoOn.code();
        }
    };
    HAS_BEGUN.store(true, Ordering::SeqCst);
    {
        // With somebody who hears it, a file that may not grow (`ulimit -f`) is an error of the write; without, the
        // system ends the program without a word.
        let _of_this_runtime = runtime.enter();
        let _stays_for_good = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
    }
    let interrupt = Arc::new(Interrupt::default());
    // Before anything else, so that no signal finds the program without them.
    let signals = Signals::listen(&runtime);
    runtime.spawn(signals.obey(interrupt.clone()));
    let exit = cli::run(cli, &runtime, &interrupt);
    // What still waits on the outside is not waited for: everything that counts is in the ledger.
    runtime.shutdown_background();
    match exit {
        Ok(exit) => exit.code(),
        Err(failure) => {
            show::failure(&failure);
            failure.exit.code()
        }
    }
}

/// What asks the program to stop.
struct Signals(Vec<Signal>);

impl Signals {
    /// Ctrl-C, SIGTERM, and SIGHUP of a terminal that is closed.
    fn listen(runtime: &Runtime) -> Self {
        let _inside = runtime.enter();
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        // Whoever started the program with `nohup` wants it to go on.
        if !hangup::is_ignored() {
            kinds.push(SignalKind::hangup());
        }
        Self(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    /// The first signal does what the command has prepared; without that, or the second time, the program leaves at
    /// once.
    async fn obey(mut self, interrupt: Arc<Interrupt>) {
        let is_at_a_terminal = hangup::Terminals::now();
        let mut has_hung_up = false;
        loop {
            let came = std::future::poll_fn(|context| {
                let ready = |signal: &mut Signal| signal.poll_recv(context).is_ready();
                self.0.iter_mut().position(ready).map_or(Poll::Pending, Poll::Ready)
            })
            .await;
            if came == HANGUP {
                is_at_a_terminal.leave();
                // A shell and the kernel may both say that the terminal is gone: that is no second wish.
                if std::mem::replace(&mut has_hung_up, true) {
                    continue;
                }
            }
            match interrupt.take() {
                Some(reaction) => reaction(),
                None => std::process::exit(Exit::LeftAtOnce.code().into()),
            }
        }
    }
}
