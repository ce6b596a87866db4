//! Files of a listing that cannot be read, which nobody knows the owner of.

use serde::Serialize;

use crate::outside::imagekit::OddFile;
use crate::show::{Cell, Column, Grid};

/// Such a file.
#[derive(Debug, Serialize)]
pub(super) struct Unreadable {
    /// What stands for its path; null where no text does.
    path: Option<String>,
    /// The same for its id.
    file_id: Option<String>,
    /// What is odd about it.
    why: String,
}

impl Unreadable {
    pub(super) fn of(file: &OddFile) -> Self {
        Self { path: file.said_path.clone(), file_id: file.said_id.clone(), why: file.why.clone() }
    }

    /// All of them, for people.
    pub(super) fn grid(all: &[Self]) -> Grid {
        let mut grid = Grid::apart(["Path", "File id", "Why it cannot be read"].map(Column::text));
        for file in all {
            let said = |said: &Option<String>| said.clone().map_or(Cell::Unknown, Cell::Text);
            grid.row([said(&file.path), said(&file.file_id), Cell::Text(file.why.clone())]);
        }
        grid
    }
}
