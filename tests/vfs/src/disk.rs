//! One database's files, and what is to go wrong with them.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pending::{Dice, File};

/// The files of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The database itself.
    Main,
    /// Its write-ahead log.
    Wal,
    /// Its rollback journal, which it has until it has a log.
    Journal,
    /// The index of the log, in memory that processes share.
    Shm,
    /// The file `….new` that is renamed to the database when it is whole.
    New,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Main, Self::Wal, Self::Journal, Self::Shm, Self::New];
}

/// What SQLite does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Opens it; of [`Part::Shm`]: maps a piece of it.
    Open,
    /// Reads from it.
    Read,
    /// Writes to it.
    Write,
    /// Waits until the disk has it.
    Sync,
    /// Cuts it short.
    Truncate,
    /// Asks how long it is.
    Size,
    /// Deletes it.
    Delete,
}

impl Op {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Open, Self::Read, Self::Write, Self::Sync, Self::Truncate, Self::Size, Self::Delete];
}

/// What happens instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Nothing is done, and SQLite gets this error.
    Error(i32),
    /// Of a write, only the first half is done, and SQLite gets this error.
    Half(i32),
    /// The process ends in the middle of it: half of a write is done.
    Exit,
    /// The power is cut before it: what no sync has made sure is lost in part, by chance of this seed. Nothing
    /// works from then on, until [`Disk::mend`].
    PowerCut(u64),
    /// The same, and the process ends.
    PowerCutExit(u64),
}

/// What is to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// With which file.
    pub part: Part,
    /// With which of its calls.
    pub op: Op,
    /// With the how-manieth of these, from 0.
    pub nth: u64,
    /// Also with all that come after it.
    pub lasts: bool,
    /// What happens.
    pub how: How,
}

/// How often each was called.
pub type Counts = BTreeMap<(Part, Op), u64>;

/// The files of one database. Dropped, nothing more goes wrong with them.
pub struct Disk(Arc<Watched>);

/// What the VFS asks.
pub(crate) struct Watched {
    main: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counts: Counts,
    fault: Option<Fault>,
    has_struck: bool,
    is_dead: bool,
    /// By inode, as a file may be renamed.
    files: HashMap<u64, File>,
    /// Deleted, and no directory was synced since.
    deleted: Vec<File>,
}

/// What is to be done with a call.
pub(crate) enum Verdict {
    Go,
    Fail(i32),
    Half(i32),
    HalfAndExit,
}

static WATCHED: Mutex<Vec<Arc<Watched>>> = Mutex::new(Vec::new());

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// Watches the files of the database at this path, whether it is there or not.
    pub fn of(main: &Path) -> Self {
        let watched = Arc::new(Watched { main: main.to_owned(), state: Mutex::default() });
        locked(&WATCHED).push(Arc::clone(&watched));
        Self(watched)
    }

    /// Orders a fault, and counts anew.
    pub fn order(&self, fault: Fault) {
        let mut state = locked(&self.0.state);
        (state.fault, state.has_struck) = (Some(fault), false);
        state.counts.clear();
    }

    /// From now on all is well again. Whoever had a file open when the power was cut has to have closed it.
    pub fn mend(&self) {
        let mut state = locked(&self.0.state);
        (state.fault, state.is_dead) = (None, false);
    }

    /// Whether what was ordered has happened.
    pub fn has_struck(&self) -> bool {
        locked(&self.0.state).has_struck
    }

    /// What was called since the last order.
    pub fn counts(&self) -> Counts {
        locked(&self.0.state).counts.clone()
    }

    /// Cuts the power now, while nobody has a file open. All is well afterwards.
    pub fn cut_power(&self, seed: u64) {
        locked(&self.0.state).lose(seed);
        self.mend();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        locked(&WATCHED).retain(|watched| !Arc::ptr_eq(watched, &self.0));
    }
}

impl Watched {
    /// Whose file this is, and which.
    pub(crate) fn find(path: &Path) -> Option<(Arc<Self>, Part)> {
        locked(&WATCHED).iter().find_map(|watched| Some((Arc::clone(watched), watched.part(path)?)))
    }

    fn part(&self, path: &Path) -> Option<Part> {
        let ending = path.to_str()?.strip_prefix(self.main.to_str()?)?;
        match ending {
            "" => Some(Part::Main),
            "-wal" => Some(Part::Wal),
            "-journal" => Some(Part::Journal),
            ".new" => Some(Part::New),
            _ => None,
        }
    }

    pub(crate) fn meets(&self, part: Part, op: Op) -> Verdict {
        let mut state = locked(&self.state);
        if state.is_dead {
            return Verdict::Fail(io_error(op));
        }
        let count = state.counts.entry((part, op)).or_default();
        let nth = *count;
        *count += 1;
        let Some(fault) = state.fault else { return Verdict::Go };
        let is_due = fault.nth == nth || (fault.lasts && nth > fault.nth);
        if (fault.part, fault.op) != (part, op) || !is_due {
            return Verdict::Go;
        }
        state.has_struck = true;
        match fault.how {
            How::Error(code) => Verdict::Fail(code),
            How::Half(code) => Verdict::Half(code),
            How::Exit => Verdict::HalfAndExit,
            How::PowerCut(seed) | How::PowerCutExit(seed) => {
                state.lose(seed);
                if matches!(fault.how, How::PowerCutExit(_)) {
                    std::process::abort();
                }
                state.is_dead = true;
                Verdict::Fail(io_error(op))
            }
        }
    }

    /// What the file has before SQLite opens it. It is not read again while it is open: closing it would take SQLite's
    /// locks away.
    pub(crate) fn before_open(&self, path: &Path) -> Option<Vec<u8>> {
        let inode = std::fs::metadata(path).ok()?.ino();
        if locked(&self.state).files.contains_key(&inode) { None } else { std::fs::read(path).ok() }
    }

    /// A file was opened. `before` is its content where it is not known yet.
    pub(crate) fn opened(&self, path: &Path, was_there: bool, part: Part, before: Option<Vec<u8>>) -> u64 {
        let inode = std::fs::metadata(path).map_or(0, |file| file.ino());
        let mut state = locked(&self.state);
        // An inode may be used again for what begins anew.
        let is_known = state.files.contains_key(&inode) && was_there && part != Part::New;
        if !is_known {
            state.files.insert(inode, File::found(path, before.unwrap_or_default(), !was_there));
        } else if let Some(file) = state.files.get_mut(&inode) {
            file.path = path.to_owned();
        }
        inode
    }

    pub(crate) fn changed(&self, inode: u64, change: impl FnOnce(&mut File)) {
        if let Some(file) = locked(&self.state).files.get_mut(&inode) {
            change(file);
        }
    }

    /// A sync of a new file is one of its directory, too.
    pub(crate) fn synced(&self, inode: u64) {
        let mut state = locked(&self.state);
        let Some(file) = state.files.get_mut(&inode) else { return };
        let is_of_directory = std::mem::take(&mut file.is_new);
        file.sync();
        if is_of_directory {
            state.deleted.clear();
        }
    }

    pub(crate) fn deleted(&self, path: &Path) {
        let mut state = locked(&self.state);
        let inode = state.files.iter().find(|(_, file)| file.path == path).map(|(inode, _)| *inode);
        let file = inode.and_then(|inode| state.files.remove(&inode));
        state.deleted.extend(file);
    }
}

impl State {
    fn lose(&mut self, seed: u64) {
        let mut dice = Dice(seed);
        for file in std::mem::take(&mut self.deleted) {
            // Its name may be taken again, and then that of the new file counts.
            if !file.path.exists() && dice.coin() {
                file.lose(&mut dice);
            }
        }
        let mut files: Vec<_> = std::mem::take(&mut self.files).into_values().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        for file in files.into_iter().filter(File::has_unsure) {
            file.lose(&mut dice);
        }
    }
}

/// What SQLite's own VFS would say where the disk fails.
fn io_error(op: Op) -> i32 {
    use rusqlite::ffi::*;
    match op {
        Op::Open => SQLITE_CANTOPEN,
        Op::Read => SQLITE_IOERR_READ,
        Op::Write => SQLITE_IOERR_WRITE,
        Op::Sync => SQLITE_IOERR_FSYNC,
        Op::Truncate => SQLITE_IOERR_TRUNCATE,
        Op::Size => SQLITE_IOERR_FSTAT,
        Op::Delete => SQLITE_IOERR_DELETE,
    }
}
