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
use super::{Refused, SAFE, away, create_at, user};

/// An open directory. What is done in it is done there, whatever becomes of its name.
#[derive(Debug)]
pub struct Dir {
    path: PathBuf,
    handle: OwnedFd,
}

impl Dir {
    /// Opens a directory, where it is no link.
    ///
    /// # Errors
    /// Those of the file system; a [`Refused`] where something else is there.
    pub fn open(path: &Path) -> io::Result<Self> {
        // A slash at its end would follow a link.
        let path: PathBuf = path.components().collect();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | SAFE;
        match rustix::fs::open(&path, flags, Mode::empty()) {
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
        match rustix::fs::mkdir(path, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let dir = Self::ours(path)?;
        rustix::fs::fchmod(&dir.handle, Mode::from_raw_mode(0o700))?;
        Ok(dir)
    }

    /// Opens a directory of this user, as it is.
    ///
    /// # Errors
    /// As [`Dir::open`].
    pub fn ours(path: &Path) -> io::Result<Self> {
        let dir = Self::open(path)?;
        let about = rustix::fs::fstat(&dir.handle)?;
        if about.st_uid != user() {
            let why = format!("is a directory of another user (uid {})", about.st_uid);
            return Err(Refused::error(path, why, away(path)));
        }
        Ok(dir)
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As [`create`].
    ///
    /// # Errors
    /// As [`create`].
    pub fn create(&self, name: &str) -> io::Result<File> {
        create_at(&self.handle, Path::new(name))
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
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?)
    }

    /// Removes a file; one that is not there is fine. A link goes, and not what it leads to.
    ///
    /// # Errors
    /// Those of the file system, apart from the file's absence.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
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
