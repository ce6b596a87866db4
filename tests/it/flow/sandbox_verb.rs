//! `sandbox` as people run it: in the foreground of another terminal (requirement C14).

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::program::program;

/// A sandbox in the foreground; killed with the test when that fails.
struct Foreground(Child);

impl Foreground {
    /// Starts one, and waits for its `env`, which is written last.
    fn start(dir: &Path, args: &[&str]) -> Self {
        let env = dir.join("sb/env");
        let _there_was_none = std::fs::remove_file(&env);
        let mut command = program(dir, &[&["sandbox", "--dir", "sb", "--venues", "4"], args].concat());
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let since = Instant::now();
        while !env.exists() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before it was up");
            assert!(since.elapsed() < Duration::from_secs(30), "it is not up within 30 s");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self(child)
    }

    /// Stops it as a service manager would, and says how it ended.
    fn stop(mut self, signal: &str) -> Option<i32> {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _it_may_have_ended = self.0.kill();
        let _it_is_gone = self.0.wait();
    }
}

/// Runs the program as the README says: `. env`, then the command, in a plain shell.
fn sourced(dir: &Path, command: &str) -> (Option<i32>, String) {
    let script = format!(". sb/env && exec \"$PROGRAM\" {command}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(dir).env_clear().stdin(Stdio::null());
    let output = shell.env("PROGRAM", env!("CARGO_BIN_EXE_longshore")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn c14_a_sandbox_is_sourced_stopped_and_opened_again_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let sandbox = Foreground::start(dir, &[]);
    let env = std::fs::read_to_string(dir.join("sb/env")).unwrap();
    for name in [
        "PRODUCTION_DATABASE_URL",
        "DEV_DATABASE_URL",
        "TRIVIA_ADVISOR_DATABASE_URL",
        "IMAGEKIT_PRIVATE_KEY",
        "IMAGEKIT_PUBLIC_KEY",
        "IMAGEKIT_URL_ENDPOINT",
        "IMAGEKIT_UPLOAD_URL",
        "IMAGEKIT_API_URL",
        "IMAGEKIT_STORAGE_LIMIT_GB",
        "IMAGEKIT_BANDWIDTH_LIMIT_GB",
        "LONGSHORE_NOTIFY_URL",
        "ORIGIN_BASE_URL",
    ] {
        let line = env.lines().find(|line| line.starts_with(&format!("export {name}='")));
        assert!(line.is_some_and(|line| line.ends_with('\'')), "{name}: {env}");
    }
    assert_eq!(env.lines().count(), 12, "{env}");
    for file in ["eventasaurus.db", "trivia_advisor.db", "matching_report.csv", "cdn"] {
        assert!(dir.join("sb").join(file).exists(), "{file}");
    }
    // 10, because a venue of each country holds something that is no array.
    let (code, said) = sourced(dir, "migrate --country Poland --yes");
    assert!(code == Some(10) && said.contains("is finished"), "{code:?} {said}");

    // Others may write to its databases, whatever it is doing itself.
    for file in ["eventasaurus.db", "trivia_advisor.db"] {
        let db = rusqlite::Connection::open(dir.join("sb").join(file)).unwrap();
        db.busy_timeout(Duration::ZERO).unwrap();
        db.execute_batch("BEGIN EXCLUSIVE; UPDATE venues SET name = name; COMMIT").unwrap();
    }
    assert_eq!(sandbox.stop("-TERM"), Some(0));
    let (code, said) = sourced(dir, "migrate --country Germany --yes --patience 0");
    assert_eq!(code, Some(11), "nobody is there now: {said}");

    let again = Foreground::start(dir, &[]);
    assert_eq!(std::fs::read_to_string(dir.join("sb/env")).unwrap(), env, "the old ports, and all else");
    let (code, said) = sourced(dir, "resume");
    assert!(code == Some(10) && said.contains("(migrate Germany) is finished"), "{code:?} {said}");
    assert!(said.contains("5 of 5 images"), "whoever resumes is told how far it is: {said}");
    let (code, said) = sourced(dir, "rollback --country Poland --yes");
    assert!(code == Some(0) && said.contains("1 of 1 venues restored."), "{said}");
    assert_eq!(again.stop("-INT"), Some(0));
}

#[test]
fn c14_a_directory_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], says: &str| {
        let output = program(dir.path(), &[&["sandbox", "--dir", "sb"], args].concat()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(says), "{:?} {said}", output.status);
    };
    std::fs::create_dir(dir.path().join("sb")).unwrap();
    std::fs::write(dir.path().join("sb/thesis.txt"), "years of work").unwrap();
    refused(&[], "is no whole sandbox");
    let left: Vec<_> = std::fs::read_dir(dir.path().join("sb")).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing was put beside it: {left:?}");
    std::fs::remove_file(dir.path().join("sb/thesis.txt")).unwrap();
    assert_eq!(Foreground::start(dir.path(), &[]).stop("-TERM"), Some(0));
    refused(&["--venues", "4", "--seed", "2"], "holds a sandbox of seed 1 with 4 venues");
    refused(&["--venues", "5"], "holds a sandbox of seed 1 with 4 venues");
}
