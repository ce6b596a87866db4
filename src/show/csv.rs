//! A sheet for spreadsheets: its tables, one after the other, each with its header.

use super::sheet::{Cell, Column, Grid, Part, Sheet};

pub fn write(sheet: &Sheet) -> String {
    let tables = sheet.parts.iter().filter_map(|part| match part {
        Part::Table(grid) => Some(lines(grid)),
        Part::Heading(_) | Part::Line(_) => None,
    });
    tables.collect::<Vec<_>>().join("\n")
}

fn lines(grid: &Grid) -> String {
    let mut csv = ::csv::Writer::from_writer(Vec::new());
    let mut record =
        |fields: Vec<String>| csv.write_record(fields).expect("memory takes it, all rows are as long");
    record(grid.columns.iter().map(heading).collect());
    for row in grid.all_rows() {
        record(row.iter().map(field).collect());
    }
    let bytes = csv.into_inner().expect("memory takes it");
    String::from_utf8(bytes).expect("it was made of text")
}

fn heading(column: &Column) -> String {
    match column.unit {
        "" => column.name.to_owned(),
        unit => format!("{} ({unit})", column.name),
    }
}

/// A text that a spreadsheet would calculate is marked as a text (requirement S4).
fn field(cell: &Cell) -> String {
    let bare = cell.bare();
    if matches!(cell, Cell::Text(_)) { marked(&bare) } else { bare }
}

/// With a `'` wherever a field begins that would be a formula: at the front, and behind each sign at which a spreadsheet
/// may be told to split, since quotes in the middle of its fields quote nothing. Spreadsheets look behind leading spaces,
/// and some take the full-width forms for the signs.
fn marked(text: &str) -> String {
    let mut marked = String::with_capacity(text.len() + 1);
    let mut begins = Some(0);
    for c in text.chars() {
        let is_sign = matches!(c, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}');
        if let Some(at) = begins.filter(|_| is_sign) {
            marked.insert(at, '\'');
        }
        marked.push(c);
        begins = match c {
            ';' | ',' | '|' => Some(marked.len()),
            '"' => begins,
            c if c.is_whitespace() => begins,
            _ => None,
        };
    }
    marked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{hostile, plain};
    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        let mut reader =
            ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let records = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect());
        records.collect()
    }

    #[test]
    fn c9_csv_has_each_table_with_its_header_and_bare_numbers() {
        let text = write(&hostile::sheet());
        let (first, second) = text.split_once("\n\n").expect("an empty line between the tables");
        let (first, second) = (read(first), read(second));
        assert_eq!(first.len(), 1 + hostile::texts().len() + 1);
        assert_eq!(first[0], ["Venue", "Text", "Share (%)"]);
        assert_eq!(first[2], ["-1", "'+1+1", "99.10"]);
        assert_eq!(first.last().unwrap(), &["", "'=SUM(A1:A9)", ""]);
        assert_eq!(second[0], ["Name", "Time (ms)", "Wait (s)", "Size (bytes)"]);
        assert_eq!(second[1], ["a, \"b\"", "12", "7500", "1500000"]);
        assert_eq!(second[2], ["", "-1.2", "", "12345"]);
    }

    #[test]
    fn s4_a_text_is_no_formula_for_a_spreadsheet() {
        let rows = read(&write(&hostile::sheet()));
        let texts: Vec<_> = rows[1..=hostile::texts().len()].iter().map(|row| row[1].as_str()).collect();
        let marked: Vec<_> = texts.iter().take_while(|text| text.starts_with('\'')).collect();
        assert_eq!(marked.len(), 9, "{texts:?}");
        assert_eq!(*marked[5], "' =1+1", "a line break became a space, and is looked behind");
        assert!(texts[9..].iter().all(|text| !text.starts_with('\'')), "{texts:?}");
        assert_eq!(texts[18], "Łódź, 東京, it's \"quoted\"");
        assert_eq!(texts[20].len(), 10_000);
    }

    #[test]
    fn s4_a_text_is_no_formula_wherever_a_spreadsheet_splits() {
        for (text, written) in [
            ("x;=1+1", "x;'=1+1"),
            ("x,=1+1", "x,'=1+1"),
            ("x\t=1+1", "x =1+1"),
            ("x|@SUM(1)", "x|'@SUM(1)"),
            ("a; \"+1", "a;' \"+1"),
            ("a;\u{a0}\u{ff1d}1", "a;'\u{a0}\u{ff1d}1"),
            ("\"=1", "'\"=1"),
            ("a;;-1;b=2;c-d", "a;;'-1;b=2;c-d"),
            ("=1;=2\n,=3", "'=1;'=2 ,'=3"),
            ("Kraków, Rynek 3; it's fine", "Kraków, Rynek 3; it's fine"),
        ] {
            assert_eq!(marked(&super::super::flat(text)), written, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn s4_split_at_anything_a_text_has_no_field_that_is_a_formula(text in "[=+@a;,|\" \t\n-]{0,12}") {
            let mut grid = Grid::new([Column::number("Number"), Column::text("Text"), Column::text("Text")]);
            grid.row([7.into(), text.as_str().into(), text.as_str().into()]);
            let line = lines(&grid).lines().nth(1).unwrap().to_owned();
            for field in line.split([';', ',', '|', '\t']) {
                let bare = field.trim_start_matches(|c: char| c == '"' || c.is_whitespace());
                prop_assert!(!bare.starts_with(['=', '+', '-', '@']), "{line}");
            }
        }

        #[test]
        fn s4_whatever_a_text_holds_it_stays_one_field_and_no_formula(text in "[\\s=+@＝＋－＠\u{0}\u{200b}-]{0,4}.*") {
            let mut grid = Grid::new([Column::text("Text"), Column::number("Number")]);
            grid.row([text.as_str().into(), 7.into()]);
            let rows = read(&lines(&grid));
            prop_assert_eq!(rows.len(), 2);
            prop_assert_eq!(&rows[1][1], "7");
            let field = &rows[1][0];
            prop_assert_eq!(&plain(field), field);
            prop_assert!(!field.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']));
        }
    }
}
