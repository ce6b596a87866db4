//! What `verify` answers, and how it is put to people.

use std::collections::BTreeMap;

use serde::Serialize;

use super::choose::Choice;
use super::compare::Comparison;
use super::finding::{Finding, Kind};
use crate::limits::FINDINGS_MAX;
use crate::show::{self, Cell, Column, Grid, Sheet};

/// The answer.
#[derive(Debug, Serialize)]
pub struct Answer {
    scope: String,
    target: &'static str,
    /// What the sample follows from; null where nothing was left out by one.
    seed: Option<u32>,
    /// Images of ours in the scope.
    images: Images,
    /// Those that were looked at.
    checked: Images,
    /// Rows that hold something that is no array, where no image could be found.
    not_arrays: u64,
    /// How many findings, told below or not.
    findings_total: u64,
    /// How many of each kind.
    kinds: BTreeMap<Kind, u64>,
    /// The findings, by venue and image.
    findings: Vec<Finding>,
    /// With `--compare`.
    comparison: Option<Comparison>,
}

#[derive(Debug, Serialize)]
struct Images {
    external: u64,
    completed: u64,
}

impl From<[u64; 2]> for Images {
    fn from([external, completed]: [u64; 2]) -> Self {
        Self { external, completed }
    }
}

impl Answer {
    /// Before anything was looked at.
    pub fn new(scope: String, target: &'static str, seed: Option<u32>, choice: &Choice) -> Self {
        Self {
            scope,
            target,
            seed,
            images: choice.there.into(),
            checked: choice.taken.into(),
            not_arrays: choice.not_arrays,
            findings_total: 0,
            kinds: BTreeMap::new(),
            findings: Vec::new(),
            comparison: None,
        }
    }

    /// Says what is going to be looked at.
    pub fn announce(&self) {
        let Images { external, completed } = self.checked;
        let of = show::count(self.images.external + self.images.completed, "image");
        let seed = self.seed.map_or_else(String::new, |seed| format!(", by --seed {seed}"));
        eprintln!("Looking at {} of {of} in {}{seed}.", external + completed, self.scope);
    }

    /// Takes findings in.
    pub fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            self.findings_total += 1;
            *self.kinds.entry(finding.kind).or_default() += 1;
            if self.findings.len() < FINDINGS_MAX {
                self.findings.push(finding);
            }
        }
    }

    /// Everything was looked at.
    pub fn end(&mut self, comparison: Option<Comparison>) {
        self.findings.sort();
        self.comparison = comparison;
    }

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings_total == 0
    }

    /// For people.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(format!("Images in {} ({})", self.scope, self.target));
        let mut grid =
            Grid::new([Column::text("State"), Column::number("Images"), Column::number("Looked at")]);
        grid.row(["external".into(), self.images.external.into(), self.checked.external.into()]);
        grid.row(["completed".into(), self.images.completed.into(), self.checked.completed.into()]);
        sheet.table(grid);
        if self.not_arrays > 0 {
            let rows = show::count(self.not_arrays, "row");
            sheet.line(format!("{rows} with something that is no array, and so without images."));
        }
        if let Some(comparison) = &self.comparison {
            comparison.show(&mut sheet);
        }
        if self.is_clean() {
            sheet.line("No findings.");
            return sheet;
        }
        sheet.heading("Findings");
        let columns = ["Kind", "Expected", "Found", "URL"].map(Column::text);
        let numbers = [Column::number("Venue"), Column::number("Image")];
        let mut grid = Grid::new([&numbers[..], &columns[..]].concat());
        for finding in &self.findings {
            let Finding { venue, image, url, kind, expected, found } = finding;
            grid.row([
                Cell::Id(venue.0),
                (*image).into(),
                show::word(kind).into(),
                expected.clone().into(),
                found.clone().into(),
                url.clone().into(),
            ]);
        }
        sheet.table(grid);
        let kinds: Vec<String> =
            self.kinds.iter().map(|(kind, n)| format!("{} {n}", show::word(kind))).collect();
        sheet.line(format!("{}: {}.", show::count(self.findings_total, "finding"), kinds.join(", ")));
        let untold = self.findings_total - self.findings.len() as u64;
        if untold > 0 {
            sheet.line(format!("{untold} of them are counted only; a narrower scope tells them."));
        }
        sheet
    }
}
