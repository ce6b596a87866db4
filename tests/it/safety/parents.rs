//! A ledger whose directory lies below one that others may write to is refused, and what is told then gets it to where it can be
//! used: what root types does, and so does what this user types without root (requirement S5).

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ledger::store::private::quoted;

use super::roots::{Plain, USER};
use crate::support::program::Ran;

/// Two other users.
pub(super) const ANOTHER: u32 = 65_534;
const COLLEAGUE: u32 = 4_242;
pub(super) const LEDGER: &str = "longshore.production.ledger";
pub(super) const STATUS: &str = "longshore status";
pub(super) const CHECKPOINT: &str = "longshore ledger checkpoint";

pub(super) fn made(dir: PathBuf, owner: u32, bits: u32) -> PathBuf {
    fs::create_dir_all(&dir).unwrap();
    chown(&dir, Some(owner), Some(USER)).unwrap();
    mode(&dir, bits);
    dir
}

pub(super) fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
}

/// Runs a script in a directory by way of another program, which may make it another user.
pub(super) fn by(plain: &Plain, wrapped: &[&str], (dir, home): (&Path, &Path), script: &str) -> Ran {
    let path = format!("{}:{}", plain.place.path().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("timeout");
    command.arg("60").args(wrapped).args(["bash", "-c", script]).current_dir(dir);
    command.env_clear().env("PATH", path).env("HOME", home).stdin(Stdio::null());
    Ran::new(&[script], command.output().unwrap())
}

const AS_USER: [&str; 4] = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"];

pub(super) fn user(plain: &Plain, at: (&Path, &Path), script: &str) -> Ran {
    by(plain, &AS_USER, at, script)
}

/// What is told to be typed, from some words on to others.
#[track_caller]
pub(super) fn typed(ran: &Ran, from: &str, to: &str) -> String {
    let rest = ran.stderr.split_once(from).unwrap_or_else(|| panic!("{from}: {ran}")).1;
    rest.split(to).next().unwrap().to_owned()
}

pub(super) const COPY: &str = "and go on with the copy alone: ";

#[test]
fn s5_below_a_directory_that_a_group_may_write_a_home_has_two_ways_out() {
    let Some(plain) = Plain::new() else { return };
    let homes = made(plain.place.path().join("ho'mes"), 0, 0o2775);
    let home = made(homes.join("me"), USER, 0o700);
    let at = (&*home, &*home);
    plain.ledger_in(&home, USER, 0o600);
    let (mut root, mut copy) = (String::new(), String::new());
    for command in [STATUS, CHECKPOINT] {
        let ran = user(&plain, at, command).code(2).says("(mode 2775)");
        // It lies below the same directory.
        assert!(!ran.stderr.contains("~/"), "{ran}");
        root = typed(&ran, "Have root type: ", ". Then");
        copy = typed(&ran, COPY, "\n");
    }
    // That place is everybody's, and this test's is another.
    let elsewhere = made(plain.place.path().join("tmp"), 0, 0o1777);
    assert!(copy.contains("/var/tmp/rollout"), "{copy}");
    let copy = copy.replace("/var/tmp", elsewhere.to_str().unwrap());
    user(&plain, at, &format!("umask 002; {copy} && {STATUS} && {CHECKPOINT}")).code(0);
    assert_eq!(
        fs::metadata(elsewhere.join("rollout").join(LEDGER)).unwrap().permissions().mode() & 0o777,
        0o600
    );
    by(&plain, &[], at, &root).code(0);
    user(&plain, at, &format!("{STATUS} && {CHECKPOINT}")).code(0);
}

/// As a volume is that Kubernetes gives to a group, an `emptyDir`, or Debian's `/var/local`.
#[test]
fn s5_on_a_volume_that_others_may_write_a_ledger_gets_a_directory_of_its_own() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o700);
    for bits in [0o2775, 0o777] {
        let volume = made(plain.place.path().join(format!("volume{bits:o}")), 0, bits);
        let at = (&*volume, &*home);
        plain.ledger_in(&volume, USER, 0o600);
        let ran = user(&plain, at, STATUS).code(2).says(&format!("(mode {bits:04o})"));
        let (root, copy) = (typed(&ran, "Have root type: ", ". Then"), typed(&ran, COPY, "\n"));
        // Without root: a copy at home, and what others have put in the place of the ledger is not taken.
        let ledger = volume.join(LEDGER);
        chown(&ledger, Some(ANOTHER), None).unwrap();
        mode(&ledger, 0o644);
        assert_ne!(user(&plain, at, &copy).code, Some(0), "{copy}");
        assert!(!home.join("rollout").exists(), "{copy}");
        chown(&ledger, Some(USER), None).unwrap();
        mode(&ledger, 0o600);
        user(&plain, at, &format!("{copy} && {STATUS} && {CHECKPOINT}")).code(0);
        fs::remove_dir_all(home.join("rollout")).unwrap();
        // With the sticky bit this user makes a directory on the volume. What another has put there is left.
        let planted = made(volume.join("rollout"), ANOTHER, 0o777);
        assert_eq!(root, format!("chmod +t {}", volume.display()));
        by(&plain, &[], at, &root).code(0);
        let ran = user(&plain, at, STATUS).code(2);
        assert!(!ran.stderr.contains("root type"), "{ran}");
        let own = volume.join("rollout-2");
        user(&plain, at, &format!("{} && {STATUS} && {CHECKPOINT}", typed(&ran, COPY, "\n"))).code(0);
        assert!(own.join(LEDGER).exists() && fs::read_dir(&planted).unwrap().next().is_none(), "{ran}");
        // What is there by now is told.
        user(&plain, at, STATUS).code(2).says(&format!("{LEDGER} is in {} already", own.display()));
        // One that was made in it beforehand needs nothing but the sticky bit.
        mode(&volume, bits);
        let inside = (&*own, &*home);
        let ran = user(&plain, inside, CHECKPOINT).code(2).says(&format!("(mode {bits:04o})"));
        by(&plain, &[], inside, &typed(&ran, "Have root type: ", ". Then")).code(0);
        user(&plain, inside, &format!("{STATUS} && {CHECKPOINT}")).code(0);
    }
}

/// Nobody can go to where the same would be refused: where no home is known, and where it is not this user's to write.
#[test]
fn s5_a_directory_is_named_only_where_it_can_be_made() {
    let Some(plain) = Plain::new() else { return };
    let open = made(plain.place.path().join("open"), 0, 0o777);
    let (roots, none) = (made(plain.place.path().join("roots"), 0, 0o755), plain.place.path().join("none"));
    for home in [&roots, &none, &open] {
        let ran = user(&plain, (&open, home), "longshore doctor --format json");
        assert!(!ran.stdout.contains("~/") && ran.stdout.contains("mkdir -m 700 /var/tmp/rollout"), "{ran}");
    }
}

/// Root outside, and everybody else outside, have one number inside. That is told, and no directory below theirs is named.
#[test]
fn s5_in_a_user_namespace_nobody_is_taken_for_this_user() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o700);
    plain.ledger_in(&home, USER, 0o600);
    let inside = |how: &str, dir: &Path, script: &str| {
        by(&plain, &[&AS_USER[..], &["unshare", how]].concat(), (dir, &home), script)
    };
    if inside("-Ur", &home, "true").code != Some(0) {
        eprintln!("NOT RUN: this system makes no user namespaces for plain users");
        return;
    }
    for (how, script) in [("-Ur", CHECKPOINT), ("-U", CHECKPOINT), ("-U", "longshore doctor --format json")] {
        let ran = inside(how, &home, script);
        assert!(matches!(ran.code, Some(2 | 13)), "{ran}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("who has no number in this user namespace"), "{ran}");
        assert!(said.contains("outside of the user namespace") && !said.contains("mkdir"), "{ran}");
    }
    // Without a number of its own this user is shown as the owner of what is anybody's.
    let theirs = made(plain.place.path().join("theirs"), COLLEAGUE, 0o755);
    fs::write(theirs.join(".env"), "# planted\n").unwrap();
    chown(theirs.join(".env"), Some(COLLEAGUE), None).unwrap();
    inside("-U", &theirs, "longshore countries").code(2).says("the .env in this directory is not taken");
    user(&plain, (&home, &home), CHECKPOINT).code(0);
}

/// The way to a link is gone once more when SQLite opens the ledger.
#[test]
fn s5_a_link_to_a_ledger_lies_below_no_directory_that_others_may_write() {
    let Some(plain) = Plain::new() else { return };
    let real = made(plain.place.path().join("real"), USER, 0o700);
    plain.ledger_in(&real, USER, 0o600);
    let open = made(plain.place.path().join("open"), USER, 0o777);
    let app = made(open.join("app"), USER, 0o700);
    std::os::unix::fs::symlink(&real, app.join("current")).unwrap();
    let script = format!("{CHECKPOINT} --ledger current/{LEDGER}");
    let at = (&*app, &*real);
    let ran =
        user(&plain, at, &script).code(2).says("open is a directory that others may write to (mode 0777)");
    user(&plain, at, &format!("chmod go-w {}", typed(&ran, "chmod go-w ", "\n"))).code(0);
    user(&plain, at, &script).code(0);
}

/// With a umask of 002 all that one makes is open, each directory below the other.
#[test]
fn s5_all_directories_that_a_umask_of_002_has_opened_are_closed_by_one_command() {
    let Some(plain) = Plain::new() else { return };
    let home = made(plain.place.path().join("home"), USER, 0o755);
    let (projects, releases) =
        (made(home.join("projects"), USER, 0o2775), made(home.join("releases"), USER, 0o775));
    let app = made(projects.join("a p"), USER, 0o775);
    let own = made(app.join("rollout"), USER, 0o775);
    let ledger = plain.ledger_in(&own, USER, 0o664);
    std::os::unix::fs::symlink(&own, releases.join("current")).unwrap();
    let link = releases.join("current");
    for (dir, all) in [(&own, &[&own, &app, &projects][..]), (&link, &[&releases, &own, &app, &projects])] {
        for open in all {
            mode(open, 0o775);
        }
        mode(&ledger, 0o664);
        let script = format!("{CHECKPOINT} --ledger '{}/{LEDGER}'", dir.display());
        let ran = user(&plain, (&own, &home), &script).code(2).says("(mode 0775)");
        let closes = format!("chmod go-w {}", typed(&ran, "chmod go-w ", "\n"));
        // The upper ones first: until these are closed, others can exchange a lower one.
        let at = |dir: &Path| closes.find(&quoted(dir)).unwrap();
        assert!(at(&projects) < at(&app) && at(&app) < at(&own), "{closes}");
        user(&plain, (&own, &home), &closes).code(0);
        user(&plain, (&own, &home), &script).code(0);
        assert_eq!(fs::metadata(&home).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
