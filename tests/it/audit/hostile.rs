//! Texts that a database may hold, in the answers for people (requirement S4).

use super::{MIGRATE, set, two_venues};
use crate::support::program::Workplace;
use crate::support::stage::Kind;

const NAME: &str = "=HYPERLINK(\"https://e.vil\")<script>alert(1)</script>\u{1b}[2J\u{202e}";

#[test]
fn s4_hostile_names_and_urls_do_nothing_in_any_format() {
    let at = Workplace::new(Kind::Sqlite, 60);
    let [venue, _] = two_venues(&at);
    at.sql(&format!("UPDATE venues SET name = '{NAME}' WHERE id = {venue}"));
    let text = at.rows()[&venue].images.clone().unwrap();
    let entry = "{\"url\": \"=cmd()<script>|\\u001b[2J\", \"source\": \"trivia_advisor_migration\", \
                 \"upload_status\": \"external\"}";
    set(&at, venue, &text.replacen('[', &format!("[{entry}, "), 1));
    // Three bad ones are more than a tenth of so few.
    at.run(&[&MIGRATE[..], &["--max-error-rate", "100"]].concat()).code(10);
    // The row is changed since, so that a difference shows a URL of theirs as well.
    let text = at.rows()[&venue].images.clone().unwrap();
    set(&at, venue, &text.replacen("\"completed\"", "\"=1+1\\u009b2J<b>\"", 1));
    for format in ["table", "json", "csv", "markdown", "html"] {
        for verb in [&["audit", "--live"][..], &["export", "failures"]] {
            let ran = at.run(&[verb, &["--format", format]].concat());
            let code = if verb.len() == 2 && verb[0] == "audit" { 13 } else { 0 };
            let ran = ran.code(code);
            let is_steering = |c: char| c.is_control() && c != '\n' && c != '\r' || c == '\u{202e}';
            assert!(!ran.stdout.contains(is_steering), "{ran}");
            let is_page = matches!(format, "markdown" | "html");
            assert!(!(is_page && ran.stdout.contains("<script")), "{ran}");
            if format == "csv" {
                let mut rows = csv::ReaderBuilder::new()
                    .flexible(true)
                    .has_headers(false)
                    .from_reader(ran.stdout.as_bytes());
                let cells: Vec<String> = rows
                    .records()
                    .flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
                    .collect();
                assert!(cells.iter().all(|cell| !cell.starts_with(['=', '+', '@'])), "{ran}");
                assert!(cells.iter().any(|cell| cell.starts_with("'=")), "{ran}");
            }
        }
    }
}
