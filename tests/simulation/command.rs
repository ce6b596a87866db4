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
use longshore::cli::exit_of;
use longshore::error::Exit;
use longshore::limits::IMAGE_BYTES_MAX;
use longshore::outside::spool::Spool;
use longshore::runner::reconcile::{BelievedClass, FileClass, Grounds, ask_for_unlisted, judge, survey};
use longshore::runner::{
    self, Candidate, Claims, Deleting, End, Fate, Forward, Listing, Moment, Retry, RunError, Selection,
    Setting, Start, Told, World as Outside, delete_unused,
};
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;

use super::bug::Bug;
use super::faults::Fault;
use super::process::Process;
use super::world::Inner;
use super::{
    book, cdn, clock, database, disk, false_cdn, false_database, known, reach, steering, tally, verbs,
};

/// What a person types.
#[derive(Debug, Clone)]
pub enum Command {
    /// Of a place, and of how many venues at most.
    Migrate(Scope, Option<u64>),
    Populate(Scope, Option<u64>),
    /// With whether files are deleted.
    Rollback(Scope, bool),
    /// The same of some run, by its place among all of them.
    RollbackRun(usize, bool),
    /// `resume --run` of some unfinished run.
    Resume(usize),
    /// `resume --retry-failed` of the last run.
    Retry,
    /// `reconcile --delete-orphans`.
    DeleteOrphans,
    /// `plan --out`.
    Plan(Scope),
    /// `migrate --plan` with some plan that was saved.
    MigratePlan(usize),
    /// `skip` of something that waits.
    Skip(usize),
    /// `ledger checkpoint`.
    Checkpoint,
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
    /// The ledger's disk failed, and it said so.
    Disk(String),
}

impl Ended {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Finished => "ended: finished",
            Self::Paused(_) => "ended: paused",
            Self::Killed => "ended: killed",
            Self::Nothing => "ended: nothing to do",
            Self::Refused(_) => "ended: refused",
            Self::Disk(_) => "ended: the disk failed",
        }
    }
}

/// Runs a command until it ends or its process is killed.
pub async fn run(process: &Arc<Process>, path: &Path, command: Command) -> Ended {
    if is_nothing(&process.world.lock(), process.ledger, path.exists(), &command) {
        process.kill();
        return Ended::Nothing;
    }
    let loses_events = process.world.lock().bug == Some(Bug::EventsLost);
    let saved = if loses_events { std::fs::read(path).ok() } else { None };
    // What is open is closed when this is over: before that, the disk is told that nothing more comes of it.
    let dies = async {
        process.died().await;
        process.world.lock().disks.leave(process);
    };
    let ended = tokio::select! {
        biased;
        () = dies => Ok(Ended::Killed),
        ended = perform(process, path, command) => ended,
    };
    process.kill();
    let has_failed = process.world.lock().disks.mend(process);
    if has_failed {
        disk::nothing_lost(&mut process.world.lock(), process.ledger, path);
    }
    if loses_events && matches!(ended, Ok(Ended::Killed)) {
        lose(path, saved);
    }
    // The runner removes files on another thread, which is done before or after it is first waited for. Whoever else has
    // something to do in this moment does it first, in either case.
    yield_now().await;
    match ended {
        Ok(ended) => ended,
        Err(RunError::Died) => Ended::Killed,
        Err(RunError::Ledger(LedgerError::Disk { source, .. })) if has_failed => {
            Ended::Disk(source.to_string())
        }
        Err(RunError::Ledger(error)) if !matches!(error, LedgerError::Held { .. }) => {
            process.world.lock().break_promise(format!("the ledger: {error}"));
            Ended::Refused(error.to_string())
        }
        Err(refused) => Ended::Refused(refused.to_string()),
    }
}

/// Whether a command has nothing to do, as all know of the ledger, or as there is none.
fn is_nothing(world: &Inner, number: usize, is_there: bool, command: &Command) -> bool {
    // This planted bug has it do what there is no reason for.
    if world.bug == Some(Bug::ResumedOverRollback) && matches!(command, Command::Resume(_)) {
        return false;
    }
    let known = world.known[number].as_ref();
    let has_runs = is_there && known.is_none_or(|known| !known.tallies.is_empty());
    match command {
        Command::Resume(_) => !is_there || known.is_some_and(|known| known.unfinished == 0),
        Command::Retry => !is_there || known.is_some_and(|known| !known.has_retryable),
        Command::Rollback(..) | Command::RollbackRun(..) | Command::Skip(_) | Command::Checkpoint => {
            !has_runs
        }
        Command::MigratePlan(_) => !world.people.plans.iter().any(|(by, _)| *by == number),
        Command::Migrate(..) | Command::Populate(..) | Command::DeleteOrphans | Command::Plan(_) => false,
    }
}

/// The ledger is as it was when the process began.
fn lose(path: &Path, saved: Option<Vec<u8>>) {
    for beside in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        let _it_may_not_be_there = std::fs::remove_file(name);
    }
    if let Some(saved) = saved {
        std::fs::write(path, saved).expect("a file");
    }
}

async fn perform(process: &Arc<Process>, path: &Path, command: Command) -> Result<Ended, RunError> {
    process.moment().await;
    let mut ledger = open(path, process.ledger)?;
    {
        let mut world = process.world.lock();
        known::found(&mut world, process.ledger, &ledger);
        book::opened(&mut world, process.ledger, &ledger);
    }
    let ended = obey(process, path, &mut ledger, command).await?;
    known::left(process, &ledger);
    Ok(ended)
}

async fn obey(
    process: &Arc<Process>,
    path: &Path,
    ledger: &mut Ledger,
    command: Command,
) -> Result<Ended, RunError> {
    let options = {
        let mut world = process.world.lock();
        let error_rate_max_percent = if world.weather.is_fair() || world.dice.bool() { 100 } else { 10 };
        let usual = Options::new(world.dice.u32(1..6), IMAGE_BYTES_MAX, 300_000);
        Options { error_rate_max_percent, ..usual }
    };
    let begin = match command {
        Command::DeleteOrphans => return delete_orphans(process, ledger).await,
        Command::Plan(scope) => return verbs::save_plan(process, ledger, scope).await,
        Command::Skip(which) => {
            let catalog = outside(process, path).catalog;
            return verbs::skip(process, &*catalog, ledger, which).await;
        }
        Command::Checkpoint => return verbs::checkpoint(ledger),
        Command::MigratePlan(which) => verbs::migrate_plan(process, ledger, which, options).await?,
        Command::Migrate(scope, limit) => {
            verbs::migrate(process, ledger, scope, Options { limit, ..options })
        }
        Command::Populate(scope, limit) => {
            verbs::populate(process, ledger, scope, Options { limit, ..options })
        }
        Command::Rollback(scope, delete_cdn_files) => {
            verbs::rollback(ledger, scope, Options { delete_cdn_files, ..options })
        }
        Command::RollbackRun(which, delete_cdn_files) => {
            let runs: Vec<RunId> = ledger.state().runs().map(|(run, _)| run).collect();
            match runs.get(which % runs.len().max(1)) {
                None => Begin::Not(Ended::Nothing),
                Some(run) => {
                    let options = Options { delete_cdn_files, ..options };
                    verbs::rollback(ledger, Scope::Run(*run), options)
                }
            }
        }
        Command::Resume(which) => {
            let unfinished: Vec<RunId> = ledger.state().unfinished().map(|(run, _)| run).collect();
            match unfinished.get(which % unfinished.len().max(1)) {
                None if process.world.lock().bug == Some(Bug::ResumedOverRollback) => {
                    let _whatever_comes_of_it = false_database::write_again(process).await;
                    Begin::Not(Ended::Nothing)
                }
                None => Begin::Not(Ended::Nothing),
                Some(run) => Begin::Resume(*run, false),
            }
        }
        Command::Retry => match retryable(ledger.state()) {
            None => Begin::Not(Ended::Nothing),
            Some(run) => Begin::Resume(run, true),
        },
    };
    let turned = match begin {
        Begin::Not(ended) => return Ok(ended),
        Begin::Start(of) => {
            let (start, selection) = *of;
            let needs_cdn = start.verb == Verb::Migrate || start.options.delete_cdn_files;
            process.does(start.verb, &start.scope, start.options.input.as_ref());
            takes(process, &start.scope, &start.options, start.verb);
            let mut start = start;
            if process.world.lock().bug == Some(Bug::LimitIgnored) {
                start.options.limit = None;
            }
            let setting = setting(process, path, selection, needs_cdn);
            runner::start(ledger, start, setting).await?
        }
        Begin::Resume(run, retry_failed) => {
            let of = ledger.state().run(run).expect("it is in the ledger");
            let (verb, mut options) = (of.started.verb, of.options().clone());
            if process.world.lock().weather.is_fair() {
                options.error_rate_max_percent = 100;
            }
            let needs_cdn = verb == Verb::Migrate || options.delete_cdn_files;
            process.does(verb, &of.started.scope, options.input.as_ref());
            takes(process, &of.started.scope, &options, verb);
            reach::goes_on(&mut process.world.lock(), process.number, run);
            let selection = verbs::selection(process, of);
            let setting = setting(process, path, selection, needs_cdn);
            runner::resume(ledger, run, options, retry_failed, setting).await?
        }
    };
    let mut world = process.world.lock();
    let exit = match &turned.1 {
        End::Finished(..) if world.bug == Some(Bug::SuccessSaid) => Exit::Done,
        end => exit_of(end),
    };
    tally::told(&mut world, ledger, turned.0, matches!(turned.1, End::Paused(_)), exit);
    Ok(match turned.1 {
        End::Finished(..) => {
            book::finished(&mut world, process.ledger, process.number);
            Ended::Finished
        }
        End::Paused(paused) => Ended::Paused(paused.message),
    })
}

/// The rules hear what a command is about.
fn takes(process: &Process, scope: &Scope, options: &Options, verb: Verb) {
    let mut world = process.world.lock();
    // A plan that was saved is run as it is.
    let limit = options.limit.filter(|_| options.input.is_none());
    reach::takes(&mut world, process.number, scope, limit);
    world.notes(process.number).is_back = verb == Verb::Rollback;
}

/// What a command comes to.
pub enum Begin {
    /// No run.
    Not(Ended),
    /// A new one.
    Start(Box<(Start, Selection)>),
    /// One that goes on; also what had failed of it.
    Resume(RunId, bool),
}

/// The last run that has something to take up again.
fn retryable(state: &State) -> Option<RunId> {
    let has_some = |run: &RunId| {
        let (images, venues) = plan::retryable(state, *run);
        !images.is_empty() || !venues.is_empty()
    };
    state.runs().map(|(run, _)| run).filter(has_some).last()
}

fn setting(process: &Arc<Process>, path: &Path, selection: Selection, needs_cdn: bool) -> Setting<'static> {
    let (outbox, inbox) = mpsc::unbounded_channel();
    steering::begin(process, &outbox);
    let (dies, hears) = (process.clone(), process.clone());
    let outside = outside(process, path);
    Setting {
        // As the program does: who needs neither key nor CDN is given none.
        world: Outside { forward: outside.forward.filter(|_| needs_cdn), ..outside },
        operator: operator(),
        holder: format!("process {}", process.number),
        now: clock::now,
        selection,
        inbox,
        outbox,
        tell: Box::new(move |told| {
            if let Told::Appended(records) = told {
                let mut world = hears.world.lock();
                if world.disks.are_watched() {
                    world.people.appended[hears.ledger].extend_from_slice(records);
                }
                book::appended(&mut world, hears.ledger, records);
                book::named(&mut world, &hears, records);
                reach::appended(&mut world, &hears, records);
            }
        }),
        watch: None,
        probe: Some(Arc::new(move |moment| {
            let mut world = dies.world.lock();
            let dead = matches!(moment, Moment::AfterAppend) && world.strikes(Fault::KilledAfterAppend);
            if dead {
                world.disks.leave(&dies);
            }
            dead
        })),
    }
}

/// What a process sees of the world.
pub fn outside(process: &Arc<Process>, path: &Path) -> Outside {
    // The bytes are in the world; here the runner only removes what it does not need any more.
    let spool = Spool::open(&path.with_extension("spool")).expect("a directory");
    let bug = process.world.lock().bug;
    if let Some(bug) = bug {
        let cdn = Arc::new(false_cdn::False::new(process, bug));
        let forward = Forward { origin: cdn.clone(), cdn, spool };
        return Outside {
            catalog: Arc::new(false_database::False::new(process, bug)),
            forward: Some(forward),
        };
    }
    let cdn = Arc::new(cdn::Seat(process.clone()));
    let forward = Forward { origin: cdn.clone(), cdn, spool };
    Outside { catalog: Arc::new(database::Seat(process.clone())), forward: Some(forward) }
}

/// Who does all that.
pub fn operator() -> Operator {
    Operator { user: "somebody".into(), host: "somewhere".into(), version: "0".into() }
}

fn open(path: &Path, number: usize) -> Result<Ledger, LedgerError> {
    match Ledger::open(path, "a process") {
        Err(LedgerError::Missing { .. }) => {
            let target = target();
            let ledger = LedgerId([number as u8 + 1; 16]);
            let opened = Opened { format: 1, ledger, shard: None, target };
            Ledger::create(path, opened, clock::now(), "a process")
        }
        opened => opened,
    }
}

/// The database, as ledgers and plans name it.
pub fn target() -> Target {
    let (name, kind, database) = ("dev".into(), "sqlite".into(), "pretended".into());
    Target { name, kind, system: None, database, host: None }
}

/// A ledger, to be looked at; none where there is none yet.
pub fn read(path: &Path) -> Option<Ledger> {
    match Ledger::read(path) {
        Err(LedgerError::Missing { .. }) => None,
        read => Some(read.expect("a ledger can be read")),
    }
}

async fn delete_orphans(process: &Arc<Process>, ledger: &mut Ledger) -> Result<Ended, RunError> {
    process.world.lock().notes(process.number).only_deletes = true;
    let outside = outside(process, ledger.store().path());
    let forward = outside.forward.expect("it was given");
    let (cdn, catalog) = (forward.cdn, outside.catalog);
    let (_stop, stopping) = watch::channel(false);
    let (outbox, _inbox) = mpsc::unbounded_channel();
    let retry = Retry::new(stopping, outbox, Duration::from_secs(300));
    let retry = Retry { witness: Some(Arc::new(Listing(cdn.clone()))), ..retry };
    let url = |text: &str| text.parse().expect("a URL");
    let grounds = Grounds { endpoint: url(cdn::ENDPOINT), origin: url(super::people::ORIGIN) };
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
    if process.world.lock().has_two_databases() {
        process.world.lock().count("swept beside another database");
    }
    let told = |ledger: &mut Ledger, file: &Candidate, fate: Fate| -> Result<(), RunError> {
        if let Fate::Deleted | Fate::Gone = fate {
            let (path, file_id, operator) = (file.path.clone(), file.file.clone(), Some(operator()));
            let (why, tables_skipped) = ("an orphan".to_owned(), Vec::new());
            let event = Event::CdnDeleted(CdnDeleted { path, file_id, why, operator, tables_skipped });
            let records = [Record { at: clock::now(), run: None, event }];
            ledger.append(&records)?;
            book::appended(&mut process.world.lock(), process.ledger, &records);
        }
        Ok(())
    };
    let (holder, mut claims) = (format!("process {}", process.number), Claims::default());
    let with = Deleting { cdn: &*cdn, catalog: &*catalog, skip_tables: &[], retry: &retry, holder: &holder };
    delete_unused(with, &mut claims, &RefCell::new(ledger), &candidates, told).await?;
    book::finished(&mut process.world.lock(), process.ledger, process.number);
    Ok(Ended::Finished)
}
