//! What all HTTP of the outside shares: one way to build a client, to wait for progress and not for ever, and to
//! put what went wrong into E1's words without repeating a URL, a key or a control character.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use ledger::store::is_out_of_descriptors;
use ledger::trouble::TroubleKind;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::time::Instant;

use super::origin::address::ForbiddenAddress;
use super::{Trouble, roots};
use crate::limits::{CONNECT_MS_MAX, HEADERS_MAX, MESSAGE_CHARS_MAX, SLOWEST_BYTES_PER_SECOND};
use crate::secrets::masked_start;

/// How long the other side may take for an answer (requirement S2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// It may stand still for so long.
    pub(crate) idle: Duration,
    /// It may take so long altogether, beside what its bytes take on the slowest line.
    pub(crate) whole: Duration,
}

impl Patience {
    /// How long may be waited for a body of which so much has come in so long a time of waiting, with the trouble of one
    /// that takes longer.
    fn left(self, bytes: u64, waited: Duration, whom: &str) -> (Duration, Trouble) {
        let seconds = Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND);
        let left = self.whole.saturating_add(seconds).saturating_sub(waited);
        if self.idle <= left {
            return (self.idle, stalled(self.idle, whom));
        }
        let message = format!("{whom} sent no more than {bytes} bytes in {} s", (waited + left).as_secs());
        (left, Trouble::new(TroubleKind::Timeout, message))
    }
}

/// The beginning of every HTTP client of the program: TLS by rustls with ring, also on a machine without certificates, no
/// proxy from the environment (S2), no redirect followed unseen, bounded connecting, and a name to be recognised by in other
/// people's logs. A head that is not quite HTTP is read as browsers read it: a name may have spaces behind it, a value may
/// go on in the next line, and a line that is none is passed over.
pub fn http_client_builder() -> reqwest::ClientBuilder {
    // Fails only when a provider is installed already, which is then as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_max_headers(HEADERS_MAX)
        .tls_certs_merge(roots::for_http())
        .connect_timeout(Duration::from_millis(CONNECT_MS_MAX))
        .user_agent(concat!("longshore/", env!("CARGO_PKG_VERSION")))
}

/// Waits for one step of a transfer, at most `idle` long. `whom` names the other side in messages.
pub(crate) async fn progress<T>(
    step: impl Future<Output = reqwest::Result<T>>,
    idle: Duration,
    whom: &str,
) -> Result<T, Trouble> {
    match tokio::time::timeout(idle, step).await {
        Ok(result) => result.map_err(|error| trouble(error, whom)),
        Err(_) => Err(stalled(idle, whom)),
    }
}

/// The next piece of a body of which so much has come, and how long it was waited for altogether; `None` at its end.
pub(crate) async fn next_chunk(
    response: &mut reqwest::Response,
    (bytes, waited): (u64, &mut Duration),
    patience: Patience,
    whom: &str,
) -> Result<Option<Bytes>, Trouble> {
    let (left, late) = patience.left(bytes, *waited, whom);
    let begun = Instant::now();
    let chunk = tokio::time::timeout(left, response.chunk()).await.map_err(|_| late)?;
    *waited += begun.elapsed();
    chunk.map_err(|error| trouble(error, whom))
}

/// The trouble of a transfer that stopped moving.
pub(crate) fn stalled(idle: Duration, whom: &str) -> Trouble {
    Trouble::new(TroubleKind::Timeout, format!("{whom} made no progress for {} ms", idle.as_millis()))
}

/// Puts a failed request or a broken body into E1's words. A host that cannot be connected to is an outage of the
/// whole part; a connection that broke is the trouble of one transfer.
pub(crate) fn trouble(error: reqwest::Error, whom: &str) -> Trouble {
    let error = error.without_url();
    let innermost = innermost(&error);
    if let Some(forbidden) = innermost.downcast_ref::<ForbiddenAddress>() {
        return Trouble::new(TroubleKind::ForbiddenUrl, forbidden.to_string());
    }
    let why = roots::explained(plain(&innermost.to_string(), MESSAGE_CHARS_MAX), &error);
    if error.is_builder() {
        // Nothing was sent, and nothing ever could be: such a URL is longer than a request may be.
        return Trouble::new(TroubleKind::ForbiddenUrl, format!("not a URL that can be asked for: {why}"));
    }
    if innermost.downcast_ref().is_some_and(is_out_of_descriptors) {
        let message =
            format!("{whom} was not asked ({why}): let the program open more files, or lower --concurrency");
        return Trouble::new(TroubleKind::Network, message).here();
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => {
            Trouble::new(TroubleKind::Timeout, format!("connecting to {whom} took too long")).outage()
        }
        (true, false) => {
            Trouble::new(TroubleKind::Network, format!("{whom} cannot be reached: {why}")).outage()
        }
        (false, true) => Trouble::new(TroubleKind::Timeout, format!("{whom} answered too slowly: {why}")),
        (false, false) => {
            Trouble::new(TroubleKind::Network, format!("the connection to {whom} broke: {why}"))
        }
    }
}

/// The cause behind all causes, which has no URL of the request in it.
pub(crate) fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

/// How long a `Retry-After` asks to wait: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = OffsetDateTime::parse(text, &Rfc2822).ok()? - OffsetDateTime::now_utc();
    Some(until.try_into().unwrap_or(Duration::ZERO))
}

/// The trouble of an answer that says nothing of what was asked for: the other side is busy, and its wait is kept, or in
/// trouble itself (5xx), which is of the kind `own`. One rule for the origin and for ImageKit's delivery (requirement E1).
pub(crate) fn unanswered(response: &reqwest::Response, whom: &str, own: TroubleKind) -> Option<Trouble> {
    let (status, headers) = (response.status(), response.headers());
    let message = format!("{whom} answered {}", status.as_u16());
    if !is_busy(status, headers) {
        return status.is_server_error().then(|| Trouble::new(own, message));
    }
    let trouble = Trouble::new(TroubleKind::RateLimited, message);
    // `X-RateLimit-Reset` is in milliseconds at ImageKit, and in anything elsewhere.
    let wait =
        if own == TroubleKind::ApiError { asked_wait(headers) } else { unless_zero(retry_after(headers)) };
    Some(match wait {
        Some(wait) => trouble.after(wait),
        None => trouble,
    })
}

/// Whether an answer only says that it was asked too often. ImageKit may send `X-RateLimit-Reset` with every answer, so
/// only `Retry-After` tells a busy 503 from a broken one.
pub(crate) fn is_busy(status: StatusCode, headers: &HeaderMap) -> bool {
    match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::SERVICE_UNAVAILABLE => retry_after(headers).is_some(),
        _ => false,
    }
}

/// How long an answer asks to wait: ImageKit's own header in milliseconds, else `Retry-After`.
pub(crate) fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let reset = headers.get("x-ratelimit-reset").and_then(|reset| reset.to_str().ok()?.trim().parse().ok());
    let asked = reset.map(Duration::from_millis).or_else(|| retry_after(headers));
    unless_zero(asked)
}

/// Whoever is busy and says "at once" says nothing.
fn unless_zero(wait: Option<Duration>) -> Option<Duration> {
    wait.filter(|wait| !wait.is_zero())
}

/// Another program's text as part of a sentence of ours: without control characters and those that turn the
/// direction of text round, without the query strings of URLs (S1), without a full stop, at most `chars_max` long.
pub(crate) fn plain(text: &str, chars_max: usize) -> String {
    // Before anything is cut, so that no part of a secret is left over. Of a long text no more is looked at than is shown,
    // also where much of it is taken out.
    let text = masked_start(text, chars_max.saturating_mul(8));
    let words = text.split(|c: char| c.is_whitespace() || is_unseen(c)).filter(|word| !word.is_empty());
    let words: Vec<&str> = words
        .map(|word| match word.split_once(['?', '#']) {
            Some((url, _)) if url.contains("://") => url,
            _ => word,
        })
        .collect();
    let text: String = words.join(" ").chars().take(chars_max).collect();
    text.trim_end_matches(['.', ' ']).to_owned()
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_foreign_text_becomes_plain() {
        let text = "bad\u{1b}[31m \u{202e}thing\r\nat https://a.example/x?token=s3cret, sorry.";
        assert_eq!(plain(text, 300), "bad [31m thing at https://a.example/x sorry");
        assert_eq!(plain("why? no", 300), "why? no");
        assert_eq!(plain("ééééé", 3), "ééé");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait =
            |text: &'static str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(wait("Wed, 21 Oct 2093 07:28:00 GMT") > Some(Duration::from_secs(1_000_000)));
        assert_eq!(wait("soon"), None);
    }
}
