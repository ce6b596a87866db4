//! What a plain user is told about what is root's or another's: things that this user can do (requirement S5).

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kill::hand::VENUES;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// The user who runs the program, and another one.
pub(super) const USER: u32 = 65_533;
const ANOTHER: u32 = 65_534;
const ROOT: u32 = 0;

/// A directory of the user's own, with a ledger and a program in reach.
pub(super) struct Plain {
    pub(super) place: tempfile::TempDir,
    at: Workplace,
}

impl Plain {
    /// `None` where nobody can be made another user.
    pub(super) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("NOT RUN: only root can be another user");
            return None;
        }
        let (place, at) = (tempfile::tempdir().unwrap(), Workplace::new(Kind::Sqlite, VENUES));
        at.run(&["migrate", "--country", "PL", "--yes"]).code(0);
        mode(place.path(), 0o755);
        fs::copy(env!("CARGO_BIN_EXE_longshore"), place.path().join("longshore")).unwrap();
        let plain = Self { place, at };
        fs::create_dir(plain.dir()).unwrap();
        chown(plain.dir(), Some(USER), Some(USER)).unwrap();
        Some(plain)
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.place.path().join("rollout")
    }

    /// A copy of a ledger, as somebody's.
    fn ledger(&self, owner: u32, bits: u32) -> PathBuf {
        self.ledger_in(&self.dir(), owner, bits)
    }

    pub(super) fn ledger_in(&self, dir: &Path, owner: u32, bits: u32) -> PathBuf {
        let ledger = dir.join("longshore.production.ledger");
        fs::copy(self.at.ledger(), &ledger).unwrap();
        mode(&ledger, bits);
        chown(&ledger, Some(owner), None).unwrap();
        ledger
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    /// The same with the settings of the sandbox, in which this user may write.
    fn run_on_its_database(&self, args: &[&str]) -> Ran {
        mode(&self.at.sandbox_dir(), 0o777);
        for file in fs::read_dir(self.at.sandbox_dir()).unwrap().map(|file| file.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap();
            if name.starts_with("eventasaurus.db") && !name.ends_with(".lock") {
                mode(&file, 0o666);
            }
        }
        let settings: Vec<_> =
            self.at.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.run_with(args, &settings)
    }

    fn run_with(&self, args: &[&str], settings: &[(&str, &str)]) -> Ran {
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"]);
        command.arg(self.place.path().join("longshore")).args(args).current_dir(self.dir()).env_clear();
        command.envs(settings.iter().copied());
        command.env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
        Ran::new(args, command.output().unwrap())
    }

    /// The lines of `doctor` about the ledger: what it found and what it advises.
    fn doctor(&self, args: &[&str]) -> Vec<(String, String)> {
        let ran = self.run(&[&["doctor", "--format", "json"], args].concat()).code(13);
        let answer = ran.json();
        let lines = answer["checks"].as_array().unwrap().iter().filter(|line| line["check"] == "ledger");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        lines.map(|line| (text(&line["found"]), text(&line["advice"]))).collect()
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn s5_what_is_roots_is_closed_by_root_and_nobody_else_is_told_to() {
    let Some(plain) = Plain::new() else { return };
    let env = plain.dir().join(".env");
    fs::write(&env, "# nothing\n").unwrap();
    mode(&env, 0o666);
    let ran = plain.run(&["countries"]).code(2).says("may be written to by others (mode 0666)");
    assert!(!ran.stderr.contains("chmod"), "{ran}");
    ran.says("with the settings exported");
    fs::remove_file(env).unwrap();
    plain.ledger(ROOT, 0o666);
    let ran = plain.run(&["ledger", "checkpoint"]).code(2).says("may be written to by others (mode 0666)");
    ran.says("have root close it (chmod go-w ");
    plain.ledger(ROOT, 0o644);
    for (found, advice) in plain.doctor(&[]) {
        assert!(!advice.starts_with("chmod"), "{found}: {advice}");
    }
    plain.ledger(USER, 0o644);
    assert!(plain.doctor(&[]).iter().any(|(_, advice)| advice.starts_with("chmod 600")));
}

#[test]
fn s5_doctor_tells_of_anothers_ledger_once_and_with_one_advice() {
    let Some(plain) = Plain::new() else { return };
    plain.ledger(ANOTHER, 0o644);
    let lines = plain.doctor(&[]);
    let about: Vec<_> = lines.iter().filter(|(found, _)| found.contains("belongs to another user")).collect();
    assert_eq!(about.len(), 1, "{lines:?}");
    let is_more = |(found, _): &&(String, String)| found.contains("cannot be") || found.contains("mode 0644");
    assert_eq!(lines.iter().filter(is_more).count(), 0, "{lines:?}");
    assert!(!lines.iter().any(|(_, advice)| advice.contains("Give it") || advice.contains("as its owner")));
}

/// A colleague's directory shows whose it is; in one's own, only the file does.
#[test]
fn s5_whoever_reads_anothers_ledger_in_a_directory_of_ones_own_is_told() {
    let Some(plain) = Plain::new() else { return };
    for (owner, is_told) in [(ANOTHER, true), (USER, false), (ROOT, false)] {
        plain.ledger(owner, 0o644);
        for args in [&["status"][..], &["report"], &["log"], &["ledger", "verify"], &["export", "failures"]] {
            let ran = plain.run(args).code(0);
            let note = format!("belongs to another user (uid {ANOTHER}), in a directory of yours");
            assert_eq!(ran.stderr.contains(&note), is_told, "{ran}");
        }
    }
    plain.ledger(ANOTHER, 0o644);
    plain.run(&["ledger", "checkpoint"]).code(2).says("belongs to another user");
}

#[test]
fn s5_a_directory_of_another_user_is_not_taken_over() {
    let Some(plain) = Plain::new() else { return };
    plain.ledger(USER, 0o600);
    chown(plain.dir(), Some(ANOTHER), None).unwrap();
    mode(&plain.dir(), 0o755);
    let ran = plain.run(&["ledger", "checkpoint"]).code(2).says("is a directory of another user (uid 65534)");
    assert!(!ran.stderr.contains("chown"), "{ran}");
    ran.says("copy it into a directory of your own");
}

#[test]
fn e5_a_place_that_cannot_be_looked_at_is_told_as_that() {
    let Some(plain) = Plain::new() else { return };
    symlink("ring", plain.dir().join("ring")).unwrap();
    let closed = plain.dir().join("un");
    fs::create_dir(&closed).unwrap();
    mode(&closed, 0o700);
    for (ledger, todo) in [("ring", "in a circle"), ("ring/x", "in a circle"), ("un/in/x", "name another")] {
        for args in [&["status"][..], &["ledger", "checkpoint"]] {
            let ran = plain.run(&[args, &["--ledger", ledger]].concat()).code(30);
            let is_untrue =
                ran.stderr.contains("What was written") || ran.stderr.contains("its disk is well");
            assert!(!is_untrue, "{ran}");
            ran.says(todo);
        }
    }
    for ledger in ["ring/x", "un/in/x"] {
        let lines = plain.doctor(&["--ledger", ledger]);
        assert!(!lines.iter().any(|(_, advice)| advice.contains("Make the directory")), "{lines:?}");
    }
    let missing = plain.doctor(&["--ledger", "none/x"]);
    assert!(missing.iter().any(|(_, advice)| advice.contains("Make the directory")), "{missing:?}");
    fs::remove_file(plain.dir().join("ring")).unwrap();
    symlink(".env", plain.dir().join(".env")).unwrap();
    plain.run(&["countries"]).code(2).says("cannot be read").says("ls -l .env");
}

/// A claim's file stays behind, and where a group works on one database it is the next one's to use.
#[test]
fn s5_a_claims_file_that_another_user_left_is_told_before_any_question_and_can_be_taken_away() {
    let Some(plain) = Plain::new() else { return };
    let claim = plain.at.sandbox_dir().join("eventasaurus.db.longshore-DE.lock");
    fs::write(&claim, "somebody").unwrap();
    mode(&claim, 0o600);
    let rm = format!("rm {}", claim.display());
    let ran = plain.run_on_its_database(&["migrate", "--country", "DE"]).code(30).says(&rm);
    assert!(!ran.stderr.contains("This moves") && !ran.stderr.contains("directory of your own"), "{ran}");
    assert!(fs::read_dir(plain.dir()).unwrap().next().is_none(), "no ledger was made: {ran}");
    let doctor = plain.run_on_its_database(&["doctor", "--format", "json"]).code(13);
    assert!(doctor.stdout.contains(&rm), "{doctor}");
    // While somebody holds it, that is told instead, and nobody is to take it away.
    let held = fs::File::open(&claim).unwrap();
    held.lock().unwrap();
    let ran = plain.run_on_its_database(&["migrate", "--country", "DE", "--yes"]);
    assert!(!ran.stderr.contains("rm "), "{ran}");
    ran.says(&format!("process {} of user 0", std::process::id()));
    drop(held);
    let done = Command::new("setpriv")
        .args([&format!("--reuid={USER}"), "--clear-groups", "sh", "-c", &rm])
        .status();
    assert!(done.unwrap().success());
    let ran = plain.run_on_its_database(&["migrate", "--country", "DE", "--yes"]);
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
    assert_eq!(fs::metadata(&claim).unwrap().uid(), USER);
}

/// Whatever names the place: a run, the report of a `populate`, the files that a comparison found.
#[test]
fn s5_a_claims_file_that_another_user_left_is_told_before_every_verbs_question() {
    let Some(plain) = Plain::new() else { return };
    let claim = plain.at.sandbox_dir().join("eventasaurus.db.longshore-DE.lock");
    let left_by_another = || {
        let _own = fs::remove_file(&claim);
        fs::write(&claim, "somebody").unwrap();
        mode(&claim, 0o600);
    };
    let told = |args: &[&str]| {
        let ran = plain.run_on_its_database(args).code(30).says(&format!("rm {}", claim.display()));
        assert!(!ran.stderr.contains("This ") && !ran.stderr.contains("goes on"), "{ran}");
    };
    let run = plain.run_on_its_database(&[
        "migrate",
        "--country",
        "DE",
        "--limit",
        "2",
        "--yes",
        "--format",
        "json",
    ]);
    let run = run.json()["runs"][0]["run"].to_string();
    left_by_another();
    told(&["rollback", "--run", &run]);
    told(&["rollback", "--country", "DE"]);
    fs::remove_file(&claim).unwrap();
    plain.run_on_its_database(&["rollback", "--run", &run, "--yes"]).code(0);
    left_by_another();
    told(&["reconcile", "--delete-orphans"]);
    fs::remove_file(&claim).unwrap();
    plain.run_on_its_database(&["reconcile", "--delete-orphans", "--yes"]).says("files deleted.");
}
