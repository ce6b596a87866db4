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
            let claim = catalog.claim(country.as_deref(), holder).await.map_err(|refused| match refused {
                ClaimRefused::Held(holder) => {
                    let country =
                        country.clone().unwrap_or_else(|| "the venues without a country".to_owned());
                    RunError::Held { country, holder }
                }
                ClaimRefused::Trouble(trouble) => RunError::Outside(trouble),
            })?;
            self.0.insert(country, Arc::from(claim));
        }
        Ok(())
    }

    /// The claim a venue of this country is updated under.
    pub fn of(&self, country: Option<&str>) -> Option<Arc<dyn Claim>> {
        self.0.get(&country.map(str::to_owned)).cloned()
    }
}
