//! What a terminal that is closed leaves behind: a program that is to stop in order, and has nowhere to write to.

use std::fs::{File, read_to_string};
use std::io::IsTerminal;

use rustix::stdio::{dup2_stderr, dup2_stdout};

/// Whether the program was started with SIGHUP ignored, as `nohup` does. Only Linux tells.
pub fn is_ignored() -> bool {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is the first.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Which of the program's streams are terminals. Asked early: one that is closed is none any more.
pub struct Terminals {
    stdout: bool,
    stderr: bool,
}

impl Terminals {
    /// As they are now.
    pub fn now() -> Self {
        Self { stdout: std::io::stdout().is_terminal(), stderr: std::io::stderr().is_terminal() }
    }

    /// Lets what is still said go nowhere: writing to a closed terminal is an error, and printing would panic.
    pub fn leave(&self) {
        let Ok(nowhere) = File::options().write(true).open("/dev/null") else { return };
        if self.stdout {
            let _it_stays_as_it_is = dup2_stdout(&nowhere);
        }
        if self.stderr {
            let _it_stays_as_it_is = dup2_stderr(&nowhere);
        }
    }
}
