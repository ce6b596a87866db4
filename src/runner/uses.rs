//! Which files the database's rows speak of. Found generously: a file too many that stays harms nobody, a picture that
//! is gone from the site does.

use std::borrow::Cow;
use std::collections::HashMap;

use ledger::ids::{CdnPath, FileId, VenueId};

use super::parts::Outside;
use super::retry::{Halt, Retry};
use crate::limits::CATALOG_PAGE_VENUES;
use crate::outside::catalog::{Catalog, Place, Venue};

/// Escapes within escapes that are looked behind: JSON in a string of JSON, with an encoded URL in it, is three.
const DECODINGS_MAX: usize = 4;

/// What some files are recognised by in a text: file name or file id, wherever they stand in it, in whatever escapes
/// and whatever case. A URL and a path end with the name, so they count with it.
#[derive(Debug, Default)]
pub struct Marks {
    /// The longest word of a name or an id, and the files that have it.
    words: HashMap<String, Vec<usize>>,
    /// Files that have no word at all: nothing could show that a row does not use them.
    always: Vec<usize>,
}

impl Marks {
    /// The marks of these files, which are known by their places from here on.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a FileId, &'a CdnPath)>) -> Self {
        let mut marks = Self::default();
        for (place, (id, path)) in files.into_iter().enumerate() {
            for text in [id.to_string().as_str(), path.name()] {
                let lower = text.to_ascii_lowercase();
                // Of two words equally long either will do.
                match words(&lower).max_by_key(|word| word.len()) {
                    Some(word) => marks.words.entry(word.to_owned()).or_default().push(place),
                    None => marks.always.push(place),
                }
            }
        }
        marks
    }

    /// The words that a text must hold to speak of one of the files; `None` where some file has no word.
    fn words(&self) -> Option<Vec<String>> {
        self.always.is_empty().then(|| self.words.keys().cloned().collect())
    }

    /// Calls `found` with the place of each file that a text speaks of, perhaps several times.
    pub fn find(&self, text: &str, mut found: impl FnMut(usize)) {
        self.always.iter().copied().for_each(&mut found);
        let mut form = Cow::Borrowed(text);
        for _ in 0..DECODINGS_MAX {
            let lower = form.to_ascii_lowercase();
            for places in words(&lower).filter_map(|word| self.words.get(word)) {
                places.iter().copied().for_each(&mut found);
            }
            match decoded(&form) {
                Some(inner) => form = Cow::Owned(inner),
                None => break,
            }
        }
    }
}

/// Calls `each` with every row of the database that holds anything, in the order of their ids.
///
/// # Errors
/// When the database cannot be read; [`Halt::GivenUp`] when it is to stop.
pub async fn every_row(
    catalog: &dyn Catalog,
    retry: &Retry,
    mut each: impl FnMut(Venue),
) -> Result<(), Halt> {
    let mut after: Option<VenueId> = None;
    loop {
        let page = || catalog.rows(Place::Everywhere, after, CATALOG_PAGE_VENUES);
        let page = retry.run(Outside::Catalog, page).await?.value;
        let is_last = page.len() < CATALOG_PAGE_VENUES as usize;
        after = page.last().map(|venue| venue.id);
        page.into_iter().for_each(&mut each);
        if is_last {
            return Ok(());
        }
    }
}

/// The first row that uses the one file of these marks as the rows are now, found by the database itself as far as it can.
///
/// # Errors
/// As [`every_row`].
pub async fn first_user(
    catalog: &dyn Catalog,
    retry: &Retry,
    marks: &Marks,
) -> Result<Option<VenueId>, Halt> {
    let (words, mut after) = (marks.words().unwrap_or_default(), None);
    loop {
        let page = || catalog.naming(&words, after, CATALOG_PAGE_VENUES);
        let page = retry.run(Outside::Catalog, page).await?.value;
        for row in &page {
            let mut is_used = false;
            marks.find(row.images.as_deref().unwrap_or_default(), |_| is_used = true);
            if is_used {
                return Ok(Some(row.id));
            }
        }
        after = page.last().map(|venue| venue.id);
        if page.len() < CATALOG_PAGE_VENUES as usize {
            return Ok(None);
        }
    }
}

/// The parts of a text that names and ids consist of. What hangs at their ends, like a sentence's full stop, does not
/// count.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    text.split(move |c| !is_inside(c))
        .map(|word| word.trim_matches(['.', '_', '-']))
        .filter(|word| !word.is_empty())
}

/// A text with JSON's escapes and then those of URLs undone; `None` when there are none.
fn decoded(text: &str) -> Option<String> {
    let plain = match text.contains('\\') {
        true => Cow::Owned(without_backslashes(text)),
        false => Cow::Borrowed(text),
    };
    match plain.contains('%') {
        true => Some(without_percents(&plain)).filter(|done| done != text),
        false => matches!(plain, Cow::Owned(_)).then(|| plain.into_owned()),
    }
}

fn without_backslashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, if c == '\\' { rest.next() } else { None }) {
            ('\\', Some('u')) => {
                let digits = rest.as_str().get(..4);
                let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                // Half of a pair is no character; it stands in no name that ends a word otherwise.
                out.push(code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
                if code.is_some() {
                    rest = rest.as_str()[4..].chars();
                }
            }
            ('\\', Some('b' | 'f' | 'n' | 'r' | 't')) => out.push(' '),
            ('\\', Some(escaped)) => out.push(escaped),
            (c, _) => out.push(c),
        }
    }
    out
}

/// A text with the escapes of URLs undone.
pub(super) fn without_percents(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| byte == b'%') {
            Some(encoded) => {
                out.push(encoded);
                rest = &behind[2..];
            }
            None => {
                out.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> bool {
        let id = "6673f88237b244ef54d60180".parse().unwrap();
        let path = "/venues/the-pub/the-pub_0123456789abcdef.jpg".parse().unwrap();
        let mut places = Vec::new();
        Marks::of([(&id, &path)]).find(text, |place| places.push(place));
        assert!(places.iter().all(|place| *place == 0));
        !places.is_empty()
    }

    #[test]
    fn s7_a_row_that_names_a_file_in_any_spelling_uses_it() {
        for text in [
            r#"[{"url": "https://ik.example/id/venues/the-pub/the-pub_0123456789abcdef.jpg"}]"#,
            r#"[{"url": "https://cdn.example/tr:w-100/THE-PUB_0123456789abcdef.JPG?updatedAt=1"}]"#,
            r#"[{"url": "https:\/\/ik.example\/venues\/the-pub\/the-pub_0123456789abcdef.jpg"}]"#,
            r#"[{"url": "\u0074he-pub\u005F0123456789abcdef\u002ejpg"}]"#,
            r#"["https%3A%2F%2Fik.example%2Fthe%2Dpub_0123456789abcdef.jpg"]"#,
            r#"["{\"url\":\"https:\\/\\/ik.example%2Fvenues%2Fthe-pub_0123456789abcdef.jpg\"}"]"#,
            r#"[{"imagekit_file_id": "6673f88237b244ef54d60180"}]"#,
            r#"{"not": ["an array", "see the-pub_0123456789abcdef.jpg."]}"#,
            "no JSON at all: 6673F88237B244EF54D60180",
        ] {
            assert!(found(text), "{text}");
        }
    }

    #[test]
    fn a_row_that_names_another_file_does_not_use_this_one() {
        for text in [
            "",
            "[]",
            r#"[{"url": "https://ik.example/venues/the-pub/the-pub_fedcba9876543210.jpg"}]"#,
            r#"[{"url": "https://ik.example/venues/the-pub/xthe-pub_0123456789abcdef.jpg"}]"#,
            r#"[{"imagekit_file_id": "6673f88237b244ef54d60181"}, "\ud800", "%zz", "\u12", "100%", "\\"]"#,
        ] {
            assert!(!found(text), "{text}");
        }
    }

    #[test]
    fn s7_a_file_without_any_word_is_always_used() {
        let (id, path) = ("abc".parse().unwrap(), "/venues/世界".parse().unwrap());
        let mut is_found = false;
        Marks::of([(&id, &path)]).find("[]", |_| is_found = true);
        assert!(is_found);
    }
}
