//! `--out DIR`: what a run leaves behind for others, as files (requirement C4).

use std::fs::Metadata;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use ledger::event::Scope;
use ledger::ids::RunId;
use ledger::ledger::Ledger;
use ledger::store::private::{self, Dir, Refused};
use serde::Serialize;

use super::export::{failures, rollback_data};
use super::stream::Broken;
use crate::error::{Exit, Failure};
use crate::show;

/// Where a run's report, rollback data and failures go.
#[derive(Debug, Clone, Default, Args)]
pub struct RunFilesArgs {
    /// When the run ends or pauses, write its report, rollback data and failures into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl RunFilesArgs {
    /// Sees before the work that there is a directory, or makes one for its owner alone.
    ///
    /// # Errors
    /// When there can be none.
    pub fn prepare(&self) -> Result<(), Failure> {
        let Some(dir) = &self.out else { return Ok(()) };
        Dir::made(dir).map(drop).map_err(|error| {
            let failure = Failure::usage(format!("cannot make the directory {}", dir.display()));
            let on_the_way = Refused::of(&error).filter(|refused| refused.path() != dir);
            let hint = match (private::leads_to(dir, Metadata::is_dir), on_the_way) {
                (Some(to), _) => format!("`--out {}` names what it leads to itself", private::quoted(&to)),
                (None, Some(refused)) => refused.advice().to_owned(),
                (None, None) => {
                    "`--out` names another directory: one that is there, or a new one where you may write"
                        .to_owned()
                }
            };
            failure.because(error).hint(hint)
        })
    }

    /// Writes a run's files: its report as given, and what the ledger says of it now.
    ///
    /// # Errors
    /// When the disk refuses; what the run has done is in the ledger all the same.
    pub fn write(&self, ledger: &Ledger, run: RunId, report: &impl Serialize) -> Result<(), Failure> {
        let Some(dir) = &self.out else { return Ok(()) };
        let (scope, upto) = (Scope::Run(run), ledger.upto());
        // The event tells apart what a run left when it paused from what it left in the end.
        let name = |what: &str| format!("run-{run}-event-{upto}-{what}");
        let dir = &Dir::open(dir)?;
        write_new(dir, &name("report"), |to| Ok(show::json_pretty(to, report)?))?;
        write_new(dir, &name("rollback-data"), |to| rollback_data(to, ledger, &scope))?;
        write_new(dir, &name("failures"), |to| failures(to, ledger, &scope))?;
        eprintln!("Report, rollback data and failures of run {run} are in {}.", dir.path().display());
        Ok(())
    }
}

/// A new private file; one that is there, of another ledger perhaps, stays as it is.
fn write_new(
    dir: &Dir,
    name: &str,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Broken>,
) -> Result<(), Failure> {
    let cannot = |path: &Path, error| {
        Failure::new(Exit::CannotGoOn, format!("cannot write {}", path.display())).because(error)
    };
    let mut number = 1;
    let (path, file) = loop {
        let again = if number == 1 { String::new() } else { format!("-{number}") };
        let name = format!("{name}{again}.json");
        let path = dir.path().join(&name);
        match dir.create(&name) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            opened => break (path.clone(), opened.map_err(|error| cannot(&path, error))?),
        }
    };
    let mut file = BufWriter::new(file);
    match write(&mut file) {
        Ok(()) => {}
        Err(Broken::Failed(failure)) => return Err(failure),
        Err(Broken::Writing(error)) => return Err(cannot(&path, error)),
    }
    let file = file.into_inner().map_err(|error| cannot(&path, error.into_error()))?;
    file.sync_all().map_err(|error| cannot(&path, error))
}
