//! Asking before anything is changed.

use std::io::{IsTerminal, Write};

use crate::error::Failure;
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
