//! What holds for both databases.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use longshore::sandbox::faults::Fault;

use super::{DELETE, MIGRATE, ORPHANS, ROLLBACK, Unused};
use crate::kill::hand::Going;
use crate::support::site::Site;
use crate::support::stage::Kind;

/// Every spelling in which an application, a page or ImageKit itself writes where a file is.
fn in_every_spelling(kind: Kind) {
    let unused = Unused::new(kind);
    let endpoint = unused.site.stage.imagekit.url_endpoint();
    let (stem, path) = (unused.stem().to_owned(), unused.path.clone());
    let entities: String = path.bytes().map(|byte| format!("&#{byte};")).collect();
    let percents = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let four = (0..3).fold(percents(&path), |text, _| text.replace('%', "%25"));
    let inner = BASE64_URL_SAFE_NO_PAD.encode(path.trim_start_matches('/'));
    for (what, text) in [
        ("a URL for search engines", format!("{endpoint}/ik-seo/venues/pub-1/{stem}/a-fine-pub.jpg")),
        (
            "an overlay",
            format!("{endpoint}/x.jpg?tr=l-image,ie-{},l-end", percents(&BASE64_STANDARD.encode(&path))),
        ),
        ("an overlay in the path", format!("{endpoint}/tr:l-image,ie-{inner},l-end/x.jpg")),
        ("entities", format!("<img src=\"{entities}\">").replace('"', "'")),
        ("fourfold percents", four),
        ("digits of the content alone", stem.rsplit('_').next().unwrap().to_uppercase()),
    ] {
        let text = text.replace('\'', "&apos;");
        unused.site.stage.venue(7, "other", 2, &format!(r#"[{{"source": "user", "x": "{text}"}}]"#));
        unused.stays("venues.venue_images in the row of venue 7");
        unused.site.stage.sql("DELETE FROM venues WHERE id = 7");
        println!("{what}");
    }
    unused.goes(&DELETE);
}

#[test]
fn s7_a_file_in_any_spelling_is_used_on_sqlite() {
    in_every_spelling(Kind::Sqlite);
}

#[test]
fn s7_a_file_in_any_spelling_is_used_on_postgres() {
    in_every_spelling(Kind::Postgres);
}

#[test]
fn s7_a_file_in_any_spelling_is_used_behind_pgbouncer() {
    in_every_spelling(Kind::Pgbouncer);
}

/// What browsers leave out of a URL, and how pages, scripts, mails and calendars break one.
fn in_broken_urls(kind: Kind) {
    let unused = Unused::new(kind);
    unused.sql("CREATE TABLE pages (id bigint PRIMARY KEY, body text)");
    let digits = unused.stem().rsplit('_').next().unwrap().to_owned();
    let (first, rest) = digits.split_at(7);
    let schema = if kind == Kind::Sqlite { "" } else { "public." };
    for between in
        ["\n", "\t", "\r\n", "&Tab;", "&NewLine;", "&#10;", "=\r\n", "\\\n", "\r\n ", "\n ", "= \r\n"]
    {
        // Nothing else of it is so long that a database would pass the text on.
        unused.sql(&format!("INSERT INTO pages VALUES (3, '{first}{between}{rest}')"));
        unused.stays(&format!("{schema}pages.body in the row with id 3"));
        unused.sql("DELETE FROM pages");
        println!("{between:?}");
    }
    let (url, id) = (unused.url(), &unused.id);
    let url = url.replace(&digits, &format!("{first}\\n{rest}"));
    let entry = format!(r#"{{"id": "{id}x", "url": "{url}", "status": "completed", "source": "longshore"}}"#);
    unused.site.stage.venue(7, "other", 2, &format!("[{entry}]"));
    let ran = unused.site.run(&ORPHANS);
    assert_eq!(unused.site.paths(), std::slice::from_ref(&unused.path), "{ran}");
    unused.site.stage.sql("DELETE FROM venues WHERE id = 7");
    unused.goes(&DELETE);
}

#[test]
fn s7_a_file_whose_url_is_broken_is_used_on_sqlite() {
    in_broken_urls(Kind::Sqlite);
}

#[test]
fn s7_a_file_whose_url_is_broken_is_used_on_postgres() {
    in_broken_urls(Kind::Postgres);
}

fn in_other_columns_and_tables(kind: Kind) {
    let unused = Unused::new(kind);
    let schema = if kind == Kind::Sqlite { "" } else { "public." };
    unused.sql("ALTER TABLE venues ADD COLUMN cover text");
    unused.sql("UPDATE venues SET cover = '$url' WHERE id = 1");
    unused.stays(&format!("{schema}venues.cover in the row of venue 1"));
    unused.sql("UPDATE venues SET cover = NULL, name = 'see $id' WHERE id = 1");
    unused.stays(&format!("{schema}venues.name in the row of venue 1"));
    unused.sql("UPDATE venues SET name = 'The Pub' WHERE id = 1");
    unused.sql("CREATE TABLE \"Blog Posts\" (slug varchar PRIMARY KEY, \"Body\" text)");
    unused.sql("INSERT INTO \"Blog Posts\" VALUES ('a', NULL), ('b', '<img src=$url>')");
    let name = if kind == Kind::Sqlite { "Blog Posts.Body" } else { "public.\"Blog Posts\".\"Body\"" };
    unused.stays(&format!("{name} in the row with slug b"));
    unused.sql("DROP TABLE \"Blog Posts\"");
    unused.goes(&ORPHANS);
}

#[test]
fn s7_a_file_that_another_column_or_table_names_is_used_on_sqlite() {
    in_other_columns_and_tables(Kind::Sqlite);
}

#[test]
fn s7_a_file_that_another_column_or_table_names_is_used_on_postgres() {
    in_other_columns_and_tables(Kind::Postgres);
}

/// While the first file is on its way out, all are named by a row of another table, in another spelling each.
fn a_row_of_another_table_meanwhile(kind: Kind) {
    for delete in [&DELETE[..], &ORPHANS[..]] {
        let site = Site::new(kind);
        site.venue(1, 1, &["/1a.jpg", "/1b.jpg"]);
        site.venue(2, 1, &["/2.jpg"]);
        site.one_run(&MIGRATE, 0);
        site.one_run(&ROLLBACK, 0);
        site.stage.sql("CREATE TABLE posts (id integer PRIMARY KEY, body text)");
        site.stage.sql("INSERT INTO posts VALUES (1, 'nothing')");
        site.stage.order("delete=late:by=1500");
        let mut going = Going::spawn(site.command(delete), delete);
        going.reach("a file is being deleted", || site.stage.requests("delete") >= 1);
        let all = site.paths().join(" and ").replace('_', "&#95;");
        site.stage.sql(&format!("UPDATE posts SET body = '{all}'"));
        let ran = going.end().code(if delete == DELETE { 0 } else { 13 });
        assert_eq!(site.paths().len(), 2, "{ran}");
        ran.says("posts.body in the row with id 1 uses it");
    }
}

#[test]
fn s7_a_row_of_another_table_that_is_written_during_a_sweep_counts_on_sqlite() {
    a_row_of_another_table_meanwhile(Kind::Sqlite);
}

#[test]
fn s7_a_row_of_another_table_that_is_written_during_a_sweep_counts_on_postgres() {
    a_row_of_another_table_meanwhile(Kind::Postgres);
}

/// The first look takes longer than all deletions; a row that is written after the first of them counts all the same.
#[test]
fn s7_a_row_that_is_written_after_a_long_look_counts() {
    let site = Site::new(Kind::Postgres);
    site.venue(1, 1, &["/1a.jpg", "/1b.jpg"]);
    site.venue(2, 1, &["/2.jpg"]);
    site.one_run(&MIGRATE, 0);
    site.one_run(&ROLLBACK, 0);
    site.stage.sql("CREATE TABLE posts (id integer PRIMARY KEY, body text)");
    site.stage.sql("INSERT INTO posts SELECT g, repeat('%41%42 ', 20000) FROM generate_series(1, 200) g");
    site.stage.order("delete=late:by=500");
    let mut going = Going::spawn(site.command(&DELETE), &DELETE);
    going.reach("a file is being deleted", || site.stage.requests("delete") >= 1);
    site.stage.sql(&format!("INSERT INTO posts VALUES (0, '{}')", site.paths().join(" and ")));
    let ran = going.end().code(0);
    assert_eq!(site.paths().len(), 2, "{ran}");
    ran.says("posts.body in the row with id 0 uses it");
}

/// A deletion that ImageKit refused for its rate is not sent again before it is asked again who uses the file.
fn a_row_that_is_written_while_a_deletion_waits(kind: Kind) {
    for refused in ["delete=429x1:reset=3000", "delete=500x1"] {
        let unused = Unused::new(kind);
        unused.sql("CREATE TABLE posts (id integer PRIMARY KEY, body text)");
        unused.site.stage.order(refused);
        let mut going = Going::spawn(unused.site.command(&DELETE), &DELETE);
        going.reach("a deletion was refused", || unused.site.stage.requests("delete") >= 1);
        unused.sql("INSERT INTO posts VALUES (1, '$url')");
        let ran = going.end().code(0);
        assert_eq!(unused.site.paths(), std::slice::from_ref(&unused.path), "{refused}: {ran}");
        ran.says("posts.body in the row with id 1 uses it");
        unused.sql("DELETE FROM posts");
        unused.goes(&DELETE);
    }
}

#[test]
fn s7_a_row_that_is_written_while_a_deletion_waits_counts_on_sqlite() {
    a_row_that_is_written_while_a_deletion_waits(Kind::Sqlite);
}

#[test]
fn s7_a_row_that_is_written_while_a_deletion_waits_counts_on_postgres() {
    a_row_that_is_written_while_a_deletion_waits(Kind::Postgres);
}

/// A table can be left out, which is said before and written down; no other name is taken.
fn tables_left_out(kind: Kind, name: &str) {
    let unused = Unused::new(kind);
    unused.sql("CREATE TABLE page_views (id integer PRIMARY KEY, url text)");
    unused.sql("INSERT INTO page_views VALUES (1, '$url')");
    unused.stays(&format!("{name}.url in the row with id 1"));
    let with = |table: &str, args: &[&str]| unused.site.run_idle(&[args, &["--skip-table", table]].concat());
    for args in [&DELETE[..], &ORPHANS[..], &["reconcile"]] {
        with("nowhere.nothing", args).code(2).says("there is no table nowhere.nothing");
        with(&name.replace("page_views", "venues"), args).code(2).says("venues cannot be left out");
    }
    unused
        .site
        .run_idle(&[&ROLLBACK[..], &["--skip-table", name]].concat())
        .code(2)
        .says("--delete-cdn-files");
    let preview = unused.site.run_json(&[&DELETE[..], &["--dry-run", "--skip-table", name]].concat());
    let looks_at = preview.code(0).json()["looks_at"].clone();
    assert_eq!(looks_at["skipped"], serde_json::json!([name]), "{looks_at}");
    let ran = unused.goes(&[&DELETE[..], &["--skip-table", name]].concat());
    ran.says("Not looked at, because of --skip-table:").says(name);
    assert_eq!(unused.deleted()["tables_skipped"], serde_json::json!([name]));
}

#[test]
fn s7_a_table_that_is_left_out_is_said_on_sqlite() {
    tables_left_out(Kind::Sqlite, "page_views");
}

#[test]
fn s7_a_table_that_is_left_out_is_said_on_postgres() {
    tables_left_out(Kind::Postgres, "public.page_views");
}

/// What goes on after a sweep that ended in trouble leaves out the same.
#[test]
fn s7_a_sweep_goes_on_with_the_tables_left_out_that_it_began_with() {
    let site = Site::new(Kind::Sqlite);
    site.venue(1, 1, &["/1.jpg", "/2.jpg"]);
    site.one_run(&MIGRATE, 0);
    site.one_run(&ROLLBACK, 0);
    site.stage.sql("CREATE TABLE page_views (url text); CREATE TABLE \"odd one\" (url text)");
    site.stage.order("delete=wrong_key:after=1");
    let skip = ["--skip-table", "page_views", "--skip-table", "odd one"];
    let ran = site.run(&[&ORPHANS[..], &skip].concat()).code(30).says("1 file deleted.");
    assert!(ran.stderr.contains("--delete-orphans --skip-table page_views --skip-table 'odd one'`"), "{ran}");
}

#[test]
fn s7_a_resumed_rollback_leaves_out_what_it_was_started_with() {
    let unused = Unused::new(Kind::Sqlite);
    unused.sql("CREATE TABLE page_views (id integer PRIMARY KEY, url text)");
    unused.sql("INSERT INTO page_views VALUES (1, '$url')");
    for op in ["details", "list"] {
        unused.site.stage.cdn_faults.inject(op, 0, 1_000, Fault::DropBefore);
    }
    let skip = ["--skip-table", "page_views", "--patience", "1"];
    unused.site.run(&[&DELETE[..], &skip].concat()).code(11);
    unused.site.stage.cdn_faults.clear();
    unused.goes(&["resume"]).says("page_views");
    assert_eq!(unused.deleted()["tables_skipped"], serde_json::json!(["page_views"]));
}

/// The question says what is looked at, whoever asks it.
fn is_said(kind: Kind, venues: &str) {
    let unused = Unused::new(kind);
    unused.sql("CREATE TABLE posts (id integer PRIMARY KEY, body text)");
    unused.sql("INSERT INTO posts VALUES (1, 'one'), (2, 'two')");
    for args in [&DELETE[..], &[&DELETE[..], &["--dry-run"]].concat(), &ORPHANS[..]] {
        let ran = unused.site.run(args).code(0);
        if args != ORPHANS {
            let ran = ran.says(venues).says("posts (2 rows): ").says("cities (2 rows): ");
            let listed =
                ran.stderr.lines().filter(|line| line.starts_with("  ") || line.starts_with("Looked"));
            assert!(listed.into_iter().all(|line| line.chars().count() <= 80), "{ran}");
            let is_told = ran.stderr.contains("Nor are large objects, and values of types that hold no text");
            assert_eq!(is_told, kind != Kind::Sqlite, "a file has none: {ran}");
        }
    }
    let answer = unused.site.run_json(&["reconcile"]).json();
    let tables = answer["looks_at"]["tables"].as_array().unwrap();
    assert!(
        tables.iter().any(|table| table["table"].as_str().unwrap().ends_with("posts") && table["rows"] == 2)
    );
}

#[test]
fn s7_the_question_says_what_is_looked_at_on_sqlite() {
    is_said(Kind::Sqlite, "venues (1 row): id, slug, name, city_id, venue_images, updated_at");
}

#[test]
fn s7_the_question_says_what_is_looked_at_on_postgres() {
    is_said(Kind::Postgres, "public.venues (1 row): slug, name, venue_images");
}
