//! Every text of a SQLite file, in one snapshot. A type binds nobody there, so every column of every table is looked at,
//! whatever it is called. Nobody keeps rows from anybody.
//!
//! A view that shows columns of tables is not read; one that makes its values is.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ledger::trouble::TroubleKind;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Row, Transaction};

use super::file::Deadline;
use super::trouble::trouble;
use super::{File, Listed};
use crate::limits::{USE_TEXT_BYTES_MAX, USE_VIEW_COLUMNS_MAX};
use crate::outside::Trouble;
use crate::outside::catalog::search::{Kind, Search, See, Seen, Spot, Table, Texts, Unread};

/// A table and what a row of it is named by.
struct Reading {
    name: String,
    columns: Vec<String>,
    key: String,
    /// Why it cannot be read.
    why_not: Option<String>,
}

/// See [`super::super::Catalog::texts`].
pub(super) async fn texts(file: &File, skip: &[String]) -> Result<Texts, Trouble> {
    let skip = skip.to_vec();
    file.with_deadline(move |connection, deadline| {
        let mut texts = Texts::default();
        let columns_left = counting(connection).map_err(trouble)?;
        let readings = list(connection, &columns_left, &skip)?;
        for name in &skip {
            match readings.iter().find(|reading| same(&reading.name, name)) {
                Some(reading) if same(&reading.name, "venues") => {
                    texts.wrong_skips.push("venues cannot be left out".to_owned());
                }
                Some(reading) => texts.skipped.push(reading.name.clone()),
                None => texts.wrong_skips.push(format!("there is no table {name}")),
            }
        }
        for Reading { name: table, columns, why_not, .. } in readings {
            if texts.skipped.contains(&table) {
                continue;
            }
            match why_not {
                Some(why) => texts.unread.push(Unread { table, columns, why }),
                None => {
                    let sql = format!("SELECT count(*) FROM main.{}", quoted(&table));
                    deadline.renew();
                    let rows: Option<i64> = match connection.query_row(&sql, [], |row| row.get(0)) {
                        Ok(rows) => Some(rows),
                        // Counting only tells people how large a table is: the search itself waits for it.
                        Err(error) if is_stopped(&error) => None,
                        Err(error) => return Err(unreadable(&table, error)),
                    };
                    texts.tables.push(Table {
                        table,
                        columns,
                        rows: rows.and_then(|rows| u64::try_from(rows).ok()),
                        is_estimate: false,
                    });
                }
            }
        }
        Ok(texts)
    })
    .await
}

/// See [`super::super::Catalog::search`].
pub(super) async fn search(file: &File, search: &Search) -> Result<Seen, Trouble> {
    let search = search.clone();
    file.with_deadline(move |connection, deadline| {
        let changes = connection.total_changes();
        let columns_left = counting(connection).map_err(trouble)?;
        let tx = connection.transaction().map_err(trouble)?;
        // A transaction sees the moment of its first reading.
        tx.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(())).map_err(trouble)?;
        let version = tx.query_row("PRAGMA data_version", [], |row| row.get(0)).map_err(trouble)?;
        if let Some(Seen(Kind::Sqlite { version: was, changes: were })) = search.since
            && (was, were) == (version, changes)
        {
            return Ok(Seen(Kind::Sqlite { version, changes }));
        }
        let readings = list(&tx, &columns_left, &search.skip)?;
        let is_read = |reading: &&Reading| {
            let is_skipped = search.skip.iter().any(|name| same(name, &reading.name));
            reading.why_not.is_none() && (!is_skipped || same(&reading.name, "venues"))
        };
        for reading in readings.iter().filter(is_read) {
            let read = read(&tx, deadline, reading, &search.see);
            read.map_err(|error| unreadable(&reading.name, error))?;
        }
        Ok(Seen(Kind::Sqlite { version, changes }))
    })
    .await
}

/// What is said of a table whose rows cannot be read: which it is, and how to go on without it.
fn unreadable(table: &str, error: rusqlite::Error) -> Trouble {
    let is_stopped = is_stopped(&error);
    let said = trouble(error);
    // A row that took so long takes so long again.
    let kind = if is_stopped { TroubleKind::BadData } else { said.kind };
    let message =
        format!("{table} could not be looked through (--skip-table leaves it out): {}", said.message);
    Trouble { kind, message, ..said }
}

/// Has SQLite count the columns that its statements name, those of views within views wherever one is named. It takes no
/// statement that names more than are left: one over a view of many layers takes it minutes, in which nothing stops it.
fn counting(connection: &mut Connection) -> rusqlite::Result<Arc<AtomicU32>> {
    let left = Arc::new(AtomicU32::new(u32::MAX));
    let counted = Arc::clone(&left);
    connection.authorizer(Some(move |asked: AuthContext<'_>| {
        let is_one = matches!(asked.action, AuthAction::Read { .. });
        let less = |left: u32| if left == u32::MAX { Some(left) } else { left.checked_sub(1) };
        match !is_one || counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            true => Authorization::Allow,
            false => Authorization::Deny,
        }
    }))?;
    Ok(left)
}

/// # Errors
/// Where a view names too many columns to be looked into: what is not read for that alone could use any file.
fn list(connection: &Connection, columns_left: &AtomicU32, skip: &[String]) -> Result<Vec<Reading>, Trouble> {
    let readings = list_with(connection, columns_left, skip);
    columns_left.store(u32::MAX, Ordering::Relaxed);
    readings
}

fn list_with(
    connection: &Connection,
    columns_left: &AtomicU32,
    skip: &[String],
) -> Result<Vec<Reading>, Trouble> {
    let tables = super::all_tables(connection).map_err(trouble)?;
    let names: HashSet<String> = tables.iter().map(|table| table.name.to_ascii_lowercase()).collect();
    let is_compound = has_compound_views(connection).map_err(trouble)?;
    tables
        .into_iter()
        .filter(|table| !table.name.to_ascii_lowercase().starts_with("sqlite_"))
        .filter_map(|table| {
            let Listed { name, kind } = table;
            columns_left.store(USE_VIEW_COLUMNS_MAX, Ordering::Relaxed);
            let is_large = |error: &rusqlite::Error| {
                error.sqlite_error_code() == Some(ErrorCode::AuthorizationForStatementDenied)
            };
            let unread = |name, why_not| {
                Some(Ok(Reading { name, columns: Vec::new(), key: String::new(), why_not }))
            };
            if kind == "view" {
                if skip.iter().any(|skipped| same(skipped, &name)) {
                    return unread(name, None);
                }
                match makes_values(connection, &name, &names) {
                    Ok(makes) if makes || is_compound => {}
                    Ok(_) => return None,
                    Err(error) if is_large(&error) => {
                        let why = format!(
                            "{name} could not be looked through (--skip-table leaves it out): with the views that it is made \
                             of it names more than {USE_VIEW_COLUMNS_MAX} columns"
                        );
                        return Some(Err(Trouble::new(TroubleKind::BadData, why)));
                    }
                    // A view of something that is not there any more, for one.
                    Err(error) => return unread(name, Some(trouble(error).message)),
                }
            }
            let columns = match columns(connection, &name) {
                Ok(columns) => columns,
                // A virtual table whose module this program does not have.
                Err(error) if kind == "virtual" => return unread(name, Some(trouble(error).message)),
                Err(error) => return Some(Err(trouble(error))),
            };
            let mut keys: Vec<_> = columns.iter().filter(|(_, place)| *place > 0).collect();
            keys.sort_by_key(|(_, place)| *place);
            let named: HashSet<String> = columns.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(|rowid| !named.contains(*rowid));
            let key = match (keys.is_empty(), rowid) {
                (false, _) => keys
                    .iter()
                    .map(|(name, _)| {
                        format!("{} || CAST({} AS TEXT)", text(&format!("{name} ")), quoted(name))
                    })
                    .collect::<Vec<_>>()
                    .join(" || ', ' || "),
                (true, Some(rowid)) if kind != "virtual" && kind != "view" => {
                    format!("'rowid ' || {rowid}")
                }
                (true, _) => "''".to_owned(),
            };
            let columns = columns.into_iter().map(|(name, _)| name).collect();
            Some(Ok(Reading { name, columns, key, why_not: None }))
        })
        .collect()
}

/// Whether any view is put together of several queries: SQLite tells where the values of one of these come from.
fn has_compound_views(connection: &Connection) -> rusqlite::Result<bool> {
    let mut views = connection.prepare("SELECT sql FROM main.sqlite_schema WHERE type = 'view'")?;
    let mut rows = views.query([])?;
    while let Some(row) = rows.next()? {
        let sql = super::words(row, 0)?.unwrap_or_default().to_ascii_lowercase();
        if ["union", "except", "intersect"].iter().any(|word| sql.contains(word)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a view shows anything else than columns of the file's own tables, which are read there.
fn makes_values(connection: &Connection, view: &str, tables: &HashSet<String>) -> rusqlite::Result<bool> {
    let statement = connection.prepare(&format!("SELECT * FROM main.{}", quoted(view)))?;
    let is_of_table = |of: &str| tables.contains(&of.to_ascii_lowercase());
    Ok(statement.columns_with_metadata().any(|column| !column.table_name().is_some_and(is_of_table)))
}

/// Each column of a table with its place in the primary key, from 1. Generated ones are among them; those that a virtual
/// table hides are none of its rows.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<(String, i64)>> {
    // As a statement: a table of the file can have the name of the function of the same name, and would be asked instead.
    let mut columns = connection.prepare(&format!("PRAGMA main.table_xinfo({})", quoted(table)))?;
    let columns = columns.query_map([], |row| Ok((row.get(1)?, row.get(5)?, row.get::<_, i64>(6)?)))?;
    let shown = columns.filter(|column| !matches!(column, Ok((.., 1))));
    shown.map(|column| column.map(|(name, key, _)| (name, key))).collect()
}

/// Shows every text of a table. The time is that of one row: a table may have any number, and looking into texts takes
/// its own time.
fn read(tx: &Transaction<'_>, deadline: &Deadline, reading: &Reading, see: &See) -> rusqlite::Result<()> {
    if reading.columns.is_empty() {
        return Ok(());
    }
    let columns: Vec<String> = reading.columns.iter().map(|name| quoted(name)).collect();
    let sql = format!("SELECT {}, {} FROM main.{}", columns.join(", "), reading.key, quoted(&reading.name));
    let table: Arc<str> = reading.name.as_str().into();
    let names: Vec<Arc<str>> = reading.columns.iter().map(|name| name.as_str().into()).collect();
    let is_venues = same(&reading.name, "venues");
    let mut statement = tx.prepare(&sql)?;
    let mut rows = statement.query([])?;
    deadline.renew();
    while let Some(row) = rows.next()? {
        let mut key = None;
        for (at, column) in names.iter().enumerate() {
            let number;
            let text = match row.get_ref(at)? {
                ValueRef::Null => continue,
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
                ValueRef::Integer(value) => {
                    number = value.to_string();
                    number.as_bytes()
                }
                ValueRef::Real(value) => {
                    number = value.to_string();
                    number.as_bytes()
                }
            };
            let key = match &key {
                Some(key) => key,
                None => key.insert(name_of(row, names.len())?),
            };
            let spot = Spot::new(&table, column, key, is_venues);
            see(&spot, Some(text).filter(|text| text.len() <= USE_TEXT_BYTES_MAX));
        }
        deadline.renew();
    }
    Ok(())
}

/// Whether the deadline has ended it.
fn is_stopped(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// How a row is named.
fn name_of(row: &Row<'_>, at: usize) -> rusqlite::Result<String> {
    Ok(super::words(row, at)?.unwrap_or_default())
}

/// SQLite tells tables apart without regard to case.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(words: &str) -> String {
    format!("'{}'", words.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    use rusqlite::OpenFlags;

    use super::*;

    /// A file with this schema, of which SQLite may work 200 ms on what it is asked.
    async fn opened(dir: &tempfile::TempDir, schema: &str) -> File {
        let path = dir.path().join("app.db");
        Connection::open(&path).unwrap().execute_batch(schema).unwrap();
        let mut file = File::open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).await.unwrap();
        file.longest = Duration::from_millis(200);
        file
    }

    fn all(see: See) -> Search {
        Search { skip: Vec::new(), run_min: 0, since: None, tolerates_hidden: false, see }
    }

    #[tokio::test]
    async fn s7_a_search_may_take_longer_than_one_statement() {
        let dir = tempfile::tempdir().unwrap();
        let rows = "CREATE TABLE notes (text); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                    WHERE i < 20000) INSERT INTO notes SELECT i FROM n;";
        let file = opened(&dir, rows).await;
        let seen = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&seen);
        let see = move |_: &Spot, _: Option<&[u8]>| {
            if counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(200) {
                // As looking through a long text takes.
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(10) {
                    std::hint::spin_loop();
                }
            }
        };
        search(&file, &all(Arc::new(see))).await.unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), 20_000);
    }

    #[tokio::test]
    async fn s6_a_row_without_end_is_ended_once_and_its_table_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let endless = "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                       SELECT i AS id, 'x' AS text FROM n WHERE i < 0; \
                       CREATE VIRTUAL TABLE found USING fts5(text, content = 'endless', content_rowid = 'id');";
        let file = opened(&dir, endless).await;
        let looked_at = texts(&file, &[]).await.unwrap().tables;
        assert_eq!(looked_at.iter().find(|table| table.table == "found").unwrap().rows, None);
        let said = search(&file, &all(Arc::new(|_, _| {}))).await.unwrap_err();
        assert!(said.message.contains("endless could not be looked through"), "{}", said.message);
        assert!(said.message.contains("took longer than"), "{}", said.message);
        assert_eq!(said.kind, TroubleKind::BadData);
    }

    /// Views over two views each, in many layers: SQLite makes a copy of a view wherever another one names it.
    #[tokio::test]
    async fn s6_a_view_that_is_too_large_to_be_listed_is_named_and_can_be_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let mut schema = "CREATE TABLE base (words); CREATE VIEW a0 AS SELECT words FROM base; \
                          CREATE VIEW b0 AS SELECT words FROM base;"
            .to_owned();
        for (n, m) in (1..15).zip(0..) {
            for (one, other) in [("a", "b"), ("b", "a")] {
                schema +=
                    &format!("CREATE VIEW {one}{n} AS SELECT {one}{m}.words FROM {one}{m}, {other}{m};");
            }
        }
        let file = opened(&dir, &schema).await;
        let (begun, mut skip) = (Instant::now(), Vec::new());
        let found = loop {
            match texts(&file, &skip).await {
                Ok(found) => break found,
                Err(said) => {
                    let view = said.message.split(' ').next().unwrap().to_owned();
                    assert!(said.message.contains("--skip-table leaves it out"), "{}", said.message);
                    skip.push(view);
                }
            }
        };
        assert!(begun.elapsed() < Duration::from_secs(300), "{:?} {skip:?}", begun.elapsed());
        assert!(skip.contains(&"a14".to_owned()) && !skip.contains(&"a10".to_owned()), "{skip:?}");
        assert_eq!(found.skipped.len(), skip.len());
        assert!(found.tables.iter().any(|table| table.table == "base"));
    }
}
