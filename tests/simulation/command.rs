//! Commands as processes give them: the real runner over the pretend outside and a real ledger file.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledger::event::{CdnDeleted, Event, Opened, Operator, Options, Record, Scope, Target, Verb};
use ledger::ids::{LedgerId, RunId};
use ledger::ledger::Ledger;
use ledger::plan;
use ledger::report::{believed, provenances};
use ledger::state::State;
use ledger::store::LedgerError;
use longshore::limits::IMAGE_BYTES_MAX;
use longshore::outside::spool::Spool;
use longshore::runner::reconcile::{BelievedClass, FileClass, Grounds, ask_for_unlisted, judge, survey};
use longshore::runner::{
    self, Candidate, Claims, Deleting, End, Fate, Forward, Listing, Moment, Retry, RunError, Selection,
    Setting, Start, World as Outside, delete_unused,
};
use tokio::sync::{mpsc, watch};

use super::faults::Fault;
use super::process::Process;
use super::{cdn, clock, database};

/// What a person types.
#[derive(Debug, Clone)]
pub enum Command {
    Migrate(Scope),
    /// With whether files are deleted.
    Rollback(Scope, bool),
    Resume,
    /// `resume --retry-failed` of the last run.
    Retry,
    /// `reconcile --delete-orphans`.
    DeleteOrphans,
}

/// How a command ended.
#[derive(Debug)]
#[expect(dead_code, reason = "the reasons are for whoever reads a history")]
pub enum Ended {
    Finished,
    /// With why.
    Paused(String),
    /// It was killed.
    Killed,
    /// There was nothing to do.
    Nothing,
    /// It said why it cannot be done now.
    Refused(String),
}

impl Ended {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Finished => "ended: finished",
            Self::Paused(_) => "ended: paused",
            Self::Killed => "ended: killed",
            Self::Nothing => "ended: nothing to do",
            Self::Refused(_) => "ended: refused",
        }
    }
}

/// Runs a command until it ends or its process is killed.
pub async fn run(process: &Arc<Process>, path: &Path, command: Command) -> Ended {
    let ended = tokio::select! {
        biased;
        () = process.died() => Ok(Ended::Killed),
        ended = perform(process, path, command) => ended,
    };
    process.kill();
    match ended {
        Ok(ended) => ended,
        Err(RunError::Died) => Ended::Killed,
        Err(RunError::Ledger(error)) if !matches!(error, LedgerError::Held { .. }) => {
            process.world.lock().break_promise(format!("the ledger: {error}"));
            Ended::Refused(error.to_string())
        }
        Err(refused) => Ended::Refused(refused.to_string()),
    }
}

async fn perform(process: &Arc<Process>, path: &Path, command: Command) -> Result<Ended, RunError> {
    let mut ledger = open(path, process.ledger)?;
    let unfinished = ledger.state().unfinished().map(|(run, _)| run).next();
    let options = Options::new(process.world.lock().dice.u32(1..6), IMAGE_BYTES_MAX, 300_000);
    let turned = match command {
        Command::DeleteOrphans => return delete_orphans(process, &mut ledger).await,
        Command::Migrate(scope) => match plan::holders(ledger.state(), &scope).first() {
            Some(run) => resume(process, &mut ledger, *run, false).await?,
            None => {
                let start = Start { verb: Verb::Migrate, scope, options, close: Vec::new() };
                runner::start(&mut ledger, start, setting(process, path)).await?
            }
        },
        Command::Rollback(scope, delete_cdn_files) => {
            let state = ledger.state();
            let close: Vec<RunId> = state
                .unfinished()
                .map(|(run, _)| run)
                .filter(|run| plan::is_taken_over(state, *run, &scope))
                .collect();
            let has_files = delete_cdn_files && !plan::deletable(state, &scope).is_empty();
            if plan::take_backs(state, &scope).is_empty() && close.is_empty() && !has_files {
                return Ok(Ended::Nothing);
            }
            let options = Options { delete_cdn_files, ..options };
            let start = Start { verb: Verb::Rollback, scope, options, close };
            runner::start(&mut ledger, start, setting(process, path)).await?
        }
        Command::Resume => match unfinished {
            None => return Ok(Ended::Nothing),
            Some(run) => resume(process, &mut ledger, run, false).await?,
        },
        Command::Retry => match retryable(ledger.state()) {
            None => return Ok(Ended::Nothing),
            Some(run) => resume(process, &mut ledger, run, true).await?,
        },
    };
    same_as_replayed(process, path, ledger);
    Ok(match turned.1 {
        End::Finished(..) => Ended::Finished,
        End::Paused(paused) => Ended::Paused(paused.message),
    })
}

/// The last run that has something to take up again.
fn retryable(state: &State) -> Option<RunId> {
    let has_some = |run: &RunId| {
        let (images, venues) = plan::retryable(state, *run);
        !images.is_empty() || !venues.is_empty()
    };
    state.runs().map(|(run, _)| run).filter(has_some).last()
}

async fn resume(
    process: &Arc<Process>,
    ledger: &mut Ledger,
    run: RunId,
    retry_failed: bool,
) -> Result<(RunId, End), RunError> {
    let options = ledger.state().run(run).expect("it is in the ledger").options().clone();
    let path = ledger.store().path().to_owned();
    runner::resume(ledger, run, options, retry_failed, setting(process, &path)).await
}

fn setting(process: &Arc<Process>, path: &Path) -> Setting<'static> {
    let (outbox, inbox) = mpsc::unbounded_channel();
    let dies = process.clone();
    Setting {
        world: outside(process, path),
        operator: operator(),
        holder: format!("process {}", process.number),
        now: clock::now,
        selection: Selection::Place,
        inbox,
        outbox,
        tell: Box::new(|_| ()),
        watch: None,
        probe: Some(Arc::new(move |moment| {
            matches!(moment, Moment::AfterAppend) && dies.world.lock().strikes(Fault::KilledAfterAppend)
        })),
    }
}

fn outside(process: &Arc<Process>, path: &Path) -> Outside {
    // The bytes are in the world; here the runner only removes what it does not need any more.
    let spool = Spool::open(&path.with_extension("spool")).expect("a directory");
    let cdn = Arc::new(cdn::Seat(process.clone()));
    let forward = Forward { origin: cdn.clone(), cdn, spool };
    Outside { catalog: Arc::new(database::Seat(process.clone())), forward: Some(forward) }
}

fn operator() -> Operator {
    Operator { user: "somebody".into(), host: "somewhere".into(), version: "0".into() }
}

fn open(path: &Path, number: usize) -> Result<Ledger, LedgerError> {
    match Ledger::open(path, "a process") {
        Err(LedgerError::Missing { .. }) => {
            let target = Target {
                name: "dev".into(),
                kind: "sqlite".into(),
                system: None,
                database: "pretended".into(),
                host: None,
            };
            let ledger = LedgerId([number as u8 + 1; 16]);
            let opened = Opened { format: 1, ledger, shard: None, target };
            Ledger::create(path, opened, clock::now(), "a process")
        }
        opened => opened,
    }
}

/// The state that a process ended with is the state that its events give.
fn same_as_replayed(process: &Process, path: &Path, ledger: Ledger) {
    let (live, tallies) = (ledger.state().checkpoint(), tallies(&ledger));
    drop(ledger);
    match Ledger::read(path) {
        Ok(read) if read.state().checkpoint() == live && self::tallies(&read) == tallies => {}
        Ok(_) => process.world.lock().break_promise("the events give another state than the run had".into()),
        Err(error) => process.world.lock().break_promise(format!("the ledger cannot be read: {error}")),
    }
}

fn tallies(ledger: &Ledger) -> Vec<ledger::event::Tally> {
    ledger.state().runs().map(|(run, _)| ledger.state().tally(run)).collect()
}

/// A ledger, to be looked at; none where there is none yet.
pub fn read(path: &Path) -> Option<Ledger> {
    match Ledger::read(path) {
        Err(LedgerError::Missing { .. }) => None,
        read => Some(read.expect("a ledger can be read")),
    }
}

/// The hash of a ledger's last event.
pub fn head(path: &Path) -> String {
    read(path).map_or_else(String::new, |ledger| ledger.head().to_string())
}

async fn delete_orphans(process: &Arc<Process>, ledger: &mut Ledger) -> Result<Ended, RunError> {
    let outside = outside(process, ledger.store().path());
    let forward = outside.forward.expect("it was given");
    let (cdn, catalog) = (forward.cdn, outside.catalog);
    let (_stop, stopping) = watch::channel(false);
    let (outbox, _inbox) = mpsc::unbounded_channel();
    let retry = Retry::new(stopping, outbox, Duration::from_secs(300));
    let retry = Retry { witness: Some(Arc::new(Listing(cdn.clone()))), ..retry };
    let url = |text: &str| text.parse().expect("a URL");
    let grounds = Grounds { endpoint: url(cdn::ENDPOINT), origin: url("https://origin.example") };
    let mut survey = survey(&*cdn, &*catalog, &retry, &grounds, &[]).await?;
    let believed = believed(ledger)?;
    ask_for_unlisted(&*cdn, &retry, &mut survey, &believed).await?;
    let told_of = provenances(ledger, survey.files.iter().map(|file| (&file.id, &file.path)))?;
    let judged = judge(survey, ledger, &believed, &told_of, &grounds);
    let orphans = judged.files.iter().filter(|file| file.class == FileClass::Orphan);
    let gone = judged.believed.iter().filter(|file| file.class == BelievedClass::GoneUnneeded);
    let orphans = orphans.map(|it| (&it.file.path, &it.file.id));
    let all = orphans.chain(gone.map(|it| (&it.path, &it.file)));
    let candidates: Vec<Candidate> =
        all.map(|(path, file)| Candidate { path: path.clone(), file: file.clone() }).collect();
    if candidates.is_empty() {
        return Ok(Ended::Nothing);
    }
    let told = |ledger: &mut Ledger, file: &Candidate, fate: Fate| -> Result<(), RunError> {
        if let Fate::Deleted | Fate::Gone = fate {
            let (path, file_id, operator) = (file.path.clone(), file.file.clone(), Some(operator()));
            let (why, tables_skipped) = ("an orphan".to_owned(), Vec::new());
            let event = Event::CdnDeleted(CdnDeleted { path, file_id, why, operator, tables_skipped });
            ledger.append(&[Record { at: clock::now(), run: None, event }])?;
        }
        Ok(())
    };
    let (holder, mut claims) = (format!("process {}", process.number), Claims::default());
    let with = Deleting { cdn: &*cdn, catalog: &*catalog, skip_tables: &[], retry: &retry, holder: &holder };
    delete_unused(with, &mut claims, &RefCell::new(ledger), &candidates, told).await?;
    Ok(Ended::Finished)
}
