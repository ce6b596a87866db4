//! What `verify` answers, and how it is put to people.

use std::collections::BTreeMap;

use serde::Serialize;

use super::choose::{Choice, NotRead};
use super::compare::Comparison;
use super::finding::{Finding, Kind};
use super::known::Known;
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
    /// How many rows hold more than is read, told below or not.
    not_read_total: u64,
    /// Those rows: none of their images was looked at.
    not_read: Vec<NotRead>,
    /// How many findings, told below or not.
    findings_total: u64,
    /// How many of each kind.
    kinds: BTreeMap<Kind, u64>,
    /// The findings, by venue and image.
    findings: Vec<Finding>,
    /// How much was found about images that the ledger knows already, told below or not.
    known_total: u64,
    /// What was found about those.
    known: Vec<KnownAlready>,
    /// With `--compare`.
    comparison: Option<Comparison>,
}

/// What was found about an image that the ledger knows as not moved. It is no finding.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct KnownAlready {
    #[serde(flatten)]
    found: Finding,
    #[serde(flatten)]
    known: Known,
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
            not_read_total: choice.not_read_total,
            not_read: choice.not_read.clone(),
            findings_total: 0,
            kinds: BTreeMap::new(),
            findings: Vec::new(),
            known_total: 0,
            known: Vec::new(),
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

    /// Takes in what was found about an image, or about all of them.
    pub fn add(&mut self, findings: Vec<Finding>, known: Option<Known>) {
        for found in findings {
            match known {
                Some(known) => {
                    self.known_total += 1;
                    if self.known.len() < FINDINGS_MAX {
                        self.known.push(KnownAlready { found, known });
                    }
                }
                None => {
                    self.findings_total += 1;
                    *self.kinds.entry(found.kind).or_default() += 1;
                    if self.findings.len() < FINDINGS_MAX {
                        self.findings.push(found);
                    }
                }
            }
        }
    }

    /// Everything was looked at.
    pub fn end(&mut self, comparison: Option<Comparison>) {
        self.add(comparison.iter().filter_map(Comparison::finding).collect(), None);
        self.findings.sort();
        self.known.sort();
        self.comparison = comparison;
    }

    /// Whether nothing was found, and every row was read.
    pub fn is_clean(&self) -> bool {
        self.findings_total == 0 && self.not_read_total == 0
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
        for NotRead { venue_id, why } in &self.not_read {
            sheet.line(format!(
                "Venue {venue_id} was not read, so none of its images was looked at: it {why}."
            ));
        }
        uncounted(&mut sheet, self.not_read_total, self.not_read.len());
        if let Some(comparison) = &self.comparison {
            comparison.show(&mut sheet);
        }
        self.show_known(&mut sheet);
        if self.is_clean() {
            let is_idle = self.checked.external + self.checked.completed == 0;
            sheet.line(match (is_idle, self.known_total) {
                (true, _) => "There was nothing to look at.",
                (false, 0) => "No findings.",
                (false, _) => "No findings beside those.",
            });
            return sheet;
        }
        if self.not_read_total > 0 {
            sheet.line(format!("{} not_read: a finding.", show::count(self.not_read_total, "row")));
        }
        if self.findings_total == 0 {
            return sheet;
        }
        sheet.heading("Findings");
        let columns = ["Kind", "Expected", "Found", "URL"].map(Column::text);
        let mut grid = Grid::new([&NUMBERS[..], &columns[..]].concat());
        for finding in &self.findings {
            let [venue, image, kind, expected, found, url] = cells(finding);
            grid.row([venue, image, kind, expected, found, url]);
        }
        sheet.table(grid);
        let kinds: Vec<String> =
            self.kinds.iter().map(|(kind, n)| format!("{} {n}", show::word(kind))).collect();
        sheet.line(format!("{}: {}.", show::count(self.findings_total, "finding"), kinds.join(", ")));
        uncounted(&mut sheet, self.findings_total, self.findings.len());
        sheet
    }

    /// What the ledger knows already, apart from the findings.
    fn show_known(&self, sheet: &mut Sheet) {
        if self.known.is_empty() {
            return;
        }
        sheet.heading("Known to the ledger already");
        let columns = ["Ledger", "Kind", "Expected", "Found", "URL"].map(Column::text);
        let mut grid = Grid::new([&NUMBERS[..], &columns[..]].concat());
        for KnownAlready { found, known } in &self.known {
            let [venue, image, kind, expected, found, url] = cells(found);
            let standing = show::word(&known.standing);
            let ledger = known.error_type.map_or(standing.clone(), |kind| format!("{standing}: {kind}"));
            grid.row([venue, image, ledger.into(), kind, expected, found, url]);
        }
        sheet.table(grid);
        sheet.line("They failed, were skipped or were left by a person: no findings.");
        uncounted(sheet, self.known_total, self.known.len());
    }
}

const NUMBERS: [Column; 2] = [Column::number("Venue"), Column::number("Image")];

fn cells(finding: &Finding) -> [Cell; 6] {
    let Finding { venue, image, url, kind, expected, found } = finding;
    [
        venue.map_or(Cell::Empty, |venue| Cell::Id(venue.0)),
        image.map_or(Cell::Empty, Cell::from),
        show::word(kind).into(),
        expected.clone().into(),
        found.clone().into(),
        url.clone().into(),
    ]
}

/// Says how many are counted and not told.
fn uncounted(sheet: &mut Sheet, total: u64, told: usize) {
    let untold = total - told as u64;
    if untold > 0 {
        sheet.line(format!("{untold} of them are counted only; a narrower scope tells them."));
    }
}
