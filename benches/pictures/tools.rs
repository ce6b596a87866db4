//! Other people's decoders, as programs: to call the libraries would take `unsafe`, which is forbidden here.

use std::path::Path;
use std::process::{Command, Stdio};

use super::kernel::children_seconds;

/// Whether a program is there; says what to install otherwise.
pub fn has(program: &str, package: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if !is_there {
        println!("  ({program} is not installed: `apt install {package}` to compare with it)");
    }
    is_there
}

/// Processor time of one run of a program, from many.
fn seconds(runs: u32, program: &str, args: &[&str]) -> f64 {
    let before = children_seconds();
    for _ in 0..runs {
        let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.unwrap().success(), "{program} {args:?}");
    }
    (children_seconds() - before) / f64::from(runs)
}

/// Processor time of a decode by libjpeg-turbo, row by row and to nowhere, without that of starting the program.
pub fn djpeg_seconds(file: &Path, runs: u32) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let dot = dir.path().join("dot.jpg");
    let pixel = longshore::sandbox::pictures::photo(ledger::ids::Format::Jpeg, 16, 16, false);
    std::fs::write(&dot, pixel).unwrap();
    let of = |file: &Path| seconds(runs, "djpeg", &["-outfile", "/dev/null", file.to_str().unwrap()]);
    of(file) - of(&dot)
}
