//! A row update that is done and not answered, by a database that refuses every later attempt: the ledger says that the row
//! may be updated, and whoever tries again finds it so (requirement E7).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use ledger::event::{Ending, Event, StepName};
use ledger::ids::VenueId;
use ledger::trouble::TroubleKind::CatalogError;
use longshore::outside::Trouble;
use longshore::outside::catalog::search::{Search, Seen, Texts};
use longshore::outside::catalog::{
    Catalog, City, Claim, ClaimRefused, Country, Identity, Place, Rewrite, Row, Venue,
};
use longshore::runner::End;

use crate::crash::is_done;
use crate::kill::hand::events;
use crate::support::stage::{How, Kind, Rows, Stage};

/// A real database whose first update of a row is made and not answered, and which refuses every later attempt.
struct Refusing {
    database: Arc<dyn Catalog>,
    attempts: Arc<AtomicU32>,
}

#[async_trait]
impl Catalog for Refusing {
    async fn rewrite(
        &self,
        venue: VenueId,
        rewrite: &(dyn for<'text> Fn(Option<&'text str>) -> Rewrite + Send + Sync),
    ) -> Result<Row, Trouble> {
        if self.attempts.fetch_add(1, Ordering::SeqCst) > 0 {
            return Err(Trouble::new(CatalogError, "the row is locked by somebody else"));
        }
        let row = self.database.rewrite(venue, rewrite).await?;
        assert!(matches!(row, Row::Written { .. }), "{row:?}");
        Err(Trouble::new(CatalogError, "the connection to the database is gone").outage())
    }

    async fn identity(&self) -> Result<Identity, Trouble> {
        self.database.identity().await
    }

    async fn countries(&self) -> Result<Vec<Country>, Trouble> {
        self.database.countries().await
    }

    async fn cities(&self) -> Result<Vec<City>, Trouble> {
        self.database.cities().await
    }

    async fn venues(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble> {
        self.database.venues(place, after, limit).await
    }

    async fn rows(&self, place: Place, after: Option<VenueId>, limit: u32) -> Result<Vec<Venue>, Trouble> {
        self.database.rows(place, after, limit).await
    }

    async fn texts(&self, skip: &[String]) -> Result<Texts, Trouble> {
        self.database.texts(skip).await
    }

    async fn search(&self, search: &Search) -> Result<Seen, Trouble> {
        self.database.search(search).await
    }

    async fn by_ids(&self, ids: &[VenueId]) -> Result<Vec<Venue>, Trouble> {
        self.database.by_ids(ids).await
    }

    async fn images(&self, venue: VenueId) -> Result<Option<Option<String>>, Trouble> {
        self.database.images(venue).await
    }

    async fn claim(&self, country: Option<&str>, holder: &str) -> Result<Box<dyn Claim>, ClaimRefused> {
        self.database.claim(country, holder).await
    }
}

/// One venue with two images.
fn world(kind: Kind) -> (Stage, Rows) {
    let stage = Stage::new(kind);
    let (a, b) = (stage.external("/a.jpg", "a"), stage.external("/b.jpg", "b"));
    stage.venue(1, "pub", 1, &format!("[{a}, 7, {b}]"));
    let before = stage.rows();
    (stage, before)
}

fn refused() -> (How, Arc<AtomicU32>) {
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = attempts.clone();
    let before =
        move |database| Arc::new(Refusing { database, attempts: counted.clone() }) as Arc<dyn Catalog>;
    (How { before: Some(Arc::new(before)), ..How::default() }, attempts)
}

/// The steps of the failures that say that the row may be updated, in the last run.
#[track_caller]
fn told(stage: &Stage, images: usize, step: StepName) {
    let failed = events(&stage.verified()).into_iter().filter_map(|(_, record)| match record.event {
        Event::Failed(failed) => Some(failed),
        _ => None,
    });
    let failed: Vec<_> = failed.collect();
    assert_eq!(failed.len(), images, "{failed:?}");
    for failed in failed {
        assert_eq!((failed.step, failed.error_type), (step, CatalogError), "{}", failed.message);
        let words = "the row is locked by somebody else; the database went away during an earlier attempt, so the row may be updated all the same";
        assert_eq!(failed.message, words);
    }
}

#[track_caller]
fn last(stage: &Stage) -> Event {
    let is_row = |event: &Event| matches!(event, Event::DbUpdated(_) | Event::RolledBack(_));
    events(&stage.verified()).into_iter().map(|(_, record)| record.event).rfind(is_row).unwrap()
}

fn forward(kind: Kind) {
    let (stage, before) = world(kind);
    let (how, attempts) = refused();
    match stage.migrate(&how) {
        Ok(End::Finished(Ending::Done, tally)) => assert_eq!((tally.failed, tally.done), (2, 0)),
        other => panic!("{other:?}"),
    }
    assert!(attempts.load(Ordering::SeqCst) > 1, "it is tried again");
    told(&stage, 2, StepName::UpdateRow);
    let updated = stage.rows();
    assert_ne!(updated, before, "the update was made");
    assert!(is_done(&stage.retry(&How::default())));
    let Event::DbUpdated(e) = last(&stage) else { panic!("no row is told of") };
    assert_eq!((e.found_done, e.edits.len(), e.array_before), (true, 2, before[&1].clone()));
    assert_eq!(stage.rows(), updated, "it is not updated again");
    assert!(is_done(&stage.rollback(&How::default())));
    assert_eq!(stage.rows(), before);
}

fn back(kind: Kind) {
    let (stage, before) = world(kind);
    assert!(is_done(&stage.migrate(&How::default())));
    let (how, attempts) = refused();
    match stage.rollback(&how) {
        Ok(End::Finished(Ending::Done, tally)) => assert_eq!(tally.venues_failed, 1),
        other => panic!("{other:?}"),
    }
    assert!(attempts.load(Ordering::SeqCst) > 1, "it is tried again");
    told(&stage, 1, StepName::RestoreRow);
    assert_eq!(stage.rows(), before, "the update was made");
    assert!(is_done(&stage.retry(&How::default())));
    let Event::RolledBack(e) = last(&stage) else { panic!("no row is told of") };
    assert_eq!((e.found_done, e.held.len(), e.left.len()), (true, 2, 0));
    assert_eq!(stage.rows(), before);
}

#[test]
fn e7_a_row_updated_without_an_answer_and_refused_since_is_told_and_found_done_on_sqlite() {
    forward(Kind::Sqlite);
}

#[test]
fn e7_a_row_updated_without_an_answer_and_refused_since_is_told_and_found_done_on_postgres() {
    forward(Kind::Postgres);
}

#[test]
fn e7_a_row_restored_without_an_answer_and_refused_since_is_told_and_found_done_on_sqlite() {
    back(Kind::Sqlite);
}

#[test]
fn e7_a_row_restored_without_an_answer_and_refused_since_is_told_and_found_done_on_postgres() {
    back(Kind::Postgres);
}
