//! What a browser would get: the delivery host, asked without the key.

use std::time::Instant;

use ledger::ids::ContentHash;
use ledger::trouble::TroubleKind;
use reqwest::Response;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use url::Url;

use super::client::ImageKit;
use crate::limits::{ANSWER_BYTES_MAX, DELIVERY_BYTES_READ_MAX, MESSAGE_CHARS_MAX};
use crate::outside::Trouble;
use crate::outside::http::{plain, progress, unanswered};
use crate::outside::incoming::{Incoming, is_plain, is_whole};
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
        let (mut body, mut head) = (
            Incoming::of(response, ANSWER_BYTES_MAX as u64, self.patience, WHOM).map_err(unserved)?,
            Vec::new(),
        );
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
    pub(super) async fn hash_original(&self, url: &str, bytes: u64) -> Result<ContentHash, Trouble> {
        let mut url = self.delivery_url(url)?;
        // A deletion or a new version purges no cache: under a URL that nobody asked for before, none has an answer.
        let unique = getrandom::u64().map_err(|error| not_served(&format!("no random number: {error}")))?;
        url.set_query(Some(&format!("tr=orig-true&updatedAt={unique}")));
        let response = self.deliver(url).await?;
        // Compressed, its bytes on the way would bound nothing; and nobody was asked to compress it.
        if !is_plain(response.headers()) {
            return Err(not_served("the untouched original is sent compressed, which was not asked for"));
        }
        let too_large = || {
            Trouble::new(TroubleKind::IntegrityMismatch, format!("the original has more than {bytes} bytes"))
        };
        if response.content_length().is_some_and(|length| length > bytes) {
            return Err(too_large());
        }
        let (mut body, mut hasher) =
            (Incoming::of(response, bytes, self.patience, WHOM).map_err(unserved)?, blake3::Hasher::new());
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
        let mut url = self.delivery_url(url).map_err(|_| forbidden())?;
        url.set_query(transformation.map(|steps| format!("tr={steps}")).as_deref());
        let started = Instant::now();
        let request = self.client.get(url).headers(ask.headers());
        let response = progress(send(request), self.patience.idle, WHOM).await?;
        match unanswered(&response, WHOM, TroubleKind::ApiError) {
            Some(trouble) => Err(trouble),
            None => Ok(ask.read(response, started, self.patience, WHOM, None).await?.0),
        }
    }

    fn is_below_endpoint(&self, url: &Url) -> bool {
        let folder = self.url_endpoint.path().trim_end_matches('/');
        url.path().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Only below the configured endpoint is anything fetched, whoever says where a file is: the same host may deliver
    /// other people's.
    fn delivery_url(&self, url: &str) -> Result<Url, Trouble> {
        let is_ours = |url: &Url| {
            url.origin() == self.url_endpoint.origin()
                && super::settings::is_web(url)
                && self.is_below_endpoint(url)
        };
        let elsewhere = || not_served("its URL does not lie below IMAGEKIT_URL_ENDPOINT");
        Url::parse(url).ok().filter(is_ours).ok_or_else(elsewhere)
    }

    async fn deliver(&self, url: Url) -> Result<Response, Trouble> {
        let request = self.client.get(url).header(ACCEPT, ACCEPT_IMAGES).header(ACCEPT_ENCODING, "identity");
        let response = progress(send(request), self.patience.idle, WHOM).await?;
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
        TroubleKind::FileTooLarge => not_served("the URL answers without an end"),
        _ => trouble,
    }
}

fn not_served(why: &str) -> Trouble {
    Trouble::new(TroubleKind::NotServed, why)
}
