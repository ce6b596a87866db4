//! What the real program does to the two databases (requirement S6): one kind of statement to the one, none to the other.

use std::collections::BTreeSet;

use sqlx::{Connection, PgConnection, Row as _};

use crate::support::program::Workplace;
use crate::support::stage::Kind;

/// Three matched venues with two images each.
const REPORT: &str = "ta_id,ta_slug,ta_name,ea_id,ea_slug,ea_name,match_type,confidence,distance_m,name_distance,images_count\n\
                      1,ta-1,A,11,pub-11,A,slug_only,1,1,0,2\n2,ta-2,B,12,pub-12,B,slug_only,1,1,0,2\n\
                      3,ta-3,C,13,pub-13,C,slug_only,1,1,0,2\n";

/// Every statement that writes anything anywhere, in its own words, and every row that an update changed.
const RECORDER: &str = "
CREATE TABLE said (operation text, on_table text, statement text, by_whom text);
CREATE TABLE changed (id bigint, transaction bigint, is_only_ours boolean);
CREATE FUNCTION record_statement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO said VALUES (TG_OP, TG_TABLE_NAME, current_query(), session_user); RETURN NULL; END $$;
CREATE FUNCTION record_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO changed VALUES (new.id, txid_current(), to_jsonb(old) - '{venue_images,updated_at}'::text[] =
                                                        to_jsonb(new) - '{venue_images,updated_at}'::text[]);
    RETURN NULL; END $$;
CREATE TRIGGER record_row AFTER UPDATE ON venues FOR EACH ROW EXECUTE FUNCTION record_row();
DO $$ DECLARE one text; BEGIN FOREACH one IN ARRAY ARRAY['venues', 'cities', 'countries'] LOOP
    EXECUTE format('CREATE TRIGGER record_statement BEFORE INSERT OR UPDATE OR DELETE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION record_statement()', one);
    EXECUTE format('CREATE TRIGGER record_truncate BEFORE TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION record_statement()', one);
END LOOP; END $$;";

/// Trivia Advisor's table as something that can only be read where nothing can be written.
const READ_ONLY: &str = "
ALTER TABLE venues RENAME TO kept;
CREATE FUNCTION is_read_only() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('transaction_read_only') <> 'on' THEN RAISE 'this transaction could write'; END IF;
    RETURN true; END $$;
CREATE VIEW venues AS SELECT id, slug, name, CASE WHEN is_read_only() THEN google_place_images END AS google_place_images
    FROM kept;";

/// Forward and back in all ways: entries added, moved, put back, and taken out again.
fn there_and_back(at: &Workplace) {
    std::fs::write(at.work().join("report.csv"), REPORT).unwrap();
    let before = at.rows();
    let run = |args: &[&str]| at.run(args).code(0);
    run(&["populate", "--matches", "report.csv", "--target", "production", "--yes"]).says("6 images added");
    for venue in ["11", "12", "13"] {
        run(&["migrate", "--venue-id", venue, "--yes"]);
    }
    run(&["status"]);
    run(&["audit", "--live"]);
    run(&["verify"]);
    for venue in ["11", "12", "13"] {
        run(&["rollback", "--venue-id", venue, "--yes"]);
    }
    run(&["rollback", "--run", "2", "--yes"]);
    let images = |rows: crate::support::program::Rows| {
        rows.into_iter().map(|(id, row)| (id, row.images)).collect::<Vec<_>>()
    };
    assert_eq!(images(at.rows()), images(before));
}

/// A role of the database's own that may read the tables and update two columns of one, and nothing else anywhere.
struct Role<'a> {
    at: &'a Workplace,
    name: String,
}

impl<'a> Role<'a> {
    fn make(at: &'a Workplace, database: &str) -> Self {
        let name = format!("{database}_columns");
        at.sql(&format!(
            "CREATE ROLE {name} LOGIN; REVOKE ALL ON DATABASE {database} FROM public; REVOKE ALL ON SCHEMA public FROM public;
             GRANT CONNECT ON DATABASE {database} TO {name}; GRANT USAGE ON SCHEMA public TO {name};
             GRANT SELECT ON venues, cities, countries TO {name};
             GRANT UPDATE (venue_images, updated_at) ON venues TO {name}"
        ));
        Self { at, name }
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        self.at.sql(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name));
    }
}

#[test]
fn s6_postgres_gets_one_kind_of_statement_and_two_columns_suffice() {
    let mut at = Workplace::fitting(Kind::Postgres, REPORT);
    let admin = at.settings["PRODUCTION_DATABASE_URL"].clone();
    let database = admin.rsplit('/').next().unwrap().to_owned();
    at.sql(RECORDER);
    at.trivia_sql(READ_ONLY);
    let url = admin.replacen("postgres@", &format!("{database}_columns@"), 1);
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), url);
    let role = Role::make(&at, &database);
    there_and_back(&at);
    let (said, changed) = at.runtime.block_on(async {
        let mut admin = PgConnection::connect(&admin).await.unwrap();
        let said = sqlx::query("SELECT operation, on_table, statement, by_whom FROM said")
            .fetch_all(&mut admin)
            .await;
        let sums = "SELECT count(*), count(DISTINCT transaction), bool_and(is_only_ours) FROM changed";
        let changed = sqlx::query(sums).fetch_one(&mut admin).await.unwrap();
        let said =
            said.unwrap().iter().map(|row| [0, 1, 2, 3].map(|n| row.get::<String, _>(n))).collect::<Vec<_>>();
        (said, (changed.get::<i64, _>(0), changed.get::<i64, _>(1), changed.get::<Option<bool>, _>(2)))
    });
    // Added, moved, put back and taken out: four updates a venue, each of one row in a transaction of its own.
    assert_eq!((said.len(), changed), (12, (12, 12, Some(true))));
    let kinds: BTreeSet<[String; 4]> = said.into_iter().collect();
    let [kind] = Vec::from_iter(kinds).try_into().unwrap_or_else(|kinds| panic!("several kinds: {kinds:?}"));
    let [operation, table, statement, whose] = kind;
    assert_eq!((&*operation, &*table, &whose), ("UPDATE", "venues", &role.name));
    assert!(
        statement.starts_with("UPDATE venues SET venue_images = $1::text::jsonb, updated_at = ")
            && statement.contains(" WHERE id = $2 RETURNING "),
        "{statement}"
    );
}

#[test]
fn s6_sqlite_gets_one_kind_of_statement_and_trivia_advisor_none() {
    let at = Workplace::fitting(Kind::Sqlite, REPORT);
    let record = |table: &str, operation: &str| {
        let row = if operation == "DELETE" { "old" } else { "new" };
        format!(
            "CREATE TRIGGER record_{table}_{operation} AFTER {operation} ON {table} BEGIN
             INSERT INTO said VALUES ('{operation} {table}', {row}.id); END;"
        )
    };
    let mut recorder = "CREATE TABLE said (what TEXT, id INTEGER);".to_owned();
    for table in ["venues", "cities", "countries"] {
        recorder.extend(["INSERT", "UPDATE", "DELETE"].map(|operation| record(table, operation)));
    }
    at.sql(&recorder);
    at.sql(
        "CREATE TRIGGER record_rest AFTER UPDATE ON venues WHEN (old.id, old.slug, old.name, old.city_id, old.address,
         old.inserted_at) IS NOT (new.id, new.slug, new.name, new.city_id, new.address, new.inserted_at)
         BEGIN INSERT INTO said VALUES ('another column', new.id); END",
    );
    let dir = at.sandbox_dir();
    let trivia = || std::fs::read(dir.join("trivia_advisor.db")).unwrap();
    let ask = |sql: &str| {
        let db = rusqlite::Connection::open(dir.join("eventasaurus.db")).unwrap();
        let mut all = db.prepare(sql).unwrap();
        let rows = all.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>()
    };
    let schema = "SELECT type || name || coalesce(sql, '') FROM sqlite_schema ORDER BY name";
    let (before, tables) = (trivia(), ask(schema));
    there_and_back(&at);
    assert!(trivia() == before, "Trivia Advisor's file has changed");
    assert!(!dir.join("trivia_advisor.db-journal").exists() && !dir.join("trivia_advisor.db-wal").exists());
    assert_eq!(ask(schema), tables);
    let said =
        ask("SELECT what || ' ' || id || ' times ' || count(*) FROM said GROUP BY what, id ORDER BY id");
    let expected = ["11", "12", "13"].map(|id| format!("UPDATE venues {id} times 4"));
    assert_eq!(said, expected);
}
