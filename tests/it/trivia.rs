//! Trivia Advisor's contract, held to by PostgreSQL, PostgreSQL behind PgBouncer, and SQLite alike: what is read is
//! exactly what is there, and nothing can be written (requirement S6).

use ledger::trouble::TroubleKind;
use longshore::outside::trivia::{TaVenue, Trivia, check, open};

use crate::support::postgres::{Database, run};
use crate::support::sqlite::SqliteFile;
use crate::support::sqlite_file;

const POSTGRES: &str = "DROP TABLE venues; CREATE TABLE venues (id bigint PRIMARY KEY, slug text, name text, google_place_images jsonb);";
const SQLITE: &str = "DROP TABLE venues; CREATE TABLE venues (id INTEGER PRIMARY KEY, slug TEXT, name TEXT, google_place_images TEXT);";
const SEED: &str = r#"
INSERT INTO venues (id, slug, name, google_place_images) VALUES
 (1, 'one', 'One', '[{"width": 12345678901234567890123, "local_path": "/a.jpg"}]'),
 (2, NULL, NULL, NULL),
 (3, 'three', 'Three', '[]'),
 (5, 'five', 'Five', 'null'),
 (7, 'ż', 'Seven', '"text"'),
 (9007199254740993, 'far', 'Far', '[0.1000000000000000055]');
"#;

/// A database with the seed in it.
struct World {
    url: String,
    rows: Rows,
}

enum Rows {
    Postgres(Database),
    Sqlite(SqliteFile),
}

impl World {
    async fn postgres() -> Self {
        let database = Database::create().await;
        Self::seeded(database.url.clone(), Rows::Postgres(database)).await
    }
    async fn pgbouncer() -> Self {
        let database = Database::create().await;
        Self::seeded(database.through_pgbouncer_url.clone(), Rows::Postgres(database)).await
    }
    async fn sqlite() -> Self {
        let file = sqlite_file();
        Self::seeded(file.url(), Rows::Sqlite(file)).await
    }
    async fn seeded(url: String, rows: Rows) -> Self {
        let world = Self { url, rows };
        world.run(if matches!(world.rows, Rows::Sqlite(_)) { SQLITE } else { POSTGRES }).await;
        world.run(SEED).await;
        world
    }
    /// Runs statements past what is tested.
    async fn run(&self, sql: &str) {
        match &self.rows {
            Rows::Postgres(database) => run(&mut database.admin().await, sql).await,
            Rows::Sqlite(file) => file.admin().execute_batch(sql).unwrap(),
        }
    }
    async fn open(&self) -> Box<dyn Trivia> {
        open(&self.url).await.unwrap()
    }
}

fn venue(id: i64, slug: Option<&str>, images: Option<&str>) -> TaVenue {
    TaVenue { id, slug: slug.map(str::to_owned), images: images.map(str::to_owned) }
}

async fn d2_images_come_as_they_are_by_id_and_each_venue_once(world: World) {
    let trivia = world.open().await;
    let all = trivia.images(&[7, 1, 2, 99, 5, 3, 1, 9_007_199_254_740_993, -1]).await.unwrap();
    // In the order that jsonb too keeps keys in.
    let one = r#"[{"width": 12345678901234567890123, "local_path": "/a.jpg"}]"#;
    assert_eq!(
        all,
        [
            venue(1, Some("one"), Some(one)),
            venue(2, None, None),
            venue(3, Some("three"), Some("[]")),
            venue(5, Some("five"), Some("null")),
            venue(7, Some("ż"), Some("\"text\"")),
            venue(9_007_199_254_740_993, Some("far"), Some("[0.1000000000000000055]")),
        ]
    );
    assert!(trivia.images(&[]).await.unwrap().is_empty());
    let many: Vec<i64> = (1..=100_000).collect();
    assert_eq!(trivia.images(&many).await.unwrap().len(), 5);
}

async fn d2_reading_sees_what_others_wrote_meanwhile(world: World) {
    let trivia = world.open().await;
    assert_eq!(trivia.images(&[3]).await.unwrap()[0].images.as_deref(), Some("[]"));
    world
        .run("UPDATE venues SET google_place_images = '[1]' WHERE id = 3; DELETE FROM venues WHERE id = 7")
        .await;
    let now = trivia.images(&[3, 7]).await.unwrap();
    assert_eq!(now, [venue(3, Some("three"), Some("[1]"))]);
}

async fn e1_a_table_of_another_shape_is_a_catalog_error(world: World) {
    let trivia = world.open().await;
    world.run("ALTER TABLE venues RENAME COLUMN google_place_images TO pictures").await;
    let trouble = trivia.images(&[1]).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.outage), (TroubleKind::CatalogError, false), "{trouble}");
    assert!(trouble.message.contains("google_place_images"), "{trouble}");
}

/// Makes each of the contract's functions a test of every implementation.
macro_rules! holds_everywhere {
    ($($name:ident),* $(,)?) => {
        holds_everywhere!(@world on_postgres, postgres, $($name),*);
        holds_everywhere!(@world on_pgbouncer, pgbouncer, $($name),*);
        holds_everywhere!(@world on_sqlite, sqlite, $($name),*);
    };
    (@world $place:ident, $world:ident, $($name:ident),*) => {
        mod $place {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::World::$world().await).await;
            })*
        }
    };
}

holds_everywhere!(
    d2_images_come_as_they_are_by_id_and_each_venue_once,
    d2_reading_sees_what_others_wrote_meanwhile,
    e1_a_table_of_another_shape_is_a_catalog_error,
);

#[tokio::test]
async fn s6_postgres_itself_refuses_what_a_view_would_write() {
    for world in [World::postgres().await, World::pgbouncer().await] {
        let meddling = "ALTER TABLE venues RENAME TO kept; \
             CREATE FUNCTION meddle(bigint) RETURNS jsonb LANGUAGE plpgsql AS \
                 $$ BEGIN UPDATE kept SET slug = 'changed' WHERE id = $1; RETURN '[]'; END $$; \
             CREATE VIEW venues AS SELECT id, slug, meddle(id) AS google_place_images FROM kept";
        world.run(meddling).await;
        let trouble = world.open().await.images(&[1]).await.unwrap_err();
        assert!(trouble.message.contains("25006"), "a read-only transaction was violated: {trouble}");
        let undone = "DROP VIEW venues; ALTER TABLE kept RENAME TO venues";
        world.run(undone).await;
        assert_eq!(world.open().await.images(&[1]).await.unwrap()[0].slug.as_deref(), Some("one"));
    }
}

#[tokio::test]
async fn s6_a_role_that_may_only_read_suffices() {
    let world = World::postgres().await;
    let Rows::Postgres(database) = &world.rows else { panic!("this world is on a server") };
    let url = database.as_role_url().await;
    world.run(&format!("GRANT SELECT ON venues TO {}_app", database.name)).await;
    assert_eq!(open(&url).await.unwrap().images(&[1, 3]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn s6_a_missing_file_is_not_created() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none.db");
    let said = open(&format!("sqlite:{}", missing.display())).await.err().unwrap();
    assert!(said.message.contains("there is no database at"), "{said}");
    assert!(!missing.exists());
}

#[tokio::test]
async fn s3_another_machine_without_tls_is_refused_before_anything_is_sent() {
    for url in ["postgres://me:hunter2@db.example/x?sslmode=disable", "mysql://me:hunter2@db.example/x"] {
        for said in [check(url).unwrap_err(), open(url).await.err().unwrap()] {
            assert!(!said.outage && !said.to_string().contains("hunter2"), "{said}");
        }
    }
    assert!(check("postgres://me:hunter2@db.example/x").is_ok() && check("sqlite:any.db").is_ok());
}

#[tokio::test]
async fn e1_a_row_that_holds_no_text_keeps_no_other_from_being_read() {
    let world = World::sqlite().await;
    world.run("UPDATE venues SET slug = X'61FF', google_place_images = CAST(X'5B22FF225D' AS TEXT) WHERE id = 1").await;
    let found = world.open().await.images(&[1, 3]).await.unwrap();
    assert_eq!(found[1], venue(3, Some("three"), Some("[]")));
    assert_eq!(found[0].slug.as_deref(), Some("a\u{fffd}"));
    let base = "https://cdn.example".parse().unwrap();
    let now = ledger::timestamp::Timestamp::from_millis(0);
    assert!(longshore::outside::trivia::entries::entries(&found[0], &base, now).is_err(), "it is no array");
}
