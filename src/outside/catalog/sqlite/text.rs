//! Texts out of columns that may hold anything: SQLite keeps numbers and bytes in a column of texts, too. One such row
//! must not keep a whole page of others from being read (requirement E1).

use rusqlite::Row;
use rusqlite::types::ValueRef;

/// What stands before bytes that are no text where JSON should be. With it they are no JSON, so nobody takes them for an
/// array; what follows is as much of them as can be read, so that words in it are still found.
const NO_TEXT: &str = "(bytes that are no UTF-8) ";

/// A name or a slug. What of it is no UTF-8 is replaced, as it is only shown.
pub(crate) fn words(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(index)? {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    })
}

/// JSON, to the letter. Bytes that are no UTF-8 come as something that is no JSON: they can be neither kept in the
/// ledger nor written back, so the venue is left as it is.
pub(crate) fn json(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<String>> {
    let (ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = row.get_ref(index)? else {
        return words(row, index);
    };
    Ok(Some(match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("{NO_TEXT}{}", String::from_utf8_lossy(bytes)),
    }))
}

/// A reference to another row; what is no whole number refers to none.
pub(crate) fn reference(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<i64>> {
    Ok(match row.get_ref(index)? {
        ValueRef::Integer(id) => Some(id),
        _ => None,
    })
}
