//! Lines of a log (requirement S1): without the secrets of the process, and without the query strings and credentials of
//! URLs. They are scrubbed when they are whole, so it does not matter who wrote them, into which field, and in which
//! format.

use super::flat;
use crate::secrets::{MASK, masked};

/// A line of a log that may be shown: on one line and harmless for a terminal (requirement S4), and without secrets.
pub fn scrubbed(text: &str) -> String {
    // First harmless: a character that is taken out could stand within a secret.
    without_queries(&masked(&flat(text)))
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
    use crate::secrets::Secrets;

    /// A line of a process with these secrets.
    fn line(secrets: &[&str], text: &str) -> String {
        let secrets = Secrets::new(secrets.iter().map(|secret| (*secret).to_owned()));
        without_queries(&secrets.masked(&flat(text)))
    }

    #[test]
    fn s1_what_is_masked_in_json_leaves_json() {
        const SECRET: &str = r#"s3 cr+t/p"\äß@?"#;
        let said =
            format!("GET \"https://me:pw@h.example/a?b=\"c\\ {SECRET}\" \\plain-secret\\ plain-secret");
        for text in [said.clone(), format!("{said:?}"), serde_json::to_string(&said).unwrap()] {
            let document =
                serde_json::json!({ "message": text, "url": "https://h.example/a?b=c", "n": 1 }).to_string();
            let left = line(&[SECRET, "plain-secret"], &document);
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
        assert_eq!(line(&["hidden-key", "abc"], "hid\u{200b}den-key, abc"), "…, abc");
    }
}
