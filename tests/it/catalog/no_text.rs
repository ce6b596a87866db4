//! What a column of texts may hold in SQLite: numbers, bytes, and bytes that are no text. One such row keeps no other from
//! being read.

use ledger::ids::VenueId;
use ledger::images::Array;
use longshore::outside::catalog::{Place, Rewrite, Row};

use super::World;

/// Columns of all sorts, in the tables that the catalog reads.
const ODD: &str = "
INSERT INTO countries (id, name, code, slug) VALUES (3, X'50FF', 'XX', 3), (4, NULL, NULL, NULL);
INSERT INTO cities (id, name, slug, country_id) VALUES (30, X'C3', 1.5, 3), (31, 'Nowhere', 'nowhere', 'none');
INSERT INTO venues (id, slug, name, city_id, venue_images) VALUES
 (20, X'61FF62', 7, 30, CAST(X'5B22FF225D' AS TEXT)),
 (21, 8.5, X'', 'none', CAST(X'5B5DE282' AS TEXT)),
 (22, 'b', 'B', 30, X'5B375D'),
 (23, 'c', 'C', 30, 7);";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e1_a_row_that_holds_no_text_keeps_no_other_from_being_read() {
    let world = World::sqlite().await;
    world.run(ODD).await;
    let catalog = &world.catalog;
    let pages = [
        catalog.venues(Place::Everywhere, None, 100).await.unwrap(),
        catalog.rows(Place::Everywhere, None, 100).await.unwrap(),
        catalog.by_ids(&[1, 20, 21, 22, 23].map(VenueId)).await.unwrap(),
    ];
    for page in pages {
        assert!(page.iter().any(|venue| venue.id == VenueId(1)), "the others are there");
        let odd: Vec<_> = page.into_iter().filter(|venue| venue.id >= VenueId(20)).collect();
        let texts =
            |n: usize| (odd[n].slug.as_deref().unwrap(), odd[n].name.as_deref().unwrap(), odd[n].city);
        assert_eq!(texts(0), ("a\u{fffd}b", "7", Some(30)));
        assert_eq!(texts(1), ("8.5", "", None));
        for unreadable in &odd[..2] {
            let text = unreadable.images.as_deref().expect("it is not NULL");
            assert!(Array::parse(text).is_err(), "{text}");
        }
        assert_eq!((odd[2].images.as_deref(), odd[3].images.as_deref()), (Some("[7]"), Some("7")));
    }
    assert!(catalog.countries().await.unwrap().iter().any(|country| country.name == "P\u{fffd}"));
    let cities = catalog.cities().await.unwrap();
    assert!(cities.iter().any(|city| city.slug == "1.5") && cities.iter().all(|city| city.id != 31));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_bytes_that_are_no_text_are_shown_as_no_json_and_left() {
    let world = World::sqlite().await;
    world.run(ODD).await;
    let held = "SELECT hex(venue_images) || coalesce(updated_at, '') FROM venues WHERE id = 20";
    let before = world.ask(held).await;
    let shown = world.catalog.images(VenueId(20)).await.unwrap().unwrap().unwrap();
    let leave = |text: Option<&str>| match text.map(Array::parse) {
        Some(Ok(_)) => Rewrite::Write(Some("[]".to_owned())),
        _ => Rewrite::Leave,
    };
    assert_eq!(world.catalog.rewrite(VenueId(20), &leave).await.unwrap(), Row::Left(Some(shown)));
    assert_eq!(world.ask(held).await, before);
    let written = world.catalog.rewrite(VenueId(22), &leave).await.unwrap();
    assert_eq!(written, Row::Written { before: Some("[7]".into()), after: Some("[]".into()) });
}
