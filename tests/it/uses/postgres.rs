//! What only PostgreSQL has: types, schemas, partitions, views.

use ledger::ids::ContentHash;
use longshore::sandbox::pictures::Picture;

use super::{DELETE, ORPHANS, Unused};
use crate::support::stage::Kind;

#[test]
fn s7_every_type_that_holds_text_is_looked_at() {
    let unused = Unused::new(Kind::Postgres);
    unused.sql("CREATE DOMAIN address AS text; CREATE TYPE card AS (title text, picture address)");
    unused.sql(
        "CREATE TYPE uri;
         CREATE FUNCTION uri_in(cstring) RETURNS uri LANGUAGE internal IMMUTABLE STRICT AS 'textin';
         CREATE FUNCTION uri_out(uri) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
         CREATE TYPE uri (INPUT = uri_in, OUTPUT = uri_out, LIKE = text); CREATE DOMAIN site AS uri;
         CREATE TYPE link AS (n int, target uri); CREATE TYPE mixed AS (raw bytea, title text)",
    );
    unused.sql("CREATE TYPE spans AS RANGE (subtype = text, multirange_type_name = multi_spans); CREATE TYPE covers AS ENUM ('none', '$stem')");
    for (kind, value) in [
        ("json", r#"'{"a": [1, {"b": "$url"}]}'"#),
        ("jsonb", r#"'{"a": {"$url": null}}'"#),
        ("text[]", "ARRAY[NULL, 'a', '$url']"),
        ("jsonb[]", r#"ARRAY['{"a": "$url"}'::jsonb]"#),
        ("varchar(500)", "'$url'"),
        ("char(500)", "'$url'"),
        ("address", "'$url'"),
        ("address[]", "ARRAY['$url']::address[]"),
        ("card", "ROW('x', '$url')::card"),
        ("card[]", "ARRAY[ROW('x', '$url')::card]"),
        ("spans", "spans('$url', NULL)"),
        ("multi_spans", "multi_spans(spans('$url', NULL))"),
        ("covers", "'$stem'"),
        ("uri", "'$url'"),
        ("uri[]", "ARRAY['$url']::uri[]"),
        ("site", "'$url'"),
        ("link", "ROW(1, '$url')::link"),
        ("link[]", "ARRAY[ROW(1, '$url')::link]"),
        ("refcursor", "'$url'"),
        ("mixed", "ROW('', '$url')::mixed"),
        ("tsvector", "to_tsvector('simple', '$url')"),
        ("jsonpath", r#"'$."$stem"'"#),
        ("xml", "XMLPARSE(CONTENT '<img src=\"&#47;$stem.jpg\"/>')"),
    ] {
        unused.sql(&format!("CREATE TABLE odd (held {kind}); INSERT INTO odd VALUES (NULL), ({value})"));
        unused.stays("public.odd.held in the row with ctid (0,2)");
        unused.sql("DROP TABLE odd");
    }
    unused.sql("CREATE TABLE odd (a text COLLATE \"C\", b text COLLATE \"POSIX\"); INSERT INTO odd VALUES ('', '$url')");
    unused.stays("public.odd.b in the row with ctid (0,1)");
    unused.sql("DROP TABLE odd; CREATE TABLE odd (held mixed, n int, at timestamptz, code uuid, bits bit(8), spans int4range[])");
    let answer = unused.site.run_json(&["reconcile"]).json();
    let unread =
        serde_json::json!([{ "table": "public.odd", "columns": ["held"], "why": "bytes are not looked at" }]);
    assert_eq!(answer["looks_at"]["unread"], unread);
    let tables = answer["looks_at"]["tables"].as_array().unwrap();
    let odd = tables.iter().find(|table| table["table"] == "public.odd").unwrap();
    assert_eq!(odd["columns"], serde_json::json!(["held"]), "columns of numbers and moments hold no text");
    unused.goes(&DELETE);
}

/// Text search takes the beginning of such digits for a number, and keeps two lexemes.
#[test]
fn s7_digits_that_a_text_search_cuts_in_two_are_found() {
    let begins_like_a_number = |path: &String| {
        let digits = ContentHash::of(&Picture::new(1, path).bytes()).to_string();
        let (mantissa, rest) = digits[..16].split_once('e').unwrap_or_default();
        let exponent: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number(mantissa) && is_number(&exponent) && exponent.len() < rest.len()
    };
    let path = (1..).map(|n| format!("/{n}.jpg")).find(begins_like_a_number).unwrap();
    let unused = Unused::from(Kind::Postgres, &path);
    unused.sql("CREATE TABLE odd (id bigint PRIMARY KEY, words tsvector)");
    for (config, text) in [("simple", "$stem"), ("english", "see $stem twice"), ("simple", "$stem/x.jpg")] {
        unused.sql(&format!("INSERT INTO odd VALUES (1, to_tsvector('{config}', '{text}'))"));
        unused.stays("public.odd.words in the row with id 1");
        unused.sql("DELETE FROM odd");
    }
    let (_, digits) = unused.stem().rsplit_once('_').unwrap();
    unused.sql(&format!("INSERT INTO odd VALUES (2, to_tsvector('simple', 'see {digits}.jpg'))"));
    unused.stays("public.odd.words in the row with id 2");
    let number = digits.trim_end_matches(|c: char| c.is_ascii_hexdigit() && c != 'e');
    unused.sql(&format!("UPDATE odd SET words = to_tsvector('simple', '{number}1 and others')"));
    unused.goes(&DELETE);
}

#[test]
fn s7_other_schemas_and_all_that_holds_rows_are_looked_at() {
    let unused = Unused::new(Kind::Postgres);
    unused.sql("CREATE SCHEMA \"Old Site\"; CREATE TABLE \"Old Site\".pages (id bigint, body text)");
    unused.sql("INSERT INTO \"Old Site\".pages VALUES (1, '$url')");
    unused.stays("\"Old Site\".pages.body in the row with ctid (0,1)");
    unused.sql("CREATE MATERIALIZED VIEW gallery AS SELECT * FROM \"Old Site\".pages; DELETE FROM \"Old Site\".pages");
    unused.stays("public.gallery.body in the row with ctid (0,1)");
    unused.sql("REFRESH MATERIALIZED VIEW gallery WITH NO DATA");
    unused.sql(
        "CREATE TABLE parts (id bigint PRIMARY KEY, body text) PARTITION BY RANGE (id);
         CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
         CREATE TABLE parts_rest PARTITION OF parts DEFAULT; INSERT INTO parts VALUES (1, 'a'), (20, '$url')",
    );
    unused.stays("public.parts_rest.body in the row with id 20");
    unused.sql("DROP TABLE parts; CREATE TABLE base (id bigint, body text); CREATE TABLE heir (more text) INHERITS (base);
         INSERT INTO heir VALUES (1, 'a', '$url')");
    unused.stays("public.heir.more in the row with ctid (0,1)");
    unused.sql("UPDATE heir SET body = more, more = NULL");
    unused.stays("public.heir.body in the row with ctid (0,2)");
    unused.sql("DROP TABLE heir; CREATE TABLE made (src text, url text GENERATED ALWAYS AS ('/ik-seo/' || src) STORED);
         INSERT INTO made (src) VALUES ('$stem')");
    unused.stays("public.made.src in the row with ctid (0,1)");
    unused.sql("DROP TABLE made");
    unused.goes(&DELETE);
}

/// More blocks than one statement reads, and a use in the last of them and in a long value.
#[test]
fn s7_large_tables_are_read_to_their_end() {
    let unused = Unused::new(Kind::Pgbouncer);
    unused.sql(
        "CREATE TABLE large (id bigint PRIMARY KEY, body text);
         INSERT INTO large SELECT n, repeat('some text of a page. ', 150) FROM generate_series(1, 2500) n;
         INSERT INTO large VALUES (9999, '$url')",
    );
    unused.stays("public.large.body in the row with id 9999");
    unused.sql("UPDATE large SET body = repeat('x y ', 1000000) || '$url' WHERE id = 9999");
    unused.stays("public.large.body in the row with id 9999");
    unused.sql("DELETE FROM large WHERE id = 9999");
    unused.goes(&DELETE);
}

#[test]
fn s7_a_value_that_is_too_large_to_be_looked_at_counts_as_a_use() {
    let unused = Unused::new(Kind::Postgres);
    unused.sql(
        "CREATE TABLE large (id bigint PRIMARY KEY, body text);
         INSERT INTO large VALUES (1, repeat('0123456789abcdef', 2100000))",
    );
    unused.stays("public.large.body in the row with id 1");
    unused.sql("DELETE FROM large");
    unused.goes(&DELETE);
}

#[test]
fn s7_settings_in_the_databases_url_do_not_disturb_a_search() {
    let mut unused = Unused::new(Kind::Pgbouncer);
    let url = format!("{}?options=-cgeqo%3Doff", unused.site.stage.url());
    unused.site.settings.insert("PRODUCTION_DATABASE_URL".into(), url);
    unused.sql("UPDATE venues SET name = '$url'");
    unused.stays("public.venues.name in the row of venue 1");
    unused.sql("UPDATE venues SET name = ''");
    unused.goes(&DELETE);
}

/// What a view makes of bytes stands in no column of text.
#[test]
fn s7_a_view_that_makes_text_of_bytes_is_looked_at() {
    let unused = Unused::new(Kind::Postgres);
    unused.sql(
        "CREATE TABLE pages (id int, data bytea);
         CREATE VIEW site_pages AS SELECT id, convert_from(data, 'UTF8') AS body FROM pages;
         CREATE VIEW of_it AS SELECT body AS words FROM site_pages;
         CREATE VIEW plain AS SELECT slug FROM venues;
         CREATE VIEW asks AS SELECT id, query_to_xml('SELECT 1', true, true, '') AS answer FROM pages;
         INSERT INTO pages VALUES (1, convert_to('see $url', 'UTF8'))",
    );
    unused.stays("public.site_pages.body");
    let answer = unused.site.run_json(&["reconcile"]).json();
    let looks_at = &answer["looks_at"];
    let unread = looks_at["unread"].to_string();
    assert!(unread.contains("public.pages") && unread.contains("public.asks"), "{unread}");
    let tables = looks_at["tables"].to_string();
    assert!(!tables.contains("public.plain") && !tables.contains("public.of_it"), "{tables}");
    unused.sql("UPDATE pages SET data = '', id = 2; CREATE VIEW fixed AS SELECT '$stem'::text AS cover");
    unused.stays("public.fixed.cover");
    unused.sql("DROP VIEW fixed; COMMENT ON TABLE pages IS '$url'");
    unused.sql("CREATE VIEW fixed AS SELECT description AS cover FROM pg_catalog.pg_description");
    unused.stays("public.fixed.cover");
    let skip = [&DELETE[..], &["--skip-table", "public.fixed"]].concat();
    unused.goes(&skip);
}

/// A rule on writing shows nothing of a view, and may name views over that one. Views over two views each, in many layers, are
/// many ways to the same table. Two views can be made of each other.
#[test]
fn s7_rules_and_views_of_views_end_every_look() {
    let unused = Unused::new(Kind::Postgres);
    unused.sql(
        "CREATE TABLE base (id int, gone boolean, words text);
         CREATE VIEW live AS SELECT id, words FROM base WHERE NOT gone; CREATE VIEW listed AS SELECT id, words FROM live;
         CREATE RULE soft AS ON DELETE TO live DO INSTEAD
             UPDATE base SET gone = true WHERE id = OLD.id AND id IN (SELECT id FROM listed);
         CREATE VIEW ring AS SELECT words FROM base; CREATE VIEW around AS SELECT words FROM ring;
         CREATE OR REPLACE VIEW ring AS SELECT words FROM around; CREATE VIEW over_it AS SELECT words FROM ring;
         CREATE VIEW a0 AS SELECT words FROM base; CREATE VIEW b0 AS SELECT words FROM base",
    );
    for n in 1..60 {
        let m = n - 1;
        unused.sql(&format!(
            "CREATE VIEW a{n} AS SELECT a{m}.words FROM a{m}, b{m}; CREATE VIEW b{n} AS SELECT b{m}.words FROM b{m}, a{m}"
        ));
    }
    unused.sql("INSERT INTO base VALUES (1, false, '$url'); DELETE FROM live WHERE id = 1");
    unused.stays("public.base.words in the row with ctid (0,2)");
    let answer = unused.site.run_json(&["reconcile"]).json();
    let (unread, tables) = (&answer["looks_at"]["unread"], answer["looks_at"]["tables"].to_string());
    let named: Vec<_> = unread.as_array().unwrap().iter().map(|unread| unread["table"].clone()).collect();
    assert_eq!(named, ["public.around", "public.over_it", "public.ring"], "{unread}");
    assert!(!tables.contains("public.live") && !tables.contains("public.a59"), "{tables}");
    unused.sql("DELETE FROM base");
    unused.goes(&DELETE).says("public.ring (words): this view is made of itself");
}

/// What a rule on writing to a view runs, or writes to, is nothing that reading it runs or reads.
#[test]
fn s7_a_view_with_a_rule_on_writing_is_looked_at() {
    let (unused, _) = Unused::as_role(
        Kind::Postgres,
        "CREATE TABLE pages (id int, data bytea); CREATE SEQUENCE counter; CREATE TABLE audit (n bigint);
         CREATE VIEW shown AS SELECT convert_from(data, 'UTF8') AS body FROM pages;
         CREATE RULE counted AS ON INSERT TO shown DO INSTEAD INSERT INTO audit VALUES (nextval('counter'));
         ALTER TABLE audit ENABLE ROW LEVEL SECURITY",
    );
    unused.sql("INSERT INTO pages VALUES (1, convert_to('see $url', 'UTF8'))");
    unused.stays("public.shown.body");
    unused.sql("DELETE FROM pages");
    unused.goes(&DELETE);
}

/// What the server's own tables hold stands in none that is looked at.
#[test]
fn s7_a_view_over_a_table_and_one_of_the_servers_own_is_looked_at() {
    let unused = Unused::new(Kind::Postgres);
    unused.sql(
        "CREATE TABLE pages (id int, title text); INSERT INTO pages VALUES (1, 'a'); COMMENT ON TABLE pages IS 'see $url';
         CREATE VIEW about AS SELECT p.title, d.description FROM pages p
             JOIN pg_catalog.pg_description d ON d.objoid = 'pages'::regclass;
         CREATE VIEW of_it AS SELECT description AS words FROM about",
    );
    unused.stays("public.about.description");
    unused.sql("COMMENT ON TABLE pages IS NULL");
    unused.goes(&DELETE);
}

/// Its owner may not read what it is made of, the server shows it to few, or its rows cannot be made.
#[test]
fn s7_a_view_that_cannot_be_read_is_named_and_can_be_left_out_on_postgres() {
    let (unused, role) = Unused::as_role(Kind::Postgres, "CREATE TABLE pages (id int, body text)");
    unused.sql(&format!("INSERT INTO pages VALUES (1, ''); REVOKE SELECT ON pages FROM {role}"));
    for view in [
        "SELECT body FROM pages",
        "SELECT line_number::text AS n FROM pg_catalog.pg_hba_file_rules",
        "SELECT auth_method FROM pg_catalog.pg_hba_file_rules",
        "SELECT (1 / (length(code::text) - 2))::text AS n FROM countries",
    ] {
        unused.sql(&format!("CREATE VIEW closed AS {view}; GRANT SELECT ON closed TO {role}"));
        if view.ends_with("pages") {
            unused.sql(&format!("ALTER VIEW closed OWNER TO {role}"));
        }
        for args in [&DELETE[..], &ORPHANS] {
            let ran = unused.site.run(args);
            assert_eq!(unused.site.paths().len(), 1, "{view}: {ran}");
            ran.says("public.closed could not be looked through (--skip-table leaves it out)");
        }
        unused.sql("DROP VIEW closed");
    }
    unused.sql(&format!("CREATE VIEW closed AS SELECT body FROM pages; ALTER VIEW closed OWNER TO {role}"));
    unused.goes(&[&ORPHANS[..], &["--skip-table", "public.closed"]].concat());
}
