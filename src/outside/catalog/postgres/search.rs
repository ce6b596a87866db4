//! Every text of a PostgreSQL database, in one snapshot.
//!
//! One transaction reads all tables, so that a row that moves from one place to another meanwhile is seen once at least.
//! Within it, each statement reads some blocks of a table, so that none takes too long. Another look at the same tables reads
//! only rows that were written since the snapshot of the first: their `xmin` is one that it did not see the end of.

mod tables;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use sqlx::{AssertSqlSafe, Postgres, Row as _, Transaction};
use tokio::time::timeout;

use self::tables::{Reading, list};
use super::pool::{Open, Pool};
use super::refused;
use super::trouble::{answered, trouble};
use crate::limits::{
    SEARCH_BLOCKS, SEARCH_BLOCKS_AGAIN, SEARCH_COUNTED_BLOCKS, SEARCH_STATEMENT_MS_MAX, SEARCH_UNREAD_MS_MAX,
    USE_TEXT_BYTES_MAX,
};
use crate::outside::Trouble;
use crate::outside::catalog::search::{Kind, Search, See, Seen, Spot, Texts};

/// Since this version a condition on blocks reads no others.
const BLOCKS_SINCE: i32 = 140_000;

const SNAPSHOT: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, \
     current_setting('server_version_num')::int4";
const BLOCKS: &str = "SELECT pg_relation_size($1::int8::oid) / current_setting('block_size')::int8";
/// Tables whose rows lie elsewhere now. A snapshot does not show what a rewritten table held.
const MOVED: &str = "SELECT o.oid FROM unnest($1::int8[], $2::int8[]) o (oid, node) \
     WHERE coalesce(pg_relation_filenode(o.oid::oid), 0)::int8 <> o.node LIMIT 1";

/// See [`super::super::Catalog::texts`].
pub(super) async fn texts(pool: &Pool, skip: &[String]) -> Result<Texts, Trouble> {
    let mut open = begin(pool).await?;
    let (readings, mut texts) = list(&mut open.tx, skip).await?;
    for (table, reading) in texts.tables.iter_mut().zip(&readings) {
        (table.rows, table.is_estimate) = match reading.of.rows {
            rows if rows >= 0.0 => (Some(rows as u64), true),
            _ if reading.of.filenode != 0 && blocks(&mut open.tx, reading).await? < SEARCH_COUNTED_BLOCKS => {
                let sql = format!("SELECT count(*) FROM {}", from(reading));
                let count = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).persistent(false);
                (u64::try_from(answered(count.fetch_one(&mut *open.tx)).await?).ok(), false)
            }
            _ => (None, false),
        };
    }
    answered(open.tx.commit()).await?;
    Ok(texts)
}

/// See [`super::super::Catalog::search`].
pub(super) async fn search(pool: &Pool, search: &Search) -> Result<Seen, Trouble> {
    let mut open = begin(pool).await?;
    let tx = &mut open.tx;
    let row = answered(sqlx::query(SNAPSHOT).persistent(false).fetch_one(&mut **tx)).await?;
    let (xmin, version): (String, i32) = (row.try_get(0).map_err(trouble)?, row.try_get(1).map_err(trouble)?);
    let xmin: u64 = xmin.parse().map_err(|_| refused("the database names no snapshot"))?;
    let (readings, texts) = list(tx, &search.skip).await?;
    if let Some(refusal) = texts.refusal().filter(|_| !search.tolerates_hidden) {
        return Err(refused(refusal));
    }
    let before = match &search.since {
        Some(Seen(Kind::Postgres { xmin, tables })) => Some((*xmin, tables)),
        _ => None,
    };
    let mut seen = HashMap::new();
    for mut reading in readings {
        reading.has_blocks &= version >= BLOCKS_SINCE;
        let numbers: Vec<i32> = reading.columns.iter().map(|(number, _)| *number).collect();
        let was_seen = |(_, tables): &(u64, &HashMap<i64, (i64, Vec<i32>)>)| {
            let had = tables.get(&reading.of.oid).filter(|(node, _)| *node == reading.of.filenode);
            reading.has_blocks
                && had.is_some_and(|(_, had)| numbers.iter().all(|number| had.contains(number)))
        };
        let since = before.filter(was_seen).map(|(xmin, _)| xmin);
        read(tx, &reading, search, since).await.map_err(|trouble| {
            let (name, why) = (&reading.of.name, &trouble.message);
            let message = format!("{name} could not be looked through (--skip-table leaves it out): {why}");
            Trouble { message, ..trouble }
        })?;
        seen.insert(reading.of.oid, (reading.of.filenode, numbers));
    }
    let (oids, nodes): (Vec<i64>, Vec<i64>) = seen.iter().map(|(oid, (node, _))| (*oid, *node)).unzip();
    let moved = sqlx::query(MOVED).bind(oids).bind(nodes).persistent(false);
    if answered(moved.fetch_optional(&mut **tx)).await?.is_some() {
        return Err(refused("a table was rewritten while it was looked through"));
    }
    answered(open.tx.commit()).await?;
    Ok(Seen(Kind::Postgres { xmin, tables: seen }))
}

/// A transaction that sees one moment, and whose statements may take longer than others.
async fn begin(pool: &Pool) -> Result<Open<'_>, Trouble> {
    let mut open = pool.begin_at("REPEATABLE READ", "READ ONLY").await?;
    // Each of its statements is large and runs once: compiling it would take longer than running it.
    let settings = format!(
        "SET LOCAL jit = off; SET LOCAL statement_timeout = {SEARCH_STATEMENT_MS_MAX}; \
         SET LOCAL idle_in_transaction_session_timeout = {SEARCH_UNREAD_MS_MAX}; \
         SET LOCAL tcp_user_timeout = {SEARCH_UNREAD_MS_MAX}"
    );
    answered(sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut *open.tx)).await?;
    Ok(open)
}

fn from(reading: &Reading) -> String {
    let only = if reading.with_children { "" } else { "ONLY " };
    format!("{only}{}", reading.of.name)
}

async fn blocks(tx: &mut Transaction<'static, Postgres>, reading: &Reading) -> Result<i64, Trouble> {
    let blocks = sqlx::query_scalar(BLOCKS).bind(reading.of.oid).persistent(false);
    let blocks: Option<i64> = answered(blocks.fetch_one(&mut **tx)).await?;
    Ok(blocks.unwrap_or(0))
}

/// Reads one table, or the rows of it that were written since a snapshot with this `xmin`.
async fn read(
    tx: &mut Transaction<'static, Postgres>,
    reading: &Reading,
    search: &Search,
    since: Option<u64>,
) -> Result<(), Trouble> {
    let newer = since.map_or_else(String::new, |xmin| {
        let xmin = xmin as u32;
        format!(
            "pg_catalog.age(t.xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('{xmin}'::pg_catalog.xid) AND "
        )
    });
    if !reading.has_blocks {
        return statement(tx, reading, search, "").await;
    }
    let blocks = blocks(tx, reading).await?;
    let step = if since.is_some() { SEARCH_BLOCKS_AGAIN } else { SEARCH_BLOCKS };
    let mut first = 0;
    while first < blocks {
        // Nobody counts what the file has got since; the snapshot shows none of it, and it costs nothing to look.
        let end = first + step;
        let below = match end < blocks {
            true => format!("t.ctid OPERATOR(pg_catalog.<) '({end},0)'::pg_catalog.tid AND "),
            false => String::new(),
        };
        let from = format!("t.ctid OPERATOR(pg_catalog.>=) '({first},0)'::pg_catalog.tid AND ");
        statement(tx, reading, search, &format!("{from}{below}{newer}")).await?;
        first = end;
    }
    Ok(())
}

async fn statement(
    tx: &mut Transaction<'static, Postgres>,
    reading: &Reading,
    search: &Search,
    within: &str,
) -> Result<(), Trouble> {
    let table: Arc<str> = reading.of.name.as_str().into();
    let columns: Vec<Arc<str>> = reading.columns.iter().map(|(_, name)| name.as_str().into()).collect();
    let texts = |(at, (_, name)): (usize, &(i32, String))| {
        format!("({at}::int4, CASE WHEN t.{name} IS NOT NULL THEN pg_catalog.concat(t.{name}) END)")
    };
    let texts: Vec<String> = reading.columns.iter().enumerate().map(texts).collect();
    let holds = match search.run_min {
        0 => "u.v IS NOT NULL AND $1::text IS NOT NULL",
        _ => "u.v COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.~) $1::text",
    };
    let sql = format!(
        "SELECT u.n, CASE WHEN pg_catalog.octet_length(u.v) OPERATOR(pg_catalog.<=) {USE_TEXT_BYTES_MAX} THEN u.v END, {} \
         FROM {} t CROSS JOIN LATERAL (VALUES {}) u (n, v) WHERE {within}{holds}",
        key(reading),
        from(reading),
        texts.join(", "),
    );
    // Browsers leave tabs and line breaks out of a URL, mails break lines behind an equals sign, and a folded line begins
    // with a blank. A `tsvector` has digits that begin like a number in two lexemes, of which this finds the first.
    let (run_min, number) = (search.run_min.min(200), "'[-+]?[0-9]+[eE][0-9]+'");
    let holds = format!("[\\\\%&]|[\r\n] | [\r\n]|[A-Za-z0-9+/_=\t\r\n-]{{{run_min},}}|{number}");
    let mut rows = pin!(sqlx::query(AssertSqlSafe(sql)).bind(holds).persistent(false).fetch(&mut **tx));
    let wait = Duration::from_millis(SEARCH_STATEMENT_MS_MAX + SEARCH_UNREAD_MS_MAX);
    while let Some(row) = timeout(wait, rows.next())
        .await
        .map_err(|_| refused(format!("the database said nothing for {} s", wait.as_secs())).outage())?
    {
        let row = row.map_err(trouble)?;
        let (column, key): (i32, Option<String>) =
            (row.try_get(0).map_err(trouble)?, row.try_get(2).map_err(trouble)?);
        let text: Option<String> = row.try_get(1).map_err(trouble)?;
        drop(row);
        let column = &columns[usize::try_from(column).unwrap_or(0)];
        let spot = Spot::new(&table, column, &key.unwrap_or_default(), reading.of.is_venues);
        show(&search.see, spot, text).await?;
    }
    Ok(())
}

/// How a row is named: by its primary key, else by where it lies.
fn key(reading: &Reading) -> String {
    let named = |column: &String| format!("'{} ', t.{column}", column.replace('\'', "''"));
    let keys: Vec<String> = reading.of.key.iter().map(named).collect();
    match (keys.is_empty(), reading.has_blocks) {
        _ if reading.of.is_venues => "pg_catalog.concat('id ', t.id)".to_owned(),
        (false, _) => format!("pg_catalog.\"left\"(pg_catalog.concat({}), 400)", keys.join(", ', ', ")),
        (true, true) => "pg_catalog.concat('ctid ', t.ctid)".to_owned(),
        (true, false) => "NULL::text".to_owned(),
    }
}

/// A long text is looked at where it may take a while.
async fn show(see: &See, spot: Spot, text: Option<String>) -> Result<(), Trouble> {
    const SHORT: usize = 64 * 1024;
    if text.as_ref().is_none_or(|text| text.len() <= SHORT) {
        see(&spot, text.as_deref().map(str::as_bytes));
        return Ok(());
    }
    let see = see.clone();
    let work = move || see(&spot, text.as_deref().map(str::as_bytes));
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|stopped| refused(format!("a search stopped short: {stopped}")))
}
