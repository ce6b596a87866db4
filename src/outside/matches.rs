//! The matching report (requirement D4): which venue of Trivia Advisor is which of the application's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use ledger::ids::VenueId;

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
}

/// Reads a report. Columns are found by name, in any order; others are passed over. Rows of `match_type` `no_match`,
/// and rows without `ea_id`, are no matches.
///
/// # Errors
/// When the file cannot be read, or one of the columns `ta_id`, `ta_slug`, `ea_id`, `ea_slug`, `match_type` and
/// `distance_m` is not there exactly once, or `ta_name`, `ea_name` or `confidence` more than once. A row that cannot be read is no error: see [`Matches::bad`].
pub fn read(path: &Path) -> Result<Matches, MatchesError> {
    let bytes = std::fs::read(path).map_err(|source| MatchesError::File { path: path.to_owned(), source })?;
    let broken = |source| MatchesError::Csv { path: path.to_owned(), source };
    // Rows of another length are told from the others here, not by the reader, which would end at the first.
    let mut report = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
    let columns = Columns::find(report.byte_headers().map_err(broken)?, path)?;
    let mut matches = Matches {
        digest: blake3::hash(&bytes).to_hex().to_string(),
        rows: 0,
        venues: BTreeMap::new(),
        bad: Vec::new(),
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
    }
    Ok(matches)
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
        let text = |place: usize, column: &str| {
            std::str::from_utf8(&row[place]).map(str::trim).map_err(|_| format!("its {column} is not UTF-8"))
        };
        let ea_id = text(self.ea_id, "ea_id")?;
        if ea_id.is_empty() || text(self.match_type, "match_type")? == "no_match" {
            return Ok(None);
        }
        let ea_id = ea_id.parse().map_err(|_| "its ea_id is no whole number")?;
        let ta_id = text(self.ta_id, "ta_id")?.parse().map_err(|_| "its ta_id is no whole number")?;
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
mod tests {
    use super::*;

    /// A report with the real one's oddities: 575 of 2,779 rows matched there, one venue twice, pairs far apart.
    const REPORT: &str = "\
ta_id,ta_slug,ta_name,ea_id,ea_slug,ea_name,match_type,confidence,distance_m,name_distance,images_count
1,white-hart,\"White Hart, \"\"The\"\"\",457,white-hart,White Hart,slug_only,0.85,87.7,0,5
2,nowhere,Nowhere,,,,no_match,0.0,,,3
420,the-royal-oak,The Royal Oak,842,the-royal-oak,The Royal Oak,slug_only,0.85,17047036.7,0,5
421,two-lines,\"Two
lines\",12,two-lines,Two,geo_name,1,,0,0
1250,the-royal-oak-halesowen,The Royal Oak,842,the-royal-oak,The Royal Oak,geo_name,0.85,0.3,0,5
1251,odd,Odd,13,,Odd,no_match,0.85,1,0,5
";

    fn read_text(text: impl AsRef<[u8]>) -> Result<Matches, MatchesError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("matching_report.csv");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    fn pair(ta_id: i64, ta_slug: &str, ea_slug: &str, distance_m: Option<f64>, line: u64) -> Match {
        let about = About { match_type: "slug_geo".to_owned(), ..About::default() };
        Match { ta_id, ta_slug: ta_slug.to_owned(), ea_slug: ea_slug.to_owned(), distance_m, about, line }
    }

    fn about(ta_name: &str, ea_name: &str, match_type: &str, confidence: f64) -> About {
        let [ta_name, ea_name, match_type] = [ta_name, ea_name, match_type].map(str::to_owned);
        About { ta_name, ea_name, match_type, confidence: Some(confidence) }
    }

    #[test]
    fn d4_matched_rows_are_gathered_by_venue_in_the_files_order() {
        let matches = read_text(REPORT).unwrap();
        assert_eq!(matches.digest, blake3::hash(REPORT.as_bytes()).to_hex().as_str());
        assert_eq!((matches.rows, &matches.bad), (6, &vec![]));
        let with = |about, pair| Match { about, ..pair };
        let oak = |match_type| about("The Royal Oak", "The Royal Oak", match_type, 0.85);
        let far = pair(420, "the-royal-oak", "the-royal-oak", Some(17_047_036.7), 4);
        let near = pair(1250, "the-royal-oak-halesowen", "the-royal-oak", Some(0.3), 7);
        let two =
            with(about("Two\nlines", "Two", "geo_name", 1.0), pair(421, "two-lines", "two-lines", None, 5));
        let hart = about("White Hart, \"The\"", "White Hart", "slug_only", 0.85);
        let expected = [
            (VenueId(12), vec![two]),
            (VenueId(457), vec![with(hart, pair(1, "white-hart", "white-hart", Some(87.7), 2))]),
            (VenueId(842), vec![with(oak("slug_only"), far), with(oak("geo_name"), near)]),
        ];
        assert_eq!(matches.venues, BTreeMap::from(expected));
    }

    #[test]
    fn d4_columns_are_found_by_name_behind_a_bom_and_with_any_line_ends() {
        let shuffled = "\u{feff}distance_m,x,match_type,ea_slug,ea_id,ta_slug,ta_id\r\n\
             1.5,?,slug_geo,b,2,a,1\r\n\r\n\
             ,\"\r\n\",slug_geo,d,4,c,3\r\n,?,slug_geo,f,6,e,5";
        let matches = read_text(shuffled).unwrap();
        let expected = [
            (VenueId(2), vec![pair(1, "a", "b", Some(1.5), 2)]),
            (VenueId(4), vec![pair(3, "c", "d", None, 4)]),
            (VenueId(6), vec![pair(5, "e", "f", None, 6)]),
        ];
        assert_eq!((matches.rows, matches.venues), (3, BTreeMap::from(expected)));
    }

    #[test]
    fn d4_a_row_that_cannot_be_read_is_named_and_the_rest_goes_on() {
        let header = "ta_id,ta_slug,ea_id,ea_slug,match_type,distance_m\n";
        let rows: [&[u8]; 12] = [
            b"x,a,1,b,slug_geo,1",
            b"1,a,1.5,b,slug_geo,1",
            b"1,a,2,b,slug_geo,far",
            b"1,a,3,b,slug_geo,NaN",
            b"1,a,4,b,slug_geo,-1",
            b"1,a,5,b,slug_geo,inf",
            b"1,a,99999999999999999999,b,slug_geo,1",
            b"1,a, b,6,b,slug_geo,1",
            b"1,a",
            b"1,\xff,7,b,slug_geo,1",
            b"x,a,,b,no_match,far",
            b"1,a,8,b,slug_geo,1",
        ];
        let matches = read_text([header.as_bytes(), &rows.join(&b'\n')].concat()).unwrap();
        assert_eq!(matches.rows, 12);
        assert_eq!(matches.venues.keys().copied().collect::<Vec<_>>(), [VenueId(8)]);
        let bad: Vec<_> = matches.bad.iter().map(|bad| (bad.line, bad.why.as_str())).collect();
        let distance = "its distance_m is no number of metres";
        assert_eq!(
            bad,
            [
                (2, "its ta_id is no whole number"),
                (3, "its ea_id is no whole number"),
                (4, distance),
                (5, distance),
                (6, distance),
                (7, distance),
                (8, "its ea_id is no whole number"),
                (9, "it has 7 fields where the header has 6"),
                (10, "it has 2 fields where the header has 6"),
                (11, "its ta_slug is not UTF-8"),
            ]
        );
    }

    #[test]
    fn d4_a_missing_or_doubled_column_is_named_with_its_file() {
        for (column, other, times) in [
            ("ta_id", "id", "0 columns ta_id"),
            ("ta_slug", "slug", "0 columns ta_slug"),
            ("ea_id", "ea_slug", "0 columns ea_id"),
            ("match_type", "Match_Type", "0 columns match_type"),
            ("distance_m", "distance_km", "0 columns distance_m"),
            ("confidence", "ea_slug", "2 columns ea_slug"),
        ] {
            let said = read_text(REPORT.replacen(column, other, 1)).unwrap_err().to_string();
            assert!(said.contains(times) && said.contains("matching_report.csv"), "{said}");
        }
        assert!(matches!(read_text(""), Err(MatchesError::Column { .. })));
        let said = read(Path::new("nowhere/report.csv")).unwrap_err().to_string();
        assert!(said.contains("nowhere/report.csv cannot be read"), "{said}");
    }
}
