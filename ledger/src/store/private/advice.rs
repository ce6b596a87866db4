//! What to do about a file that is refused.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{ROOT, STICKY, beside, is_own_file, leads_to, or_dot, quoted, user};

/// What the names of files end with that are made anew at will.
pub(super) const MADE: [&str; 3] = [".lock", ".new", ".sock"];
/// What the names of SQLite's own files beside a database end with.
const SQLITES: [&str; 3] = ["-wal", "-journal", "-shm"];

/// The way out where nothing is to be done about a file.
pub(super) const OWN: &str =
    "work in a directory of your own, with a copy of a ledger that is here, of which a new one knows nothing";

pub(super) fn is_named(path: &Path, endings: &[&str]) -> bool {
    let name = path.as_os_str().as_encoded_bytes();
    endings.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// What gives each of some files, named as a shell reads them, one name of its own. The copy is made under a name that nobody
/// has, is private from the start, and replaces nothing but the file.
pub fn one_name(files: &str) -> String {
    format!(
        "for f in {files}; do c=$(mktemp \"$f.XXXXXXXX\") && cat \"$f\" >\"$c\" && mv \"$c\" \"$f\" || break; done"
    )
}

/// What to do about another user's file. Whoever planted it gains by being worked for, and by having it taken over.
pub(super) fn of_another(path: &Path) -> String {
    if is_named(path, &MADE) {
        return match may_move(path) {
            true => format!("While nobody else works with it, take it away: rm {}", quoted(path)),
            false => format!("Let its owner take it away, or {OWN}"),
        };
    }
    if !is_named(path, &SQLITES) {
        return format!("Name another file, or {OWN}");
    }
    if !may_move(path) {
        return "Do not take it over, and do not begin a new ledger: have its owner or root see what it is"
            .to_owned();
    }
    format!(
        "It may hold what its owner wants to be the newest events. Do not take it over, and do not delete it. If nobody else \
         has ever run anything on this ledger, move it away: {}",
        aside(path)
    )
}

/// What gives a file a name that nothing has: what was moved away before may hold the newest events.
fn aside(path: &Path) -> String {
    let mut free = beside(path, ".old");
    let mut n = 1;
    while free.symlink_metadata().is_ok() {
        n += 1;
        free = beside(path, &format!(".old-{n}"));
    }
    format!("mv -n {} {}", quoted(path), quoted(&free))
}

/// Whether this user may rename or remove what is there.
pub fn may_move(path: &Path) -> bool {
    let dir = or_dot(path.parent().unwrap_or(Path::new(""))).metadata();
    let is_ours = |about: &Metadata| about.uid() == user();
    let is_open = |about: &Metadata| about.mode() & STICKY == 0 || is_ours(about);
    user() == ROOT
        || dir.is_ok_and(|dir| is_open(&dir))
        || path.symlink_metadata().is_ok_and(|it| is_ours(&it))
}

/// What to do about what is there in the place of a file. Only what is made anew at will is to be deleted: the newest
/// events may be in SQLite's files alone, and a flag may name anything.
pub(super) fn away(path: &Path) -> String {
    let name = quoted(path);
    if !may_move(path) && is_named(path, &[&MADE[..], &[".spool"], &SQLITES].concat()) {
        return format!(
            "Another user's file is in the way, which you may not take away: have its owner or root do so, or {OWN}"
        );
    }
    if is_named(path, &MADE) {
        return match path.symlink_metadata() {
            Ok(about) if about.is_symlink() => {
                format!("See where it leads, and take away the link, not what it leads to: rm {name}")
            }
            Ok(about) if about.is_dir() => {
                format!("See what is in it, and move it away: {}", aside(path))
            }
            _ => format!("See what it is, and take it away: rm {name}"),
        };
    }
    if is_named(path, &[".spool"]) {
        return format!("Nothing in it is missed. Move it out of the way: {}", aside(path));
    }
    if !is_named(path, &SQLITES) {
        return match leads_to(path, is_own_file) {
            Some(to) => format!("Name another file, or what it leads to itself: {}", quoted(&to)),
            None => "Name another file".to_owned(),
        };
    }
    // Only a file of several names has bytes of SQLite's in it. A pipe would be waited for by a copy, and what a link leads
    // to may be what somebody else wants to be the newest events.
    if !path.symlink_metadata().is_ok_and(|about| about.is_file()) {
        return format!(
            "It is none of SQLite's own files. Do not delete it, and do not copy it: while no run goes on, look at what it is \
             and where it leads (ls -ld {name}), and move it away: {}",
            aside(path)
        );
    }
    let all = path.as_os_str().as_bytes();
    let ledger = SQLITES.iter().find_map(|ending| all.strip_suffix(ending.as_bytes())).unwrap_or_default();
    let ledger = quoted(Path::new(OsStr::from_bytes(ledger)));
    format!(
        "Do not delete it: it may hold the newest events. While no run goes on, make copies that have one name each, of it and \
         of the ledger: {}",
        one_name(&format!("{ledger} {name}"))
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn s5_no_advice_deletes_what_may_hold_events_or_what_a_flag_names() {
        let beside = |ending: &str| PathBuf::from(format!("/d/longshore.dev.ledger{ending}"));
        for ending in ["", "-wal", "-journal", "-shm", ".spool", ".draft"] {
            assert!(!away(&beside(ending)).contains("rm "), "{ending}");
        }
        for named in ["/dev/null", "/tmp", "report.html"] {
            assert!(!away(Path::new(named)).contains("rm "), "{named}");
        }
        assert!(away(&beside(".lock")).ends_with("rm /d/longshore.dev.ledger.lock"));
    }
    #[test]
    fn s5_what_is_advised_about_anothers_file_is_one_sentence_that_can_be_followed() {
        let dir = tempfile::tempdir().unwrap();
        let beside = |ending: &str| dir.path().join(format!("a.ledger{ending}"));
        for ending in [&[""], &MADE[..], &SQLITES].concat() {
            let advice = of_another(&beside(ending));
            assert!(!advice.contains("  "), "{advice}");
        }
        assert!(of_another(&beside(".lock")).ends_with("a.ledger.lock"));
    }

    #[test]
    fn s5_a_log_of_sqlites_is_copied_only_where_it_is_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = dir.path().join("it's");
        let beside = |ending: &str| PathBuf::from(format!("{}{ending}", ledger.display()));
        let typed = |advice: &str, from: &str| advice[advice.rfind(from).unwrap()..].to_owned();
        let sh = |advice: &str| {
            let mut shell = std::process::Command::new("timeout");
            assert!(shell.args(["20", "sh", "-c", advice]).status().unwrap().success(), "{advice}");
        };
        std::fs::write(&ledger, "L").unwrap();
        for ending in SQLITES {
            let (path, earlier) = (beside(ending), beside(&format!("{ending}.old")));
            let old = beside(&format!("{ending}.old-2"));
            std::fs::write(&earlier, "events").unwrap();
            std::fs::write(dir.path().join("planted"), "planted").unwrap();
            for what in ["link", "pipe", "directory"] {
                match what {
                    "link" => std::os::unix::fs::symlink(dir.path().join("planted"), &path).unwrap(),
                    "pipe" => {
                        let pipe = rustix::fs::FileType::Fifo;
                        rustix::fs::mknodat(rustix::fs::CWD, &path, pipe, 0o600.into(), 0).unwrap();
                    }
                    _ => std::fs::create_dir(&path).unwrap(),
                }
                let advice = away(&path);
                assert!(!advice.contains("cp ") && !advice.contains("rm "), "{what}: {advice}");
                sh(&typed(&advice, "mv "));
                assert!(path.symlink_metadata().is_err() && old.symlink_metadata().is_ok(), "{advice}");
                assert_eq!(std::fs::read_to_string(&earlier).unwrap(), "events", "{advice}");
                assert_eq!(std::fs::read_to_string(dir.path().join("planted")).unwrap(), "planted");
                match what {
                    "directory" => std::fs::remove_dir(&old).unwrap(),
                    _ => std::fs::remove_file(&old).unwrap(),
                }
            }
            std::fs::hard_link(dir.path().join("planted"), &path).unwrap();
            let advice = away(&path);
            assert!(advice.contains("Do not delete it"), "{advice}");
            sh(&typed(&advice, "for f in"));
            let about = path.symlink_metadata().unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::nlink(&about), 1, "{advice}");
        }
    }
}
