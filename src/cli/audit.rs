//! `audit`: what was changed, and whether the database still is so (requirement C10).

mod live;
mod sheet;

use std::io::Write;

use clap::Args;
use ledger::event::{Placed, Scope};
use ledger::ids::Seq;
use ledger::ledger::Ledger;
use ledger::report::Trail;
use ledger::report::audit::{VenueAudit, VenueLive};
use ledger::store::LedgerError;
use serde::Serialize;

use self::live::{Live, Tally};
use super::Context;
use super::out::OutArgs;
use super::past::{AsOfArgs, PastArgs};
use super::stream::{Broken, Object, deliver};
use crate::error::{Exit, Failure};
use crate::show::{self, Format};

/// What was changed: before, after, when, in which run, by whom, and where it is written.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(flatten)]
    what: PastArgs,
    #[command(flatten)]
    as_of: AsOfArgs,
    /// Compare what was recorded last with the database as it is, and name every difference (exit code 13).
    #[arg(long, conflicts_with = "as_of")]
    pub live: bool,
    #[command(flatten)]
    out: OutArgs,
}

/// A venue in the JSON answer.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    audit: &'a VenueAudit,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<&'a VenueLive>,
}

/// What the answer adds up to.
#[derive(Debug, Default, Serialize)]
struct Total {
    venues: u64,
    changes: u64,
    drifted: u64,
}

pub fn run(context: &Context<'_>, args: &AuditArgs) -> Result<Exit, Failure> {
    let out = args.out.out(context)?;
    let ledger = args.as_of.read(context)?;
    let scope = args.what.scope(ledger.state())?;
    let live = args.live.then(|| Live::open(context, &ledger)).transpose()?;
    let trail = trail(&ledger, scope.clone())?;
    let mut answer = Answer { ledger: &ledger, trail, live };
    let findings = match out.format {
        Format::Json => {
            let mut findings = 0;
            deliver(&out, |to| {
                findings = answer.json(to, scope.as_ref())?;
                Ok(())
            })?;
            findings
        }
        _ => {
            let (sheet, findings) = answer.sheet()?;
            show::say(&out, || sheet, &())?;
            findings
        }
    };
    // A spreadsheet has no line for it.
    eprintln!("As of event {}.", ledger.upto());
    Ok(if findings > 0 { Exit::Findings } else { Exit::Done })
}

/// Where in the ledger the changes of a scope lie; without one, of everything.
pub fn trail(ledger: &Ledger, scope: Option<Scope>) -> Result<Trail<'_>, LedgerError> {
    let mut trail = Trail::new(ledger.state(), scope.unwrap_or(Scope::Everywhere));
    ledger.events(Seq(1), |placed: Placed| {
        trail.take(&placed);
        Ok::<_, LedgerError>(())
    })?;
    Ok(trail)
}

struct Answer<'a> {
    ledger: &'a Ledger,
    trail: Trail<'a>,
    live: Option<Live<'a>>,
}

impl Answer<'_> {
    /// Gives each venue to `each`, in the order of ids, with what its row is where that is asked for.
    fn each<E: From<Failure> + From<LedgerError>>(
        &mut self,
        mut each: impl FnMut(VenueAudit, Option<VenueLive>) -> Result<(), E>,
    ) -> Result<(Total, Tally), E> {
        let (mut total, mut tally) = (Total::default(), Tally::default());
        let venues: Vec<_> = self.trail.venues().collect();
        for venue in venues.iter().copied() {
            let audit = self.trail.venue(self.ledger.store(), venue)?;
            total.venues += 1;
            total.changes += audit.changes.len() as u64;
            total.drifted += audit.drifted.len() as u64;
            let live = match &mut self.live {
                Some(live) => live.compare(&audit, &venues).map_err(E::from)?,
                None => None,
            };
            if let Some(live) = &live {
                tally.count(live);
            }
            each(audit, live)?;
        }
        Ok((total, tally))
    }

    /// One document, a line a venue.
    fn json(&mut self, to: &mut dyn Write, scope: Option<&Scope>) -> Result<u64, Broken> {
        let mut answer = Object::new(to)?;
        answer.member("as_of", &self.ledger.upto())?;
        answer.member("scope", &scope)?;
        let (mut total, mut tally) = (Total::default(), Tally::default());
        answer.array("venues", |venues| {
            (total, tally) =
                self.each(|audit, live| venues.push(&Line { audit: &audit, live: live.as_ref() }))?;
            Ok(())
        })?;
        answer.member("total", &total)?;
        if self.live.is_some() {
            answer.member("live", &tally)?;
        }
        answer.end()?;
        Ok(tally.venues_different)
    }
}
