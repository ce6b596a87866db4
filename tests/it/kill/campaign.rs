//! kill -9 at random moments, several times on one run, and what is there in the end.
//!
//! How many kills a test makes is set by `tests/run --kills N`. A kill counts when it met the program at work; attempts that
//! came too late are told beside, and are bounded. The seed that a failing test prints makes the same choices again when
//! LONGSHORE_KILLS_SEED is set to it.

use std::any::Any;
use std::time::{Duration, Instant};

use fastrand::Rng;
use ledger::state::Rung;
use longshore::sandbox::faults::Fault;
use sqlx::{Connection, PgConnection};

use super::hand::{
    COUNTRY, Going, Held, Texts, VENUES, direct_url, events_written, held, ledger, migrate, rollback, texts,
    undisturbed,
};
use crate::support::postgres;
use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Kills of one test on one kind of database, unless `tests/run --kills` says otherwise.
const KILLS_DEFAULT: u32 = 4;
/// So many attempts are made for each kill that is wanted, and a few more: a rollback often ends before it is met.
const ATTEMPTS_A_KILL: u32 = 4;
const ATTEMPTS_MORE: u32 = 16;
/// Kills on one run at most, before it may come to its end.
const KILLS_A_RUN: u32 = 4;
/// An upload in the air when the program dies may take its effect while the next program is at work already.
const LATE: Duration = Duration::from_millis(300);

/// When the program dies.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// When this many requests of an operation have come in.
    Seen(&'static str, u64),
    /// The same, while the last of them is not answered yet.
    Held(&'static str, u64),
    /// The same, after the last of them took its effect and lost its answer.
    Lost(&'static str, u64),
    /// When this many more events are in the ledger.
    Written(i64),
    /// After so many milliseconds.
    Late(u64),
    /// So many milliseconds after its first event, while another session keeps one of its rows locked.
    Locked(u32, u64),
}

/// A session that keeps a row from the program, or, beside a file, all of them, until it is dropped.
fn keeper(work: &Workplace, row: u32) -> Box<dyn Any> {
    let url = direct_url(work);
    if let Some(file) = url.strip_prefix("sqlite:") {
        let session = rusqlite::Connection::open(file).unwrap();
        session.execute_batch("BEGIN IMMEDIATE").unwrap();
        return Box::new(session);
    }
    let mut session = work.runtime.block_on(PgConnection::connect(&url)).unwrap();
    let lock = format!(
        "BEGIN; SELECT v.id FROM venues v JOIN cities c ON c.id = v.city_id JOIN countries l ON l.id = c.country_id \
         WHERE l.code = '{COUNTRY}' ORDER BY v.id LIMIT 1 OFFSET {row} FOR UPDATE OF v"
    );
    work.runtime.block_on(postgres::run(&mut session, &lock));
    Box::new(session)
}

/// The operations a run asks for, and how often it does in this world.
const OPS: [(&str, u64); 3] = [("origin", 45), ("upload", 44), ("delivery", 44)];

impl Cut {
    /// A moment on the way forward.
    fn forward(rng: &mut Rng) -> Self {
        let (op, most) = OPS[rng.usize(..OPS.len())];
        let n = rng.u64(1..=most / 2);
        match rng.u8(..5) {
            0 => Self::Seen(op, n),
            1 => Self::Held(op, n),
            2 => Self::Lost(op, n),
            3 => Self::Written(rng.i64(1..=120)),
            _ => Self::Late(rng.u64(..600)),
        }
    }

    /// A moment on the way back, on which nothing but the database is met.
    fn back(rng: &mut Rng) -> Self {
        match rng.u8(..4) {
            0 => Self::Late(rng.u64(..150)),
            1 => Self::Locked(rng.u32(..9), rng.u64(..150)),
            _ => Self::Written(rng.i64(1..=12)),
        }
    }

    /// Runs the program and kills it then; false when it came to its end before.
    fn strike(self, work: &Workplace, args: &[&str]) -> bool {
        let faults = &work.sandbox.faults;
        faults.clear();
        match self {
            Self::Held(op, n) => faults.inject(op, n - 1, 1, Fault::Delay(LATE)),
            Self::Lost(op, n) => faults.inject(op, n - 1, 1, Fault::DropAfter),
            _ => {}
        }
        let keeper = match self {
            Self::Locked(row, _) => Some(keeper(work, row)),
            _ => None,
        };
        let written = events_written(work);
        let mut started = Instant::now();
        let mut going = Going::start(work, args);
        let is_killed = match self {
            Self::Seen(op, n) | Self::Held(op, n) | Self::Lost(op, n) => {
                going.reaches(|| work.requests(op) >= n)
            }
            Self::Written(n) => going.reaches(|| events_written(work) >= written + n),
            Self::Late(ms) => going.reaches(|| started.elapsed() >= Duration::from_millis(ms)),
            Self::Locked(_, ms) => {
                going.reaches(|| events_written(work) > written) && {
                    started = Instant::now();
                    going.reaches(|| started.elapsed() >= Duration::from_millis(ms))
                }
            }
        };
        let code = going.kill().code;
        drop(keeper);
        faults.clear();
        is_killed && code.is_none()
    }
}

/// What one test goes through.
struct Campaign {
    kind: Kind,
    /// Kills that are to meet the program at work, and those that did.
    wanted: u32,
    struck: u32,
    /// Those that came too late among them.
    attempts: u32,
    rng: Rng,
    /// What an undisturbed run leaves, and its exit code.
    undisturbed: (Held, i32),
}

impl Campaign {
    fn new(kind: Kind) -> Self {
        let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect(name));
        let wanted = number("LONGSHORE_KILLS").map_or(KILLS_DEFAULT, |kills| kills as u32);
        let seed = number("LONGSHORE_KILLS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
        println!("{kind:?}: {wanted} kills with LONGSHORE_KILLS_SEED={seed}");
        let (rng, undisturbed) = (Rng::with_seed(seed), undisturbed(kind));
        Self { kind, wanted, struck: 0, attempts: 0, rng, undisturbed }
    }

    /// Worlds, each with its rows as they were, until enough kills met the program at work.
    fn run(mut self, round: fn(&mut Self, &Workplace, &Texts)) {
        let attempts_max = self.wanted * ATTEMPTS_A_KILL + ATTEMPTS_MORE;
        while self.struck < self.wanted && self.attempts < attempts_max {
            let work = Workplace::new(self.kind, VENUES);
            let before = texts(&work);
            round(&mut self, &work, &before);
        }
        println!("{:?}: {} kills met it at work, in {} attempts", self.kind, self.struck, self.attempts);
        assert!(self.struck >= self.wanted, "the program was too often faster");
    }

    /// Kills a command and those that go on with it, a few times.
    fn kill(&mut self, work: &Workplace, args: &[&str], moment: fn(&mut Rng) -> Cut) {
        for n in 0..self.rng.u32(1..=KILLS_A_RUN.min(self.wanted - self.struck)) {
            let cut = moment(&mut self.rng);
            let is_resumed = n > 0 && self.rng.bool();
            let args: &[&str] = if is_resumed { &["resume", "--yes"] } else { args };
            println!("{cut:?} of `{}`", args.join(" "));
            let is_struck = cut.strike(work, args);
            self.attempts += 1;
            if !is_struck {
                // Nothing is left to be killed at in this world.
                println!("it was faster");
                break;
            }
            self.struck += 1;
            if work.ledger().exists() {
                work.run(&["ledger", "verify"]).code(0);
            }
        }
    }

    /// Comes to the end, asking for nothing that is finished, and sees that it is that of an undisturbed run.
    fn finish(&self, work: &Workplace) {
        let is_resumed = work.ledger().exists() && is_unfinished(work);
        let (to_fetch, to_send) = if is_resumed { unfinished(work) } else { (u64::MAX, u64::MAX) };
        work.sandbox.faults.clear();
        let args = if is_resumed { vec!["resume", "--yes"] } else { migrate() };
        let ran = work.run(&args).code(self.undisturbed.1);
        let (fetched, sent) = (work.requests("origin"), work.requests("upload"));
        assert!(
            fetched <= to_fetch && sent <= to_send,
            "{fetched} of {to_fetch}, {sent} of {to_send}: {ran}"
        );
        held(work).assert_same(&self.undisturbed.0, &ran);
        work.run(&["ledger", "verify"]).code(0);
        let asked = work.counts();
        work.run(&["resume", "--yes"]).code(0).says("Nothing to resume");
        assert_eq!(work.counts(), asked, "what is finished costs no request");
    }

    /// Goes back, and sees that everything is what it was and no file came twice.
    fn take_back(&self, work: &Workplace, before: &Texts) {
        let asked = work.counts();
        let unfinished_back = work.ledger().exists() && is_unfinished(work);
        let args =
            if unfinished_back && self.rng.clone().bool() { vec!["resume", "--yes"] } else { rollback() };
        let ran = work.run(&args).code(0);
        assert_eq!(texts(work), *before, "{ran}");
        assert_eq!(work.counts(), asked, "a rollback meets the database only");
        work.run(&["ledger", "verify"]).code(0);
        assert!(!is_unfinished(work), "{ran}");
    }
}

/// How many images an unfinished run has still to fetch, and to send.
fn unfinished(work: &Workplace) -> (u64, u64) {
    let ledger = ledger(work);
    let state = ledger.state();
    if state.unfinished().any(|(_, run)| !run.is_planned) {
        return (u64::MAX, u64::MAX);
    }
    let count = |below: Rung| {
        let images = state.plans().flat_map(|(planned, plan)| plan.ids(planned));
        images.filter(|(_, image)| image.mark.is_none() && image.rung < below).count() as u64
    };
    (count(Rung::Downloaded), count(Rung::Uploaded))
}

fn is_unfinished(work: &Workplace) -> bool {
    ledger(work).state().unfinished().next().is_some()
}

fn is_resumed(kind: Kind) {
    Campaign::new(kind).run(|campaign, work, before| {
        campaign.kill(work, &migrate(), Cut::forward);
        campaign.finish(work);
        campaign.take_back(work, before);
    });
}

fn is_rolled_back_instead(kind: Kind) {
    Campaign::new(kind).run(|campaign, work, before| {
        campaign.kill(work, &migrate(), Cut::forward);
        // Killed before the first line of its ledger, there is nothing to go back from.
        if work.ledger().exists() {
            work.run(&rollback()).code(0);
            assert!(!is_unfinished(work));
            work.run(&["ledger", "verify"]).code(0);
        }
        assert_eq!(texts(work), *before);
        campaign.finish(work);
    });
}

fn rollback_is_resumed(kind: Kind) {
    // A rollback takes a few milliseconds, so that kills often come too late, but for those while it waits for a row.
    Campaign::new(kind).run(|campaign, work, before| {
        work.run(&migrate()).code(campaign.undisturbed.1);
        campaign.kill(work, &[rollback(), vec!["--concurrency", "1"]].concat(), Cut::back);
        campaign.take_back(work, before);
        campaign.finish(work);
    });
}

#[test]
fn e5_killed_while_it_makes_its_ledger_it_begins_anew() {
    let work = Workplace::new(Kind::Sqlite, VENUES);
    for n in 0..16 {
        let mut going = Going::start(&work, &["migrate", "--country", "DE", "--limit", "1", "--yes"]);
        going.reaches(|| std::fs::read_dir(work.work()).unwrap().count() > 0);
        // A little later each time.
        let at = Instant::now() + Duration::from_micros(500 * n);
        going.reaches(|| Instant::now() >= at);
        going.kill();
        let ran = work.run(&["resume", "--yes"]);
        assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
        if work.ledger().exists() {
            work.run(&["ledger", "verify"]).code(0);
        }
        std::fs::remove_dir_all(work.work()).unwrap();
        std::fs::create_dir(work.work()).unwrap();
    }
}

#[test]
fn e5_a_killed_migration_is_resumed_on_sqlite() {
    is_resumed(Kind::Sqlite);
}

#[test]
fn e5_a_killed_migration_is_resumed_on_postgres() {
    is_resumed(Kind::Postgres);
}

#[test]
fn e5_a_killed_migration_is_resumed_through_pgbouncer() {
    is_resumed(Kind::Pgbouncer);
}

#[test]
fn e5_a_killed_migration_is_rolled_back_instead_on_sqlite() {
    is_rolled_back_instead(Kind::Sqlite);
}

#[test]
fn e5_a_killed_migration_is_rolled_back_instead_on_postgres() {
    is_rolled_back_instead(Kind::Postgres);
}

#[test]
fn e5_a_killed_rollback_is_resumed_on_sqlite() {
    rollback_is_resumed(Kind::Sqlite);
}

#[test]
fn e5_a_killed_rollback_is_resumed_on_postgres() {
    rollback_is_resumed(Kind::Postgres);
}
