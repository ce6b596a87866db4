//! What this machine itself has to give: room on its disks, the right to write, descriptors.

use std::io;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};

/// Bytes that this user may still write on the disk that holds a file or directory.
///
/// # Errors
/// Those of the file system; there is nothing at the path.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let disk = statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether this user may write to a file, or into a directory. A disk that is mounted to be read alone refuses
/// everybody.
pub fn is_writable(path: &Path) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}

/// How many files and connections this process may have open at once; `None` without a limit.
pub fn descriptors_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many bytes of address space this process may have; `None` without a limit.
pub fn memory_max() -> Option<u64> {
    getrlimit(Resource::As).current
}
