//! The program starts itself anew with few of glibc's arenas for memory.

use std::path::Path;
use std::process::Command;

use crate::support::program::Ran;

#[test]
fn s2_a_program_started_through_the_loader_stays_itself() {
    let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
    if loader.exists() {
        let args = [env!("CARGO_BIN_EXE_longshore"), "--version"];
        Ran::new(&args, Command::new(loader).args(args).output().unwrap()).code(0).says("longshore 0.");
    }
}
