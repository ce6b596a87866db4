//! What every catalog does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use ledger::ids::VenueId;
use ledger::trouble::TroubleKind;
use longshore::outside::catalog::{Catalog, City, Country, Place, Rewrite, Row};

use super::{World, holds_everywhere, put};

holds_everywhere!(contract:
    d1_countries_come_by_name_and_cities_by_id,
    d1_a_place_names_its_venues,
    d1_a_venue_asked_for_comes_whatever_it_holds,
    d1_pages_follow_each_other_without_gap_or_overlap,
    d1_all_rows_but_null_are_read_whatever_they_hold,
    d1_pages_of_all_rows_follow_each_other_without_gap_or_overlap,
    d1_venues_are_read_by_their_ids_whatever_they_hold,
    d1_images_are_told_apart_from_null_and_from_no_venue,
    d3_odd_values_survive_a_rewrite_exactly,
    e1_what_is_not_json_is_refused_and_nothing_changes,
    s6_an_unknown_venue_is_missing,
    s6_rewrites_at_the_same_time_lose_nothing,
    s6_a_panicking_rewrite_writes_nothing_and_harms_nobody,
    s6_null_and_a_text_replace_each_other,
    s6_a_row_that_is_left_keeps_its_text,
    s6_the_text_is_read_inside_the_lock,
);

mod with_sql {
    use super::{
        d1_a_venue_may_have_no_names, d1_countries_and_cities_come_whole, d3_null_is_written_as_null,
        d7_identity_names_the_database_and_no_secret, s6_a_rewrite_changes_one_row_and_says_what_was,
        s6_a_row_that_is_left_stays_as_it_is,
    };
    crate::catalog::holds_on_databases!(contract:
        d1_countries_and_cities_come_whole,
        d3_null_is_written_as_null,
        d7_identity_names_the_database_and_no_secret,
        s6_a_rewrite_changes_one_row_and_says_what_was,
        d1_a_venue_may_have_no_names,
        s6_a_row_that_is_left_stays_as_it_is,
    );
}

async fn d1_countries_and_cities_come_whole(world: World) {
    let country = |id, name: &str, code: &str, slug: &str| Country {
        id,
        name: name.into(),
        code: code.into(),
        slug: slug.into(),
    };
    let poland = country(2, "Poland", "PL", "poland");
    let kingdom = country(1, "United Kingdom", "GB", "united-kingdom");
    assert_eq!(world.catalog.countries().await.unwrap(), [poland, kingdom]);
    let city =
        |id, name: &str, slug: &str, country| City { id, name: name.into(), slug: slug.into(), country };
    assert_eq!(
        world.catalog.cities().await.unwrap(),
        [city(10, "London", "london", 1), city(11, "Boston", "boston", 1), city(20, "Boston", "boston", 2)]
    );
}

async fn ids(world: &World, place: Place) -> Vec<i64> {
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        // A page may hold fewer than were asked for, and only an empty one is the last.
        let page = world.catalog.venues(place, after, 100).await.unwrap();
        let Some(last) = page.last() else { return seen };
        after = Some(last.id);
        seen.extend(page.iter().map(|venue| venue.id.0));
    }
}

async fn d1_a_place_names_its_venues(world: World) {
    assert_eq!(ids(&world, Place::Everywhere).await, [1, 2, 3, 6, 7, 8, 9]);
    assert_eq!(ids(&world, Place::Country(1)).await, [1, 2, 7, 8, 9]);
    assert_eq!(ids(&world, Place::Country(2)).await, [3]);
    assert_eq!(ids(&world, Place::City(11)).await, [2]);
    assert_eq!(ids(&world, Place::City(99)).await, [0; 0]);
    let six = world.catalog.venues(Place::Venue(VenueId(6)), None, 100).await.unwrap().remove(0);
    assert_eq!((six.slug.as_deref(), six.city), (Some("six"), None));
    assert_eq!(six.images, world.catalog.images(VenueId(6)).await.unwrap().unwrap());
}

async fn d1_a_venue_may_have_no_names(world: World) {
    let two = world.catalog.venues(Place::City(11), None, 100).await.unwrap().remove(0);
    assert_eq!((two.slug, two.name, two.city), (None, None, Some(11)));
    let six = world.catalog.venues(Place::Venue(VenueId(6)), None, 100).await.unwrap().remove(0);
    assert_eq!((six.slug.as_deref(), six.name.as_deref()), (Some("six"), Some("Six")));
}

async fn d1_countries_come_by_name_and_cities_by_id(world: World) {
    let countries = world.catalog.countries().await.unwrap();
    assert!(
        countries.len() > 1 && countries.is_sorted_by(|one, other| one.name < other.name),
        "{countries:?}"
    );
    let cities = world.catalog.cities().await.unwrap();
    assert_eq!(
        cities.iter().map(|city| (city.id, city.country)).collect::<Vec<_>>(),
        [(10, 1), (11, 1), (20, 2)]
    );
}

async fn d1_a_venue_asked_for_comes_whatever_it_holds(world: World) {
    for id in 1..=9 {
        assert_eq!(ids(&world, Place::Venue(VenueId(id))).await, [id]);
    }
    assert_eq!(ids(&world, Place::Venue(VenueId(99))).await, [0; 0]);
}

async fn d1_pages_follow_each_other_without_gap_or_overlap(world: World) {
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = world.catalog.venues(Place::Everywhere, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|venue| venue.id.0));
    }
    assert_eq!(seen, [1, 2, 3, 6, 7, 8, 9]);
}

async fn rows(world: &World, place: Place) -> Vec<i64> {
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = world.catalog.rows(place, after, 100).await.unwrap();
        let Some(last) = page.last() else { return seen };
        after = Some(last.id);
        seen.extend(page.iter().map(|venue| venue.id.0));
    }
}

async fn d1_all_rows_but_null_are_read_whatever_they_hold(world: World) {
    assert_eq!(rows(&world, Place::Everywhere).await, [1, 2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(rows(&world, Place::Country(1)).await, [1, 2, 7, 8, 9]);
    assert_eq!(rows(&world, Place::Country(2)).await, [3, 5]);
    assert_eq!(rows(&world, Place::City(20)).await, [3, 5]);
    assert_eq!(rows(&world, Place::Venue(VenueId(5))).await, [5]);
    for nothing in [Place::Venue(VenueId(4)), Place::Venue(VenueId(99)), Place::City(99)] {
        assert_eq!(rows(&world, nothing).await, [0; 0]);
    }
    world.write(4, r#"[{"source": "google"}, 7]"#).await;
    let four = world.catalog.rows(Place::Venue(VenueId(4)), None, 100).await.unwrap().remove(0);
    assert_eq!((four.slug.as_deref(), four.city), (Some("four"), Some(20)));
    assert_eq!(four.images.as_deref(), Some(r#"[{"source": "google"}, 7]"#));
}

async fn d1_pages_of_all_rows_follow_each_other_without_gap_or_overlap(world: World) {
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = world.catalog.rows(Place::Everywhere, after, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|venue| venue.id.0));
    }
    assert_eq!(seen, [1, 2, 3, 5, 6, 7, 8, 9]);
}

async fn d1_venues_are_read_by_their_ids_whatever_they_hold(world: World) {
    let by_ids = async |ids: &[i64]| {
        let ids: Vec<_> = ids.iter().copied().map(VenueId).collect();
        world.catalog.by_ids(&ids).await.unwrap()
    };
    let venues = by_ids(&[9, 4, i64::MIN, 2, 99, 4, 7, i64::MAX]).await;
    assert_eq!(venues.iter().map(|venue| venue.id.0).collect::<Vec<_>>(), [2, 4, 7, 9]);
    for venue in &venues {
        let asked_for = world.catalog.venues(Place::Venue(venue.id), None, 1).await.unwrap().remove(0);
        assert_eq!(*venue, asked_for);
    }
    assert_eq!(venues[1].images, None);
    assert!(by_ids(&[]).await.is_empty());
    let many: Vec<i64> = (1..=100_000).collect();
    assert_eq!(by_ids(&many).await.len(), 9);
}

async fn d1_images_are_told_apart_from_null_and_from_no_venue(world: World) {
    let images = async |id| world.catalog.images(VenueId(id)).await.unwrap();
    assert_eq!(images(4).await, Some(None));
    assert_eq!(images(5).await, Some(Some("[]".into())));
    assert_eq!(images(7).await, Some(Some("null".into())));
    assert_eq!(images(8).await, Some(Some("\"text\"".into())));
    assert_eq!(images(99).await, None);
}

async fn d3_odd_values_survive_a_rewrite_exactly(world: World) {
    let depth = 3_000;
    let numbers =
        r#"[{"n": 1234567890123456789012345678901234567890, "x": 0.1000000000000000055, "z": 1.00}]"#;
    let texts = [
        numbers.to_owned(),
        format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
        r#"[{"k": "\\ \" \n ż 🦀 \u0001 /"}]"#.to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "7".to_owned(),
    ];
    for text in &texts {
        let row = world.catalog.rewrite(VenueId(1), &put(Some(text))).await.unwrap();
        assert!(matches!(&row, Row::Written { after: Some(after), .. } if after == text), "{row:?}");
        assert_eq!(world.catalog.images(VenueId(1)).await.unwrap(), Some(Some(text.clone())));
        let left = world.catalog.rewrite(VenueId(1), &|_| Rewrite::Leave).await.unwrap();
        assert_eq!(left, Row::Left(Some(text.clone())));
    }
}

async fn d3_null_is_written_as_null(world: World) {
    let row = world.catalog.rewrite(VenueId(5), &put(None)).await.unwrap();
    assert_eq!(row, Row::Written { before: Some("[]".into()), after: None });
    let null = world.ask("SELECT CASE WHEN venue_images IS NULL THEN 'NULL' END FROM venues WHERE id = 5");
    assert_eq!(null.await.as_deref(), Some("NULL"));
    let row = world.catalog.rewrite(VenueId(5), &put(Some("[]"))).await.unwrap();
    assert_eq!(row, Row::Written { before: None, after: Some("[]".into()) });
}

async fn d7_identity_names_the_database_and_no_secret(world: World) {
    let identity = world.catalog.identity().await.unwrap();
    if world.is_sqlite() {
        assert_eq!((identity.kind, identity.system, identity.host), ("sqlite", None, None));
        assert_eq!(format!("sqlite:{}", identity.database), world.url);
    } else {
        assert_eq!((identity.kind, &identity.database), ("postgres", &world.database().name));
        let url = url::Url::parse(&world.url).unwrap();
        assert_eq!(identity.host, Some(format!("127.0.0.1:{}", url.port().unwrap())));
        let system = world.ask("SELECT system_identifier::text FROM pg_control_system()").await;
        assert_eq!(identity.system, system);
    }
}

async fn e1_what_is_not_json_is_refused_and_nothing_changes(world: World) {
    let before = world.catalog.images(VenueId(1)).await.unwrap();
    for text in ["[", "", "[1,]", "{\"a\" 1}", "[] []"] {
        let trouble = world.catalog.rewrite(VenueId(1), &put(Some(text))).await.unwrap_err();
        assert_eq!((trouble.kind, trouble.outage), (TroubleKind::CatalogError, false), "{text}: {trouble}");
        assert!(!trouble.message.contains(char::is_control));
    }
    assert_eq!(world.catalog.images(VenueId(1)).await.unwrap(), before);
}

async fn s6_a_rewrite_changes_one_row_and_says_what_was(world: World) {
    let others = "SELECT string_agg(id || coalesce(slug, '-') || coalesce(CAST(venue_images AS text), '-') || \
         CAST(updated_at AS text), '|') FROM venues WHERE id <> 1";
    let (before, others_before) =
        (world.catalog.images(VenueId(1)).await.unwrap().unwrap(), world.ask(others).await);
    let row = world.catalog.rewrite(VenueId(1), &put(Some(r#"[{"url": "new"}]"#))).await.unwrap();
    let after = Some(r#"[{"url": "new"}]"#.to_owned());
    assert_eq!(row, Row::Written { before, after });
    assert_eq!(world.ask(others).await, others_before);
    assert_eq!(
        world.ask("SELECT slug || name || city_id FROM venues WHERE id = 1").await.unwrap(),
        "oneOne10"
    );
    let updated = world.ask("SELECT CAST(updated_at AS text) FROM venues WHERE id = 1").await.unwrap();
    let utc = if world.is_sqlite() {
        "SELECT strftime('%Y-%m-%dT%H', 'now')"
    } else {
        "SELECT to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD HH24')"
    };
    // Within the hour: a time zone's offset would show, a slow machine does not.
    let hour = |text: &str| text[11..13].parse::<i32>().unwrap();
    let now = world.ask(utc).await.unwrap();
    assert!([0, 1].contains(&(hour(&now) - hour(&updated)).rem_euclid(24)), "{updated} is not about {now}");
    assert_eq!(updated.trim_end_matches('Z').len(), "2026-01-01T00:00:00".len(), "{updated}: whole seconds");
    assert_eq!(world.is_sqlite(), updated.ends_with('Z'));
}

async fn s6_a_row_that_is_left_stays_as_it_is(world: World) {
    let whole = "SELECT CAST(venue_images AS text) || CAST(updated_at AS text) FROM venues WHERE id = 1";
    let before = world.ask(whole).await;
    let row = world.catalog.rewrite(VenueId(1), &|_| Rewrite::Leave).await.unwrap();
    assert_eq!(row, Row::Left(world.catalog.images(VenueId(1)).await.unwrap().unwrap()));
    assert_eq!(world.ask(whole).await, before);
}

async fn s6_an_unknown_venue_is_missing(world: World) {
    let called = AtomicU32::new(0);
    let count = |_: Option<&str>| {
        called.fetch_add(1, Ordering::Relaxed);
        Rewrite::Leave
    };
    assert_eq!(world.catalog.rewrite(VenueId(99), &count).await.unwrap(), Row::Missing);
    assert_eq!(called.load(Ordering::Relaxed), 0);
}

async fn s6_rewrites_at_the_same_time_lose_nothing(world: World) {
    for venue in [1, 2] {
        world.write(venue, "[0]").await;
    }
    let append = |n: i64| {
        let catalog = &world.catalog;
        async move {
            let add = move |text: Option<&str>| {
                Rewrite::Write(text.map(|text| format!("{}, {n}]", text.trim_end_matches(']'))))
            };
            // Both orders, so that locks held over two rows would meet.
            for venue in [1 + n % 2, 2 - n % 2] {
                assert!(matches!(catalog.rewrite(VenueId(venue), &add).await, Ok(Row::Written { .. })));
            }
        }
    };
    join_all((1..=20).map(append)).await;
    for venue in [1, 2] {
        let text = world.catalog.images(VenueId(venue)).await.unwrap().flatten().unwrap();
        let mut numbers: Vec<i64> = serde_json::from_str(&text).unwrap();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..=20).collect::<Vec<_>>());
    }
}

async fn s6_a_panicking_rewrite_writes_nothing_and_harms_nobody(world: World) {
    let world = Arc::new(world);
    let before = world.catalog.images(VenueId(1)).await.unwrap();
    for _ in 0..10 {
        let world = Arc::clone(&world);
        let panicking = tokio::spawn(async move {
            let _ = world.catalog.rewrite(VenueId(1), &|_| panic!("a bug in an edit")).await;
        });
        assert!(panicking.await.unwrap_err().is_panic());
    }
    assert_eq!(world.catalog.images(VenueId(1)).await.unwrap(), before);
    assert!(matches!(world.catalog.rewrite(VenueId(1), &put(Some("[]"))).await, Ok(Row::Written { .. })));
}

async fn s6_null_and_a_text_replace_each_other(world: World) {
    let row = world.catalog.rewrite(VenueId(5), &put(None)).await.unwrap();
    assert_eq!(row, Row::Written { before: Some("[]".into()), after: None });
    assert_eq!(world.catalog.images(VenueId(5)).await.unwrap(), Some(None));
    let row = world.catalog.rewrite(VenueId(5), &put(Some("[]"))).await.unwrap();
    assert_eq!(row, Row::Written { before: None, after: Some("[]".into()) });
}

async fn s6_a_row_that_is_left_keeps_its_text(world: World) {
    let before = world.catalog.images(VenueId(1)).await.unwrap().unwrap();
    let row = world.catalog.rewrite(VenueId(1), &|_| Rewrite::Leave).await.unwrap();
    assert_eq!(row, Row::Left(before.clone()));
    assert_eq!(world.catalog.images(VenueId(1)).await.unwrap(), Some(before));
}

async fn s6_the_text_is_read_inside_the_lock(world: World) {
    let others = join_all((0..8).map(|_| world.another())).await;
    world.write(1, "[0]").await;
    // Each of some processes counts on from what it is shown: a text read before the lock would lose steps. They are so many
    // that some want the row while another has it.
    async fn count(catalog: &dyn Catalog) {
        let next = |text: Option<&str>| {
            let number: u32 = text.unwrap().trim_matches(['[', ']']).parse().unwrap();
            Rewrite::Write(Some(format!("[{}]", number + 1)))
        };
        for _ in 0..5 {
            assert!(matches!(catalog.rewrite(VenueId(1), &next).await, Ok(Row::Written { .. })));
        }
    }
    join_all(others.iter().map(|other| count(&**other))).await;
    assert_eq!(world.catalog.images(VenueId(1)).await.unwrap(), Some(Some("[40]".into())));
}
