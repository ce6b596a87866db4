//! What failed, was skipped or drifted, and still stands so (requirement C11).

use std::collections::BTreeMap;

use serde::Serialize;

use super::audit::planned;
use super::trail::plan_of;
use crate::event::{Event, Placed, Planned, Scope, Stopped, Work};
use crate::ids::{Seq, VenueId};
use crate::images::Entry;
use crate::order::Past;
use crate::plan::is_within;
use crate::state::{Aim, Mark, Plan, State};
use crate::store::LedgerError;
use crate::timestamp::Timestamp;
use crate::trouble::TroubleKind;

/// One image that is not moved, or one venue that failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedImage {
    /// `venues.id`.
    pub venue_id: VenueId,
    /// Its slug when it was planned.
    pub venue_slug: Option<String>,
    /// The image's URL when it was planned; null for a venue as a whole.
    pub image_url: Option<String>,
    /// The kind (requirement E1).
    pub error_type: &'static str,
    /// What happened, for people.
    pub error_message: String,
    /// Tries beyond the first.
    pub retry_count: u32,
    /// When it was written down.
    pub timestamp: Timestamp,
}

/// One event that says why: of which image of the plan, or of all that were open.
#[derive(Debug, Clone, Copy)]
struct Why {
    index: Option<u32>,
    kind: TroubleKind,
    seq: Seq,
}

/// Collects where the ledger says why; what still stands is in the state.
#[derive(Debug)]
pub struct Failures<'a> {
    state: &'a State,
    scope: Scope,
    plans: BTreeMap<(VenueId, Seq), Vec<Why>>,
}

impl<'a> Failures<'a> {
    /// Begins with a state, for what failed in a scope.
    pub fn new(state: &'a State, scope: Scope) -> Self {
        let named = state.plans().filter(|(_, plan)| plan.left_out > 0 && is_within(state, plan, &scope));
        let plans = named.map(|(planned, plan)| ((plan.venue, planned), Vec::new())).collect();
        Self { state, scope, plans }
    }

    /// Takes in the next event.
    pub fn take(&mut self, (seq, record): &Placed) {
        let Some(run) = record.run else { return };
        let (venue, image, kind) = match &record.event {
            Event::Failed(e) | Event::Skipped(e) => (e.venue, e.image, e.error_type),
            Event::Drifted(e) => (e.venue, Some(e.image), TroubleKind::Drifted),
            _ => return,
        };
        let by = plan_of(self.state, run, venue).map(|(planned, _)| planned);
        let Some(planned) = image.map(|image| image.planned).or(by) else { return };
        // What a rollback met is its own run's matter, and that of the run it was to take back.
        if [Some(planned), by].into_iter().flatten().any(|planned| self.is_named(planned)) {
            let why = Why { index: image.map(|image| image.index), kind, seq: *seq };
            self.plans.entry((venue, planned)).or_default().push(why);
        }
    }

    fn is_named(&self, planned: Seq) -> bool {
        self.state.plan(planned).is_some_and(|plan| is_within(self.state, plan, &self.scope))
    }

    /// Gives what still stands to `each`, by venue id and within a venue the oldest plan first.
    ///
    /// # Errors
    /// When the ledger cannot be read, or `each` says so.
    pub fn each<E: From<LedgerError>>(
        &self,
        past: &impl Past,
        mut each: impl FnMut(FailedImage) -> Result<(), E>,
    ) -> Result<(), E> {
        for ((venue, seq), whys) in &self.plans {
            let Some(plan) = self.state.plan(*seq) else { continue };
            let is_whole = self.state.stands_failed(*seq);
            let stands = |image: &crate::state::Image| image.is_current && kind_of(image.mark).is_some();
            if !is_whole && !plan.images.iter().any(stands) {
                continue;
            }
            let record = past.record(*seq)?;
            let Some(of) = planned(past, *seq)? else { continue };
            let row = |image_url, why| row(past, *venue, &of, image_url, why);
            for (index, image) in (0..).zip(&plan.images).filter(|(_, image)| image.is_current) {
                let Some(kind) = kind_of(image.mark) else { continue };
                let is_it = |why: &&Why| why.kind == kind && why.index.is_none_or(|at| at == index);
                // What another run left there is not this scope's.
                let Some(why) = whys.iter().rev().find(is_it) else { continue };
                each(row(url(&of, index), *why)?)?;
            }
            let whole = whys.iter().rev().find(|why| why.index.is_none());
            if let Some(why) = whole.filter(|_| is_whole && is_bare(plan)) {
                each(row(None, *why)?)?;
            }
            if let Work::Add(addition) = &of.work {
                for left in addition.left_out.iter().filter(|_| is_whole) {
                    let image = left.image.map_or(String::new(), |image| format!(", image {image}"));
                    let why = format!("Trivia Advisor venue {}{image}: {}", left.trivia_advisor_id, left.why);
                    each(FailedImage {
                        venue_id: *venue,
                        venue_slug: of.slug.clone(),
                        image_url: None,
                        error_type: TroubleKind::BadData.name(),
                        error_message: why,
                        retry_count: 0,
                        timestamp: record.at,
                    })?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a venue that failed as a whole has no image that says so.
fn is_bare(plan: &Plan) -> bool {
    matches!(plan.aim, Aim::Back(_)) || plan.images.is_empty()
}

fn kind_of(mark: Option<Mark>) -> Option<TroubleKind> {
    match mark? {
        Mark::Failed(kind) | Mark::Skipped(kind) => Some(kind),
        Mark::Drifted => Some(TroubleKind::Drifted),
        Mark::Closed => None,
    }
}

fn url(of: &Planned, index: u32) -> Option<String> {
    let entries = match &of.work {
        Work::Move(entries) => entries,
        Work::Add(addition) => &addition.entries,
        Work::TakeBack(_) => return None,
    };
    Entry::parse(entries.get(index as usize)?)?.url()
}

fn row(
    past: &impl Past,
    venue: VenueId,
    of: &Planned,
    image_url: Option<String>,
    why: Why,
) -> Result<FailedImage, LedgerError> {
    let record = past.record(why.seq)?;
    let (message, attempts) = match record.event {
        Event::Failed(Stopped { message, attempts, .. })
        | Event::Skipped(Stopped { message, attempts, .. }) => (message, attempts),
        _ => ("someone else changed what is ours".to_owned(), 0),
    };
    Ok(FailedImage {
        venue_id: venue,
        venue_slug: of.slug.clone(),
        image_url,
        error_type: why.kind.name(),
        error_message: message,
        retry_count: attempts.saturating_sub(1),
        timestamp: record.at,
    })
}
