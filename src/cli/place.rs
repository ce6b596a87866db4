//! Scopes: finding the place a person names, in the database or in the ledger.

use std::collections::BTreeMap;

use clap::Args;
use ledger::event::{self, Scope};
use ledger::ids::VenueId;
use ledger::state::State;

use super::named::{Named, Search};
use crate::error::Failure;
use crate::outside::catalog::{Catalog, City, Country, Place};
use crate::runner::Geography;
use crate::show;

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
    #[arg(long, allow_negative_numbers = true, value_name = "ID", conflicts_with_all = ["country", "city"])]
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

/// The flags that name a scope again.
pub fn typed(scope: &Scope) -> String {
    let quoted = |text: &str| show::quoted(text.as_ref());
    match scope {
        Scope::Country(country) => format!("--country {}", quoted(&country.code)),
        Scope::City { city, country } => {
            let country =
                country.as_ref().map_or_else(String::new, |c| format!("--country {} ", quoted(&c.code)));
            format!("{country}--city {}", quoted(city.slug.as_ref().unwrap_or(&city.name)))
        }
        Scope::Venue { venue, .. } => format!("--venue-id {venue}"),
        Scope::Run(run) => format!("--run {run}"),
        Scope::Everywhere => String::new(),
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

    /// Finds the place in the database, and reads where everything is. Something must have been named.
    ///
    /// # Errors
    /// As [`PlaceArgs::in_catalog`].
    pub async fn find(&self, catalog: &dyn Catalog) -> Result<(Geography, Chosen), Failure> {
        let geography = Geography::read(catalog).await?;
        let chosen = self.in_catalog(catalog, &geography).await?;
        Ok((geography, chosen.expect("a place was named")))
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
        let known = Known::of(state);
        let country = self.country.as_deref().map(|name| known.country(name)).transpose()?;
        match &self.city {
            None => Ok(country.cloned().map(Scope::Country)),
            Some(name) => known.city(name, country).map(Some),
        }
    }
}

/// The places of a ledger. Each is one by country code and city id, whatever it was called when: all words that it
/// ever had find it, and the latest are written.
#[derive(Default)]
struct Known<'a> {
    countries: BTreeMap<&'a str, Vec<&'a event::Country>>,
    cities: BTreeMap<i64, Vec<(&'a event::City, Option<&'a event::Country>)>>,
}

impl<'a> Known<'a> {
    fn of(state: &'a State) -> Self {
        // A run that was cut off before it planned a venue holds its place all the same.
        let asked = state.runs().filter_map(|(run, of)| match &of.started.scope {
            Scope::Country(country) => Some((run.0, None, Some(country))),
            Scope::City { city, country } => Some((run.0, Some(city), country.as_ref())),
            Scope::Venue { .. } | Scope::Run(_) | Scope::Everywhere => None,
        });
        let planned = state.plans().map(|(seq, plan)| {
            let place = state.place(plan);
            (seq, place.city.as_ref(), place.country.as_ref())
        });
        let mut places: Vec<_> = asked.chain(planned).collect();
        places.sort_by_key(|(seq, ..)| *seq);
        let mut known = Self::default();
        for (_, city, country) in places {
            if let Some(country) = country {
                renew(known.countries.entry(&country.code).or_default(), country);
            }
            if let Some(city) = city {
                renew(known.cities.entry(city.id).or_default(), (city, country));
            }
        }
        known
    }

    fn country(&self, name: &str) -> Result<&'a event::Country, Failure> {
        let named = self.countries.values().filter_map(|words| {
            let item = *words.last()?;
            let old = words.iter().rev().flat_map(|c| [Some(&c.name), Some(&c.code), c.slug.as_ref()]);
            let names = old.flatten().cloned().collect();
            Some(Named { item, names, said: format!("{} ({})", item.name, item.code) })
        });
        IN_LEDGER.find("country", name, named.collect())
    }

    fn city(&self, name: &str, within: Option<&event::Country>) -> Result<Scope, Failure> {
        let is_near = |country: &Option<&event::Country>| {
            within.is_none_or(|within| country.is_some_and(|country| country.code == within.code))
        };
        let named = self.cities.values().filter_map(|words| {
            let (city, country) = *words.iter().rfind(|(_, country)| is_near(country))?;
            let old = words.iter().rev().flat_map(|(city, _)| [Some(&city.name), city.slug.as_ref()]);
            let item = Scope::City { city: city.clone(), country: country.cloned() };
            let country = country.map_or("no country", |country| &country.name);
            let told_apart = match &city.slug {
                Some(slug) => format!("slug {slug}"),
                None => format!("city {}", city.id),
            };
            let said = format!("{}, {country} ({told_apart})", city.name);
            Some(Named { item, names: old.flatten().cloned().collect(), said })
        });
        IN_LEDGER.find("city", name, named.collect())
    }
}

/// Puts the latest words last, each once.
fn renew<T: PartialEq>(words: &mut Vec<T>, latest: T) {
    if words.last() != Some(&latest) {
        words.retain(|word| *word != latest);
        words.push(latest);
    }
}

const IN_DATABASE: Search<'_> =
    Search { none: "there is no", hint: "`longshore countries` lists what is still to be migrated" };
const IN_LEDGER: Search<'_> =
    Search { none: "the ledger knows no", hint: "`longshore status` lists the countries it knows" };

fn find_country<'a>(geography: &'a Geography, name: &str) -> Result<&'a Country, Failure> {
    let named = geography.countries().into_iter().map(|country| Named {
        item: country,
        names: vec![country.name.clone(), country.code.clone(), country.slug.clone()],
        said: format!("{} ({})", country.name, country.code),
    });
    IN_DATABASE.find("country", name, named.collect())
}

fn find_city<'a>(
    geography: &'a Geography,
    name: &str,
    country: Option<&Country>,
) -> Result<&'a City, Failure> {
    let mut all = geography.cities();
    all.retain(|city| country.is_none_or(|country| city.country == country.id));
    let named = all.into_iter().map(|city| {
        let country = geography.country_of(city).map_or("no country", |country| &country.name);
        let said = format!("{}, {country} (slug {})", city.name, city.slug);
        Named { item: city, names: vec![city.name.clone(), city.slug.clone()], said }
    });
    IN_DATABASE.find("city", name, named.collect())
}
