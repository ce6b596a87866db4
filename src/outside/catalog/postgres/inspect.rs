//! A look at a PostgreSQL server. Every transaction is begun `READ ONLY`.

use std::time::SystemTime;

use ledger::timestamp::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection, Row as _};

use super::connect::{Way, stays_here};
use super::pool::{Pool, connection};
use super::trouble::trouble;
use crate::limits;
use crate::outside::Trouble;
use crate::outside::catalog::inspect::{Access, Clock, Column, Inspection, Policies, Route};

/// Columns as the role finds them by its search path, and what it may do with each; the catalog itself hides nothing.
const COLUMNS: &str = "
SELECT t.name, a.attname::text, format_type(a.atttypid, a.atttypmod),
       has_column_privilege(a.attrelid, a.attnum, 'SELECT'), has_column_privilege(a.attrelid, a.attnum, 'UPDATE')
FROM unnest($1::text[]) WITH ORDINALITY t (name, place)
JOIN pg_attribute a ON a.attrelid = to_regclass(t.name)
WHERE a.attnum > 0 AND NOT a.attisdropped
ORDER BY t.place, a.attnum";

/// Whether policies decide about `venues`, and whether one of them allows this role an update.
const POLICIES: &str = "
SELECT coalesce(row_security_active(to_regclass('venues')), false),
       EXISTS (SELECT FROM pg_policy p
               WHERE p.polrelid = to_regclass('venues') AND p.polpermissive AND p.polcmd IN ('w', '*')
                 AND EXISTS (SELECT FROM unnest(p.polroles) r
                             WHERE CASE WHEN r = 0 THEN true ELSE pg_has_role(r, 'USAGE') END))";

/// What has its say when a row of `venues` is updated.
const AT_UPDATE: &str = "
SELECT t.tgname::text FROM pg_trigger t
WHERE t.tgrelid = to_regclass('venues') AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 16 <> 0
UNION ALL
SELECT r.rulename::text FROM pg_rewrite r
WHERE r.ev_class = to_regclass('venues') AND r.ev_type = '2' AND r.rulename <> '_RETURN'
ORDER BY 1";

const SERVER: &str = "SELECT current_setting('server_version'), current_user::text, current_database()::text, \
     pg_is_in_recovery(), inet_server_port()";

const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8";

/// See [`super::super::inspect::inspect`].
pub(crate) async fn inspect(url: &str, access: Access, tables: &[&str]) -> Result<Inspection, Trouble> {
    let pool = Pool::open(url, "longshore", tables).await?;
    let server = |row: &sqlx::postgres::PgRow| {
        let version: String = row.try_get(0)?;
        let (user, database): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        let (is_standby, port): (bool, Option<i32>) = (row.try_get(3)?, row.try_get(4)?);
        Ok((version, user, database, is_standby, port))
    };
    let mut servers = pool.all(sqlx::query(SERVER), server).await?;
    let (version, user, database, is_standby, port) =
        servers.pop().ok_or_else(|| super::refused("the database answered nothing about itself"))?;
    let names: Vec<String> = tables.iter().map(|table| (*table).to_owned()).collect();
    let columns = pool.all(sqlx::query(COLUMNS).bind(names), column).await?;
    let security = pool.all(sqlx::query(POLICIES), |row| Ok((row.try_get(0)?, row.try_get(1)?))).await?.pop();
    let policies = match security {
        Some((true, true)) => Policies::Some,
        Some((true, false)) => Policies::NoUpdate,
        _ => Policies::None,
    };
    let at_update = match access {
        Access::Read => Vec::new(),
        Access::Update => pool.all(sqlx::query(AT_UPDATE), |row| row.try_get(0)).await?,
    };
    let before = now();
    let mut theirs: Vec<i64> = pool.all(sqlx::query(CLOCK), |row| row.try_get(0)).await?;
    let after = now();
    let clock = theirs.pop().map(|ms| Clock { before, theirs: Timestamp::from_millis(ms), after });
    let standby = "it is a standby, which takes no updates".to_owned();
    Ok(Inspection {
        version: format!("PostgreSQL {}", version.split(' ').next().unwrap_or_default()),
        place: place(&pool.way.options, &user, &database),
        role: Some(user),
        columns,
        tables: pool.tables.all.clone(),
        at_update,
        unknown_server: unknown_server(&pool.way.options),
        unclaimable: Vec::new(),
        read_only: (is_standby && access == Access::Update).then_some(standby),
        policies,
        route: Some(route(&pool.way, port).await?),
        clock,
    })
}

fn column(row: &sqlx::postgres::PgRow) -> sqlx::Result<Column> {
    Ok(Column {
        table: row.try_get(0)?,
        name: row.try_get(1)?,
        kind: row.try_get(2)?,
        may_read: row.try_get(3)?,
        may_update: row.try_get(4)?,
    })
}

/// Host, database and role, and how the way there is kept private.
fn place(options: &PgConnectOptions, user: &str, database: &str) -> String {
    let tls = match options.get_ssl_mode() {
        PgSslMode::VerifyFull => ", verify-full: TLS with a verified certificate",
        PgSslMode::VerifyCa => ", verify-ca: TLS with a certificate of a known authority, for whatever name",
        PgSslMode::Require => ", require: the server's certificate is not checked",
        PgSslMode::Disable => ", disable: without TLS, on this machine",
        PgSslMode::Allow | PgSslMode::Prefer => ", prefer: on this machine, with TLS where the server has it",
    };
    let host = options.get_socket().map_or_else(
        || format!("{}:{}", options.get_host(), options.get_port()),
        |socket| socket.display().to_string(),
    );
    format!("{database} at {host} as {user}{tls}")
}

/// What is not known of another machine's server.
fn unknown_server(options: &PgConnectOptions) -> Option<&'static str> {
    match options.get_ssl_mode() {
        _ if stays_here(options) => None,
        PgSslMode::VerifyCa => Some("the server's name is not compared with its certificate's"),
        PgSslMode::VerifyFull => None,
        _ => Some("the server's certificate is not checked, so a forged one would get the password"),
    }
}

/// Looks for signs of a pooler. That none shows proves nothing: a pooler at rest gives the same process again.
async fn route(way: &Way, server: Option<i32>) -> Result<Route, Trouble> {
    let mut one = connection(way).await?;
    let mut processes = Vec::new();
    for _ in 0..limits::POOLER_LOOKS {
        processes.push(process(&mut one).await.map_err(trouble)?);
    }
    one.close().await.map_err(trouble)?;
    let options = &way.options;
    let asked = options.get_port();
    Ok(match server.and_then(|port| u16::try_from(port).ok()) {
        _ if processes.iter().any(|process| *process != processes[0]) => Route::TransactionPooler,
        // Through a Unix socket the server names no port.
        Some(server) if server != asked && options.get_socket().is_none() => {
            Route::OtherPort { asked, server }
        }
        _ => Route::Straight,
    })
}

/// The server process behind one transaction.
async fn process(connection: &mut PgConnection) -> sqlx::Result<i32> {
    let mut tx = connection.begin_with("BEGIN READ ONLY").await?;
    let process = sqlx::query_scalar("SELECT pg_backend_pid()").persistent(false).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    Ok(process)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(since.as_millis() as i64)
}
