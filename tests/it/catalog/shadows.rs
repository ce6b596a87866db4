//! What others leave in a server's session or put before the system's own functions changes no table that is meant
//! (requirement S6).

use ledger::ids::VenueId;
use longshore::outside::catalog::{Place, Row, open};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::{World, put};
use crate::support::postgres::run;

const ROWS: &str = "SELECT count(*)::text FROM public.venues WHERE venue_images = '[7]'";

/// Sees that the tables of the schema public are read and written.
async fn works_on_public(world: &World, catalog: &dyn longshore::outside::catalog::Catalog) {
    assert_eq!(catalog.rows(Place::Everywhere, None, 100).await.unwrap().len(), 8);
    assert_eq!(catalog.countries().await.unwrap().len(), 2);
    let row = catalog.rewrite(VenueId(1), &put(Some("[7]"))).await.unwrap();
    assert!(matches!(row, Row::Written { .. }), "{row:?}");
    assert_eq!(world.ask(ROWS).await.as_deref(), Some("1"));
    world.run("UPDATE public.venues SET venue_images = '[]' WHERE id = 1").await;
}

#[tokio::test]
async fn s6_what_another_leaves_in_a_poolers_session_is_not_worked_on() {
    let world = World::pgbouncer().await;
    world.run("CREATE SCHEMA hostile; CREATE TABLE hostile.venues (LIKE public.venues)").await;
    for left in [
        "CREATE TEMP TABLE venues AS SELECT * FROM public.venues WHERE false",
        "CREATE TEMP TABLE countries AS SELECT * FROM public.countries WHERE false",
        "CREATE TEMP TABLE pg_class (oid oid, relnamespace oid, relname name, relkind text)",
        "SET search_path TO hostile",
    ] {
        // What sqlx sends at its start, poolers refuse.
        let options: PgConnectOptions = world.url.parse().unwrap();
        let mut another = options.extra_float_digits(None).connect().await.unwrap();
        run(&mut another, left).await;
        works_on_public(&world, &*world.catalog).await;
        run(&mut another, left.replace("TEMP TABLE", "TEMP TABLE IF NOT EXISTS").as_str()).await;
        drop(another);
        works_on_public(&world, &*open(&world.url).await.unwrap()).await;
    }
}

#[tokio::test]
async fn s6_the_systems_own_functions_are_used_whatever_the_search_path_says() {
    let world = World::postgres().await;
    let name = &world.database().name;
    world
        .run(&format!(
            "CREATE SCHEMA early;
             CREATE FUNCTION early.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '1999-01-01'::timestamptz $$;
             ALTER DATABASE {name} SET search_path = early, public, pg_catalog"
        ))
        .await;
    let catalog = open(&world.url).await.unwrap();
    works_on_public(&world, &*catalog).await;
    catalog.rewrite(VenueId(2), &put(Some("[]"))).await.unwrap();
    let year =
        "SELECT (updated_at > pg_catalog.now() - interval '2 days')::text FROM public.venues WHERE id = 2";
    assert_eq!(world.ask(year).await.as_deref(), Some("true"));
}

#[tokio::test]
async fn s6_a_partitioned_table_is_a_table() {
    let world = World::postgres().await;
    world
        .run(
            "ALTER TABLE venues RENAME TO real;
             CREATE TABLE venues (LIKE real INCLUDING DEFAULTS) PARTITION BY RANGE (id);
             ALTER TABLE venues ATTACH PARTITION real DEFAULT",
        )
        .await;
    works_on_public(&world, &*open(&world.url).await.unwrap()).await;
}

#[tokio::test]
async fn s6_a_trigger_finds_what_it_finds_for_the_application() {
    let world = World::pgbouncer().await;
    let name = &world.database().name;
    world
        .run(&format!(
            "CREATE SCHEMA helpers; CREATE TABLE helpers.seen (id bigint);
             ALTER DATABASE {name} SET search_path = \"$user\", public, helpers;
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO seen VALUES (new.id); RETURN new; END $$;
             CREATE TRIGGER see AFTER UPDATE ON venues FOR EACH ROW EXECUTE FUNCTION see()"
        ))
        .await;
    // Sessions that the pooler has already know nothing of the new path.
    run(
        &mut world.database().admin().await,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    let catalog = open(&world.url).await.unwrap();
    assert!(matches!(catalog.rewrite(VenueId(1), &put(Some("[7]"))).await, Ok(Row::Written { .. })));
    assert_eq!(world.ask("SELECT count(*)::text FROM helpers.seen").await.as_deref(), Some("1"));
}
