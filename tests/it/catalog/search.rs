//! Every text of a database, and a second look that passes by what the first has seen (requirement S7).

use std::sync::{Arc, Mutex};

use longshore::outside::catalog::search::{Search, See, Seen};

use super::{World, holds_everywhere};
use crate::support::postgres::run;

holds_everywhere!(search:
    s7_a_look_sees_every_rows_text_and_then_what_was_written_since,
    s7_tables_but_venues_can_be_left_out,
);

mod with_sql {
    use super::{
        s7_a_second_look_sees_what_was_not_there_before, s7_a_second_look_sees_what_was_written_since,
        s7_tables_that_are_left_out_are_not_seen,
    };
    crate::catalog::holds_on_databases!(search: s7_a_second_look_sees_what_was_written_since, s7_a_second_look_sees_what_was_not_there_before, s7_tables_that_are_left_out_are_not_seen);
}

/// The texts of a look, each with where it stands.
async fn look(world: &World, skip: &[&str], since: Option<Seen>) -> (Vec<String>, Seen) {
    let texts = Arc::new(Mutex::new(Vec::new()));
    let kept = texts.clone();
    let see: See = Arc::new(move |spot, text| {
        let text = String::from_utf8_lossy(text.unwrap_or(b"(too long)")).into_owned();
        kept.lock().unwrap().push(format!("{spot}: {text}"));
    });
    let skip = skip.iter().map(|name| (*name).to_owned()).collect();
    let search = Search { skip, run_min: 0, since, tolerates_hidden: false, see };
    let seen = world.catalog.search(&search).await.unwrap();
    let texts = texts.lock().unwrap().clone();
    (texts, seen)
}

fn has(texts: &[String], text: &str) -> bool {
    texts.iter().any(|seen| seen.ends_with(text))
}

async fn s7_a_look_sees_every_rows_text_and_then_what_was_written_since(world: World) {
    for venue in 1..=3 {
        world.write(venue, &format!("[\"text {venue}\"]")).await;
    }
    world.settled().await;
    let (texts, seen) = look(&world, &[], None).await;
    for venue in 1..=3 {
        assert!(
            has(&texts, &format!("venues.venue_images in the row of venue {venue}: [\"text {venue}\"]")),
            "{texts:?}"
        );
    }
    world.write(2, "[\"changed\"]").await;
    world.settled().await;
    let (texts, seen) = look(&world, &[], Some(seen)).await;
    assert!(has(&texts, "venue 2: [\"changed\"]"), "{texts:?}");
    let is_counted = !world.is_sqlite();
    assert!(!is_counted || !has(&texts, "[\"text 1\"]"), "it was seen before: {texts:?}");
    let (texts, _) = look(&world, &[], Some(seen)).await;
    assert!(!has(&texts, "[\"changed\"]") && !has(&texts, "[\"text 1\"]"), "nothing was written: {texts:?}");
}

async fn s7_tables_but_venues_can_be_left_out(world: World) {
    let tables = world.catalog.texts(&[]).await.unwrap().tables;
    let named = |is_venues| tables.iter().map(|it| &it.table).find(|it| it.ends_with("venues") == is_venues);
    let (venues, other) = (named(true).unwrap(), named(false).unwrap());
    let skip = [venues.clone(), other.clone(), "gone.since".to_owned()];
    let left = world.catalog.texts(&skip).await.unwrap();
    assert_eq!((&left.skipped, left.wrong_skips.len()), (&vec![other.clone()], 2), "{:?}", left.wrong_skips);
    assert!(left.tables.iter().any(|it| it.table == *venues), "{left:?}");
    assert!(!left.tables.iter().any(|it| it.table == *other), "{left:?}");
    let is_of_other = |text: &String| text.starts_with(&format!("{other}."));
    assert!(look(&world, &[], None).await.0.iter().any(is_of_other));
    let (texts, _) = look(&world, &skip.each_ref().map(String::as_str), None).await;
    assert!(has(&texts, "\"url\": \"f\"}") && !texts.iter().any(is_of_other), "{texts:?}");
}

async fn s7_a_second_look_sees_what_was_written_since(world: World) {
    world.run("CREATE TABLE posts (id integer PRIMARY KEY, body text)").await;
    world.run("INSERT INTO posts VALUES (1, 'first'), (2, 'second')").await;
    world.settled().await;
    // Begun before the first look, and committed behind it.
    let mut slow = match world.is_sqlite() {
        true => None,
        false => Some(world.database().admin().await),
    };
    if let Some(slow) = &mut slow {
        run(slow, "BEGIN; INSERT INTO posts VALUES (3, 'slow')").await;
    }
    let (texts, seen) = look(&world, &[], None).await;
    assert!(has(&texts, "posts.body in the row with id 1: first") && has(&texts, "Three"), "{texts:?}");
    assert!(!has(&texts, "slow"), "{texts:?}");
    match &mut slow {
        Some(slow) => run(slow, "COMMIT").await,
        None => world.run("INSERT INTO posts VALUES (3, 'slow')").await,
    }
    world.run("UPDATE posts SET body = 'changed' WHERE id = 1").await;
    let (texts, seen) = look(&world, &[], Some(seen)).await;
    assert!(has(&texts, "id 1: changed") && has(&texts, "id 3: slow"), "{texts:?}");
    assert!(world.is_sqlite() || !has(&texts, "second"), "it was seen before: {texts:?}");
    let (texts, _) = look(&world, &[], Some(seen)).await;
    assert!(!has(&texts, "second"), "nothing was written: {texts:?}");
}

async fn s7_a_second_look_sees_what_was_not_there_before(world: World) {
    world.run("CREATE TABLE posts (id integer PRIMARY KEY, body text)").await;
    world.run("INSERT INTO posts VALUES (1, 'first')").await;
    let (_, seen) = look(&world, &[], None).await;
    world.run("ALTER TABLE posts ADD COLUMN cover text DEFAULT 'a cover'").await;
    world.run("CREATE TABLE pages AS SELECT 'a page' AS body").await;
    let (texts, seen) = look(&world, &[], Some(seen)).await;
    assert!(has(&texts, ": a cover") && has(&texts, ": a page"), "{texts:?}");
    // A table that is written anew counts as one that was not seen.
    if !world.is_sqlite() {
        world.run("ALTER TABLE posts ALTER COLUMN id TYPE bigint").await;
        let (texts, _) = look(&world, &[], Some(seen)).await;
        assert!(has(&texts, ": a cover") && has(&texts, ": first"), "{texts:?}");
    }
}

async fn s7_tables_that_are_left_out_are_not_seen(world: World) {
    world.run("CREATE TABLE posts (id integer PRIMARY KEY, body text)").await;
    world.run("INSERT INTO posts VALUES (1, 'first')").await;
    let posts = if world.is_sqlite() { "posts" } else { "public.posts" };
    let (texts, _) = look(&world, &[posts, "gone.since"], None).await;
    assert!(!has(&texts, "first") && has(&texts, "Three"), "{texts:?}");
    let looks_at = world.catalog.texts(&[posts.to_owned()]).await.unwrap();
    assert_eq!((looks_at.skipped, looks_at.wrong_skips), (vec![posts.to_owned()], vec![]));
    let wrong = world.catalog.texts(&["gone.since".to_owned()]).await.unwrap().wrong_skips;
    assert_eq!(wrong.len(), 1, "{wrong:?}");
}
