//! What no line of a log may hold (requirement S1): the secrets that the process knows, in any spelling they may come in,
//! and the query strings and credentials of URLs. Lines are scrubbed when they are whole, so it does not matter who wrote
//! them, into which field, and in which format.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::flat;

/// What stands in the place of a secret.
const MASK: char = '…';
/// Shorter secrets cannot be told from other words. Where they stand in a URL they are taken out with it.
const SECRET_BYTES_MIN: usize = 4;

/// The secrets of the process.
pub struct Scrubber {
    /// Longest first: one may be a part of another.
    secrets: Vec<Vec<u8>>,
}

impl Scrubber {
    /// With these secrets, as they are, and as base64 has them wherever they begin in it: a `Basic` header holds the key
    /// so, between other bytes.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut all = Vec::new();
        for secret in secrets.into_iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
            for shift in 0..3 {
                let bytes = [&[0; 2][..shift], secret.as_bytes()].concat();
                // Characters at both ends that also hold bits of what stands beside it are left out.
                let (from, left) = (usize::from(shift > 0) * (shift + 1), bytes.len() % 3);
                for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                    let text = engine.encode(&bytes);
                    let to = text.len() - usize::from(left > 0);
                    all.push(text.as_bytes()[from..to].to_vec());
                }
            }
            // Backslashes are counted as one, as whoever escapes them doubles them.
            let mut bytes = secret.into_bytes();
            bytes.dedup_by(|a, b| *a == b'\\' && *b == b'\\');
            all.push(bytes);
        }
        all.retain(|secret| secret.len() >= SECRET_BYTES_MIN);
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Self { secrets: all }
    }

    /// A line that may be shown: on one line and harmless for a terminal (requirement S4), and without secrets.
    pub fn line(&self, text: &str) -> String {
        // First harmless: a character that is taken out could stand within a secret.
        without_queries(&self.masked(&flat(text)))
    }

    fn masked(&self, text: &str) -> String {
        let bytes = text.as_bytes();
        let (mut kept, mut at) = (Vec::with_capacity(bytes.len()), 0);
        while at < bytes.len() {
            match self.secrets.iter().find_map(|secret| matched(&bytes[at..], secret)) {
                Some(length) => {
                    kept.extend(MASK.to_string().bytes());
                    at += length;
                }
                None => {
                    kept.push(bytes[at]);
                    at += 1;
                }
            }
        }
        String::from_utf8_lossy(&kept).into_owned()
    }
}

/// How many bytes of a text spell this secret, if it begins with it.
fn matched(text: &[u8], secret: &[u8]) -> Option<usize> {
    let Some((byte, rest)) = secret.split_first() else { return Some(0) };
    let ends = match (byte, slashes(text)) {
        // How many of them are its own, and how many escape what follows, shows what follows.
        (b'\\', most @ 1..) => 1..=most,
        _ => spelled(text, *byte).map(|end| end..=end)?,
    };
    ends.rev().find_map(|end| Some(end + matched(&text[end..], rest)?))
}

fn slashes(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b'\\').count()
}

/// How many bytes at the beginning of a text spell this one: itself, percent-encoded once or more often, or escaped with
/// backslashes.
fn spelled(text: &[u8], byte: u8) -> Option<usize> {
    let slashes = slashes(text);
    let rest = &text[slashes..];
    if rest.first() == Some(&byte) || (byte == b' ' && rest.first() == Some(&b'+')) {
        return Some(slashes + 1);
    }
    let is = |at: usize| hex(rest.get(at..at + 2)?).filter(|found| *found == byte).map(|_| slashes + at + 2);
    match rest.first()? {
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

/// The text with its URLs and paths cut off before the query, and without whom a URL names before its host.
fn without_queries(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || c == '"' || c == '\\';
    let mut kept = String::with_capacity(text.len());
    for word in text.split_inclusive(ends) {
        let end = word.chars().next_back().filter(|c| ends(*c));
        let mut word = word.trim_end_matches(ends);
        if let Some((path, _)) = word.split_once('?').filter(|(path, _)| path.contains('/')) {
            word = path;
        }
        if let Some((url, _)) = word.split_once('#').filter(|(url, _)| url.contains("://")) {
            word = url;
        }
        match word
            .split_once("://")
            .map(|(scheme, rest)| (scheme, rest, rest.find('/').unwrap_or(rest.len())))
        {
            Some((scheme, rest, end)) if rest[..end].contains('@') => {
                let host = rest[..end].rfind('@').map_or(rest, |at| &rest[at..]);
                kept.extend([scheme, "://", &MASK.to_string(), host]);
            }
            _ => kept.push_str(word),
        }
        kept.extend(end);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = r#"s3 cr+t/p"\äß@?"#;

    fn scrubbed(text: &str) -> String {
        Scrubber::new([SECRET.to_owned()]).line(text)
    }

    #[test]
    fn s1_a_secret_is_masked_in_every_spelling() {
        let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let json = serde_json::to_string(SECRET).unwrap();
        for spelled in [
            SECRET.to_owned(),
            percent.clone(),
            percent.replace('%', "%25"),
            percent.replace('%', "%2525"),
            form.clone(),
            form.to_lowercase().replace('%', "%25"),
            json.trim_matches('"').to_owned(),
            format!("{:?}", json.trim_matches('"')).trim_matches('"').to_owned(),
            format!("{SECRET:?}").trim_matches('"').to_owned(),
            format!("{:?}", bytes::Bytes::from(SECRET))[2..].trim_matches('"').to_owned(),
        ] {
            assert_eq!(scrubbed(&format!("a {spelled} b")), "a … b", "{spelled}");
        }
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
    fn s1_what_is_masked_in_json_leaves_json() {
        let scrubber = Scrubber::new([SECRET.to_owned(), "plain-secret".to_owned()]);
        let said =
            format!("GET \"https://me:pw@h.example/a?b=\"c\\ {SECRET}\" \\plain-secret\\ plain-secret");
        for text in [said.clone(), format!("{said:?}"), serde_json::to_string(&said).unwrap()] {
            let line =
                serde_json::json!({ "message": text, "url": "https://h.example/a?b=c", "n": 1 }).to_string();
            let left = scrubber.line(&line);
            let read: serde_json::Value = serde_json::from_str(&left).expect(&left);
            assert_eq!((&read["url"], &read["n"]), (&"https://h.example/a".into(), &1.into()));
            assert!(
                !left.contains("plain-secret") && !left.contains("s3 cr") && !left.contains("pw@"),
                "{left}"
            );
        }
    }

    #[test]
    fn s1_query_strings_and_credentials_of_urls_are_taken_out() {
        for (text, left) in [
            ("GET https://h.example/a/b?token=x&y=(z)#f done", "GET https://h.example/a/b done"),
            ("uri=/v1/files?searchQuery=name", "uri=/v1/files"),
            ("postgres://me:pw@h.example:1/x?sslmode=y", "postgres://…@h.example:1/x"),
            ("redis://:pw@h.example", "redis://…@h.example"),
            ("https://h.example#part", "https://h.example"),
            ("what? why #4? me@h.example a/b", "what? why #4? me@h.example a/b"),
            ("", ""),
        ] {
            assert_eq!(scrubbed(text), left);
        }
    }

    #[test]
    fn s4_a_line_stays_one_and_steers_no_terminal() {
        assert_eq!(scrubbed("a\nb\u{1b}[2J\u{202e}c"), flat("a b\u{1b}[2J\u{202e}c"));
        let scrubber = Scrubber::new(["hidden-key".to_owned(), "abc".to_owned()]);
        assert_eq!(scrubber.line("hid\u{200b}den-key, abc"), "…, abc");
    }
}
