//! What the kernel counts of processes: processor time and memory. Wall time would tell of the machine's other work.

use std::process::Child;
use std::time::Duration;

/// Clock ticks of `/proc` in a second: Linux shows the same to all programs.
const TICKS_A_SECOND: f64 = 100.0;

/// Processor time in seconds of all children that have ended and were waited for, in steps of a hundredth.
pub fn children_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("this is Linux");
    // Behind the name, which may hold anything, `cutime` and `cstime` are the 14th and 15th.
    let behind = stat.rsplit_once(')').expect("the name stands in parentheses").1;
    let ticks: f64 = behind.split_whitespace().skip(13).take(2).map(|n| n.parse::<f64>().unwrap()).sum();
    ticks / TICKS_A_SECOND
}

/// Processor time in seconds of this thread, to the nanosecond.
pub fn thread_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("this is Linux");
    stat.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// The most memory that a process has had so far, in bytes; `None` once it has ended.
pub fn peak_bytes(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

/// What a process took.
#[derive(Clone, Copy)]
pub struct Took {
    /// Processor time of its user and system parts.
    pub seconds: f64,
    /// The most memory, as seen every millisecond.
    pub peak_bytes: u64,
}

/// Waits for a child to its end.
pub fn watch(mut child: Child) -> Took {
    let (before, pid, mut peak) = (children_seconds(), child.id().to_string(), 0);
    let status = loop {
        peak = peak_bytes(&pid).unwrap_or(peak);
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    assert!(status.success(), "{status}");
    Took { seconds: children_seconds() - before, peak_bytes: peak }
}
