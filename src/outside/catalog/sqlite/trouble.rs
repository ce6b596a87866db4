//! SQLite's errors in E1's words.

use rusqlite::ErrorCode;

use crate::outside::Trouble;
use crate::outside::catalog::{plain, refused};

/// What an error means: the file or its disk is away (waiting helps), or one statement was refused.
pub(super) fn trouble(error: rusqlite::Error) -> Trouble {
    let said = refused(format!("the database refused: {}", plain(&error.to_string())));
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => said.outage(),
        _ => said,
    }
}
