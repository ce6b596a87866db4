//! What a browser would get: the delivery host, asked without the key.

use ledger::ids::ContentHash;
use ledger::trouble::TroubleKind;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use reqwest::{Response, StatusCode};
use url::Url;

use super::client::ImageKit;
use crate::limits::{DELIVERY_BYTES_READ_MAX, MESSAGE_CHARS_MAX};
use crate::outside::Trouble;
use crate::outside::http::{next_chunk, plain, progress};
use crate::outside::origin::sniff::is_picture;

/// What messages call the other side.
const WHOM: &str = "ImageKit's delivery";
/// What today's browsers say for an `<img>`: the delivery then answers as it will answer them.
const ACCEPT_IMAGES: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";

impl ImageKit {
    /// The check of [`super::Cdn::check_delivery`].
    pub(super) async fn see_delivery(&self, url: &str) -> Result<(), Trouble> {
        let mut response = self.deliver(self.delivery_url(url)?).await?;
        let media_type =
            response.headers().get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
        if !media_type.is_some_and(|media_type| media_type.starts_with(b"image/")) {
            return Err(not_served("the URL answers with no image media type"));
        }
        let mut head = Vec::new();
        while head.len() < DELIVERY_BYTES_READ_MAX {
            match next_chunk(&mut response, self.idle, WHOM).await? {
                Some(chunk) => head.extend_from_slice(&chunk),
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
        let mut response = self.deliver(url).await?;
        let too_large =
            || Trouble::new(TroubleKind::FileTooLarge, format!("stored with more than {bytes_max} bytes"));
        if response.content_length().is_some_and(|length| length > bytes_max) {
            return Err(too_large());
        }
        let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0_u64);
        while let Some(chunk) = next_chunk(&mut response, self.idle, WHOM).await? {
            bytes += chunk.len() as u64;
            if bytes > bytes_max {
                return Err(too_large());
            }
            hasher.update(&chunk);
        }
        Ok(ContentHash(*hasher.finalize().as_bytes()))
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
        let response = progress(request.send(), self.idle, WHOM).await?;
        let excuse = response.headers().get("ik-error").map(|text| String::from_utf8_lossy(text.as_bytes()));
        match (response.status(), excuse) {
            (StatusCode::OK, None) => Ok(response),
            (status, None) => Err(not_served(&format!("the URL answers {}", status.as_u16()))),
            (status, Some(why)) => Err(not_served(&format!(
                "the URL answers {}: {}",
                status.as_u16(),
                plain(&why, MESSAGE_CHARS_MAX)
            ))),
        }
    }
}

fn not_served(why: &str) -> Trouble {
    Trouble::new(TroubleKind::NotServed, why)
}
