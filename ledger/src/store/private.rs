//! Files and directories that nobody else can exchange or change: the one way in which anything is made, opened, replaced
//! or removed beside a ledger or where a flag says. The last part of a name is never followed when it is a link, what is new
//! is made anew, and what a file is, is asked of the open file.

mod advice;
mod dir;
mod named;
mod owner;
mod parents;
mod shell;
mod trusted;

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use advice::{OWN, away, of_another};
pub use advice::{may_move, one_name};
pub use dir::Dir;
pub use named::{
    anothers_in_own_directory, check_made, check_socket, check_way, check_writable, in_others_hands,
    is_handed, is_own_file, is_stream, leads_to, open_handed, open_regular, open_stream, open_to_replace,
};
use owner::{of_owner, outside, user};
pub use parents::home_is;
use parents::{Fault, elsewhere, faults};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
pub use shell::{is_plain, quoted, sql, word};
pub use trusted::open_trusted;
use trusted::or_dot;

/// For every open. A pipe that somebody has put there is not waited for.
const SAFE: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
/// Bits of a mode that let others write.
const OTHERS_WRITE: u32 = 0o022;
/// In a directory that has it, only its owner and a file's owner take the file away or rename it.
const STICKY: u32 = 0o1000;
/// Those who may do everything anyway.
const ROOT: u32 = 0;

/// Why something on the disk is not used. It travels in an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{} {why}", path.display())]
pub struct Refused {
    path: PathBuf,
    why: String,
    advice: String,
}

impl Refused {
    /// The refusal in an error, if it is one.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What is refused.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to type, or to do.
    pub fn advice(&self) -> &str {
        &self.advice
    }

    fn error(path: &Path, why: impl Into<String>, advice: impl Into<String>) -> io::Error {
        io::Error::other(Self { path: path.to_owned(), why: why.into(), advice: advice.into() })
    }
}

/// An error with what to do about it, where that is known, for those who tell it in one sentence.
pub fn told(error: &io::Error) -> String {
    match Refused::of(error) {
        Some(refused) => format!("{error}. {}", refused.advice),
        None => error.to_string(),
    }
}

/// Makes a file for this user alone, to be written and read. One that is there is an error of the kind `AlreadyExists`.
///
/// # Errors
/// Those of the file system.
pub fn create(path: &Path) -> io::Result<File> {
    let (dir, name) = place(path)?;
    create_at(dir, name.as_ref())
}

/// The directory that holds what a name stands for, by a way on which nobody else has a hand in a link, and the name in it.
fn place(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    match path.file_name() {
        Some(name) if !path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            Ok((trusted::reached(path.parent().unwrap_or(Path::new("")))?, name))
        }
        _ => Err(Errno::ISDIR.into()),
    }
}

fn create_at(dir: impl AsFd, name: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | SAFE;
    Ok(rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?.into())
}

/// The same in the place of what an earlier process of this user left there. That is never written to: it may have
/// another name elsewhere.
///
/// # Errors
/// Those of the file system; a [`Refused`] where something else is there.
pub fn create_anew(path: &Path) -> io::Result<File> {
    match path.symlink_metadata() {
        Ok(left) if left.is_file() && left.uid() == user() => std::fs::remove_file(path)?,
        Ok(other) => check(path, &other)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    create(path)
}

/// Opens a file of this user that nobody else may write, to read it and to write at its beginning; made where it is missing.
///
/// # Errors
/// Those of the file system; a [`Refused`] where something else is there.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    opened(path, OFlags::RDWR | OFlags::CREATE)
}

/// The same to write at its end.
///
/// # Errors
/// As [`open_or_create`].
pub fn append_or_create(path: &Path) -> io::Result<File> {
    opened(path, OFlags::RDWR | OFlags::CREATE | OFlags::APPEND)
}

/// The same to read it, where it is there.
///
/// # Errors
/// As [`open_or_create`].
pub fn open(path: &Path) -> io::Result<File> {
    opened(path, OFlags::RDONLY)
}

fn opened(path: &Path, how: OFlags) -> io::Result<File> {
    let file = place(path)
        .and_then(|(dir, name)| Ok(rustix::fs::openat(dir, name, how | SAFE, Mode::from_raw_mode(0o600))?));
    match file {
        Ok(file) => {
            let file = File::from(file);
            check(path, &file.metadata()?)?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound || Refused::of(&error).is_some() => Err(error),
        // Why it cannot be opened is told by what is there: a link, a socket, another user's file.
        Err(error) => match path.symlink_metadata() {
            Ok(there) => check(path, &there).and(Err(error)),
            Err(_) => Err(error),
        },
    }
}

/// Removes the socket that an earlier process of this user left at a path; none there is fine.
///
/// # Errors
/// As [`check_socket`].
pub fn remove_socket(path: &Path) -> io::Result<()> {
    check_socket(path)?;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Sees that a ledger can be opened by its name, as SQLite does, and whatever lies beside it: neither its directory nor
/// one of SQLite's files may be in the hand of others.
///
/// # Errors
/// Those of the file system; a [`Refused`] where others have a hand in it.
pub fn check_ledger(path: &Path) -> io::Result<()> {
    check_exclusive(path)?;
    match trusted::end_of(path) {
        // There is none yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        end => drop(end?),
    }
    check_readable(path)?;
    for (name, about) in sqlite_files(path)? {
        check_exclusive(&name)?;
        check_trusted(&name, &about)?;
        check_names(&name, &about)?;
    }
    Ok(())
}

/// Sees that whoever reads a ledger, whosever it is, opens files and nothing else, and none that a third has left beside it
/// while the directory was open: its pages would be read for the ledger's.
///
/// # Errors
/// Those of the file system; a [`Refused`] where something else is there.
pub fn check_beside(path: &Path) -> io::Result<()> {
    check_readable(path)?;
    let owner = path.metadata()?.uid();
    for (name, about) in sqlite_files(path)? {
        if ![owner, user(), ROOT].contains(&about.uid()) {
            return Err(anothers(&name, &about));
        }
        check_names(&name, &about)?;
    }
    Ok(())
}

/// Sees that SQLite opens files and nothing else at the names of a database, whosever it is: it would wait for a pipe for
/// ever.
///
/// # Errors
/// Those of the file system; a [`Refused`] where something else is there.
pub fn check_readable(path: &Path) -> io::Result<()> {
    sqlite_files(path)?.into_iter().try_for_each(|(name, about)| check_kind(&name, &about))
}

/// A ledger, if there is one, and what is there under the names that SQLite gives to the files beside it.
fn sqlite_files(path: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    // They lie beside the ledger itself, not beside a link to it.
    let ledger = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut found = Vec::new();
    for ending in ["", "-wal", "-shm", "-journal"] {
        let name = beside(&ledger, ending);
        match name.symlink_metadata() {
            Ok(about) => found.push((name, about)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Sees that the directory that holds a file is one in which nobody else can exchange it, and that the links on the way to
/// it are in such directories, too.
///
/// # Errors
/// Those of the file system; a [`Refused`] where somebody can.
pub fn check_directory(file: &Path) -> io::Result<()> {
    let dir = trusted::end_for(or_dot(file.parent().unwrap_or(Path::new(""))), file)?;
    check_held(or_dot(&dir), file)
}

/// Sees that nobody else can put a file beside a ledger, or another directory in the place of one above it: SQLite opens what
/// lies beside a database by its name, again and again, so that a look beforehand does not help. With the sticky bit
/// others still make files there.
///
/// # Errors
/// Those of the file system; a [`Refused`] where somebody can.
pub fn check_exclusive(file: &Path) -> io::Result<()> {
    let is_trusted = |uid| [user(), ROOT].contains(&uid);
    check_directory(file)?;
    // The way to it as well: SQLite follows the links once more.
    let followed = trusted::followed(file, |at, _| {
        let dir = at.canonicalize()?;
        refuse(faults_above(&dir, &dir.metadata()?, is_trusted)?, file)
    });
    match followed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        // There is no file yet.
        _ => {}
    }
    check_closed_to(file, is_trusted)
}

/// The same for whoever only reads, who may do so in a directory that is another user's alone.
///
/// # Errors
/// Those of the file system; a [`Refused`] where a third can.
pub fn check_closed(file: &Path) -> io::Result<()> {
    check_closed_to(file, |_| true)
}

fn check_closed_to(named: &Path, is_trusted: impl Fn(u32) -> bool) -> io::Result<()> {
    let file = named.canonicalize().unwrap_or_else(|_| named.to_owned());
    let dir = or_dot(file.parent().unwrap_or(Path::new(""))).canonicalize()?;
    let about = dir.metadata()?;
    let open = (about.mode() & OTHERS_WRITE != 0).then(|| Fault::Open(dir.clone(), about.clone()));
    refuse(open.into_iter().chain(faults_above(&dir, &about, is_trusted)?).collect(), named)
}

/// In which ways somebody else can exchange a directory, or one above it.
fn faults_above(dir: &Path, about: &Metadata, is_trusted: impl Fn(u32) -> bool) -> io::Result<Vec<Fault>> {
    dir.parent().map_or(Ok(Vec::new()), |above| faults(above, about.uid(), is_trusted))
}

/// Refuses what is wrong with directories, if anything is; first what stays wrong when the others are closed.
fn refuse(mut faults: Vec<Fault>, file: &Path) -> io::Result<()> {
    faults.sort_by_key(|fault| matches!(fault, Fault::Open(..)));
    match faults.into_iter().next() {
        None => Ok(()),
        Some(Fault::Open(dir, about)) => Err(open_to_others(&dir, &about, file)),
        Some(Fault::Others(dir, about)) => {
            let why =
                format!("is a directory {}, who can exchange what lies below it", of_owner(about.uid()));
            let advice = outside(about.uid()).map_or_else(|| elsewhere(file), str::to_owned);
            Err(Refused::error(&dir, why, advice))
        }
    }
}

/// Refuses a directory that others may write to, with what to do about all such directories on the way to a file.
fn open_to_others(dir: &Path, about: &Metadata, file: &Path) -> io::Error {
    let why = format!("is a directory that others may write to (mode {:04o})", about.mode() & 0o7777);
    Refused::error(dir, why, parents::advice(file))
}

/// Names what others have put in the place of a file, or beside it where a ledger has its own, before the directory is closed.
fn left_by_others(file: &Path) -> String {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let is_theirs =
        |name: &PathBuf| name.symlink_metadata().is_ok_and(|about| ![user(), ROOT].contains(&about.uid()));
    let names =
        ["", "-wal", "-journal", "-shm", ".lock", ".new", ".spool", ".sock"].map(|end| beside(&file, end));
    let names: Vec<_> = names.iter().filter(|name| is_theirs(name)).map(|name| quoted(name)).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(
            "Another user has left {} there. Do not take it over: close the directory, and then see what it is: ",
            names.join(", ")
        ),
    }
}

/// Sees that nobody else can exchange a file in a directory.
fn check_held(dir: &Path, file: &Path) -> io::Result<()> {
    let about = dir.metadata()?;
    // A name that can be typed anywhere, where it has one.
    let dir = &*dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    if ![user(), ROOT].contains(&about.uid()) {
        let why = format!("is a directory {}, who can exchange all that is in it", of_owner(about.uid()));
        // It is not taken over: what else lies there would come with it.
        let advice = outside(about.uid()).map_or_else(
            || {
                let uid = about.uid();
                format!(
                    "If that is a user of yours, run this as that user (`sudo -u '#{uid}' …`, `docker run --user {uid} …`). \
                     Else: {}",
                    elsewhere(file)
                )
            },
            str::to_owned,
        );
        return Err(Refused::error(dir, why, advice));
    }
    if about.mode() & OTHERS_WRITE != 0 && about.mode() & STICKY == 0 {
        return Err(open_to_others(dir, &about, file));
    }
    Ok(())
}

/// A file that is ours alone to change, by what the system says of it.
fn check(path: &Path, about: &Metadata) -> io::Result<()> {
    check_kind(path, about)?;
    if about.uid() != user() {
        return Err(anothers(path, about));
    }
    check_names(path, about)?;
    check_trusted(path, about)
}

fn check_kind(path: &Path, about: &Metadata) -> io::Result<()> {
    match about.is_file() {
        true => Ok(()),
        false => Err(Refused::error(path, format!("is {}", kind(about)), away(path))),
    }
}

fn kind(about: &Metadata) -> &'static str {
    match about.file_type() {
        kind if kind.is_file() => "a file",
        kind if kind.is_symlink() => "a symbolic link, which is not followed",
        kind if kind.is_dir() => "a directory",
        _ => "no regular file",
    }
}

fn check_names(path: &Path, about: &Metadata) -> io::Result<()> {
    if about.nlink() > 1 {
        let why = format!("has {} names (hard links), and would be changed under all of them", about.nlink());
        return Err(Refused::error(path, why, away(path)));
    }
    Ok(())
}

/// Only this user and root can have written it.
fn check_trusted(path: &Path, about: &Metadata) -> io::Result<()> {
    if ![user(), ROOT].contains(&about.uid()) {
        return Err(anothers(path, about));
    }
    if about.mode() & OTHERS_WRITE != 0 {
        let why = format!("may be written to by others (mode {:04o})", about.mode() & 0o7777);
        let close = format!("chmod go-w {}", quoted(path));
        let advice = match may_change(about) {
            true => close,
            false => {
                format!("It is root's: have root close it ({close}), or {OWN}")
            }
        };
        return Err(Refused::error(path, why, advice));
    }
    Ok(())
}

/// A link may be followed that this user or root has made.
fn check_link(path: &Path) -> io::Result<()> {
    let about = path.symlink_metadata()?;
    if about.is_symlink() && ![user(), ROOT].contains(&about.uid()) {
        let why = format!("is a symbolic link of another user (uid {})", about.uid());
        return Err(Refused::error(path, why, of_another(path)));
    }
    Ok(())
}

fn anothers(path: &Path, about: &Metadata) -> io::Error {
    let why = format!("belongs to another user (uid {})", about.uid());
    Refused::error(path, why, of_another(path))
}

/// Whether this user may change the rights of something.
pub fn may_change(about: &Metadata) -> bool {
    [about.uid(), ROOT].contains(&user())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    pub(super) fn why<T: std::fmt::Debug>(refused: io::Result<T>) -> String {
        let error = refused.unwrap_err();
        assert!(!Refused::of(&error).unwrap().advice().is_empty());
        let text = error.to_string();
        text.split_once(' ').unwrap().1.to_owned()
    }

    #[test]
    fn s5_what_has_a_second_name_or_another_owner_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        let (wal, left) = (dir.path().join("file-wal"), dir.path().join("left"));
        std::fs::write(&file, "A=1").unwrap();
        symlink(&file, &link).unwrap();
        std::fs::hard_link(&file, &wal).unwrap();
        assert!(why(check_ledger(&file)).starts_with("has 2 names"));
        std::fs::remove_file(&wal).unwrap();
        if user() == ROOT {
            std::os::unix::fs::lchown(&link, Some(65_534), None).unwrap();
            assert_eq!(why(open_trusted(&link)), "is a symbolic link of another user (uid 65534)");
            std::fs::write(&left, "theirs").unwrap();
            std::os::unix::fs::lchown(&left, Some(65_534), None).unwrap();
            assert_eq!(why(create_anew(&left)), "belongs to another user (uid 65534)");
            assert_eq!(std::fs::read_to_string(&left).unwrap(), "theirs");
        }
    }

    #[test]
    fn s5_a_directory_is_used_by_its_handle() {
        let place = tempfile::tempdir().unwrap();
        let (path, away, other) = (place.path().join("a"), place.path().join("b"), place.path().join("c"));
        let dir = Dir::own(&path).unwrap();
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("x"), "theirs").unwrap();
        std::fs::rename(&path, &away).unwrap();
        symlink(&other, &path).unwrap();
        drop(dir.create("y").unwrap());
        dir.rename("y", "x").unwrap();
        assert_eq!(dir.names().unwrap(), ["x"]);
        assert!(away.join("x").exists());
        dir.remove("x").unwrap();
        dir.remove("x").unwrap();
        assert_eq!(std::fs::read_to_string(other.join("x")).unwrap(), "theirs");
        assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
        for again in [Dir::own(&path), Dir::open(&path), Dir::open(&path.join(""))] {
            assert_eq!(why(again), "is a symbolic link, which is not followed");
        }
        // A link inside leads nowhere either.
        symlink(other.join("x"), away.join("x")).unwrap();
        assert!(dir.read("x").unwrap().is_none());
        assert_eq!(dir.create("x").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
