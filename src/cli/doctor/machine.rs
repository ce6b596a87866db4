//! This machine: room for the ledger and the spool, and descriptors for what is in flight.

use std::path::Path;

use super::answer::{Check, Line};
use crate::limits::{
    DESCRIPTORS_AN_IMAGE, DESCRIPTORS_BESIDE, DISK_FREE_BYTES_MIN, IN_FLIGHT_DEFAULT, IN_FLIGHT_MAX,
    MEMORY_BYTES_MAX, SOCKET_PATH_BYTES_MAX,
};
use crate::outside::machine;
use crate::runner::control::Socket;
use crate::show;

/// Room where the ledger and the spool lie; the spool may be on a disk of its own.
pub fn disk(ledger: &Path, spool: &Path) -> Line {
    let places = [dir_of(ledger), spool].into_iter().filter(|place| place.exists());
    let free: Result<Vec<u64>, _> = places.map(machine::free_bytes).collect();
    let advice =
        "Make room on the disk that holds the ledger and its spool, or name another with --ledger PATH";
    match free.map(|free| free.into_iter().min()) {
        Err(error) => Line::finding(Check::Disk, format!("the disk cannot be asked: {error}"), advice),
        Ok(None) => Line::not_checked(Check::Disk, "the ledger's directory is not there"),
        Ok(Some(free)) if free < DISK_FREE_BYTES_MIN => {
            let least = show::bytes(DISK_FREE_BYTES_MIN);
            Line::finding(Check::Disk, format!("{} free, {least} are needed", show::bytes(free)), advice)
        }
        Ok(Some(free)) => Line::ok(Check::Disk, format!("{} free", show::bytes(free))),
    }
}

/// Whether the socket by which a run is steered can have its address: the path as it was named.
pub fn socket(ledger: &Path) -> Line {
    let path = Socket::path(ledger);
    match path.as_os_str().len() {
        bytes if bytes > SOCKET_PATH_BYTES_MAX => Line::finding(
            Check::Socket,
            format!(
                "the path {} has {bytes} bytes, and a socket's at most {SOCKET_PATH_BYTES_MAX}: `longshore control` \
                 would not reach a run",
                path.display()
            ),
            "Work in the ledger's own directory, or name a shorter path: --ledger PATH",
        ),
        _ => Line::ok(Check::Socket, "`longshore control` will reach a run"),
    }
}

/// The directory that a file lies in.
pub fn dir_of(file: &Path) -> &Path {
    file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Files and connections that may be open at once, said as what `--concurrency` they are enough for.
pub fn descriptors() -> Line {
    let Some(most) = machine::descriptors_max() else {
        return Line::ok(Check::Descriptors, "as many as there are");
    };
    let enough = most.saturating_sub(DESCRIPTORS_BESIDE) / DESCRIPTORS_AN_IMAGE;
    if enough < u64::from(IN_FLIGHT_DEFAULT) {
        let needed = DESCRIPTORS_BESIDE + DESCRIPTORS_AN_IMAGE * u64::from(IN_FLIGHT_DEFAULT);
        let found = format!("{most} files and connections may be open, a run needs {needed}");
        return Line::finding(Check::Descriptors, found, "In the shell that starts the run: ulimit -n 1024");
    }
    let enough = enough.min(IN_FLIGHT_MAX as u64);
    Line::ok(Check::Descriptors, format!("{most}, enough for --concurrency {enough}"))
}

/// Memory that this process may have: with less than it takes at most, the system ends it in the middle of a run.
pub fn memory() -> Line {
    match machine::memory_max() {
        Some(most) if most < MEMORY_BYTES_MAX => {
            let (most, needed) = (show::bytes(most), show::bytes(MEMORY_BYTES_MAX));
            let found = format!("a process may take {most}, a run needs up to {needed}");
            Line::finding(Check::Memory, found, "In the shell that starts the run: ulimit -v unlimited")
        }
        Some(most) => Line::ok(Check::Memory, format!("a process may take {}", show::bytes(most))),
        None => Line::ok(Check::Memory, "as much as there is"),
    }
}
