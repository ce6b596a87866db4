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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustls::SupportedCipherSuite;

    use super::super::{Column, hostile, plain};
    use super::*;

    #[test]
    fn c9_html_is_one_page_with_its_tables() {
        let page = write(&hostile::sheet());
        assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"));
        assert!(page.contains("<title>A &lt;b&gt;title&lt;/b&gt;[2J</title>"));
        assert!(page.contains("<th class=\"n\">Venue</th><th>Text</th><th class=\"n\">Share</th>"));
        assert!(page.contains("<td class=\"n\">-1</td><td>+1+1</td><td class=\"n\">99.10 %</td>"));
        assert!(page.contains("<tfoot>\n<tr><td class=\"n\"></td><td>=SUM(A1:A9)</td>"));
        assert!(page.contains("<td>a, &quot;b&quot;</td><td class=\"n\">12 ms</td>"));
        assert_eq!(page.matches("<table>").count(), 2);
    }

    #[test]
    fn s4_a_page_holds_no_markup_out_of_a_text() {
        let page = write(&hostile::sheet());
        for unwanted in ["<script", "<img", "<svg", "<b>", "\u{1b}", "\u{9b}", "\u{202e}", "\u{200b}"] {
            assert!(!page.contains(unwanted), "{unwanted:?}");
        }
        assert!(page.contains("<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>"));
        assert!(page.contains("<td>&amp;lt;b&amp;gt;</td>"));
    }

    #[test]
    fn s4_a_page_may_only_be_shown_and_in_its_own_style() {
        let suites = rustls::crypto::ring::default_provider().cipher_suites;
        let of_sha256 = suites.iter().find_map(|suite| match suite {
            SupportedCipherSuite::Tls13(suite) if suite.common.hash_provider.output_len() == 32 => {
                Some(suite)
            }
            _ => None,
        });
        let digest = of_sha256.unwrap().common.hash_provider.hash(STYLE.as_bytes());
        let expected = format!("style-src 'sha256-{}';", base64(digest.as_ref()));
        assert!(POLICY.contains(&expected), "the style's digest is now {expected}");
        assert!(POLICY.starts_with("default-src 'none';") && !POLICY.contains("unsafe"));
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
            let digit = |at: usize| DIGITS[(bits >> (18 - 6 * at) & 63) as usize] as char;
            text.extend((0..4).map(|at| if at <= three.len() { digit(at) } else { '=' }));
        }
        text
    }

    proptest! {
        #[test]
        fn s4_whatever_a_text_holds_it_is_shown_as_it_is(text in "[<>&\"';lt\\s\u{0}\u{200b}]{0,9}.*") {
            let mut grid = Grid::new([Column::text("Text")]);
            grid.row([text.as_str().into()]);
            let table = table(&grid);
            let (_, cell) = table.split_once("<td>").unwrap();
            let (cell, _) = cell.split_once("</td>").unwrap();
            prop_assert!(!cell.contains(['<', '>', '"', '\'']));
            let shown = cell.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            prop_assert_eq!(shown.replace("&amp;", "&"), plain(&flat(&text)));
        }
    }
}
