//! The origin: where the image bytes are now.

pub(crate) mod address;
mod allowed;
mod look;

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use ledger::ids::{ContentHash, Format};
use ledger::trouble::TroubleKind;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use url::Url;

pub use address::{Lookup, system_lookup};
pub use allowed::NotAHost;

use self::address::Guard;
use self::allowed::Allowed;
use super::http::{Patience, plain, progress, unanswered};
use super::incoming::{Incoming, is_plain, is_whole, too_large};
use super::log::send;
use super::picture::sniff::sniff;
use super::picture::{Picture, PictureError, PictureLimiter};
use super::probe::{Ask, Seen};
use super::spool::{Draft, Spool, disk_trouble};
use super::{Trouble, http_client_builder};
use crate::limits::{
    ANSWER_MS_MAX, IDLE_MS_MAX, IMAGE_BYTES_MAX, MESSAGE_CHARS_MAX, REDIRECTS_MAX, SNIFF_BYTES,
};

/// What messages call the other side.
const WHOM: &str = "the origin";

/// A checked image that lies in the spool under its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// BLAKE3 of the bytes.
    pub hash: ContentHash,
    /// How many bytes.
    pub bytes: u64,
    /// The real format, by content.
    pub format: Format,
    /// Pixels across, as a viewer shows it (EXIF orientation is not applied: the stored dimensions).
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// Where bytes come from.
#[async_trait]
pub trait Origin: Send + Sync {
    /// Fetches one URL into the spool, bounded, streamed, hashed, and checked to decode whole.
    ///
    /// # Errors
    /// Trouble in E1's words: `rate_limited`, `timeout`, `network`, `origin_error`, `not_found`, `origin_denied`, `forbidden_url`,
    /// `file_too_large`, `invalid_image`.
    async fn fetch(&self, url: &str, spool: &Spool) -> Result<Fetched, Trouble>;
    /// Looks at a URL as a browser would, and keeps nothing. An answer that says no, such as 404, is an answer.
    ///
    /// # Errors
    /// `forbidden_url` when it may not be asked for; `timeout`, `network`, `origin_error` (5xx, endless redirects) and
    /// `rate_limited` when there was no answer to look at.
    async fn probe(&self, url: &str, ask: &Ask<'_>) -> Result<Seen, Trouble>;
    /// How many bytes a URL has, without fetching them; `None` when the origin does not say, or does not take the
    /// question.
    ///
    /// # Errors
    /// As [`Origin::fetch`], as far as an answer without a body can show it.
    async fn size(&self, url: &str) -> Result<Option<u64>, Trouble>;
}

/// How an origin is reached.
#[derive(Clone)]
pub struct OriginOptions {
    /// `ORIGIN_BASE_URL`: its host and port may be fetched from, and only if it is plain http may anything be.
    pub base: Url,
    /// Further hosts (`--allow-host`), each `name` or `name:port`; without a port the scheme's own.
    pub allow_hosts: Vec<String>,
    /// The largest image taken, in bytes.
    pub bytes_max: u64,
    /// How long a transfer may stand still.
    pub idle: Duration,
    /// How long an answer may take altogether, beside what its bytes take on the slowest line.
    pub whole: Duration,
    /// How names are looked up.
    pub lookup: Lookup,
}

impl OriginOptions {
    /// The origin at `base`, and everything else as the limits have it.
    pub fn new(base: Url) -> Self {
        Self {
            base,
            allow_hosts: Vec::new(),
            bytes_max: IMAGE_BYTES_MAX,
            idle: Duration::from_millis(IDLE_MS_MAX),
            whole: Duration::from_millis(ANSWER_MS_MAX),
            lookup: system_lookup(),
        }
    }
}

/// Why there can be no origin.
#[derive(Debug, thiserror::Error)]
pub enum OriginRefused {
    /// A setting names no host.
    #[error(transparent)]
    Host(#[from] NotAHost),
    /// TLS or the client could not be set up on this machine.
    #[error("the HTTP client could not be set up: {0}")]
    Client(#[from] reqwest::Error),
}

/// The origin over HTTP.
#[derive(Debug)]
pub struct HttpOrigin {
    client: reqwest::Client,
    allowed: Allowed,
    bytes_max: u64,
    patience: Patience,
    pictures: PictureLimiter,
}

impl HttpOrigin {
    /// An origin by its options.
    ///
    /// # Errors
    /// When a setting names no host, or no client can be built.
    pub fn new(options: OriginOptions) -> Result<Self, OriginRefused> {
        let allowed = Allowed::new(&options.base, &options.allow_hosts)?;
        let client = http_client_builder().dns_resolver(Guard { lookup: options.lookup }).build()?;
        let patience = Patience { idle: options.idle, whole: options.whole };
        let bytes_max = options.bytes_max;
        Ok(Self { client, allowed, bytes_max, patience, pictures: PictureLimiter::new() })
    }

    /// The answer behind all redirects, each of which is checked like the first URL.
    async fn answer(
        &self,
        method: Method,
        url: &str,
        headers: &HeaderMap,
    ) -> Result<reqwest::Response, Trouble> {
        let forbidden = |why| Trouble::new(TroubleKind::ForbiddenUrl, why);
        let mut url = Url::parse(url).map_err(|error| forbidden(format!("not a URL: {error}")))?;
        self.allowed.check(&url, None).map_err(|why| forbidden(format!("not fetched: {why}")))?;
        for _ in 0..=REDIRECTS_MAX {
            let request = self.client.request(method.clone(), url.clone()).headers(headers.clone());
            let response = progress(send(request), self.patience.idle, WHOM).await?;
            if !is_redirect(response.status()) {
                return Ok(response);
            }
            let target = response.headers().get(LOCATION).map(location);
            let next = target.and_then(|target| url.join(&target).ok()).ok_or_else(|| {
                Trouble::new(TroubleKind::OriginError, "the origin redirects without saying where to")
            })?;
            self.allowed
                .check(&next, Some(&url))
                .map_err(|why| forbidden(format!("a redirect is not followed: {why}")))?;
            url = next;
        }
        Err(Trouble::new(TroubleKind::OriginError, format!("more than {REDIRECTS_MAX} redirects")))
    }

    async fn fetch_into(&self, url: &str, spool: &Spool) -> Result<Fetched, Trouble> {
        let response = self.answer(Method::GET, url, &uncompressed()).await?;
        check_status(&response)?;
        if response.content_length().is_some_and(|length| length > self.bytes_max) {
            return Err(too_large(self.bytes_max));
        }
        let mut body = Incoming::of(response, self.bytes_max, self.patience, WHOM)?;
        let mut draft = spool.create().await.map_err(|error| disk_trouble(&error))?;
        let (hash, bytes, format) = receive(&mut body, &mut draft).await?;
        let file = draft.reread().await.map_err(|error| disk_trouble(&error))?;
        let Picture { width, height, .. } = match self.pictures.check_file(file, bytes).await {
            Ok(picture) => picture,
            Err(PictureError::Disk(error)) => return Err(disk_trouble(&error)),
            // No picture pays for a disk that gives back something else than it was given.
            Err(PictureError::Invalid(why)) => match draft.holds(&hash).await {
                Ok(true) => return Err(invalid(&why.to_string())),
                Ok(false) => return Err(disk_trouble(&io::Error::other("a file there changed by itself"))),
                Err(error) => return Err(disk_trouble(&error)),
            },
        };
        draft.commit(&hash).await.map_err(|error| disk_trouble(&error))?;
        Ok(Fetched { hash, bytes, format, width, height })
    }
}

/// Streams the body into the draft. What is no image is refused by its first bytes, before the rest is read.
async fn receive(body: &mut Incoming, draft: &mut Draft) -> Result<(ContentHash, u64, Format), Trouble> {
    let mut hasher = blake3::Hasher::new();
    let (mut head, mut format, mut bytes) = (Vec::new(), None, 0_u64);
    while let Some(piece) = body.next().await? {
        bytes += piece.len() as u64;
        if format.is_none() {
            head.extend(piece.iter().take(SNIFF_BYTES - head.len()));
            if head.len() == SNIFF_BYTES {
                format = Some(sniff(&head).map_err(|why| invalid(&why))?);
            }
        }
        hasher.update(&piece);
        draft.write(&piece).await.map_err(|error| disk_trouble(&error))?;
    }
    let format = format.map_or_else(|| sniff(&head), Ok).map_err(|why| invalid(&why))?;
    Ok((ContentHash(*hasher.finalize().as_bytes()), bytes, format))
}

#[async_trait]
impl Origin for HttpOrigin {
    async fn fetch(&self, url: &str, spool: &Spool) -> Result<Fetched, Trouble> {
        self.fetch_into(url, spool).await
    }

    async fn probe(&self, url: &str, ask: &Ask<'_>) -> Result<Seen, Trouble> {
        self.look(url, ask).await
    }

    async fn size(&self, url: &str) -> Result<Option<u64>, Trouble> {
        let answer = self.answer(Method::HEAD, url, &uncompressed()).await?;
        if matches!(answer.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            return Ok(None);
        }
        check_status(&answer)?;
        // The body of this answer is empty, whatever its header says of the one that a GET would have.
        let said = answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        match said {
            Some(length) if length > self.bytes_max => Err(too_large(self.bytes_max)),
            said => Ok(said.filter(|_| is_plain(answer.headers()))),
        }
    }
}

/// Compressed, the size on the way would say nothing about the size of the file.
fn uncompressed() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))])
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads, as browsers read it: bytes beyond ASCII are percent-encoded as they are, whatever encoding
/// they are of. Spaces and the like are left to the URL's parser.
fn location(value: &HeaderValue) -> String {
    value.as_bytes().iter().fold(String::new(), |mut target, byte| {
        match byte.is_ascii() {
            true => target.push(char::from(*byte)),
            false => target.push_str(&format!("%{byte:02X}")),
        }
        target
    })
}

fn check_status(response: &reqwest::Response) -> Result<(), Trouble> {
    let status = response.status();
    if is_whole(status, response.headers()) {
        return Ok(());
    }
    let kind = match status.as_u16() {
        404 | 410 => TroubleKind::NotFound,
        400..=499 => TroubleKind::OriginDenied,
        _ => TroubleKind::OriginError,
    };
    let plain = || Trouble::new(kind, format!("the origin answered {}", status.as_u16()));
    Err(unanswered(response, WHOM, TroubleKind::OriginError).unwrap_or_else(plain))
}

fn invalid(why: &str) -> Trouble {
    Trouble::new(TroubleKind::InvalidImage, format!("not a whole image: {}", plain(why, MESSAGE_CHARS_MAX)))
}
