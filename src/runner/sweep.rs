//! The end of a rollback that also deletes files: those that its images had and that nothing needs any more.

use std::cell::RefCell;
use std::sync::Arc;

use ledger::event::{CdnDeleted, Event, PauseReason, Paused, Record, Verb};
use ledger::ledger::Ledger;
use ledger::plan::deletable;
use ledger::store::LedgerError;
use ledger::trouble::TroubleKind;

use super::control::{Answer, Ask, Asked, Phase, Request};
use super::delete::{Candidate, Deleting, Fate, delete_unused};
use super::retry::Retry;
use super::steer::rate_adjusted;
use super::wheel::Wheel;
use super::witness::{Listing, Witness};
use super::{Message, Moment, RunError, Told};
use crate::limits::RETRIES_MAX;
use crate::outside::Trouble;

/// Why a rollback writes a file off that it did not delete.
pub const ROLLED_BACK_GONE: &str = "rolled back, and it was gone already";

impl Wheel<'_> {
    /// Deletes what a rollback has left without a use, if it was asked to. Being cut off costs nothing: what is left to
    /// delete follows from the ledger, and a file that is gone already is written down then.
    ///
    /// # Errors
    /// When the ledger cannot be written to. Trouble with the CDN or the database pauses the run.
    pub(super) async fn delete_files(&mut self) -> Result<(), RunError> {
        let of = self.ledger.state().run(self.run).expect("the run was started");
        if of.started.verb != Verb::Rollback || !of.options().delete_cdn_files {
            return Ok(());
        }
        let skip_tables = of.options().skip_tables.clone();
        let candidates = self.candidates()?;
        if candidates.is_empty() {
            return Ok(());
        }
        let world = self.setting.world.clone();
        let forward = world.forward.expect("whoever has a rollback delete files gives it a CDN");
        // One file goes after the other, so its own tries are all that a part in trouble is seen by.
        let witness: Option<Arc<dyn Witness>> = Some(Arc::new(Listing(forward.cdn.clone())));
        let retry = Retry { failed_max: RETRIES_MAX, witness, ..self.retry.clone() };
        let now = self.setting.now;
        let (run, probe) = (self.run, self.setting.probe.clone());
        self.phase = Phase::Deleting;
        let mut answer = self.answer(0, None);
        let (inbox, stop, waits) = (&mut self.setting.inbox, &self.stop, &mut self.waits);
        let (claims, holder) = (&mut self.claims, self.setting.holder.clone());
        let ledger = RefCell::new(&mut *self.ledger);
        // Why the ledger took no more. It is not written to again: what it holds by then only another opening can tell.
        let lost = RefCell::new(None);
        let tell = RefCell::new(&mut self.setting.tell);
        let told = |ledger: &mut Ledger, file: &Candidate, fate: Fate| -> Result<(), RunError> {
            let path = &file.path;
            let (why, words) = match &fate {
                Fate::Deleted => ("rolled back, and no row uses it", None),
                Fate::Gone => (ROLLED_BACK_GONE, None),
                Fate::Kept(why) => ("", Some(format!("{path} stays on the CDN: {why}"))),
                Fate::NotKnown(why) => (
                    "",
                    Some(format!(
                        "{path}: its deletion was asked for and not answered, and nobody knows whether it is still on the \
                         CDN: {why}"
                    )),
                ),
            };
            if let Some(words) = words {
                tell.borrow_mut()(Told::FileLeft { file, fate: &fate, words: &words });
                return Ok(());
            }
            let unwritten = format!("{path} is gone from the CDN, and the ledger could not write it down");
            if lost.borrow().is_some() {
                tell.borrow_mut()(Told::Left(&unwritten));
                return Ok(());
            }
            let (path, file_id) = (file.path.clone(), file.file.clone());
            let tables_skipped = skip_tables.clone();
            let why = why.to_owned();
            let event = Event::CdnDeleted(CdnDeleted { path, file_id, why, operator: None, tables_skipped });
            let records = [Record { at: now(), run: Some(run), event }];
            if let Err(error) = ledger.append(&records) {
                tell.borrow_mut()(Told::Left(&unwritten));
                return Err(error.into());
            }
            tell.borrow_mut()(Told::Appended(&records));
            let dies = probe.as_ref().is_some_and(|probe| probe(Moment::AfterAppend));
            if dies { Err(RunError::Died) } else { Ok(()) }
        };
        let write = |event| -> Result<(), LedgerError> {
            if lost.borrow().is_some() {
                return Ok(());
            }
            let records = [Record { at: now(), run: Some(run), event }];
            ledger.borrow_mut().append(&records)?;
            tell.borrow_mut()(Told::Appended(&records));
            Ok(())
        };
        // What became of the file in hand is told before the sweep ends.
        let lose = |error| {
            lost.borrow_mut().get_or_insert(error);
            let _nobody_listens_any_more = stop.send(true);
        };
        let mut paused = None;
        let swept = async {
            let (cdn, catalog) = (&*forward.cdn, &*world.catalog);
            let with = Deleting { cdn, catalog, skip_tables: &skip_tables, retry: &retry, holder: &holder };
            let swept = delete_unused(with, claims, &ledger, &candidates, told);
            tokio::pin!(swept);
            loop {
                tokio::select! {
                    biased;
                    swept = &mut swept => break swept,
                    message = inbox.recv() => match message {
                        Some(Message::Stop(why)) if paused.is_none() => {
                            paused = Some(why);
                            let _nobody_listens_any_more = stop.send(true);
                        }
                        Some(Message::Waiting { why, wait }) => tell.borrow_mut()(Told::Waiting(&why, wait)),
                        Some(Message::Back { outside, waited }) => {
                            if waited.is_alerted {
                                tell.borrow_mut()(Told::Back(outside, waited.took));
                            }
                            if let Some(Err(error)) = waits.take(outside, waited).map(write) {
                                lose(error);
                            }
                        }
                        Some(Message::Alert(alerted)) => {
                            if let Err(error) = write(Event::Alerted(alerted)) {
                                lose(error);
                            }
                        }
                        Some(Message::Control(Asked { request: Request { ask, operator }, reply })) => {
                            let mut refused = None;
                            match ask {
                                Ask::Status => {}
                                Ask::Rate(rate) if rate != Some(0) => {
                                    let adjusted = rate_adjusted(answer.rate_per_second_max, rate, operator);
                                    if let Some(Err(error)) = adjusted.map(write) {
                                        lose(error);
                                    }
                                    retry.gates.set_cdn_rate(rate);
                                    answer.rate_per_second_max = rate;
                                }
                                _ => {
                                    let why = "files are being deleted, at a rate that can be set; \
                                               Ctrl-C in its terminal stops that";
                                    refused = Some(why.to_owned());
                                }
                            }
                            let answer = Answer { refused, waiting: retry.waiting(), ..answer.clone() };
                            let _they_may_have_left = reply.send(answer);
                        }
                        _ => {}
                    },
                }
            }
        }
        .await;
        if let Some(error) = lost.into_inner() {
            return Err(error.into());
        }
        match swept {
            Ok(_) => {}
            Err(RunError::Outside(trouble)) => paused = paused.or_else(|| Some(paused_by(trouble))),
            Err(error) => return Err(error),
        }
        if let Some(paused) = paused {
            self.pause(paused, 0);
        }
        Ok(())
    }

    fn candidates(&self) -> Result<Vec<Candidate>, RunError> {
        let mut candidates = Vec::new();
        let state = self.ledger.state();
        let scope = &state.run(self.run).expect("the run was started").started.scope;
        for uploaded in deletable(state, scope) {
            match self.ledger.store().record(uploaded)?.event {
                Event::Uploaded(e) => candidates.push(Candidate { path: e.path, file: e.file_id }),
                other => panic!("event {uploaded} is {}, not uploaded", other.name()),
            }
        }
        Ok(candidates)
    }
}

fn paused_by(trouble: Trouble) -> Paused {
    let (reason, advice) = match trouble.kind {
        TroubleKind::Unauthorized => (
            PauseReason::Unauthorized,
            "Set IMAGEKIT_PRIVATE_KEY to a key that may delete, then `longshore resume`",
        ),
        _ => (
            PauseReason::Outage,
            "All rows are back. When it answers again, `longshore resume` deletes the rest",
        ),
    };
    Paused { reason, message: trouble.message, advice: advice.to_owned() }
}
