//! Whose tables are worked on (requirement S6): those of one schema, which is named, and tables indeed.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::kill::hand::direct_url;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "GB", "--yes"];

/// A schema that is named like the role, with venues of its own.
const SHADOW: &str = "CREATE SCHEMA postgres; CREATE TABLE postgres.venues (LIKE public.venues INCLUDING ALL); \
     INSERT INTO postgres.venues SELECT * FROM public.venues";

fn images(at: &Workplace, schema: &str) -> String {
    let sql = format!("SELECT string_agg(venue_images::text, ',' ORDER BY id) FROM {schema}.venues");
    at.runtime.block_on(async {
        let mut admin = PgConnection::connect(&direct_url(at)).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut admin).await.unwrap()
    })
}

/// What `doctor` has on a check, its advice included.
fn doctor(at: &Workplace, check: &str) -> String {
    let ran = at.run_json(&["doctor"]);
    let all = ran.json()["checks"].as_array().unwrap().clone();
    let lines: Vec<String> =
        all.iter().filter(|line| line["check"] == check).map(ToString::to_string).collect();
    assert!(!lines.is_empty(), "{ran}");
    lines.join("\n")
}

fn a_schema_named_like_the_role_is_not_taken_unasked(kind: Kind) {
    let mut at = Workplace::new(kind, 12);
    let asked = at.run(&["migrate", "--country", "GB", "--limit", "2"]).code(2).says("there is no terminal");
    asked.says(", schema public, at ");
    assert!(doctor(&at, "columns").contains("schema public"), "{}", doctor(&at, "columns"));
    let ran = at.run(&["migrate", "--country", "GB", "--limit", "2", "--yes"]);
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
    let before = images(&at, "public");

    at.sql(SHADOW);
    for args in [&MIGRATE[..], &["rollback", "--country", "GB", "--yes"], &["countries"], &["reconcile"]] {
        let ran = at.run(args).code(30).says("\"postgres\" and \"public\"").says("named like the role");
        let ran = ran.says("options=-csearch_path%3DNAME");
        assert_eq!(
            (images(&at, "public"), images(&at, "postgres")),
            (before.clone(), before.clone()),
            "{ran}"
        );
    }
    assert!(doctor(&at, "database").contains("named like the role"), "{}", doctor(&at, "database"));

    // Once it is said which one is meant, the ledger is still that of this database.
    let plain = at.settings["PRODUCTION_DATABASE_URL"].clone();
    let said = format!("{plain}?options=-csearch_path%3Dpublic");
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), said);
    let ran = at.run(&MIGRATE);
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
    assert_eq!(images(&at, "postgres"), before, "{ran}");
    assert_ne!(images(&at, "public"), before, "{ran}");

    // A role whose own search path says so has chosen, and its ledger stays that of this database too.
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), plain);
    let name = direct_url(&at).rsplit_once('/').unwrap().1.to_owned();
    at.sql(&format!("ALTER DATABASE {name} SET search_path = public"));
    // Sessions that a pooler has already know nothing of it.
    at.sql(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    at.run(&["audit", "--live"]).code(0);
    let asked = at.run(&["rollback", "--country", "GB"]).code(2);
    asked.says(", schema public, at ");
}

#[test]
fn s6_a_schema_named_like_the_role_is_not_taken_unasked_on_postgres() {
    a_schema_named_like_the_role_is_not_taken_unasked(Kind::Postgres);
}

#[test]
fn s6_a_schema_named_like_the_role_is_not_taken_unasked_on_pgbouncer() {
    a_schema_named_like_the_role_is_not_taken_unasked(Kind::Pgbouncer);
}

/// Each of the three tables, one after the other, as something else that answers alike.
fn what_is_no_table_is_refused(kind: Kind, kinds: &[&str]) {
    let at = Workplace::new(kind, 6);
    let rows = at.rows();
    for table in ["venues", "countries", "cities"] {
        for made in kinds {
            at.sql(&format!(
                "ALTER TABLE {table} RENAME TO real; CREATE {made} {table} AS SELECT * FROM real"
            ));
            let refused = |ran: Ran| {
                let kind = made.to_lowercase();
                ran.code(30).says(&format!("{table} is a {kind}")).says("ordinary or partitioned table")
            };
            refused(at.run(&MIGRATE));
            refused(at.run(&["countries"]));
            let doctor = doctor(&at, "columns");
            assert!(doctor.contains("finding") && doctor.contains(&format!("{table} is a ")), "{doctor}");
            at.sql(&format!("DROP {made} {table}; ALTER TABLE real RENAME TO {table}"));
        }
    }
    assert_eq!(at.rows(), rows);
    assert!(!at.ledger().exists());
    let ran = at.run(&MIGRATE);
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
}

#[test]
fn s6_a_view_is_no_table_on_sqlite() {
    what_is_no_table_is_refused(Kind::Sqlite, &["VIEW"]);
}

#[test]
fn s6_a_view_is_no_table_on_postgres() {
    what_is_no_table_is_refused(Kind::Postgres, &["VIEW", "MATERIALIZED VIEW"]);
}

#[test]
fn s6_what_runs_at_each_update_is_told_on_postgres() {
    let at = Workplace::new(Kind::Postgres, 4);
    let clean = doctor(&at, "rights");
    assert!(!clean.contains("note"), "{clean}");
    at.sql(
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
         CREATE TRIGGER \"stamp it\" BEFORE UPDATE ON venues FOR EACH ROW EXECUTE FUNCTION nothing();
         CREATE TRIGGER at_inserts BEFORE INSERT ON venues FOR EACH ROW EXECUTE FUNCTION nothing();
         CREATE RULE keep AS ON UPDATE TO venues DO ALSO NOTHING;",
    );
    let told = doctor(&at, "rights");
    assert!(told.contains("\"note\"") && told.contains("stamp it") && told.contains("keep"), "{told}");
    assert!(!told.contains("at_inserts"), "{told}");
    at.run(&["doctor"]).code(0);
}

#[test]
fn s6_what_runs_at_each_update_is_told_on_sqlite() {
    let at = Workplace::new(Kind::Sqlite, 4);
    at.sql("CREATE TRIGGER stamp AFTER UPDATE ON Venues BEGIN SELECT 1; END");
    let told = doctor(&at, "rights");
    assert!(told.contains("\"note\"") && told.contains("stamp"), "{told}");
}
