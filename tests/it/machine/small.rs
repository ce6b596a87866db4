//! A small disk of the test's own, and a filler for it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set in the process that may mount.
const INSIDE: &str = "LONGSHORE_TEST_MAY_MOUNT";
/// What is written at a time, so that the last free page goes too.
const PIECE: [u8; 4_096] = [0; 4_096];

/// Does the test in a process of its own whose mounts nobody else sees and that end with it. `test` is the test's own
/// name. Where the system lets nobody mount, it says so and does nothing.
pub fn where_mounting_is_allowed(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    // Root needs no user namespace; for others it makes one in which they are root.
    let ways = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]];
    let is_allowed = |way: &&&[&str]| {
        let mut tried = Command::new("unshare");
        tried.args(**way).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        tried.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let Some(way) = ways.iter().find(is_allowed) else {
        eprintln!("NOT RUN: {test}: this system lets neither root nor a user namespace mount a small disk");
        return;
    };
    let mut inside = Command::new("unshare");
    inside.args(*way).arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let ran = inside.env(INSIDE, "1").output().unwrap();
    let told = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
}

/// Whether the tests run as root, which no permission binds and which PostgreSQL refuses.
pub fn is_root() -> bool {
    tempfile::tempdir().unwrap().path().metadata().unwrap().uid() == 0
}

/// A small file system in memory. Dropped, it is unmounted.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many bytes over a directory that is there.
    pub fn mount(at: &Path, bytes: u64) -> Self {
        let size = format!("size={bytes},mode=700");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "longshore-test"]).arg(at));
        Self { at: at.to_owned() }
    }

    /// Leaves nothing of what is free.
    pub fn fill(&self) {
        let mut filler = OpenOptions::new();
        // Where not even the file can be made, nothing is free.
        let Ok(mut filler) = filler.append(true).create(true).open(self.filler()) else { return };
        while filler.write_all(&PIECE).is_ok() {}
    }

    /// Makes room again.
    pub fn make_room(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }

    /// Makes it read-only, or writable again.
    pub fn is_read_only(&self, is: bool) {
        let how = if is { "remount,ro" } else { "remount,rw" };
        run(Command::new("mount").args(["-o", how]).arg(&self.at));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _it_ends_with_the_namespace = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

fn run(command: &mut Command) {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
}
