//! `ledger …`: looking after the ledger itself (requirement C12).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use ledger::chain::Head;
use ledger::event::{Event, Record};
use ledger::ids::RunId;
use ledger::ledger::Ledger;
use ledger::report::{Unaccounted, unaccounted};
use ledger::store::LedgerError;
use ledger::store::private::{self, Refused};
use serde::Serialize;

use super::Context;
use super::open::{holder, now};
use super::out::PlainFormat;
use crate::error::{Exit, Failure};
use crate::show;

/// What can be done with a ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerVerb {
    /// Recompute every hash, replay every event and name the first bad one; see that reports count what rows hold.
    Verify {
        /// A head kept elsewhere, as each run prints it: it shows a cut-off tail, and another history.
        #[arg(long, value_name = "SEQ:HASH")]
        head: Option<Head>,
    },
    /// Copy the ledger into a new file, also while a run writes to it. The copy is a ledger too.
    Backup {
        /// The copy, readable for its owner alone. A file that is there is never overwritten.
        file: PathBuf,
    },
    /// Append a checkpoint: the state so far, asserted.
    Checkpoint,
}

impl LedgerVerb {
    /// Whether an event is appended.
    pub fn writes_to_the_ledger(&self) -> bool {
        matches!(self, Self::Checkpoint)
    }
}

#[derive(Serialize)]
struct Verified {
    ledger: String,
    events: u64,
    head: String,
    /// The head that was kept elsewhere, found in its place.
    kept_head: Option<String>,
    /// Images that a row holds by what was recorded, and that no report counts.
    unaccounted: Vec<String>,
}

#[derive(Serialize)]
struct BackedUp {
    ledger: String,
    file: String,
    events: u64,
    head: String,
}

#[derive(Serialize)]
struct Checkpointed {
    ledger: String,
    run: RunId,
    head: String,
    digest: String,
}

pub fn run(context: &Context<'_>, verb: &LedgerVerb) -> Result<Exit, Failure> {
    match verb {
        LedgerVerb::Verify { head } => verify(context, head.as_ref()),
        LedgerVerb::Backup { file } => backup(context, file),
        LedgerVerb::Checkpoint => checkpoint(context),
    }
}

/// Says an answer to programs, or these lines to people.
fn say(context: &Context<'_>, answer: &impl Serialize, lines: &[String]) -> Result<Exit, Failure> {
    match context.plain_format()? {
        PlainFormat::Json => show::json(answer)?,
        PlainFormat::Table => lines.iter().try_for_each(|line| show::line(line))?,
    }
    Ok(Exit::Done)
}

fn verify(context: &Context<'_>, kept: Option<&Head>) -> Result<Exit, Failure> {
    context.tell_whose();
    let ledger = Ledger::read(&context.ledger_path())?;
    let head = ledger.head();
    if let Some(kept) = kept {
        compare(&ledger, kept)?;
    }
    let mut lines = vec![format!("{} events, all as they were written.", head.seq), format!("Head {head}")];
    lines.push(match kept {
        None => "A chain does not show a cut-off tail: compare the head with one kept elsewhere.".to_owned(),
        Some(kept) if *kept == head => "It ends at the head that was kept.".to_owned(),
        Some(kept) => format!(
            "The head that was kept stands in its place; {} came after it.",
            show::count(head.seq.0 - kept.seq.0, "event")
        ),
    });
    let found = unaccounted(ledger.state(), ledger.store())?;
    for Unaccounted { venue, image, updated } in &found {
        lines.push(format!(
            "Image {image} of venue {venue} is in its row by event {updated}, and no report or export counts it."
        ));
    }
    let exit = if found.is_empty() { Exit::Done } else { Exit::Findings };
    if exit == Exit::Findings {
        lines.push(
            "That is a fault of this program, not of the ledger: `rollback` takes such images back.".into(),
        );
    }
    let answer = Verified {
        ledger: ledger.store().id().to_string(),
        events: head.seq.0,
        head: head.to_string(),
        kept_head: kept.map(Head::to_string),
        unaccounted: found.iter().map(|of| of.image.to_string()).collect(),
    };
    say(context, &answer, &lines).map(|_| exit)
}

/// Sees that the chain goes through a head that was kept elsewhere.
fn compare(ledger: &Ledger, kept: &Head) -> Result<(), Failure> {
    let path = ledger.store().path().display();
    let backup = "Put a backup whose head fits into its place, as docs/operating.md says";
    match ledger.store().head_at(kept.seq)? {
        Some(here) if here == *kept => Ok(()),
        Some(_) => Err(Failure::new(
            Exit::Damaged,
            format!(
                "the ledger {path} tells another history: event {} is not the one that was kept",
                kept.seq
            ),
        )
        .because("every hash fits the one before it, so it was written anew, or is another ledger")
        .hint("See that the head and the ledger belong together: each run prints its head when it ends")
        .hint(backup)),
        None => Err(Failure::new(
            Exit::Damaged,
            format!(
                "the ledger {path} ends at event {}, and there was an event {} once",
                ledger.head().seq,
                kept.seq
            ),
        )
        .because("its tail was cut off, or it is an older copy")
        .hint(backup)),
    }
}

fn backup(context: &Context<'_>, file: &Path) -> Result<Exit, Failure> {
    let cannot = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::CannotGoOn, format!("cannot write the backup {}", file.display()))
            .because(why)
            .hint("`longshore ledger backup FILE` names a new file where you may write, with room for a copy")
    };
    let refused =
        |why: String| Failure::usage(format!("cannot write the backup {}", file.display())).because(why);
    let Some(name) = file.file_name() else { return Err(refused("it has no file name".into())) };
    let beside = |ending: &str| {
        let mut beside = name.to_owned();
        beside.push(ending);
        file.with_file_name(beside)
    };
    // SQLite would play another file's write-ahead log into the copy.
    let draft = beside(&format!(".{}.draft", std::process::id()));
    for taken in [file.to_owned(), beside("-wal"), beside("-shm"), beside("-journal"), draft.clone()] {
        if taken.symlink_metadata().is_ok() {
            return Err(refused(format!("{} is there already, and nothing is overwritten", taken.display()))
                .hint("Name a new file, with the date in it perhaps"));
        }
    }
    // Told before the work, and of the name that was given.
    let failed = |source: std::io::Error| match Refused::of(&source) {
        Some(why) => refused(why.to_string()).hint(why.advice()),
        None => cannot(&source),
    };
    private::check_exclusive(file).map_err(failed)?;
    let ledger = Ledger::read(&context.ledger_path())?;
    let copied = copy(&ledger, &draft).map_err(|error| match error {
        Uncopied::Ledger(LedgerError::Disk { path, source }) if path == draft => failed(source),
        Uncopied::Ledger(error) => error.into(),
        Uncopied::Other(failure) => failure,
    });
    let made = copied.and_then(|head| {
        // A link, unlike a rename, does not replace what has come there meanwhile; not every stick knows links.
        std::fs::hard_link(&draft, file)
            .or_else(|error| match error.kind() {
                ErrorKind::AlreadyExists => Err(error),
                _ => std::fs::rename(&draft, file),
            })
            .map_err(|error| cannot(&error))?;
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| cannot(&error))?;
        Ok(head)
    });
    // Whether it has become the backup or not, and whether it was made at all.
    let _there_may_be_none = std::fs::remove_file(&draft);
    let head = made?;
    let answer = BackedUp {
        ledger: ledger.store().id().to_string(),
        file: file.display().to_string(),
        events: head.seq.0,
        head: head.to_string(),
    };
    let lines = [
        format!("{} copied, and verified in the copy.", show::count(head.seq.0, "event")),
        format!("Head {head}"),
    ];
    say(context, &answer, &lines)
}

/// Makes the copy and reads it whole: it holds all that the ledger held when it was opened, and perhaps more.
fn copy(ledger: &Ledger, draft: &Path) -> Result<Head, Uncopied> {
    let copy = ledger.store().copy_to(draft).and_then(|()| Ledger::read(draft)).map_err(Uncopied::Ledger)?;
    compare(&copy, &ledger.head()).map_err(Uncopied::Other)?;
    Ok(copy.head())
}

/// Why there is no copy.
enum Uncopied {
    Ledger(LedgerError),
    Other(Failure),
}

fn checkpoint(context: &Context<'_>) -> Result<Exit, Failure> {
    let mut ledger = Ledger::open(&context.ledger_path(), &holder())?;
    let Some((run, _)) = ledger.state().runs().last() else {
        return Err(Failure::usage("there is nothing to assert: no run was started yet")
            .hint("A checkpoint belongs to the last run; `longshore status` shows what there is"));
    };
    let checkpoint = ledger.state().checkpoint();
    let digest = checkpoint.digest.clone();
    ledger.append(&[Record { at: now(), run: Some(run), event: Event::Checkpoint(checkpoint) }])?;
    let head = ledger.head();
    let answer =
        Checkpointed { ledger: ledger.store().id().to_string(), run, head: head.to_string(), digest };
    let lines = [
        format!("The state so far is asserted as event {}, in run {run}.", head.seq),
        format!("Head {head}"),
    ];
    say(context, &answer, &lines)
}
