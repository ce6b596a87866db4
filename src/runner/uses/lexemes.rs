//! Digits that PostgreSQL's text search cuts in two, as they begin like a number: it keeps `4788e244fbe6c143` as the lexemes
//! `'4788e244'` and `'fbe6c143'`, which a `tsvector` has in the order of the alphabet.

use std::collections::{HashMap, HashSet};

/// What the second lexeme begins with, and whose mark the word is.
type Second = (Box<[u8]>, usize);

/// What some words of hex digits are cut into.
#[derive(Debug, Default)]
pub struct Halves {
    /// By the first lexeme, which is the number.
    numbers: HashMap<Box<[u8]>, Vec<Second>>,
}

impl Halves {
    /// Takes note of a mark, in small letters, where it is one that is cut.
    pub fn add(&mut self, mark: &str, file: usize) {
        let mark = mark.as_bytes();
        let Some((number, rest)) = number(mark).map(|end| mark.split_at(end)) else { return };
        // A dictionary takes endings off what is a word, so that only what reaches to the last digit stays as it is.
        let kept = rest.iter().rposition(u8::is_ascii_digit).map_or(0, |last| last + 1);
        self.numbers.entry(number.into()).or_default().push((rest[..kept].into(), file));
    }

    /// Calls `found` with the place of each file of which a text has both lexemes.
    pub fn find(&self, text: &[u8], mut found: impl FnMut(usize)) {
        let lexemes = || text.split(|byte| *byte == b'\'');
        let mut numbers = HashSet::new();
        for lexeme in lexemes() {
            let unsigned = lexeme.strip_prefix(b"-").or_else(|| lexeme.strip_prefix(b"+")).unwrap_or(lexeme);
            if number(unsigned) == Some(unsigned.len()) {
                numbers.extend(self.numbers.get_key_value(&*unsigned.to_ascii_lowercase()));
            }
        }
        if numbers.is_empty() {
            return;
        }
        let mut all: Vec<_> = lexemes().map(<[u8]>::to_ascii_lowercase).collect();
        all.sort_unstable();
        for (rest, file) in numbers.into_iter().flat_map(|(_, files)| files) {
            let first = all.partition_point(|lexeme| **lexeme < **rest);
            if all.get(first).is_some_and(|lexeme| lexeme.starts_with(rest)) {
                found(*file);
            }
        }
    }
}

/// How long the number with an exponent is that a word begins with.
fn number(word: &[u8]) -> Option<usize> {
    let digits = |from: usize| word[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mantissa = digits(0);
    word.get(mantissa).filter(|byte| mantissa > 0 && byte.eq_ignore_ascii_case(&b'e'))?;
    let exponent = digits(mantissa + 1);
    (exponent > 0).then_some(mantissa + 1 + exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(mark: &str, text: &str) -> bool {
        let (mut halves, mut is_found) = (Halves::default(), false);
        halves.add(mark, 0);
        halves.find(text.as_bytes(), |_| is_found = true);
        is_found
    }

    #[test]
    fn s7_both_lexemes_of_digits_that_look_like_a_number_are_found() {
        let mark = "4788e244fbe6c143";
        for text in [
            "'4788e244':2 'fbe6c143':3 'see':1",
            "'-4788e244' 'fbe6c143.jpg'",
            "{\"'4788E244':1 'FBE6C143-400w.webp':2\"}",
            "'4788e244' & 'fbe6c143'",
        ] {
            assert!(is_found(mark, text), "{text}");
        }
        for text in ["'4788e244':1", "'fbe6c143':1", "'4788e2440':1 'fbe6c143':2", "4788e244 fbe6c143", ""] {
            assert!(!is_found(mark, text), "{text}");
        }
        assert!(is_found("12e34e567890abcd", "'12e34':2 'e567890abcd':3"));
        assert!(is_found("4788e24412345ced", "'4788e24412345':1 'ced':2"));
        assert!(
            is_found("4788e2441234faced", "'4788e2441234':1 'face':2"),
            "a dictionary takes the ending off"
        );
        for whole in ["0123456789abcdef", "e123456789abcdef", "12345e", "12ef456789abcdef"] {
            assert!(!is_found(whole, &format!("'{whole}'")), "{whole} is not cut");
        }
    }
}
