//! Files that a flag or a setting names, and what has to be as it should before a writer begins.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::trusted::end_of;
use super::{
    ROOT, Refused, SAFE, anothers, away, check, check_link, check_trusted, kind, or_dot, place, user,
};

/// Opens a regular file to read it, whosever it is. A link is followed, as the name is the user's own. A pipe is not
/// waited for, and a device, which might never end, not read.
///
/// # Errors
/// Those of the file system; a [`Refused`] where something else is there.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_regular_with(path, OFlags::empty())
}

/// The same with further flags.
pub(super) fn open_regular_with(path: &Path, flags: OFlags) -> io::Result<File> {
    let other = || Refused::error(path, "is no regular file", "Name a file");
    let usual = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, usual | flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // A socket.
        Err(Errno::NXIO) => return Err(other()),
        Err(error) => return Err(error.into()),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(other()) }
}

/// Whether a name is that of something that is open for this program already, as by `<(…)` and `>(…)` of a shell: the
/// system shows it as links.
pub fn is_handed(path: &Path) -> bool {
    let is_number = |name: &OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let is_in = |dir| path.parent() == Some(Path::new(dir)) && path.file_name().is_some_and(is_number);
    let standard = ["/dev/stdin", "/dev/stdout", "/dev/stderr"];
    standard.iter().any(|name| path == Path::new(name)) || is_in("/dev/fd") || is_in("/proc/self/fd")
}

/// Opens what is open for this program already, to read it, whatever it is: whoever started the program has chosen it. It
/// may have no end. `None` where a name is that of something else.
///
/// # Errors
/// Those of the file system.
pub fn open_handed(path: &Path) -> Option<io::Result<File>> {
    match path.to_str() {
        // By its name it would be opened anew, which a socket does not bear.
        Some("/dev/stdin") => Some(io::stdin().as_fd().try_clone_to_owned().map(File::from)),
        _ if is_handed(path) => Some(File::open(path)),
        _ => None,
    }
}

/// In which way others have a hand in a file that was opened, for those who take it all the same and tell it.
///
/// # Errors
/// Those of the file system.
pub fn in_others_hands(path: &Path, file: &File) -> io::Result<Option<String>> {
    let about = file.metadata()?;
    Ok(check_link(path).and_then(|()| check_trusted(path, &about)).err().map(|refused| refused.to_string()))
}

/// Who wrote a file that is another user's in a directory of this user, for those who read it all the same and tell it. Whoever
/// reads a colleague's directory knows whose it is.
pub fn anothers_in_own_directory(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let (about, dir) = (path.metadata().ok()?, path.parent()?.metadata().ok()?);
    let is_anothers = ![user(), ROOT].contains(&about.uid()) && dir.uid() == user();
    is_anothers.then(|| anothers(&path, &about).to_string())
}

/// Opens a file of this user, to see what it is before it is replaced. A link is not followed.
///
/// # Errors
/// Those of the file system; a [`Refused`] where something else is there.
pub fn open_to_replace(path: &Path) -> io::Result<File> {
    let (dir, name) = place(path)?;
    let file = File::from(rustix::fs::openat(dir, name, OFlags::RDONLY | SAFE, Mode::empty())?);
    let about = file.metadata()?;
    match about.is_file() {
        true if about.uid() == user() => Ok(file),
        true => Err(anothers(path, &about)),
        false => Err(Refused::error(path, format!("is {}", kind(&about)), away(path))),
    }
}

/// Whether a name is that of a device, or of a pipe of this user.
pub fn is_stream(path: &Path) -> bool {
    let is_one = |about: Metadata| {
        about.file_type().is_char_device() || about.file_type().is_fifo() && about.uid() == user()
    };
    path.symlink_metadata().is_ok_and(is_one)
}

/// Opens such a device or pipe to write to it. Whoever reads a pipe is waited for, as a shell does. What was opened is
/// looked at again: the name may lead elsewhere by now.
///
/// # Errors
/// Those of the file system; a [`Refused`] where something else is there.
pub fn open_stream(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
    let (dir, name) = place(path)?;
    let file = File::from(rustix::fs::openat(dir, name, flags, Mode::empty())?);
    let about = file.metadata()?;
    let is_ours = about.file_type().is_fifo() && about.uid() == user();
    match about.file_type().is_char_device() || is_ours {
        true => Ok(file),
        false => Err(Refused::error(path, "is no device, and no pipe of yours", away(path))),
    }
}

/// Whether something is a file that this user may replace.
pub fn is_own_file(about: &Metadata) -> bool {
    about.is_file() && about.uid() == user()
}

/// Where a link leads that could be named in its place: to something that fits, or to nothing yet, in a directory that is
/// there. `None` where there is no link, and where another user has a hand in where it leads: what they want to be written
/// is not to be named.
pub fn leads_to(path: &Path, fits: impl Fn(&Metadata) -> bool) -> Option<PathBuf> {
    let end = end_of_link(path)?;
    match end.metadata() {
        Ok(about) => fits(&about).then_some(end),
        Err(error) => {
            let is_new = error.kind() == io::ErrorKind::NotFound && or_dot(end.parent()?).is_dir();
            is_new.then_some(end)
        }
    }
}

/// Sees that nobody else has a hand in a link on the way to the directory where something is written. To be seen before the
/// work; what then opens it looks again.
///
/// # Errors
/// Those of the file system; a [`Refused`] where somebody has.
pub fn check_way(path: &Path) -> io::Result<()> {
    place(path).map(drop)
}

fn end_of_link(path: &Path) -> Option<PathBuf> {
    // A slash at its end would follow it.
    let path: PathBuf = path.components().collect();
    path.symlink_metadata().ok().filter(Metadata::is_symlink)?;
    match end_of(&path) {
        Ok(end) => end.canonicalize().ok(),
        // Only the last of the links has no end, and each before it was looked at.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(path.parent().unwrap_or(Path::new("")).join(path.read_link().ok()?))
        }
        Err(_) => None,
    }
}

/// Sees that nothing strange stands under the names that a writer opens or makes beside a ledger. One that is not there
/// yet is made under another name first.
///
/// # Errors
/// Those of the file system; a [`Refused`] where something else is there.
pub fn check_made(ledger: &Path, is_new: bool) -> io::Result<()> {
    let beside = |path: PathBuf, ending: &str| {
        let mut name: OsString = path.into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    let lock = beside(ledger.canonicalize().unwrap_or_else(|_| ledger.to_owned()), ".lock");
    if let Some(about) = there(&lock)? {
        check(&lock, &about)?;
    }
    let new = beside(ledger.to_owned(), ".new");
    match there(&new)? {
        Some(about) if is_new && !(about.is_file() && about.uid() == user()) => check(&new, &about),
        _ => Ok(()),
    }
}

/// Sees that this user may write to a ledger, if there is one, and make files beside it.
///
/// # Errors
/// Those of the file system.
pub fn check_writable(ledger: &Path) -> io::Result<()> {
    let may = |path: &Path, how| rustix::fs::accessat(CWD, path, how, AtFlags::EACCESS);
    let dir = or_dot(ledger.parent().unwrap_or(Path::new("")));
    may(dir, Access::WRITE_OK | Access::EXEC_OK)?;
    match may(ledger, Access::READ_OK | Access::WRITE_OK) {
        Err(Errno::NOENT) => Ok(()),
        may => Ok(may?),
    }
}

/// Sees that at the name of a socket is none, or one of this user.
///
/// # Errors
/// Those of the file system; a [`Refused`] where something else is there.
pub fn check_socket(path: &Path) -> io::Result<()> {
    match there(path)? {
        None => Ok(()),
        Some(left) if left.file_type().is_socket() && left.uid() == user() => Ok(()),
        Some(other) if other.file_type().is_socket() => Err(anothers(path, &other)),
        Some(other) => {
            let what = match other.file_type() {
                kind if kind.is_symlink() => "is a symbolic link and no socket",
                kind if kind.is_file() => "is a file and no socket",
                kind if kind.is_dir() => "is a directory and no socket",
                _ => "is no socket",
            };
            Err(Refused::error(path, what, away(path)))
        }
    }
}

/// What is there under a name itself.
fn there(path: &Path) -> io::Result<Option<Metadata>> {
    match path.symlink_metadata() {
        Ok(about) => Ok(Some(about)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
