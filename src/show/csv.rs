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

/// A text that a spreadsheet would calculate is marked as a text (requirement S4). Spreadsheets look behind leading
/// spaces, and some take the full-width forms for the signs.
fn field(cell: &Cell) -> String {
    let bare = cell.bare();
    let is_text = matches!(cell, Cell::Text(_));
    let starts_a_formula =
        |c: char| matches!(c, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}');
    match is_text && bare.trim_start().starts_with(starts_a_formula) {
        true => format!("'{bare}"),
        false => bare,
    }
}
