//! The settings (requirement D6): one flat struct, out of the environment and a `.env` in the working directory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use url::Url;

use crate::error::Failure;

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
}

/// The setting that names Trivia Advisor's database, and how deployments spell it.
const TRIVIA_ADVISOR: [&str; 2] = ["TRIVIA_ADVISOR_DATABASE_URL", "TRVIA_ADVISOR_DATABASE_URL"];

/// What a URL of a database begins with.
const DATABASES: [&str; 3] = ["postgres://", "postgresql://", "sqlite:"];

impl Config {
    /// Reads the process's environment and `.env` in `dir`; the environment wins. Beside the settings come the reasons
    /// why they are not to be used: `.env` is there and cannot be read, a number is none. What has such a reason is then
    /// as if it were not set.
    pub fn read(dir: &Path) -> (Self, Vec<Failure>) {
        let (mut file, unreadable) = match dotenv(&dir.join(".env")) {
            Ok(file) => (file, None),
            Err(unreadable) => (HashMap::new(), Some(unreadable)),
        };
        // The environment wins under either spelling.
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if is_set(TRIVIA_ADVISOR[1]) && !is_set(TRIVIA_ADVISOR[0]) {
            file.remove(TRIVIA_ADVISOR[0]);
        }
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
        (config, unreadable.into_iter().chain(no_text.into_inner()).chain(wrong).collect())
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
        };
        (config, wrong)
    }

    /// What no line of a log may hold (requirement S1): the key, the passwords in URLs, and, as its path alone lets anyone
    /// write there, all parts of the URL that alerts go to.
    pub fn secrets(&self) -> Vec<String> {
        let dev = Some(&self.dev_database_url).filter(|url| url.0 != DEV_DATABASE_URL);
        let databases =
            [self.production_database_url.as_ref(), dev, self.trivia_advisor_database_url.as_ref()];
        let web =
            [Some(&self.imagekit_upload_url), Some(&self.imagekit_api_url), Some(&self.origin_base_url)];
        let web = web.into_iter().chain([self.imagekit_url_endpoint.as_ref()]).flatten();
        let databases = databases.into_iter().flatten().map(Secret::reveal);
        let mut all: Vec<String> = databases.chain(web.map(String::as_str)).flat_map(passwords).collect();
        all.extend(self.imagekit_private_key.iter().map(|key| key.0.clone()));
        if let Some(hook) = self.notify_url.as_ref().map(Secret::reveal) {
            all.extend(passwords(hook).into_iter().chain([hook.to_owned()]));
            let url = Url::parse(hook).ok();
            let path = url.as_ref().map_or("", Url::path);
            // A service's own words, such as `hooks`, are shorter than what it tells its customers apart by.
            all.extend(
                [path].into_iter().chain(path.split('/')).filter(|part| part.len() >= 8).map(str::to_owned),
            );
            all.extend(url.iter().flat_map(Url::query_pairs).map(|(_, value)| value.into_owned()));
        }
        all
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

/// The passwords of a URL: as it has them, as they are when decoded, and where a person would see them in a URL that
/// cannot be read, such as one with an `@` in its password.
fn passwords(url: &str) -> Vec<String> {
    let decoded = |text: &str| {
        let text = format!("{}&", text.replace('+', "%2B").replace('&', "%26"));
        url::form_urlencoded::parse(text.as_bytes()).next().map(|(text, _)| text.into_owned())
    };
    let mut found = Vec::new();
    let seen = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')?.0.split_once(':'));
    found.extend(seen.map(|(_, password)| password.to_owned()));
    if let Ok(url) = Url::parse(url) {
        found.extend(url.password().map(str::to_owned));
        let pairs = url.query_pairs().filter(|(name, _)| name.contains("password"));
        found.extend(pairs.map(|(_, value)| value.into_owned()));
    }
    let plain: Vec<_> = found.iter().filter_map(|password| decoded(password)).collect();
    found.extend(plain);
    found
}

/// What a `.env` sets, if there is one.
fn dotenv(path: &Path) -> Result<HashMap<String, String>, Failure> {
    if !path.exists() {
        return Ok(HashMap::new());
    }
    let no = |what: &str| Failure::usage(format!("the .env in this directory {what}"));
    let bytes = std::fs::read(path).map_err(|error| no("cannot be read").because(error))?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err(no("is UTF-16, as some editors write it").hint("Save it as UTF-8"));
    }
    let text = String::from_utf8(bytes).map_err(|_| no("is not UTF-8").hint("Save it as UTF-8"))?;
    // The parser's own error quotes the line, which may hold a key.
    let bad = |_| no("cannot be read").hint("One NAME='value' a line");
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    dotenvy::from_read_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(bad)
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

    fn config(settings: &[(&str, &str)]) -> Result<Config, Failure> {
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
    fn s1_every_secret_of_the_settings_is_known() {
        let config = config(&[
            ("PRODUCTION_DATABASE_URL", "postgres://me:s3%2Fcr%40t@h/x?sslmode=require&password=other%2Bone"),
            ("TRIVIA_ADVISOR_DATABASE_URL", "postgres://me:with@at/s@h:1/x"),
            ("IMAGEKIT_PRIVATE_KEY", "private_key"),
            (
                "LONGSHORE_NOTIFY_URL",
                "https://hooks.example/services/T0000000/B/tokentoken?key=query%20value",
            ),
            ("ORIGIN_BASE_URL", "https://u:origin-pw@o.example"),
        ])
        .unwrap();
        let secrets = config.secrets();
        for secret in [
            "s3%2Fcr%40t",
            "s3/cr@t",
            "other+one",
            "with@at/s",
            "private_key",
            "https://hooks.example/services/T0000000/B/tokentoken?key=query%20value",
            "/services/T0000000/B/tokentoken",
            "tokentoken",
            "query value",
            "origin-pw",
        ] {
            assert!(secrets.iter().any(|known| known == secret), "{secret} is not in {secrets:?}");
        }
        // What everybody knows is no secret, and would make logs unreadable.
        for word in ["postgres", "require", "", "h", "B"] {
            assert!(!secrets.iter().any(|known| known == word), "{word} is in {secrets:?}");
        }
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
