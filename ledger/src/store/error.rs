//! Why a ledger cannot be used.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_NOMEM;

use super::private;
use super::schema::Difference;
use crate::ids::Seq;

/// Why a ledger cannot be created, opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is no such file.
    #[error("there is no ledger at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a ledger", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// It was altered, or the disk lost part of it.
    #[error("the ledger {} is damaged at event {seq}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first bad event.
        seq: Seq,
        /// What is wrong there.
        what: String,
    },
    /// Its tables, views, indexes and triggers are not those of a ledger.
    #[error("the ledger {} is damaged: its schema is not that of a ledger: {what}", path.display())]
    OtherSchema {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
        /// The statements of SQL that take away what was added to it; none where nothing does.
        drops: Vec<String>,
    },
    /// A newer program wrote it.
    #[error("the ledger {} was written by a newer program (format {found})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
    /// Another process writes to it.
    #[error("the ledger {} is being written to by {holder}", path.display())]
    Held {
        /// The file.
        path: PathBuf,
        /// Who, in that process's own words.
        holder: String,
    },
    /// Another process has written to it, or may, while this one held its lock.
    #[error("the ledger {} is written to by {by}, too: the lock file of this process was deleted or replaced", path.display())]
    Displaced {
        /// The file.
        path: PathBuf,
        /// Who, in that process's own words.
        by: String,
    },
    /// The file has several names, and SQLite keeps what is newest in a file by the name.
    #[error("the ledger {} has {links} names (hard links), and would have a history under each", path.display())]
    Linked {
        /// The name that was given.
        path: PathBuf,
        /// How many names.
        links: u64,
    },
    /// The disk or the operating system refused.
    #[error("the ledger {} cannot be used: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What was refused.
        source: std::io::Error,
    },
}

impl LedgerError {
    /// Whether the file itself is wrong for this program, whoever has it and however the disk is.
    pub fn is_about_what_it_says(&self) -> bool {
        matches!(
            self,
            Self::NotALedger { .. } | Self::Damaged { .. } | Self::OtherSchema { .. } | Self::Newer { .. }
        )
    }

    pub(super) fn damaged(path: &Path, seq: Seq, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), seq, what: cut(what.into()) }
    }

    pub(super) fn other_schema(path: &Path, differs: Difference) -> Self {
        Self::OtherSchema { path: path.to_owned(), what: cut(differs.told), drops: differs.drops }
    }

    /// What is to be believed of an error after another reading: damage is what is found twice. Where the second reading
    /// went well, or met a disk that cannot be read, the disk is at fault, and no backup is needed.
    pub(crate) fn after(self, again: impl FnOnce() -> Result<(), Self>) -> Self {
        let (path, what) = match &self {
            Self::Damaged { path, what, .. } | Self::OtherSchema { path, what, .. } => (path, what.as_str()),
            Self::NotALedger { path } => (path, "it was no database then"),
            _ => return self,
        };
        match again() {
            Err(disk @ Self::Disk { .. }) => disk,
            Err(_) => self,
            Ok(()) => {
                let message = format!("reading it failed once, and went well the second time ({what})");
                Self::Disk { path: path.clone(), source: std::io::Error::other(message) }
            }
        }
    }

    /// SQLite's word at an event: corruption is damage there, all else is the disk's. But SQLite also says corruption
    /// where the system says that a read has failed, so that is asked again.
    pub(super) fn from_sqlite(path: &Path, seq: Seq, error: rusqlite::Error) -> Self {
        let (code, extended) = (error.sqlite_error_code(), error.sqlite_extended_error_code());
        if let Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) = code
            && let Err(source) = read_through(path)
        {
            return Self::Disk { path: path.to_owned(), source };
        }
        match code {
            Some(ErrorCode::NotADatabase) => Self::NotALedger { path: path.to_owned() },
            Some(ErrorCode::DatabaseCorrupt) | None => Self::damaged(path, seq, error.to_string()),
            // The second is what SQLite calls a schema of too many tables.
            Some(ErrorCode::Unknown | ErrorCode::OperationAborted) => {
                Self::damaged(path, seq, error.to_string())
            }
            // Our own limits, which no ledger that we wrote comes near.
            Some(ErrorCode::TooBig) => {
                Self::damaged(path, seq, "it is larger than anything that a ledger holds")
            }
            Some(ErrorCode::OperationInterrupted) => {
                Self::damaged(path, seq, "reading it takes longer than it does in any ledger")
            }
            Some(code) => {
                // So that whoever tells people can say what to do.
                let kind = match code {
                    ErrorCode::DiskFull => ErrorKind::StorageFull,
                    ErrorCode::ReadOnly => ErrorKind::ReadOnlyFilesystem,
                    ErrorCode::OutOfMemory => ErrorKind::OutOfMemory,
                    ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::FileLockingProtocolFailed => ErrorKind::ResourceBusy,
                    _ if extended == Some(SQLITE_IOERR_NOMEM) => ErrorKind::OutOfMemory,
                    _ => ErrorKind::Other,
                };
                Self::Disk { path: path.to_owned(), source: std::io::Error::new(kind, error) }
            }
        }
    }
}

/// How much is told of what is wrong with a ledger.
const WHAT_CHARS_MAX: usize = 500;

/// As much as is told of a message that may quote what was read.
fn cut(mut what: String) -> String {
    if let Some((end, _)) = what.char_indices().nth(WHAT_CHARS_MAX) {
        let last = what[..end].char_indices().next_back().map_or(0, |(last, _)| last);
        what.truncate(last);
        what.push('…');
    }
    what
}

/// How every database begins.
const HEADER: &[u8] = b"SQLite format 3\0";
/// As much as is read of a file to see that the disk gives it: whoever made it may have it claim any length.
const READ_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// At a time.
const READ_BYTES: usize = 1024 * 1024;

/// Reads a ledger's two files, for nothing but to see that the disk gives them. What does not begin as a database is not
/// read on. Closing them takes SQLite's own locks on them away, so whoever asks is about to give the ledger up.
fn read_through(path: &Path) -> std::io::Result<()> {
    let mut log = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
    log.push("-wal");
    for file_name in [path.as_os_str(), &log] {
        let mut file = match private::open_regular(Path::new(file_name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            file => file?,
        };
        let (mut buffer, mut read, mut is_first) = (vec![0; READ_BYTES], 0, file_name == path.as_os_str());
        while read < READ_BYTES_MAX {
            let bytes = file.read(&mut buffer)?;
            if bytes == 0 || is_first && !buffer.starts_with(HEADER) {
                break;
            }
            (read, is_first) = (read + bytes as u64, false);
        }
    }
    Ok(())
}

/// Whether something failed because this process, or this machine, may open no more files.
pub fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    // ENFILE and EMFILE, which have these numbers on every Unix.
    matches!(error.raw_os_error(), Some(23 | 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: i32) -> LedgerError {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        LedgerError::from_sqlite(Path::new("/no/such.ledger"), Seq(7), error)
    }

    #[test]
    fn e7_what_sqlite_says_about_the_disk_is_not_called_damage() {
        use rusqlite::ffi::*;
        let disk = [
            SQLITE_IOERR,
            SQLITE_IOERR_READ,
            SQLITE_IOERR_SHORT_READ,
            SQLITE_IOERR_WRITE,
            SQLITE_IOERR_FSYNC,
            SQLITE_IOERR_DIR_FSYNC,
            SQLITE_IOERR_TRUNCATE,
            SQLITE_IOERR_FSTAT,
            SQLITE_IOERR_LOCK,
            SQLITE_IOERR_ACCESS,
            SQLITE_IOERR_SHMOPEN,
            SQLITE_IOERR_SHMSIZE,
            SQLITE_IOERR_SHMMAP,
            SQLITE_IOERR_MMAP,
            SQLITE_IOERR_NOMEM,
            SQLITE_CANTOPEN,
            SQLITE_CANTOPEN_ISDIR,
            SQLITE_BUSY,
            SQLITE_BUSY_RECOVERY,
            SQLITE_PROTOCOL,
            SQLITE_FULL,
            SQLITE_NOMEM,
            SQLITE_PERM,
            SQLITE_READONLY,
            SQLITE_READONLY_DIRECTORY,
        ];
        for code in disk {
            assert!(matches!(of(code), LedgerError::Disk { .. }), "{code}: {:?}", of(code));
        }
        for code in [SQLITE_CORRUPT, SQLITE_CORRUPT_INDEX, SQLITE_ERROR] {
            assert!(matches!(of(code), LedgerError::Damaged { seq: Seq(7), .. }), "{code}: {:?}", of(code));
        }
        assert!(matches!(of(SQLITE_NOTADB), LedgerError::NotALedger { .. }));
        let kind = |code| match of(code) {
            LedgerError::Disk { source, .. } => source.kind(),
            other => panic!("{other:?}"),
        };
        assert_eq!(kind(SQLITE_FULL), ErrorKind::StorageFull);
        assert_eq!(kind(SQLITE_READONLY), ErrorKind::ReadOnlyFilesystem);
        assert_eq!(kind(SQLITE_READONLY_DIRECTORY), ErrorKind::ReadOnlyFilesystem);
        assert_eq!([SQLITE_NOMEM, SQLITE_IOERR_NOMEM].map(kind), [ErrorKind::OutOfMemory; 2]);
        assert_eq!(
            [SQLITE_BUSY, SQLITE_BUSY_RECOVERY, SQLITE_LOCKED].map(kind),
            [ErrorKind::ResourceBusy; 3]
        );
        assert_eq!([SQLITE_IOERR_WRITE, SQLITE_CANTOPEN].map(kind), [ErrorKind::Other; 2]);
    }

    #[test]
    fn e7_a_long_quotation_is_cut_and_shows_it() {
        let path = Path::new("a.ledger");
        for (quoted, is_cut) in [("é".repeat(500), false), ("é".repeat(501), true)] {
            for error in [
                LedgerError::damaged(path, Seq(7), &*quoted),
                LedgerError::other_schema(path, Difference::lasting(quoted.clone())),
            ] {
                let (LedgerError::Damaged { what, .. } | LedgerError::OtherSchema { what, .. }) = error
                else {
                    panic!("{error:?}")
                };
                assert_eq!((what.chars().count(), what.ends_with('…')), (500, is_cut));
            }
        }
    }

    #[test]
    fn e7_damage_is_what_is_found_twice() {
        let found = || LedgerError::damaged(Path::new("a.ledger"), Seq(7), "its hash is another");
        let disk = || LedgerError::Disk { path: "a.ledger".into(), source: ErrorKind::Other.into() };
        assert!(matches!(found().after(|| Err(found())), LedgerError::Damaged { seq: Seq(7), .. }));
        assert!(matches!(found().after(|| Err(disk())), LedgerError::Disk { .. }));
        let said = found().after(|| Ok(())).to_string();
        assert!(said.contains("cannot be used: reading it failed once"), "{said}");
        assert!(matches!(disk().after(|| panic!("it is not asked")), LedgerError::Disk { .. }));
    }
}
