//! The ledger: whether it can be read and written, is whole, belongs to this database, and who has it.

use std::ffi::OsStr;
use std::fs::TryLockError;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ledger::event::Verb;
use ledger::ledger::Ledger;
use ledger::store::private::{self, Dir, Refused};
use ledger::store::{LedgerError, Store};

use super::answer::{Check, Line};
use super::machine::dir_of;
use crate::cli::Context;
use crate::cli::place::name_of;
use crate::limits::CATALOG_MESSAGE_CHARS_MAX;
use crate::outside::catalog::Identity;
use crate::outside::machine::is_writable;
use crate::show;

const CHECK: Check = Check::Ledger;
/// What lies beside a ledger, all of it as private as the ledger itself.
const BESIDE: [&str; 6] = ["", "-wal", "-shm", ".lock", ".sock", ".spool"];

/// Whether something was ever migrated by it. One that cannot be read is told of with the other checks.
pub fn has_migrated(path: &Path) -> bool {
    let ledger = Ledger::read(path).ok();
    ledger.is_some_and(|ledger| ledger.state().runs().any(|(_, run)| run.started.verb == Verb::Migrate))
}

/// Looks at it; against the database, where that could be asked who it is.
pub fn check(context: &Context<'_>, identity: Option<&Identity>) -> Vec<Line> {
    let path = context.ledger_path();
    let refused = refused(&path);
    let told = refused.iter().filter_map(|error| Refused::of(error)?.path().file_name()).collect::<Vec<_>>();
    let mut lines = place(&path, &told);
    let is_placed = !lines.is_empty();
    lines.extend(refused.iter().filter_map(|error| line(error, is_placed)));
    lines.extend(privacy(&path, &told));
    if path.exists() {
        let holder = holder(&path);
        lines.extend(content(context, &path, identity, (holder.is_some(), &told)));
        lines.extend(holder);
    } else if lines.is_empty() {
        let there = path.display();
        lines.push(Line::ok(CHECK, format!("there is none yet; the first run makes {there}")));
    }
    lines
}

/// Whether it can be written where it is, or be made where it is to be. What was told already, by its name, is not told again
/// with other advice, here and below.
fn place(path: &Path, told: &[&OsStr]) -> Vec<Line> {
    let dir = dir_of(path);
    let (there, another) = (dir.display(), "name another place: --ledger PATH");
    match dir.metadata() {
        Ok(about) if about.is_dir() => {}
        Ok(_) => {
            let found = format!("{there} is no directory");
            return vec![Line::finding(CHECK, found, "Name another place: --ledger PATH")];
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let found = format!("its directory {there} is not there");
            return vec![Line::finding(CHECK, found, format!("Make the directory, or {another}"))];
        }
        Err(error) => {
            let found = format!("its directory {there} cannot be looked at: {error}");
            return vec![Line::finding(CHECK, found, format!("Let this user look at it, or {another}"))];
        }
    }
    let is_told_by_name = |place: &Path| place.canonicalize().is_ok_and(|place| is_told(&place, told));
    let places = [dir, path].into_iter().filter(|place| place.exists() && !is_writable(place));
    let places = places.filter(|place| !is_told_by_name(place));
    let mut lines: Vec<Line> = places
        .map(|place| {
            let found = format!("{} cannot be written to", place.display());
            Line::finding(CHECK, found, "Give it to this user, or name another place: --ledger PATH")
        })
        .collect();
    let mut left = ["-wal", "-shm"].map(|ending| beside(path, ending)).into_iter();
    let left = left.find(|left| left.exists() && !is_told(left, told));
    if let (Some(left), false) = (left, path.exists()) {
        let found = format!("{} is left of a ledger that is gone", left.display());
        lines.push(Line::finding(
            CHECK,
            found,
            "Bring the ledger back, or move this file away: a new ledger is not made beside it",
        ));
    }
    lines
}

/// What others may exchange or change, or what stands beside the ledger and does not belong there: a run refuses it.
fn refused(path: &Path) -> Vec<std::io::Error> {
    let ledger = Store::check(path).err().and_then(|error| match error {
        LedgerError::Disk { source, .. } => Some(source),
        // Those are told with what it says.
        _ => None,
    });
    // What lies in a directory that is not to be used is not to be mended either.
    if let Err(error) = private::check_exclusive(path)
        && Refused::of(&error).is_some()
    {
        return vec![error];
    }
    let spool = beside(path, ".spool");
    let spool = spool.symlink_metadata().ok().and_then(|_| Dir::ours(&spool).err());
    let socket = private::check_socket(&beside(path, ".sock")).err();
    [ledger, spool, socket].into_iter().flatten().collect()
}

fn line(error: &std::io::Error, is_placed: bool) -> Option<Line> {
    match Refused::of(error) {
        Some(refused) => Some(Line::finding(CHECK, error.to_string(), refused.advice().to_owned())),
        None if is_placed => None,
        None => {
            let found = format!("a run does not begin: {error}");
            Some(Line::finding(CHECK, found, "Name another place: --ledger PATH"))
        }
    }
}

fn is_told(path: &Path, told: &[&OsStr]) -> bool {
    path.file_name().is_some_and(|name| told.contains(&name))
}

/// Before-images are production data (requirement S5).
fn privacy(path: &Path, told: &[&OsStr]) -> Vec<Line> {
    let all = BESIDE.map(|ending| beside(path, ending)).into_iter().filter(|file| !is_told(file, told));
    let open = all.filter_map(|file| {
        let found = if file == path { file.metadata() } else { file.symlink_metadata() };
        let found = found.ok().filter(|found| !found.is_symlink())?;
        let mode = found.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then_some((file, mode, found))
    });
    open.map(|(file, mode, about)| {
        let found = format!("others on this machine may read or write {} (mode {mode:04o})", file.display());
        let private = if about.is_dir() { "700" } else { "600" };
        let close = format!("chmod {private} {}", private::quoted(&file));
        let advice = match private::may_change(&about) {
            true => close,
            false => format!("Have its owner (uid {}) close it: {close}", about.uid()),
        };
        Line::finding(CHECK, found, advice)
    })
    .collect()
}

/// What it says, every event verified. What is not finished while somebody writes goes on by itself.
fn content(
    context: &Context<'_>,
    path: &Path,
    identity: Option<&Identity>,
    (is_held, told): (bool, &[&OsStr]),
) -> Vec<Line> {
    let ledger = match Ledger::read(path) {
        Ok(ledger) => ledger,
        Err(LedgerError::Disk { source, .. })
            if Refused::of(&source).is_some_and(|refused| is_told(refused.path(), told)) =>
        {
            return Vec::new();
        }
        Err(error) => {
            return vec![Line::failure(CHECK, error.into(), "`longshore ledger verify` says the same")];
        }
    };
    let mut lines = Vec::new();
    let belongs = match identity.map(|identity| context.check_target(&ledger, identity)) {
        Some(Err(failure)) => {
            lines.push(Line::failure(CHECK, failure, "--ledger PATH names another ledger"));
            return lines;
        }
        Some(Ok(())) => "it belongs to this database",
        None => "whether it belongs to this database could not be seen",
    };
    let events = show::count(ledger.head().seq.0, "event");
    lines.push(Line::ok(CHECK, format!("{events}, whole; {belongs}")));
    for (id, run) in ledger.state().unfinished().filter(|_| !is_held) {
        let found =
            format!("run {id} ({} {}) is not finished", run.started.verb.name(), name_of(&run.started.scope));
        let advice =
            format!("`longshore resume --run {id}` goes on with it; `longshore status` tells how far it is");
        lines.push(Line::note(CHECK, found, advice));
    }
    lines
}

/// Who writes to it now. The lock is looked at as a reader, and given back at once.
fn holder(path: &Path) -> Option<Line> {
    let lock = beside(&path.canonicalize().ok()?, ".lock");
    let mut lock = private::open(&lock).ok()?;
    if !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let mut who = Vec::new();
    let read = (&mut lock).take(CATALOG_MESSAGE_CHARS_MAX as u64).read_to_end(&mut who);
    let who = match read {
        Ok(1..) => String::from_utf8_lossy(&who).trim().to_owned(),
        _ => "another process".to_owned(),
    };
    let found = format!("it is being written to by {who}");
    Some(Line::note(CHECK, found, "Wait for it, or stop it (Ctrl-C there, and `longshore resume` goes on)"))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
