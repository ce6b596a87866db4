//! A sheet for a terminal: 80 columns wide where whole words allow it.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

use super::sheet::{Cell, Grid, Part, Sheet, flat};

/// What fits every terminal, mail and ticket.
const COLUMNS: u16 = 80;
/// A word is broken only when it is longer: a URL that is broken cannot be copied.
const WORD_CHARS_MAX: usize = 300;
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
        table.add_row(row.iter().map(Cell::for_people));
    }
    for (index, of) in grid.columns.iter().enumerate() {
        let column = table.column_mut(index).expect("the header has a cell for every column");
        if of.is_number {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(ColumnConstraint::ContentWidth);
        } else {
            let least = Width::Fixed(longest_word(grid, index) + PADDING);
            column.set_constraint(ColumnConstraint::LowerBoundary(least));
        }
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// In characters.
fn longest_word(grid: &Grid, column: usize) -> u16 {
    let cells = grid.all_rows().map(|row| row[column].for_people());
    let texts = cells.chain([grid.columns[column].name.to_owned()]);
    let longest = texts.filter_map(|text| text.split(' ').map(|word| word.chars().count()).max()).max();
    longest.unwrap_or(0).min(WORD_CHARS_MAX) as u16
}
