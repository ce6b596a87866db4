//! The secrets that this process knows, and texts without them (requirement S1). One set for the whole process, said once
//! at its start: every text of another program is masked when it comes in, and every message again where it goes out.
//!
//! What is masked are messages. Data is not: rows, entries and before-images stay byte for byte what they are, as a
//! rollback has to put them back.

use std::borrow::Cow;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What stands in the place of a secret.
pub const MASK: char = '…';
/// Shorter secrets cannot be told from other words. Where they stand in a URL they are taken out with it.
pub const SECRET_BYTES_MIN: usize = 4;
/// Nobody escapes a character with more backslashes; without an end a text of backslashes alone would take for ever.
const SLASHES_MAX: usize = 32;

static KNOWN: OnceLock<Secrets> = OnceLock::new();

/// Says which secrets there are. The first call counts: a process is started with one set of settings.
pub fn know(secrets: impl IntoIterator<Item = String>) {
    let _was_said = KNOWN.set(Secrets::new(secrets));
}

/// A text without the secrets of this process, in whatever spelling.
pub fn masked(text: &str) -> Cow<'_, str> {
    KNOWN.get().map_or(Cow::Borrowed(text), |known| known.masked(text))
}

/// The beginning of a text, so many bytes or a little more, without the secrets of this process. What is cut off is not
/// looked at, and none is cut in two.
pub fn masked_start(text: &str, bytes: usize) -> Cow<'_, str> {
    let unmasked = || Cow::Borrowed(&text[..text.ceil_char_boundary(bytes)]);
    KNOWN.get().map_or_else(unmasked, |known| known.masked_start(text, bytes))
}

/// Secrets, in the spellings in which they are looked for.
pub struct Secrets {
    /// Longest first: one may be a part of another.
    spellings: Vec<Spelling>,
    /// The bytes that one of them may begin with.
    begins: [bool; 256],
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Spelling {
    bytes: Vec<u8>,
    is_caseless: bool,
}

impl Secrets {
    /// These secrets: as they are, in capitals and in small letters, in hexadecimal digits, and as base64 has them
    /// wherever they begin in it, as a `Basic` header holds the key between other bytes.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut all = Vec::new();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
            all.extend(base64(&secret).map(|bytes| Spelling { bytes, is_caseless: false }));
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            for text in [secret.to_uppercase(), secret.to_lowercase(), escaped(&secret), hex, secret] {
                // Backslashes are counted as one, as whoever escapes them doubles them.
                let mut bytes = text.into_bytes();
                bytes.dedup_by(|a, b| *a == b'\\' && *b == b'\\');
                all.push(Spelling { bytes, is_caseless: true });
            }
        }
        all.retain(|spelling| spelling.bytes.len() >= SECRET_BYTES_MIN);
        all.sort_by(|a, b| b.bytes.len().cmp(&a.bytes.len()).then_with(|| a.cmp(b)));
        all.dedup();
        let mut begins = [false; 256];
        for first in all.iter().map(|spelling| spelling.bytes[0]) {
            for byte in [first.to_ascii_lowercase(), first.to_ascii_uppercase(), b'%', b'\\', b'+', b'&'] {
                begins[usize::from(byte)] = true;
            }
        }
        Self { spellings: all, begins }
    }

    /// A text without them.
    pub fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.masked_start(text, text.len())
    }

    /// The beginning of a text without them, so many bytes of it or a little more.
    fn masked_start<'a>(&self, text: &'a str, until: usize) -> Cow<'a, str> {
        let bytes = text.as_bytes();
        let (mut kept, mut from, mut at) = (Vec::new(), 0, 0);
        while at < bytes.len() && (at < until || !text.is_char_boundary(at)) {
            match self.at(&bytes[at..]) {
                Some(length) => {
                    kept.extend_from_slice(&bytes[from..at]);
                    kept.extend(MASK.to_string().bytes());
                    at += length;
                    from = at;
                }
                None => at += 1,
            }
        }
        if from == 0 {
            return Cow::Borrowed(&text[..at]);
        }
        kept.extend_from_slice(&bytes[from..at]);
        Cow::Owned(String::from_utf8_lossy(&kept).into_owned())
    }

    /// How many bytes at the beginning of a text spell one of them.
    fn at(&self, text: &[u8]) -> Option<usize> {
        if !self.begins[usize::from(text[0])] {
            return None;
        }
        self.spellings.iter().find_map(|of| matched(text, &of.bytes, of.is_caseless))
    }
}

/// How base64 spells a text, wherever it begins among other bytes.
fn base64(secret: &str) -> impl Iterator<Item = Vec<u8>> {
    (0..3).flat_map(move |shift| {
        let bytes = [&[0; 2][..shift], secret.as_bytes()].concat();
        // Characters at both ends that also hold bits of what stands beside it are left out.
        let (from, left) = (usize::from(shift > 0) * (shift + 1), bytes.len() % 3);
        [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|engine| {
            let text = engine.encode(&bytes);
            let to = text.len() - usize::from(left > 0);
            text.as_bytes()[from..to].to_vec()
        })
    })
}

/// As JSON writes it where all is to be ASCII.
fn escaped(secret: &str) -> String {
    let mut escaped = String::new();
    for c in secret.chars() {
        match c.is_ascii() {
            true => escaped.push(c),
            false => {
                escaped.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
    }
    escaped
}

/// How many bytes of a text spell this secret, if it begins with it.
fn matched(text: &[u8], secret: &[u8], is_caseless: bool) -> Option<usize> {
    let Some((byte, rest)) = secret.split_first() else { return Some(0) };
    let ends = match (byte, slashes(text)) {
        // How many of them are its own, and how many escape what follows, shows what follows.
        (b'\\', most @ 1..) => 1..=most,
        _ => spelled(text, *byte, is_caseless).map(|end| end..=end)?,
    };
    ends.rev().find_map(|end| Some(end + matched(&text[end..], rest, is_caseless)?))
}

fn slashes(text: &[u8]) -> usize {
    text.iter().take(SLASHES_MAX).take_while(|byte| **byte == b'\\').count()
}

/// How many bytes at the beginning of a text spell this one: itself, percent-encoded once or more often, as an entity of
/// HTML, or escaped with backslashes.
fn spelled(text: &[u8], byte: u8, is_caseless: bool) -> Option<usize> {
    let slashes = slashes(text);
    let rest = &text[slashes..];
    let is_it = |found: u8| found == byte || (is_caseless && found.eq_ignore_ascii_case(&byte));
    let first = *rest.first()?;
    if first == b'&'
        && let Some((found, length)) = entity(rest)
        && is_it(found)
    {
        return Some(slashes + length);
    }
    if is_it(first) || (byte == b' ' && first == b'+') {
        return Some(slashes + 1);
    }
    let is = |at: usize| hex(rest.get(at..at + 2)?).filter(|found| is_it(*found)).map(|_| slashes + at + 2);
    match first {
        b'%' => {
            let again = rest[1..].chunks(2).take_while(|two| two == b"25").count();
            (0..=again).find_map(|times| is(1 + 2 * times))
        }
        b'x' if slashes > 0 => is(1),
        b'u' if slashes > 0 && rest.get(1..3) == Some(b"00") => is(3),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// The ASCII character that an entity at the beginning of a text stands for, and the entity's length.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    let end = text.iter().take(10).position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(&text[1..end]).ok()?;
    let byte = match name {
        "amp" => b'&',
        "lt" => b'<',
        "gt" => b'>',
        "quot" => b'"',
        "apos" => b'\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let read = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u8::from_str_radix(digits, 16),
                None => number.parse(),
            };
            read.ok()?
        }
    };
    Some((byte, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = r#"s3 cr+t/p"\äß@?&"#;

    fn scrubbed(text: &str) -> String {
        Secrets::new([SECRET.to_owned()]).masked(text).into_owned()
    }

    #[test]
    fn s1_a_secret_is_masked_in_every_spelling() {
        let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let json = serde_json::to_string(SECRET).unwrap();
        let html = SECRET.replace('&', "&amp;").replace('"', "&quot;").replace('/', "&#x2F;");
        for spelled in [
            SECRET.to_owned(),
            SECRET.to_uppercase(),
            SECRET.to_lowercase(),
            SECRET.to_ascii_uppercase(),
            percent.clone(),
            percent.to_uppercase(),
            percent.replace('%', "%25"),
            percent.replace('%', "%2525"),
            percent.replace('%', ""),
            percent.replace('%', "").to_uppercase(),
            form.clone(),
            form.to_lowercase().replace('%', "%25"),
            json.trim_matches('"').to_owned(),
            json.trim_matches('"').replace('ä', "\\u00e4").replace('ß', "\\u00DF"),
            format!("{:?}", json.trim_matches('"')).trim_matches('"').to_owned(),
            format!("{SECRET:?}").trim_matches('"').to_owned(),
            format!("{:?}", bytes::Bytes::from(SECRET))[2..].trim_matches('"').to_owned(),
            html.clone(),
            html.replace('@', "&#64;"),
        ] {
            assert_eq!(scrubbed(&format!("a {spelled} b")), "a … b", "{spelled}");
        }
        assert_eq!(scrubbed("s3 cr+t/p and others"), "s3 cr+t/p and others");
    }

    #[test]
    fn s1_a_secret_is_masked_within_base64() {
        for before in ["", "u", "us", "use", "user:"] {
            for after in ["", ":", ":x", "@host"] {
                for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                    let text = engine.encode(format!("{before}{SECRET}{after}"));
                    let left = scrubbed(&format!("authorization: Basic {text}=="));
                    assert!(left.contains('…') && left.len() < 60, "{before} {after}: {left}");
                }
            }
        }
    }

    #[test]
    fn s1_one_secret_within_another_hides_neither() {
        let secrets = Secrets::new(["secret".to_owned(), "secret-longer".to_owned(), "abc".to_owned()]);
        assert_eq!(secrets.masked("a secret-longer, a secret; abc"), "a …, a …; abc");
        assert!(matches!(secrets.masked("nothing of it"), Cow::Borrowed(_)));
    }

    #[test]
    fn s1_the_beginning_of_a_text_ends_with_no_part_of_a_secret() {
        let secrets = Secrets::new(["secret".to_owned()]);
        let text = "äa secret %73ecret b";
        for bytes in 0..=text.len() {
            let start = secrets.masked_start(text, bytes);
            assert!(
                ["", "ä", "äa", "äa ", "äa …", "äa … ", "äa … …", "äa … … ", "äa … … b"].contains(&&*start),
                "{start}"
            );
        }
        assert_eq!(secrets.masked_start(text, text.len()), secrets.masked(text));
    }

    #[test]
    fn s1_a_long_text_made_to_be_slow_is_masked_all_the_same() {
        for text in ["\\", "%25", "%", "&#", "s3 cr"] {
            let long = format!("{}{SECRET}", text.repeat(50_000 / text.len()));
            assert!(scrubbed(&long).ends_with('…'), "{text}");
        }
    }
}
