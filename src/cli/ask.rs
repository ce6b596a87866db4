//! Asking before anything is changed.

use std::io::{IsTerminal, Write};

use ledger::event::Scope;
use ledger::ids::RunId;
use ledger::state::State;
use unicode_normalization::UnicodeNormalization;

use super::Context;
use super::place::name_of;
use crate::error::Failure;
use crate::outside::catalog::{Catalog, Identity};
use crate::show;

/// What shows what a command would do, where it has such a flag.
pub const DRY_RUN: &str = "`--dry-run`";

/// Asks for a word to be typed; `yes` answers for scripts, which have looked at something before.
///
/// # Errors
/// When something else is typed, or there is no terminal to ask at.
pub fn confirm(question: &str, word: &str, yes: bool, look: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask for confirmation at")
            .hint(format!("`--yes` answers for a script, once you have looked at {look}")));
    }
    eprintln!("{question}");
    // What cannot be seen cannot be typed.
    let word = show::plain(word);
    let word = word.trim();
    eprint!("Type {word} to go on: ");
    std::io::stderr().flush()?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    match is_word(&typed, word) {
        true => Ok(()),
        false => Err(Failure::usage("not confirmed; nothing was changed")),
    }
}

/// Whether a word was typed, its accents composed or not. Nothing typed is never a word.
fn is_word(typed: &str, word: &str) -> bool {
    let form = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect::<String>();
    !typed.trim().is_empty() && form(typed) == form(word)
}

/// What is typed to confirm something in a place: its name, or where that shows nothing, what else it is known by.
pub fn word_for(scope: &Scope) -> String {
    let seen = |text: &str| show::shows(text).then(|| text.to_owned());
    let known = match scope {
        Scope::Country(country) => {
            seen(&country.name).or_else(|| seen(&country.code)).or_else(|| seen(country.slug.as_deref()?))
        }
        Scope::City { city, .. } => seen(&city.name).or_else(|| Some(format!("city {}", city.id))),
        Scope::Venue { .. } | Scope::Run(_) | Scope::Everywhere => Some(name_of(scope)),
    };
    known.unwrap_or_else(|| "this country".to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c4_a_word_is_typed_in_any_spelling_of_its_accents_and_never_by_nothing() {
        for (typed, word) in [
            ("Krak\u{f3}w\n", "Krako\u{301}w"),
            (" Krako\u{301}w ", "Krak\u{f3}w"),
            ("New York", "New  York"),
        ] {
            assert!(is_word(typed, word), "{word}");
        }
        for (typed, word) in [
            ("\n", ""),
            ("  ", " "),
            ("Krakow", "Krak\u{f3}w"),
            ("\u{212a}rakow", "krakow"),
            ("Poland", "Poland 2"),
        ] {
            assert!(!is_word(typed, word), "{word}");
        }
    }
}
