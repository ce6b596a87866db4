//! What a text holds behind its escapes: those of JSON, URLs and HTML undone until none is left, and its lines joined.

use memchr::memchr3;

/// A text as it is to be read.
pub(super) struct Read {
    /// Without escapes; `None` where it has none.
    pub(super) text: Option<Vec<u8>>,
    /// Whether a browser may read it otherwise, as [`as_browsers_do`] says, in more than breaks that are left out.
    pub(super) is_ambiguous: bool,
}

/// A text without escapes, and without those that undoing others has brought to light. One pass does it: what an escape
/// stands for is taken for a part of the text again, so `%2541` becomes `%41` and then `A`. Each of them shortens the text,
/// so the work follows its length, however deep they are.
pub(super) fn undone(text: &[u8]) -> Read {
    let Some(first) = first_escape(text) else {
        return Read { text: None, is_ambiguous: false };
    };
    let Undoing { text: undone, is_ambiguous, .. } = Undoing::of(text, first, false);
    Read { text: (undone != text).then_some(undone), is_ambiguous }
}

/// The same as a browser reads a URL and CSS: breaks are left out before anything is undone, as [`unbroken`] does, so that
/// they may stand within an escape; and `\61 ` of CSS is an `a`.
pub(super) fn as_browsers_do(text: &[u8]) -> Vec<u8> {
    let whole = unbroken(text);
    let text = whole.as_deref().unwrap_or(text);
    let first = first_escape(text).unwrap_or(text.len());
    Undoing::of(text, first, true).text
}

/// A text without tabs and line breaks, which browsers leave out of a URL, and without what goes with a break where others
/// break lines: blanks on either side (a folded line of a calendar, an address card or a mail begins with one), and what says
/// before it that the line goes on. `None` where it has no break.
pub(super) fn unbroken(text: &[u8]) -> Option<Vec<u8>> {
    let first = memchr3(b'\t', b'\r', b'\n', text)?;
    let mut whole = Vec::with_capacity(text.len());
    whole.extend_from_slice(&text[..first]);
    let mut joint = usize::MAX;
    for byte in &text[first..] {
        if is_break(byte) {
            whole.truncate(end_of_line(&whole, *byte));
            // An escape of CSS ends with it.
            if css(&whole, b' ').is_some() {
                whole.push(b' ');
            }
            joint = whole.len();
        } else if *byte != b' ' || whole.len() != joint {
            whole.push(*byte);
        }
    }
    Some(whole)
}

fn first_escape(text: &[u8]) -> Option<usize> {
    memchr3(b'%', b'\\', b'&', text)
}

fn is_escaping(byte: &u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&')
}

/// What is left out behind a break and behind an escape of CSS.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\x0c')
}

/// What URL parsers leave out wherever it stands.
fn is_break(byte: &u8) -> bool {
    matches!(byte, b'\t' | b'\r' | b'\n')
}

/// Where a line ends without what goes with the break behind it: blanks, and the `\` of a script or the `=` of a mail. In a
/// mail within a mail that is `=3D`.
fn end_of_line(text: &[u8], broken_by: u8) -> usize {
    if broken_by == b'\t' {
        return text.len();
    }
    let text = text.trim_ascii_end();
    let coded = text.rchunks_exact(2).take(MAILS_DEEP_MAX).take_while(|two| two == b"3D").count();
    match (text[..text.len() - 2 * coded].last(), text.last()) {
        (Some(b'='), _) => text.len() - 2 * coded - 1,
        (_, Some(b'\\')) => text.len() - 1,
        _ => text.len(),
    }
}

/// Whether an escape at the end of a text may go on behind a break.
fn is_open(text: &[u8], broken_by: u8) -> bool {
    // Of a long row of breaks and blanks only the end is looked at.
    let text = &text[text.len().saturating_sub(4 * DIGITS_MAX)..];
    let text = &text[..end_of_line(text, broken_by)];
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'#' | b'{');
    let behind = text.iter().rev().take(DIGITS_MAX + 4).take_while(|byte| goes_on(byte)).count();
    match text.get(..text.len() - behind).and_then(<[u8]>::last) {
        Some(b'%') => behind < 2,
        before => before.is_some_and(is_escaping),
    }
}

#[derive(Default)]
struct Undoing {
    text: Vec<u8>,
    /// Whether it is read as browsers do.
    as_browsers_do: bool,
    /// Whether it had what browsers read otherwise: a backslash before hex digits, or before what may begin another escape,
    /// and a break within an escape.
    is_ambiguous: bool,
    /// Where blanks are left out: behind a break, and behind an escape of CSS.
    joint: Option<usize>,
    /// Where entities may have begun, one within the other.
    entities: Vec<usize>,
    /// For each backslash of the text how many escapes it has come out of.
    slashes: Vec<u32>,
    /// What is to be put behind the text, the next one last, each with how many escapes it has come out of.
    next: Vec<(u8, u32)>,
}

impl Undoing {
    /// Of a text that has no escapes before this place.
    fn of(text: &[u8], first: usize, as_browsers_do: bool) -> Self {
        let mut undoing = Self { text: Vec::with_capacity(text.len()), as_browsers_do, ..Self::default() };
        undoing.text.extend_from_slice(&text[..first]);
        text[first..].iter().for_each(|byte| undoing.push(*byte));
        undoing.end();
        undoing
    }

    /// Puts a byte behind the text, and undoes what ends with it.
    fn push(&mut self, byte: u8) {
        self.next.push((byte, 0));
        self.work();
    }

    fn work(&mut self) {
        while let Some((byte, depth)) = self.next.pop() {
            if is_break(&byte) {
                if self.as_browsers_do {
                    self.leave_out(byte);
                    continue;
                }
                self.is_ambiguous |= is_open(&self.text, byte);
            }
            if let Some(stands_for) = self.ended_by(byte) {
                if byte != b';' {
                    self.next.push((byte, depth));
                }
                self.next.push((stands_for, 1));
                // What ends a line of a mail may stand within an entity.
                self.is_ambiguous |= byte == b'=';
                continue;
            }
            if self.as_browsers_do {
                if let Some(before) = self.slashes.last().copied()
                    && let Some((length, stands_for)) = css(&self.text, byte)
                {
                    self.slashes.pop();
                    self.cut(self.text.len() - length);
                    // A blank belongs to it, which may come out of another escape. What is left out already stays so.
                    if stands_for != b' ' || self.joint != Some(self.text.len()) {
                        self.joint = Some(self.text.len() + 1);
                    }
                    if !is_blank(byte) {
                        self.next.push((byte, depth));
                    }
                    self.next.push((stands_for, before + 1));
                    continue;
                }
                if is_blank(byte) && self.joint == Some(self.text.len()) {
                    continue;
                }
            }
            match byte {
                b'&' => {
                    if self.entities.len() == ENTITIES_DEEP_MAX {
                        self.entities.remove(0);
                    }
                    self.entities.push(self.text.len());
                }
                b'\\' => {
                    // Of two in one string, the first escapes the second. One that came out of an escape waits, until what the
                    // second begins is undone too.
                    let before = self.slashes.last().copied().filter(|_| self.text.last() == Some(&b'\\'));
                    if let Some(before) = before.filter(|before| *before <= depth) {
                        self.slashes.pop();
                        self.text.pop();
                        self.next.push((b'\\', before.max(depth) + 1));
                        continue;
                    }
                    self.slashes.push(depth);
                }
                _ => {}
            }
            self.text.push(byte);
            if let Some((length, stands_for)) = escape(&self.text) {
                let at = self.text.len() - length;
                let waits = length == 2 && (byte.is_ascii_hexdigit() || matches!(byte, b'%' | b'&'));
                self.is_ambiguous |= waits;
                if waits && self.as_browsers_do {
                    continue;
                }
                let depth = match self.text[at] {
                    b'\\' => self.slashes.pop().unwrap_or(0),
                    _ => 0,
                };
                self.cut(at);
                self.next.push((stands_for, depth + 1));
            }
        }
    }

    /// Leaves a break out, with what goes with it.
    fn leave_out(&mut self, byte: u8) {
        let end = end_of_line(&self.text, byte);
        if self.text[end..].contains(&b'\\') {
            self.slashes.pop();
        }
        self.cut(end);
        self.joint = Some(end);
    }

    fn cut(&mut self, at: usize) {
        self.text.truncate(at);
        while self.entities.pop_if(|entity| *entity >= at).is_some() {}
    }

    /// What the innermost entity stands for, taken off the text, where a byte ends it. One without a semicolon ends where
    /// another begins, too.
    fn ended_by(&mut self, byte: u8) -> Option<u8> {
        let at = *self.entities.last()?;
        if byte != b'&' && continues(&self.text[at..], byte) {
            return None;
        }
        // Calendars put a backslash before a semicolon.
        let escaped = self.text.strip_suffix(br"\").filter(|_| byte == b';').unwrap_or(&self.text);
        let is_escaped = escaped.len() < self.text.len();
        let stands_for = escaped.get(at + 1..).and_then(|name| entity(name, byte == b';'));
        match stands_for {
            Some(_) => {
                self.entities.pop();
                if is_escaped {
                    self.slashes.pop();
                }
                self.text.truncate(at);
            }
            None if byte == b'&' => {}
            None => self.entities.clear(),
        }
        stands_for
    }

    /// An entity needs no semicolon where the text ends, and an escape of CSS nothing behind it.
    fn end(&mut self) {
        if self.as_browsers_do {
            self.push(b' ');
            self.text.pop_if(|last| *last == b' ');
        }
        while let Some(at) = self.entities.pop() {
            if let Some(stands_for) = entity(&self.text[at + 1..], false) {
                self.text.truncate(at);
                self.next.push((stands_for, 1));
                self.work();
            }
        }
    }
}

/// The escape at the end of a text: how long it is, and what it stands for. What is no ASCII is in no name of ours.
fn escape(text: &[u8]) -> Option<(usize, u8)> {
    let of = |length: usize| text.len().checked_sub(length).map(|at| &text[at..]);
    if let Some([b'%', digits @ ..]) = of(3)
        && let Some(byte) = number(digits)
    {
        return Some((3, byte));
    }
    if let Some(braced) = braced(text) {
        return Some(braced);
    }
    match of(2)? {
        [b'\\', b'u' | b'x' | b'\\'] => None,
        [b'\\', b'b' | b'f'] => Some((2, b' ')),
        [b'\\', b'n'] => Some((2, b'\n')),
        [b'\\', b'r'] => Some((2, b'\r')),
        [b'\\', b't'] => Some((2, b'\t')),
        [b'\\', escaped] => Some((2, *escaped)),
        _ => match (of(4), of(6)) {
            (Some([b'\\', b'x', digits @ ..]), _) => number(digits).map(|byte| (4, byte)),
            (_, Some([b'\\', b'u', digits @ ..])) => number(digits).map(|byte| (6, byte)),
            _ => None,
        },
    }
}

/// `\u{61}` of a script, which may have any number of zeros.
fn braced(text: &[u8]) -> Option<(usize, u8)> {
    let text = text.strip_suffix(b"}")?;
    let digits = text.iter().rev().take(DIGITS_MAX).take_while(|digit| digit.is_ascii_hexdigit()).count();
    let (before, digits) = text.split_at(text.len() - digits);
    let stands_for = before.ends_with(br"\u{").then(|| code(digits, 16))??;
    Some((br"\u{}".len() + digits.len(), ascii(stands_for)))
}

/// The escape of CSS that a byte ends: how long it is without that byte, and what it stands for.
fn css(text: &[u8], byte: u8) -> Option<(usize, u8)> {
    let digits = text.iter().rev().take(CSS_DIGITS_MAX).take_while(|digit| digit.is_ascii_hexdigit()).count();
    let has_ended = digits == CSS_DIGITS_MAX || (digits > 0 && !byte.is_ascii_hexdigit());
    let (before, digits) = text.split_at(text.len() - digits);
    (has_ended && before.ends_with(br"\"))
        .then(|| code(digits, 16))?
        .map(|code| (1 + digits.len(), ascii(code)))
}

/// What is no ASCII is in no name of ours.
fn ascii(code: u32) -> u8 {
    u8::try_from(code).ok().filter(u8::is_ascii).unwrap_or(b' ')
}

/// Hex digits as the byte that they stand for; a space for all that is more than a byte.
fn number(digits: &[u8]) -> Option<u8> {
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|d| d.is_ascii_hexdigit()))?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    Some(u8::try_from(code).unwrap_or(b' '))
}

/// Whether a byte goes on with what may become an entity. Within it other escapes may stand, which end somewhere.
fn continues(so_far: &[u8], byte: u8) -> bool {
    let end = &so_far[so_far.len().saturating_sub(6)..];
    if matches!(byte, b'%' | b'\\') || end.iter().any(|byte| matches!(byte, b'%' | b'\\')) {
        return byte != b';' && byte != b'&';
    }
    match so_far {
        [b'&'] => byte == b'#' || byte.is_ascii_alphanumeric(),
        [b'&', b'#'] => byte.is_ascii_digit() || matches!(byte, b'x' | b'X'),
        [b'&', b'#', b'x' | b'X', ..] => byte.is_ascii_hexdigit(),
        [b'&', b'#', ..] => byte.is_ascii_digit(),
        _ => byte.is_ascii_alphanumeric(),
    }
}

/// Entities within an entity that are looked behind: whoever writes more hides nothing but his own use of a file.
const ENTITIES_DEEP_MAX: usize = 64;
/// Mails within a mail whose soft line breaks are left out.
const MAILS_DEEP_MAX: usize = 8;
/// Digits of an escape's number that are read: there may be any number of zeros before it.
const DIGITS_MAX: usize = 64;
/// Digits that CSS reads.
const CSS_DIGITS_MAX: usize = 6;

/// The characters of names and URLs that HTML has a word for. Some are known without their semicolon, too.
const ENTITIES: [(&str, u8, bool); 34] = [
    ("amp", b'&', true),
    ("AMP", b'&', true),
    ("lt", b'<', true),
    ("LT", b'<', true),
    ("gt", b'>', true),
    ("GT", b'>', true),
    ("quot", b'"', true),
    ("QUOT", b'"', true),
    ("nbsp", b' ', true),
    ("apos", b'\'', false),
    ("sol", b'/', false),
    ("bsol", b'\\', false),
    ("period", b'.', false),
    ("lowbar", b'_', false),
    ("UnderBar", b'_', false),
    ("hyphen", b'-', false),
    ("dash", b'-', false),
    ("percnt", b'%', false),
    ("plus", b'+', false),
    ("equals", b'=', false),
    ("colon", b':', false),
    ("semi", b';', false),
    ("comma", b',', false),
    ("num", b'#', false),
    ("quest", b'?', false),
    ("commat", b'@', false),
    ("excl", b'!', false),
    ("ast", b'*', false),
    ("lpar", b'(', false),
    ("rpar", b')', false),
    ("lsqb", b'[', false),
    ("rsqb", b']', false),
    ("Tab", b'\t', false),
    ("NewLine", b'\n', false),
];

/// What an entity stands for, by its name or number.
fn entity(name: &[u8], has_semicolon: bool) -> Option<u8> {
    let code = match name {
        [b'#', b'x' | b'X', digits @ ..] => code(digits, 16)?,
        [b'#', digits @ ..] => code(digits, 10)?,
        name => {
            let known = ENTITIES.iter().find(|(known, ..)| known.as_bytes() == name);
            return known
                .filter(|(.., is_known_bare)| has_semicolon || *is_known_bare)
                .map(|(_, byte, _)| *byte);
        }
    };
    Some(ascii(code))
}

/// A character's number, which may have any number of zeros before it.
fn code(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.len() > DIGITS_MAX {
        return None;
    }
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits =
        std::str::from_utf8(if zeros == digits.len() && zeros > 0 { b"0" } else { &digits[zeros..] }).ok()?;
    (!digits.starts_with('+')).then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

/// A path with the escapes of URLs undone once.
pub fn without_percents(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        match behind.get(..2).filter(|_| byte == b'%').and_then(number) {
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

    fn text(escaped: &str) -> String {
        let undone = undone(escaped.as_bytes()).text.unwrap_or_else(|| escaped.into());
        String::from_utf8_lossy(&undone).into_owned()
    }

    #[test]
    fn s7_escapes_are_undone_until_none_is_left() {
        for (escaped, plain) in [
            ("a%5fb", "a_b"),
            ("a%255Fb", "a_b"),
            ("a%2525255fb", "a_b"),
            ("%%341", "A"),
            (r"a\/b", "a/b"),
            (r"\\\\u005f", "_"),
            (r"\u005c\u0075005f", "_"),
            (r"\u0025\u0035f", "_"),
            (r"\\u0062", "b"),
            (r"\\\\\\\\u0062", "b"),
            (r"\u005cu0062", "b"),
            ("%5c%5cu0062", "b"),
            (r"\x5f", "_"),
            (r"\u{5f}\u{0000005F}\\u{5f}", "___"),
            (r"\u{} \u{zz} u{61}", r"\u{} \u{zz} u{61}"),
            ("&#95;&#x5F;&#X005f;&lowbar;", "____"),
            ("&#00000000000000000000000095;", "_"),
            ("&#95&#95 x&#x5f", "__ x_"),
            (r"&#95\;&lowbar\;a\;b", "__a;b"),
            ("&amp;amp;#95;", "_"),
            ("&amp&num;95;", "_"),
            ("&#&#57;5;", "_"),
            ("&semi&semi&semi;", ";"),
            ("%26%2395%3B", "_"),
            ("%26amp%3B%2523%39%35%3b", "_"),
            (r"\u0026\u0023\u0039\u0035\u003b", "_"),
            ("&percnt;5f", "_"),
            ("&bsol;u005f", "_"),
            ("a&b&c", "a&b&c"),
            ("100% of \\user &; &#; &#x; &nope; %zz \\", "100% of \\user &; &#; &#x; &nope; %zz \\"),
        ] {
            assert_eq!(text(escaped), plain, "{escaped}");
        }
        assert_eq!(undone(b"nothing").text, None);
    }

    #[test]
    fn s7_breaks_and_escapes_of_css_are_read_as_browsers_do() {
        for (written, plain) in [
            ("a\tb\rc\nd\r\ne", "abcde"),
            (r"a\nb\tc\r\nd", "abcd"),
            (r"a\\nb\u000ac\u{a}d", "abcd"),
            ("a&Tab;b&NewLine;c&#10;d&#x9;e%0Af%0d%0ag", "abcdefg"),
            ("a%2\n5\t5fb", "a_b"),
            ("a\\\nb\\\r\nc", "abc"),
            (r"\61 b\000062 c\62", "abbcb"),
            (r"\0000611", "a1"),
            (r"\\61 b\5c 62 ", "abb"),
            ("a=\r\nb=\nc", "abc"),
            ("a\r\n b\n\tc \n  d", "abcd"),
            (r"a\n b%0A%20c", "abc"),
            ("a= \r\nb=3D\nc=3D3D\r\nd", "abcd"),
            (r"%5c61%20b\62\u0020c", "abbc"),
            (r"&#\35 1\3b 4\35 6", "3456"),
            (r"\25 7\34 \25 \37 4\a \20 x\a\20y", "ttxy"),
            ("\\61\nb\\62\r\n  c\\63%0Ad", "abbccd"),
            ("a=3D", "a=3D"),
            (r"\u{61}\x62", "ab"),
        ] {
            let read = as_browsers_do(written.as_bytes());
            assert_eq!(String::from_utf8_lossy(&read), plain, "{written:?}");
        }
        for (text, is_ambiguous) in [
            ("a b%20c", false),
            ("a\nb", false),
            (r"a%0Ab\nc 100%;\n", false),
            ("%\n65", true),
            ("%6\r\n 5", true),
            ("%6=\r\n5", true),
            ("&#9\n5;", true),
            ("&#9=\n5;", true),
            ("\\u00\n5f", true),
            (r"\u0\n05f", true),
            (r"\u0025\n65", true),
            (r"\6", true),
            (r"\%6e", true),
            (r"\u0061\/", false),
        ] {
            assert_eq!(undone(text.as_bytes()).is_ambiguous, is_ambiguous, "{text:?}");
        }
    }

    #[test]
    fn s7_long_chains_of_escapes_take_no_longer_than_their_length() {
        for piece in [
            "&semi", "&", "&#48;", "%25", "25", "\\", "&amp;", "&#", "amp;", "&#0", "\\u005c", "&amp%", "0",
            "\\5c", "\\u{5c}", "=\n", "\\\n", "3D", "3D\n", " \n", "%\n", "&#5=\n", "\\61 ",
        ] {
            let text = format!("%&#{}5f", piece.repeat(200_000));
            undone(text.as_bytes());
            as_browsers_do(text.as_bytes());
            unbroken(text.as_bytes());
        }
        assert_eq!(text(&format!("%{}5f", "25".repeat(200_000))), "_");
    }
}
