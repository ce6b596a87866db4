//! An answer as a document, before anyone has said how it is to be written.

use std::borrow::Cow;

use super::{plain, with_flags};
use crate::secrets::masked;

/// A document: what a command has found, for people. Programs read the same answer's JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// What it is about. Pages have it as their title; the table for a terminal begins without it.
    pub title: String,
    /// What it says, in order.
    pub parts: Vec<Part>,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// What the next parts are about.
    Heading(String),
    /// A line of text. CSV leaves it out.
    Line(String),
    /// A table.
    Table(Grid),
}

/// A table. Every row, the total too, has a cell for every column.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// What stands in the columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// The last row, where there is something to add up.
    pub total: Option<Vec<Cell>>,
    /// Whether people read each row by itself where whole words do not fit side by side.
    pub is_apart: bool,
}

/// A column's heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// What it is called.
    pub name: &'static str,
    /// Whether it stands to the right.
    pub is_number: bool,
    /// What CSV puts behind the name, where cells are bare numbers; empty where there is none. For people the cells
    /// say it.
    pub unit: &'static str,
}

/// One value. Numbers stay numbers until they are written: CSV has them bare, people's formats with their units.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing belongs here, as below *Code* in a row of totals.
    Empty,
    /// A value belongs here and there is none: `-` for people, nothing in CSV.
    Unknown,
    /// A text, from wherever; it is made harmless when it is written.
    Text(String),
    /// How many.
    Count(u64),
    /// A number that names something, like a venue's id.
    Id(i64),
    /// A number, and how many digits behind the point are written.
    Decimal(f64, u8),
    /// A share in percent: 99.1 is `99.10 %`.
    Percent(f64),
    /// Milliseconds.
    Millis(u64),
    /// Seconds; people read `2 h 05 min`.
    Seconds(u64),
    /// Bytes; people read `1.5 MB`.
    Bytes(u64),
}

impl Sheet {
    /// With nothing in it yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), parts: Vec::new() }
    }
    /// Goes on with a heading.
    pub fn heading(&mut self, text: impl Into<String>) {
        self.parts.push(Part::Heading(text.into()));
    }
    /// Goes on with a line.
    pub fn line(&mut self, text: impl Into<String>) {
        self.parts.push(Part::Line(text.into()));
    }
    /// As it may be shown: with the flags in force in every command that its lines name, and without the secrets of the
    /// process (requirement S1), in its tables too. Whoever needs a row to the letter asks for JSON.
    #[must_use]
    pub fn with_flags(mut self) -> Self {
        mask(&mut self.title);
        for part in &mut self.parts {
            match part {
                Part::Line(text) | Part::Heading(text) => {
                    *text = with_flags(text);
                    mask(text);
                }
                Part::Table(grid) => {
                    for cell in grid.rows.iter_mut().flatten().chain(grid.total.iter_mut().flatten()) {
                        if let Cell::Text(text) = cell {
                            mask(text);
                        }
                    }
                }
            }
        }
        self
    }
    /// Goes on with a table.
    pub fn table(&mut self, grid: Grid) {
        self.parts.push(Part::Table(grid));
    }
}

impl Grid {
    /// With these columns and no row yet.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new(), total: None, is_apart: false }
    }
    /// The same, of which people read each row by itself where whole words do not fit side by side: paths and URLs.
    pub fn apart(columns: impl Into<Vec<Column>>) -> Self {
        Self { is_apart: true, ..Self::new(columns) }
    }
    /// Goes on with a row.
    ///
    /// # Panics
    /// When it has not a cell for every column.
    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        let cells = cells.into();
        assert_eq!(cells.len(), self.columns.len(), "a row has a cell for every column");
        self.rows.push(cells);
    }
    /// Ends with a row of totals.
    ///
    /// # Panics
    /// When it has not a cell for every column.
    pub fn total(&mut self, cells: impl Into<Vec<Cell>>) {
        let cells = cells.into();
        assert_eq!(cells.len(), self.columns.len(), "a row has a cell for every column");
        self.total = Some(cells);
    }
    /// All rows, the total last.
    pub(super) fn all_rows(&self) -> impl Iterator<Item = &Vec<Cell>> {
        self.rows.iter().chain(&self.total)
    }
}

impl Column {
    /// Of texts.
    pub const fn text(name: &'static str) -> Self {
        Self { name, is_number: false, unit: "" }
    }
    /// Of numbers without a unit.
    pub const fn number(name: &'static str) -> Self {
        Self { name, is_number: true, unit: "" }
    }
    /// Of [`Cell::Percent`].
    pub const fn percent(name: &'static str) -> Self {
        Self { name, is_number: true, unit: "%" }
    }
    /// Of [`Cell::Millis`].
    pub const fn millis(name: &'static str) -> Self {
        Self { name, is_number: true, unit: "ms" }
    }
    /// Of [`Cell::Seconds`].
    pub const fn seconds(name: &'static str) -> Self {
        Self { name, is_number: true, unit: "s" }
    }
    /// Of [`Cell::Bytes`].
    pub const fn bytes(name: &'static str) -> Self {
        Self { name, is_number: true, unit: "bytes" }
    }
}

impl Cell {
    /// As people read it: with its unit, on one line, and harmless.
    pub(super) fn for_people(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Unknown => "-".to_owned(),
            Self::Text(text) => flat(text),
            Self::Count(n) => n.to_string(),
            Self::Id(id) => id.to_string(),
            Self::Decimal(value, _) | Self::Percent(value) if !value.is_finite() => "-".to_owned(),
            Self::Decimal(value, digits) => format!("{value:.*}", usize::from(*digits)),
            Self::Percent(value) => format!("{value:.2} %"),
            Self::Millis(ms) => format!("{ms} ms"),
            Self::Seconds(seconds) => duration(*seconds),
            Self::Bytes(bytes) => super::bytes(*bytes),
        }
    }
    /// As a spreadsheet reads it: numbers bare, and texts on one line and harmless, though still as if they were to be
    /// calculated with.
    pub(super) fn bare(&self) -> String {
        match self {
            Self::Empty | Self::Unknown => String::new(),
            Self::Decimal(value, _) | Self::Percent(value) if !value.is_finite() => String::new(),
            Self::Percent(value) => format!("{value:.2}"),
            Self::Millis(n) | Self::Seconds(n) | Self::Bytes(n) => n.to_string(),
            Self::Text(_) | Self::Count(_) | Self::Id(_) | Self::Decimal(..) => self.for_people(),
        }
    }
}

/// Masks secrets in a text as it will be shown: a character that is then taken out could stand within one.
fn mask(text: &mut String) {
    if let Cow::Owned(masked) = masked(&flat(text)) {
        *text = masked;
    }
}

/// A text on one line and harmless: breaks and tabs become spaces, so that words stay apart.
pub fn flat(text: &str) -> String {
    let is_break = |c: char| matches!(c, '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}');
    plain(&text.replace("\r\n", " ").replace(is_break, " "))
}

/// A duration as people plan with it.
pub fn duration(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, min, s) => format!("{min} min {s:02} s"),
        (h, min, _) => format!("{h} h {min:02} min"),
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(n: u64) -> Self {
        Self::Count(n)
    }
}

/// What is not there is unknown.
impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, Into::into)
    }
}
