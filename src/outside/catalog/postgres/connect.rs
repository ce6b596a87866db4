//! From a URL to connection options: what is sent to the server, and what is never sent in the clear.

use std::net::IpAddr;
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::outside::Trouble;
use crate::outside::catalog::refused;

/// Parameters of a URL that are handed on. The driver logs the value of any it does not know, and poolers' URLs carry
/// such (`pgbouncer=true`), so those are left out here.
const KNOWN: [&str; 15] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
];

/// The options for a URL, under an application name.
///
/// # Errors
/// `catalog_error` for a URL that cannot be read, and for one that forbids TLS to another machine.
pub(super) fn options(url: &str, name: &str) -> Result<PgConnectOptions, Trouble> {
    let mut url =
        Url::parse(url).map_err(|error| refused(format!("the database URL cannot be read: {error}")))?;
    let known: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| KNOWN.contains(&key.as_ref()))
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    let mut asked = None;
    for (_, value) in known.iter().filter(|(key, _)| key == "sslmode" || key == "ssl-mode") {
        let mode =
            PgSslMode::from_str(value).map_err(|_| refused("the database URL has an unknown sslmode"))?;
        asked = Some(mode);
    }
    url.set_query(None);
    if !known.is_empty() {
        url.query_pairs_mut().extend_pairs(&known);
    }
    let options = PgConnectOptions::from_url(&url).map_err(|_| {
        refused("the database URL has a part that cannot be read (port, host or a parameter)")
    })?;
    let mode = tls(&options, asked)?;
    Ok(options
        .ssl_mode(mode)
        .application_name(name)
        // Poolers refuse this start-up parameter, and text needs no float digits.
        .extra_float_digits(None)
        // Behind a transaction pooler a named statement is on another server connection the next time.
        .statement_cache_capacity(0)
        .disable_statement_logging())
}

/// S3: a password and the data go over TLS, unless they stay on this machine.
fn tls(options: &PgConnectOptions, asked: Option<PgSslMode>) -> Result<PgSslMode, Trouble> {
    let mode = options.get_ssl_mode();
    if stays_here(options) {
        return Ok(mode);
    }
    if matches!(asked, Some(PgSslMode::Disable)) {
        return Err(refused(
            "the database URL says sslmode=disable, and another machine's database is reached over TLS only",
        ));
    }
    Ok(match mode {
        PgSslMode::VerifyCa | PgSslMode::VerifyFull => mode,
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer | PgSslMode::Require => PgSslMode::Require,
    })
}

fn stays_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<PgSslMode, Trouble> {
        options(url, "test").map(|options| options.get_ssl_mode())
    }

    #[test]
    fn s3_another_machine_is_reached_over_tls_only() {
        for url in [
            "postgres://me:pw@db.example/x",
            "postgres://me:pw@db.example/x?sslmode=prefer",
            "postgres://me:pw@db.example/x?sslmode=allow",
            "postgres://me:pw@localhost/x?host=db.example",
            "postgres://me:pw@10.0.0.1/x?sslmode=require",
        ] {
            assert!(matches!(mode(url), Ok(PgSslMode::Require)), "{url}");
        }
        assert!(matches!(
            mode("postgres://me:pw@db.example/x?sslmode=verify-full"),
            Ok(PgSslMode::VerifyFull)
        ));
        assert!(mode("postgres://me:pw@db.example/x?sslmode=disable").is_err());
        assert!(mode("postgres://me:pw@127.0.0.1/x?hostaddr=10.0.0.1&sslmode=disable").is_err());
    }

    #[test]
    fn s3_loopback_may_do_without_tls() {
        for url in [
            "postgres://me@127.0.0.1/x?sslmode=disable",
            "postgres://me@localhost:6543/x?sslmode=disable&pgbouncer=true",
            "postgres://me@[::1]/x?sslmode=disable",
        ] {
            assert!(matches!(mode(url), Ok(PgSslMode::Disable)), "{url}");
        }
    }

    #[test]
    fn s1_a_url_that_cannot_be_read_is_not_repeated() {
        for url in ["postgres://me:hunter2@:x/y", "postgres://me:hunter2@h/x?port=hunter2"] {
            let said = options(url, "test").unwrap_err().to_string();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
