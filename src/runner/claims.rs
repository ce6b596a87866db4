//! The countries a run has claimed (one writer a country of one database).

use std::collections::HashMap;
use std::sync::Arc;

use super::RunError;
use crate::outside::catalog::{Catalog, Claim, ClaimRefused};

/// Claims by ISO code; given back when dropped.
#[derive(Default)]
pub struct Claims(HashMap<Option<String>, Arc<dyn Claim>>);

impl Claims {
    /// Claims these countries too.
    ///
    /// # Errors
    /// When another holds one, or the database cannot be asked.
    pub async fn take(
        &mut self,
        catalog: &dyn Catalog,
        countries: impl IntoIterator<Item = Option<String>>,
        holder: &str,
    ) -> Result<(), RunError> {
        for country in countries {
            if self.0.contains_key(&country) {
                continue;
            }
            let claim = catalog.claim(country.as_deref(), holder).await;
            let claim = claim.map_err(|refused| refused_by(country.as_deref(), refused))?;
            self.0.insert(country, Arc::from(claim));
        }
        Ok(())
    }

    /// Sees that the claim on a country is still held, and takes it again if it was lost.
    ///
    /// # Errors
    /// As [`Claims::take`].
    pub async fn check(&self, country: Option<&str>) -> Result<(), RunError> {
        match self.of(country) {
            Some(claim) => claim.check().await.map_err(|refused| refused_by(country, refused)),
            None => Ok(()),
        }
    }

    /// The claim a venue of this country is updated under.
    pub fn of(&self, country: Option<&str>) -> Option<Arc<dyn Claim>> {
        self.0.get(&country.map(str::to_owned)).cloned()
    }
}

fn refused_by(country: Option<&str>, refused: ClaimRefused) -> RunError {
    match refused {
        ClaimRefused::Held(holder) => {
            let country = country.unwrap_or("the venues without a country").to_owned();
            RunError::Held { country, holder }
        }
        ClaimRefused::Trouble(trouble) => RunError::Outside(trouble),
    }
}
