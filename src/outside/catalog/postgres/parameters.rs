//! The parameters of a database's URL: libpq's, each honoured or refused by name.

use super::url::{Said, some};

/// Other spellings that were always taken.
const SPELLINGS: [(&str, &str); 5] = [
    ("ssl-mode", "sslmode"),
    ("ssl-root-cert", "sslrootcert"),
    ("ssl-ca", "sslrootcert"),
    ("ssl-cert", "sslcert"),
    ("ssl-key", "sslkey"),
];

/// What is read, for hints.
const READ: [&str; 12] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Settings of the server that this program makes itself, in every transaction.
const OURS: [&str; 10] = [
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "tcp_user_timeout",
    "client_encoding",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "transaction_isolation",
    "transaction_read_only",
    "application_name",
];

/// What is known and not read, with what to type instead.
const REFUSED: [(&[&str], &str); 12] = [
    (&["service", "servicefile"], "write what the service file says into the URL"),
    (&["passfile"], "write the password into the URL, or name the file in PGPASSFILE"),
    (&["connect_timeout"], "leave it out, the program has a limit of its own"),
    (
        &["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"],
        "leave it out, the server ends what stands still",
    ),
    (&["load_balance_hosts"], "name the primary's host alone, and leave it out"),
    (&["sslcrl", "sslcrldir"], "leave it out, lists of revoked certificates are not looked at"),
    (&["sslpassword"], "name a key without a password as sslkey"),
    (&["sslcertmode"], "leave it out, a certificate is sent where sslcert names one"),
    (&["requirepeer", "require_auth"], "leave it out, and write sslmode=verify-full to know the server"),
    (&["krbsrvname", "gsslib", "gssdelegation"], "leave it out, and use a password or a certificate"),
    (
        &["sslsni", "sslkeylogfile", "ssl_max_protocol_version", "replication", "statement-cache-capacity"],
        "leave it out",
    ),
    (&["schema", "currentschema", "search_path"], "write options=-csearch_path%3DNAME"),
];

/// The spelling of a name that is used here.
pub(super) fn usual(name: &str) -> &str {
    SPELLINGS.iter().find(|(other, _)| *other == name).map_or(name, |(_, usual)| usual)
}

/// Takes one parameter; one behind a password in the same list may be a part of that.
///
/// # Errors
/// As [`super::url::read`].
pub(super) fn take(
    said: &mut Said,
    name: &str,
    value: String,
    is_behind_password: bool,
) -> Result<(), String> {
    let no = |what: &str| Err(format!("has {name} with a value that {what}"));
    match name {
        "sslmode" => said.sslmode = Some(value),
        "sslrootcert" => said.sslrootcert = some(value),
        "sslcert" => said.sslcert = some(value),
        "sslkey" => said.sslkey = some(value),
        "host" => said.host(&value)?,
        "hostaddr" => said.address(&value)?,
        "port" => said.port(&value)?,
        "dbname" => said.database = some(value),
        "user" => said.user = some(value),
        "password" => said.password = Some(value),
        "application_name" => said.application_name = some(value),
        "fallback_application_name" => said.application_name = said.application_name.take().or(some(value)),
        "options" => settings(said, &value)?,
        "ssl" if value == "true" => said.is_ssl = true,
        "ssl" => return no("is not true: write sslmode=…"),
        // What these ask for is done, or not done, anyway.
        "pgbouncer" => {}
        "client_encoding" if is_one(&value, &["utf8", "utf-8", "unicode", "auto"]) => {}
        "client_encoding" => return no("is not UTF8: leave it out"),
        "target_session_attrs" if value == "any" => {}
        "target_session_attrs" => return no("is not any: name the primary's host alone, and leave it out"),
        "channel_binding" if is_one(&value, &["prefer", "disable"]) => {}
        "channel_binding" => {
            return no("cannot be kept: leave it out, and write sslmode=verify-full to know the server");
        }
        "gssencmode" if is_one(&value, &["prefer", "disable"]) => {}
        "gssencmode" => return no("cannot be kept: leave it out, and write sslmode=verify-full"),
        "sslnegotiation" if value == "postgres" => {}
        "sslnegotiation" => return no("cannot be kept: leave it out"),
        "sslcompression" if value == "0" => {}
        "sslcompression" => return no("cannot be kept: leave it out"),
        "ssl_min_protocol_version" if is_one(&value, &["TLSv1", "TLSv1.1", "TLSv1.2"]) => {}
        "ssl_min_protocol_version" => return no("cannot be kept: leave it out, TLS is 1.2 or newer"),
        _ => match name.strip_prefix("options[").and_then(|rest| rest.strip_suffix(']')) {
            Some(setting) => set(said, setting, value)?,
            None => return Err(refusal(name, is_behind_password)),
        },
    }
    Ok(())
}

fn is_one(value: &str, all: &[&str]) -> bool {
    all.iter().any(|one| value.eq_ignore_ascii_case(one))
}

fn refusal(name: &str, is_behind_password: bool) -> String {
    let lower = name.to_ascii_lowercase();
    if let Some((_, instead)) = REFUSED.iter().find(|(names, _)| names.contains(&lower.as_str())) {
        return format!("has {name}, which is not read: {instead}");
    }
    if is_behind_password {
        // What looks like a name may be the rest of a password with a & in it.
        return "has a parameter behind its password that is not known: in a password write %26 for &".into();
    }
    let near = READ.iter().find(|known| strsim::damerau_levenshtein(known, name) <= 2);
    let hint = near.map_or_else(|| "leave it out".to_owned(), |known| format!("did you mean {known}?"));
    format!("has {}, which is no parameter that is known: {hint}", shown(name))
}

/// A parameter's name, as far as it looks like one.
pub(super) fn shown(name: &str) -> &str {
    let is_name = name.len() <= 40
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']'));
    if is_name { name } else { "something" }
}

/// Reads the server's command line that `options` is: `-c NAME=VALUE`, `-cNAME=VALUE` and `--NAME=VALUE`, with spaces
/// between them and a backslash before those that are meant.
fn settings(said: &mut Said, options: &str) -> Result<(), String> {
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c").map(str::trim_start) {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => word.strip_prefix("--").map(str::to_owned),
        };
        let (name, value) = setting
            .as_deref()
            .and_then(|setting| setting.split_once('='))
            .ok_or("has options with something else than -cNAME=VALUE, whose = is written %3D")?;
        set(said, name, value.to_owned())?;
    }
    Ok(())
}

fn words(options: &str) -> Vec<String> {
    let (mut words, mut word, mut is_open) = (Vec::new(), String::new(), false);
    let mut chars = options.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => {
                if is_open {
                    words.push(std::mem::take(&mut word));
                }
                is_open = false;
            }
            c => {
                word.extend(if c == '\\' { chars.next() } else { Some(c) });
                is_open = true;
            }
        }
    }
    words.extend(is_open.then_some(word));
    words
}

fn set(said: &mut Said, name: &str, value: String) -> Result<(), String> {
    let name = name.replace('-', "_").to_ascii_lowercase();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
        return Err("has options with a setting whose name is none".into());
    }
    if OURS.contains(&name.as_str()) {
        return Err(format!("has {name} in its options, which this program sets itself: leave it out"));
    }
    said.settings.push((name, value));
    Ok(())
}
