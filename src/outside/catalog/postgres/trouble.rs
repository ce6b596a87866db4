//! PostgreSQL's and the driver's errors in E1's words.

use std::time::Duration;

use ledger::trouble::TroubleKind;

use crate::limits;
use crate::outside::catalog::{plain, refused};
use crate::outside::{Trouble, roots};

/// What an error means: the database is away (waiting helps), it will not let us in, or it refused one statement.
pub(super) fn trouble(error: sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Database(said) => {
            let code = said.code().unwrap_or_default().into_owned();
            let message = plain(said.message());
            if is_away(&code) {
                refused(format!("the database is not available: {message} (SQLSTATE {code})")).outage()
            } else if code.starts_with("28") {
                let message = format!("the database does not let us in: {message} (SQLSTATE {code})");
                Trouble::new(TroubleKind::Unauthorized, message)
            } else {
                refused(format!("the database refused: {message} (SQLSTATE {code})"))
            }
        }
        sqlx::Error::Io(error) => {
            let why = roots::explained(plain(&error.to_string()));
            refused(format!("the connection to the database failed: {}", with_advice(why))).outage()
        }
        sqlx::Error::PoolTimedOut => unreachable_in_time(),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
            refused("the connection to the database is gone").outage()
        }
        sqlx::Error::Tls(error) => {
            let why = plain(&error.to_string());
            refused(format!("no TLS connection to the database: {}", with_advice(why)))
        }
        other => refused(format!("the database's answer cannot be used: {}", plain(&other.to_string()))),
    }
}

/// What went wrong, and where a server's certificate was not taken, what to write for a server that is meant.
fn with_advice(why: String) -> String {
    match why.contains("invalid peer certificate") {
        true => format!(
            "{why}; where this server is meant, name its authority in the database URL by sslrootcert=FILE, and the \
             name that its certificate has as the host, or beside sslrootcert write sslmode=verify-ca, which takes any name \
             of that authority's (sslmode=require would take any certificate, a forged one too)"
        ),
        false => why,
    }
}

/// The database did not answer a connection in time.
pub(super) fn unreachable_in_time() -> Trouble {
    let wait_ms = limits::CATALOG_CONNECT_MS_MAX;
    refused(format!("no connection to the database within {} s", wait_ms / 1_000)).outage()
}

/// Waits for the answer to one statement, and no longer than a server that is there would take: a server that has vanished
/// closes no connection.
pub(super) async fn answered<T>(statement: impl Future<Output = sqlx::Result<T>>) -> Result<T, Trouble> {
    let wait = Duration::from_millis(limits::CATALOG_SILENT_MS_MAX);
    match tokio::time::timeout(wait, statement).await {
        Ok(answer) => answer.map_err(trouble),
        Err(_) => Err(refused(format!("the database said nothing for {} s", wait.as_secs())).outage()),
    }
}

/// SQLSTATEs that speak of the server, not of the statement: broken connections (08), no connection, memory or disk
/// left (53), and a server that was told to stop, is starting, or ended this session (57P; 25P03 and 25P04 after a
/// transaction that stood still or went on for too long, as this program's does while it is suspended).
fn is_away(code: &str) -> bool {
    code.starts_with("08")
        || code.starts_with("53")
        || matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e3_only_a_server_that_is_away_is_an_outage() {
        for code in ["08006", "08P01", "53300", "57P01", "57P02", "57P03", "25P03", "25P04"] {
            assert!(is_away(code), "{code}");
        }
        for code in [
            "25006", "25P02", "40001", "40P01", "55P03", "57014", "23514", "42501", "P0001", "XX000", "22P02",
        ] {
            assert!(!is_away(code), "{code}");
        }
    }
}
