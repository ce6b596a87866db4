//! Runs of base64 in a text, and what they stand for.

use std::collections::HashMap;

/// A line of base64 that goes on behind a space has at least so many characters.
const LINE_MIN: usize = 60;

/// Calls `each` with every run of at least so many characters of base64 or base64url, in a text without breaks, and whether the
/// text ends with it. Spaces between long lines are left out.
pub(super) fn runs(text: &[u8], length_min: usize, mut each: impl FnMut(&[u8], bool) -> bool) -> bool {
    let (mut run, mut line) = (Vec::new(), 0);
    let mut rest = text;
    loop {
        let (stretch, behind) = rest.split_at(stretch(rest));
        run.extend_from_slice(stretch);
        line += stretch.len();
        let [byte, behind @ ..] = behind else { break };
        rest = behind;
        let goes_on = behind.first().is_some_and(|next| sextet(*next) != NO_SEXTET);
        if *byte == b' ' && line >= LINE_MIN && (goes_on || behind.first() == Some(&b' ')) {
            line = if goes_on { 0 } else { line };
            continue;
        }
        if run.len() >= length_min && !each(&run, false) {
            return false;
        }
        run.clear();
        line = 0;
    }
    run.len() < length_min || each(&run, true)
}

/// Behind so many characters of base64 no reading knows what was before them: escapes, entities and what belongs to a break are
/// shorter, and so are marks that have to be whole words. A run goes on across a space behind them, too.
const PLAIN_MIN: usize = 80;

/// How much of a text is enough to be read where all from `same` on was looked through behind another beginning, and how many
/// characters at the end of that stand in any reading as they are. Those are none where everything that begins before the end
/// ends there. `None` where neither is sure.
pub(super) fn beginning(text: &[u8], same: usize) -> Option<(usize, usize)> {
    let mut plain = same.min(text.len());
    for (at, byte) in text.iter().enumerate().skip(same) {
        if sextet(*byte) != NO_SEXTET {
            continue;
        }
        if !b"\0\t\n\x0c\r #%&;=\\{}".contains(byte) {
            return Some((at + 1, 0));
        }
        plain = at + 1;
    }
    let verbatim = (text.len() - plain).checked_sub(PLAIN_MIN).filter(|verbatim| *verbatim > 0)?;
    // Of a word only what hangs at its ends does not count.
    text[plain..][..8].iter().any(u8::is_ascii_alphanumeric).then_some((text.len(), verbatim))
}

/// Runs that were looked behind, by how they end.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<Box<[u8]>, Vec<Box<[u8]>>>);

impl Seen {
    pub(super) fn add(&mut self, run: &[u8]) {
        let same_end = self.0.entry(end(run).into()).or_default();
        if same_end.len() < SAME_END_MAX {
            same_end.push(run.into());
        }
    }

    /// From where on a run is the end of one that was looked behind; 0 only where it is one. `None` where none ends so.
    pub(super) fn same_from(&self, run: &[u8]) -> Option<usize> {
        let same = |seen: &[u8]| run.iter().rev().zip(seen.iter().rev()).take_while(|(a, b)| a == b).count();
        let seen = self.0.get(end(run))?;
        let longest = seen.iter().map(|seen| (same(seen), seen.len())).max()?;
        Some(if longest == (run.len(), run.len()) { 0 } else { (run.len() - longest.0).max(1) })
    }
}

/// Runs with the same end that are compared.
const SAME_END_MAX: usize = 8;

fn end(run: &[u8]) -> &[u8] {
    &run[run.len().saturating_sub(PLAIN_MIN)..]
}

/// How many characters of base64 a text begins with.
fn stretch(text: &[u8]) -> usize {
    let mut rest = text;
    while let [byte, behind @ ..] = rest
        && sextet(*byte) != NO_SEXTET
    {
        rest = behind;
    }
    text.len() - rest.len()
}

/// What base64 stands for, as far as it goes.
pub(super) fn decoded(run: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; run.len() / 4 * 3];
    let (mut rest, mut room) = (run, bytes.as_mut_slice());
    while let ([a, b, c, d, behind @ ..], [first, second, third, free @ ..]) = (rest, room) {
        let bits = bits(*a) << 18 | bits(*b) << 12 | bits(*c) << 6 | bits(*d);
        (*first, *second, *third) = ((bits >> 16) as u8, (bits >> 8) as u8, bits as u8);
        (rest, room) = (behind, free);
    }
    let last = rest.iter().fold(0, |all, byte| all << 6 | bits(*byte)) << (6 * (4 - rest.len()));
    bytes.extend_from_slice(&last.to_be_bytes()[1..rest.len().max(1)]);
    bytes
}

/// The six bits of a character; zeros for what is none of base64.
#[inline(always)]
fn bits(byte: u8) -> u32 {
    (sextet(byte) % NO_SEXTET) as u32
}

#[inline(always)]
fn sextet(byte: u8) -> u8 {
    SEXTETS[byte as usize]
}

const NO_SEXTET: u8 = 64;

/// What each byte stands for in base64 or base64url. A table, as every byte of every row is looked up.
static SEXTETS: [u8; 256] = {
    let (mut table, mut byte) = ([NO_SEXTET; 256], 0);
    while byte < table.len() {
        table[byte] = match byte as u8 {
            upper @ b'A'..=b'Z' => upper - b'A',
            lower @ b'a'..=b'z' => lower - b'a' + 26,
            digit @ b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => NO_SEXTET,
        };
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::super::forms::unbroken;
    use super::*;

    #[test]
    fn s7_base64_is_decoded_with_either_alphabet_and_across_lines() {
        for (encoded, plain) in [
            ("YQ", "a"),
            ("YWI", "ab"),
            ("YWJj", "abc"),
            ("YWJjY", "abc"),
            ("-_-_", "\u{fb}"),
            ("+/+/", "\u{fb}"),
        ] {
            let decoded = decoded(encoded.as_bytes());
            assert_eq!(decoded[0], if plain == "\u{fb}" { 0xfb } else { plain.as_bytes()[0] }, "{encoded}");
            assert!(plain == "\u{fb}" || decoded == plain.as_bytes(), "{encoded}");
        }
        let line = "A".repeat(76);
        let mut found = Vec::new();
        for between in ["\r\n", "\n    ", " ", "   ", "=\r\n"] {
            let text = format!("x {line}{between}{line}{between}AA= short");
            runs(unbroken(text.as_bytes()).as_deref().unwrap_or(text.as_bytes()), 8, |run, _| {
                found.push(run.len());
                true
            });
        }
        assert_eq!(found, [154; 5]);
    }
}
