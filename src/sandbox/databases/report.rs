//! The matching report (requirement D4) as a CSV file.

use std::path::Path;

use super::FillError;
use crate::sandbox::seed::{MatchRow, World};

/// Writes the world's matching report.
///
/// # Errors
/// When the file cannot be written.
pub fn write_report(path: &Path, world: &World) -> Result<(), FillError> {
    let failed = |source| FillError::Report { path: path.to_owned(), source };
    let mut report = csv::Writer::from_path(path).map_err(failed)?;
    for row in &world.matches {
        report.serialize(row).map_err(failed)?;
    }
    report.flush().map_err(|error| failed(error.into()))
}

/// Reads a matching report, to build the world that fits it; columns are found by name.
///
/// # Errors
/// When the file cannot be read or a row is not one of requirement D4.
pub fn read_report(path: &Path) -> Result<Vec<MatchRow>, FillError> {
    let failed = |source| FillError::Report { path: path.to_owned(), source };
    let mut report = csv::Reader::from_path(path).map_err(failed)?;
    report.deserialize().collect::<Result<_, _>>().map_err(failed)
}
