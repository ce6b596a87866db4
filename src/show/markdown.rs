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

/// Nothing in it is markup, neither Markdown nor HTML, and no address becomes a link by itself. An underscore inside a word
/// is none by itself, and URLs have many.
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
            ':' if rest.peek() == Some(&'/') => escaped.push_str("\\:"),
            '.' if escaped.to_ascii_lowercase().ends_with("www") => escaped.push_str("\\."),
            '\\' | '`' | '|' | '*' | '_' | '[' | ']' | '~' | '$' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
        before = c;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Column, hostile};
    use super::*;

    /// The cells of a row as GitHub finds them: an escaped pipe is no border.
    fn cells(row: &str) -> Vec<String> {
        let hidden = row.replace("\\\\", "\u{1}").replace("\\|", "\u{2}");
        let inner = hidden.strip_prefix("| ").unwrap().strip_suffix(" |").unwrap();
        inner.split(" | ").map(str::to_owned).collect()
    }

    #[test]
    fn c9_markdown_has_a_title_headings_lines_and_tables() {
        let text = write(&hostile::sheet());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "# A &lt;b&gt;title&lt;/b&gt;\\[2J");
        assert_eq!(lines[2], "## # 1 \\| &lt;script&gt;alert(1)&lt;/script&gt;");
        assert_eq!(lines[4..=5], ["| Venue | Text | Share |", "| ---: | --- | ---: |"]);
        assert_eq!(lines[7], "| -1 | +1+1 | 99.10 % |");
        assert!(lines.contains(&"|  | **=SUM(A1:A9)** | **-** |"));
        assert!(lines.contains(&"\\- a \\`line\\` with &lt;img src=x onerror=alert(1)&gt;"));
        assert!(lines.contains(&"| a, \"b\" | 12 ms | 2 h 05 min | 1.5 MB |"));
        assert!(lines.contains(&"| - | -1.2 | - | 12345 |"));
    }

    #[test]
    fn s4_markdown_holds_no_markup_out_of_a_text() {
        let text = write(&hostile::sheet());
        assert!(!text.contains(['<', '>', '\u{1b}', '\u{9b}', '\u{202e}', '\u{200b}']), "{text}");
        assert!(text.contains("| a\\|b\\\\\\|c |"));
        assert!(
            text.contains(
                "\\`code\\` \\*strong\\* \\_emphasis\\_ \\[link\\](javascript:alert(1)) \\~\\~gone"
            )
        );
        assert!(text.contains("| two lines three four |"));
        assert_eq!(escaped("not_found"), "not_found");
        for (text, written) in [
            ("![x](https://evil.example/pixel.gif)", "!\\[x\\](https\\://evil.example/pixel.gif)"),
            ("<https://evil.example>", "&lt;https\\://evil.example&gt;"),
            ("https://evil.example", "https\\://evil.example"),
            ("WWW.evil.example", "WWW\\.evil.example"),
            ("a: b/c", "a: b/c"),
        ] {
            assert_eq!(escaped(text), written);
        }
    }

    proptest! {
        #[test]
        fn s4_whatever_a_text_holds_it_stays_one_cell(text in "[|<>`\\\\\\s\u{0}\u{200b}x]{0,9}.*") {
            let mut grid = Grid::new([Column::text("Text"), Column::number("Number")]);
            grid.row([format!("x{text}x").into(), 7.into()]);
            let table = lines(&grid);
            prop_assert_eq!(table.lines().count(), 3);
            let row = cells(table.lines().last().unwrap());
            prop_assert_eq!(row.len(), 2);
            prop_assert_eq!(&row[1], "7");
            prop_assert!(!row[0].contains(['<', '|', '>']));
        }
    }
}
