//! A sheet as GitHub's Markdown.

use super::sheet::{Cell, Grid, Part, Sheet, flat};

pub fn write(sheet: &Sheet) -> String {
    let mut text = format!("# {}\n", escaped(&flat(&sheet.title)));
    for part in &sheet.parts {
        text.push('\n');
        match part {
            Part::Heading(heading) => text.push_str(&format!("## {}\n", escaped(&flat(heading)))),
            Part::Line(line) => text.push_str(&format!("{}\n", paragraph(line))),
            Part::Table(grid) => text.push_str(&lines(grid)),
        }
    }
    text
}

fn lines(grid: &Grid) -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = row(grid.columns.iter().map(|column| escaped(column.name)).collect());
    text.push_str(&row(grid
        .columns
        .iter()
        .map(|column| if column.is_number { "---:" } else { "---" }.into())
        .collect()));
    for cells in &grid.rows {
        text.push_str(&row(cells.iter().map(value).collect()));
    }
    if let Some(total) = &grid.total {
        let strong = |cell: &Cell| match value(cell) {
            empty if empty.is_empty() => empty,
            value => format!("**{value}**"),
        };
        text.push_str(&row(total.iter().map(strong).collect()));
    }
    text
}

fn value(cell: &Cell) -> String {
    escaped(cell.for_people().trim())
}

/// A line of its own must not begin a list, a heading or an underline.
fn paragraph(line: &str) -> String {
    let text = escaped(flat(line).trim());
    match text.starts_with(['#', '+', '-', '=']) {
        true => format!("\\{text}"),
        false => text,
    }
}

/// Nothing in it is markup, neither Markdown nor HTML. An underscore inside a word is none by itself, and URLs have
/// many.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_inside = before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '_' if is_inside => escaped.push(c),
            '\\' | '`' | '|' | '*' | '_' | '[' | ']' | '~' | '$' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
        before = c;
    }
    escaped
}
