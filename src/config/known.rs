//! The secrets of the settings, in all the places where one may stand.

use url::Url;

use super::{Config, DEV_DATABASE_URL, Secret};
use crate::pass_file::{ReadLogin, find};
use crate::secrets::SECRET_BYTES_MIN;

/// The password of every fresh PostgreSQL: no secret, and a word that messages need.
const KNOWN_TO_ALL: &str = "postgres";
/// A service's own words, such as `hooks`, are shorter than what it tells its customers apart by.
const PART_BYTES_MIN: usize = 8;
/// Words of a language and names of places are seldom longer; a password of letters alone should be.
const WORD_CHARS_MAX: usize = 12;
/// What the name of a setting of the server holds whose value is secret.
const SECRET_NAMES: [&str; 4] = ["password", "secret", "token", "key"];

/// Whether a secret may stand in a message for something else: too short, known to all, or like a word or a name of a
/// place (letters alone, and few) or a number (digits alone, and few).
fn is_word(secret: &str) -> bool {
    let is_plain =
        secret.chars().all(char::is_alphabetic) || secret.bytes().all(|byte| byte.is_ascii_digit());
    let is_like_a_word = is_plain && secret.chars().count() <= WORD_CHARS_MAX;
    !secret.is_empty() && (secret.len() < SECRET_BYTES_MIN || secret == KNOWN_TO_ALL || is_like_a_word)
}

impl Config {
    /// What no message may hold (requirement S1): the key, the passwords in URLs, in libpq's variable and for our databases
    /// in its files, and, as its path alone lets anyone write there, all parts of the URL that alerts go to.
    pub fn secrets(&self, login: ReadLogin) -> Vec<String> {
        let mut all: Vec<String> = self.by_setting().into_iter().flat_map(|(_, secrets)| secrets).collect();
        all.extend(std::env::var("PGPASSWORD"));
        all.extend(self.of_pass_files(login));
        all.retain(|secret| secret != KNOWN_TO_ALL);
        all
    }

    /// What sets a secret that cannot be told from other words: it is not masked in messages, or where it is, the rest of a
    /// message gives it away and loses words that people need.
    pub fn unmaskable(&self, login: ReadLogin) -> Vec<&'static str> {
        let mut all = self.by_setting();
        all.retain(|(name, _)| *name != "LONGSHORE_NOTIFY_URL");
        all.push(("PGPASSWORD", std::env::var("PGPASSWORD").into_iter().collect()));
        all.push(("a pass file", self.of_pass_files(login)));
        all.retain(|(_, secrets)| secrets.iter().any(|secret| is_word(secret)));
        all.into_iter().map(|(name, _)| name).collect()
    }

    fn of_pass_files(&self, login: ReadLogin) -> Vec<String> {
        let databases = [&self.production_database_url, &self.trivia_advisor_database_url];
        let databases = databases.into_iter().flatten().chain([&self.dev_database_url]);
        let logins = databases.filter_map(|url| login(url.reveal()));
        logins.flat_map(|login| find(&login)).filter_map(|found| found.password).collect()
    }

    fn by_setting(&self) -> Vec<(&'static str, Vec<String>)> {
        let dev = Some(&self.dev_database_url).filter(|url| url.0 != DEV_DATABASE_URL);
        let databases = [
            ("PRODUCTION_DATABASE_URL", self.production_database_url.as_ref()),
            ("DEV_DATABASE_URL", dev),
            ("TRIVIA_ADVISOR_DATABASE_URL", self.trivia_advisor_database_url.as_ref()),
        ];
        let databases =
            databases.into_iter().filter_map(|(name, url)| Some((name, passwords(url?.reveal()))));
        let web = [
            ("IMAGEKIT_URL_ENDPOINT", self.imagekit_url_endpoint.as_ref()),
            ("IMAGEKIT_UPLOAD_URL", Some(&self.imagekit_upload_url)),
            ("IMAGEKIT_API_URL", Some(&self.imagekit_api_url)),
            ("ORIGIN_BASE_URL", Some(&self.origin_base_url)),
        ];
        let web = web.into_iter().filter_map(|(name, url)| Some((name, of_web(url?))));
        let key = self.imagekit_private_key.as_ref().map(|key| ("IMAGEKIT_PRIVATE_KEY", vec![key.0.clone()]));
        let hook = self.notify_url.as_ref().map(|url| ("LONGSHORE_NOTIFY_URL", of_hook(url)));
        databases.chain(web).chain(key).chain(hook).collect()
    }
}

/// The passwords of a URL: as it has them, as they are when decoded, and where a person would see them in a URL that
/// cannot be read, such as one with an `@` in its password.
fn passwords(url: &str) -> Vec<String> {
    let mut found = Vec::new();
    let seen = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')?.0.split_once(':'));
    found.extend(seen.map(|(_, password)| password.to_owned()));
    if let Ok(url) = Url::parse(url) {
        found.extend(url.password().map(str::to_owned));
        for (name, value) in url.query_pairs() {
            if is_secret(&name) {
                found.push(value.into_owned());
            } else if name == "options" {
                // The server's command line: `-c NAME=VALUE`.
                let settings = value.split_ascii_whitespace().filter_map(|word| word.split_once('='));
                found.extend(settings.filter(|(name, _)| is_secret(name)).map(|(_, value)| value.to_owned()));
            }
        }
    }
    let plain: Vec<_> = found.iter().filter_map(|password| decoded(password)).collect();
    found.extend(plain);
    found
}

/// `sslkey` names a file.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name != "sslkey" && name != "ssl-key" && SECRET_NAMES.iter().any(|word| name.contains(word))
}

fn decoded(text: &str) -> Option<String> {
    let text = format!("{}&", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(text.as_bytes()).next().map(|(text, _)| text.into_owned())
}

/// Whom a web address lets in. It may have none of this; what is refused for having it is not repeated either.
fn of_web(text: &str) -> Vec<String> {
    let mut found = passwords(text);
    if let Ok(url) = Url::parse(text) {
        // A name without a password is a token.
        let user =
            Some(url.username()).filter(|user| url.password().is_none() || user.len() >= PART_BYTES_MIN);
        found.extend(user.into_iter().flat_map(|user| [Some(user.to_owned()), decoded(user)]).flatten());
        let values = url.query_pairs().map(|(_, value)| value.into_owned());
        found.extend(values.filter(|value| value.len() >= PART_BYTES_MIN));
    }
    found
}

/// All parts of the URL that alerts go to.
fn of_hook(hook: &Secret) -> Vec<String> {
    let hook = hook.reveal();
    let mut found = of_web(hook);
    found.push(hook.to_owned());
    let Ok(url) = Url::parse(hook) else { return found };
    let parts = [url.path()].into_iter().chain(url.path().split('/')).chain(url.fragment());
    found.extend(parts.filter(|part| part.len() >= PART_BYTES_MIN).map(str::to_owned));
    found.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    // Some services tell their customers apart by the host's name.
    let labels = url.domain().unwrap_or_default().split('.');
    let is_token =
        |label: &&str| label.len() > PART_BYTES_MIN && label.contains(|c: char| c.is_ascii_digit());
    found.extend(labels.filter(is_token).map(str::to_owned));
    let plain: Vec<_> = found.iter().filter_map(|part| decoded(part)).collect();
    found.extend(plain);
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;

    #[test]
    fn s1_every_secret_of_the_settings_is_known() {
        let config = config(&[
            (
                "PRODUCTION_DATABASE_URL",
                "postgres://me:s3%2Fcr%40t@h/x?sslmode=require&password=other%2Bone&options=-c%20app.token%3Dof-app\
                 &sslkey=/etc/file.key&sslpassword=of-key",
            ),
            ("TRIVIA_ADVISOR_DATABASE_URL", "postgres://me:with@at/s@h:1/x"),
            ("IMAGEKIT_PRIVATE_KEY", "private_key"),
            ("IMAGEKIT_URL_ENDPOINT", "https://lonely-token@ik.example?sig=of-the-endpoint"),
            (
                "LONGSHORE_NOTIFY_URL",
                "https://eo12abcdef.hooks.example/services/T0000000/B/token%2Etoken?key=query%20value#fragment",
            ),
            ("ORIGIN_BASE_URL", "https://user:origin-pw@o.example"),
        ])
        .unwrap();
        let secrets = config.secrets(|_| None);
        for secret in [
            "s3%2Fcr%40t",
            "s3/cr@t",
            "other+one",
            "of-app",
            "of-key",
            "with@at/s",
            "private_key",
            "lonely-token",
            "of-the-endpoint",
            "https://eo12abcdef.hooks.example/services/T0000000/B/token%2Etoken?key=query%20value#fragment",
            "/services/T0000000/B/token%2Etoken",
            "token%2Etoken",
            "token.token",
            "query value",
            "fragment",
            "eo12abcdef",
            "origin-pw",
        ] {
            assert!(secrets.iter().any(|known| known == secret), "{secret} is not in {secrets:?}");
        }
        // What everybody knows is no secret, and would make messages unreadable.
        for word in ["postgres", "require", "h", "B", "user", "hooks", "/etc/file.key", "example"] {
            assert!(!secrets.iter().any(|known| known == word), "{word} is in {secrets:?}");
        }
    }

    #[test]
    fn s1_a_secret_that_is_too_short_or_a_word_is_told() {
        let told = |password: &str| {
            let url = format!("postgres://me:{password}@h/x");
            let config = config(&[
                ("PRODUCTION_DATABASE_URL", &url),
                ("TRIVIA_ADVISOR_DATABASE_URL", "postgres://me:long-enough@h/x"),
                ("IMAGEKIT_PRIVATE_KEY", "private_key"),
            ]);
            config.unwrap().unmaskable(|_| None).contains(&"PRODUCTION_DATABASE_URL")
        };
        for word in ["pw", "postgres", "Poland", "venues", "%C5%81%C3%B3d%C5%BA", "Deutschland", "2026"] {
            assert!(told(word), "{word}");
        }
        for secret in ["Poland-7", "eightandeightandeight", "a1b2c3d4", "1234567890123"] {
            assert!(!told(secret), "{secret}");
        }
        let three = config(&[
            ("PRODUCTION_DATABASE_URL", "postgres://me:pw@h/x"),
            ("DEV_DATABASE_URL", "postgres://me:Poland@h/x"),
            ("TRIVIA_ADVISOR_DATABASE_URL", "postgres://me:long-enough@h/x"),
            ("IMAGEKIT_PRIVATE_KEY", "private"),
        ])
        .unwrap();
        let all = three.unmaskable(|_| None);
        assert_eq!(all, ["PRODUCTION_DATABASE_URL", "DEV_DATABASE_URL", "IMAGEKIT_PRIVATE_KEY"]);
    }
}
