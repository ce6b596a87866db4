//! What lies in the databases, by their own counting.

use std::path::Path;

use longshore::sandbox::databases::{FillError, fill_postgres, fill_sqlite};
use longshore::sandbox::seed::World;
use rusqlite::Connection;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Connection as _, Executor, PgConnection};

use super::{BASE, D5, full};

const SQLITE_COUNT: &str = "
    SELECT countries.code, count(DISTINCT venues.id), count(*), count(DISTINCT cities.id)
    FROM venues JOIN cities ON cities.id = venues.city_id JOIN countries ON countries.id = cities.country_id,
         json_each(CASE WHEN json_type(venue_images) = 'array' THEN venue_images ELSE '[]' END) AS entry
    WHERE entry.type = 'object' AND entry.value ->> 'upload_status' = 'external'
      AND entry.value ->> 'source' = 'trivia_advisor_migration'
    GROUP BY countries.code ORDER BY 2 DESC";

const POSTGRES_COUNT: &str = "
    SELECT countries.code::text, count(DISTINCT venues.id), count(*), count(DISTINCT cities.id)
    FROM venues JOIN cities ON cities.id = venues.city_id JOIN countries ON countries.id = cities.country_id,
         jsonb_array_elements(CASE WHEN jsonb_typeof(venue_images) = 'array' THEN venue_images ELSE '[]' END) AS entry
    WHERE entry ->> 'upload_status' = 'external' AND entry ->> 'source' = 'trivia_advisor_migration'
    GROUP BY countries.code ORDER BY 2 DESC";

/// Counts by whatever has no place, too: nothing to migrate may be outside a country.
const POSTGRES_ALL: &str = "
    SELECT count(*) FROM venues,
         jsonb_array_elements(CASE WHEN jsonb_typeof(venue_images) = 'array' THEN venue_images ELSE '[]' END) AS entry
    WHERE entry ->> 'upload_status' = 'external' AND entry ->> 'source' = 'trivia_advisor_migration'";

fn files_in(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn d5_sqlite_counts_to_the_distribution() {
    let (world, dir) = (full(), tempfile::tempdir().unwrap());
    let files = fill_sqlite(dir.path(), &world, BASE).unwrap();
    assert_eq!(
        files_in(dir.path()),
        ["eventasaurus.db", "eventasaurus_dev.db", "trivia_advisor.db"],
        "no lock, no journal"
    );
    let db = Connection::open(&files.eventasaurus).unwrap();
    let rows = db
        .prepare(SQLITE_COUNT)
        .unwrap()
        .query_map([], |row| row.try_into())
        .unwrap()
        .collect::<Result<Vec<(String, i64, i64, i64)>, _>>();
    let expected = D5.map(|(code, venues, images, cities)| (code.to_owned(), venues, images, cities));
    assert_eq!(rows.unwrap(), expected);
    assert_eq!(db.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0)).unwrap(), "delete");

    for venue in &world.venues {
        let (text, slug): (Option<String>, Option<String>) = db
            .query_row("SELECT venue_images, slug FROM venues WHERE id = ?", [venue.id], |row| row.try_into())
            .unwrap();
        assert_eq!((text, slug), (venue.images.text(BASE), venue.slug.clone()), "kept exactly");
    }
    let dev = Connection::open(&files.eventasaurus_dev).unwrap();
    let is_ours = "venue_images LIKE '%trivia_advisor_migration%'";
    let count = |of: &Connection, what: &str| -> i64 {
        of.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(
        (count(&dev, &format!("venues WHERE {is_ours}")), count(&db, &format!("venues WHERE {is_ours}"))),
        (0, 575)
    );
    for venue in &world.venues {
        let of = |db: &Connection| -> (Option<String>, Option<String>, Option<i64>, String) {
            let sql = "SELECT venue_images, slug, city_id, updated_at FROM venues WHERE id = ?";
            db.query_row(sql, [venue.id], |row| row.try_into()).unwrap()
        };
        let (mut there, here) = (of(&db), of(&dev));
        if venue.images.to_migrate().next().is_some() {
            there.0 = venue.images.unpopulated(BASE);
        }
        assert_eq!(here, there, "all but what `populate` adds is the same");
    }
    assert!(
        count(&dev, "venues WHERE venue_images LIKE '%\"source\": \"google\"%'") > 10,
        "others' entries are there"
    );
    for table in ["countries", "cities", "venues"] {
        assert_eq!(count(&dev, table), count(&db, table));
    }
    let ambiguous: Vec<String> = db
        .prepare("SELECT DISTINCT name FROM cities WHERE id IN (SELECT city_id FROM venues WHERE venue_images LIKE '%external%') GROUP BY name HAVING count(*) > 1 ORDER BY 1")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(ambiguous, ["Forbach", "Newport"]);
    let accents = "SELECT count(*) FROM cities WHERE name IN ('Kraków', 'Łódź', 'Gdańsk', 'Saint-Étienne', 'Köln', 'München')";
    assert_eq!(db.query_row(accents, [], |row| row.get::<_, i64>(0)).unwrap(), 6);

    let ta = Connection::open(&files.trivia_advisor).unwrap();
    let with_path = "SELECT count(*) FROM venues, json_each(google_place_images) AS image
                     WHERE image.value ->> 'local_path' LIKE '/uploads/google_place_images/%/original_google_place_%.jpg'";
    assert!(ta.query_row(with_path, [], |row| row.get::<_, i64>(0)).unwrap() > 2_800);
}

#[test]
fn c14_sqlite_files_are_the_same_again_and_never_overwritten() {
    let world = World::new(5, 20);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, two] = dirs.each_ref().map(|dir| fill_sqlite(dir.path(), &world, BASE).unwrap());
    let bytes = |path: &Path| std::fs::read(path).unwrap();
    assert_eq!(bytes(&one.eventasaurus), bytes(&two.eventasaurus));
    assert_eq!(bytes(&one.eventasaurus_dev), bytes(&two.eventasaurus_dev));
    assert_eq!(bytes(&one.trivia_advisor), bytes(&two.trivia_advisor));
    let refused = fill_sqlite(dirs[0].path(), &World::new(6, 20), BASE);
    assert!(matches!(refused, Err(FillError::Occupied(_))), "{refused:?}");
    assert_eq!(bytes(&one.eventasaurus), bytes(&two.eventasaurus));
}

/// A database of the test's own on the real server; its URL and that of the server.
async fn fresh(name: &str) -> (String, PgConnection) {
    let server = std::env::var("LONGSHORE_TEST_POSTGRES").expect(
        "LONGSHORE_TEST_POSTGRES must hold the URL of a PostgreSQL server for tests, \
         like postgres://postgres@127.0.0.1:5432/postgres",
    );
    let mut connection = PgConnection::connect(&server).await.unwrap();
    drop_all(&mut connection, name).await;
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(name);
    (url.into(), connection)
}

async fn drop_all(server: &mut PgConnection, name: &str) {
    for name in ["", "_dev", "_trivia_advisor"].map(|what| format!("{name}{what}")) {
        let drop = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
        server.execute(AssertSqlSafe(drop)).await.unwrap();
    }
}

#[tokio::test]
async fn d5_postgres_counts_to_the_distribution() {
    let (url, mut server) = fresh("longshore_world_counts").await;
    let world = full();
    let urls = fill_postgres(&url, &world, BASE).await.unwrap();
    let db = PgPool::connect(&urls.eventasaurus).await.unwrap();
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(POSTGRES_COUNT).fetch_all(&db).await.unwrap();
    let expected = D5.map(|(code, venues, images, cities)| (code.to_owned(), venues, images, cities));
    assert_eq!(rows, expected);
    let all: i64 = sqlx::query_scalar(POSTGRES_ALL).fetch_one(&db).await.unwrap();
    assert_eq!(all, 2_875);

    type Kept = (i64, Option<String>, Option<String>, Option<String>, String);
    let kept: Vec<Kept> = sqlx::query_as(
        "SELECT id, slug, name, venue_images::text, to_char(updated_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
         FROM venues ORDER BY id",
    )
    .fetch_all(&db)
    .await
    .unwrap();
    assert_eq!(kept.len(), world.venues.len());
    for ((id, slug, name, text, updated_at), venue) in kept.into_iter().zip(&world.venues) {
        assert_eq!((id, slug, name.as_deref()), (venue.id, venue.slug.clone(), Some(venue.name.as_str())));
        assert_eq!(updated_at, venue.updated_at);
        let is_same: Option<bool> = sqlx::query_scalar("SELECT $1::text::jsonb = $2::text::jsonb")
            .bind(&text)
            .bind(venue.images.text(BASE))
            .fetch_one(&db)
            .await
            .unwrap();
        assert_eq!(is_same, text.is_some().then_some(true), "venue {id}");
    }
    let default: Option<String> = sqlx::query_scalar(
        "INSERT INTO venues (id, inserted_at, updated_at) VALUES (-1, now(), now()) RETURNING venue_images::text",
    )
    .fetch_one(&db)
    .await
    .unwrap();
    assert_eq!(default.as_deref(), Some("[]"));
    for refused in [
        "INSERT INTO countries (id, name, code, slug) VALUES (99, 'x', 'GB', 'x')",
        "INSERT INTO cities (id, name, slug, country_id) VALUES (999, 'x', 'newport', 1)",
        "UPDATE venues SET city_id = 12345",
    ] {
        assert!(db.execute(refused).await.is_err(), "{refused}");
    }
    let dev = PgPool::connect(&urls.eventasaurus_dev).await.unwrap();
    let none: i64 = sqlx::query_scalar(POSTGRES_ALL).fetch_one(&dev).await.unwrap();
    let venues: i64 = sqlx::query_scalar("SELECT count(*) FROM venues").fetch_one(&dev).await.unwrap();
    assert_eq!((none, venues), (0, world.venues.len() as i64), "dev is of before `populate`");
    dev.close().await;
    db.close().await;

    let ta = PgPool::connect(&urls.trivia_advisor).await.unwrap();
    let venues: i64 = sqlx::query_scalar("SELECT count(*) FROM venues").fetch_one(&ta).await.unwrap();
    assert_eq!(venues, world.ta_venues.len() as i64);
    ta.close().await;
    drop_all(&mut server, "longshore_world_counts").await;
}

#[tokio::test]
async fn c14_postgres_databases_with_venues_are_left_alone() {
    let name = "longshore world's \u{142}\u{f3}d\u{17a}";
    let (url, mut server) = fresh(name).await;
    let world = World::new(5, 4);
    fill_postgres(&url, &world, BASE).await.unwrap();
    let refused = fill_postgres(&url, &World::new(6, 8), BASE).await.err().unwrap();
    assert!(matches!(refused, FillError::Occupied(_)), "{refused}");
    let db = PgPool::connect(&url).await.unwrap();
    let venues: i64 = sqlx::query_scalar("SELECT count(*) FROM venues").fetch_one(&db).await.unwrap();
    assert_eq!(venues, world.venues.len() as i64);
    db.close().await;
    // Only one of them is in the way: the others are not made either.
    drop_all(&mut server, name).await;
    server.execute(AssertSqlSafe(format!("CREATE DATABASE \"{name}_trivia_advisor\""))).await.unwrap();
    let mut ta = url::Url::parse(&url).unwrap();
    ta.set_path(&format!("{name}_trivia_advisor"));
    let db = PgPool::connect(ta.as_str()).await.unwrap();
    db.execute("CREATE TABLE venues (id bigint)").await.unwrap();
    db.close().await;
    assert!(matches!(fill_postgres(&url, &world, BASE).await, Err(FillError::Occupied(_))));
    let made: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut server)
        .await
        .unwrap();
    assert!(!made, "nothing was made");
    drop_all(&mut server, name).await;
}

#[tokio::test]
async fn s1_a_refused_url_is_not_repeated() {
    let world = World::new(5, 4);
    for url in [
        "postgres://u:secret@127.0.0.1:1/x",
        "postgres://u:secret@127.0.0.1:1/",
        "secret",
        "postgres://u:secret@h/x?dbname=y",
    ] {
        let error = fill_postgres(url, &world, BASE).await.err().unwrap();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
