//! Where alerts go: a JSON POST to `LONGSHORE_NOTIFY_URL` (requirement E8). The URL itself is a secret.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use ledger::trouble::TroubleKind;
use reqwest::Client;
use serde_json::Value;
use url::Url;

use super::Trouble;
use super::http::{http_client_builder, trouble};
use super::imagekit::is_loopback;
use super::log::send_unseen;
use crate::limits::NOTIFY_MS_MAX;
use crate::secrets::masked;

/// What messages call the other side.
const WHOM: &str = "LONGSHORE_NOTIFY_URL";

/// Why there can be no notices. The URL is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum NotifyRefused {
    /// The setting is none.
    #[error("LONGSHORE_NOTIFY_URL is no http or https URL")]
    NotAUrl,
    /// It would travel in the open.
    #[error(
        "LONGSHORE_NOTIFY_URL must be https: whoever sees it can write there (plain http is for loopback alone)"
    )]
    Insecure,
    /// TLS or the client could not be set up on this machine.
    #[error("the HTTP client could not be set up: {0}")]
    Client(#[from] reqwest::Error),
}

/// The one who is told.
pub struct Notify {
    client: Client,
    url: Url,
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notify")
    }
}

impl Notify {
    /// A client for this URL. Nothing is sent.
    ///
    /// # Errors
    /// When the setting cannot be used, or would be sent in the open (requirement S3).
    pub fn new(url: &str) -> Result<Self, NotifyRefused> {
        let url = Url::parse(url).map_err(|_| NotifyRefused::NotAUrl)?;
        match url.scheme() {
            "https" if url.has_host() => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(NotifyRefused::Insecure),
            _ => return Err(NotifyRefused::NotAUrl),
        }
        let client = http_client_builder().timeout(Duration::from_millis(NOTIFY_MS_MAX)).build()?;
        Ok(Self { client, url })
    }

    /// Posts one document, once, without the secrets of the process. Any 2xx is a success; nothing is read of the
    /// answer.
    ///
    /// # Errors
    /// What happened, without the URL.
    pub async fn post(&self, document: &Value) -> Result<(), Trouble> {
        let mut document = document.clone();
        mask(&mut document);
        let sent = send_unseen(self.client.post(self.url.clone()).json(&document)).await;
        let status = sent.map_err(|error| trouble(error, WHOM))?.status();
        match status.is_success() {
            true => Ok(()),
            false => {
                let message = format!("{WHOM} answered {}", status.as_u16());
                Err(Trouble::new(TroubleKind::Rejected, message))
            }
        }
    }
}

/// Masks secrets in every text of a document: it goes to somebody else, and holds nothing that must be exact.
fn mask(document: &mut Value) {
    match document {
        Value::String(text) => {
            if let Cow::Owned(masked) = masked(text) {
                *text = masked;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(mask),
        Value::Object(members) => members.values_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s3_alerts_go_over_tls_only_loopback_excepted() {
        for fine in [
            "https://hooks.example/T0/s3cret",
            "http://127.0.0.1:9/x",
            "http://[::1]/",
            "http://localhost/a?b=c",
        ] {
            assert!(Notify::new(fine).is_ok(), "{fine}");
        }
        for (bad, said) in [
            ("http://hooks.example/T0/s3cret", "must be https"),
            ("http://10.0.0.7/s3cret", "must be https"),
            ("ftp://hooks.example/s3cret", "no http or https URL"),
            ("hooks.example/s3cret", "no http or https URL"),
        ] {
            let error = Notify::new(bad).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("s3cret"), "{error}");
        }
        assert_eq!(format!("{:?}", Notify::new("https://hooks.example/s3cret").unwrap()), "Notify");
    }
}
