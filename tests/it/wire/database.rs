//! The line to PostgreSQL, and to a PgBouncer before it.

use super::place::{Part, Verb, each_is_harmed};
use crate::support::line::{Harm, Passing};
use crate::support::stage::Kind;

/// Every way in which a line can break.
const WAYS: [(Passing, Harm); 7] = [
    (Passing::Opened, Harm::Reset),
    (Passing::ToServer, Harm::Cut),
    (Passing::ToServer, Harm::Half),
    (Passing::ToServer, Harm::ResetBehind),
    (Passing::ToProgram, Harm::Cut),
    (Passing::ToProgram, Harm::Reset),
    (Passing::ToProgram, Harm::Half),
];

#[test]
fn e3_a_migration_outlasts_each_break_of_its_line_to_postgres() {
    let struck = each_is_harmed(Kind::Postgres, Verb::Migrate, Part::Database, &WAYS, 4);
    assert!(struck > 20, "{struck}");
}
