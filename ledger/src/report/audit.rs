//! What was changed, venue by venue: before, after, when, in which run, by whom, and where it is written (requirement
//! C10).

mod live;
mod patch;
mod records;

use serde::Serialize;

pub use live::{ImageLive, Others, VenueLive, VenueVerdict, Verdict};
pub use patch::{Operation, patch};

use self::records::Records;
use super::trail::{Trail, plan_of};
use crate::event::{DbUpdated, Drifted, Edit, Event, Operator, Planned, Record, RolledBack, Verb};
use crate::ids::{ImageId, RunId, Seq, VenueId};
use crate::images::same;
use crate::order::Past;
use crate::plan::is_within;
use crate::store::LedgerError;
use crate::timestamp::Timestamp;

/// One venue's changes.
#[derive(Debug, Serialize)]
pub struct VenueAudit {
    /// `venues.id`.
    pub venue_id: VenueId,
    /// Its slug when it was planned last.
    pub venue_slug: Option<String>,
    /// Its name then.
    pub venue_name: Option<String>,
    /// The name of its city then.
    pub city: Option<String>,
    /// The name of its country then.
    pub country: Option<String>,
    /// The changes of its row, oldest first.
    pub changes: Vec<Change>,
    /// The entries that were found changed by others and left, oldest first.
    pub drifted: Vec<Drift>,
    #[serde(skip)]
    records: Records,
}

/// One change of a row: a `db_updated` or a `rolled_back`.
#[derive(Debug, Serialize)]
pub struct Change {
    /// Where in the ledger.
    pub seq: Seq,
    /// When it was written down.
    pub at: Timestamp,
    /// In which run.
    pub run: RunId,
    /// What that run did.
    pub verb: Verb,
    /// By whom: who started the run, or resumed it last before.
    pub operator: Operator,
    /// The event: `db_updated` or `rolled_back`.
    pub event: &'static str,
    /// Whether the row was so already, from a write that a crash had kept from being recorded.
    pub found_done: bool,
    /// Whether others changed the array after our last change of it or, for the first, after it was planned.
    pub changed_by_others: bool,
    /// The whole array before, in the database's own text; null for SQL NULL and for a row that is gone.
    pub array_before: Option<String>,
    /// The whole array after.
    pub array_after: Option<String>,
    /// RFC 6902 operations that lead from the one to the other; null when one of them is not JSON.
    pub patch: Option<Vec<Operation>>,
    /// The entries that changed.
    pub images: Vec<ImageChange>,
    /// Images whose before-image the row held already (`rolled_back`).
    pub held: Vec<ImageId>,
    /// Images left as they are, each with its `drifted` (`rolled_back`).
    pub left: Vec<ImageId>,
}

/// One entry that became another, in the database's own text.
#[derive(Debug, Serialize)]
pub struct ImageChange {
    /// The image's forward id.
    pub image: ImageId,
    /// What was there; null where nothing was.
    pub before: Option<String>,
    /// What is there since; null where it was taken out.
    pub after: Option<String>,
}

/// An entry that others had changed.
#[derive(Debug, Serialize)]
pub struct Drift {
    /// Where in the ledger.
    pub seq: Seq,
    /// When it was written down.
    pub at: Timestamp,
    /// In which run.
    pub run: RunId,
    /// What that run did.
    pub verb: Verb,
    /// By whom.
    pub operator: Operator,
    /// The image's forward id.
    pub image: ImageId,
    /// The entry that was expected.
    pub expected: String,
    /// The entry most like it; null when there was none.
    pub found: Option<String>,
}

impl From<Edit> for ImageChange {
    fn from(Edit { image, before, after }: Edit) -> Self {
        Self { image, before, after }
    }
}

/// When, in which run and by whom.
struct By {
    seq: Seq,
    at: Timestamp,
    run: RunId,
    verb: Verb,
    operator: Operator,
}

impl Trail<'_> {
    /// What was changed in one venue.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn venue(&self, past: &impl Past, venue: VenueId) -> Result<VenueAudit, LedgerError> {
        let mut audit = self.head_of(past, venue)?;
        for seq in self.of(venue).iter().copied() {
            let Record { at, run: Some(run), event } = past.record(seq)? else { continue };
            let (Some(of), Some(operator)) = (self.state().run(run), self.operator(run, seq)) else {
                continue;
            };
            let by = By { seq, at, run, verb: of.started.verb, operator: operator.clone() };
            let is_named = self.is_named(run, venue);
            match event {
                Event::DbUpdated(e) => {
                    audit.records.updated(&e);
                    let change = self.change(past, &mut audit.records, venue, by, updated(e))?;
                    audit.changes.extend(is_named.then_some(change));
                }
                Event::RolledBack(e) => {
                    audit.records.rolled_back(&e);
                    let change = self.change(past, &mut audit.records, venue, by, rolled_back(e))?;
                    audit.changes.extend(is_named.then_some(change));
                }
                Event::Drifted(e) => audit.drifted.extend(is_named.then(|| drift(by, e))),
                _ => {}
            }
        }
        Ok(audit)
    }

    /// A venue as it was when the scope planned it last.
    fn head_of(&self, past: &impl Past, venue: VenueId) -> Result<VenueAudit, LedgerError> {
        let state = self.state();
        let plans = state.venue(venue).map_or(&[][..], |plans| plans.all()).iter();
        let plans = plans.rev().filter_map(|seq| Some((*seq, state.plan(*seq)?)));
        let mut named = plans.filter(|(_, plan)| is_within(state, plan, self.scope()));
        let planned = named.next().map(|(seq, _)| planned(past, seq)).transpose()?.flatten();
        let (slug, name, city, country) = match planned {
            Some(planned) => (planned.slug, planned.name, planned.city, planned.country),
            None => (None, None, None, None),
        };
        Ok(VenueAudit {
            venue_id: venue,
            venue_slug: slug,
            venue_name: name,
            city: city.map(|city| city.name),
            country: country.map(|country| country.name),
            changes: Vec::new(),
            drifted: Vec::new(),
            records: Records::default(),
        })
    }

    fn change(
        &self,
        past: &impl Past,
        records: &mut Records,
        venue: VenueId,
        by: By,
        what: What,
    ) -> Result<Change, LedgerError> {
        let known = match records.replace(what.array_after.clone()) {
            Some(known) => known,
            None => {
                let plan = plan_of(self.state(), by.run, venue).map(|(seq, _)| planned(past, seq));
                plan.transpose()?.flatten().and_then(|planned| planned.array)
            }
        };
        let is_same = match (&known, &what.array_before) {
            (Some(known), Some(before)) => same(known, before),
            (known, before) => known == before,
        };
        let patch = patch(what.array_before.as_deref(), what.array_after.as_deref());
        let What { event, found_done, array_before, array_after, edits, held, left } = what;
        let By { seq, at, run, verb, operator } = by;
        let images = edits.into_iter().map(ImageChange::from).collect();
        let changed_by_others = !is_same;
        Ok(Change {
            seq,
            at,
            run,
            verb,
            operator,
            event,
            found_done,
            changed_by_others,
            array_before,
            array_after,
            patch,
            images,
            held,
            left,
        })
    }
}

/// What the two events that change rows have in common.
struct What {
    event: &'static str,
    found_done: bool,
    array_before: Option<String>,
    array_after: Option<String>,
    edits: Vec<Edit>,
    held: Vec<ImageId>,
    left: Vec<ImageId>,
}

fn updated(e: DbUpdated) -> What {
    What {
        event: "db_updated",
        found_done: e.found_done,
        array_before: e.array_before,
        array_after: Some(e.array_after),
        edits: e.edits,
        held: Vec::new(),
        left: Vec::new(),
    }
}

fn rolled_back(e: RolledBack) -> What {
    What {
        event: "rolled_back",
        found_done: e.found_done,
        array_before: e.array_before,
        array_after: e.array_after,
        edits: e.edits,
        held: e.held,
        left: e.left,
    }
}

fn drift(By { seq, at, run, verb, operator }: By, Drifted { image, expected, found, .. }: Drifted) -> Drift {
    Drift { seq, at, run, verb, operator, image, expected, found }
}

pub(super) fn planned(past: &impl Past, seq: Seq) -> Result<Option<Planned>, LedgerError> {
    Ok(match past.record(seq)?.event {
        Event::Planned(planned) => Some(planned),
        _ => None,
    })
}
