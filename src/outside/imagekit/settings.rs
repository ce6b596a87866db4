//! How ImageKit is reached, and what is refused before anything is sent (requirements S1, S3).

use std::fmt;
use std::time::Duration;

use url::{Host, Url};

use crate::limits::{ANSWER_MS_MAX, IDLE_MS_MAX};

/// How ImageKit is reached.
#[derive(Clone)]
pub struct ImageKitOptions {
    /// `IMAGEKIT_PRIVATE_KEY`. Secret: it is in no `Debug`, message or URL.
    pub private_key: String,
    /// `IMAGEKIT_URL_ENDPOINT`, below which files are delivered.
    pub url_endpoint: Url,
    /// `IMAGEKIT_UPLOAD_URL`, a base without path.
    pub upload_url: Url,
    /// `IMAGEKIT_API_URL`, a base without path.
    pub api_url: Url,
    /// How long a transfer may stand still.
    pub idle: Duration,
    /// How long an answer may take altogether, beside what its bytes take on the slowest line.
    pub whole: Duration,
}

impl ImageKitOptions {
    /// These settings, and everything else as the limits have it.
    pub fn new(private_key: impl Into<String>, url_endpoint: Url, upload_url: Url, api_url: Url) -> Self {
        let (idle, whole) = (Duration::from_millis(IDLE_MS_MAX), Duration::from_millis(ANSWER_MS_MAX));
        Self { private_key: private_key.into(), url_endpoint, upload_url, api_url, idle, whole }
    }

    /// Why the settings cannot be used: every reason. None when they can, and the key would never travel in the open.
    pub fn refusals(&self) -> Vec<ImageKitRefused> {
        let mut refused = Vec::new();
        let fits = !self.private_key.is_empty()
            && self.private_key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !fits {
            refused.push(ImageKitRefused::Key);
        }
        for (setting, url) in [("IMAGEKIT_UPLOAD_URL", &self.upload_url), ("IMAGEKIT_API_URL", &self.api_url)]
        {
            if !is_web(url) || url.path() != "/" {
                refused.push(ImageKitRefused::NotABase { setting });
            } else if url.scheme() != "https" && !is_loopback(url) {
                refused.push(ImageKitRefused::Insecure { setting });
            }
        }
        if !is_web(&self.url_endpoint) {
            refused.push(ImageKitRefused::NotAnEndpoint);
        }
        refused
    }
}

impl fmt::Debug for ImageKitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageKitOptions")
            .field("url_endpoint", &self.url_endpoint.as_str())
            .field("upload_url", &self.upload_url.as_str())
            .field("api_url", &self.api_url.as_str())
            .field("idle", &self.idle)
            .field("whole", &self.whole)
            .finish_non_exhaustive()
    }
}

/// The private key and the header that carries it.
pub(super) struct Secret {
    /// The spellings it has.
    spellings: [String; 2],
}

impl Secret {
    /// The key, and the value of the `Authorization` header.
    pub(super) fn new(key: &str, authorization: &str) -> Self {
        let encoded = authorization.trim_start_matches("Basic ");
        Self { spellings: [key.to_owned(), encoded.to_owned()] }
    }

    /// A foreign text without the key: a server, or something before it, may send back what it was sent.
    pub(super) fn scrub(&self, text: &str) -> String {
        self.spellings.iter().fold(text.to_owned(), |text, spelling| text.replace(spelling, "…"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why there can be no client. No variant repeats a setting's value: it might hold a secret in the wrong place.
#[derive(Debug, thiserror::Error)]
pub enum ImageKitRefused {
    /// The key cannot be one.
    #[error("IMAGEKIT_PRIVATE_KEY is empty or holds a character that no key has")]
    Key,
    /// A base URL is none.
    #[error("{setting} must be an http or https URL without path, query or credentials")]
    NotABase {
        /// Which setting.
        setting: &'static str,
    },
    /// The key would travel in the open.
    #[error("{setting} must be https: the private key is sent there (plain http is for loopback alone)")]
    Insecure {
        /// Which setting.
        setting: &'static str,
    },
    /// The delivery endpoint is no URL to deliver from.
    #[error("IMAGEKIT_URL_ENDPOINT must be an http or https URL without query or credentials")]
    NotAnEndpoint,
    /// TLS or the client could not be set up on this machine.
    #[error("the HTTP client could not be set up: {0}")]
    Client(#[from] reqwest::Error),
}

/// An http or https URL with a host and nothing secret in it.
pub(super) fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

/// Whether a URL names this machine, so that nothing travels.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
