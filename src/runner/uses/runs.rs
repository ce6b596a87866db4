//! Runs of base64 in a text, and what they stand for.

/// A line of base64 that goes on behind a space has at least so many characters.
const LINE_MIN: usize = 60;

/// Calls `each` with every run of at least so many characters of base64 or base64url, in a text without breaks. Spaces between
/// long lines are left out.
pub(super) fn runs(text: &[u8], length_min: usize, mut each: impl FnMut(&[u8]) -> bool) -> bool {
    let (mut run, mut line) = (Vec::new(), 0);
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if sextet(byte).is_some() {
            run.push(byte);
            line += 1;
            continue;
        }
        let next = behind.first();
        let goes_on = next.is_some_and(|next| sextet(*next).is_some());
        if byte == b' ' && line >= LINE_MIN && (goes_on || next == Some(&b' ')) {
            line = if goes_on { 0 } else { line };
            continue;
        }
        if run.len() >= length_min && !each(&run) {
            return false;
        }
        run.clear();
        line = 0;
    }
    run.len() < length_min || each(&run)
}

/// What base64 stands for, as far as it goes.
pub(super) fn decoded(run: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(run.len() / 4 * 3 + 2);
    for group in run.chunks(4) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 6 | u32::from(sextet(*byte).unwrap_or(0)));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::forms::unbroken;
    use super::*;

    #[test]
    fn s7_base64_is_decoded_with_either_alphabet_and_across_lines() {
        for (encoded, plain) in
            [("YQ", "a"), ("YWI", "ab"), ("YWJj", "abc"), ("-_-_", "\u{fb}"), ("+/+/", "\u{fb}")]
        {
            let decoded = decoded(encoded.as_bytes());
            assert_eq!(decoded[0], if plain == "\u{fb}" { 0xfb } else { plain.as_bytes()[0] }, "{encoded}");
            assert!(plain == "\u{fb}" || decoded == plain.as_bytes(), "{encoded}");
        }
        let line = "A".repeat(76);
        let mut found = Vec::new();
        for between in ["\r\n", "\n    ", " ", "   ", "=\r\n"] {
            let text = format!("x {line}{between}{line}{between}AA= short");
            runs(unbroken(text.as_bytes()).as_deref().unwrap_or(text.as_bytes()), 8, |run| {
                found.push(run.len());
                true
            });
        }
        assert_eq!(found, [154; 5]);
    }
}
