//! What a database's URL says is kept, or refused by name (requirement D6): the real program on real databases.

use sqlx::{Connection, PgConnection};

use crate::kill::hand::direct_url;
use crate::support::program::{Ran, Workplace};
use crate::support::stage::Kind;

const MIGRATE: [&str; 4] = ["migrate", "--country", "GB", "--yes"];

/// A copy of all tables in a schema of its own, where the first that is found otherwise is another.
const TENANT: &str = "CREATE SCHEMA tenant; CREATE TABLE tenant.venues (LIKE public.venues INCLUDING ALL); \
     INSERT INTO tenant.venues SELECT * FROM public.venues";

/// A URL of the application's database with this behind it.
fn with(at: &Workplace, parameters: &str) -> String {
    format!("{}?{parameters}", at.settings["PRODUCTION_DATABASE_URL"])
}

/// The images of a schema's venues.
fn images(at: &Workplace, schema: &str) -> String {
    let url = direct_url(at);
    let sql = format!("SELECT string_agg(venue_images::text, ',' ORDER BY id) FROM {schema}.venues");
    at.runtime.block_on(async {
        let mut admin = PgConnection::connect(&url).await.unwrap();
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut admin).await.unwrap()
    })
}

fn the_schema_that_the_url_names_is_worked_on(kind: Kind) {
    let mut at = Workplace::new(kind, 6);
    at.sql(TENANT);
    let before = images(&at, "public");
    assert_eq!(images(&at, "tenant"), before);
    let plain = at.settings["PRODUCTION_DATABASE_URL"].clone();
    let tenant = with(&at, "options=-csearch_path%3Dtenant%2Cpublic");
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), tenant);
    let ran = at.run(&MIGRATE);
    assert!(matches!(ran.code, Some(0 | 10)), "{ran}");
    assert_eq!(images(&at, "public"), before, "{ran}");
    let migrated = images(&at, "tenant");
    assert!(migrated != before && migrated.contains("\"completed\""), "{ran}");
    at.run(&["audit", "--live"]).code(0);
    at.run(&["doctor"]).says("columns");
    // The rows of another schema are other rows, and so another database to the ledger.
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), plain);
    at.run(&MIGRATE).code(2).says("belongs to").says("schema tenant");
    assert_eq!((images(&at, "public"), images(&at, "tenant")), (before.clone(), migrated));
    let tenant = with(&at, "options=-csearch_path%3Dtenant%2Cpublic");
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), tenant);
    at.run(&["rollback", "--country", "GB", "--yes"]).code(0);
    assert_eq!((images(&at, "public"), images(&at, "tenant")), (before.clone(), before));
}

#[test]
fn d6_the_schema_that_the_url_names_is_worked_on_on_postgres() {
    the_schema_that_the_url_names_is_worked_on(Kind::Postgres);
}

#[test]
fn d6_the_schema_that_the_url_names_is_worked_on_on_pgbouncer() {
    the_schema_that_the_url_names_is_worked_on(Kind::Pgbouncer);
}

#[test]
fn d6_trivia_advisors_schema_is_the_one_its_url_names() {
    let report = "ta_id,ta_slug,ta_name,ea_id,ea_slug,ea_name,match_type,confidence,distance_m,name_distance,images_count\n\
                  1,a,A,1,a,A,slug_only,0.9,1,0,5\n";
    let mut at = Workplace::fitting(Kind::Postgres, report);
    std::fs::write(at.work().join("report.csv"), report).unwrap();
    let dry = ["populate", "--matches", "report.csv", "--dry-run", "--target", "production"];
    let there = at.run_json(&dry).code(0);
    at.trivia_sql("CREATE SCHEMA tenant; CREATE TABLE tenant.venues (LIKE public.venues INCLUDING ALL)");
    let url = format!("{}?options=-csearch_path%3Dtenant", at.settings["TRIVIA_ADVISOR_DATABASE_URL"]);
    at.settings.insert("TRIVIA_ADVISOR_DATABASE_URL".into(), url);
    let empty = at.run_json(&dry).code(0);
    assert_ne!(there.stdout, empty.stdout, "the tenant has no venue: {empty}");
}

#[test]
fn d6_a_setting_that_the_server_does_not_know_is_told() {
    let mut at = Workplace::new(Kind::Postgres, 4);
    let url = with(&at, "options=-cno_such_setting%3Dhunter2");
    at.settings.insert("PRODUCTION_DATABASE_URL".into(), url);
    let ran = at.run_idle(&MIGRATE).code(30).says("no_such_setting").says("in its options");
    assert!(!ran.stderr.contains("hunter2"), "{ran}");
}

#[test]
fn d6_what_a_url_says_and_nobody_reads_is_refused_for_every_database() {
    let mut at = Workplace::new(Kind::Sqlite, 4);
    std::fs::write(
        at.work().join("report.csv"),
        "ta_id,ta_slug,ea_id,ea_slug,match_type,distance_m\n1,a,1,a,x,1\n",
    )
    .unwrap();
    let populate = ["populate", "--matches", "report.csv", "--yes"];
    let dev = ["countries", "--target", "dev"];
    let commands: [(&str, &[&str]); 3] = [
        ("PRODUCTION_DATABASE_URL", &MIGRATE),
        ("DEV_DATABASE_URL", &dev),
        ("TRIVIA_ADVISOR_DATABASE_URL", &populate),
    ];
    for (setting, args) in commands {
        for (url, words) in [
            ("postgres://me:hunter2@127.0.0.1:1/x?sslmod=verify-full", "did you mean sslmode?"),
            ("postgres://me:hunter2@127.0.0.1:1,127.0.0.2:1/x", "several hosts"),
            ("postgres://me:hunter2/p@127.0.0.1:1/x", "%2F"),
            ("sqlite:nowhere.db?mode=ro&key=hunter2", "takes no parameters"),
        ] {
            let before = at.settings.insert(setting.into(), url.into()).unwrap();
            let ran = at.run_idle(args).code(2).says(setting).says(words);
            assert!(!ran.to_string().contains("hunter2"), "{ran}");
            at.settings.insert(setting.into(), before);
        }
    }
    for variable in ["PGOPTIONS", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"] {
        let mut command = at.command(&["countries"]);
        command.env("PRODUCTION_DATABASE_URL", "postgres://me@127.0.0.1:1/x").env(variable, "hunter2");
        let ran = Ran::new(&["countries"], command.output().unwrap()).code(2).says(variable);
        assert!(!ran.to_string().contains("hunter2"), "{ran}");
    }
}

#[test]
fn d6_what_the_environment_says_of_another_database_changes_nothing() {
    let at = Workplace::new(Kind::Postgres, 4);
    let elsewhere = [
        ("PGHOST", "192.0.2.7"),
        ("PGHOSTADDR", "192.0.2.7"),
        ("PGPORT", "1"),
        ("PGUSER", "nobody"),
        ("PGDATABASE", "nowhere"),
        ("PGSSLMODE", "verify-full"),
        ("PGAPPNAME", "another"),
    ];
    let ran = at.command(&["countries"]).envs(elsewhere).output().unwrap();
    assert_eq!(at.run(&["countries"]).code(0).stdout, Ran::new(&["countries"], ran).code(0).stdout);
}

#[test]
fn d6_a_directory_is_where_a_unix_socket_is_connected_to() {
    let at = Workplace::new(Kind::Sqlite, 4);
    let dir = tempfile::tempdir().unwrap();
    let server = std::os::unix::net::UnixListener::bind(dir.path().join(".s.PGSQL.6543")).unwrap();
    let meets = std::thread::spawn(move || drop(server.accept().unwrap()));
    let url = format!("postgres://me:hunter2@/x?host={}&port=6543", dir.path().display());
    let ran = at.command(&["countries"]).env("PRODUCTION_DATABASE_URL", url).output().unwrap();
    let ran = Ran::new(&["countries"], ran).code(30).says("the production database cannot be used");
    assert!(!ran.to_string().contains("hunter2"), "{ran}");
    meets.join().unwrap();
}
