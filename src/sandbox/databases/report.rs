//! The matching report (requirement D4) as a CSV file.

use std::path::Path;

use csv::StringRecord;
use ledger::store::private;

use super::FillError;
use crate::outside::matches::whole;
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

/// Reads a matching report, to build the world that fits it; columns are found by name, and whole numbers are read as
/// `populate` reads them.
///
/// # Errors
/// When the file cannot be read or a row is not one of requirement D4.
pub fn read_report(path: &Path) -> Result<Vec<MatchRow>, FillError> {
    let failed = |source| FillError::Report { path: path.to_owned(), source };
    let mut report =
        csv::Reader::from_reader(private::open_regular(path).map_err(|error| failed(error.into()))?);
    let header = report.headers().map_err(failed)?.clone();
    let plain = |(name, text): (&str, &str)| match name {
        "ta_id" | "ea_id" | "images_count" => {
            whole(text).map_or(text.to_owned(), |number| number.to_string())
        }
        _ => text.to_owned(),
    };
    let mut rows = Vec::new();
    for record in report.records() {
        let record = record.map_err(failed)?;
        let record: StringRecord = header.iter().zip(&record).map(plain).collect();
        rows.push(record.deserialize(Some(&header)).map_err(failed)?);
    }
    Ok(rows)
}
