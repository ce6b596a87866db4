//! From a URL to connection options: what is sent to the server, and what is never sent in the clear.

use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use ledger::store::private;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::url::{Said, read};
use crate::outside::catalog::refused;
use crate::outside::{Trouble, roots};
use crate::pass_file::{self, Login};

/// Variables of the environment that the driver would add to what a URL says, and the parameters that say the same.
const UNSAID: [(&str, &str); 4] = [
    ("PGOPTIONS", "options"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
];

/// The way to a database.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// To its server.
    pub(super) options: PgConnectOptions,
    /// Statements that every transaction begins with: the settings that the URL asks for, and once the tables are found,
    /// the search path that leads to them. They are no start-up parameters, because poolers refuse those, or drop them.
    pub(super) settings: String,
    /// Whether the URL says in which schemas tables are found.
    pub(super) has_search_path: bool,
}

/// The way that a URL names, under an application name if it names none.
///
/// # Errors
/// `catalog_error` for a URL that says something that cannot be kept, and for one that forbids TLS to another machine.
pub(super) fn way(url: &str, name: &str) -> Result<Way, Trouble> {
    let said = read(url).map_err(|wrong| refused(format!("the database URL {wrong}")))?;
    unsaid(&said, |name| std::env::var_os(name).is_some())?;
    let options = with_password(&said, secured(&said, &options(&said, name)?)?);
    let quoted = |text: &str| text.replace('\'', "''");
    let setting = |(name, value): &(String, String)| {
        format!("SELECT set_config('{}', '{}', true); ", quoted(name), quoted(value))
    };
    Ok(Way {
        options,
        settings: said.settings.iter().map(setting).collect(),
        has_search_path: said.settings.iter().any(|(name, _)| name == "search_path"),
    })
}

/// The options that a URL means, with its settings, for a connection on which no transaction sets them.
///
/// # Errors
/// As [`way`].
#[cfg(feature = "sandbox")]
pub(crate) fn direct(url: &str, name: &str) -> Result<PgConnectOptions, Trouble> {
    let said = read(url).map_err(|wrong| refused(format!("the database URL {wrong}")))?;
    let options = way(url, name)?.options;
    // Poolers refuse this start-up parameter, so it is not sent where it says nothing.
    Ok(if said.settings.is_empty() { options } else { options.options(said.settings) })
}

/// Refuses what the environment would add without a word.
fn unsaid(said: &Said, is_set: impl Fn(&str) -> bool) -> Result<(), Trouble> {
    for (variable, parameter) in UNSAID {
        let is_said = match parameter {
            "sslrootcert" => said.sslrootcert.is_some(),
            "sslcert" => said.sslcert.is_some(),
            "sslkey" => said.sslkey.is_some(),
            _ => false,
        };
        if !is_said && is_set(variable) {
            let what = format!("{variable} is set, and what it says is not taken for the database");
            return Err(refused(format!("{what}: write {parameter}=… into the database URL, and unset it")));
        }
    }
    Ok(())
}

/// What was said, in the driver's words.
fn options(said: &Said, name: &str) -> Result<PgConnectOptions, Trouble> {
    let no = |what: &str| refused(format!("the database URL {what}"));
    let example = "postgres://USER:PASSWORD@HOST/DATABASE";
    let host =
        said.host.as_deref().ok_or_else(|| no(&format!("names no host: {example}, or ?host=/DIRECTORY")))?;
    let user = said.user.as_deref().ok_or_else(|| no(&format!("names no user: {example}")))?;
    if said.sslcert.is_some() != said.sslkey.is_some() {
        return Err(no("has one of sslcert and sslkey: write both, or neither"));
    }
    // By itself the driver would read the pass files, and wait for a pipe that is named so.
    let mut options = PgConnectOptions::new_without_pgpass()
        .port(said.port.unwrap_or(5432))
        .username(user)
        .database(said.database.as_deref().unwrap_or(user))
        .application_name(said.application_name.as_deref().unwrap_or(name));
    options = if host.starts_with('/') { options.socket(host) } else { options.host(host) };
    let readable = |name: &str, file: &str| {
        // The driver would take a missing file for a server that is away.
        private::open_regular(Path::new(file))
            .map_err(|error| no(&format!("has {name} with a file that cannot be read: {error}")))
    };
    if let Some(file) = &said.sslcert {
        readable("sslcert", file)?;
        options = options.ssl_client_cert(file);
    }
    if let Some(file) = &said.sslkey {
        readable("sslkey", file)?;
        options = options.ssl_client_key(file);
    }
    if let Some(file) = said.root() {
        readable("sslrootcert", &file)?;
        options = options.ssl_root_cert(file);
    }
    // The driver takes this machine's own roots by itself.
    if said.root().is_none()
        && let Some(roots) = roots::for_database()
    {
        options = options.ssl_root_cert_from_pem(roots);
    }
    Ok(options
        // Poolers refuse this start-up parameter, and text needs no float digits.
        .extra_float_digits(None)
        // Behind a transaction pooler a named statement is on another server connection the next time.
        .statement_cache_capacity(0)
        .disable_statement_logging())
}

/// The password that the URL has, or that the environment or a pass file has for it.
fn with_password(said: &Said, options: PgConnectOptions) -> PgConnectOptions {
    if let Some(password) = &said.password {
        return options.password(password);
    }
    // The driver has taken this one itself.
    if std::env::var("PGPASSWORD").is_ok() {
        return options;
    }
    match login(said, &options).and_then(|login| pass_file::password(&login)) {
        Some(password) => options.password(&password),
        None => options,
    }
}

/// Who logs in by these options, for the pass files; `None` where the URL has a password, or names no host.
pub(super) fn login(said: &Said, to: &PgConnectOptions) -> Option<Login> {
    if said.password.is_some() {
        return None;
    }
    let compared =
        [to.get_host(), &to.get_port().to_string(), to.get_database().unwrap_or_default(), to.get_username()];
    // An authority that the URL names may be anybody's.
    let is_proven =
        stays_here(to) || (matches!(to.get_ssl_mode(), PgSslMode::VerifyFull) && said.root().is_none());
    Some(Login { host: said.host.clone()?, compared: compared.map(str::to_owned), is_proven })
}

/// S3: a password and the data go over TLS to a server that is known, unless they stay on this machine, or the URL asks
/// for no more than TLS. What the environment says (`PGSSLMODE`) makes nothing weaker.
fn secured(said: &Said, options: &PgConnectOptions) -> Result<PgConnectOptions, Trouble> {
    let unknown =
        "the database URL has an unknown sslmode: disable, prefer, require, verify-ca or verify-full";
    let asked = said.sslmode.as_deref().map(PgSslMode::from_str).transpose().map_err(|_| refused(unknown))?;
    let root = said.sslrootcert.as_deref();
    let is_here = stays_here(options);
    let mode = match (asked, root) {
        // As libpq has it: this machine's roots are everybody's, so a name has to be looked at, too.
        (None | Some(PgSslMode::VerifyFull), Some("system")) => PgSslMode::VerifyFull,
        (_, Some("system")) => {
            return Err(refused(
                "the database URL has sslrootcert=system: write sslmode=verify-full beside it",
            ));
        }
        // As libpq has it: whoever names a root wants to know the server.
        (Some(PgSslMode::Require), Some(_)) => PgSslMode::VerifyCa,
        (Some(asked), _) => asked,
        (None, _) if !is_here => PgSslMode::VerifyFull,
        (None, _) if said.is_ssl => PgSslMode::Require,
        (None, _) => PgSslMode::Prefer,
    };
    let half = match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => "",
    };
    if !is_here && !half.is_empty() {
        return Err(refused(format!(
            "the database URL says sslmode={half}, and another machine's database is reached over TLS only: write \
             sslmode=verify-full, or sslmode=require to take any server's certificate"
        )));
    }
    Ok(options.clone().ssl_mode(mode))
}

/// Whether what is sent does not leave this machine.
pub(super) fn stays_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests;
