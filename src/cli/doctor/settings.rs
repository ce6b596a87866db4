//! The settings of D6: each that is missing or cannot be one. No value is shown, because a key may stand in any place.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use url::Url;

use super::answer::{Check, Line};
use crate::cli::Context;
use crate::config::{self, Config, Source, missing};
use crate::error::Failure;
use crate::limits::IMAGE_BYTES_MAX;
use crate::outside::catalog;
use crate::outside::imagekit::ImageKitOptions;
use crate::secrets::SECRET_BYTES_MIN;

const MEND: &str = "Correct it where it is set: in the environment, or in .env in this directory";
const ONLY_POPULATE: &str = "; only `populate` needs it";

/// Looks at them, given what reading them has already shown to be wrong, and whether all is done without ImageKit here.
pub fn check(
    context: &Context<'_>,
    allow_hosts: &[String],
    wrong: Vec<Failure>,
    does_without_imagekit: bool,
) -> Vec<Line> {
    let mut failures = wrong;
    if !context.config.is_file_refused {
        failures.extend(dotenv(Path::new(".env")));
    }
    databases(context, &mut failures);
    if !does_without_imagekit {
        imagekit(context, &mut failures);
    }
    failures.extend(context.open_origin(IMAGE_BYTES_MAX, allow_hosts).err());
    failures.extend(context.notify().err());
    let mut lines: Vec<Line> =
        failures.into_iter().map(|failure| Line::failure(Check::Settings, failure, MEND)).collect();
    if does_without_imagekit {
        lines.push(Line::note(
            Check::Settings,
            "IMAGEKIT_PRIVATE_KEY and IMAGEKIT_URL_ENDPOINT are not set; neither a row nor the ledger needs them",
            "Set both before something is migrated here",
        ));
    } else if lines.is_empty() {
        lines.push(Line::ok(Check::Settings, "everything a run needs is set, and can be what it should be"));
    }
    lines.extend(unmaskable(&context.config));
    lines.extend(sources(&context.config));
    lines
}

/// The key lies in it. One that others may write is not taken in the first place.
fn dotenv(path: &Path) -> Option<Failure> {
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o022 == 0 && mode & 0o044 != 0).then(|| {
        let found = format!("others on this machine may read .env (mode {mode:04o})");
        Failure::usage(found).hint("chmod 600 .env")
    })
}

/// Where the settings come from, by name.
fn sources(config: &Config) -> Option<Line> {
    let of = |source: Source| {
        let names: Vec<_> =
            config.sources.iter().filter(|(_, from)| *from == source).map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let environment = of(Source::Environment).map(|names| format!("from the environment: {names}"));
    let file = of(Source::File).map(|names| format!("from .env: {names}"));
    let all: Vec<_> = environment.into_iter().chain(file).collect();
    (!all.is_empty()).then(|| Line::ok(Check::Settings, all.join("; ")))
}

/// Secrets that a message could hold all the same.
fn unmaskable(config: &Config) -> Option<Line> {
    let names = config.unmaskable(catalog::login);
    let found = format!(
        "{}: a secret of fewer than {SECRET_BYTES_MIN} bytes, a word or number as others are, or one that everybody knows, \
         cannot be told from the rest of a message, and so not well masked",
        names.join(", ")
    );
    (!names.is_empty()).then(|| {
        Line::note(Check::Settings, found, "Choose a longer password, of more than letters or digits")
    })
}

fn databases(context: &Context<'_>, failures: &mut Vec<Failure>) {
    let config = &context.config;
    let unusable = |name: &str, url: &str| {
        let no = catalog::check(url).err()?;
        Some(Failure::usage(format!("{name}: {}", no.message)))
    };
    match config.database_url(context.target) {
        _ if config.is_unseen(Config::database_setting(context.target)) => {}
        Ok(url) => failures.extend(unusable(Config::database_setting(context.target), url.reveal())),
        Err(failure) => failures.push(failure),
    }
    match config.trivia_url() {
        _ if config.is_unseen("TRIVIA_ADVISOR_DATABASE_URL") => {}
        Ok(url) => failures.extend(unusable("TRIVIA_ADVISOR_DATABASE_URL", url.reveal())),
        Err(mut failure) => {
            failure.hints.iter_mut().for_each(|hint| hint.push_str(ONLY_POPULATE));
            failures.push(failure);
        }
    }
}

/// Each on its own: what cannot be read is stood in for, so that the others are still looked at.
fn imagekit(context: &Context<'_>, failures: &mut Vec<Failure>) {
    let config = &context.config;
    let mut read = |name: &str, value: Option<&String>| {
        let url = value.ok_or_else(|| missing(name)).and_then(|value| config::url(name, value));
        match url {
            Ok(url) => url,
            Err(failure) => {
                failures.extend((!config.is_unseen(name)).then_some(failure));
                Url::parse("https://localhost").expect("it is a URL")
            }
        }
    };
    let endpoint = read("IMAGEKIT_URL_ENDPOINT", config.imagekit_url_endpoint.as_ref());
    let upload = read("IMAGEKIT_UPLOAD_URL", Some(&config.imagekit_upload_url));
    let api = read("IMAGEKIT_API_URL", Some(&config.imagekit_api_url));
    let key = config.imagekit_private_key.as_ref();
    if key.is_none() && !config.is_unseen("IMAGEKIT_PRIVATE_KEY") {
        failures.push(missing("IMAGEKIT_PRIVATE_KEY"));
    }
    let key = key.map_or("none", |key| key.reveal());
    let refused = ImageKitOptions::new(key, endpoint, upload, api).refusals();
    failures.extend(refused.into_iter().map(|refused| Failure::usage(refused.to_string())));
}
