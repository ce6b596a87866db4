//! What steers this program and is only read: settings.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::named::open_regular_with;
use super::{
    Refused, check_directory, check_exclusive, check_held, check_link, check_trusted, one_name, quoted,
};

/// As many links as the system follows for one name.
const LINKS_MAX: usize = 40;

/// Opens a file to read what steers this program, such as settings: only this user or root may be able to write it, or
/// to put another file in its place. Links that this user or root has made are followed, as deployments make them; each
/// of them, and what they lead to, lies in a directory that is held to the same.
///
/// # Errors
/// Those of the file system; a [`Refused`] where others have a hand in it.
pub fn open_trusted(path: &Path) -> io::Result<File> {
    let path = &end_of(path)?;
    check_directory(path)?;
    // The last part was no link a moment ago; it is followed no more.
    let file = open_regular_with(path, OFlags::NOFOLLOW)?;
    let about = file.metadata()?;
    check_trusted(path, &about)?;
    if about.nlink() > 1 {
        let why = format!(
            "has {} names (hard links), so that it may be a file of another place, which others have put here",
            about.nlink()
        );
        // Whoever may make files here could have prepared something for a copy.
        let advice = match check_exclusive(path) {
            Ok(()) => format!("Give it one name of its own: {}", one_name(&quoted(path))),
            Err(open) => {
                Refused::of(&open).map_or_else(|| "Name another file".to_owned(), |it| it.advice().to_owned())
            }
        };
        return Err(Refused::error(path, why, advice));
    }
    Ok(file)
}

/// What a name leads to, part by part, where nobody else can have changed any of the links on the way: each is this user's
/// or root's, and lies in a directory in which nobody else can exchange it.
///
/// # Errors
/// Those of the file system; a [`Refused`] where somebody can.
pub(super) fn end_of(path: &Path) -> io::Result<PathBuf> {
    end_for(path, path)
}

/// The same on the way to a file, about which it is told what to do.
pub(super) fn end_for(path: &Path, file: &Path) -> io::Result<PathBuf> {
    followed(path, |at, link| {
        check_held(at, file)?;
        check_link(link)
    })
}

/// What a name leads to, where each link on the way passes: it is given, and the directory in which it lies.
pub(super) fn followed(
    path: &Path,
    mut passes: impl FnMut(&Path, &Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let parts = |path: &Path| -> Vec<OsString> {
        path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
    };
    // From where the system begins: a working directory that was removed, or that has no name for this user, stands in the
    // way of no other name.
    let (mut at, mut rest, mut links) = (PathBuf::new(), parts(path), 0);
    while let Some(part) = rest.pop() {
        if part == "." {
            continue;
        }
        let next = at.join(part);
        if !next.symlink_metadata()?.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(rustix::io::Errno::LOOP.into());
        }
        passes(or_dot(&at), &next)?;
        rest.extend(parts(&next.read_link()?));
    }
    // As it was named, where it can be: messages repeat it.
    Ok(if links == 0 { path.to_owned() } else { at })
}

/// Opens a directory where a name leads by [`end_of`]. It is gone to part by part, and no link is followed any more: one that
/// somebody puts on the way meanwhile is an error.
///
/// # Errors
/// As [`end_of`].
pub(super) fn reached(dir: &Path) -> io::Result<OwnedFd> {
    let end = end_of(or_dot(dir))?;
    // To search it is enough, as for the system.
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let from = if end.is_absolute() { "/" } else { "." };
    let mut at = rustix::fs::open(from, how, Mode::empty())?;
    for part in end.components() {
        if matches!(part, Component::Normal(_) | Component::ParentDir) {
            at = rustix::fs::openat(&at, part.as_os_str(), how, Mode::empty())?;
        }
    }
    Ok(at)
}

/// Where a name without a directory is looked for.
pub(super) fn or_dot(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, hard_link, remove_file, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::tests::why;
    use super::*;

    fn mode(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn s5_settings_are_read_where_this_user_or_root_alone_can_have_written_them() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        assert_eq!(open_trusted(&file).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(&file, "A=1").unwrap();
        symlink(&file, &link).unwrap();
        for path in [&file, &link] {
            mode(&file, 0o644);
            assert_eq!(io::read_to_string(open_trusted(path).unwrap()).unwrap(), "A=1");
            mode(&file, 0o646);
            assert_eq!(why(open_trusted(path)), "may be written to by others (mode 0646)");
        }
        assert_eq!(why(open_trusted(dir.path())), "is no regular file");
        remove_file(&file).unwrap();
        symlink("link", &file).unwrap();
        assert!(open_trusted(&link).is_err(), "links in a ring have no end");
    }

    #[test]
    fn s5_settings_are_not_read_where_others_can_put_another_file_in_their_place() {
        let dir = tempfile::tempdir().unwrap();
        let (own, shared) = (dir.path().join("own"), dir.path().join("shared"));
        create_dir(&own).unwrap();
        create_dir(&shared).unwrap();
        for (place, name) in [(&own, "set"), (&shared, "set")] {
            std::fs::write(place.join(name), "A=1").unwrap();
            mode(&place.join(name), 0o600);
        }
        symlink(own.join("set"), shared.join("out")).unwrap();
        symlink("../shared/set", own.join("in")).unwrap();
        symlink("in", own.join("twice")).unwrap();
        let all = [shared.join("set"), shared.join("out"), own.join("in"), own.join("twice")];
        for path in &all {
            assert_eq!(io::read_to_string(open_trusted(path).unwrap()).unwrap(), "A=1");
        }
        for open_to in [0o770, 0o777] {
            mode(&shared, open_to);
            for path in &all {
                let said = why(open_trusted(path));
                assert_eq!(said, format!("is a directory that others may write to (mode {open_to:04o})"));
            }
        }
        open_trusted(&own.join("set")).unwrap();
        assert_eq!(open_trusted(&shared.join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        // In a directory like /tmp nobody takes away what is another's.
        mode(&shared, 0o1777);
        open_trusted(&shared.join("set")).unwrap();
    }

    #[test]
    fn s5_settings_are_not_read_by_a_directory_that_others_can_exchange() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["app", "first", "second", "shared"] {
            create_dir(at(name)).unwrap();
        }
        for name in ["first/set", "second/set"] {
            std::fs::write(at(name), "A=1").unwrap();
            mode(&at(name), 0o600);
        }
        // As deployments and Kubernetes have it: a link into a directory that is a link itself.
        symlink("../first", at("shared/current")).unwrap();
        symlink("../shared/current/set", at("app/set")).unwrap();
        symlink("shared/current", at("way")).unwrap();
        let all = [at("app/set"), at("shared/current/set"), at("way/set"), at("way/../first/set")];
        let ledgers = [at("shared/current/a.ledger"), at("way/a.ledger")];
        let all_taken = || {
            for path in &all {
                assert_eq!(io::read_to_string(open_trusted(path).unwrap()).unwrap(), "A=1");
            }
            for ledger in &ledgers {
                super::super::check_ledger(ledger).unwrap();
                check_directory(ledger).unwrap();
            }
        };
        all_taken();
        for open_to in [0o770, 0o777] {
            mode(&at("shared"), open_to);
            let said = format!("is a directory that others may write to (mode {open_to:04o})");
            for path in &all {
                assert_eq!(why(open_trusted(path)), said, "{path:?}");
            }
            for ledger in &ledgers {
                assert_eq!(why(super::super::check_ledger(ledger)), said, "{ledger:?}");
                assert_eq!(why(check_directory(ledger)), said, "{ledger:?}");
            }
        }
        mode(&at("shared"), 0o1777);
        all_taken();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(at("shared/current"), Some(65_534), None).unwrap();
            for path in &all {
                assert_eq!(why(open_trusted(path)), "is a symbolic link of another user (uid 65534)");
            }
        }
        symlink("ring", at("ring")).unwrap();
        assert!(open_trusted(&at("ring/set")).is_err());
    }

    #[test]
    fn s5_what_cannot_be_looked_at_is_not_taken_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        symlink("ring", at("ring")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        let (long, too_long) = ("x".repeat(200), "x".repeat(300));
        // More than a name may be long by the time that its links are followed.
        symlink(format!("{long}/").repeat(19), at("far")).unwrap();
        for name in ["ring/a", "file/a/b", "none/a", &format!("{too_long}/a"), "far/a"] {
            assert!(check_directory(&at(name)).is_err(), "{name}");
            assert!(super::super::check_ledger(&at(name)).is_err(), "{name}");
        }
        // A ledger that is not there yet is no trouble, and one behind links without an end is.
        super::super::check_ledger(&at("new")).unwrap();
        assert!(super::super::check_ledger(&at("ring")).is_err());
        assert!(
            super::super::in_others_hands(&at("none"), &std::fs::File::open(at("file")).unwrap())
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn s5_settings_with_a_second_name_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let (file, second) = (dir.path().join("file"), dir.path().join("second"));
        std::fs::write(&file, "A=1").unwrap();
        mode(&file, 0o600);
        hard_link(&file, &second).unwrap();
        for path in [&file, &second] {
            assert!(why(open_trusted(path)).starts_with("has 2 names (hard links)"));
        }
        remove_file(&second).unwrap();
        open_trusted(&file).unwrap();
    }
}
