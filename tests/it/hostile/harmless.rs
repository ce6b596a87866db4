//! Whether what the program says is harmless where it is read (requirement S4).

use serde_json::value::RawValue;

use crate::support::program::Ran;

/// Whether a terminal obeys a character, or a reader cannot see it. Written down anew, so that nothing of the program
/// judges itself.
fn is_steering(c: char) -> bool {
    let is_unseen = matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    unseen_or_control(c, is_unseen)
}

fn unseen_or_control(c: char, is_unseen: bool) -> bool {
    is_unseen || (c != '\n' && (c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c)))
}

/// Sees that a text cannot steer a terminal.
#[track_caller]
pub fn see_plain(text: &str, what: &str) {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| is_steering(*c)) {
        let around: String =
            text[..at].chars().rev().take(80).collect::<Vec<_>>().into_iter().rev().collect();
        panic!("{what}: {c:?} behind {around:?}");
    }
}

/// Sees that nothing on either stream does harm where that format is read.
#[track_caller]
pub fn see(ran: &Ran, format: &str) {
    let what = format!("longshore {}", ran.args);
    see_plain(&ran.stdout, &format!("stdout of {what}"));
    see_plain(&ran.stderr, &format!("stderr of {what}"));
    // A line that a database wrote must not look like one of ours.
    let forged = |text: &str| text.lines().any(|line| line.starts_with("Error: gone"));
    assert!(!forged(&ran.stdout) && !forged(&ran.stderr), "a forged line: {what}\n{}", ran.stderr);
    match format {
        "html" => see_page(&ran.stdout, &what),
        "markdown" => assert!(!ran.stdout.contains(['<', '>']), "markup in {what}"),
        "csv" => see_cells(&ran.stdout, &what),
        // A patch carries other people's values as they are, as deep as they are.
        "json" => {
            // A patch carries other people's values as they are, as deep as they are.
            let read = serde_json::from_str::<&RawValue>(&ran.stdout);
            assert!(read.is_ok(), "{what}: {read:?}");
        }
        _ => {}
    }
}

/// The page's own tags, each as it is written.
const TAGS: [&str; 19] = [
    "!doctype html",
    "html lang=\"en\"",
    "html",
    "head",
    "body",
    "title",
    "style",
    "h1",
    "h2",
    "p",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "th",
    "td",
    "th class=\"n\"",
    "td class=\"n\"",
];

#[track_caller]
fn see_page(page: &str, what: &str) {
    for rest in page.split('<').skip(1) {
        let (tag, _) = rest.split_once('>').unwrap_or_else(|| panic!("an open tag in {what}: {rest:.80}"));
        let is_ours = tag.starts_with("meta ") || TAGS.contains(&tag.trim_start_matches('/'));
        assert!(is_ours, "a tag out of a text in {what}: <{tag:.80}>");
    }
}

#[track_caller]
fn see_cells(text: &str, what: &str) {
    let mut rows = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
    let cells = rows.records().flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>());
    for cell in cells.filter(|cell| cell.parse::<f64>().is_err()) {
        let calculated = ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
        assert!(!cell.trim_start_matches(' ').starts_with(calculated), "a formula in {what}: {cell:.80?}");
    }
}
