//! Asking before anything is changed.

use std::io::{IsTerminal, Write};

use ledger::ids::RunId;
use ledger::state::State;

use super::Context;
use super::place::name_of;
use crate::error::Failure;
use crate::outside::catalog::{Catalog, Identity};
use crate::show;

/// Asks for a word to be typed; `yes` answers for scripts.
///
/// # Errors
/// When something else is typed, or there is no terminal to ask at.
pub fn confirm(question: &str, word: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask for confirmation at")
            .hint("`--yes` answers for a script, once you have looked at `--dry-run`"));
    }
    eprintln!("{question}");
    // What cannot be seen cannot be typed.
    let word = show::plain(word);
    eprint!("Type {word} to go on: ");
    std::io::stderr().flush()?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    if typed.trim() == word.trim() {
        return Ok(());
    }
    Err(Failure::usage("not confirmed; nothing was changed"))
}

/// The database that a question is about, so that whoever answers sees which one it is: the target, and where it is.
///
/// # Errors
/// When it does not say who it is.
pub fn database(context: &Context<'_>, catalog: &dyn Catalog) -> Result<String, Failure> {
    let Identity { kind, mut database, host, schema, .. } = context.runtime.block_on(catalog.identity())?;
    // Where the URL names another schema than the usual one, the name has it already.
    let named = schema.map(|schema| format!(", schema {schema}")).unwrap_or_default();
    if !named.is_empty() && !database.ends_with(&named) {
        database.push_str(&named);
    }
    if !named.is_empty() {
        database.push(',');
    }
    let place = match (kind, host) {
        ("sqlite", _) => format!("SQLite {database}"),
        (_, Some(host)) => format!("PostgreSQL {database} at {host}"),
        (_, None) => format!("PostgreSQL {database}"),
    };
    Ok(format!("the {} database ({place})", context.target.name()))
}

/// A run as a question names it: which one, what it did where, who started it, and when.
pub fn run_in_question(state: &State, run: RunId) -> String {
    let of = state.run(run).expect("the ledger has just named it");
    let (verb, scope, who) = (of.started.verb.name(), name_of(&of.started.scope), &of.started.operator);
    format!("Run {run}: {verb} {scope}, by {}@{}, {}", who.user, who.host, of.started_at)
}
