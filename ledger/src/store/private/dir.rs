//! Directories by their handle, so that nobody exchanges them under us.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

#[cfg(doc)]
use super::create;
use super::trusted::reached;
use super::{Refused, SAFE, away, create_at, place, user};

/// An open directory. What is done in it is done there, whatever becomes of its name.
#[derive(Debug)]
pub struct Dir {
    path: PathBuf,
    handle: OwnedFd,
}

impl Dir {
    /// Opens a directory, where it is no link, and nobody else has a hand in a link on the way to it.
    ///
    /// # Errors
    /// Those of the file system; a [`Refused`] where something else is there.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::opened(path, false)
    }

    /// The same, made for this user alone where it is missing.
    ///
    /// # Errors
    /// As [`Dir::open`].
    pub fn made(path: &Path) -> io::Result<Self> {
        Self::opened(path, true)
    }

    /// Opens the directory that holds a file, or is to hold it, with the file's name in it. Links on the way are followed where
    /// nobody else has a hand in them.
    ///
    /// # Errors
    /// As [`Dir::open`].
    pub fn of(file: &Path) -> io::Result<(Self, &OsStr)> {
        let (handle, name) = place(file)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | SAFE;
        let handle = rustix::fs::openat(handle, ".", flags, Mode::empty())?;
        let path = file.parent().unwrap_or(Path::new("")).to_owned();
        Ok((Self { path, handle }, name))
    }

    fn opened(path: &Path, is_made: bool) -> io::Result<Self> {
        // A slash at its end would follow a link.
        let path: PathBuf = path.components().collect();
        let (above, name) = match path.file_name() {
            Some(_) => place(&path)?,
            // As `.` and `..` have none.
            None => (reached(&path)?, OsStr::new(".")),
        };
        if is_made {
            match rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | SAFE;
        match rustix::fs::openat(&above, name, flags, Mode::empty()) {
            Ok(handle) => Ok(Self { path, handle }),
            Err(error) => Err(match path.symlink_metadata() {
                Ok(there) if there.is_symlink() => {
                    Refused::error(&path, "is a symbolic link, which is not followed", away(&path))
                }
                Ok(there) if !there.is_dir() => Refused::error(&path, "is no directory", away(&path)),
                _ => error.into(),
            }),
        }
    }

    /// Opens a directory of this user, made where it is missing, and closes it for all others.
    ///
    /// # Errors
    /// As [`Dir::open`].
    pub fn own(path: &Path) -> io::Result<Self> {
        let dir = Self::made(path)?.if_ours()?;
        rustix::fs::fchmod(&dir.handle, Mode::from_raw_mode(0o700))?;
        Ok(dir)
    }

    /// Opens a directory of this user, as it is.
    ///
    /// # Errors
    /// As [`Dir::open`].
    pub fn ours(path: &Path) -> io::Result<Self> {
        Self::open(path)?.if_ours()
    }

    fn if_ours(self) -> io::Result<Self> {
        let about = rustix::fs::fstat(&self.handle)?;
        if about.st_uid != user() {
            let why = format!("is a directory of another user (uid {})", about.st_uid);
            return Err(Refused::error(&self.path, why, away(&self.path)));
        }
        Ok(self)
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As [`create`].
    ///
    /// # Errors
    /// As [`create`].
    pub fn create(&self, name: impl AsRef<Path>) -> io::Result<File> {
        create_at(&self.handle, name.as_ref())
    }

    /// Opens a file to read it; `None` where there is nothing that could be one.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(&self, name: &str) -> io::Result<Option<File>> {
        match rustix::fs::openat(&self.handle, name, OFlags::RDONLY | SAFE, Mode::empty()) {
            Ok(file) => Ok(Some(File::from(file))),
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a file another name, which it takes from whatever has it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn rename(&self, from: &str, to: impl AsRef<Path>) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to.as_ref())?)
    }

    /// Has the disk keep what was made, renamed and removed in it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.handle)?)
    }

    /// Removes a file; one that is not there is fine. A link goes, and not what it leads to.
    ///
    /// # Errors
    /// Those of the file system, apart from the file's absence.
    pub fn remove(&self, name: impl AsRef<Path>) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.handle, name.as_ref(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What is in it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle)? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            if ![OsStr::new("."), OsStr::new("..")].contains(&name.as_os_str()) {
                names.push(name);
            }
        }
        Ok(names)
    }
}
