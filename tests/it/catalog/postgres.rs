//! The row lock, and a server that goes away: seen in PostgreSQL itself, not guessed from time that passed.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger::ids::VenueId;
use ledger::trouble::TroubleKind;
use longshore::outside::Trouble;
use longshore::outside::catalog::{Rewrite, Row, open};
use sqlx::PgConnection;
use tokio::task::{JoinHandle, block_in_place};

use super::{World, put};
use crate::support::postgres::run;

/// Nobody takes this long to come to a lock.
const LONGEST: Duration = Duration::from_secs(60);

/// Returns as soon as one session of this database waits for another's lock.
async fn until_somebody_waits(admin: &mut PgConnection) {
    until(admin, "cardinality(pg_blocking_pids(a.pid)) > 0").await;
}

/// Returns as soon as there is a session of this database of which this holds.
pub(super) async fn until(admin: &mut PgConnection, holds: &str) {
    let sql =
        format!("SELECT count(*) FROM pg_stat_activity a WHERE a.datname = current_database() AND {holds}");
    let started = Instant::now();
    while started.elapsed() < LONGEST {
        let found = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.clone()));
        let count: i64 = found.fetch_one(&mut *admin).await.unwrap();
        if count > 0 {
            return;
        }
    }
    panic!("there never was a session of which holds: {holds}");
}

/// A rewrite that stops inside its decision, with the row locked, until it is told to go on.
struct Stopped {
    inside: Receiver<()>,
    go_on: Sender<()>,
    row: JoinHandle<Result<Row, Trouble>>,
}

fn stopped(world: &Arc<World>, text: &'static str) -> Stopped {
    let (say, inside) = channel();
    let (go_on, told) = channel();
    let told = Mutex::new(told);
    let world = Arc::clone(world);
    let row = tokio::spawn(async move {
        let decide = move |_: Option<&str>| {
            say.send(()).unwrap();
            // The runtime gives this thread's other work, its sockets included, to another thread meanwhile.
            block_in_place(|| told.lock().unwrap().recv().unwrap());
            Rewrite::Write(Some(text.to_owned()))
        };
        world.catalog.rewrite(VenueId(1), &decide).await
    });
    Stopped { inside, go_on, row }
}

/// A writer has changed the row and not committed: the rewrite waits, then sees what was written.
async fn waits_and_sees(world: Arc<World>) {
    let (mut admin, mut writer) = (world.database().admin().await, world.database().admin().await);
    run(&mut writer, "BEGIN READ WRITE; UPDATE venues SET venue_images = '[1]' WHERE id = 1").await;
    let rewriting = Arc::clone(&world);
    let row = tokio::spawn(async move { rewriting.catalog.rewrite(VenueId(1), &put(Some("[2]"))).await });
    until_somebody_waits(&mut admin).await;
    run(&mut writer, "COMMIT").await;
    let written = Row::Written { before: Some("[1]".into()), after: Some("[2]".into()) };
    assert_eq!(row.await.unwrap().unwrap(), written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_a_rewrite_waits_for_a_writer_and_sees_what_it_wrote() {
    for world in [World::postgres().await, World::pgbouncer().await] {
        waits_and_sees(Arc::new(world)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_a_writer_waits_for_a_rewrite_and_loses_nothing() {
    for world in [World::postgres().await, World::pgbouncer().await] {
        let world = Arc::new(world);
        let rewrite = stopped(&world, "[2]");
        rewrite.inside.recv().unwrap();
        let (mut admin, mut writer) = (world.database().admin().await, world.database().admin().await);
        let append = "UPDATE venues SET venue_images = venue_images || '[3]' WHERE id = 1";
        let appending = tokio::spawn(async move { run(&mut writer, append).await });
        until_somebody_waits(&mut admin).await;
        rewrite.go_on.send(()).unwrap();
        assert!(matches!(rewrite.row.await.unwrap(), Ok(Row::Written { .. })));
        appending.await.unwrap();
        assert_eq!(world.catalog.images(VenueId(1)).await.unwrap(), Some(Some("[2, 3]".into())));
    }
}

#[tokio::test]
async fn e1_a_row_that_stays_locked_is_a_catalog_error() {
    let world = World::postgres().await;
    let mut writer = world.database().admin().await;
    run(&mut writer, "BEGIN; UPDATE venues SET venue_images = '[1]' WHERE id = 1").await;
    let trouble = world.catalog.rewrite(VenueId(1), &put(Some("[2]"))).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.outage), (TroubleKind::CatalogError, false));
    assert!(trouble.message.contains("55P03"), "{trouble}");
    // Readers do not wait for writers, and another row is free.
    assert!(world.catalog.images(VenueId(1)).await.is_ok());
    assert!(matches!(world.catalog.rewrite(VenueId(2), &put(None)).await, Ok(Row::Written { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e3_a_connection_that_is_ended_is_an_outage_and_the_next_call_works() {
    for world in [World::postgres().await, World::pgbouncer().await] {
        let world = Arc::new(world);
        let before = world.catalog.images(VenueId(1)).await.unwrap();
        let rewrite = stopped(&world, "[2]");
        rewrite.inside.recv().unwrap();
        let mut admin = world.database().admin().await;
        let ended: Vec<bool> = sqlx::query_scalar(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'longshore'",
        )
        .fetch_all(&mut admin)
        .await
        .unwrap();
        assert!(!ended.is_empty());
        rewrite.go_on.send(()).unwrap();
        let trouble = rewrite.row.await.unwrap().unwrap_err();
        assert!(trouble.outage, "{trouble}");
        assert_eq!(world.catalog.images(VenueId(1)).await.unwrap(), before);
        assert!(matches!(world.catalog.rewrite(VenueId(1), &put(Some("[]"))).await, Ok(Row::Written { .. })));
    }
}

#[tokio::test]
async fn e3_a_server_that_is_not_there_is_an_outage_without_secrets() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://me:hunter2@127.0.0.1:{port}/x?password=hunter2");
    let trouble = open(&url).await.err().unwrap();
    assert!(trouble.outage && !trouble.to_string().contains("hunter2"), "{trouble}");
}

#[tokio::test]
async fn s3_a_server_without_tls_is_refused_when_tls_is_asked_for() {
    let world = World::postgres().await;
    let trouble = open(&format!("{}?sslmode=require", world.url)).await.err().unwrap();
    assert!(!trouble.outage && trouble.message.contains("TLS"), "{trouble}");
}

#[tokio::test]
async fn d7_a_role_that_may_not_read_the_system_identifier_still_has_an_identity() {
    let world = World::postgres().await;
    let role = open(&world.database().as_role_url().await).await.unwrap();
    run(&mut world.database().admin().await, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
        .await;
    let identity = role.identity().await.unwrap();
    assert_eq!((identity.system, &identity.database), (None, &world.database().name));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_a_roles_own_defaults_do_not_change_how_a_row_is_rewritten() {
    let world = World::postgres().await;
    let defaults = "ALTER DATABASE {} SET default_transaction_isolation = 'serializable'; \
                    ALTER DATABASE {} SET default_transaction_read_only = on";
    run(&mut world.database().admin().await, &defaults.replace("{}", &world.database().name)).await;
    // A connection made before the defaults would not have them.
    let url = world.url.clone();
    let world = Arc::new(World { catalog: open(&url).await.unwrap(), ..world });
    waits_and_sees(world).await;
}
