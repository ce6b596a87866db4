//! Why a ledger cannot be used.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

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
        matches!(self, Self::NotALedger { .. } | Self::Damaged { .. } | Self::Newer { .. })
    }

    pub(super) fn damaged(path: &Path, seq: Seq, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), seq, what: what.into() }
    }

    /// SQLite's word at an event: corruption is damage there, all else is the disk's.
    pub(super) fn from_sqlite(path: &Path, seq: Seq, error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotALedger { path: path.to_owned() },
            Some(ErrorCode::DatabaseCorrupt) | None => Self::damaged(path, seq, error.to_string()),
            Some(ErrorCode::Unknown) => Self::damaged(path, seq, error.to_string()),
            Some(code) => {
                // So that whoever tells people can say what to do.
                let kind = match code {
                    ErrorCode::DiskFull => ErrorKind::StorageFull,
                    ErrorCode::ReadOnly => ErrorKind::ReadOnlyFilesystem,
                    _ => ErrorKind::Other,
                };
                Self::Disk { path: path.to_owned(), source: std::io::Error::new(kind, error) }
            }
        }
    }
}

/// Whether something failed because this process, or this machine, may open no more files.
pub fn is_out_of_descriptors(error: &std::io::Error) -> bool {
    // ENFILE and EMFILE, which have these numbers on every Unix.
    matches!(error.raw_os_error(), Some(23 | 24))
}
