//! The voice: what people and programs read. It decides nothing and causes nothing.

mod chat;
mod csv;
#[cfg(test)]
mod hostile;
mod html;
mod human;
mod json;
mod markdown;
mod messages;
mod out;
mod panicked;
mod progress;
mod scrub;
mod sheet;
mod table;
mod typed;

pub use ledger::store::private::word as quoted;
use serde::Serialize;

pub use chat::chat;
pub use human::{Table, address, bytes, count, event, plain, shows, wrapped};
pub use json::{part as json_part, pretty as json_pretty};
pub use out::{Format, Out, deliver, is_read, open_stream, say};
pub use panicked::panicked;
pub use progress::{Progress, log_line};
pub use scrub::scrubbed;
pub use sheet::{Cell, Column, Grid, Part, Sheet, duration, flat};
pub use typed::{carry_flags, with_flags};

use crate::error::Failure;
use crate::secrets::masked;

/// One JSON document on stdout, alone.
pub fn json(answer: &impl Serialize) -> Result<(), Failure> {
    out::to_stdout(|to| json::pretty(to, answer))
}

/// One JSON document on one line.
pub fn json_line(answer: &impl Serialize) -> Result<(), Failure> {
    out::to_stdout(|to| json::compact(to, answer))
}

/// One line for people on stdout.
pub fn line(text: &str) -> Result<(), Failure> {
    line_raw(&plain(&with_flags(text)))
}

/// Lines for people on stdout, already plain.
fn line_raw(text: &str) -> Result<(), Failure> {
    let text = masked(text);
    out::to_stdout(|to| writeln!(to, "{text}"))
}

/// One line for people: harmless (requirement S4), with the flags in force in the commands it names, and without the
/// secrets of the process (requirement S1).
pub fn told(text: &str) -> String {
    // First harmless: a character that is taken out could stand within a secret.
    masked(&flat(&with_flags(text))).into_owned()
}

/// A line of a question that names what is asked about, on stderr: as [`told`], but for secrets. A place that is called
/// like one is named all the same, as whoever answers has to see which it is.
pub fn asked(text: &str) {
    put(&flat(&with_flags(text)));
}

/// Another line of a question, as [`told`].
pub fn question(text: &str) {
    put(&told(text));
}

/// A line on stderr, of which a terminal breaks no word.
fn put(text: &str) {
    use std::io::{IsTerminal as _, Write as _};
    let mut stderr = std::io::stderr();
    let shown = if stderr.is_terminal() { wrapped(text, "").join("\n") } else { text.to_owned() };
    let _nobody_listens = writeln!(stderr, "{shown}");
}

/// The sheet alone on a terminal, in the place of what stood there.
pub fn redraw(sheet: &Sheet) -> Result<(), Failure> {
    out::to_stdout(|to| write!(to, "\x1b[2J\x1b[H{}", table::write(&sheet.clone().with_flags())))
}

/// The word the wire has for a plain enum.
pub fn word(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default().trim_matches('"').to_owned()
}

/// Why a command failed, on stderr: what happened, why, and what to type next.
pub fn failure(failure: &Failure) {
    eprintln!("Error: {}", failure.message);
    for cause in &failure.causes {
        eprintln!("  {cause}");
    }
    for hint in &failure.hints {
        eprintln!("Hint: {hint}");
    }
}
