//! File and folder names, ids, and the URLs made of them.

use std::sync::atomic::{AtomicU32, Ordering};

use url::Url;

use super::answer::{Answer, Refusal};
use super::clock;
use crate::limits;

/// Which upload API a request came by. They differ in what they do to names only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// Replaces what it does not like by `_`.
    V1,
    /// Keeps names as they are.
    V2,
}

/// The name a file gets.
pub(super) fn file_name(api: Api, asked: &str) -> String {
    let kept = |c: char| match api {
        Api::V1 => is_word(c) || matches!(c, '.' | '-'),
        // A slash would make a folder that nobody asked for.
        Api::V2 => c != '/',
    };
    asked.chars().map(|c| if kept(c) { c } else { '_' }).collect()
}

/// The folder a request means: one leading slash, no trailing one except for the root.
///
/// # Errors
/// A folder named `.` or `..`, or too deep a nesting.
pub(super) fn folder(api: Api, asked: &str) -> Answer<String> {
    let names: Vec<String> =
        asked.split('/').filter(|name| !name.is_empty()).map(|name| clean(api, name)).collect();
    if names.iter().any(|name| name == "." || name == "..") {
        return Err(Refusal::bad("Your request contains invalid folder parameter."));
    }
    if names.len() > limits::SANDBOX_FOLDERS_DEEP_MAX {
        return Err(Refusal::bad("Your request contains invalid folder parameter. It is nested too deeply."));
    }
    Ok(format!("/{}", names.join("/")))
}

fn clean(api: Api, name: &str) -> String {
    let kept = |c: char| api == Api::V2 || is_word(c) || c == '-';
    name.chars().map(|c| if kept(c) { c } else { '_' }).collect()
}

/// Unicode letters, marks and numerals. The standard library knows most marks as alphabetic; the ranges are the
/// combining diacritics that it leaves out.
fn is_word(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// The name with a random part before its extension, as `useUniqueFileName` asks for.
pub(super) fn unique(name: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    let suffix: String = (0..9).map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())])).collect();
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}_{suffix}.{extension}"),
        _ => format!("{name}_{suffix}"),
    }
}

/// The path of a file in a folder as [`folder`] gives it.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder == "/" { format!("/{name}") } else { format!("{folder}/{name}") }
}

/// The folder and the name of a path; the folder of `/a` is `/`.
pub(super) fn split(path: &str) -> (&str, &str) {
    match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some(parts) => parts,
        None => ("/", path),
    }
}

/// A new id as ImageKit's are: 24 hexadecimal digits. Seconds come first, then a counter, so that the ids of files
/// that came in the same millisecond are still in the order they came in.
pub(super) fn new_id() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{:08x}{count:08x}{:08x}", (clock::now() / 1_000) as u32, fastrand::u32(..))
}

/// Whether this looks like an id at all.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The delivery URL of a path, percent-encoded, with the transformation step if one is given.
pub(super) fn delivery_url(endpoint: &Url, step: Option<&str>, path: &str) -> String {
    let mut url = endpoint.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(step).extend(path.trim_start_matches('/').split('/'));
    }
    url.into()
}

/// Undoes percent-encoding; `None` when the bytes are no UTF-8. A stray `%` stands for itself, as browsers have it.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}
