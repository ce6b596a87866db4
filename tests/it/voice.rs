//! What the program says, as whoever runs it sees it.

use std::process::{Command, Stdio};

#[test]
fn a_reader_who_leaves_does_not_end_the_program() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["resume"][..], &["migrate"]] {
        let (reader, stderr) = std::io::pipe().unwrap();
        drop(reader);
        let mut longshore = Command::new(env!("CARGO_BIN_EXE_longshore"));
        longshore.args(args).current_dir(dir.path()).env_clear().stdin(Stdio::null()).stderr(stderr);
        let expected = if args == ["resume"] { 0 } else { 2 };
        assert_eq!(longshore.status().unwrap().code(), Some(expected), "{args:?}");
    }
}
