//! What `doctor` answers, and how it is put to people.

use std::path::Path;

use serde::Serialize;

use crate::error::Failure;
use crate::show::{self, Column, Grid, Sheet};

/// What is looked at, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// What D6 lists.
    Settings,
    /// Whether the application's database answers.
    Database,
    /// Its columns.
    Columns,
    /// What may be read and updated there.
    Rights,
    /// What lies between.
    Pooler,
    /// Trivia Advisor's database.
    TriviaAdvisor,
    /// Whether ImageKit takes the private key.
    ImagekitKey,
    /// Whether the upload host answers.
    ImagekitUpload,
    /// Whether the URL endpoint delivers.
    Endpoint,
    /// What of the plan is used.
    Usage,
    /// Whether the origin gives an image away.
    Origin,
    /// Whether all clocks agree.
    Clocks,
    /// The ledger, and what lies beside it.
    Ledger,
    /// Room for the ledger and the spool.
    Disk,
    /// Files and connections that may be open at once.
    Descriptors,
    Memory,
    /// The address of the socket by which a run is steered.
    Socket,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Worth knowing before a run, and nothing wrong.
    Note,
    /// To be mended before a run.
    Finding,
    /// Something that was found keeps it from being looked at.
    NotChecked,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    check: Check,
    state: State,
    /// What was found.
    found: String,
    /// What to do; null where there is nothing to be done.
    advice: Option<String>,
}

impl Line {
    /// As it should be.
    pub fn ok(check: Check, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), advice: None }
    }
    /// Worth knowing.
    pub fn note(check: Check, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Note, found: found.into(), advice: Some(advice.into()) }
    }
    /// To be mended.
    pub fn finding(check: Check, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Finding, found: found.into(), advice: Some(advice.into()) }
    }
    /// Kept from being looked at, and by what.
    pub fn not_checked(check: Check, why: impl Into<String>) -> Self {
        Self { check, state: State::NotChecked, found: why.into(), advice: None }
    }
    /// Why another command would have failed; in its own words, or with this advice where it has none.
    pub fn failure(check: Check, failure: Failure, advice: &str) -> Self {
        let Failure { message, causes, hints, .. } = failure;
        let found = [vec![message], causes].concat().join(": ");
        let advice = if hints.is_empty() { advice.to_owned() } else { hints.join("; ") };
        Self::finding(check, found, advice)
    }
    /// Whether it is to be mended.
    pub fn is_finding(&self) -> bool {
        self.state == State::Finding
    }
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Answer {
    target: &'static str,
    /// Where the ledger lies, or will.
    ledger: String,
    /// How many are to be mended.
    findings_total: u64,
    checks: Vec<Line>,
}

impl Answer {
    /// Of everything that was looked at.
    pub fn new(target: &'static str, ledger: &Path, mut checks: Vec<Line>) -> Self {
        checks.sort_by_key(|line| line.check);
        for line in &mut checks {
            line.found = show::told(&line.found);
            line.advice = line.advice.as_deref().map(show::told);
        }
        let findings_total = checks.iter().filter(|line| line.is_finding()).count() as u64;
        Self { target, ledger: ledger.display().to_string(), findings_total, checks }
    }

    /// Whether nothing is to be mended.
    pub fn is_well(&self) -> bool {
        self.findings_total == 0
    }

    /// For people: first how everything stands, then what to do.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new(format!("Before a run ({})", self.target));
        let mut stands = Grid::new(["Check", "State", "Found"].map(Column::text));
        let mut todo = Grid::new(["Check", "What to do"].map(Column::text));
        for line in &self.checks {
            let check = show::word(&line.check);
            let state = match line.state {
                State::Ok => "ok",
                State::Note => "note",
                State::Finding => "FINDING",
                State::NotChecked => "unseen",
            };
            stands.row([check.clone().into(), state.into(), line.found.clone().into()]);
            if let Some(advice) = &line.advice {
                todo.row([check.into(), advice.clone().into()]);
            }
        }
        sheet.table(stands);
        if !todo.rows.is_empty() {
            sheet.heading("What to do");
            sheet.table(todo);
        }
        sheet.line(match self.findings_total {
            0 => "All is well.".to_owned(),
            n => format!("{} to be mended before a run.", show::count(n, "finding")),
        });
        sheet
    }
}
