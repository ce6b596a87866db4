//! PostgreSQL's and the driver's errors in E1's words.

use std::error::Error;
use std::time::Duration;

use ledger::trouble::TroubleKind;
use rustls::CertificateError;

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
            let why = with_advice(plain(&error.to_string()), &error);
            refused(format!("the connection to the database failed: {why}")).outage()
        }
        sqlx::Error::PoolTimedOut => unreachable_in_time(),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
            refused("the connection to the database is gone").outage()
        }
        sqlx::Error::Tls(error) => {
            let why = with_advice(plain(&error.to_string()), &*error);
            refused(format!("no TLS connection to the database: {why}"))
        }
        other => refused(format!("the database's answer cannot be used: {}", plain(&other.to_string()))),
    }
}

/// What went wrong, and where a server's certificate was not taken, what helps against that very fault: where only the name
/// is wrong, `verify-ca` does, and against nothing else.
fn with_advice(why: String, error: &(dyn Error + 'static)) -> String {
    use CertificateError as Wrong;
    let wrong = roots::certificate_error(error);
    let why = roots::explained(why, error);
    let advice = match wrong {
        None => return why,
        Some(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }) => {
            "where this server is meant, write the name that its certificate has as the host of the database URL, or name its \
             authority by sslrootcert=FILE and beside it write sslmode=verify-ca, which takes any name of that authority's"
        }
        Some(Wrong::UnknownIssuer) => {
            "where this server is meant, name its authority in the database URL by sslrootcert=FILE (sslmode=require would \
             take any certificate, a forged one too)"
        }
        Some(Wrong::Expired | Wrong::ExpiredContext { .. }) => {
            "the server's certificate is out of date: have it renewed there, or where it is not, look at this machine's clock"
        }
        Some(Wrong::NotValidYet | Wrong::NotValidYetContext { .. }) => {
            "the server's certificate is not valid yet: look at this machine's clock, and have the certificate made anew \
             where that is right"
        }
        Some(wrong) if roots::is_an_authoritys(wrong) => {
            "where this server is meant, give it a certificate of its own with basicConstraints=CA:FALSE and its name in \
             subjectAltName, signed by an authority that sslrootcert=FILE in the database URL names"
        }
        Some(_) => {
            "have a server's certificate made, with basicConstraints=CA:FALSE and the server's name in subjectAltName, by an \
             authority that sslrootcert=FILE in the database URL names"
        }
    };
    format!("{why}; {advice}")
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
