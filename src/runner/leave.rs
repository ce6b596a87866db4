//! What a person leaves: an update of its row may have been made of which no event tells. The row is put back before the
//! image is told as left, so that what is left is as it was, and dying between the two costs no more than doing it again.

use std::collections::BTreeMap;

use ledger::decide::{self, RowLeft};
use ledger::ids::ImageId;
use ledger::ledger::Ledger;
use ledger::order::leave;
use ledger::plan::{self, Step};
use ledger::trouble::TroubleKind;

use super::perform::write_row;
use super::retry::{Halt, Retry};
use super::{Claims, Moment, Probe, RunError};
use crate::outside::Trouble;
use crate::outside::catalog::Catalog;

/// With what rows are put back.
pub struct Leaving<'a> {
    /// The database.
    pub catalog: &'a dyn Catalog,
    /// How things are tried.
    pub retry: &'a Retry,
    /// What others are told who find a country claimed.
    pub holder: &'a str,
    /// Called at each moment, so that a test can end the process there; `None` otherwise.
    pub probe: Option<Probe>,
}

/// Puts the rows of images back that are about to be left, where they hold what no event tells of: what each
/// row held. To be called under the ledger's lock, and each row is written under the claim on its country.
///
/// # Errors
/// When another works on one of these countries, the database cannot be asked, or the ledger cannot be read. Rows that were put
/// back until then are as they were before, and their images wait as they did.
pub async fn put_back(
    ledger: &Ledger,
    images: &[ImageId],
    with: Leaving<'_>,
) -> Result<BTreeMap<ImageId, RowLeft>, RunError> {
    let state = ledger.state();
    let country = |image: &ImageId| {
        let plan = state.plan(image.planned).expect("what is left was planned");
        state.place(plan).country.as_ref().map(|country| country.code.clone())
    };
    let plans = plan::untold(state, images);
    let mut claims = Claims::default();
    claims.take(with.catalog, plans.iter().map(|of| country(&of[0])), with.holder).await?;
    let dies = |moment| match &with.probe {
        Some(probe) if probe(moment) => Err(RunError::Died),
        _ => Ok(()),
    };
    let mut told = BTreeMap::new();
    for of in &plans {
        let order = leave(state, ledger.store(), of)?;
        let claim = claims.of(country(&of[0]).as_deref()).expect("it was just taken");
        let step = Step::RestoreRow(order.planned);
        dies(Moment::BeforeEffect(step))?;
        let row = write_row(with.catalog, with.retry, &order, &*claim).await.map_err(|halt| match halt {
            Halt::Trouble(trouble, _) => RunError::Outside(trouble),
            Halt::GivenUp | Halt::Deferred => {
                RunError::Outside(Trouble::new(TroubleKind::CatalogError, "it was stopped before that"))
            }
        })?;
        dies(Moment::AfterEffect(step))?;
        told.extend(decide::left(&order, row));
    }
    Ok(told)
}
