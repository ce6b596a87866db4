//! Choosing the venues that a file names: a saved plan, or a matching report.

use ledger::event::{Scope, Work};
use ledger::ids::VenueId;

use super::planning::{Broken, belongs_to_another, place as chosen, planned};
use super::populate::{Added, is_in};
use super::wheel::Wheel;
use super::{Geography, RunError, SavedPlan, Selection, Told};
use crate::limits::CATALOG_PAGE_VENUES;
use crate::outside::catalog::{Place, Venue, answered};

impl Wheel<'_> {
    /// The venues of a saved plan, wherever they are by now. One that has moved since the plan was looked at is passed by
    /// and said: not even now is anything moved that the plan does not name.
    pub(super) async fn exactly(
        &mut self,
        plan: &SavedPlan,
        geography: &Geography,
        place: Place,
        start: Option<VenueId>,
    ) -> Result<(), Broken> {
        let catalog = self.setting.world.catalog.clone();
        let ids: Vec<VenueId> =
            plan.ids().into_iter().filter(|id| start.is_none_or(|start| *id > start)).collect();
        let mut rest = &ids[..];
        let cdn = self.cdn();
        while !rest.is_empty() {
            let asked = &rest[..rest.len().min(CATALOG_PAGE_VENUES as usize)];
            let page = self.ask(|| catalog.by_ids(asked)).await?;
            rest = &rest[answered(asked, &page)..];
            let state = self.ledger.state();
            let is_closed = |venue: VenueId, entry: &str| state.is_closed(venue, entry);
            let holds = |venue: &Venue| {
                !belongs_to_another(state, self.run, venue.id) && plan.still_holds(venue, is_closed)
            };
            let (there, moved): (Vec<Venue>, Vec<Venue>) = page.into_iter().partition(holds);
            let events = there
                .into_iter()
                .flat_map(|venue| planned(geography, state, place, venue, cdn.as_deref()))
                .collect();
            for venue in moved {
                let what = format!("Venue {} is not as the plan says any more, and is passed by", venue.id);
                (self.setting.tell)(Told::Left(&what));
            }
            self.append(events)?;
        }
        Ok(())
    }

    /// What the matching report brings, in the order of venue ids.
    pub(super) async fn additions(&mut self, scope: &Scope) -> Result<(), Broken> {
        let Selection::Matches(populate) = self.setting.selection.clone() else {
            panic!("whoever turns a populate that still plans gives it its matches");
        };
        let catalog = self.setting.world.catalog.clone();
        let geography = self.ask(|| Geography::read(&*catalog)).await?;
        let place = geography.place_of(scope).ok_or(RunError::PlaceGone(self.run))?;
        let run = self.run_state();
        let (start, limit) = (run.last_venue(), run.options().limit);
        let mut left = limit.map(|limit| limit.saturating_sub(run.plans().len() as u64));
        let all = populate.matches.venues.keys().copied();
        let ids: Vec<VenueId> = all.filter(|id| start.is_none_or(|start| *id > start)).collect();
        let mut rest = &ids[..];
        while !rest.is_empty() {
            let at = (self.setting.now)();
            let page = &rest[..rest.len().min(CATALOG_PAGE_VENUES as usize)];
            let (mut added, looked) = self.ask(|| populate.look(&*catalog, page, at)).await?;
            rest = &rest[looked..];
            let state = self.ledger.state();
            let mut events = Vec::new();
            added.iter_mut().for_each(|added| added.leave_closed(state, place));
            for added in added.into_iter().filter(|added| !added.is_empty()) {
                let Added { venue, addition } = added;
                let is_free = !belongs_to_another(state, self.run, venue.id);
                let has_room = left.is_none_or(|left| left > 0 && !addition.entries.is_empty());
                if is_free && has_room && is_in(&geography, &venue, place) {
                    left = left.map(|left| left - 1);
                    events.push(chosen(&geography, venue, Work::Add(addition)));
                }
            }
            self.append(events)?;
            if left == Some(0) {
                break;
            }
        }
        Ok(())
    }
}
