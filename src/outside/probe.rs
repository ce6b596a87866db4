//! Looking at a URL as a browser would: what answers, what it is, and how long it takes (requirement C7). One request,
//! one look; whether to look again is the runner's business.

use std::time::{Duration, Instant, SystemTime};

use ledger::ids::ContentHash;
use ledger::trouble::TroubleKind;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    ORIGIN,
};

use super::Trouble;
use super::http::{Patience, plain};
use super::incoming::{Incoming, is_plain, is_whole};
use super::knock::clock;
use super::picture::sniff::{is_picture, sniff};
use super::picture::{PictureLimiter, Room, shape_of};
use super::spool::disk_trouble;
use crate::limits::{MESSAGE_CHARS_MAX, PROBE_STEP_BYTES, SNIFF_BYTES, VERIFY_UNANNOUNCED_BYTES};

/// What today's browsers say for an `<img>`: the delivery then answers as it will answer them.
pub(super) const ACCEPT_IMAGES: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
/// The formats that every browser has had for decades, without a star behind which a modern one might hide.
const ACCEPT_OLD: &str = "image/jpeg,image/png,image/gif";

/// Which formats an answer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Today's, WebP and AVIF among them.
    Modern,
    /// JPEG, PNG and GIF.
    Old,
}

/// How much of the body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As much as says what it is and how large the picture is.
    Header,
    /// All of it, hashed and not kept.
    Hash,
    /// All of it, and it has to be a whole picture. Only the origin does this; elsewhere it is as [`Reading::Hash`].
    Check,
}

/// How a URL is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Which formats are taken.
    pub accept: Accept,
    /// The site that would show it, as browsers send it in `Origin`: `https://example.com`.
    pub site: Option<&'a str>,
    /// How much is read.
    pub reading: Reading,
    /// No more bytes of a body than this are read.
    pub bytes_max: u64,
}

/// What answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The HTTP status, 203 and a 206 of the whole file being as good as 200. Only with 200 the body was looked at.
    pub status: u16,
    /// ImageKit's own word on why there is no picture, fit to be shown.
    pub excuse: Option<String>,
    /// The media type that the answer claims, in small letters and without parameters, fit to be shown.
    pub media_type: Option<String>,
    /// `Access-Control-Allow-Origin`, fit to be shown.
    pub allowed_site: Option<String>,
    /// How large the body is: as announced, or as counted where it was read to its end.
    pub bytes: Option<u64>,
    /// Whether it is larger than what was to be read at most.
    pub is_too_large: bool,
    /// What the body's bytes are, or words for what they are instead of a picture.
    pub picture: Result<Shape, String>,
    /// Why it is no whole picture, where it was to be checked.
    pub flaw: Option<String>,
    /// BLAKE3 of the whole body, where it was read.
    pub hash: Option<ContentHash>,
    /// What time it is at the other side, to the second, where the answer says.
    pub clock: Option<SystemTime>,
    /// From the request to the beginning of the answer, redirects included.
    pub first_byte: Duration,
    /// From the request to the last byte that was read.
    pub total: Duration,
}

/// A picture by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The media type that the bytes have, whatever the answer claims.
    pub media_type: &'static str,
    /// Pixels across and down as stored, where the format is one whose header can be read here.
    pub size: Option<(u32, u32)>,
}

impl Ask<'_> {
    /// The headers of the request. Compressed, the bytes on the way would say nothing about the picture's.
    pub(super) fn headers(&self) -> HeaderMap {
        let accept = match self.accept {
            Accept::Modern => ACCEPT_IMAGES,
            Accept::Old => ACCEPT_OLD,
        };
        let identity = HeaderValue::from_static("identity");
        let mut headers =
            HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept)), (ACCEPT_ENCODING, identity)]);
        let site = self.site.and_then(|site| HeaderValue::from_str(site).ok());
        headers.extend(site.map(|site| (ORIGIN, site)));
        headers
    }

    /// Reads an answer as far as it is wanted. The body comes along where it is to be checked: then it is held in memory,
    /// and `pictures` says when there is room for it.
    pub(super) async fn read(
        &self,
        response: reqwest::Response,
        started: Instant,
        patience: Patience,
        whom: &'static str,
        pictures: Option<&PictureLimiter>,
    ) -> Result<(Seen, Option<Held>), Trouble> {
        let first_byte = started.elapsed();
        let headers = response.headers();
        let mut seen = Seen {
            status: response.status().as_u16(),
            excuse: text(headers, HeaderName::from_static("ik-error")),
            media_type: text(headers, CONTENT_TYPE)
                .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()),
            allowed_site: text(headers, ACCESS_CONTROL_ALLOW_ORIGIN),
            bytes: response.content_length(),
            is_too_large: false,
            picture: Err("nothing was read".to_owned()),
            flaw: None,
            hash: None,
            clock: clock(headers),
            first_byte,
            total: first_byte,
        };
        if !is_whole(response.status(), headers) {
            return Ok((seen, None));
        }
        seen.status = 200;
        if !is_plain(headers) {
            seen.bytes = None;
        }
        // What is announced as too large is not read to see that it is.
        let is_long = seen.bytes.is_some_and(|bytes| bytes > self.bytes_max);
        let mut body = Body::new(if is_long { Reading::Header } else { self.reading });
        if let Some(pictures) = pictures.filter(|_| body.reading == Reading::Check) {
            // Where nothing is announced, it grows.
            let bytes = seen.bytes.unwrap_or(VERIFY_UNANNOUNCED_BYTES).min(self.bytes_max);
            let room = pictures.room(bytes).await.map_err(|error| disk_trouble(&error))?;
            body.kept.reserve_exact(usize::try_from(bytes).unwrap_or(0));
            body.room = Some(room);
        }
        let read = read(response, &mut body, (seen.bytes, self.bytes_max), patience, whom).await;
        seen.total = started.elapsed();
        seen.is_too_large = seen.bytes.unwrap_or(body.bytes) > self.bytes_max;
        if body.is_ended {
            seen.bytes = Some(body.bytes);
            seen.hash =
                (body.reading != Reading::Header).then(|| ContentHash(*body.hasher.finalize().as_bytes()));
        }
        seen.picture = body.shape();
        match read {
            Ok(()) => {}
            Err(Trouble { kind: TroubleKind::FileTooLarge, .. }) => seen.is_too_large = true,
            Err(Trouble { kind: TroubleKind::InvalidImage, message, .. }) => seen.picture = Err(message),
            Err(trouble) => return Err(trouble),
        }
        let is_good = !seen.is_too_large && seen.picture.is_ok();
        let held = body.room.filter(|_| is_good).map(|room| Held { bytes: body.kept, room });
        Ok((seen, held))
    }
}

/// A body in memory.
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    pub(super) room: Room,
}

/// Reads as much of a body as is wanted, given the length that was announced and the bound.
async fn read(
    response: reqwest::Response,
    body: &mut Body,
    (announced, bytes_max): (Option<u64>, u64),
    patience: Patience,
    whom: &'static str,
) -> Result<(), Trouble> {
    let mut incoming = Incoming::of(response, bytes_max, patience, whom)?;
    while !body.is_enough(announced.is_some()) {
        match incoming.next().await? {
            Some(piece) => {
                body.make_room(piece.len(), bytes_max).await?;
                body.take(&piece);
            }
            None => body.end(),
        }
    }
    Ok(())
}

/// What has been read of a body so far.
struct Body {
    reading: Reading,
    bytes: u64,
    hasher: blake3::Hasher,
    /// The beginning, for as long as its header is not understood; or all of it, where it is to be checked.
    kept: Vec<u8>,
    /// Understanding the header is tried again when this much has been read: not for each chunk from the start.
    next_try: usize,
    shape: Option<Result<Shape, String>>,
    is_ended: bool,
    /// For what is kept, where all of it is.
    room: Option<Room>,
}

impl Body {
    fn new(reading: Reading) -> Self {
        let hasher = blake3::Hasher::new();
        Self {
            reading,
            bytes: 0,
            hasher,
            kept: Vec::new(),
            next_try: SNIFF_BYTES,
            shape: None,
            is_ended: false,
            room: None,
        }
    }

    /// Sees to it that so many bytes more can be kept, of a body that has no more than `bytes_max` altogether.
    async fn make_room(&mut self, more: usize, bytes_max: u64) -> Result<(), Trouble> {
        // What is beyond is refused as soon as it is here, and waits for nothing more.
        let all = ((self.kept.len() + more) as u64).min(bytes_max);
        let Some(room) = self.room.as_mut().filter(|room| !room.holds(all)) else { return Ok(()) };
        room.grow(bytes_max).await.map_err(|error| disk_trouble(&error))?;
        self.kept.reserve_exact(usize::try_from(bytes_max).unwrap_or(0).saturating_sub(self.kept.len()));
        Ok(())
    }

    /// Whether no more has to be read, given whether the length was announced.
    fn is_enough(&self, is_announced: bool) -> bool {
        let is_seen = self.shape.is_some() && self.reading == Reading::Header;
        self.is_ended || (is_seen && is_announced)
    }

    fn take(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.hasher.update(chunk);
        if self.shape.is_none() || self.reading == Reading::Check {
            self.kept.extend_from_slice(chunk);
        }
        if self.shape.is_none() && self.kept.len() >= self.next_try {
            self.shape = shape(&self.kept).transpose();
            self.next_try = (self.kept.len() * 2).max(PROBE_STEP_BYTES);
            self.forget();
        }
    }

    fn end(&mut self) {
        self.is_ended = true;
        self.shape = Some(std::mem::take(&mut self.shape).unwrap_or_else(|| {
            shape(&self.kept).and_then(|shape| shape.ok_or_else(|| "its header cannot be read".to_owned()))
        }));
        self.forget();
    }

    fn forget(&mut self) {
        if self.shape.is_some() && self.reading != Reading::Check {
            self.kept = Vec::new();
        }
    }

    fn shape(&self) -> Result<Shape, String> {
        self.shape.clone().unwrap_or_else(|| Err("its header cannot be read".to_owned()))
    }
}

/// What these first bytes are; nothing yet where a picture's header goes on behind them.
fn shape(head: &[u8]) -> Result<Option<Shape>, String> {
    match sniff(head) {
        Ok(format) => {
            let size = shape_of(head).map(|(_, width, height)| (width, height));
            Ok(size.map(|size| Shape { media_type: format.media_type(), size: Some(size) }))
        }
        // A format of the CDN's own choosing, such as AVIF.
        Err(_) if is_picture(head) => {
            let media_type = infer::get(head).map_or("image/*", |kind| kind.mime_type());
            Ok(Some(Shape { media_type, size: None }))
        }
        Err(_) if head.trim_ascii_start().starts_with(b"<svg") => {
            Ok(Some(Shape { media_type: "image/svg+xml", size: None }))
        }
        Err(why) => Err(plain(&why, MESSAGE_CHARS_MAX)),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(plain(&String::from_utf8_lossy(value.as_bytes()), MESSAGE_CHARS_MAX))
}
