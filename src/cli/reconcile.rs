//! `reconcile`: ledger, database and CDN compared; `--delete-orphans` by requirement S7 (requirement C13).

mod answer;
mod unreadable;
mod words;

use std::cell::RefCell;
use std::sync::Arc;

use clap::Args;
use ledger::event::{CdnDeleted, Event, Record};
use ledger::ledger::Ledger;
use ledger::report::{believed, provenances};
use ledger::store::LedgerError;
use ledger::trouble::TroubleKind;
use tokio::sync::watch;

use self::answer::Answer;
pub use self::answer::Deleted;
use super::Context;
use super::ask::{confirm, database};
use super::open::{holder, now, operator};
use super::out::OutArgs;
use super::searched::{refuse_hidden, say, searched, skips};
use crate::config::{self, missing};
use crate::error::{Exit, Failure};
use crate::limits::SHOWN_FILES_MAX;
use crate::outside::catalog::Catalog;
use crate::outside::catalog::search::Texts;
use crate::outside::imagekit::Cdn;
use crate::runner::reconcile::{BelievedClass, FileClass, Grounds, Judged, ask_for_unlisted, judge, survey};
use crate::runner::{
    Candidate, Claims, Deleting, Fate, Listing, Retry, RunError, Swept, delete_unused, planned_for,
};
use crate::show;

/// Compare the ledger, the database and what the CDN has.
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// Delete the files that this ledger sent, that are as it sent them, and that nothing uses. Asks for DELETE.
    #[arg(long)]
    delete_orphans: bool,
    /// Answer the question; for scripts.
    #[arg(long, requires = "delete_orphans")]
    yes: bool,
    /// A table in which nobody looks for uses of files, because it is huge and holds none; may be given several times
    #[arg(long, value_name = "SCHEMA.TABLE")]
    skip_table: Vec<String>,
    #[command(flatten)]
    out: OutArgs,
}

/// What is compared, and how it is asked.
struct World {
    catalog: Arc<dyn Catalog>,
    cdn: Arc<dyn Cdn>,
    grounds: Grounds,
    retry: Retry,
    /// What is looked at for uses of files.
    texts: Texts,
    stop: Arc<watch::Sender<bool>>,
}

pub fn run(context: &Context<'_>, args: &ReconcileArgs) -> Result<Exit, Failure> {
    let out = args.out.out(context)?;
    if args.delete_orphans {
        context.check_ledger()?;
    }
    let world = world(context, &args.skip_table)?;
    match args.delete_orphans {
        true => refuse_hidden(&world.texts, "reconcile --delete-orphans")?,
        false => {
            let hidden = world.texts.refusal();
            hidden.iter().for_each(|why| eprintln!("Note: {why}: no file is deleted by this role."));
        }
    }
    let none = || LedgerError::Missing { path: context.ledger_path() };
    // Under the writer's lock from the beginning where files may go: no run of this ledger then changes what is seen.
    let mut ledger = match args.delete_orphans {
        true => context.open_ledger(&*world.catalog)?.ok_or_else(none)?,
        false => Ledger::read(&context.ledger_path())?,
    };
    context.see_target(&ledger, &*world.catalog)?;
    let judged = compare(context, &world, &mut ledger, !args.delete_orphans)?;
    let mut answer = Answer::new(context.target.name(), &ledger, &judged, &world.texts);
    let mut swept = Ok(Swept::All);
    let again = format!("`longshore reconcile --delete-orphans{}`", skips(&world.texts.skipped));
    if args.delete_orphans {
        let candidates = candidates(&judged);
        let deleted = match (candidates.is_empty(), judged.unreadable) {
            (true, _) => Vec::new(),
            (false, 1..) => {
                let odd = show::count(judged.unreadable, "file");
                eprintln!(
                    "Nothing is deleted: {odd} of the CDN's listing cannot be read, and nobody knows whose."
                );
                let why = "the CDN's listing could not be read whole";
                candidates.iter().map(|file| Deleted::kept(file, why)).collect()
            }
            (false, 0) => {
                context.check_claims(&*world.catalog, planned_for(&ledger, &candidates))?;
                ask(&judged, &candidates, (&world.texts, &database(context, &*world.catalog)?), args.yes)?;
                let deleted;
                (swept, deleted) = delete(context, &world, &mut ledger, &candidates);
                // Where nothing became of any file, what ended it is all there is to say.
                match swept {
                    Err(error) if deleted.is_empty() => return Err(failed(error, &again)),
                    _ => deleted,
                }
            }
        };
        answer.deleted(&ledger, deleted);
    }
    show::say(&out, || answer.sheet(), &answer)?;
    let swept = swept.map_err(|error| failed(error, &again))?;
    match (swept, answer.has_findings()) {
        (Swept::Stopped, _) => {
            eprintln!("Stopped. {again} goes on.");
            Ok(Exit::Paused)
        }
        (Swept::All, true) => Ok(Exit::Findings),
        (Swept::All, false) => Ok(Exit::Done),
    }
}

/// Why the sweep ended, and what to do. There is no run that could be resumed.
fn failed(error: RunError, again: &str) -> Failure {
    match error {
        RunError::Ledger(error) => Failure::of_ledger(error, again),
        RunError::Outside(trouble) if trouble.kind == TroubleKind::Unauthorized => Failure::from(trouble)
            .hint(format!("Set IMAGEKIT_PRIVATE_KEY to a key that may delete, then {again} goes on")),
        error => Failure::from(error).hint(format!("{again} goes on")),
    }
}

fn world(context: &Context<'_>, skip: &[String]) -> Result<World, Failure> {
    let endpoint =
        context.config.imagekit_url_endpoint.as_ref().ok_or_else(|| missing("IMAGEKIT_URL_ENDPOINT"))?;
    let grounds = Grounds {
        endpoint: config::url("IMAGEKIT_URL_ENDPOINT", endpoint)?,
        origin: config::url("ORIGIN_BASE_URL", &context.config.origin_base_url)?,
    };
    let cdn = context.open_cdn()?;
    let catalog = context.open_catalog()?;
    let (retry, stop) = context.retry();
    let retry = Retry { witness: Some(Arc::new(Listing(cdn.clone()))), ..retry };
    let texts = searched(context, &*catalog, skip)?;
    Ok(World { catalog, cdn, grounds, retry, texts, stop: Arc::new(stop) })
}

/// Reads everything. The ledger is read on at last, so that it knows of what the rows have come to show meanwhile.
fn compare(
    context: &Context<'_>,
    world: &World,
    ledger: &mut Ledger,
    reads_on: bool,
) -> Result<Judged, Failure> {
    let World { catalog, cdn, grounds, retry, texts, .. } = world;

    let mut survey = context.runtime.block_on(survey(&**cdn, &**catalog, retry, grounds, &texts.skipped))?;
    if reads_on {
        ledger.catch_up()?;
    }
    let believed = believed(ledger)?;
    context.runtime.block_on(ask_for_unlisted(&**cdn, retry, &mut survey, &believed))?;
    let listed = survey.files.iter().map(|file| (&file.id, &file.path));
    let told_of = provenances(ledger, listed)?;
    Ok(judge(survey, ledger, &believed, &told_of, grounds))
}

/// The orphans; and the files that are gone and that the ledger has not written off yet, which costs nothing. One that was
/// moved is there all the same, and stays.
fn candidates(judged: &Judged) -> Vec<Candidate> {
    let orphans = judged.files.iter().filter(|file| file.class == FileClass::Orphan);
    let orphans = orphans.map(|judged| (&judged.file.path, &judged.file.id));
    let gone = judged.believed.iter().filter(|file| file.class == BelievedClass::GoneUnneeded);
    let gone = gone.filter(|file| file.moved_to.is_none());
    let gone = gone.map(|file| (&file.path, &file.file));
    orphans.chain(gone).map(|(path, file)| Candidate { path: path.clone(), file: file.clone() }).collect()
}

fn ask(
    judged: &Judged,
    candidates: &[Candidate],
    (texts, database): (&Texts, &str),
    yes: bool,
) -> Result<(), Failure> {
    let orphans: Vec<_> = judged.files.iter().filter(|file| file.class == FileClass::Orphan).collect();
    let skips = skips(&texts.skipped);
    let names = format!("`longshore reconcile{skips}` names");
    if !orphans.is_empty() {
        let bytes = show::bytes(orphans.iter().map(|judged| judged.file.bytes).sum());
        let files = show::count(orphans.len() as u64, "file");
        eprintln!("This deletes {files} ({bytes}) from the CDN, for good:");
        for orphan in orphans.iter().take(SHOWN_FILES_MAX) {
            eprintln!("  {}", orphan.file.path);
        }
        if let Some(more) = orphans.len().checked_sub(SHOWN_FILES_MAX).filter(|more| *more > 0) {
            eprintln!("  … and {more} more; {names} them all");
        }
    }
    if let gone @ 1.. = candidates.len() - orphans.len() {
        let files = show::count(gone as u64, "file");
        eprintln!("{files} that the CDN has no more: written off in the ledger, unless one is back.");
    }
    show::question(&format!("No row of {database} uses them."));
    say(texts, &format!("`longshore reconcile --format json{skips}`"));
    confirm("No image of the ledger needs them either.", "DELETE", yes, &format!("what {names}"))
}

/// How the sweep ended, and what became of files until then.
fn delete(
    context: &Context<'_>,
    world: &World,
    ledger: &mut Ledger,
    candidates: &[Candidate],
) -> (Result<Swept, RunError>, Vec<Deleted>) {
    let stop = world.stop.clone();
    context.interrupt.on_next(move || {
        let _the_sweep_has_ended = stop.send(true);
    });
    let mut deleted = Vec::new();
    let told = |ledger: &mut Ledger, file: &Candidate, fate: Fate| -> Result<(), RunError> {
        let why = match fate {
            Fate::Deleted => Some("an orphan: ours, and used by no row"),
            Fate::Gone => Some("it was gone already, and nothing needs it"),
            Fate::Kept(_) | Fate::NotKnown(_) => None,
        };
        let mut written = Ok(());
        if let Some(why) = why {
            let (path, file_id) = (file.path.clone(), file.file.clone());
            let operator = Some(operator());
            let (why, tables_skipped) = (why.to_owned(), world.texts.skipped.clone());
            let event = Event::CdnDeleted(CdnDeleted { path, file_id, why, operator, tables_skipped });
            written = ledger.append(&[Record { at: now(), run: None, event }]).map(drop);
        }
        // It is gone, whether that could be written down or not.
        deleted.push(Deleted::new(file, fate, written.is_ok()));
        Ok(written?)
    };
    let (cdn, catalog) = (&*world.cdn, &*world.catalog);
    let ledger = RefCell::new(ledger);
    let (holder, mut claims) = (holder(), Claims::default());
    let skip_tables = &world.texts.skipped;
    let with = Deleting { cdn, catalog, skip_tables, retry: &world.retry, holder: &holder };
    let swept = delete_unused(with, &mut claims, &ledger, candidates, told);
    let swept = context.runtime.block_on(swept);
    context.interrupt.clear();
    (swept, deleted)
}
