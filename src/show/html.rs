//! A sheet as one page for a browser, which needs nothing else and may load and run nothing.

use super::sheet::{Cell, Grid, Part, Sheet, flat};

/// How it looks. [`POLICY`] names its digest.
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}\
table{border-collapse:collapse;margin:1rem 0}th,td{border-bottom:1px solid #ccc;padding:.25rem .75rem;\
text-align:left;vertical-align:top;overflow-wrap:anywhere}.n{text-align:right;white-space:nowrap;\
font-variant-numeric:tabular-nums}tfoot td{border-top:2px solid #888;font-weight:600}";

/// What a browser may do with the page: show it, in this style.
const POLICY: &str = "default-src 'none'; style-src 'sha256-AVyLX/iV2L+3KoQtwGfeXniNZd6dZfMXB+0tdzu6qTw='; base-uri 'none'; form-action 'none'";

pub fn write(sheet: &Sheet) -> String {
    let title = escaped(&flat(&sheet.title));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    for part in &sheet.parts {
        match part {
            Part::Heading(heading) => page.push_str(&format!("<h2>{}</h2>\n", escaped(&flat(heading)))),
            Part::Line(line) => page.push_str(&format!("<p>{}</p>\n", escaped(flat(line).trim()))),
            Part::Table(grid) => page.push_str(&table(grid)),
        }
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn table(grid: &Grid) -> String {
    let class = |index: usize| if grid.columns[index].is_number { " class=\"n\"" } else { "" };
    let row = |cells: &Vec<Cell>| {
        let cell = |(index, cell): (usize, &Cell)| {
            format!("<td{}>{}</td>", class(index), escaped(&cell.for_people()))
        };
        format!("<tr>{}</tr>\n", cells.iter().enumerate().map(cell).collect::<String>())
    };
    let headings = grid.columns.iter().enumerate();
    let headings: String =
        headings.map(|(index, of)| format!("<th{}>{}</th>", class(index), escaped(of.name))).collect();
    let rows: String = grid.rows.iter().map(row).collect();
    let total =
        grid.total.as_ref().map_or(String::new(), |total| format!("<tfoot>\n{}</tfoot>\n", row(total)));
    format!("<table>\n<thead>\n<tr>{headings}</tr>\n</thead>\n<tbody>\n{rows}</tbody>\n{total}</table>\n")
}

/// Nothing in it is markup, inside an attribute neither.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
