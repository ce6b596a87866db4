//! The settings (requirement D6): one flat struct, out of the environment and a `.env` in the working directory.

mod dotenv;
mod known;
mod source;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use url::Url;

use self::dotenv::Unused;
pub use self::source::Source;
use crate::error::Failure;
use crate::pass_file::ReadLogin;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Local EA, as the development setup serves it.
const DEV_DATABASE_URL: &str = "postgres://postgres:postgres@127.0.0.1:54322/postgres";

/// Which database a command works on, and with it which ledger (requirement D7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// The local database.
    Dev,
    /// The real one.
    Production,
}

impl Target {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Production => "production",
        }
    }
}

/// All settings, as far as they are set.
#[derive(Debug, Clone)]
pub struct Config {
    /// `PRODUCTION_DATABASE_URL`.
    pub production_database_url: Option<Secret>,
    /// `DEV_DATABASE_URL`.
    pub dev_database_url: Secret,
    /// `TRIVIA_ADVISOR_DATABASE_URL`, or as deployments spell it, `TRVIA_ADVISOR_DATABASE_URL`.
    pub trivia_advisor_database_url: Option<Secret>,
    /// `IMAGEKIT_PRIVATE_KEY`.
    pub imagekit_private_key: Option<Secret>,
    /// `IMAGEKIT_URL_ENDPOINT`.
    pub imagekit_url_endpoint: Option<String>,
    /// `IMAGEKIT_UPLOAD_URL`.
    pub imagekit_upload_url: String,
    /// `IMAGEKIT_API_URL`.
    pub imagekit_api_url: String,
    /// `IMAGEKIT_STORAGE_LIMIT_GB`: what the plan stores for free, in gigabytes.
    pub imagekit_storage_limit_gb: f64,
    /// `IMAGEKIT_BANDWIDTH_LIMIT_GB`: what the plan delivers for free in a month, in gigabytes.
    pub imagekit_bandwidth_limit_gb: f64,
    /// `LONGSHORE_NOTIFY_URL`.
    pub notify_url: Option<Secret>,
    /// `ORIGIN_BASE_URL`.
    pub origin_base_url: String,
    /// `LONGSHORE_LOG`: which logs are wanted.
    pub log: Option<String>,
    /// Where each setting that is set comes from.
    pub sources: Vec<(&'static str, Source)>,
    /// Whether there is a `.env` that is not taken, as others may have written it. Reading the settings gives the reason
    /// as the first of those for which something is not to be used.
    pub is_file_refused: bool,
}

/// The names of all settings.
const SETTINGS: [&str; 13] = [
    "PRODUCTION_DATABASE_URL",
    "DEV_DATABASE_URL",
    TRIVIA_ADVISOR[0],
    TRIVIA_ADVISOR[1],
    "IMAGEKIT_PRIVATE_KEY",
    "IMAGEKIT_URL_ENDPOINT",
    "IMAGEKIT_UPLOAD_URL",
    "IMAGEKIT_API_URL",
    "IMAGEKIT_STORAGE_LIMIT_GB",
    "IMAGEKIT_BANDWIDTH_LIMIT_GB",
    "LONGSHORE_NOTIFY_URL",
    "ORIGIN_BASE_URL",
    "LONGSHORE_LOG",
];

/// The setting that names Trivia Advisor's database, and how deployments spell it.
const TRIVIA_ADVISOR: [&str; 2] = ["TRIVIA_ADVISOR_DATABASE_URL", "TRVIA_ADVISOR_DATABASE_URL"];

/// What a URL of a database begins with.
const DATABASES: [&str; 3] = ["postgres://", "postgresql://", "sqlite:"];

impl Config {
    /// Reads the process's environment and `.env` in `dir`; the environment wins. Beside the settings come the reasons
    /// why they are not to be used: `.env` is there and cannot be read, a number is none. What has such a reason is then
    /// as if it were not set.
    pub fn read(dir: &Path, login: ReadLogin) -> (Self, Vec<Failure>) {
        let (mut file, unreadable, is_file_refused) = match dotenv::read(&dir.join(".env")) {
            Ok(file) => (file, None, false),
            Err(Unused::NotTaken(why)) => (HashMap::new(), Some(why), true),
            Err(Unused::Wrong(why)) => (HashMap::new(), Some(why), false),
        };
        // The environment wins under either spelling.
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if is_set(TRIVIA_ADVISOR[1]) && !is_set(TRIVIA_ADVISOR[0]) {
            file.remove(TRIVIA_ADVISOR[0]);
        }
        let mistrusted = source::mistrusted(&mut file);
        let mistrusted = mistrusted.into_iter().chain(source::sent_any_password(&mut file, login));
        let no_text = RefCell::new(Vec::new());
        let (config, wrong) = Self::from(|name| match std::env::var_os(name).map(OsString::into_string) {
            None => file.get(name).cloned(),
            Some(Ok(value)) => Some(value),
            Some(Err(_)) => {
                no_text.borrow_mut().push(
                    Failure::usage(format!(
                        "{name} is set in the environment to something that is not UTF-8"
                    ))
                    .hint(format!("export {name}='…' anew, or `unset {name}`, so that .env counts")),
                );
                None
            }
        });
        let wrong = unreadable.into_iter().chain(mistrusted).chain(no_text.into_inner()).chain(wrong);
        (Self { sources: source::of(&file), is_file_refused, ..config }, wrong.collect())
    }

    /// Whether it is not known what a setting is, since a `.env` that is not taken may say so. It is then neither missing
    /// nor at its default.
    pub fn is_unseen(&self, name: &str) -> bool {
        self.is_file_refused && source::is_left_to_file(name)
    }

    /// The settings out of named values, and what is wrong with them; an empty one is as good as none.
    fn from(get: impl Fn(&str) -> Option<String>) -> (Self, Vec<Failure>) {
        let get = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let or = |name: &str, default: &str| get(name).unwrap_or_else(|| default.to_owned());
        let mut wrong = Vec::new();
        let mut positive = |name: &str, default: f64| {
            let Some(value) = get(name) else { return default };
            let number = value.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
            number.unwrap_or_else(|| {
                let no = Failure::usage(format!("{name} is no positive number"));
                wrong.push(no.hint("Gigabytes, like 3 or 22.5"));
                default
            })
        };
        let trivia_advisor = TRIVIA_ADVISOR.into_iter().find_map(&get);
        let config = Self {
            production_database_url: get("PRODUCTION_DATABASE_URL").map(Secret),
            dev_database_url: Secret(or("DEV_DATABASE_URL", DEV_DATABASE_URL)),
            trivia_advisor_database_url: trivia_advisor.map(Secret),
            imagekit_private_key: get("IMAGEKIT_PRIVATE_KEY").map(Secret),
            imagekit_url_endpoint: get("IMAGEKIT_URL_ENDPOINT"),
            imagekit_upload_url: or("IMAGEKIT_UPLOAD_URL", "https://upload.imagekit.io"),
            imagekit_api_url: or("IMAGEKIT_API_URL", "https://api.imagekit.io"),
            imagekit_storage_limit_gb: positive("IMAGEKIT_STORAGE_LIMIT_GB", 3.0),
            imagekit_bandwidth_limit_gb: positive("IMAGEKIT_BANDWIDTH_LIMIT_GB", 20.0),
            notify_url: get("LONGSHORE_NOTIFY_URL").map(Secret),
            origin_base_url: or("ORIGIN_BASE_URL", "https://cdn.quizadvisor.com"),
            log: get("LONGSHORE_LOG"),
            sources: Vec::new(),
            is_file_refused: false,
        };
        (config, wrong)
    }

    /// The setting that names the application's database of a target.
    pub fn database_setting(target: Target) -> &'static str {
        match target {
            Target::Dev => "DEV_DATABASE_URL",
            Target::Production => "PRODUCTION_DATABASE_URL",
        }
    }

    /// The application's database of a target.
    ///
    /// # Errors
    /// When the setting is missing, or names no database.
    pub fn database_url(&self, target: Target) -> Result<&Secret, Failure> {
        let url = match target {
            Target::Dev => Some(&self.dev_database_url),
            Target::Production => self.production_database_url.as_ref(),
        };
        database(Self::database_setting(target), url)
    }

    /// Trivia Advisor's database.
    ///
    /// # Errors
    /// When the setting is missing, or names no database.
    pub fn trivia_url(&self) -> Result<&Secret, Failure> {
        database(TRIVIA_ADVISOR[0], self.trivia_advisor_database_url.as_ref())
    }
}

/// A setting that names a database.
fn database<'a>(name: &str, url: Option<&'a Secret>) -> Result<&'a Secret, Failure> {
    let url = url.ok_or_else(|| missing(name))?;
    let is_known = DATABASES.iter().any(|scheme| url.0.starts_with(scheme));
    let wrong = || Failure::usage(format!("{name} is no database URL")).hint("postgres://… or sqlite:PATH");
    is_known.then_some(url).ok_or_else(wrong)
}

/// A setting that a command needs and that is not set: an error, never a guess.
pub fn missing(name: &str) -> Failure {
    Failure::usage(format!("{name} is not set"))
        .hint(format!("export {name}='…', or write it into .env in this directory"))
}

/// A setting that is a URL.
///
/// # Errors
/// When it is none. The value itself is not shown, as it may hold a password.
pub fn url(name: &str, value: &str) -> Result<Url, Failure> {
    let url =
        Url::parse(value).map_err(|error| Failure::usage(format!("{name} is not a URL")).because(error))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(Failure::usage(format!("{name} is a {other}: URL; it must be https:"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn config(settings: &[(&str, &str)]) -> Result<Config, Failure> {
        let settings: HashMap<_, _> = settings.iter().copied().collect();
        let (config, wrong) = Config::from(|name| settings.get(name).map(|value| (*value).to_owned()));
        wrong.into_iter().next().map_or(Ok(config), Err)
    }

    #[test]
    fn d6_trivia_advisor_is_found_under_the_deployed_spelling_too() {
        let url = |settings: &[(&str, &str)]| {
            config(settings).unwrap().trivia_url().map(|url| url.reveal().to_owned()).map_err(|no| no.message)
        };
        let (right, deployed) =
            (("TRIVIA_ADVISOR_DATABASE_URL", "sqlite:a"), ("TRVIA_ADVISOR_DATABASE_URL", "sqlite:b"));
        assert_eq!(url(&[right]).unwrap(), "sqlite:a");
        assert_eq!(url(&[deployed]).unwrap(), "sqlite:b");
        assert_eq!(url(&[deployed, right]).unwrap(), "sqlite:a");
        assert_eq!(url(&[deployed, (right.0, " ")]).unwrap(), "sqlite:b");
        assert_eq!(url(&[]).unwrap_err(), "TRIVIA_ADVISOR_DATABASE_URL is not set");
        let said = url(&[(right.0, "mysql://me:hunter2@h/x")]).unwrap_err();
        assert_eq!(said, "TRIVIA_ADVISOR_DATABASE_URL is no database URL");
    }

    #[test]
    fn d6_the_limits_are_positive_numbers_of_gigabytes() {
        let limits = |settings: &[(&str, &str)]| {
            config(settings)
                .map(|config| (config.imagekit_storage_limit_gb, config.imagekit_bandwidth_limit_gb))
        };
        assert_eq!(limits(&[]).unwrap(), (3.0, 20.0));
        let (storage, bandwidth) = ("IMAGEKIT_STORAGE_LIMIT_GB", "IMAGEKIT_BANDWIDTH_LIMIT_GB");
        assert_eq!(limits(&[(storage, " 0.5 "), (bandwidth, "225")]).unwrap(), (0.5, 225.0));
        assert_eq!(limits(&[(storage, "")]).unwrap(), (3.0, 20.0));
        for name in [storage, bandwidth] {
            for wrong in ["0", "-1", "3 GB", "NaN", "inf", "1e999", "three"] {
                let failure = limits(&[(name, wrong)]).unwrap_err();
                assert_eq!(failure.message, format!("{name} is no positive number"), "{wrong}");
            }
        }
    }
}
