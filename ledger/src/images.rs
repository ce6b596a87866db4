//! Lossless edits of a venue's image array.
//!
//! Other people's JSON is never parsed into values: an array is a list of raw slices of the catalog's own text, and
//! what is not edited comes out byte for byte as it went in, numbers of forty digits and all.

mod add;
mod array;
mod compare;
mod edit;
mod entry;
mod places;
#[cfg(test)]
mod tests;

pub use add::{append, pictures, remove};
pub use array::{Array, NotAnArray};
pub use compare::{Became, Compared, compare, differing_keys};
pub use edit::{Change, Edited, Found, before, edit, take_back};
pub(crate) use entry::number_of;
pub use entry::{CdnFacts, Entry, same as same_entry};

/// The entries of an array that are to be moved: external, and of the populate that made them (requirement C4).
///
/// # Errors
/// When the text is not a JSON array.
pub fn movable(array: &str) -> Result<Vec<&str>, NotAnArray> {
    let array = Array::parse(array)?;
    Ok(array.elements().filter(|raw| Entry::parse(raw).is_some_and(|entry| entry.is_movable())).collect())
}

/// Whether two arrays hold the same entries in the same order; key order and spaces inside an entry do not count.
pub fn same(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (Array::parse(one), Array::parse(other)) else { return one == other };
    one.len() == other.len() && one.elements().zip(other.elements()).all(|(a, b)| entry::same(a, b))
}
