//! Parse, run, exit.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use longshore::cli::{self, Cli, Interrupt};
use longshore::error::Exit;
use longshore::show;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Set by a panic on any thread: whatever the command says then, the exit code is that of a bug.
static PANICKED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICKED.store(true, Ordering::SeqCst);
        usual(panic);
    }));
    let cli = Cli::parse();
    let code = std::panic::catch_unwind(|| run(cli)).unwrap_or(Exit::Bug.code());
    ExitCode::from(if PANICKED.load(Ordering::SeqCst) { Exit::Bug.code() } else { code })
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
    let interrupt = Arc::new(Interrupt::default());
    runtime.spawn(obey(interrupt.clone()));
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

/// The first Ctrl-C or SIGTERM does what the command has prepared; without that, or the second time, the program
/// leaves at once.
async fn obey(interrupt: Arc<Interrupt>) {
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        match interrupt.take() {
            Some(reaction) => reaction(),
            None => std::process::exit(Exit::LeftAtOnce.code().into()),
        }
    }
}
