//! How a command fails, and the exit codes.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;

use ledger::store::private::{self, Refused, quoted};
use ledger::store::{LedgerError, is_out_of_descriptors};

/// How the program ends. These numbers are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// A bug.
    Bug,
    /// Wrong usage or settings, a declined prompt, a refused plan.
    Usage,
    /// Done, some images failed or were skipped.
    SomeFailed,
    /// Paused or interrupted; `resume` goes on.
    Paused,
    /// Done, some images drifted.
    SomeDrifted,
    /// Done, and what was looked at is not as it should be: `verify`, `audit --live`, `reconcile`, `doctor`, `ledger
    /// verify`.
    Findings,
    /// The ledger is damaged.
    Damaged,
    /// The ledger is newer than the program.
    Newer,
    /// Held by another.
    Held,
    /// Cannot start or go on: an outside part or the disk.
    CannotGoOn,
    /// Left at once, on the second Ctrl-C.
    LeftAtOnce,
}

impl Exit {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Bug,
        Self::Usage,
        Self::SomeFailed,
        Self::Paused,
        Self::SomeDrifted,
        Self::Findings,
        Self::Damaged,
        Self::Newer,
        Self::Held,
        Self::CannotGoOn,
        Self::LeftAtOnce,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Bug => 1,
            Self::Usage => 2,
            Self::SomeFailed => 10,
            Self::Paused => 11,
            Self::SomeDrifted => 12,
            Self::Findings => 13,
            Self::Damaged => 20,
            Self::Newer => 21,
            Self::Held => 22,
            Self::CannotGoOn => 30,
            Self::LeftAtOnce => 130,
        }
    }
}

/// Why a command failed: what happened, why, and what to type next.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// What happened, one sentence.
    pub message: String,
    /// Why, the nearest cause first.
    pub causes: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure with what happened.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }
    /// Wrong usage or settings.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
    /// The same, with a cause.
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }
    /// The same, with what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::of_ledger(error, "`longshore resume`")
    }
}

impl Failure {
    /// A ledger in trouble. `again` is the command that goes on, between backticks.
    pub fn of_ledger(error: LedgerError, again: &str) -> Self {
        let message = error.to_string();
        match error {
            LedgerError::Missing { .. } => {
                Self::usage(message).hint("`longshore migrate` makes one; `--ledger PATH` names another")
            }
            LedgerError::NotALedger { .. } => {
                Self::new(Exit::Damaged, message).hint("`--ledger PATH` names the right file; a backup is a ledger too")
            }
            LedgerError::Damaged { .. } => Self::new(Exit::Damaged, message).hint(RESTORE),
            LedgerError::OtherSchema { path, drops, .. } => {
                let failure = Self::new(Exit::Damaged, message);
                // A statement that names what was added is all that helps, and only where nothing else differs.
                let failure = if drops.is_empty() { failure } else { dropped(failure, &path, &drops) };
                failure.hint(RESTORE)
            }
            LedgerError::Newer { .. } => {
                Self::new(Exit::Newer, message).hint("Use that program, or a newer one")
            }
            LedgerError::Held { .. } => {
                Self::new(Exit::Held, message).hint("`longshore status` and `longshore log` work beside it")
            }
            LedgerError::Displaced { .. } => Self::new(Exit::Held, message)
                .because("this process has stopped; what it wrote before is safe")
                .hint(format!("When the other has ended, {again} goes on; `longshore log` shows what it wrote"))
                .hint("Leave the file beside the ledger whose name ends in .lock alone while anything is at work"),
            LedgerError::Linked { path, .. } => {
                let path = quoted(&path);
                Self::usage(message)
                    .because("SQLite keeps the newest events in a file that is named after the ledger")
                    .hint(format!(
                        "With no run going on, `{}` gives this name a file of its own",
                        private::one_name(&path)
                    ))
                    .hint("Go on with the name whose head is the newest: `longshore ledger verify` says it")
            }
            LedgerError::Disk { source, path } => {
                if let Some(refused) = Refused::of(&source) {
                    return Self::usage(message).hint(refused.advice());
                }
                // The system calls more busy than a file that another program has locked: a mount point, say.
                let is_locked = source.kind() == ErrorKind::ResourceBusy && source.raw_os_error().is_none();
                let failure = Self::new(if is_locked { Exit::Held } else { Exit::CannotGoOn }, message);
                let hint = match source.kind() {
                    ErrorKind::AlreadyExists | ErrorKind::InvalidData => return failure,
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "Make room on its disk",
                    ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
                        "Let this user write to it and to its directory, or name another: `--ledger PATH`. What only \
                         reads works on a copy too"
                    }
                    _ if is_locked => "Another program keeps it locked, perhaps `sqlite3` or a backup: let it end",
                    ErrorKind::OutOfMemory => "Give the program more memory (`ulimit -v`, or the limit of its container)",
                    ErrorKind::NotFound => "See that its directory is there, or name another: `--ledger PATH`",
                    _ if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                        "Links on the way to it lead in a circle: mend them, or name another: `--ledger PATH`"
                    }
                    _ if is_out_of_descriptors(&source) => MORE_DESCRIPTORS,
                    _ => "See that its disk is well, that files on it may grow (`ulimit -f`), and that this user may write to it and to its directory",
                };
                let failure = failure.hint(hint);
                match path.metadata().is_ok_and(|about| about.is_file() && about.len() > 0) {
                    true => failure
                        .hint(format!("What was written before is safe, and {again} goes on from there")),
                    false => failure,
                }
            }
        }
    }
}

/// With how to take away what was added to a ledger, in a copy of it.
fn dropped(failure: Failure, ledger: &Path, drops: &[String]) -> Failure {
    let mut dir = ledger.to_owned().into_os_string();
    dir.push(".copy");
    // Nobody can have prepared anything in a directory that is made for it, and nothing is replaced there.
    let copy = &Path::new(&dir).join(ledger.file_name().unwrap_or_default());
    let mut vacuum = OsString::from("VACUUM INTO ");
    vacuum.push(private::sql(copy));
    let is_litestreams = drops.iter().all(|drop| LITESTREAMS.contains(&drop.as_str()));
    let who = if is_litestreams { "Litestream adds it" } else { "If you added it, or a tool did" };
    let (ledger, dir, copy) = (quoted(ledger), quoted(Path::new(&dir)), quoted(copy));
    let (vacuum, drop) = (private::word(&vacuum), private::word(drops.join("; ").as_ref()));
    failure
        .hint(format!(
            "{who}: drop it in a copy while no run goes on: mkdir -m 700 {dir} && sqlite3 {ledger} {vacuum} && chmod 600 {copy} && \
             sqlite3 {copy} {drop}"
        ))
        .hint(format!("Then `longshore ledger verify --ledger {copy}`, and go on with the copy in its place"))
}

/// What takes away the tables that Litestream adds.
const LITESTREAMS: [&str; 2] = ["DROP TABLE \"_litestream_seq\"", "DROP TABLE \"_litestream_lock\""];

const RESTORE: &str =
    "Nothing is written to a damaged ledger: restore it from a backup whose head you kept elsewhere";

/// What to do where a program may not open enough files.
pub const MORE_DESCRIPTORS: &str = "Let it open more files at once, with `ulimit -n 1024` for one";

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if let Some(refused) = Refused::of(&error) {
            return Self::usage(error.to_string()).hint(refused.advice());
        }
        let failure = Self::new(Exit::CannotGoOn, error.to_string());
        if is_out_of_descriptors(&error) { failure.hint(MORE_DESCRIPTORS) } else { failure }
    }
}
