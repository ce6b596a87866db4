//! The line to PostgreSQL, and to a PgBouncer before it.

use std::sync::atomic::{AtomicU64, Ordering};

use ledger::event::Event;

use super::place::{Part, Place, Verb, each, each_is_harmed};
use crate::support::line::{Fault, Harm, Passing};
use crate::support::stage::Kind;

/// Every way in which a line can break.
pub const BREAKS: [(Passing, Harm); 7] = [
    (Passing::Opened, Harm::Reset),
    (Passing::ToServer, Harm::Cut),
    (Passing::ToServer, Harm::Half),
    (Passing::ToServer, Harm::ResetBehind),
    (Passing::ToProgram, Harm::Cut),
    (Passing::ToProgram, Harm::Reset),
    (Passing::ToProgram, Harm::Half),
];

/// So many of the last commits of a run, among them those of all rows.
const COMMITS: u64 = 12;

fn outlasts(kind: Kind, verb: Verb, some: u64) {
    let struck = each_is_harmed(kind, verb, &[Part::Database], &BREAKS, some);
    // Six of the ways have two pieces that matter most.
    assert!(struck >= 6 * some + 12, "{struck}");
}

#[test]
fn e3_a_migration_outlasts_each_break_of_its_line_to_postgres() {
    outlasts(Kind::Postgres, Verb::Migrate, 4);
}

#[test]
fn e3_a_migration_outlasts_each_break_of_its_line_to_pgbouncer() {
    outlasts(Kind::Pgbouncer, Verb::Migrate, 1);
}

#[test]
fn e3_a_resumed_migration_outlasts_each_break_of_its_line_to_postgres() {
    outlasts(Kind::Postgres, Verb::Resume, 1);
}

#[test]
fn e3_a_rollback_outlasts_each_break_of_its_line_to_postgres() {
    outlasts(Kind::Postgres, Verb::RollbackAndDelete, 1);
}

/// The server commits and its word for it never arrives, for each of the last commits in its turn: those of the rows,
/// and of what is read between them.
fn commits_untold(kind: Kind, verb: Verb, is_seen: fn(&Event) -> bool) {
    let untold = |nth| Fault { with: "COMMIT", ..Fault::at(Passing::ToServer, nth, Harm::Unanswered) };
    let commits = {
        let place = Place::new(kind);
        place.prepare(verb);
        let line = place.line(Part::Database);
        line.order(Some(untold(u64::MAX)));
        place.site.run(&verb.args()).code(0);
        line.count_of_fault()
    };
    let seen = AtomicU64::new(0);
    let struck = each(kind, verb, (commits - COMMITS..=commits).collect(), |place, end, nth| {
        let line = place.line(Part::Database);
        line.order(Some(untold(*nth)));
        let ran = place.site.run(&verb.args());
        let has_struck = line.has_struck();
        seen.fetch_add(u64::from(has_struck && place.events().iter().any(is_seen)), Ordering::SeqCst);
        place.comes_to(verb, end, &ran, false);
        has_struck
    });
    assert!(struck >= 4, "{struck}");
    assert!(seen.into_inner() >= 1, "no row was committed without a word");
}

#[test]
fn e7_a_row_whose_commit_is_never_answered_is_found_done_on_postgres() {
    commits_untold(Kind::Postgres, Verb::Migrate, is_found_done);
}

#[test]
fn e7_a_row_whose_commit_is_never_answered_is_found_done_through_pgbouncer() {
    commits_untold(Kind::Pgbouncer, Verb::Migrate, is_found_done);
}

fn is_found_done(event: &Event) -> bool {
    matches!(event, Event::DbUpdated(updated) if updated.found_done)
}

#[test]
fn e7_a_row_put_back_whose_commit_is_never_answered_is_held_as_it_is_on_postgres() {
    let is_held = |event: &Event| matches!(event, Event::RolledBack(back) if !back.held.is_empty());
    commits_untold(Kind::Postgres, Verb::Rollback, is_held);
}
