//! How much is read of what others wrote. A text beyond its bound never leaves the database: words that are no JSON come
//! in its place, so that the row is reported as bad data wherever it is met, and nothing is written to it.

use ledger::trouble::TroubleKind;
use memchr::memchr2;

use crate::limits::{
    CATALOG_FETCH_ROWS_FIRST, CATALOG_FETCH_ROWS_MAX, CATALOG_ROW_BYTES_MAX, CATALOG_ROW_VALUES_MAX,
};
use crate::outside::Trouble;

/// With these begin the words that stand for a text that was not read.
const UNREAD: &str = "(not read) ";

/// The rows of a page, and what they hold.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// The rows, in the query's order.
    pub(crate) rows: Vec<T>,
    bytes: usize,
    bytes_max: usize,
    is_cut: bool,
}

impl<T> Page<T> {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { rows: Vec::new(), bytes: 0, bytes_max, is_cut: false }
    }

    /// Whether another row fits, if it is like those before.
    pub(crate) fn has_room(&self) -> bool {
        !self.is_cut && self.bytes + self.mean() <= self.bytes_max
    }

    fn mean(&self) -> usize {
        self.bytes.div_ceil(self.rows.len().max(1))
    }

    /// Takes a row, unless it does not fit. The first always does: whoever asks on would else get nothing for ever.
    pub(crate) fn take(&mut self, row: T, bytes: usize) {
        let bytes = bytes + size_of::<T>();
        self.is_cut = !self.rows.is_empty() && self.bytes + bytes > self.bytes_max;
        if !self.is_cut {
            self.bytes += bytes;
            self.rows.push(row);
        }
    }

    /// How many rows to ask for next: as many as fit, if they are like those before.
    pub(crate) fn rows_wanted(&self) -> usize {
        if self.rows.is_empty() {
            return CATALOG_FETCH_ROWS_FIRST;
        }
        (self.bytes_max.saturating_sub(self.bytes) / self.mean()).clamp(1, CATALOG_FETCH_ROWS_MAX)
    }

    /// All rows, where they are to be one page.
    pub(crate) fn whole(self, what: &str) -> Result<Vec<T>, Trouble> {
        match self.has_room() {
            true => Ok(self.rows),
            false => Err(bad(format!("the names of all {what} are more than {} bytes", self.bytes_max))),
        }
    }
}

/// A text of a row as it was read: `None` where it is beyond the bound, or NULL, which has no bytes either.
pub(crate) fn bounded(text: Option<String>, bytes: Option<i64>) -> Option<String> {
    match (text, bytes) {
        (Some(text), _) => Some(match too_many(&text) {
            Some(why) => format!("{UNREAD}{why}"),
            None => text,
        }),
        (None, Some(bytes)) => Some(format!("{UNREAD}{}", too_long(bytes as u64))),
        (None, None) => None,
    }
}

/// Why a text was not read, where these words stand for one.
pub fn unread(text: &str) -> Option<&str> {
    text.strip_prefix(UNREAD)
}

/// What is wrong with a column that should hold an array, as the end of a sentence.
pub fn no_array(column: &str, text: Option<&str>) -> String {
    match text.and_then(unread) {
        Some(why) => format!("{column} {why}"),
        None => format!("{column} is not an array"),
    }
}

/// Why a row could not be read any more once its entries have changed, as the end of a sentence. Each change is an entry,
/// and the largest that it can become; it may also stay as it is.
pub fn outgrown<'a>(text: &str, changes: impl IntoIterator<Item = (&'a str, String)>) -> Option<String> {
    let (mut bytes, mut all) = (text.len() as u64, values(text));
    for (from, to) in changes {
        bytes += to.len().saturating_sub(from.len()) as u64;
        all += values(&to).saturating_sub(values(from));
    }
    let becomes = "once its images are completed, and no more than";
    if bytes > CATALOG_ROW_BYTES_MAX {
        let held = text.len();
        return Some(format!(
            "holds {held} bytes, may hold {bytes} {becomes} {CATALOG_ROW_BYTES_MAX} are read"
        ));
    }
    (all > CATALOG_ROW_VALUES_MAX).then(|| {
        let held = values(text);
        format!(
            "holds {held} keys and values, may hold {all} {becomes} {CATALOG_ROW_VALUES_MAX} are read in up to \
             {CATALOG_ROW_BYTES_MAX} bytes"
        )
    })
}

/// Sees that a row may be rewritten from what it holds: only what was read can be.
pub(super) fn check_held(text: Option<&str>) -> Result<(), Trouble> {
    match text.and_then(unread) {
        Some(why) => Err(bad(format!("the row is left as it is: venue_images {why}"))),
        None => Ok(()),
    }
}

/// Sees that what is to be written can be read again.
pub(super) fn check_new(text: Option<&str>) -> Result<(), Trouble> {
    let Some(text) = text else { return Ok(()) };
    let bytes = text.len() as u64;
    let why = if bytes > CATALOG_ROW_BYTES_MAX { Some(too_long(bytes)) } else { too_many(text) };
    match why {
        Some(why) => Err(bad(format!("the row is left as it is: with the change, venue_images {why}"))),
        None => Ok(()),
    }
}

/// Trouble with what a database holds: no other attempt does better.
pub(super) fn bad(message: impl Into<String>) -> Trouble {
    Trouble::new(TroubleKind::BadData, message)
}

fn too_long(bytes: u64) -> String {
    format!("holds {bytes} bytes, and no more than {CATALOG_ROW_BYTES_MAX} are read")
}

/// Why a text holds too much for its bytes: each value costs memory of its own, however short it is.
fn too_many(text: &str) -> Option<String> {
    let values = values(text);
    (values > CATALOG_ROW_VALUES_MAX).then(|| {
        format!("holds {values} keys and values, and no more than {CATALOG_ROW_VALUES_MAX} are read in up to {CATALOG_ROW_BYTES_MAX} bytes")
    })
}

/// The keys and values of a JSON text, about: colons and commas outside of strings.
fn values(text: &str) -> usize {
    let (mut values, mut rest) = (0, text.as_bytes());
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match byte {
            b'"' => rest = behind_string(behind),
            b',' | b':' => values += 1,
            _ => {}
        }
    }
    values
}

/// What is behind the string that a text begins in.
fn behind_string(mut text: &[u8]) -> &[u8] {
    while let Some(at) = memchr2(b'"', b'\\', text) {
        if text[at] == b'"' {
            return &text[at + 1..];
        }
        // What is escaped does not end it.
        text = text.get(at + 2..).unwrap_or_default();
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e1_only_what_is_within_both_bounds_is_read() {
        let read = |text: &str| bounded(Some(text.to_owned()), Some(text.len() as i64)).unwrap();
        let text = r#"[{"a,:": "\\", "b": "\",\""}, 7]"#;
        assert_eq!((read(text).as_str(), values(text)), (text, 4));
        assert_eq!(["[\"a, b:", "1, \"\\", "\\\", 1\", 2"].map(values), [0, 1, 1]);
        let many = |values: usize| format!("[{}]", vec!["1"; values].join(","));
        assert_eq!(unread(&read(&many(CATALOG_ROW_VALUES_MAX + 1))), None);
        let said = read(&many(CATALOG_ROW_VALUES_MAX + 2));
        assert!(unread(&said).unwrap().contains(&(CATALOG_ROW_VALUES_MAX + 1).to_string()), "{said}");
        assert_eq!(bounded(None, None), None);
        let long = bounded(None, Some(31_000_000)).unwrap();
        assert_eq!(no_array("it", Some(&long)), format!("it {}", too_long(31_000_000)));
        assert!(
            check_held(Some(&long)).is_err() && check_held(Some("[]")).is_ok() && check_held(None).is_ok()
        );
        let grows = |by: usize| outgrown("[1, 2]", [("1", "2".repeat(by + 1)), ("22", "3".to_owned())]);
        assert_eq!(grows(CATALOG_ROW_BYTES_MAX as usize - 6), None, "an entry may also stay as it is");
        assert!(
            grows(CATALOG_ROW_BYTES_MAX as usize - 5).unwrap().contains("holds 6 bytes, may hold 4000001")
        );
        let said = outgrown("[1]", [("1", many(CATALOG_ROW_VALUES_MAX + 2))]).unwrap();
        assert!(said.contains(&(CATALOG_ROW_VALUES_MAX + 1).to_string()), "{said}");
        let text = |bytes: u64| format!("\"{}\"", "x".repeat(bytes as usize - 2));
        assert!(check_new(Some(&text(CATALOG_ROW_BYTES_MAX))).is_ok());
        assert!(check_new(Some(&text(CATALOG_ROW_BYTES_MAX + 1))).is_err());
    }
}
