//! A few connections to one database, and transactions on them that say beforehand whether they may write.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgArguments, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::super::bounds::Page;
use super::connect::{self, Way};
use super::schema::Tables;
use super::trouble::{answered, trouble, unreachable_in_time};
use crate::limits;
use crate::outside::Trouble;

/// A small pool.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(super) way: Way,
    /// The tables that were looked for when it was opened.
    pub(super) tables: Tables,
    pool: PgPool,
    /// Callers queue here and not in the pool: a pool that times out then means a server that cannot be reached.
    turns: Semaphore,
}

/// A transaction and the turn it was given.
pub(super) struct Open<'a> {
    pub(super) tx: Transaction<'static, Postgres>,
    _turn: SemaphorePermit<'a>,
}

impl Pool {
    /// Connects once, to see that the URL leads to a database, and where these tables lie; every transaction finds them
    /// there from then on.
    ///
    /// # Errors
    /// As [`super::PostgresCatalog::open`].
    pub(crate) async fn open(url: &str, name: &str, tables: &[&str]) -> Result<Self, Trouble> {
        let mut way = connect::way(url, name)?;
        // Not from the pool: a pool answers refused connections with a time-out, this says what happened.
        let mut first = connection(&way).await?;
        // The path that the role has: behind a pooler, another client may have left its own.
        let begin = format!("BEGIN READ ONLY; SET LOCAL search_path TO DEFAULT; {}", way.settings);
        let begun = answered(first.begin_with(AssertSqlSafe(begin))).await;
        let mut tx = match way.settings.is_empty() {
            true => begun?,
            false => begun.map_err(unsettled)?,
        };
        let tables = Tables::find(&mut tx, tables, way.has_search_path).await?;
        answered(tx.rollback()).await?;
        way.settings.push_str(&tables.pin);
        first.close().await.map_err(trouble)?;
        let pool = PgPoolOptions::new()
            .max_connections(limits::CATALOG_CONNECTIONS_MAX)
            .acquire_timeout(Duration::from_millis(limits::CATALOG_CONNECT_MS_MAX))
            .connect_lazy_with(way.options.clone());
        let turns = Semaphore::new(limits::CATALOG_CONNECTIONS_MAX as usize);
        Ok(Self { way, tables, pool, turns })
    }

    /// Begins a transaction with its limits set, in one round trip. They go with the transaction, because behind a pooler
    /// the server's session is not ours. The isolation is named because a role may have another default: READ COMMITTED is
    /// what makes a row that was waited for come with its newest values.
    pub(super) async fn begin(&self, mode: &str) -> Result<Open<'_>, Trouble> {
        self.begin_at("READ COMMITTED", mode).await
    }

    /// The same in another isolation.
    pub(super) async fn begin_at(&self, isolation: &str, mode: &str) -> Result<Open<'_>, Trouble> {
        let turn = self.turns.acquire().await.map_err(|_| unreachable_in_time())?;
        let begin = format!(
            "BEGIN ISOLATION LEVEL {isolation} {mode}; {}\
             SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL tcp_user_timeout = {}",
            self.way.settings,
            limits::CATALOG_LOCK_WAIT_MS_MAX,
            limits::CATALOG_STATEMENT_MS_MAX,
            limits::CATALOG_IDLE_MS_MAX,
            limits::CATALOG_UNREAD_MS_MAX
        );
        let tx = answered(self.pool.begin_with(AssertSqlSafe(begin))).await?;
        Ok(Open { tx, _turn: turn })
    }

    /// All rows of a query, in a transaction that may only read.
    pub(crate) async fn all<T>(
        &self,
        query: Query<'_, Postgres, PgArguments>,
        row: fn(&PgRow) -> sqlx::Result<T>,
    ) -> Result<Vec<T>, Trouble> {
        let mut open = self.begin("READ ONLY").await?;
        let rows = answered(query.persistent(false).fetch_all(&mut *open.tx)).await?;
        answered(open.tx.commit()).await?;
        rows.iter().map(row).collect::<Result<_, _>>().map_err(trouble)
    }

    /// What fits into a page of the rows of a query, which declares a cursor `page`. They are fetched a few at a time, as
    /// many as may fit, and one by one off the wire: no more than a page and one row is held.
    pub(crate) async fn page<T>(
        &self,
        query: Query<'_, Postgres, PgArguments>,
        bytes_max: usize,
        row: fn(&PgRow) -> sqlx::Result<(T, usize)>,
    ) -> Result<Page<T>, Trouble> {
        let mut open = self.begin("READ ONLY").await?;
        answered(query.persistent(false).execute(&mut *open.tx)).await?;
        let mut page = Page::new(bytes_max);
        while page.has_room() {
            let wanted = page.rows_wanted();
            let fetch = AssertSqlSafe(format!("FETCH {wanted} FROM page"));
            let mut fetched = sqlx::raw_sql(fetch).fetch(&mut *open.tx);
            let mut found = 0;
            while let Some(next) = answered(fetched.try_next()).await? {
                found += 1;
                let (one, bytes) = row(&next).map_err(trouble)?;
                page.take(one, bytes);
                if !page.has_room() {
                    break;
                }
            }
            if page.has_room() && found < wanted {
                break;
            }
        }
        answered(open.tx.commit()).await?;
        Ok(page)
    }
}

/// A connection of its own, outside the pool.
pub(super) async fn connection(way: &Way) -> Result<PgConnection, Trouble> {
    let wait = Duration::from_millis(limits::CATALOG_CONNECT_MS_MAX);
    tokio::time::timeout(wait, PgConnection::connect_with(&way.options))
        .await
        .map_err(|_| unreachable_in_time())?
        .map_err(trouble)
}

/// The server did not take a setting that the URL asks for.
fn unsettled(trouble: Trouble) -> Trouble {
    let message = format!("{} (a setting that the database URL has in its options)", trouble.message);
    Trouble { message, ..trouble }
}
