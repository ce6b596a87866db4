//! What a sheet may be made to hold, for the formats' tests.

use super::{Cell, Column, Grid, Sheet};

/// A sheet of two tables, full of what is dangerous somewhere.
pub fn sheet() -> Sheet {
    let mut sheet = Sheet::new("A <b>title</b>\u{1b}[2J");
    sheet.heading("# 1 | <script>alert(1)</script>");
    let columns = [Column::number("Venue"), Column::text("Text"), Column::percent("Share")];
    let mut grid = Grid::new(columns);
    for (index, text) in texts().into_iter().enumerate() {
        grid.row([Cell::Id(-(index as i64)), text.into(), Cell::Percent(99.1)]);
    }
    grid.total([Cell::Empty, "=SUM(A1:A9)".into(), Cell::Unknown]);
    sheet.table(grid);
    sheet.line("- a `line`\nwith <img src=x onerror=alert(1)>");
    let columns =
        [Column::text("Name"), Column::millis("Time"), Column::seconds("Wait"), Column::bytes("Size")];
    let mut grid = Grid::new(columns);
    grid.row(["a, \"b\"".into(), Cell::Millis(12), Cell::Seconds(7_500), Cell::Bytes(1_500_000)]);
    grid.row([Cell::Unknown, Cell::Decimal(-1.25, 1), Cell::Decimal(f64::NAN, 1), 12_345.into()]);
    sheet.table(grid);
    sheet
}

/// Texts that are dangerous somewhere.
pub fn texts() -> Vec<String> {
    let texts = [
        "=HYPERLINK(\"https://example.org\",\"x\")",
        "+1+1",
        "-2+3",
        "@SUM(1)",
        "\t=1+1",
        "\r\n=1+1",
        " =1+1",
        "\u{ff1d}1",
        "\u{feff}=1",
        "<script>alert(1)</script>",
        "\"><svg onload='alert(1)'>",
        "&lt;b&gt;",
        "\u{1b}[31mred\u{1b}[0m \u{9b}2J",
        "\u{202e}gpj.exe\u{2066}",
        "zero\u{200b}width\u{200d}\u{feff}",
        "a|b\\|c",
        "`code` *strong* _emphasis_ [link](javascript:alert(1)) ~~gone~~",
        "two\nlines\r\nthree\u{2028}four",
        "Łódź, 東京, it's \"quoted\"",
        "",
    ];
    texts.into_iter().map(str::to_owned).chain(["x".repeat(10_000), "word ".repeat(2_000)]).collect()
}
