//! How much memory a command took at most.

use std::io::Read;
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use crate::support::program::Ran;

/// Runs a command to its end. Its memory is the kernel's own high-water mark, which only grows, looked at again and
/// again until the process is gone; in kilobytes, and 0 where there is no `/proc`.
pub fn run_measured(mut command: Command, args: &[&str]) -> (Ran, u64) {
    let mut child = command.spawn().unwrap();
    let mut reading: Vec<_> = Vec::new();
    let pipes: [Box<dyn Read + Send>; 2] =
        [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
    for mut pipe in pipes {
        reading.push(std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            bytes
        }));
    }
    let mut peak = 0;
    let status: ExitStatus = loop {
        peak = peak.max(high_water(child.id()).unwrap_or(0));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let mut read = reading.into_iter().map(|reading| reading.join().unwrap());
    let (stdout, stderr) = (read.next().unwrap(), read.next().unwrap());
    (Ran::new(args, Output { status, stdout, stderr }), peak)
}

/// `VmHWM` of a process, in kilobytes.
fn high_water(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
