//! What a browser would get: the delivery host, asked without the key.

use std::time::{Duration, Instant};

use ledger::ids::ContentHash;
use ledger::trouble::TroubleKind;
use reqwest::Response;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use url::Url;

use super::client::ImageKit;
use crate::limits::{DELIVERY_BYTES_READ_MAX, DOWNLOAD_MS_MAX, MESSAGE_CHARS_MAX};
use crate::outside::Trouble;
use crate::outside::http::{plain, progress, unanswered};
use crate::outside::incoming::{Incoming, is_whole};
use crate::outside::log::send;
use crate::outside::picture::sniff::is_picture;
use crate::outside::probe::{ACCEPT_IMAGES, Ask, Seen};

/// What messages call the other side.
const WHOM: &str = "ImageKit's delivery";

impl ImageKit {
    /// The check of [`super::Cdn::check_delivery`].
    pub(super) async fn see_delivery(&self, url: &str) -> Result<(), Trouble> {
        let response = self.deliver(self.delivery_url(url)?).await?;
        let media_type =
            response.headers().get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
        if !media_type.is_some_and(|media_type| media_type.starts_with(b"image/")) {
            return Err(not_served("the URL answers with no image media type"));
        }
        let (mut body, mut head) =
            (Incoming::of(response, u64::MAX, self.idle, WHOM).map_err(unserved)?, Vec::new());
        while head.len() < DELIVERY_BYTES_READ_MAX {
            match body.next().await.map_err(unserved)? {
                Some(piece) => head.extend_from_slice(&piece),
                None => break,
            }
        }
        if is_picture(&head) {
            Ok(())
        } else {
            Err(not_served("the URL answers with bytes that are no image"))
        }
    }

    /// The hash of [`super::Cdn::original_hash`].
    pub(super) async fn hash_original(&self, url: &str, bytes_max: u64) -> Result<ContentHash, Trouble> {
        let mut url = self.delivery_url(url)?;
        url.set_query(Some("tr=orig-true"));
        let response = self.deliver(url).await?;
        let too_large =
            || Trouble::new(TroubleKind::FileTooLarge, format!("stored with more than {bytes_max} bytes"));
        if response.content_length().is_some_and(|length| length > bytes_max) {
            return Err(too_large());
        }
        let (mut body, mut hasher) =
            (Incoming::of(response, bytes_max, self.idle, WHOM).map_err(unserved)?, blake3::Hasher::new());
        while let Some(piece) = body.next().await.map_err(|trouble| match trouble.kind {
            TroubleKind::FileTooLarge => too_large(),
            _ => unserved(trouble),
        })? {
            hasher.update(&piece);
        }
        Ok(ContentHash(*hasher.finalize().as_bytes()))
    }

    /// The look of [`super::Cdn::probe`].
    pub(super) async fn look(
        &self,
        url: &str,
        transformation: Option<&str>,
        ask: &Ask<'_>,
    ) -> Result<Seen, Trouble> {
        let forbidden = || {
            Trouble::new(
                TroubleKind::ForbiddenUrl,
                "not fetched: it does not lie below IMAGEKIT_URL_ENDPOINT",
            )
        };
        let mut url =
            self.delivery_url(url).ok().filter(|url| self.is_below_endpoint(url)).ok_or_else(forbidden)?;
        url.set_query(transformation.map(|steps| format!("tr={steps}")).as_deref());
        let whole = Duration::from_millis(DOWNLOAD_MS_MAX);
        let late = |_| Trouble::new(TroubleKind::Timeout, format!("not there after {} s", whole.as_secs()));
        tokio::time::timeout(whole, self.look_once(url, ask)).await.map_err(late)?
    }

    async fn look_once(&self, url: Url, ask: &Ask<'_>) -> Result<Seen, Trouble> {
        let started = Instant::now();
        let request = self.client.get(url).headers(ask.headers());
        let response = progress(send(request), self.idle, WHOM).await?;
        match unanswered(&response, WHOM, TroubleKind::ApiError) {
            Some(trouble) => Err(trouble),
            None => Ok(ask.read(response, started, self.idle, WHOM, None).await?.0),
        }
    }

    fn is_below_endpoint(&self, url: &Url) -> bool {
        let folder = self.url_endpoint.path().trim_end_matches('/');
        url.path().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Only below the configured endpoint's host is anything fetched: which URL a file has is the server's word.
    fn delivery_url(&self, url: &str) -> Result<Url, Trouble> {
        let ours = |url: &Url| url.origin() == self.url_endpoint.origin();
        Url::parse(url)
            .ok()
            .filter(|url| ours(url) && super::settings::is_web(url))
            .ok_or_else(|| not_served("its URL is not on the host of IMAGEKIT_URL_ENDPOINT"))
    }

    async fn deliver(&self, url: Url) -> Result<Response, Trouble> {
        let request = self.client.get(url).header(ACCEPT, ACCEPT_IMAGES).header(ACCEPT_ENCODING, "identity");
        let response = progress(send(request), self.idle, WHOM).await?;
        if let Some(trouble) = unanswered(&response, WHOM, TroubleKind::ApiError) {
            return Err(trouble);
        }
        let excuse = response.headers().get("ik-error").map(|text| String::from_utf8_lossy(text.as_bytes()));
        match (response.status(), excuse) {
            (status, None) if is_whole(status, response.headers()) => Ok(response),
            (status, None) => Err(not_served(&format!("the URL answers {}", status.as_u16()))),
            (status, Some(why)) => Err(not_served(&format!(
                "the URL answers {}: {}",
                status.as_u16(),
                plain(&why, MESSAGE_CHARS_MAX)
            ))),
        }
    }
}

/// What is wrong with a body is no fault of the image that was stored.
fn unserved(trouble: Trouble) -> Trouble {
    match trouble.kind {
        TroubleKind::InvalidImage => not_served(&trouble.message),
        _ => trouble,
    }
}

fn not_served(why: &str) -> Trouble {
    Trouble::new(TroubleKind::NotServed, why)
}
