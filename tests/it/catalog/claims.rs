//! Claims: one country, one holder.

use longshore::outside::catalog::{Claim, ClaimRefused, open};
use sqlx::{Connection, PgConnection};

use super::{Rows, World, holds_everywhere};

holds_everywhere!(claims:
    e6_a_second_claim_is_refused_and_told_who_holds_it,
    e6_a_claim_that_is_given_back_reaches_whoever_waits,
    e6_countries_do_not_stand_in_each_others_way,
    e6_one_process_holds_a_country_once,
);

fn holder(refused: Result<Box<dyn Claim>, ClaimRefused>) -> String {
    match refused {
        Err(ClaimRefused::Held(who)) => who,
        Err(ClaimRefused::Trouble(trouble)) => panic!("trouble instead of a holder: {trouble}"),
        Ok(_) => panic!("the claim was given twice"),
    }
}

async fn e6_a_second_claim_is_refused_and_told_who_holds_it(world: World) {
    let first = world.catalog.claim(Some("PL"), "longshore run 7 of ada@deck").await.unwrap();
    // Another catalog, as another process would have.
    let other = world.another().await;
    let who = holder(other.claim(Some("pl"), "longshore of bob@bridge").await);
    assert!(who.contains("longshore run 7 of ada@deck"), "{who}");
    first.check().await.unwrap();
}

async fn e6_a_claim_that_is_given_back_reaches_whoever_waits(world: World) {
    let first = world.catalog.claim(Some("PL"), "first").await.unwrap();
    let other = world.another().await;
    let waiting =
        tokio::spawn(async move { other.claim(Some("PL"), "second").await.map(|claim| (other, claim)) });
    first.check().await.unwrap();
    drop(first);
    let (_other, second) = waiting.await.unwrap().unwrap_or_else(|refused| panic!("{refused:?}"));
    second.check().await.unwrap();
}

async fn e6_countries_do_not_stand_in_each_others_way(world: World) {
    let claims = [
        world.catalog.claim(Some("PL"), "a").await,
        world.catalog.claim(Some("GB"), "b").await,
        world.catalog.claim(None, "c").await,
    ];
    for claim in &claims {
        claim.as_ref().unwrap_or_else(|refused| panic!("{refused:?}")).check().await.unwrap();
    }
    assert!(world.catalog.venues(longshore::outside::catalog::Place::Everywhere, None, 9).await.is_ok());
}

async fn e6_one_process_holds_a_country_once(world: World) {
    let first = world.catalog.claim(Some("PL"), "first").await.unwrap();
    let who = holder(world.catalog.claim(Some("PL"), "second").await);
    assert!(who.contains("first"), "{who}");
    first.check().await.unwrap();
    drop(first);
    assert!(world.catalog.claim(Some("PL"), "third").await.is_ok());
}

/// The lock's number for Poland.
const POLAND: i64 = -279_126_386_944_916_022;

#[tokio::test]
async fn e6_who_holds_a_claim_is_told_by_the_databases_user() {
    let world = World::postgres().await;
    let user = format!("{}_app", world.database().name);
    let mut another = PgConnection::connect(&world.database().as_role_url().await).await.unwrap();
    let calls = "x\", database user \"postgres\"\u{1b}[2J";
    let set = sqlx::query("SELECT set_config('application_name', $1, false)").bind(calls);
    set.execute(&mut another).await.unwrap();
    let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(POLAND);
    lock.execute(&mut another).await.unwrap();
    let who = holder(world.catalog.claim(Some("PL"), "longshore").await);
    assert!(who.starts_with(&format!("database user \"{user}\" (process ")), "{who}");
    assert!(who.contains("it calls itself \"x', database user 'postgres'"), "{who}");
    assert!(!who.contains("\"postgres\"") && !who.contains('\u{1b}'), "{who}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn e6_who_holds_a_claim_is_told_by_the_system_and_not_by_the_files_text() {
    let world = World::sqlite().await;
    let _claim = world.catalog.claim(Some("PL"), "first").await.unwrap();
    let path = format!("{}.longshore-PL.lock", world.url.trim_start_matches("sqlite:"));
    std::fs::write(&path, "x\", process 1 \"root").unwrap();
    let who = holder(open(&world.url).await.unwrap().claim(Some("PL"), "second").await);
    assert!(who.starts_with(&format!("process {} of user ", std::process::id())), "{who}");
    assert!(who.contains("it calls itself \"x', process 1 'root\""), "{who}");
}

#[tokio::test]
async fn e6_a_pooler_and_the_server_behind_it_share_claims() {
    let world = World::postgres().await;
    let pooled = open(&world.database().through_pgbouncer_url).await.unwrap();
    let first = pooled.claim(None, "behind the pooler").await.unwrap();
    assert!(holder(world.catalog.claim(None, "direct").await).contains("behind the pooler"));
    first.check().await.unwrap();
}

/// Ends the claim's session, as an administrator or a crash would.
async fn terminate(world: &World, holder: &str) {
    if let Rows::Pretended(world) = &world.rows {
        // The first process of a world is that of its own catalog.
        return world.lock().databases[0].lose_claim(1);
    }
    let ended: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
         WHERE application_name = $1 AND datname = current_database()",
    )
    .bind(holder)
    .fetch_all(&mut world.database().admin().await)
    .await
    .unwrap();
    assert_eq!(ended, [true], "the holder shows in pg_stat_activity");
}

async fn lost_and_taken_again(world: World) {
    let claim = world.catalog.claim(Some("PL"), "to be ended").await.unwrap();
    for _ in 0..2 {
        terminate(&world, "to be ended").await;
        claim.check().await.unwrap();
    }
    let who = holder(world.another().await.claim(Some("PL"), "another").await);
    assert!(who.contains("to be ended"), "{who}");
}

#[tokio::test]
async fn e6_a_claim_that_was_lost_is_taken_again() {
    for world in [World::postgres().await, World::pgbouncer().await] {
        lost_and_taken_again(world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn e6_a_claim_that_was_lost_is_taken_again_in_the_pretended_world() {
    lost_and_taken_again(World::pretended().await).await;
}

async fn lost_and_taken_by_another(world: World) {
    let claim = world.catalog.claim(Some("PL"), "too slow").await.unwrap();
    terminate(&world, "too slow").await;
    let other = world.another().await;
    let taken = other.claim(Some("PL"), "the quicker one").await.unwrap();
    let refused = claim.check().await.unwrap_err();
    assert!(matches!(&refused, ClaimRefused::Held(who) if who.contains("the quicker one")), "{refused:?}");
    // What was lost takes nothing away when it is given back.
    drop(claim);
    taken.check().await.unwrap();
    let who = holder(world.catalog.claim(Some("PL"), "too slow").await);
    assert!(who.contains("the quicker one"), "{who}");
}

#[tokio::test]
async fn e6_a_lost_claim_that_another_took_is_refused() {
    lost_and_taken_by_another(World::postgres().await).await;
}

#[tokio::test(start_paused = true)]
async fn e6_a_lost_claim_that_another_took_is_refused_in_the_pretended_world() {
    lost_and_taken_by_another(World::pretended().await).await;
}

#[tokio::test]
async fn e6_a_claim_that_holds_stays_in_its_transaction() {
    for world in [World::postgres().await, World::pgbouncer().await] {
        let claim = world.catalog.claim(Some("PL"), "still here").await.unwrap();
        let transaction = "SELECT string_agg(pid || ' ' || xact_start, ',') FROM pg_stat_activity \
             WHERE application_name = 'still here' AND datname = current_database()";
        let began = world.ask(transaction).await;
        assert!(began.is_some());
        claim.check().await.unwrap();
        assert_eq!(world.ask(transaction).await, began);
    }
}

#[tokio::test]
async fn e6_a_claim_blocks_no_vacuum() {
    let world = World::postgres().await;
    let _claim = world.catalog.claim(Some("PL"), "holds no snapshot").await.unwrap();
    let held = world.ask(
        "SELECT state || coalesce(backend_xmin::text, ' no xmin') || coalesce(backend_xid::text, ' no xid') \
         FROM pg_stat_activity WHERE application_name = 'holds no snapshot'",
    );
    assert_eq!(held.await.as_deref(), Some("idle in transaction no xmin no xid"));
}

#[tokio::test]
async fn e6_a_lock_file_alone_means_nothing_and_a_deleted_one_is_noticed() {
    let world = World::sqlite().await;
    let path = format!("{}.longshore-PL.lock", world.url.trim_start_matches("sqlite:"));
    std::fs::write(&path, "somebody long gone\n").unwrap();
    let claim = world.catalog.claim(Some("PL"), "first").await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\n");
    std::fs::remove_file(&path).unwrap();
    let other = world.catalog.claim(Some("PL"), "second").await.unwrap();
    assert!(matches!(claim.check().await, Err(ClaimRefused::Held(who)) if who.contains("\"second\"")));
    drop(other);
    claim.check().await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\n");
}
