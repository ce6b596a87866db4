//! A sheet for a terminal: 80 columns wide where whole words allow it.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

use super::human::wrapped;
use super::sheet::{Cell, Grid, Part, Sheet, flat};

/// What fits every terminal, mail and ticket.
const COLUMNS: u16 = 80;
/// A word is broken only when it is longer: a URL that is broken cannot be copied.
const WORD_CHARS_MAX: usize = 300;
/// Texts no longer than this stay on one line, where the rest still fits: what they would give up, the long texts beside
/// them would not get.
const SHORT_CHARS: u16 = 20;
/// A line of a cell is broken where it is longer than this, word or not: widths are counted in 16 bits, a character may
/// be two columns wide, and beside it there are others.
const LINE_CHARS_MAX: usize = 20_000;
/// Stands for a space at which no line is broken.
const JOINT: &str = "\u{a0}";
/// The spaces on both sides of a cell.
const PADDING: u16 = 2;

pub fn write(sheet: &Sheet) -> String {
    let mut text = String::new();
    let mut before: Option<&Part> = None;
    for part in &sheet.parts {
        let is_apart =
            matches!((before, part), (Some(_), Part::Heading(_)) | (Some(Part::Table(_)), Part::Table(_)));
        if is_apart {
            text.push('\n');
        }
        match part {
            Part::Heading(line) | Part::Line(line) => text.push_str(&flat(line)),
            Part::Table(grid) => text.push_str(&lines(grid)),
        }
        text.push('\n');
        before = Some(part);
    }
    text
}

fn lines(grid: &Grid) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(COLUMNS);
    table.set_header(grid.columns.iter().map(|column| column.name));
    for row in grid.all_rows() {
        table.add_row(row.iter().map(|cell| folded(unbroken(&cell.for_people()))));
    }
    let least = |index: usize| match widest(grid, index) {
        width if width <= SHORT_CHARS || grid.columns[index].is_number => width,
        _ => longest_word(grid, index),
    };
    let narrowest = (0..grid.columns.len()).map(|index| longest_word(grid, index) + PADDING).sum::<u16>();
    if grid.is_apart && narrowest > COLUMNS {
        return rows(grid);
    }
    let keeps_short = (0..grid.columns.len()).map(|index| least(index) + PADDING).sum::<u16>() <= COLUMNS;
    for (index, of) in grid.columns.iter().enumerate() {
        let is_short = widest(grid, index) <= SHORT_CHARS;
        let column = table.column_mut(index).expect("the header has a cell for every column");
        if of.is_number {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(ColumnConstraint::ContentWidth);
        } else if is_short && keeps_short {
            column.set_constraint(ColumnConstraint::ContentWidth);
        } else {
            let least = Width::Fixed(longest_word(grid, index) + PADDING);
            column.set_constraint(ColumnConstraint::LowerBoundary(least));
        }
    }
    let text = table.to_string().replace(JOINT, " ");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Each row by itself: its first value, and below that the others with their names, a line each.
fn rows(grid: &Grid) -> String {
    let mut lines = Vec::new();
    for row in grid.all_rows() {
        lines.extend(wrapped(&row[0].for_people(), " "));
        for (cell, column) in row.iter().zip(&grid.columns).skip(1) {
            let value = cell.for_people();
            if *cell != Cell::Unknown && !value.is_empty() {
                let line = format!("{}: {value}", column.name);
                // A path that is longer than a line is so on the next one, too.
                match value.contains(' ') {
                    true => lines.extend(wrapped(&line, "   ")),
                    false => lines.push(format!("   {line}")),
                }
            }
        }
    }
    lines.join("\n")
}

/// The longest text of a column, in characters.
fn widest(grid: &Grid, column: usize) -> u16 {
    let cells = grid.all_rows().map(|row| row[column].for_people().chars().count());
    let longest = cells.max().unwrap_or(0).max(grid.columns[column].name.chars().count());
    longest.min(WORD_CHARS_MAX) as u16
}

/// A text of which no line is longer than can be counted.
pub(super) fn folded(text: String) -> String {
    if text.len() <= LINE_CHARS_MAX {
        return text;
    }
    let chars: Vec<char> = text.chars().collect();
    let lines: Vec<String> = chars.chunks(LINE_CHARS_MAX).map(|line| line.iter().collect()).collect();
    lines.join("\n")
}

/// With every command in it as one word: one that is broken cannot be pasted.
fn unbroken(text: &str) -> String {
    let mut parts = text.split('`');
    let mut unbroken = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        unbroken.push('`');
        match part.starts_with("longshore ") {
            true => unbroken.push_str(&part.replace(' ', JOINT)),
            false => unbroken.push_str(part),
        }
    }
    unbroken
}

/// In characters.
fn longest_word(grid: &Grid, column: usize) -> u16 {
    let cells = grid.all_rows().map(|row| unbroken(&row[column].for_people()));
    let texts = cells.chain([grid.columns[column].name.to_owned()]);
    let longest = texts.filter_map(|text| text.split(' ').map(|word| word.chars().count()).max()).max();
    longest.unwrap_or(0).min(WORD_CHARS_MAX) as u16
}

#[cfg(test)]
mod tests {
    use super::super::{Column, hostile};
    use super::*;

    fn sheet(parts: Vec<Part>) -> Sheet {
        Sheet { title: "Not shown".to_owned(), parts }
    }

    #[test]
    fn c16_a_command_is_not_broken_between_its_words() {
        let command = "`longshore --target dev --ledger 'a long way to another ledger' resume --run 12`";
        let mut grid = Grid::new([Column::text("Check"), Column::text("What to do")]);
        grid.row([
            "ledger".into(),
            format!("Some words before it, then {command}, and some behind it").into(),
        ]);
        let text = write(&sheet(vec![Part::Table(grid)]));
        assert!(text.lines().any(|line| line.contains(command)), "{text}");
        assert!(text.lines().count() > 2 && !text.contains(JOINT), "what is no command is broken: {text}");
    }

    #[test]
    fn c9_a_table_has_its_numbers_to_the_right_and_no_spaces_at_the_end() {
        let mut grid =
            Grid::new([Column::text("Country"), Column::number("Images"), Column::percent("Share")]);
        grid.row(["Poland".into(), 445.into(), Cell::Percent(99.1)]);
        grid.row(["France".into(), 9.into(), Cell::Unknown]);
        grid.total(["Total".into(), 454.into(), Cell::Empty]);
        let heading = Part::Heading("By country".to_owned());
        let text = write(&sheet(vec![Part::Line("As of 7.".to_owned()), heading, Part::Table(grid)]));
        assert_eq!(
            text,
            "As of 7.\n\
             \n\
             By country\n \
             Country  Images    Share\n \
             Poland      445  99.10 %\n \
             France        9        -\n \
             Total       454\n"
        );
    }

    #[test]
    fn c9_a_table_is_80_columns_wide_where_whole_words_allow_it() {
        let columns = [Column::text("Message"), Column::text("URL"), Column::number("Times")];
        let mut grid = Grid::new(columns);
        let url = format!("https://cdn.example.org/{}", "a".repeat(30));
        grid.row(["a sentence of many words ".repeat(5).into(), url.as_str().into(), 1_234_567.into()]);
        let text = lines(&grid);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains(&url) && text.contains("1234567"), "{text}");

        let long = format!("https://cdn.example.org/{}", "a".repeat(120));
        grid.row(["short".into(), long.as_str().into(), 1.into()]);
        let text = lines(&grid);
        assert!(text.contains(&long), "a word is not broken: {text}");
        assert!(text.contains("sentence"), "{text}");
    }

    #[test]
    fn c9_rows_whose_words_do_not_fit_side_by_side_are_read_one_by_one() {
        let columns = ["Class", "Path", "File id", "Used by"].map(Column::text);
        let path = format!("/venues/{}", "p".repeat(60));
        let mut grid = Grid::apart(columns);
        grid.row(["orphan".into(), "/a/b.jpg".into(), "6673".into(), Cell::Empty]);
        assert!(lines(&grid).starts_with(" Class   Path      File id  Used by\n orphan  /a/b.jpg  6673"));
        grid.row([
            "foreign".into(),
            path.as_str().into(),
            Cell::Unknown,
            "public.notes in the row with id 7 ".repeat(3).into(),
        ]);
        let text = lines(&grid);
        let expected = format!(
            " orphan\n   Path: /a/b.jpg\n   File id: 6673\n foreign\n   Path: {path}\n   Used by: public.notes in the row"
        );
        assert!(text.starts_with(&expected), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let long = "p".repeat(100);
        grid.row(["orphan".into(), long.as_str().into(), Cell::Empty, Cell::Empty]);
        assert!(lines(&grid).ends_with(&format!(" orphan\n   Path: {long}")), "a word is not broken");
    }

    #[test]
    fn c9_short_texts_leave_the_room_to_long_ones() {
        let mut grid = Grid::new(["Check", "State", "Found"].map(Column::text));
        let found = "a sentence with a/path/that/is/quite/long and so many words that it needs two lines";
        grid.row(["disk".into(), "as it should be".into(), found.into()]);
        let text = lines(&grid);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("as it should be") && text.lines().all(|line| line.len() <= 80), "{text}");
    }

    #[test]
    fn s4_a_text_longer_than_a_width_can_count_is_shown_whole() {
        for long in ["x".repeat(140_000), "\u{754c}".repeat(70_000), "word ".repeat(30_000)] {
            let mut grid = Grid::new([Column::text("Text"), Column::number("Times")]);
            grid.row([long.as_str().into(), 1.into()]);
            let text = lines(&grid);
            let letters = |text: &str| text.chars().filter(|c| "xword\u{754c}".contains(*c)).count();
            assert_eq!(letters(&text) - letters("Text Times"), letters(&long));
            let mut table = super::super::Table::new(&["Text", "Times"]);
            table.row(&[&long], &[1]);
            assert!(letters(&table.text()) >= letters(&long));
        }
    }

    #[test]
    fn s4_a_table_cannot_steer_a_terminal() {
        let text = write(&hostile::sheet());
        let is_control = |c: char| c != '\n' && c.is_control();
        assert!(
            !text.contains(is_control) && !text.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}'])
        );
        assert!(text.contains("[31mred[0m 2J") && text.contains("two lines three four"), "{text}");
        assert!(text.chars().filter(|c| *c == 'x').count() >= 10_000, "nothing is left out");
        assert!(text.lines().all(|line| line.chars().count() < 400));
    }
}
