//! Where a setting comes from, and what may not come from a file.

use std::collections::HashMap;
use std::ffi::OsString;

use super::{SETTINGS, TRIVIA_ADVISOR};
use crate::error::Failure;
use crate::limits::PASS_FILE_BYTES_MAX;
use crate::pass_file::{ReadLogin, find};

/// Says, in the environment alone, that a `.env` may name where secrets of the environment are sent.
const TRUST: &str = "LONGSHORE_TRUST_ENV_FILE";

/// Where the private key is sent, what it puts into rows, whom alerts go to and what is fetched.
const DESTINATIONS: [&str; 5] = [
    "IMAGEKIT_URL_ENDPOINT",
    "IMAGEKIT_UPLOAD_URL",
    "IMAGEKIT_API_URL",
    "LONGSHORE_NOTIFY_URL",
    "ORIGIN_BASE_URL",
];

const DATABASES: [&str; 4] =
    ["PRODUCTION_DATABASE_URL", "DEV_DATABASE_URL", TRIVIA_ADVISOR[0], TRIVIA_ADVISOR[1]];

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The process's environment.
    Environment,
    /// `.env` in the working directory.
    File,
}

/// A variable of the environment, if it says anything.
fn said(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether the environment says nothing of a setting, under none of its spellings, so that a file would.
pub(super) fn is_left_to_file(name: &str) -> bool {
    let spellings = if name == TRIVIA_ADVISOR[0] { &TRIVIA_ADVISOR[..] } else { &[name] };
    spellings.iter().all(|name| std::env::var_os(name).is_none())
}

/// Where each setting that is set comes from. A variable that is there and empty keeps the file's value out.
pub(super) fn of(file: &HashMap<String, String>) -> Vec<(&'static str, Source)> {
    let source = |name: &str| match std::env::var_os(name) {
        Some(value) => (!value.is_empty()).then_some(Source::Environment),
        None => file.get(name).filter(|value| !value.trim().is_empty()).map(|_| Source::File),
    };
    SETTINGS.into_iter().filter_map(|name| Some((name, source(name)?))).collect()
}

fn is_trusted() -> bool {
    said(TRUST).is_some_and(|value| value == "1")
}

/// Takes out of a file what must not come from it: where secrets of the environment would be sent. Who writes a file into
/// a directory need not know the secrets of whoever works there.
pub(super) fn mistrusted(file: &mut HashMap<String, String>) -> Option<Failure> {
    if is_trusted() {
        return None;
    }
    let is_secret = |name: &&str| {
        let value = said(name);
        value.is_some_and(|value| !value.to_string_lossy().starts_with("sqlite:"))
    };
    let secrets: Vec<&str> = ["IMAGEKIT_PRIVATE_KEY"]
        .into_iter()
        .chain(DATABASES)
        .chain(["PGPASSWORD"])
        .filter(is_secret)
        .collect();
    if secrets.is_empty() {
        return None;
    }
    // The driver sends this one to whatever database is named.
    let databases = if secrets.contains(&"PGPASSWORD") { &DATABASES[..] } else { &[] };
    let sources = of(file);
    let is_theirs = |name: &&str| {
        sources.contains(&(*name, Source::File))
            && !file.get(*name).is_some_and(|url| url.starts_with("sqlite:"))
    };
    let named: Vec<&str> =
        DESTINATIONS.iter().chain(databases).copied().filter(|name| is_theirs(name)).collect();
    if named.is_empty() {
        return None;
    }
    named.iter().for_each(|name| drop(file.remove(*name)));
    let (named, secrets) = (named.join(", "), secrets.join(", "));
    let failure =
        Failure::usage(format!("{named} must not come from .env while {secrets} comes from the environment"))
            .because("whoever wrote the file would say where the secrets of the environment are sent")
            .hint(format!("Export {named} as well, or write the secrets into .env too and unset {secrets}"))
            .hint(format!(
                "If you know what is in the file: `export {TRUST}=1` (in .env itself it counts nothing)"
            ));
    Some(failure)
}

/// Takes out of a file a database that the driver would send a password of a pass file to, unless it is sure that nobody but
/// the server that the password is for gets it.
pub(super) fn sent_any_password(file: &mut HashMap<String, String>, login: ReadLogin) -> Option<Failure> {
    if is_trusted() {
        return None;
    }
    let sources = of(file);
    let (name, login, found) =
        DATABASES.into_iter().filter(|name| sources.contains(&(*name, Source::File))).find_map(|name| {
            let login = login(file.get(name)?)?;
            // A line of a file that the driver passes over answers for none behind it.
            let found = find(&login).into_iter().find(|found| found.is_taken)?;
            let is_sure = found.names_host && found.names_port && login.is_proven;
            (!is_sure).then_some((name, login, found))
        })?;
    // The others are no better for not being told.
    DATABASES.iter().for_each(|name| drop(file.remove(*name)));
    let path = found.file.display();
    let lacks = match (found.names_host, found.names_port) {
        (false, false) => Some("host and port"),
        (false, true) => Some("host"),
        (true, false) => Some("port"),
        (true, true) => None,
    };
    let export = format!("`export {name}='…'`");
    let (whats_wrong, hint) = match (&found.password, lacks) {
        (None, _) => (
            format!("{path} is longer than {PASS_FILE_BYTES_MAX} bytes, so that any line may fit it"),
            format!("{export}, or make {path} shorter"),
        ),
        // A line is compared with another name than the directory of a socket.
        (_, Some(lacks)) if login.host.starts_with('/') => {
            (format!("a line of {path} fits it without naming its {lacks}"), export)
        }
        (_, Some(lacks)) => (
            format!("a line of {path} fits it without naming its {lacks}"),
            format!("Write into that line of {path} the {lacks} that the password is for, or {export}"),
        ),
        (_, None) => (
            format!(
                "its password comes from {path} and it asks for less than sslmode=verify-full with this machine's own authorities"
            ),
            format!("Write sslmode=verify-full and no sslrootcert=FILE into it, or {export}"),
        ),
    };
    let failure = Failure::usage(format!("{name} must not come from .env while {whats_wrong}"))
        .because("whoever wrote .env would say who is sent that password")
        .hint(hint)
        .hint(format!(
            "If you know what is in the file: `export {TRUST}=1` (in .env itself it counts nothing)"
        ));
    Some(failure)
}
