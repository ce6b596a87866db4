//! The matching report (requirement D4): which venue of Trivia Advisor is which of the application's.

mod whole;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use ledger::ids::VenueId;
use ledger::store::private;

use crate::limits::{
    MATCHES_BAD_ROWS_MAX, MATCHES_FIELD_BYTES_MAX, MATCHES_FIELDS_MAX, MATCHES_FILE_BYTES_MAX,
};

pub use self::whole::whole;

/// What the report says about one pair of venues.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// `venues.id` of Trivia Advisor.
    pub ta_id: i64,
    /// The slug there, as it was when the report was made.
    pub ta_slug: String,
    /// The application's slug, as it was when the report was made; empty where the venue had none.
    pub ea_slug: String,
    /// How far apart the two lie, in metres, where the report says.
    pub distance_m: Option<f64>,
    /// What a person judges the match by.
    pub about: About,
    /// The line of the file on which the row begins, from 1.
    pub line: u64,
}

/// What the report says of a pair for people to judge it by; nothing is decided by it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// What Trivia Advisor calls its venue; empty where the report does not say.
    pub ta_name: String,
    /// What the application calls its; empty where the report does not say.
    pub ea_name: String,
    /// By what the two were matched.
    pub match_type: String,
    /// How sure the match is, from 0 to 1, where the report says.
    pub confidence: Option<f64>,
}

/// A row that may be a match and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// What is wrong, for people; nothing of the row is quoted.
    pub why: String,
}

/// A report that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Matches {
    /// BLAKE3 of the file's bytes, in hex.
    pub digest: String,
    /// All rows below the header, matched or not.
    pub rows: u64,
    /// The matches of each of the application's venues, in the file's order.
    pub venues: BTreeMap<VenueId, Vec<Match>>,
    /// Rows that are left out because they cannot be read, in the file's order.
    pub bad: Vec<BadRow>,
    /// In which way others have a hand in the file. It may be a colleague's: what was read is what counts, and its digest
    /// is written down.
    pub others: Option<String>,
}

/// Why a report cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MatchesError {
    /// The file is not there, or cannot be read.
    #[error("the matching report {} cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no CSV.
    #[error("the matching report {} is no CSV: {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: csv::Error,
    },
    /// The header does not name a column, or names it more than once.
    #[error("the matching report {} has {times} columns {column} in its header instead of one", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// How often it is there.
        times: usize,
    },
    /// The file is written in another way than a CSV with commas.
    #[error("the matching report {} {found}: save it as a CSV with commas, in UTF-8", path.display())]
    Written {
        /// The file.
        path: PathBuf,
        /// What was seen, as the end of a sentence.
        found: &'static str,
    },
    /// There is no match that can be read.
    #[error("nothing of the matching report {} can be used: {why}", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What is wrong with its rows.
        why: String,
    },
}

impl Matches {
    /// What is wrong with the rows that cannot be read: each reason once, with its first line and how many rows have it.
    pub fn unreadable(&self) -> Vec<String> {
        let mut reasons: Vec<(&str, u64, u64)> = Vec::new();
        for BadRow { line, why } in &self.bad {
            match reasons.iter_mut().find(|(reason, ..)| reason == why) {
                Some((.., rows)) => *rows += 1,
                None => reasons.push((why, *line, 1)),
            }
        }
        let said = |(why, line, rows)| match rows {
            1 => format!("line {line} cannot be read: {why}"),
            _ => format!("{rows} rows, the first on line {line}, cannot be read: {why}"),
        };
        reasons.into_iter().map(said).collect()
    }
}

/// Reads a report. Columns are found by name, in any order; others are passed over. Rows of `match_type` `no_match`,
/// and rows without `ea_id`, are no matches.
///
/// # Errors
/// When the file cannot be read, has a row of too many fields, is no CSV with commas in UTF-8, one of the columns `ta_id`, `ta_slug`, `ea_id`, `ea_slug`,
/// `match_type` and `distance_m` is not there exactly once, or `ta_name`, `ea_name` or `confidence` more than once. A row that
/// cannot be read is no error, unless there is no other: see [`Matches::bad`].
pub fn read(path: &Path) -> Result<Matches, MatchesError> {
    let whole = whole_file(path).map_err(|source| MatchesError::File { path: path.to_owned(), source })?;
    let (bytes, others) = whole;
    let broken = |source| MatchesError::Csv { path: path.to_owned(), source };
    // Rows of another length are told from the others here, not by the reader, which would end at the first.
    let mut report = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
    let header = report.byte_headers().map_err(broken)?;
    if let Some(found) = written(&bytes, header) {
        return Err(MatchesError::Written { path: path.to_owned(), found });
    }
    let columns = Columns::find(header, path)?;
    let mut matches = Matches {
        digest: blake3::hash(&bytes).to_hex().to_string(),
        rows: 0,
        venues: BTreeMap::new(),
        bad: Vec::new(),
        others,
    };
    let mut lines = Lines { bytes: &bytes, at: 0, line: 1 };
    let mut row = ByteRecord::new();
    while report.read_byte_record(&mut row).map_err(broken)? {
        matches.rows += 1;
        let line = row.position().map_or(0, |start| lines.of(start.byte()));
        match columns.pair(&row, line) {
            Ok(Some((venue, pair))) => matches.venues.entry(venue).or_default().push(pair),
            Ok(None) => {}
            Err(why) => matches.bad.push(BadRow { line, why }),
        }
        if matches.bad.len() > MATCHES_BAD_ROWS_MAX {
            let why = matches.unreadable().join("; ");
            return Err(MatchesError::Nothing { path: path.to_owned(), why });
        }
    }
    if matches.venues.is_empty() {
        let why = match (matches.rows, matches.bad.is_empty()) {
            (0, _) => "it has no row beneath its header".to_owned(),
            (rows, true) => format!("none of its {rows} rows is a match (match_type no_match, or no ea_id)"),
            (_, false) => matches.unreadable().join("; "),
        };
        return Err(MatchesError::Nothing { path: path.to_owned(), why });
    }
    Ok(matches)
}

/// A file's bytes, unless it is larger than any report, and who else may write it.
fn whole_file(path: &Path) -> std::io::Result<(Vec<u8>, Option<String>)> {
    let mut bytes = Vec::new();
    let (file, others) = match private::open_handed(path) {
        Some(handed) => (handed?, None),
        None => {
            let file = private::open_regular(path)?;
            let others = private::in_others_hands(path, &file)?;
            (file, others)
        }
    };
    let wrong = match file.take(MATCHES_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)? as u64 {
        0..=MATCHES_FILE_BYTES_MAX => {
            let line = too_wide(&bytes).map(|start| Lines { bytes: &bytes, at: 0, line: 1 }.of(start as u64));
            line.map(|line| format!("the row on line {line} has more than {MATCHES_FIELDS_MAX} fields"))
        }
        _ => Some(format!("it is larger than {MATCHES_FILE_BYTES_MAX} bytes")),
    };
    wrong.map_or(Ok((bytes, others)), |wrong| Err(std::io::Error::other(wrong)))
}

/// Where the first row begins that has more fields than any. The reader would take it in whole before anybody could look, so
/// its fields are counted by what it is made of.
fn too_wide(bytes: &[u8]) -> Option<usize> {
    let (mut reader, mut text) = (csv_core::Reader::new(), [0; 1_024]);
    let (mut at, mut start, mut fields) = (0, 0, 0);
    loop {
        let (result, read, _) = reader.read_field(&bytes[at..], &mut text);
        at += read;
        match result {
            csv_core::ReadFieldResult::End => return None,
            csv_core::ReadFieldResult::Field { .. } if fields == MATCHES_FIELDS_MAX => return Some(start),
            csv_core::ReadFieldResult::Field { record_end: true } => (start, fields) = (at, 0),
            csv_core::ReadFieldResult::Field { record_end: false } => fields += 1,
            // The next time nothing is left, which is how it is told.
            csv_core::ReadFieldResult::InputEmpty | csv_core::ReadFieldResult::OutputFull => {}
        }
    }
}

/// In which other way than with commas and in UTF-8 a file is written, if it is.
fn written(bytes: &[u8], header: &ByteRecord) -> Option<&'static str> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Some("is UTF-16");
    }
    if bytes.starts_with(b"sep=") {
        return Some("begins with a line for spreadsheets, sep=");
    }
    // A name of a column has no such character, so one that has is several.
    let has = |separator: u8| header.iter().any(|name| name.contains(&separator));
    match () {
        () if has(b';') => Some("has semicolons between its columns"),
        () if has(b'\t') => Some("has tabs between its columns"),
        () if has(b'|') => Some("has | between its columns"),
        () => None,
    }
}

/// Where the columns stand.
struct Columns {
    all: usize,
    ta_id: usize,
    ta_slug: usize,
    ea_id: usize,
    ea_slug: usize,
    match_type: usize,
    distance_m: usize,
    ta_name: Option<usize>,
    ea_name: Option<usize>,
    confidence: Option<usize>,
}

impl Columns {
    fn find(header: &ByteRecord, path: &Path) -> Result<Self, MatchesError> {
        let find = |column: &'static str| {
            let mut places =
                header.iter().enumerate().filter(|(_, name)| name.trim_ascii() == column.as_bytes());
            let missing = |times| MatchesError::Column { path: path.to_owned(), column, times };
            let (place, _) = places.next().ok_or_else(|| missing(0))?;
            match places.count() {
                0 => Ok(place),
                more => Err(missing(more + 1)),
            }
        };
        let find_if_there = |column| match find(column) {
            Err(MatchesError::Column { times: 0, .. }) => Ok(None),
            found => found.map(Some),
        };
        Ok(Self {
            all: header.len(),
            ta_id: find("ta_id")?,
            ta_slug: find("ta_slug")?,
            ea_id: find("ea_id")?,
            ea_slug: find("ea_slug")?,
            match_type: find("match_type")?,
            distance_m: find("distance_m")?,
            ta_name: find_if_there("ta_name")?,
            ea_name: find_if_there("ea_name")?,
            confidence: find_if_there("confidence")?,
        })
    }

    /// The match in a row; `None` where it is none.
    fn pair(&self, row: &ByteRecord, line: u64) -> Result<Option<(VenueId, Match)>, String> {
        // A comma too many moves every column behind it, so nothing in such a row can be believed.
        if row.len() != self.all {
            return Err(format!("it has {} fields where the header has {}", row.len(), self.all));
        }
        if let Some(field) = row.iter().find(|field| field.len() > MATCHES_FIELD_BYTES_MAX) {
            let (bytes, max) = (field.len(), MATCHES_FIELD_BYTES_MAX);
            return Err(format!("it has a field of {bytes} bytes, and no more than {max} are read"));
        }
        let text = |place: usize, column: &str| {
            std::str::from_utf8(&row[place]).map(str::trim).map_err(|_| format!("its {column} is not UTF-8"))
        };
        let ea_id = text(self.ea_id, "ea_id")?;
        if ea_id.is_empty() || text(self.match_type, "match_type")? == "no_match" {
            return Ok(None);
        }
        let ea_id = whole(ea_id).map_err(|why| format!("its ea_id {why}"))?;
        let ta_id = whole(text(self.ta_id, "ta_id")?).map_err(|why| format!("its ta_id {why}"))?;
        let distance_m = match text(self.distance_m, "distance_m")? {
            "" => None,
            metres => Some(metres.parse().ok().filter(|metres: &f64| metres.is_finite() && *metres >= 0.0))
                .map(|metres| metres.ok_or("its distance_m is no number of metres"))
                .transpose()?,
        };
        let ta_slug = text(self.ta_slug, "ta_slug")?.to_owned();
        let ea_slug = text(self.ea_slug, "ea_slug")?.to_owned();
        let shown = |place: Option<usize>| {
            let text = place.map(|place| String::from_utf8_lossy(&row[place]));
            text.map_or(String::new(), |text| text.trim().to_owned())
        };
        let about = About {
            ta_name: shown(self.ta_name),
            ea_name: shown(self.ea_name),
            match_type: shown(Some(self.match_type)),
            confidence: shown(self.confidence).parse().ok().filter(|share: &f64| share.is_finite()),
        };
        Ok(Some((VenueId(ea_id), Match { ta_id, ta_slug, ea_slug, distance_m, about, line })))
    }
}

/// Counts lines as an editor does. The reader's own count lags behind where lines end in `\r\n` or are empty.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that begins at or behind a byte, which is not before the last one asked for.
    fn of(&mut self, byte: u64) -> u64 {
        let mut start = usize::try_from(byte).unwrap_or(usize::MAX).clamp(self.at, self.bytes.len());
        while matches!(self.bytes.get(start), Some(b'\r' | b'\n')) {
            start += 1;
        }
        self.line += self.bytes[self.at..start].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at = start;
        self.line
    }
}

#[cfg(test)]
mod tests;
