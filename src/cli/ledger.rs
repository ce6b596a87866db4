//! `ledger …`: looking after the ledger itself (requirement C12).

use clap::Subcommand;
use ledger::ledger::Ledger;
use serde::Serialize;

use super::Context;
use super::out::PlainFormat;
use crate::error::{Exit, Failure};
use crate::show;

/// What can be done with a ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerVerb {
    /// Recompute every hash and replay every event; name the first bad one.
    Verify,
}

#[derive(Serialize)]
struct Verified {
    ledger: String,
    events: u64,
    head: String,
}

pub fn run(context: &Context<'_>, verb: &LedgerVerb) -> Result<Exit, Failure> {
    let LedgerVerb::Verify = verb;
    let ledger = Ledger::read(&context.ledger_path())?;
    let head = ledger.head();
    let answer =
        Verified { ledger: ledger.store().id().to_string(), events: head.seq.0, head: head.to_string() };
    match context.plain_format()? {
        PlainFormat::Json => show::json(&answer)?,
        PlainFormat::Table => {
            show::line(&format!("{} events, all as they were written.", answer.events))?;
            show::line(&format!("Head {}", answer.head))?;
            show::line("A chain does not show a cut-off tail: compare the head with one kept elsewhere.")?;
        }
    }
    Ok(Exit::Done)
}
