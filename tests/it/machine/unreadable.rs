//! A disk that gives an error where the ledger is read (requirements E5, E7). The system itself says so, by `strace`,
//! which every developer's machine can have; where it is not there, or may not trace, there is nothing to see.

use std::process::{Command, Stdio};

use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// Runs the program with SQLite's nth read of the ledger refused, or every read from that on, and tells whether any was.
fn with_a_failing_read(work: &Workplace, args: &[&str], nth: u32, is_one: bool) -> Option<(Ran, bool)> {
    let trace = work.work().join("trace");
    let mut command = Command::new("strace");
    let sqlite = format!("inject=pread64:error=EIO:when={nth}{}", if is_one { "" } else { "+" });
    command.args(["-f", "-qq", "-e", "trace=pread64,read", "-e", &sqlite]);
    if !is_one {
        command.args(["-e", "inject=read:error=EIO"]);
    }
    command.arg("-P").arg(work.ledger());
    command.arg("-o").arg(&trace).arg(env!("CARGO_BIN_EXE_longshore")).args(args);
    command.current_dir(work.work()).env_clear().env("PATH", std::env::var_os("PATH")?);
    command.envs(&work.settings).stdin(Stdio::null());
    let output = command.output().ok()?;
    let told = std::fs::read_to_string(&trace).ok()?;
    // Where it may not trace, it traces nothing.
    told.contains("pread64").then(|| (Ran::new(args, output), told.contains("INJECTED")))
}

#[test]
fn e7_a_read_that_the_disk_refuses_is_not_called_damage() {
    let work = Workplace::new(Kind::Sqlite, 2);
    work.run(&["migrate", "--country", "DE", "--yes"]);
    let verbs: [&[&str]; 3] = [&["ledger", "verify"], &["status"], &["ledger", "backup", "copy"]];
    for (verb, is_one) in verbs.into_iter().flat_map(|verb| [(verb, true), (verb, false)]) {
        for nth in 1.. {
            let _there_may_be_none = std::fs::remove_file(work.work().join("copy"));
            let Some((ran, is_refused)) = with_a_failing_read(&work, verb, nth, is_one) else { return };
            if !is_refused {
                assert!(nth > 4, "it was read only {nth} times: {ran}");
                break;
            }
            // The first one of a file is repeated by SQLite itself.
            assert!(matches!(ran.code, Some(30 | 0)), "read {nth}: {ran}");
            assert!(!ran.stderr.contains("damaged at"), "read {nth}: {ran}");
            assert!(!ran.stderr.contains("is not a ledger"), "read {nth}: {ran}");
            assert!(!ran.stderr.contains("backup whose head"), "read {nth}: {ran}");
        }
    }
}
