//! The rows of audited venues, as they are now.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::ids::VenueId;
use ledger::ledger::Ledger;
use ledger::report::audit::{VenueAudit, VenueLive, VenueVerdict};
use serde::Serialize;

use super::Context;
use crate::error::Failure;
use crate::limits::CATALOG_PAGE_VENUES;
use crate::outside::catalog::{Catalog, answered, unread};

/// The database, asked a page of venues at a time.
pub struct Live<'a> {
    context: &'a Context<'a>,
    catalog: Arc<dyn Catalog>,
    page: BTreeMap<VenueId, Option<String>>,
    /// The last venue that was asked for.
    upto: Option<VenueId>,
}

/// How many rows and entries are as recorded.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    pub venues: u64,
    pub venues_different: u64,
    pub images: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub fn count(&mut self, live: &VenueLive) {
        self.venues += 1;
        self.venues_different += u64::from(live.verdict != VenueVerdict::AsRecorded);
        for image in &live.images {
            *self.images.entry(image.verdict.name()).or_default() += 1;
        }
    }
}

impl<'a> Live<'a> {
    /// Opens the database that the ledger belongs to.
    pub fn open(context: &'a Context<'a>, ledger: &Ledger) -> Result<Self, Failure> {
        let catalog = context.open_catalog()?;
        let identity = context.runtime.block_on(catalog.identity())?;
        context.check_target(ledger, &identity)?;
        Ok(Self { context, catalog, page: BTreeMap::new(), upto: None })
    }

    /// Compares a venue with its row. `all` are the venues that will be asked for, in this order.
    pub fn compare(&mut self, audit: &VenueAudit, all: &[VenueId]) -> Result<Option<VenueLive>, Failure> {
        let venue = audit.venue_id;
        if self.upto.is_none_or(|upto| upto < venue) {
            let from = all.partition_point(|id| *id < venue);
            let ids = &all[from..all.len().min(from + CATALOG_PAGE_VENUES as usize)];
            let rows = self.context.runtime.block_on(self.catalog.by_ids(ids))?;
            let ids = &ids[..answered(ids, &rows)];
            self.page = rows.into_iter().map(|row| (row.id, row.images)).collect();
            self.upto = ids.last().copied();
        }
        let row = self.page.get(&venue).map(Option::as_deref);
        Ok(match row.flatten().and_then(unread) {
            Some(why) => audit.live_unread(why),
            None => audit.live(row),
        })
    }
}
