//! From the images Trivia Advisor has of a venue to external entries of the application's array (requirements C1, D2
//! and D3). Pure: the text goes in, texts come out.
//!
//! A path is other people's text that becomes part of an address, so what it may be is said here rather than what it
//! may not: what comes out is the base, the path, and nothing that a browser, a proxy or a store would read otherwise.

#[cfg(test)]
mod tests;

use ledger::images::{Array, NotAnArray};
use ledger::timestamp::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::TaVenue;

/// What an array of Trivia Advisor's comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The entries, in the array's order. Two may have one URL.
    pub entries: Vec<NewEntry>,
    /// The elements that make no entry, in the array's order.
    pub left_out: Vec<LeftOut>,
}

/// An external entry (requirement D3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Its `url`: ASCII, as it is written in the text.
    pub url: String,
    /// The entry as JSON text, spaced as jsonb writes it.
    pub text: String,
}

/// An element that makes no entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its place in the array, from 0.
    pub index: usize,
    /// Why, for people; nothing of the element is quoted.
    pub why: String,
}

/// The entries of a venue's images, below the origin's base URL. A venue without an array (SQL NULL) has none.
///
/// # Errors
/// When the venue has something else than a JSON array.
pub fn entries(ta: &TaVenue, base: &Url, migrated_at: Timestamp) -> Result<Converted, NotAnArray> {
    let mut converted = Converted { entries: Vec::new(), left_out: Vec::new() };
    let Some(text) = &ta.images else { return Ok(converted) };
    for (index, element) in Array::parse(text)?.elements().enumerate() {
        match entry(element, base, migrated_at) {
            Ok(entry) => converted.entries.push(entry),
            Err(why) => converted.left_out.push(LeftOut { index, why: why.to_owned() }),
        }
    }
    Ok(converted)
}

/// The keys that count. Of the others only the ends are looked for; a key that stands there twice is refused, since
/// which of the two would it be?
#[derive(Deserialize)]
struct Image<'a> {
    #[serde(borrow)]
    local_path: Option<&'a RawValue>,
    #[serde(borrow)]
    width: Option<&'a RawValue>,
    #[serde(borrow)]
    height: Option<&'a RawValue>,
}

fn entry(element: &str, base: &Url, migrated_at: Timestamp) -> Result<NewEntry, &'static str> {
    // An array's elements would be taken for the fields in their order.
    if !element.starts_with('{') {
        return Err("it is no object");
    }
    let image: Image<'_> =
        serde_json::from_str(element).map_err(|_| "it has a key twice, or one that is no valid Unicode")?;
    let path = image.local_path.ok_or("it has no local_path")?;
    let path: String = serde_json::from_str(path.get()).map_err(|_| "its local_path is no text")?;
    let url = url(base, &path)?;
    let (width, height) = (pixels(image.width), pixels(image.height));
    let text = format!(
        "{{\"url\": {}, \"upload_status\": \"external\", \"width\": {width}, \"height\": {height}, \
         \"source\": \"trivia_advisor_migration\", \"migrated_at\": \"{migrated_at}\"}}",
        serde_json::Value::from(url.as_str())
    );
    Ok(NewEntry { url, text })
}

/// A side as Trivia Advisor has it, where that is a positive whole number of pixels.
fn pixels(side: Option<&RawValue>) -> String {
    let side = side.and_then(|raw| raw.get().parse::<u32>().ok()).filter(|side| *side > 0);
    side.map_or_else(|| "null".to_owned(), |side| side.to_string())
}

/// The address of a path below the base, or why there is none.
fn url(base: &Url, path: &str) -> Result<String, &'static str> {
    if !path.starts_with('/') || path.starts_with("//") || path.len() == 1 {
        return Err("its local_path does not begin with one / and a name");
    }
    // Whoever decodes an address may do it again, so every meaning that decoding can give is looked at.
    let mut meaning = path.as_bytes().to_vec();
    loop {
        check(&meaning)?;
        let decoded = decode(&meaning);
        if decoded.len() == meaning.len() {
            break;
        }
        meaning = decoded;
    }
    let origin = base.origin();
    let text =
        format!("{}{}{}", origin.ascii_serialization(), base.path().trim_end_matches('/'), escape(path));
    let read = Url::parse(&text).map_err(|_| "its local_path makes no URL")?;
    if read.as_str() != text || read.origin() != origin {
        return Err("its local_path makes a URL that would be read as another");
    }
    Ok(text)
}

/// Refuses what may not be in a path, in this meaning of it.
fn check(path: &[u8]) -> Result<(), &'static str> {
    if path.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b"..")) {
        return Err("its local_path has a segment . or ..");
    }
    if path.contains(&b'\\') {
        return Err("its local_path has a backslash");
    }
    if String::from_utf8_lossy(path).chars().any(char::is_control) {
        return Err("its local_path has a control character");
    }
    Ok(())
}

/// The byte that `%` and two hex digits at a place stand for.
fn escaped(path: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = path.get(at..at + 3)? else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn decode(path: &[u8]) -> Vec<u8> {
    let (mut decoded, mut at) = (Vec::with_capacity(path.len()), 0);
    while let Some(byte) = path.get(at) {
        let found = escaped(path, at);
        decoded.push(found.unwrap_or(*byte));
        at += if found.is_some() { 3 } else { 1 };
    }
    decoded
}

/// The path with everything percent-encoded that a URL's path may not hold (RFC 3986). What is percent-encoded already
/// stays; a `%` that encodes nothing is itself encoded.
fn escape(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        let stays = byte.is_ascii_alphanumeric()
            || b"/-._~!$&'()*+,;=:@".contains(byte)
            || (*byte == b'%' && escaped(bytes, at).is_some());
        match stays {
            true => out.push(char::from(*byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
