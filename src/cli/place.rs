//! Scopes: finding the place a person names, in the database or in the ledger.

use clap::Args;
use deunicode::deunicode;
use ledger::event::{self, Scope};
use ledger::ids::VenueId;
use ledger::state::State;

use crate::error::Failure;
use crate::outside::catalog::{Catalog, City, Country, Place};
use crate::runner::Geography;

/// Where.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// A country: its name, ISO code or slug.
    #[arg(long, value_name = "NAME")]
    pub country: Option<String>,
    /// A city: its name or slug; `--country` narrows it.
    #[arg(long, value_name = "NAME")]
    pub city: Option<String>,
    /// One venue, by its id.
    #[arg(long, value_name = "ID", conflicts_with_all = ["country", "city"])]
    pub venue_id: Option<i64>,
}

/// A place that was found.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// As the ledger writes it.
    pub scope: Scope,
    /// As the catalog asks for it.
    pub place: Place,
    /// As people call it.
    pub name: String,
}

/// How a scope is called.
pub fn name_of(scope: &Scope) -> String {
    match scope {
        Scope::Country(country) => country.name.clone(),
        Scope::City { city, .. } => city.name.clone(),
        Scope::Venue { venue, .. } => format!("venue {venue}"),
        Scope::Run(run) => format!("run {run}"),
        Scope::Everywhere => "everywhere".to_owned(),
    }
}

impl PlaceArgs {
    /// Whether nothing was named.
    pub fn is_empty(&self) -> bool {
        self.country.is_none() && self.city.is_none() && self.venue_id.is_none()
    }

    /// Finds the place in the database. `None` when nothing was named.
    ///
    /// # Errors
    /// When it is unknown or fits several.
    pub async fn in_catalog(
        &self,
        catalog: &dyn Catalog,
        geography: &Geography,
    ) -> Result<Option<Chosen>, Failure> {
        if let Some(id) = self.venue_id {
            let page = catalog.venues(Place::Venue(VenueId(id)), None, 1).await?;
            let venue = page.first().ok_or_else(|| Failure::usage(format!("there is no venue {id}")))?;
            let (_, country) = geography.of(venue);
            let scope = Scope::Venue { venue: venue.id, country: country.map(Country::written) };
            return Ok(Some(Chosen { name: name_of(&scope), scope, place: Place::Venue(venue.id) }));
        }
        let country = self.country.as_deref().map(|name| find_country(geography, name)).transpose()?;
        let Some(city) = &self.city else {
            return Ok(country.map(|country| Chosen {
                scope: Scope::Country(country.written()),
                place: Place::Country(country.id),
                name: country.name.clone(),
            }));
        };
        let city = find_city(geography, city, country)?;
        let scope =
            Scope::City { city: city.written(), country: geography.country_of(city).map(Country::written) };
        Ok(Some(Chosen { name: city.name.clone(), scope, place: Place::City(city.id) }))
    }

    /// Finds the place in the ledger, as it was when planned. `None` when nothing was named.
    ///
    /// # Errors
    /// When the ledger knows none of that name, or several.
    pub fn in_ledger(&self, state: &State) -> Result<Option<Scope>, Failure> {
        if let Some(id) = self.venue_id.map(VenueId) {
            let plans =
                state.venue(id).ok_or_else(|| Failure::usage(format!("the ledger knows no venue {id}")))?;
            let plan = plans.last().and_then(|planned| state.plan(planned));
            let country = plan.and_then(|plan| state.place(plan).country.clone());
            return Ok(Some(Scope::Venue { venue: id, country }));
        }
        // A run that was cut off before it planned a venue holds its place all the same.
        let asked = state.runs().filter_map(|(_, run)| match run.started.scope.clone() {
            Scope::Country(country) => Some(ledger::state::Place { city: None, country: Some(country) }),
            Scope::City { city, country } => Some(ledger::state::Place { city: Some(city), country }),
            Scope::Venue { .. } | Scope::Run(_) | Scope::Everywhere => None,
        });
        let planned = state.plans().map(|(_, plan)| state.place(plan).clone());
        let mut places: Vec<_> = planned.chain(asked).collect();
        places.sort();
        // A place is one by country code and city id, whatever it was called when; the latest words stay.
        let id = |place: &ledger::state::Place| {
            (place.country.as_ref().map(|c| c.code.clone()), place.city.as_ref().map(|c| c.id))
        };
        let mut countries: Vec<_> = places.iter().filter_map(|place| place.country.clone()).collect();
        places.dedup_by(|one, other| id(one) == id(other));
        countries.dedup();
        let country = match &self.country {
            None => None,
            Some(name) => {
                let slug = |country: &event::Country| country.slug.clone().unwrap_or_default();
                let fits =
                    |country: &&event::Country| fits(name, &[&country.name, &country.code, &slug(country)]);
                let names = || countries.iter().map(|country| country.name.clone()).collect();
                Some(countries.iter().find(fits).ok_or_else(|| unknown("country", name, names()))?)
            }
        };
        let Some(wanted) = &self.city else { return Ok(country.cloned().map(Scope::Country)) };
        let is_near = |place: &&ledger::state::Place| country.is_none() || place.country.as_ref() == country;
        let near: Vec<_> = places.iter().filter(is_near).filter(|place| place.city.is_some()).collect();
        let found: Vec<_> =
            near.iter().filter(|p| p.city.as_ref().is_some_and(|city| fits(wanted, &[&city.name]))).collect();
        match found[..] {
            [place] => {
                let city = place.city.clone().expect("it was filtered to have one");
                Ok(Some(Scope::City { city, country: place.country.clone() }))
            }
            [] => {
                let names = near.iter().filter_map(|place| Some(place.city.as_ref()?.name.clone()));
                Err(unknown("city", wanted, names.collect()))
            }
            _ => {
                let name = |place: &&&ledger::state::Place| {
                    let country = place.country.as_ref().map_or("no country", |country| &country.name);
                    let id = place.city.as_ref().map_or(0, |city| city.id);
                    format!("{wanted}, {country} (city {id})")
                };
                Err(several(wanted, found.iter().map(name).collect()))
            }
        }
    }
}

fn find_country<'a>(geography: &'a Geography, name: &str) -> Result<&'a Country, Failure> {
    let all = geography.countries();
    let found = all.iter().find(|country| fits(name, &[&country.name, &country.code, &country.slug]));
    let names = || all.iter().map(|country| country.name.clone()).collect();
    found.copied().ok_or_else(|| unknown("country", name, names()))
}

fn find_city<'a>(
    geography: &'a Geography,
    name: &str,
    country: Option<&Country>,
) -> Result<&'a City, Failure> {
    let mut all = geography.cities();
    all.retain(|city| country.is_none_or(|country| city.country == country.id));
    // A slug typed exactly as it is means that city, also where another city's name differs only in case.
    let is_name = all.iter().any(|city| city.name == name);
    let by_slug: Vec<_> = all.iter().filter(|city| !is_name && city.slug == name).collect();
    let by_either = || all.iter().filter(|city| fits(name, &[&city.name, &city.slug])).collect();
    let found: Vec<_> = if by_slug.len() == 1 { by_slug } else { by_either() };
    match found[..] {
        [city] => Ok(city),
        [] => Err(unknown("city", name, all.iter().map(|city| city.name.clone()).collect())),
        _ => {
            let say = |city: &&&City| {
                let country = geography.country_of(city).map_or("no country", |country| &country.name);
                format!("{}, {country} (slug {})", city.name, city.slug)
            };
            Err(several(name, found.iter().map(say).collect()))
        }
    }
}

/// Caseless and without accents, as slugs are made from names; a slug's hyphens and a name's spaces are one.
fn fits(wanted: &str, names: &[&str]) -> bool {
    let plain = |text: &str| deunicode(text.trim()).to_lowercase().replace('-', " ");
    names.iter().any(|name| plain(name) == plain(wanted))
}

fn unknown(what: &str, name: &str, mut known: Vec<String>) -> Failure {
    known.sort();
    known.dedup();
    let wanted = name.to_lowercase();
    let mut near: Vec<(f64, String)> = known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&wanted, &known.to_lowercase()), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    let failure = Failure::usage(format!("there is no {what} {name:?}"));
    match near.len() {
        0 => failure.hint("`longshore countries` lists what there is"),
        _ => {
            let near: Vec<_> = near.into_iter().take(3).map(|(_, known)| known).collect();
            failure.hint(format!("Did you mean {}?", near.join(", or ")))
        }
    }
}

fn several(name: &str, all: Vec<String>) -> Failure {
    let failure = Failure::usage(format!("{name:?} fits several cities"));
    let failure = all.into_iter().fold(failure, Failure::because);
    failure.hint("`--country` narrows it, and a slug typed exactly names one")
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn scopes_are_found_by_name_slug_or_code_in_any_case() {
        for (wanted, name) in [
            ("krakow", "Kraków"),
            ("ŁÓDŹ", "Łódź"),
            ("saint-etienne", "Saint-Étienne"),
            ("pl", "PL"),
            (" Koln ", "Köln"),
        ] {
            assert!(fits(wanted, &[name]), "{wanted} {name}");
        }
        assert!(!fits("Krak", &["Kraków"]));
    }
}
