//! What files are recognised by in a text. Found generously: a file too many that stays harms nobody, a picture that is
//! gone from the site does.

use std::borrow::Cow;
use std::collections::HashMap;

use ledger::ids::{CdnPath, FileId};

use super::forms::{Read, as_browsers_do, unbroken, undone};
use super::lexemes::Halves;
use super::runs::{Seen, beginning, decoded, runs};
use crate::limits::USE_FORMS_TIMES_MAX;

/// The hex digits of its content that a file of ours has in its name.
const CONTENT_DIGITS: usize = 16;
/// How much of a mark is compared: the end of it, which differs from file to file.
const LONG: usize = 16;
const SHORT: usize = 8;
/// Characters of a run that are looked behind first, where most of it was looked behind before.
const BEGINNING_FIRST: usize = 256;

/// What some files are recognised by: the hex digits of their content, else the longest word of their name without its
/// extension, and their id. They may stand anywhere in a text, in any case, behind any escapes. A URL and a path end with
/// the name, so they count with it.
#[derive(Debug, Default)]
pub struct Marks {
    /// The marks of eight bytes and more, ordered by their end.
    ends: Vec<End>,
    /// A bit for each hash of an end: most of a text ends here.
    bits: Vec<u64>,
    /// Marks that are shorter, which have to be whole words.
    words: HashMap<Box<[u8]>, Vec<usize>>,
    /// Marks that a `tsvector` holds in two.
    halves: Halves,
    /// Files that have no mark at all: nothing could show that a text does not speak of them.
    always: Vec<usize>,
    /// How many files there are.
    files: usize,
    /// The shortest mark.
    shortest: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    /// The last eight bytes.
    last: u64,
    /// The eight before them, where the mark has so many.
    before: Option<u64>,
    file: usize,
}

impl Marks {
    /// The marks of these files, which are known by their places from here on.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a FileId, &'a CdnPath)>) -> Self {
        let mut marks = Self { shortest: LONG, ..Self::default() };
        for (place, (id, path)) in files.into_iter().enumerate() {
            marks.files = place + 1;
            let (id, name) = (id.to_string().to_ascii_lowercase(), path.name().to_ascii_lowercase());
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            for mark in [mark(&id), content(stem).or_else(|| mark(stem))] {
                marks.add(mark, place);
            }
        }
        marks.ends.sort_unstable();
        let bits = (marks.ends.len() * 16).next_power_of_two().max(1 << 16);
        marks.bits = vec![0; bits / 64];
        for end in &marks.ends {
            let bit = bit(end.last, shift(bits));
            marks.bits[bit / 64] |= 1 << (bit % 64);
        }
        marks
    }

    fn add(&mut self, mark: Option<&str>, file: usize) {
        let Some(mark) = mark else {
            self.shortest = 0;
            return self.always.push(file);
        };
        self.halves.add(mark, file);
        let mark = mark.as_bytes();
        let number = |from_end: usize| {
            let at = mark.len() - from_end;
            u64::from_be_bytes(mark[at..at + SHORT].try_into().expect("eight bytes"))
        };
        if mark.len() < SHORT {
            self.shortest = self.shortest.min(mark.len());
            self.words.entry(mark.into()).or_default().push(file);
            return;
        }
        let before = (mark.len() >= LONG).then(|| number(LONG));
        self.shortest = self.shortest.min(if before.is_some() { LONG } else { SHORT });
        self.ends.push(End { last: number(SHORT), before, file });
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.files
    }

    /// A text of letters, digits and `+/_-` that is shorter speaks of none of the files, whatever it is decoded to; 0 where
    /// any text may.
    pub fn run_min(&self) -> usize {
        self.shortest
    }

    /// Calls `found` with the place of each file that a text speaks of, perhaps several times; with all of them where it is
    /// wound so often that looking behind all of it would take too long.
    pub fn find(&self, text: &[u8], mut found: impl FnMut(usize)) {
        self.always.iter().copied().for_each(&mut found);
        self.halves.find(text, &mut found);
        let mut left = text.len().saturating_mul(USE_FORMS_TIMES_MAX).saturating_add(1 << 16);
        if !self.look(text, &mut left, &mut found) {
            (0..self.files).for_each(found);
        }
    }

    /// Whether all could be looked at.
    fn look(&self, text: &[u8], left: &mut usize, found: &mut impl FnMut(usize)) -> bool {
        if !spend(left, text) {
            return false;
        }
        let text = without_zeros(text);
        let (first, second) = self.readings(&text, found);
        let mut seen = second.is_some().then(Seen::default);
        let of_first = |run: &[u8], _| {
            if let Some(seen) = &mut seen {
                seen.add(run);
            }
            self.behind(run, left, found)
        };
        if !runs(&first, self.length_min(), of_first) {
            return false;
        }
        let (Some(second), Some(seen)) = (second, seen) else { return true };
        runs(&second, self.length_min(), |run, _| match seen.same_from(run) {
            Some(0) => true,
            Some(same) => self.behind_beginning(run, same, left, found),
            None => self.behind(run, left, found),
        })
    }

    /// A text as it is read, and as browsers read it where that may be something else; what stands in them is found.
    fn readings<'t>(
        &self,
        text: &'t [u8],
        found: &mut impl FnMut(usize),
    ) -> (Cow<'t, [u8]>, Option<Vec<u8>>) {
        self.scan(text, found);
        let Read { text: read, is_ambiguous } = undone(text);
        if let Some(read) = &read {
            self.scan(read, found);
        }
        let whole = unbroken(read.as_deref().unwrap_or(text));
        if let Some(whole) = &whole {
            self.scan(whole, found);
        }
        let browsers = is_ambiguous.then(|| as_browsers_do(text));
        if let Some(browsers) = &browsers {
            self.scan(browsers, found);
        }
        (whole.or(read).map_or(Cow::Borrowed(text), Cow::Owned), browsers)
    }

    /// A run of base64 that is shorter stands for nothing that could be found.
    fn length_min(&self) -> usize {
        (self.shortest * 4).div_ceil(3).max(4)
    }

    /// Looks behind a run of base64; whether behind all of it.
    fn behind(&self, run: &[u8], left: &mut usize, found: &mut impl FnMut(usize)) -> bool {
        // Each four characters stand for themselves, so four beginnings find what begins anywhere.
        let starts = (0..4).filter(|start| run.len() >= start + self.length_min());
        starts.map(|start| decoded(&run[start..])).all(|inner| self.look(&inner, left, found))
    }

    /// The same where all from `same` on was looked behind as the end of another run. As much of it is looked behind as can
    /// be another thing by its beginning.
    fn behind_beginning(
        &self,
        run: &[u8],
        same: usize,
        left: &mut usize,
        found: &mut impl FnMut(usize),
    ) -> bool {
        let mut length = BEGINNING_FIRST;
        while length < run.len() {
            match self.look_behind_beginning(&run[..length], same, left, found) {
                Some(all) => return all,
                None => length *= 2,
            }
        }
        self.behind(run, left, found)
    }

    /// The same of so much of a run; `None` where that is not enough.
    fn look_behind_beginning(
        &self,
        run: &[u8],
        same: usize,
        left: &mut usize,
        found: &mut impl FnMut(usize),
    ) -> Option<bool> {
        for start in 0..4.min(run.len()) {
            let whole = (run.len() - start) / 4 * 4;
            let inner = decoded(&run[start..][..whole]);
            let same = same.saturating_sub(start).div_ceil(4) * 3;
            if !self.look_at_beginning(&inner, same, left, found)? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Looks at a text of which all from `same` on was looked at behind another beginning, and which may go on.
    fn look_at_beginning(
        &self,
        text: &[u8],
        same: usize,
        left: &mut usize,
        found: &mut impl FnMut(usize),
    ) -> Option<bool> {
        if !spend(left, text) {
            return Some(false);
        }
        let same = without_zeros(text.get(..same)?).len();
        let text = without_zeros(text);
        let (end, verbatim) = beginning(&text, same)?;
        let (first, second) = self.readings(&text[..end], found);
        let second = second.as_deref().filter(|second| *second != &*first);
        for reading in second.into_iter().chain([&*first]) {
            let mut looked = Some(true);
            runs(reading, self.length_min(), |run, is_last| {
                looked = match is_last && verbatim > 0 {
                    true => self.look_behind_beginning(run, run.len() - verbatim, left, found),
                    false => Some(self.behind(run, left, found)),
                };
                looked == Some(true)
            });
            if looked != Some(true) {
                return looked;
            }
        }
        Some(true)
    }

    /// Finds what stands in a text as it is.
    fn scan(&self, text: &[u8], found: &mut impl FnMut(usize)) {
        let (mut before, mut last, mut rest) = (0u64, 0u64, text);
        let (bits, shift) = (self.bits.as_slice(), shift(self.bits.len() * 64));
        while let [byte, behind @ ..] = rest {
            rest = behind;
            before = before << 8 | last >> 56;
            last = last << 8 | LOWER[*byte as usize] as u64;
            let bit = bit(last, shift);
            if bits[bit / 64] & 1 << (bit % 64) == 0 {
                continue;
            }
            let first = self.ends.partition_point(|end| end.last < last);
            for end in self.ends[first..].iter().take_while(|end| end.last == last) {
                if end.before.is_none_or(|wanted| wanted == before) {
                    found(end.file);
                }
            }
        }
        if !self.words.is_empty() {
            let lower = text.to_ascii_lowercase();
            for files in words(&lower).filter_map(|word| self.words.get(word)) {
                files.iter().copied().for_each(&mut *found);
            }
        }
    }
}

/// Takes the work that a text is from what is left; false where that is too little.
fn spend(left: &mut usize, text: &[u8]) -> bool {
    let less = left.checked_sub(text.len());
    *left = less.unwrap_or(0);
    less.is_some()
}

/// UTF-16 of such names is what they are with a zero before or behind each byte.
fn without_zeros(text: &[u8]) -> Cow<'_, [u8]> {
    match text.contains(&0) {
        true => Cow::Owned(text.iter().copied().filter(|byte| *byte != 0).collect()),
        false => Cow::Borrowed(text),
    }
}

/// Which bit an end has: the upper ones of its hash.
#[inline(always)]
fn bit(last: u64, shift: u32) -> usize {
    (last.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize
}

/// What leaves as many of a hash's bits as tell so many bits apart.
fn shift(bits: usize) -> u32 {
    64 - bits.trailing_zeros()
}

/// Each byte in lower case.
static LOWER: [u8; 256] = {
    let (mut table, mut byte) = ([0; 256], 0);
    while byte < table.len() {
        table[byte] = (byte as u8).to_ascii_lowercase();
        byte += 1;
    }
    table
};

/// The hex digits of the content, where a name ends with them.
fn content(stem: &str) -> Option<&str> {
    let (_, digits) = stem.rsplit_once('_')?;
    (digits.len() == CONTENT_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .then_some(digits)
}

/// The longest word of a text; of two equally long either will do.
fn mark(text: &str) -> Option<&str> {
    words(text.as_bytes()).max_by_key(|word| word.len()).and_then(|word| std::str::from_utf8(word).ok())
}

/// The parts of a text that names and ids consist of. What hangs at their ends does not count.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let hangs = |byte: &u8| matches!(byte, b'_' | b'-');
    text.split(move |byte| !is_inside(byte)).filter_map(move |word| {
        let start = word.iter().position(|byte| !hangs(byte))?;
        let end = word.iter().rposition(|byte| !hangs(byte))?;
        Some(&word[start..=end])
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    const NAME: &str = "the-pub_0123456789abcdef.jpg";

    fn places(id: &str, path: &str, text: &[u8]) -> Vec<usize> {
        let mut places = Vec::new();
        Marks::of([(&id.parse().unwrap(), &path.parse().unwrap())]).find(text, |place| places.push(place));
        places
    }

    fn found(text: impl AsRef<[u8]>) -> bool {
        !places("6673f88237b244ef54d60180", &format!("/venues/the-pub/{NAME}"), text.as_ref()).is_empty()
    }

    #[test]
    fn s7_a_row_that_names_a_file_in_any_spelling_uses_it() {
        for text in [
            r#"[{"url": "https://ik.example/id/venues/the-pub/the-pub_0123456789abcdef.jpg"}]"#,
            r#"[{"url": "https://cdn.example/tr:w-100/THE-PUB_0123456789abcdef.JPG?updatedAt=1"}]"#,
            r#"[{"url": "https:\/\/ik.example\/venues\/the-pub\/the-pub_0123456789abcdef.jpg"}]"#,
            r#"[{"url": "\u0074he-pub\u005F0123456789abcd\u0065f\u002ejpg"}]"#,
            r#"["https%3A%2F%2Fik.example%2Fthe%2Dpub_0123456789abcde%66.jpg"]"#,
            r#"["{\"url\":\"https:\\/\\/ik.example%2Fvenues%2Fthe-pub_0123456789abcdef.jpg\"}"]"#,
            r#"[{"imagekit_file_id": "6673f88237b244ef54d60180"}]"#,
            r#"{"not": ["an array", "see the-pub_0123456789abcdef.jpg."]}"#,
            "no JSON at all: 6673F88237B244EF54D60180",
            // ImageKit's URL for search engines, and names that others have made of it.
            "https://ik.example/ik-seo/venues/the-pub/the-pub_0123456789abcdef/a-fine-pub.jpg",
            "copy-of-0123456789ABCDEF-400w.webp",
            "the-pub_0123456789abcd&#101;f",
            "the-pub&lowbar;0123456789abcd&#x65;f",
            "the-pub_0123456789abcd%25252565f.jpg",
            "the-pub_0123456789abcd%252525252525252525252565f.jpg",
            // What browsers leave out of a URL, and how styles, scripts and mails break or spell one.
            "the-pub_01234567\n89abcdef.jpg",
            "the-pub_01234567\t89ab\r\ncdef.jpg",
            r#"[{"url": "the-pub_01234567\n89abcdef.jpg"}]"#,
            r#"[{"url": "the-pub_01234567\\t89abcdef.jpg"}]"#,
            "the-pub_01234567&Tab;89abcdef.jpg",
            "the-pub_01234567&#10;89abcd&NewLine;ef.jpg",
            "the-pub_01234567%0A89abcd%\n65f.jpg",
            r"the-pub_01234567\u{38}9abcdef.jpg",
            "the-pub_01234567\\\n89abcdef.jpg",
            "the-pub_01234567=\r\n89abcdef.jpg",
            r"url(the-pub_01234567\38 9abcdef.jpg)",
            r#"{"style": "url(the-pub_01234567\\000038\\39\\61 bcdef.jpg)"}"#,
            // Lines that calendars, address cards and mails fold, as they are and within other escapes.
            "URL:https://ik.example/the-pub/the-pub_01234567\r\n 89abcdef.jpg\r\nEND:VEVENT",
            "PHOTO:the-pub_01234567\n 89abcd\n\tef.jpg",
            "the-pub_01234567\r\n\t89abcdef.jpg",
            r#"{"ics": "URL:the-pub_01234567\r\n 89abcdef.jpg"}"#,
            "the-pub_01234567%0D%0A%2089abcdef.jpg",
            "<url>the-pub_01234567&#13;\n 89abcdef.jpg</url>",
            "the-pub_01234567%3\r\n 8%3\n 9abcdef.jpg",
            "the-pub_01234567&#5\r\n 6;9abcdef.jpg",
            "the-pub_01234567&#5=\r\n6;9abcdef.jpg",
            "the-pub_01234567\\u00\r\n 389abcdef.jpg",
            "the-pub_01234567= \r\n89abcdef.jpg",
            "the-pub_01234567=\r\n=3D\r\n89abcdef.jpg",
            "the-pub_01234567=3D3D\n89abcdef.jpg",
            // What one escape ends with, or begins, stands behind another.
            "url(the-pub_01234567%5C38%209abcdef.jpg)",
            "url(the-pub_01234567&#92;38&#32;9abcdef.jpg)",
            "url(the-pub_01234567\\38\u{c}9abcdef.jpg)",
            "url(the-pub_01234567\\38\n9abcdef.jpg)",
            r"the-pub_01234567\&#110;89abcdef.jpg",
            r"the-pub_01234567\%6e89abcdef.jpg",
        ] {
            assert!(found(text), "{text}");
        }
        let wide: Vec<u8> = NAME.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(found(wide), "UTF-16");
    }

    #[test]
    fn s7_a_file_in_base64_is_found_wherever_it_begins() {
        for before in ["", "/", "/v", "/venues/the-pub/", "https://ik.example/id/"] {
            let path = format!("{before}{NAME}");
            let (standard, for_urls) = (BASE64_STANDARD.encode(&path), BASE64_URL_SAFE_NO_PAD.encode(&path));
            for text in [
                format!("https://ik.example/id/a.jpg?tr=l-image,ie-{standard},l-end"),
                format!("https://ik.example/id/tr:l-image,ie-{},l-end/a.jpg", standard.replace('=', "%3D")),
                format!("tr=l-image,ie-{for_urls},l-end"),
                format!("tr%3Dl-image%2Cie-{}", standard.replace('=', "%253D")),
                format!(
                    r#"{{"data": "{}"}}"#,
                    BASE64_STANDARD.encode(format!(r#"{{"tr": "ie-{for_urls}"}}"#))
                ),
                BASE64_STANDARD.encode(path.replace('e', "%2565")),
            ] {
                assert!(found(&text), "{text}");
            }
        }
        let encoded = BASE64_STANDARD.encode(format!("/venues/{NAME}"));
        for between in
            ["\n", "\t", "=\r\n", r"\n", "&#10;", "\r\n ", "\n      ", r"\r\n ", "= \r\n", "=\r\n=3D\r\n"]
        {
            // Between the digits.
            let (first, rest) = encoded.split_at(32);
            assert!(found(format!("ie-{first}{between}{rest},l-end")), "{between:?}");
        }
        let mut deep = NAME.to_owned();
        for _ in 0..20 {
            deep = BASE64_STANDARD.encode(deep);
        }
        assert!(found(&deep), "base64 in base64, twenty times");
    }

    #[test]
    fn a_row_that_names_another_file_does_not_use_this_one() {
        for text in [
            "",
            "[]",
            r#"[{"url": "https://ik.example/venues/the-pub/the-pub_fedcba9876543210.jpg"}]"#,
            r#"[{"imagekit_file_id": "6673f88237b244ef54d60181"}, "\ud800", "%zz", "\u12", "100%", "\\"]"#,
        ] {
            assert!(!found(text), "{text}");
        }
    }

    #[test]
    fn s7_a_file_that_is_not_named_like_ours_is_found_by_its_longest_word() {
        let id = "abcdefabcdef";
        assert_eq!(places(id, "/venues/x/holiday at the sea.jpg", b"HOLIDAY+at+the+sea"), [0]);
        assert_eq!(places(id, "/venues/x/lost_1.jpg", b"/ik-seo/venues/x/lost_1/now.jpg"), [0]);
        assert!(places(id, "/venues/x/lost_1.jpg", b"lost_11 xlost_1").is_empty());
        assert_eq!(
            places("abc", "/venues/\u{4e16}\u{754c}", b"[]"),
            [0],
            "a file without any word is always used"
        );
    }

    /// Encodes a text as base64 of which a style sheet spells the beginning.
    fn begun_by_css(inner: &str) -> String {
        let encoded = BASE64_STANDARD.encode(inner);
        format!("\\{:x} {}", encoded.as_bytes()[0], &encoded[1..])
    }

    /// Escapes right before base64 make it another run of base64 with the same end.
    #[test]
    fn s7_what_begins_behind_an_escape_is_found_and_all_else_costs_no_second_reading() {
        let html = "<p class=\"a b\">&amp; more, \\f and so on</p>\n".repeat(400);
        let (letters, numbers) = ("abcDEF0189".repeat(2_000), "0123456789, ".repeat(2_000));
        let of = |name: &str, rest: &str| format!("{name}.jpg\"{rest}");
        for rest in [html.as_str(), &letters, &numbers, &BASE64_STANDARD.encode(&html), ""] {
            let (mut ours, mut theirs) = (of("0123456789abcdef", rest), of("fedcba9876543210", rest));
            for depth in 1..7 {
                ours = begun_by_css(&ours);
                theirs = begun_by_css(&theirs);
                assert!(found(&ours), "{depth}: {:.40}", rest);
                assert!(!found(&theirs), "{depth}: {:.40}", rest);
            }
        }
    }

    /// A second reading costs what it reads otherwise: the base64 that both have is decoded once.
    #[test]
    fn a_page_within_base64_within_base64_with_escapes_of_css_uses_no_file() {
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let image: Vec<u8> = std::iter::repeat_with(&mut noise).take(50_000).collect();
        let mut page = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(image));
        for layer in 0..5 {
            page = format!(r#".i:before {{ content: "\f101" }} "\b" C:\abc <img src="{page}">"#);
            assert!(!found(&page), "{layer} layers");
            page = format!("data:text/html;base64,{}", BASE64_STANDARD.encode(page));
        }
    }

    /// Texts that are made to take long or much: what cannot be looked at to its end speaks of every file.
    #[test]
    fn s7_hostile_texts_are_looked_through_in_bounded_time() {
        let began = std::time::Instant::now();
        let long = 500_000;
        for piece in ["%25", "25", "\\u005c", "&amp;", "&#", "A", "QUFB", "UFBQ", "a%2Fb/"] {
            let text = format!("%{}", piece.repeat(long / piece.len()));
            found(&text);
            assert!(found(text + NAME), "{piece}");
        }
        let mut wound = "UFBQ".repeat(20_000);
        for _ in 0..6 {
            wound = BASE64_STANDARD.encode(wound);
        }
        found(wound);
        assert!(began.elapsed().as_secs() < 120, "{:?}", began.elapsed());
    }
}
