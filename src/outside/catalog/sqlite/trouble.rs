//! SQLite's errors in E1's words.

use rusqlite::ErrorCode;

use crate::limits;
use crate::outside::Trouble;
use crate::outside::catalog::{plain, refused};

/// What an error means: the file or its disk is away (waiting helps), or one statement was refused.
pub(super) fn trouble(error: rusqlite::Error) -> Trouble {
    let said = refused(format!("the database refused: {}", plain(&error.to_string())));
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => refused(format!(
            "the database took longer than {} s and was stopped: see what its triggers and generated columns do",
            limits::CATALOG_STATEMENT_MS_MAX / 1_000
        )),
        Some(ErrorCode::CannotOpen | ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => said.outage(),
        // This machine's memory, not the database's: the file is here.
        Some(ErrorCode::OutOfMemory) => said.here(),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn e3_too_little_memory_here_is_an_outage_and_no_fault_of_a_row() {
        let of = |code| trouble(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(of(ffi::SQLITE_NOMEM).is_here && of(ffi::SQLITE_FULL).outage);
        assert!(!of(ffi::SQLITE_CONSTRAINT).outage);
    }
}
