//! A look at a SQLite file.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::File;
use super::claim;
use super::trouble::trouble;
use crate::outside::Trouble;
use crate::outside::catalog::inspect::{Access, Column, Inspection, Policies, Table};
use crate::outside::catalog::plain;
use crate::outside::machine;

/// See [`super::super::inspect::inspect`].
pub(crate) async fn inspect(path: &Path, access: Access, tables: &[&str]) -> Result<Inspection, Trouble> {
    let file = File::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY).await?;
    let tables: Vec<String> = tables.iter().map(|table| (*table).to_owned()).collect();
    let look = move |connection: &mut Connection| {
        let names: Vec<&str> = tables.iter().map(String::as_str).collect();
        let found =
            (self::columns(connection, &tables), self::tables(connection, &names), at_update(connection));
        Ok((found.0.map_err(trouble)?, found.1.map_err(trouble)?, found.2.map_err(trouble)?))
    };
    let (columns, tables, at_update) = file.with(look).await?;
    let read_only = match access {
        Access::Read => None,
        Access::Update => why_read_only(&file.path).await,
    };
    let unclaimable = match access {
        Access::Read => Vec::new(),
        Access::Update => claim::in_the_way(&file.path),
    };
    Ok(Inspection {
        unclaimable,
        version: format!("SQLite {}", rusqlite::version()),
        place: plain(&file.path.to_string_lossy()),
        role: None,
        columns,
        tables,
        at_update,
        unknown_server: None,
        read_only,
        policies: Policies::None,
        route: None,
        clock: None,
    })
}

fn columns(connection: &Connection, tables: &[String]) -> rusqlite::Result<Vec<Column>> {
    let mut columns = Vec::new();
    for table in tables {
        let mut read =
            connection.prepare(&format!("PRAGMA main.table_info(\"{}\")", table.replace('"', "\"\"")))?;
        let column = |row: &rusqlite::Row<'_>| {
            let (name, kind) = (row.get(1)?, row.get(2)?);
            Ok(Column { table: table.clone(), name, kind, may_read: true, may_update: true })
        };
        for column in read.query_map([], column)? {
            columns.push(column?);
        }
    }
    Ok(columns)
}

/// What of these names the file has, in a query that looks into `main` alone.
pub(super) fn tables(connection: &Connection, names: &[&str]) -> rusqlite::Result<Vec<Table>> {
    let all = super::all_tables(connection)?;
    let mut tables = Vec::new();
    for name in names {
        for found in all.iter().filter(|found| found.name.eq_ignore_ascii_case(name)) {
            let odd = match found.kind {
                "view" => Some("view"),
                "virtual" => Some("virtual table"),
                _ => None,
            };
            tables.push(Table { table: (*name).to_owned(), schemas: Vec::new(), odd });
        }
    }
    Ok(tables)
}

/// The triggers on `venues`.
fn at_update(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'venues' COLLATE NOCASE ORDER BY 1";
    let mut read = connection.prepare(sql)?;
    read.query_map([], |row| row.get(0))?.collect()
}

/// Takes the writer's lock and gives it back, with nothing written. SQLite needs the directory too: its journal lies
/// beside the file, and so do the claims.
async fn why_read_only(path: &Path) -> Option<String> {
    if let Some(dir) = path.parent().filter(|dir| !machine::is_writable(dir)) {
        return Some(format!("its directory {} cannot be written to", plain(&dir.to_string_lossy())));
    }
    if !machine::is_writable(path) {
        return Some("the file cannot be written to".to_owned());
    }
    let lock = |connection: &mut Connection| {
        let held = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
        held.rollback().map_err(trouble)
    };
    let file = File::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).await;
    let locked = match file {
        Ok(file) => file.with(lock).await,
        Err(trouble) => Err(trouble),
    };
    locked.err().map(|trouble| trouble.message)
}
