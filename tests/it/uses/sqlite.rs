//! What only SQLite has: values of any type in any column, virtual tables, tables without row ids.

use super::{DELETE, ORPHANS, Unused};
use crate::support::stage::Kind;

#[test]
fn s7_every_value_of_every_kind_of_table_is_looked_at() {
    let unused = Unused::new(Kind::Sqlite);
    for (tables, row, spot) in [
        ("CREATE TABLE odd (n INTEGER)", "INSERT INTO odd VALUES ('$url')", "odd.n in the row with rowid 1"),
        (
            "CREATE TABLE odd (rowid BLOB)",
            "INSERT INTO odd VALUES (CAST('$url' AS BLOB))",
            "odd.rowid in the row with rowid 1",
        ),
        (
            "CREATE TABLE odd (j JSON)",
            "INSERT INTO odd VALUES ('{no json: $url')",
            "odd.j in the row with rowid 1",
        ),
        (
            "CREATE TABLE odd (a, b, u TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID",
            "INSERT INTO odd VALUES (1, 'x', '$id')",
            "odd.u in the row with b x, a 1",
        ),
        (
            "CREATE TABLE odd (id INTEGER PRIMARY KEY, half TEXT, whole TEXT AS ('$stem' || half))",
            "INSERT INTO odd (half) VALUES ('.jpg')",
            "odd.whole in the row with id 1",
        ),
        (
            "CREATE TABLE odd (a TEXT) STRICT",
            "INSERT INTO odd VALUES ('$url')",
            "odd.a in the row with rowid 1",
        ),
    ] {
        unused.sql(tables);
        unused.sql(row);
        unused.stays(spot);
        unused.sql("DROP TABLE odd");
    }
    unused.goes(&DELETE);
}

#[test]
fn s7_a_table_that_has_the_name_of_one_of_sqlites_own_hides_no_other() {
    let unused = Unused::new(Kind::Sqlite);
    unused.sql("CREATE TABLE posts (body TEXT)");
    unused.sql("INSERT INTO posts VALUES ('$url')");
    for (shadow, rows) in [
        (
            "CREATE TABLE pragma_table_list (schema, name, type, wr)",
            "INSERT INTO pragma_table_list SELECT 'main', name, 'table', 0 FROM sqlite_schema
             WHERE name IN ('venues', 'cities', 'countries')",
        ),
        (
            "CREATE VIRTUAL TABLE pragma_table_xinfo USING fts5(name, pk, cid, hidden, arg)",
            "INSERT INTO pragma_table_xinfo VALUES ('id', 1, 0, 0, 'venues posts cities countries')",
        ),
    ] {
        unused.sql(shadow);
        unused.sql(rows);
        unused.stays("posts.body in the row with rowid 1");
        let name = shadow.split_whitespace().find(|word| word.starts_with("pragma_")).unwrap();
        unused.sql(&format!("DROP TABLE {name}"));
    }
    unused.sql("DROP TABLE posts");
    unused.goes(&DELETE);
}

#[test]
fn s7_a_view_that_makes_its_values_is_looked_at_and_a_broken_one_is_listed() {
    let unused = Unused::new(Kind::Sqlite);
    unused.sql("CREATE TABLE parts (a TEXT, b TEXT)");
    let (a, b) = unused.path.split_at(unused.path.len() - 12);
    unused.sql(&format!("INSERT INTO parts VALUES ('{a}', '{b}')"));
    unused.sql("CREATE VIEW plain AS SELECT a, b FROM parts");
    unused.sql("CREATE VIEW whole AS SELECT a || b AS path FROM parts");
    unused.stays("whole.path");
    unused
        .sql("DROP VIEW whole; CREATE VIEW whole AS SELECT a FROM parts UNION ALL SELECT a || b FROM parts");
    unused.stays("whole.a");
    unused.sql("DROP VIEW whole; CREATE VIEW broken AS SELECT x FROM nowhere");
    unused.goes(&DELETE).says("Not looked at, because it cannot be read:").says("broken: ");
}

/// What a view shows of the file's own schema stands in no table that is looked at.
#[test]
fn s7_a_view_of_sqlites_own_tables_is_looked_at() {
    let unused = Unused::new(Kind::Sqlite);
    unused.sql("CREATE TABLE covers (cover TEXT DEFAULT '$url')");
    unused.sql("CREATE VIEW definitions AS SELECT name, sql FROM sqlite_schema");
    unused.stays("definitions.sql");
    unused.sql("DROP VIEW definitions");
    unused.goes(&DELETE);
}

/// Its table is gone, or a column of it; or its rows cannot be made.
#[test]
fn s7_a_view_that_cannot_be_read_is_named_and_can_be_left_out() {
    let unused = Unused::new(Kind::Sqlite);
    unused.sql("CREATE TABLE pages (body TEXT, more TEXT); INSERT INTO pages VALUES ('no json', '')");
    unused.sql("CREATE VIEW of_table AS SELECT body FROM pages; CREATE VIEW of_column AS SELECT more || '' AS m FROM pages");
    unused.sql("CREATE VIEW of_it AS SELECT m FROM of_column");
    unused.sql("PRAGMA legacy_alter_table = on; DROP TABLE pages; CREATE TABLE page (body TEXT)");
    let ran = unused.site.run(&[&DELETE[..], &["--dry-run"]].concat()).code(0);
    ran.says("of_table: ").says("of_column: ").says("of_it: ");
    unused.sql("CREATE TABLE pages (body TEXT); INSERT INTO pages VALUES ('no json')");
    unused
        .site
        .run(&[&DELETE[..], &["--dry-run"]].concat())
        .code(0)
        .says("of_column: the database refused: no such column: more");
    for view in [
        "SELECT json_extract(body, '$.a') AS a FROM pages",
        "SELECT DISTINCT json_extract(body, '$.a') AS a FROM pages",
    ] {
        unused.sql(&format!("CREATE VIEW made AS {view}"));
        for args in [&DELETE[..], &ORPHANS] {
            unused.site.run(args).says("made could not be looked through (--skip-table leaves it out)");
            assert_eq!(unused.site.paths().len(), 1);
        }
        unused.sql("DROP VIEW made");
    }
    unused.sql("CREATE VIEW made AS SELECT json_extract(body, '$.a') AS a FROM pages");
    unused.goes(&[&ORPHANS[..], &["--skip-table", "made"]].concat()).says("of_it: ");
}

#[test]
fn s7_a_full_text_index_is_looked_at_and_a_foreign_module_is_listed() {
    let unused = Unused::new(Kind::Sqlite);
    unused.sql("CREATE VIRTUAL TABLE pages USING fts5(body)");
    unused.sql("INSERT INTO pages VALUES ('see $url')");
    let ran = unused.site.run(&DELETE).code(0);
    assert_eq!(unused.site.paths().len(), 1, "{ran}");
    unused.sql(
        "DROP TABLE pages; PRAGMA writable_schema = on;
         INSERT INTO sqlite_schema VALUES ('table', 'maps', 'maps', 0, 'CREATE VIRTUAL TABLE maps USING nowhere(x)')",
    );
    unused.goes(&DELETE).says("Not looked at, because it cannot be read:").says("maps: ");
}
