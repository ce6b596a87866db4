//! What lies on the disk is the user's alone, whatever the umask (requirement S5).

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use longshore::sandbox::faults::Fault;

use crate::kill::hand::{Going, VENUES, migrate};
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

/// The program, where the shell lets new files be everybody's.
fn carelessly(at: &Workplace, args: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 000 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_longshore")]).args(args);
    shell.current_dir(at.work()).env_clear().envs(&at.settings);
    shell.stdin(std::process::Stdio::null());
    shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    shell
}

fn run(at: &Workplace, args: &[&str]) -> Ran {
    Ran::new(args, carelessly(at, args).output().unwrap())
}

/// Sees that everything below a directory is private, and gives the names of what was seen.
#[track_caller]
fn all_private(dir: &Path) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        // What is gone again, as drafts and finished images are, was there for nobody.
        let Ok(found) = path.symlink_metadata() else { continue };
        let (mode, kind) = (found.permissions().mode() & 0o777, found.file_type());
        let private = if kind.is_dir() || kind.is_socket() { 0o700 } else { 0o600 };
        assert_eq!(mode, private, "{} has mode {mode:04o}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        seen.insert(if kind.is_socket() { format!("socket {name}") } else { name });
        if kind.is_dir() {
            seen.extend(all_private(&path));
        }
    }
    seen
}

#[test]
fn s5_everything_a_run_leaves_is_the_users_alone_also_while_it_goes_on() {
    let at = Workplace::new(Kind::Sqlite, VENUES);
    std::fs::set_permissions(at.work(), std::fs::Permissions::from_mode(0o755)).unwrap();
    at.sandbox.faults.inject("upload", 3, 1_000, Fault::Delay(Duration::from_millis(200)));
    let mut going = Going::spawn(carelessly(&at, &migrate()), &migrate());
    going.reach("its fourth upload", || at.requests("upload") >= 4);
    let during = all_private(&at.work());
    let ledger = "longshore.production.ledger";
    for name in [
        ledger.to_owned(),
        format!("{ledger}-wal"),
        format!("{ledger}-shm"),
        format!("{ledger}.lock"),
        format!("{ledger}.spool"),
        format!("socket {ledger}.sock"),
    ] {
        assert!(during.contains(&name), "{name} is not there: {during:?}");
    }
    let is_spooled = |name: &String| name.len() == 64 || name.starts_with("draft-");
    assert!(during.iter().any(is_spooled), "no image is on its way: {during:?}");
    at.sandbox.faults.clear();
    // One image of the sandbox is lost.
    going.end().code(10);

    run(&at, &["migrate", "--country", "PL", "--yes", "--out", "files"]).code(0);
    run(&at, &["plan", "--country", "DE", "--out", "saved.plan"]).code(0);
    for (format, file) in [("json", "a.json"), ("csv", "a.csv"), ("markdown", "a.md"), ("html", "a.html")] {
        run(&at, &["audit", "--format", format, "-o", file]).code(0);
    }
    run(&at, &["report", "-o", "report"]).code(0);
    run(&at, &["export", "rollback-data", "-o", "data.json"]).code(0);
    run(&at, &["ledger", "backup", "copy.ledger"]).code(0);
    run(&at, &["rollback", "--country", "PL", "--yes"]).code(0);
    let left = all_private(&at.work());
    for name in ["files", "saved.plan", "a.json", "a.html", "report", "data.json", "copy.ledger"] {
        assert!(left.contains(name), "{name} is not there: {left:?}");
    }
    assert!(left.len() >= 13, "the run's three files are among them: {left:?}");
    // The claims lie beside the database, which is the sandbox's.
    let beside = std::fs::read_dir(at.sandbox_dir()).unwrap().map(|entry| entry.unwrap().path());
    let claims: Vec<_> = beside.filter(|path| path.to_string_lossy().contains(".longshore-")).collect();
    assert!(!claims.is_empty());
    for claim in claims {
        assert_eq!(claim.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", claim.display());
    }
}

#[test]
fn s5_a_sandbox_is_the_users_alone() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let mut going =
        Going::spawn(carelessly(&at, &["sandbox", "--dir", "box", "--venues", "4"]), &["sandbox"]);
    let dir = at.work().join("box");
    going.reach("its settings", || dir.join("env").exists());
    let made = all_private(&dir);
    for name in ["env", "sandbox.json", "eventasaurus.db", "cdn"] {
        assert!(made.contains(name), "{name} is not there: {made:?}");
    }
    going.signal("TERM");
    going.end().code(0);
}
