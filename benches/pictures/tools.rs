//! Other people's decoders, as programs: to call the libraries would take `unsafe`, which is forbidden here.

use std::path::Path;
use std::process::{Command, Stdio};

use ledger::ids::Format;
use longshore::sandbox::pictures::photo;

use super::kernel::{children_seconds, watch};

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
    decode_seconds(Format::Jpeg, file, runs)
}

/// The same by libjpeg-turbo or, of a WebP, by libwebp on one thread.
pub fn decode_seconds(format: Format, file: &Path, runs: u32) -> f64 {
    beside_start(format, file, |program, args| seconds(runs, program, args))
}

/// The most memory of such a decode, in bytes, without that of the program.
pub fn decode_memory(format: Format, file: &Path) -> f64 {
    beside_start(format, file, |program, args| {
        let mut command = Command::new(program);
        let child = command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        watch(child).peak_bytes as f64
    })
}

/// What a decode takes, less what that of a few pixels takes.
fn beside_start(format: Format, file: &Path, measure: impl Fn(&str, &[&str]) -> f64) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let dot = dir.path().join("dot");
    std::fs::write(&dot, photo(format, 16, 16, false)).unwrap();
    let of = |file: &Path| {
        let (program, args) = decoder(format, file.to_str().unwrap());
        measure(program, &args)
    };
    of(file) - of(&dot)
}

fn decoder(format: Format, file: &str) -> (&'static str, [&str; 4]) {
    match format {
        Format::Webp => ("dwebp", [file, "-ppm", "-o", "/dev/null"]),
        _ => ("djpeg", ["-rgb", "-outfile", "/dev/null", file]),
    }
}
