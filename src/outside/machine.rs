//! What this machine itself has to give: room on its disks, the right to write, descriptors, memory.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};

use crate::limits::ARENAS_MAX;

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

/// The process that holds a lock on a whole file, and its user's number, where Linux says so: not from inside a container
/// whose processes are numbered anew.
pub fn locker(about: &Metadata) -> Option<(u32, u32)> {
    let inode = about.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let processes = locks.lines().filter_map(|line| {
        // 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, place, ..] = fields[..] else { return None };
        (place.rsplit(':').next()?.parse() == Ok(inode)).then(|| process.parse().ok())?
    });
    // Files of several disks may have one number.
    let [process] = processes.collect::<Vec<u32>>()[..] else { return None };
    Some((process, fs::metadata(format!("/proc/{process}")).ok()?.uid()))
}

/// How many files and connections this process may have open at once; `None` without a limit.
pub fn descriptors_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many bytes of address space this process may have; `None` without a limit.
pub fn memory_max() -> Option<u64> {
    getrlimit(Resource::As).current
}

/// Starts the program anew with few of glibc's arenas for memory. Each sets 64 MB of address space aside, and there are
/// eight for each core: on a large machine that is gigabytes which nobody uses, and `ulimit -v` counts. glibc reads their
/// number once, from the environment. Where this does not work, all goes on as it was.
pub fn few_arenas() {
    const ARENAS: &str = "MALLOC_ARENA_MAX";
    // glibc takes its own variable away from a program with other rights than its user's, which must not start for ever.
    const STARTED: &str = "LONGSHORE_STARTED_ANEW";
    let is_set = [ARENAS, STARTED].iter().any(|name| std::env::var_os(name).is_some());
    if cfg!(not(all(target_os = "linux", target_env = "gnu"))) || is_set {
        return;
    }
    let mut args = std::env::args_os();
    let (Ok(program), Some(name)) = (std::env::current_exe(), args.next()) else { return };
    // Started through the loader, that is the program which the system knows.
    let is_loader = program.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"ld"));
    if !is_loader {
        let mut anew = Command::new(program);
        anew.arg0(name).args(args).env(ARENAS, ARENAS_MAX.to_string()).env(STARTED, "1");
        // It only comes back with an error.
        let _ = anew.exec();
    }
}
