//! A claim as a transaction that does nothing but hold an advisory lock.
//!
//! A transaction keeps its server connection even behind a transaction pooler. Between its statements this one holds no
//! snapshot, so vacuum goes on; and when its program, its machine or the network is gone, the server ends it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::super::claims::{Trying, calls_itself, claimed, until_next_ping};
use super::super::plain;
use super::connect::Way;
use super::pool::connection;
use super::trouble::{trouble, unreachable_in_time};
use crate::limits;
use crate::outside::Trouble;
use crate::outside::catalog::{Claim, ClaimRefused};

/// PostgreSQL cuts an application name at this many bytes.
const NAME_BYTES_MAX: usize = 63;

/// Who holds an advisory lock of 64 bits, as this database's lock table splits it: first what the server knows.
const HOLDER: &str = "SELECT l.pid::int8, a.usename::text, nullif(a.application_name, ''), host(a.client_addr), \
       to_char(a.backend_start AT TIME ZONE 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
       AND l.classid = (($1 >> 32) & 4294967295)::oid AND l.objid = ($1 & 4294967295)::oid \
     LIMIT 1";

/// A country held in PostgreSQL.
pub(super) struct PostgresClaim {
    inner: Arc<Inner>,
    pinging: JoinHandle<()>,
}

struct Inner {
    way: Way,
    key: i64,
    holder: String,
    held: Mutex<Option<Held>>,
}

/// A connection inside the transaction that holds the lock.
struct Held {
    connection: PgConnection,
    /// `now()`: it stands still within a transaction, so the same answer means the same transaction.
    began: String,
}

impl PostgresClaim {
    /// Takes the claim, trying for as long as the limits say.
    pub(super) async fn take(way: Way, country: Option<&str>, holder: &str) -> Result<Self, ClaimRefused> {
        let held = Mutex::new(None);
        let inner = Arc::new(Inner { way, key: key(country), holder: name(holder), held });
        inner.check().await?;
        let pinging = tokio::spawn(keep_alive(Arc::downgrade(&inner)));
        Ok(Self { inner, pinging })
    }
}

impl Drop for PostgresClaim {
    fn drop(&mut self) {
        self.pinging.abort();
    }
}

#[async_trait]
impl Claim for PostgresClaim {
    async fn check(&self) -> Result<(), ClaimRefused> {
        self.inner.check().await
    }
}

impl Inner {
    async fn check(&self) -> Result<(), ClaimRefused> {
        let mut held = self.held.lock().await;
        still(&mut held).await;
        if held.is_some() {
            return Ok(());
        }
        let trying = Trying::start();
        let mut connection = begin(&self.way, &self.holder).await.map_err(ClaimRefused::Trouble)?;
        loop {
            match attempt(&mut connection, self.key).await.map_err(ClaimRefused::Trouble)? {
                Ok(began) => {
                    *held = Some(Held { connection, began });
                    return Ok(());
                }
                Err(who) => {
                    if !trying.again().await {
                        return Err(ClaimRefused::Held(who));
                    }
                }
            }
        }
    }
}

/// Uses the claim's connection now and then, for as long as somebody has the claim.
async fn keep_alive(claim: Weak<Inner>) {
    loop {
        until_next_ping().await;
        let Some(claim) = claim.upgrade() else { return };
        still(&mut *claim.held.lock().await).await;
    }
}

/// Lets go of a connection that is no longer inside the transaction it began.
async fn still(held: &mut Option<Held>) {
    // Taken out while it is asked: a question that is given up half-way must not leave a connection that answers it
    // to the next one.
    let Some(mut asked) = held.take() else { return };
    let now = sqlx::query_scalar::<_, String>("SELECT now()::text").persistent(false);
    // Whoever needs the claim next finds it lost, and says so.
    if in_time(now.fetch_one(&mut asked.connection)).await.is_ok_and(|now| now == asked.began) {
        *held = Some(asked);
    }
}

async fn in_time<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T, Trouble> {
    let wait = Duration::from_millis(limits::CATALOG_CONNECT_MS_MAX);
    tokio::time::timeout(wait, work).await.map_err(|_| unreachable_in_time())?.map_err(trouble)
}

/// A connection of its own inside a transaction that others can name.
async fn begin(way: &Way, holder: &str) -> Result<PgConnection, Trouble> {
    let mut connection = connection(way).await?;
    let begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; {}\
         SET LOCAL idle_in_transaction_session_timeout = {}",
        way.settings,
        limits::CLAIM_IDLE_MS_MAX
    );
    in_time(sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection)).await?;
    let named = sqlx::query("SELECT set_config('application_name', $1, true)").bind(holder).persistent(false);
    in_time(named.execute(&mut connection)).await?;
    Ok(connection)
}

/// Asks for the lock once: when the transaction began, or who holds it.
async fn attempt(connection: &mut PgConnection, key: i64) -> Result<Result<String, String>, Trouble> {
    let ask = sqlx::query_as::<_, (bool, String)>("SELECT pg_try_advisory_xact_lock($1), now()::text");
    let (given, began) = in_time(ask.bind(key).persistent(false).fetch_one(&mut *connection)).await?;
    if given {
        return Ok(Ok(began));
    }
    type Found = (i64, Option<String>, Option<String>, Option<String>, Option<String>);
    let ask = sqlx::query_as::<_, Found>(HOLDER).bind(key).persistent(false);
    let found = in_time(ask.fetch_optional(&mut *connection)).await?;
    Ok(Err(found.map_or_else(
        || "someone who has just let go".to_owned(),
        |(pid, user, application, host, since)| {
            let user = user.map_or_else(
                || "an unknown database user".to_owned(),
                |user| format!("database user \"{}\"", plain(&user).replace('"', "'")),
            );
            let mut who = format!("{user} (process {pid}");
            host.iter().for_each(|host| who.push_str(&format!(", from {host}")));
            since.iter().for_each(|since| who.push_str(&format!(", since {since}")));
            who.push(')');
            application.iter().for_each(|name| who.push_str(&format!("; {}", calls_itself(name))));
            who
        },
    )))
}

/// The lock's number: the first 8 bytes, big endian, of BLAKE3 in derive-key mode. Frozen, because two versions of the
/// program must not hold one country together.
fn key(country: Option<&str>) -> i64 {
    let name = country.map_or_else(|| "-".to_owned(), |_| claimed(country));
    let hash = blake3::derive_key("longshore claim", name.as_bytes());
    i64::from_be_bytes([hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]])
}

/// A holder as an application name carries it.
fn name(holder: &str) -> String {
    let holder = plain(holder);
    holder[..holder.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e6_the_locks_numbers_never_change() {
        assert_eq!(key(Some("PL")), key(Some("pl")));
        assert_eq!([key(Some("PL")), key(None)], [-279_126_386_944_916_022, -7_816_956_865_394_843_332]);
    }

    #[test]
    fn e6_a_long_name_is_cut_between_characters() {
        assert_eq!(name(&"ż".repeat(60)).len(), 62);
    }
}
