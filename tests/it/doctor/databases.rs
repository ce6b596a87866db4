//! The two databases: away, another one, without rights, behind a pooler.

use super::{doctor, doctor_of, findings, finds, lines, stands};
use crate::support::program::Workplace;
use crate::support::site::Site;
use crate::support::stage::Kind;

/// Whatever is wrong with the databases, ImageKit, the origin and this machine are looked at.
#[track_caller]
fn the_rest_is_seen(ran: &crate::support::program::Ran) {
    for check in ["imagekit_key", "imagekit_upload", "endpoint", "usage", "origin", "ledger", "disk"] {
        stands(ran, check, "ok");
    }
}

#[test]
fn c16_a_database_that_is_away_is_told_and_the_rest_is_seen() {
    let mut at = Workplace::new(Kind::Postgres, 4);
    let both = ["PRODUCTION_DATABASE_URL", "TRIVIA_ADVISOR_DATABASE_URL"];
    let real = at.settings.clone();
    for name in both {
        // Nobody listens on the discard port.
        at.settings.insert(name.into(), "postgres://me:s3cret@127.0.0.1:9/x".into());
    }
    let ran = doctor(&at);
    finds(
        &ran,
        "database",
        "the connection to the database failed",
        "See host and port in PRODUCTION_DATABASE_URL",
    );
    finds(&ran, "trivia_advisor", "the connection", "See host and port in TRIVIA_ADVISOR_DATABASE_URL");
    for check in ["columns", "rights", "pooler"] {
        stands(&ran, check, "not_checked");
    }
    the_rest_is_seen(&ran);
    assert!(!ran.to_string().contains("s3cret"), "{ran}");
    for name in both {
        let nobody = real[name].replacen("postgres@", "nobody_of_that_name@", 1);
        at.settings.insert(name.into(), nobody);
    }
    let ran = doctor(&at);
    finds(&ran, "database", "does not let us in", "See user and password in PRODUCTION_DATABASE_URL");
    finds(&ran, "trivia_advisor", "does not let us in", "See user and password in TRIVIA_ADVISOR");
    at.settings.insert(both[0].into(), format!("{}_gone", real[both[0]]));
    finds(&doctor(&at), "database", "does not exist", "See PRODUCTION_DATABASE_URL, which names");
}

#[test]
fn c16_a_file_that_is_no_database_is_told() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    let text = at.work().join("text");
    std::fs::write(&text, "no database, though it is long enough to be looked at as one would be").unwrap();
    for name in ["PRODUCTION_DATABASE_URL", "TRIVIA_ADVISOR_DATABASE_URL"] {
        at.settings.insert(name.into(), format!("sqlite:{}", text.display()));
    }
    let ran = doctor(&at);
    finds(&ran, "database", "file is not a database", "See PRODUCTION_DATABASE_URL");
    finds(&ran, "trivia_advisor", "file is not a database", "See TRIVIA_ADVISOR_DATABASE_URL");
    the_rest_is_seen(&ran);
}

fn missing_columns(kind: Kind) {
    let at = Workplace::new(kind, 4);
    at.sql("ALTER TABLE venues RENAME COLUMN venue_images TO pictures");
    at.sql("ALTER TABLE countries RENAME TO lands");
    at.trivia_sql("ALTER TABLE venues RENAME COLUMN google_place_images TO pictures");
    let ran = at.run_json(&["doctor"]);
    let found = "venues.venue_images is missing; there is no table countries";
    finds(&ran, "columns", found, "See that PRODUCTION_DATABASE_URL names the right database");
    finds(&ran, "trivia_advisor", "venues.google_place_images is missing", "TRIVIA_ADVISOR_DATABASE_URL");
    stands(&ran, "database", "ok");
    the_rest_is_seen(&ran);
}

#[test]
fn c16_missing_columns_are_told_on_sqlite() {
    missing_columns(Kind::Sqlite);
}

#[test]
fn c16_missing_columns_are_told_on_postgres() {
    missing_columns(Kind::Postgres);
}

#[test]
fn c16_columns_of_another_type_are_told() {
    let at = Workplace::new(Kind::Postgres, 4);
    at.sql("ALTER TABLE venues ALTER venue_images DROP DEFAULT");
    at.sql("ALTER TABLE venues ALTER venue_images TYPE json, ALTER updated_at TYPE timestamptz");
    let ran = doctor(&at);
    finds(&ran, "columns", "venues.venue_images is of type json", "venue_images as jsonb");
    finds(&ran, "columns", "venues.updated_at is of type timestamp with", "timestamp without time zone");
}

#[test]
fn c16_a_role_without_rights_is_told_the_grants_that_help() {
    let site = Site::new(Kind::Postgres);
    site.venue(1, 1, &["/1.jpg"]);
    let role = site.stage.run_as_role();
    site.stage.sql(&format!("REVOKE SELECT ON cities, countries FROM {role}"));
    let mut site = site;
    for name in ["PRODUCTION_DATABASE_URL", "TRIVIA_ADVISOR_DATABASE_URL"] {
        site.settings.insert(name.into(), site.stage.url());
    }
    site.stage.sql("ALTER TABLE venues ADD COLUMN google_place_images jsonb");
    let ran = doctor_of(&site);
    finds(&ran, "rights", "this role may not read cities.id, cities.name", "");
    finds(&ran, "rights", "may not update venues.venue_images, venues.updated_at", "");
    for line in lines(&ran, "rights") {
        let advice = line["advice"].as_str().unwrap();
        let (_, grant) = advice.split_once("owner: ").unwrap_or_else(|| panic!("no grant: {ran}"));
        site.stage.sql(grant);
    }
    let ran = doctor_of(&site).code(0);
    stands(&ran, "rights", "ok");

    site.stage.sql(&format!("REVOKE SELECT ON venues FROM {role}"));
    let ran = doctor_of(&site);
    finds(&ran, "rights", "may not read venues.id", "GRANT SELECT ON venues, cities, countries");
    finds(&ran, "trivia_advisor", "may not read venues.id", &format!("GRANT SELECT ON venues TO \"{role}\""));
}

#[test]
fn c16_row_security_that_lets_nothing_be_updated_is_told() {
    let site = Site::new(Kind::Postgres);
    site.venue(1, 1, &["/1.jpg"]);
    let role = site.stage.run_as_role();
    site.stage.sql(&format!("GRANT UPDATE (venue_images, updated_at) ON venues TO {role}"));
    let mut site = site;
    site.settings.insert("PRODUCTION_DATABASE_URL".into(), site.stage.url());
    let others = |ran: &crate::support::program::Ran| -> Vec<String> {
        findings(ran).into_iter().filter(|check| check != "settings").collect()
    };
    // Trivia Advisor is not set here, and no part of this.
    assert_eq!(others(&doctor_of(&site)), [""; 0]);
    site.stage.sql("ALTER TABLE venues ENABLE ROW LEVEL SECURITY");
    site.stage.sql("CREATE POLICY see ON venues FOR SELECT USING (true)");
    finds(&doctor_of(&site), "rights", "no policy allows this role an update", "BYPASSRLS");
    site.stage.sql("CREATE POLICY change ON venues FOR UPDATE USING (id < 100)");
    let ran = doctor_of(&site);
    assert_eq!(others(&ran), [""; 0], "{ran}");
    assert!(lines(&ran, "rights").iter().any(|line| line["state"] == "note"), "{ran}");
    site.stage.sql("DROP POLICY change ON venues");
    site.stage.sql(&format!("ALTER ROLE {role} BYPASSRLS"));
    let ran = doctor_of(&site);
    stands(&ran, "rights", "ok");
}

#[test]
fn c16_a_file_whose_lock_cannot_be_taken_is_told() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let other = rusqlite::Connection::open(at.sandbox_dir().join("eventasaurus.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ran = doctor(&at);
    finds(
        &ran,
        "rights",
        "no row can be updated: the database refused: database is locked",
        "must be this user's",
    );
    other.execute_batch("ROLLBACK").unwrap();
    doctor(&at).code(0);
}

#[test]
fn c16_a_pooler_shows_by_the_servers_port_and_is_fine() {
    for (kind, found) in [(Kind::Postgres, "none that shows"), (Kind::Pgbouncer, "pooler")] {
        let at = Workplace::new(kind, 4);
        let ran = doctor(&at).code(0);
        stands(&ran, "pooler", "ok");
        let said = lines(&ran, "pooler")[0]["found"].to_string();
        let (before, _) = said.split_once(';').unwrap_or((&said, ""));
        assert!(before.contains(found), "{ran}");
    }
}

#[test]
fn c16_a_database_whose_clock_is_off_is_told() {
    let at = Workplace::new(Kind::Postgres, 4);
    // The system's own function, in this database alone.
    at.sql(
        "CREATE OR REPLACE FUNCTION pg_catalog.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
             AS $$ SELECT pg_catalog.statement_timestamp() + interval '1 hour' $$",
    );
    let ran = doctor(&at);
    finds(&ran, "clocks", "the database 36", "NTP");
    assert!(lines(&ran, "clocks")[0]["found"].to_string().contains("s ahead of this machine"), "{ran}");
}
