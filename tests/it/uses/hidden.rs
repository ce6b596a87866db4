//! What a role may not see: refused where rows are hidden, listed where columns are.

use serde_json::Value;

use super::{DELETE, ORPHANS, Unused};
use crate::support::stage::Kind;

const NOTES: &str = "CREATE TABLE notes (id bigint PRIMARY KEY, body text, secret text)";

#[test]
fn s7_nothing_is_deleted_where_row_level_security_may_hide_rows() {
    for kind in [Kind::Postgres, Kind::Pgbouncer] {
        let (unused, role) = Unused::as_role(kind, NOTES);
        unused.sql("INSERT INTO notes VALUES (1, '$url', ''); ALTER TABLE notes ENABLE ROW LEVEL SECURITY");
        for args in [&DELETE[..], &[&DELETE[..], &["--dry-run"]].concat(), &ORPHANS[..]] {
            let ran = unused.site.run_idle(args).code(2);
            let ran = ran.says("row-level security may hide rows of public.notes");
            ran.says(&format!("ALTER ROLE {role} BYPASSRLS")).says("--skip-table public.notes");
        }
        unused.site.run_idle(&["reconcile"]).says("row-level security may hide rows of public.notes");
        unused.sql(&format!("ALTER ROLE {role} BYPASSRLS"));
        unused.stays("public.notes.body in the row with id 1");
        unused.sql(&format!("ALTER ROLE {role} NOBYPASSRLS"));
        unused.goes(&[&DELETE[..], &["--skip-table", "public.notes"]].concat());
        assert_eq!(unused.deleted()["tables_skipped"], serde_json::json!(["public.notes"]));
    }
}

/// Rows are hidden by what lies below a view: from this role, or from the owner of the view, whoever looks.
#[test]
fn s7_nothing_is_deleted_where_row_level_security_may_hide_rows_of_a_view() {
    let (unused, role) =
        Unused::as_role(Kind::Postgres, "CREATE TABLE raw (id bigint PRIMARY KEY, data bytea)");
    let keeper = format!("{role}_keeper");
    unused.sql(&format!(
        "INSERT INTO raw VALUES (1, '$url'); ALTER TABLE raw ENABLE ROW LEVEL SECURITY;
         CREATE VIEW shown AS SELECT convert_from(data, 'UTF8') AS words FROM raw;
         CREATE VIEW above AS SELECT words || '' AS words FROM shown;
         ALTER VIEW shown OWNER TO {role}; GRANT SELECT ON above TO {role};
         CREATE ROLE {keeper}; GRANT SELECT ON raw TO {keeper}"
    ));
    let is_refused = |hidden_from: &str| {
        for args in [&DELETE[..], &ORPHANS[..]] {
            let ran = unused.site.run_idle(args).code(2);
            let ran = ran.says("row-level security may hide rows of public.above").says("public.shown too");
            let ran = ran.says("--skip-table public.above --skip-table public.shown");
            ran.says(&format!("As a superuser: ALTER ROLE {hidden_from} BYPASSRLS, and then"));
        }
    };
    is_refused(&role);
    unused.sql(&format!("ALTER ROLE {role} BYPASSRLS"));
    unused.stays("public.above.words");
    unused.sql(&format!("ALTER VIEW shown OWNER TO {keeper}; GRANT SELECT ON shown TO {role}"));
    // Whoever looks, the view shows what its owner may see.
    is_refused(&keeper);
    unused.sql(&format!("ALTER ROLE {keeper} BYPASSRLS"));
    unused.stays("public.above.words");
    unused.sql(&format!("ALTER ROLE {keeper} NOBYPASSRLS"));
    unused.goes(&[&DELETE[..], &["--skip-table", "public.raw"]].concat());
    unused.sql(&format!("DROP VIEW above, shown; DROP OWNED BY {keeper}; DROP ROLE {keeper}"));
}

/// With `security_invoker`, the role that looks counts, whoever owns the view, also below another one.
#[test]
fn s7_a_view_that_shows_what_whoever_looks_may_see_is_guarded_as_its_table_is() {
    let (unused, role) =
        Unused::as_role(Kind::Postgres, "CREATE TABLE raw (id bigint PRIMARY KEY, data bytea)");
    let keeper = format!("{role}_keeper");
    unused.sql(&format!(
        "INSERT INTO raw VALUES (1, '$url'); ALTER TABLE raw ENABLE ROW LEVEL SECURITY;
         CREATE ROLE {keeper}; GRANT SELECT ON raw TO {keeper};
         CREATE VIEW shown WITH (security_invoker = on) AS SELECT convert_from(data, 'UTF8') AS words FROM raw;
         CREATE VIEW above AS SELECT words || '' AS words FROM shown;
         ALTER VIEW shown OWNER TO {keeper}; ALTER VIEW above OWNER TO {keeper};
         GRANT SELECT ON shown, above TO {role}; GRANT SELECT ON shown TO {keeper}"
    ));
    for args in [&DELETE[..], &ORPHANS[..]] {
        let ran = unused.site.run_idle(args).code(2);
        let ran = ran.says("row-level security may hide rows of public.above").says("public.shown too");
        ran.says(&format!("As a superuser: ALTER ROLE {role} BYPASSRLS, and then"));
    }
    unused.sql(&format!("ALTER ROLE {role} BYPASSRLS"));
    unused.stays("public.above.words");
    unused.sql("DELETE FROM raw");
    unused.goes(&DELETE);
    // The view says it otherwise: its owner counts again.
    unused.sql("ALTER VIEW shown SET (security_invoker = 0)");
    unused.site.run_idle(&["reconcile"]).says("row-level security may hide rows of public.above");
    unused.sql(&format!("DROP VIEW above, shown; DROP OWNED BY {keeper}; DROP ROLE {keeper}"));
}

#[test]
fn s7_what_is_advised_about_a_role_is_sql_whatever_its_name_is() {
    let (mut unused, role) = Unused::as_role(Kind::Postgres, NOTES);
    let odd = format!("\"O-\"\"'{role}\"");
    unused.sql(&format!("ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER ROLE {role} RENAME TO {odd}"));
    let url = unused.site.settings.get_mut("PRODUCTION_DATABASE_URL").unwrap();
    *url = url.replacen(&role, &format!("O-%22%27{role}"), 1);
    let ran = unused.site.run_idle(&DELETE).code(2);
    let advice = ran.stderr.split("As a superuser: ").nth(1).unwrap_or_else(|| panic!("{ran}"));
    unused.sql(advice.split(", and then").next().unwrap());
    unused.goes(&DELETE);
    unused.sql(&format!("ALTER ROLE {odd} RENAME TO {role}"));
}

#[test]
fn s7_row_level_security_of_venues_keeps_every_file() {
    let (unused, role) = Unused::as_role(Kind::Postgres, "");
    unused.sql(&format!("ALTER TABLE venues ENABLE ROW LEVEL SECURITY; CREATE POLICY all_of_them ON venues TO {role} USING (id = 1)"));
    unused.site.run_idle(&DELETE).code(2).says("row-level security may hide rows of public.venues");
}

#[test]
fn s7_what_may_not_be_read_is_listed() {
    let (unused, role) = Unused::as_role(Kind::Postgres, NOTES);
    unused.sql(&format!(
        "CREATE SCHEMA closed; CREATE TABLE closed.log (line text);
         REVOKE SELECT ON notes FROM {role}; GRANT SELECT (id, body) ON notes TO {role};
         CREATE FUNCTION show(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
         CREATE VIEW told AS SELECT show(body) AS words FROM notes; GRANT SELECT ON told TO {role}"
    ));
    let args = [&DELETE[..], &["--dry-run"]].concat();
    let ran = unused.site.run_idle(&args).code(0).says("Not looked at, because it cannot be read:");
    let ran =
        ran.says("public.notes (secret): this role may not read it").says("closed.log (line): this role");
    ran.says("public.told (words): this view runs functions").says("public.notes (0 rows): body");
    let answer = unused.site.run_json(&["reconcile"]).json();
    let unread = answer["looks_at"]["unread"].as_array().unwrap();
    assert_eq!(unread.len(), 3, "{unread:?}");
    // A column that may be read counts, though the table as a whole may not.
    unused.sql("INSERT INTO notes VALUES (7, '$url', '')");
    unused.stays("public.notes.body in the row with id 7");
    unused.sql("UPDATE notes SET body = '', secret = '$url'");
    unused.goes(&DELETE);
}

/// A table's bytes are named with it, and those that another one below it adds with that one.
#[test]
fn s7_bytes_that_a_table_below_another_adds_are_listed() {
    let tables = "CREATE TABLE base (id bigint PRIMARY KEY, raw bytea);
         CREATE TABLE heir (thumb bytea, body text) INHERITS (base);
         CREATE TABLE grandchild (more bytea) INHERITS (heir);
         CREATE TABLE parts (id bigint, raw bytea) PARTITION BY RANGE (id);
         CREATE TABLE parts_all PARTITION OF parts DEFAULT";
    let (unused, _) = Unused::as_role(Kind::Postgres, tables);
    let unread = |args: &[&str]| {
        let answer = unused.site.run_json(args).json();
        let unread = answer["looks_at"]["unread"].as_array().unwrap().clone();
        let of = |unread: &Value| {
            assert_eq!(unread["why"], "bytes are not looked at");
            format!("{} {}", unread["table"], unread["columns"])
        };
        unread.iter().map(of).collect::<Vec<_>>()
    };
    let all = [
        r#""public.base" ["raw"]"#,
        r#""public.grandchild" ["more"]"#,
        r#""public.heir" ["thumb"]"#,
        r#""public.parts" ["raw"]"#,
    ];
    assert_eq!(unread(&["reconcile"]), all);
    assert_eq!(unread(&["reconcile", "--skip-table", "public.heir"]), [all[0], all[3]]);
    let ran = unused.site.run_idle(&[&DELETE[..], &["--dry-run"]].concat()).code(0);
    ran.says("public.heir (thumb): bytes are not looked at");
}

#[test]
fn s7_a_view_over_what_may_not_be_read_is_looked_at() {
    let (unused, role) = Unused::as_role(Kind::Postgres, NOTES);
    unused.sql(&format!(
        "REVOKE SELECT ON notes FROM {role}; CREATE VIEW open AS SELECT id, body FROM notes; GRANT SELECT ON open TO {role};
         INSERT INTO notes VALUES (7, '$url', '')"
    ));
    unused.stays("public.open.body");
    unused.sql("DELETE FROM notes");
    unused.goes(&DELETE);
}

/// A partition that is open only by way of the whole table.
#[test]
fn s7_rows_that_only_a_parent_shows_are_looked_at() {
    let parts = "CREATE TABLE parts (id bigint PRIMARY KEY, body text) PARTITION BY RANGE (id);
         CREATE TABLE parts_all PARTITION OF parts DEFAULT;
         CREATE TABLE base (id bigint PRIMARY KEY, body text); CREATE TABLE heir () INHERITS (base)";
    let (unused, role) = Unused::as_role(Kind::Postgres, parts);
    unused
        .sql(&format!("REVOKE SELECT ON parts_all, heir FROM {role}; INSERT INTO parts VALUES (1, '$url')"));
    unused.stays("public.parts.body in the row with id 1");
    unused.sql("DELETE FROM parts; INSERT INTO heir VALUES (3, '$url')");
    unused.stays("public.base.body in the row with id 3");
    unused.sql("DELETE FROM heir");
    unused.goes(&DELETE);
}
