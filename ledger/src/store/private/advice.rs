//! What to do about a file that is refused.

use std::path::Path;

use super::leads_to;

/// What the names of files end with that are made anew at will.
pub(super) const MADE: [&str; 3] = [".lock", ".new", ".sock"];
/// What the names of SQLite's own files beside a database end with.
const SQLITES: [&str; 3] = ["-wal", "-journal", "-shm"];

pub(super) fn is_named(path: &Path, endings: &[&str]) -> bool {
    let name = path.as_os_str().as_encoded_bytes();
    endings.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// What to do about what is there in the place of a file. Only what is made anew at will is to be deleted: the newest
/// events may be in SQLite's files alone, and a flag may name anything.
pub(super) fn away(path: &Path) -> String {
    let name = quoted(path);
    if is_named(path, &MADE) {
        return match path.symlink_metadata() {
            Ok(about) if about.is_symlink() => {
                format!("See where it leads, and take away the link, not what it leads to: rm {name}")
            }
            Ok(about) if about.is_dir() => {
                format!("See what is in it, and move it away: mv {name} {name}.old")
            }
            _ => format!("See what it is, and take it away: rm {name}"),
        };
    }
    if is_named(path, &[".spool"]) {
        return format!(
            "Nothing in it is missed. Move it out of the way: mv {name} {}",
            quoted(&path.with_extension("spool.old"))
        );
    }
    if !is_named(path, &SQLITES) {
        return match leads_to(path) {
            Some(to) => format!("Name another file, or what it leads to itself: {}", quoted(&to)),
            None => "Name another file".to_owned(),
        };
    }
    let ledger = path.to_string_lossy();
    let ledger = SQLITES.iter().find_map(|ending| ledger.strip_suffix(ending)).unwrap_or_default();
    let ledger = quoted(Path::new(ledger));
    format!(
        "Do not delete it: it may hold the newest events. While no run goes on, make copies that have one name each, of it and \
         of the ledger: for f in {ledger} {name}; do cp -p \"$f\" \"$f.own\" && mv \"$f.own\" \"$f\"; done"
    )
}

/// A path as a shell reads it back.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_bare = |c: char| c.is_alphanumeric() || "-_./,:@%+".contains(c);
    if text.chars().all(is_bare) { text } else { format!("'{}'", text.replace('\'', r#"'"'"'"#)) }
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
        let wal = away(&beside("-wal"));
        assert!(
            wal.contains("Do not delete it")
                && wal.contains("/d/longshore.dev.ledger /d/longshore.dev.ledger-wal"),
            "{wal}"
        );
        assert!(away(&beside(".lock")).ends_with("rm /d/longshore.dev.ledger.lock"));
    }
}
