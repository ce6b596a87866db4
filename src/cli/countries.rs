//! `countries`: the distribution of what is still to be migrated (requirement C2).

use std::collections::{BTreeMap, HashSet};

use ledger::images::NotAnArray;
use ledger::state::State;
use serde::Serialize;

use super::Context;
use super::out::OutArgs;
use crate::error::{Exit, Failure};
use crate::limits::CATALOG_PAGE_VENUES;
use crate::outside::catalog::{Catalog, Place, Venue};
use crate::runner::{Geography, movable};
use crate::show::{self, Cell, Column, Grid, Sheet};

/// A line of the table.
#[derive(Debug, Default, Serialize)]
struct Line {
    country: Option<String>,
    code: Option<String>,
    venues: u64,
    images: u64,
    cities: u64,
}

#[derive(Debug, Default, Serialize)]
struct Total {
    venues: u64,
    images: u64,
    cities: u64,
}

#[derive(Debug, Serialize)]
struct Answer {
    countries: Vec<Line>,
    total: Total,
}

pub fn run(context: &Context<'_>, args: &OutArgs) -> Result<Exit, Failure> {
    let out = args.out(context)?;
    let catalog = context.open_catalog()?;
    let answer = context.runtime.block_on(async {
        let geography = Geography::read(&*catalog).await?;
        distribution(&*catalog, &geography).await
    })?;
    show::say(&out, || sheet(&answer), &answer)?;
    Ok(Exit::Done)
}

fn sheet(answer: &Answer) -> Sheet {
    let numbers = ["Venues", "Images", "Cities"].map(Column::number);
    let mut grid = Grid::new([&[Column::text("Country"), Column::text("Code")], &numbers[..]].concat());
    for line in &answer.countries {
        let country = line.country.as_deref().unwrap_or("(no country)");
        let code = line.code.as_deref();
        grid.row([country.into(), code.into(), line.venues.into(), line.images.into(), line.cities.into()]);
    }
    let Total { venues, images, cities } = answer.total;
    grid.total(["Total".into(), Cell::Empty, venues.into(), images.into(), cities.into()]);
    let mut sheet = Sheet::new("What is still to be migrated");
    sheet.table(grid);
    sheet
}

async fn distribution(catalog: &dyn Catalog, geography: &Geography) -> Result<Answer, Failure> {
    let mut lines: BTreeMap<Option<String>, (Line, HashSet<i64>)> = BTreeMap::new();
    for_each_movable(catalog, None, Place::Everywhere, |venue, images| {
        let (city, country) = geography.of(venue);
        let (line, cities) = lines.entry(country.map(|country| country.code.clone())).or_default();
        line.country = country.map(|country| country.name.clone());
        line.code = country.map(|country| country.code.clone());
        line.venues += 1;
        line.images += images;
        cities.extend(city.map(|city| city.id));
    })
    .await?;
    let lines = lines.into_values().map(|(line, cities)| Line { cities: cities.len() as u64, ..line });
    let mut countries: Vec<Line> = lines.collect();
    countries.sort_by(|one, other| (other.venues, &one.country).cmp(&(one.venues, &other.country)));
    let sum = |of: fn(&Line) -> u64| countries.iter().map(of).sum();
    let total = Total { venues: sum(|l| l.venues), images: sum(|l| l.images), cities: sum(|l| l.cities) };
    Ok(Answer { countries, total })
}

/// Visits every venue of a place that has something to migrate, with how many images; with a ledger's state, without
/// what a person has closed there.
pub async fn for_each_movable(
    catalog: &dyn Catalog,
    state: Option<&State>,
    place: Place,
    mut each: impl FnMut(&Venue, u64),
) -> Result<(), Failure> {
    for_each_venue(catalog, state, place, |venue, movable| {
        if let Ok(images @ 1..) = movable {
            each(venue, images);
        }
    })
    .await
}

/// Visits every venue of a place that may have something to migrate, with how many images it has.
pub async fn for_each_venue(
    catalog: &dyn Catalog,
    state: Option<&State>,
    place: Place,
    mut each: impl FnMut(&Venue, Result<u64, NotAnArray>),
) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = catalog.venues(place, after, CATALOG_PAGE_VENUES).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for venue in &page {
            each(venue, movable(state, place, venue).map(|entries| entries.len() as u64));
        }
    }
}
