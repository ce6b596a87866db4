//! Text for people.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement};
use ledger::event::{Addition, Event, Record, WaitReason, Work};
use ledger::ids::Seq;
use ledger::store::private::is_plain;
use unicode_normalization::char::is_combining_mark;
use url::Url;

use super::table::folded;
use super::{line_raw, with_flags, word};
use crate::error::Failure;

/// A text out of a database or a server, made harmless: no control characters (a terminal would obey them), no marks
/// that turn the writing direction, no breaks of lines, and nothing that is there and cannot be seen.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| is_plain(*c)).collect()
}

/// Whether a text shows anything: some character of it leaves a mark by itself on a page.
pub fn shows(text: &str) -> bool {
    // Letters of Hangul that stand for none, and the pattern of Braille without a dot.
    let is_blank = |c: char| {
        matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}' | '\u{17b4}' | '\u{17b5}')
    };
    text.chars().any(|c| is_plain(c) && !c.is_whitespace() && !is_blank(c) && !is_combining_mark(c))
}

/// Columns of a terminal that is as narrow as any.
const COLUMNS: usize = 80;

/// A text in lines that fit a narrow terminal, where whole words allow it. Each begins with `indent`, and those behind the
/// first with two spaces more.
pub fn wrapped(text: &str, indent: &str) -> Vec<String> {
    let (mut lines, mut line, mut is_begun) = (Vec::new(), indent.to_owned(), false);
    for word in text.split(' ') {
        if is_begun && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            lines.push(std::mem::replace(&mut line, format!("{indent}  ")));
            is_begun = false;
        }
        if is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = true;
    }
    lines.push(line);
    lines
}

/// Characters of a URL that are shown. Real ones are shorter.
const ADDRESS_CHARS_MAX: usize = 2_000;

/// A URL as it may be shown: without credentials, query string and fragment, any of which may be a secret (requirement
/// S1). One without them stays as it is written, to be found by it.
///
/// Of a very long one the beginning is shown.
pub fn address(url: &str) -> String {
    let mut shown = bare(url);
    if let Some((at, _)) = shown.char_indices().nth(ADDRESS_CHARS_MAX) {
        shown.truncate(at);
        shown.push('…');
    }
    shown
}

fn bare(url: &str) -> String {
    if !url.contains(['?', '#', '@']) {
        return url.to_owned();
    }
    let Ok(mut parsed) = Url::parse(url) else {
        let bare = url.split(['?', '#']).next().unwrap_or_default();
        return bare.rsplit('@').next().unwrap_or_default().to_owned();
    };
    parsed.set_query(None);
    parsed.set_fragment(None);
    // Neither can fail where there are credentials to take away.
    let _none = (parsed.set_username(""), parsed.set_password(None));
    parsed.into()
}

/// Bytes as people read them, in powers of ten as ImageKit bills them.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// So many of something: `1 image`, `2 images`.
pub fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A table: texts to the left, numbers to the right of their columns.
pub struct Table(comfy_table::Table);

impl Table {
    /// With these headings.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(headings.to_vec());
        Self(table)
    }
    /// A row of texts and then numbers.
    pub fn row(&mut self, texts: &[&str], numbers: &[u64]) {
        self.row_with(texts, numbers, &[]);
    }
    /// A row of texts, numbers, and further texts to the right.
    pub fn row_with(&mut self, texts: &[&str], numbers: &[u64], further: &[&str]) {
        let texts_at = texts.len();
        let numbers = numbers.iter().map(|number| number.to_string());
        let all =
            texts.iter().map(|text| plain(text)).chain(numbers).chain(further.iter().map(|text| plain(text)));
        self.0.add_row(all.map(folded).collect::<Vec<_>>());
        for column in self.0.column_iter_mut().skip(texts_at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    /// Writes it to stdout.
    pub fn print(&self) -> Result<(), Failure> {
        line_raw(&self.text())
    }
    /// Its lines.
    pub(super) fn text(&self) -> String {
        let text = self.0.to_string();
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

/// One event on one line of stdout.
pub fn event(seq: Seq, record: &Record) -> Result<(), Failure> {
    let run = record.run.map_or("-".to_owned(), |run| run.to_string());
    let name = record.event.name();
    let about = with_flags(&about(&record.event));
    line_raw(&plain(&format!("{seq:>7}  {}  run {run:<5} {name:<13} {about}", record.at)))
}

fn about(event: &Event) -> String {
    match event {
        Event::Opened(e) => format!("ledger {} of {} ({})", e.ledger, e.target.name, e.target.database),
        Event::RunStarted(e) => {
            format!("{} {} by {}@{}", e.verb.name(), word(&e.scope), e.operator.user, e.operator.host)
        }
        Event::Resumed(e) => format!("by {}@{}", e.operator.user, e.operator.host),
        Event::Planned(e) => {
            let images = match &e.work {
                Work::Move(entries) => count(entries.len() as u64, "image"),
                Work::TakeBack(images) => format!("{} to take back", count(images.len() as u64, "image")),
                Work::Add(Addition { entries, left_out }) => {
                    format!("{} to add, {} left out", count(entries.len() as u64, "image"), left_out.len())
                }
            };
            format!("venue {} {} {images}", e.venue, e.name.as_deref().unwrap_or(""))
        }
        Event::PlanningDone(e) => format!("{} venues, {} images", e.venues, e.images),
        Event::Downloaded(e) => {
            format!(
                "image {} {} {} {}×{}",
                e.image,
                super::bytes(e.bytes),
                word(&e.format),
                e.width,
                e.height
            )
        }
        Event::Uploaded(e) => {
            let how = word(&e.acquired);
            format!("image {} {} {how}", e.image, e.path)
        }
        Event::Waited(e) => {
            let (part, why) =
                (word(&e.part), if e.reason == WaitReason::RateLimit { "rate limit" } else { "outage" });
            format!("{} ms for the {part} ({why}), {}", e.ms, super::count(u64::from(e.times), "time"))
        }
        Event::Confirmed(e) => format!("image {} file {} is still there", e.image, e.file_id),
        Event::Failed(e) | Event::Skipped(e) => {
            let image = e.image.map_or(String::new(), |image| format!(" image {image}"));
            format!("venue {}{image} {}: {}", e.venue, e.error_type, e.message)
        }
        Event::Closed(e) => {
            let image = e.image.map_or(String::new(), |image| format!(" image {image}"));
            format!("venue {}{image} by {}: {}", e.venue, e.operator.user, e.reason)
        }
        Event::DbUpdated(e) => format!("venue {} {} entries", e.venue, e.edits.len()),
        Event::Drifted(e) => format!("venue {} image {}", e.venue, e.image),
        Event::RolledBack(e) => {
            let (back, held, left) = (e.edits.len(), e.held.len(), e.left.len());
            format!("venue {} {back} put back, {held} were so, {left} left", e.venue)
        }
        Event::CdnDeleted(e) => format!("{} {}", e.path, e.why),
        Event::Paused(e) => format!("{}: {}", word(&e.reason), e.message),
        Event::Alerted(e) => format!("{}: {}", word(&e.about), e.message),
        Event::Adjusted(e) => format!("{} {} → {}", e.setting, e.from, e.to),
        Event::Checkpoint(e) => format!("{} images in the row, digest {}", e.rungs.db_updated, e.digest),
        Event::RunFinished(e) => format!("{}: {} done of {}", word(&e.ending), e.tally.done, e.tally.images),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c4_a_line_of_a_question_is_broken_between_words_alone() {
        let path = "/a/way/that/is/long/enough/to/need/a/line/of/its/own/sandbox/eventasaurus.db).";
        let text = format!("  in the production database (SQLite {path} What others changed since stays.");
        let lines = wrapped(&text, "");
        assert_eq!(
            lines,
            [
                "  in the production database (SQLite",
                &format!("  {path}"),
                "  What others changed since stays."
            ]
        );
        assert_eq!(wrapped("one line", ""), ["one line"]);
        assert_eq!(wrapped("", "  "), ["  "]);
        let longer = "x".repeat(200);
        assert_eq!(wrapped(&longer, "  "), [format!("  {longer}")], "a word is not broken");
    }

    #[test]
    fn s1_a_shown_url_keeps_no_secret() {
        assert_eq!(address("https://me:pw@o.example/a b.jpg?sig=1#x"), "https://o.example/a%20b.jpg");
        assert_eq!(address("//me:pw@o.example/a.jpg?sig=1"), "o.example/a.jpg");
        assert_eq!(address("HTTPS://o.example/a b.jpg"), "HTTPS://o.example/a b.jpg");
    }

    #[test]
    fn s4_text_from_outside_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\r\nd\u{9b}"), "a[31mbcd");
    }

    #[test]
    fn s4_what_is_there_and_cannot_be_seen_goes() {
        let unseen = ["\u{61c}", "\u{200b}", "\u{200c}", "\u{200d}", "\u{200e}", "\u{2028}", "\u{2029}"];
        let more =
            ["\u{ad}", "\u{180e}", "\u{2060}", "\u{2064}", "\u{206f}", "\u{feff}", "\u{fff9}", "\u{e0041}"];
        for mark in unseen.into_iter().chain(more) {
            assert_eq!(plain(&format!("pay{mark}pal")), "paypal", "{mark:?}");
        }
        assert_eq!(plain("Łódź 東京 Ω\u{301} 🍕 “–”"), "Łódź 東京 Ω\u{301} 🍕 “–”");
    }
}
