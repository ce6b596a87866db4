//! Delivery: `/<imagekit_id>/…`, with transformations in the path or the query.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::answer::Refusal;
use super::picture::{self, Unfit};
use super::steps::Wanted;
use super::{App, names, params, ready};
use crate::sandbox::spoil;

/// A year, as ImageKit's own CDN keeps files.
const CACHE: &str = "public, s-maxage=31536000, max-age=31536000, must-revalidate";

/// Answers everything that is no call of the API.
pub(super) async fn deliver(State(app): State<Arc<App>>, request: Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    let Some(asked) = Asked::read(&app, request.uri().path(), request.uri().query()) else {
        return Refusal::missing("The requested resource does not exist.").into_response();
    };
    if !is_head && request.method() != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let found = match find(&app, &asked, takes_webp(request.headers())).await {
        Ok(found) => found,
        Err(failed) => return failed.into_response(),
    };
    let sent = if is_head { 0 } else { found.bytes.len() as u64 };
    if let Err(error) = app.shelf().serve(sent) {
        return Refusal::from(error).into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, found.mime),
        (header::CONTENT_LENGTH, found.bytes.len().to_string()),
        (header::CACHE_CONTROL, CACHE.to_owned()),
        (header::VARY, "Accept".to_owned()),
        (header::ETAG, format!("\"{}\"", &blake3::hash(&found.bytes).to_hex()[..32])),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
        (header::LAST_MODIFIED, found.modified),
    ];
    (headers, if is_head { Body::empty() } else { Body::from(found.bytes) }).into_response()
}

/// What a delivery URL means.
pub(super) struct Asked {
    path: String,
    wanted: Option<Wanted>,
    version: Option<String>,
}

impl Asked {
    /// Reads a URL's path and query; `None` when it is not below this account's endpoint.
    pub(super) fn read(app: &App, path: &str, query: Option<&str>) -> Option<Self> {
        let mut rest = path.strip_prefix(&app.delivery_prefix)?;
        let query = params(query);
        let mut steps = query.get("tr").cloned().unwrap_or_default();
        if let Some((first, after)) = rest.strip_prefix("tr:").and_then(|rest| rest.split_once('/')) {
            steps = format!("{}:{steps}", names::percent_decoded(first)?);
            rest = after;
        }
        Some(Self {
            path: format!("/{}", names::percent_decoded(rest)?),
            wanted: Wanted::parse(&steps),
            version: query.get("ik-obj-version").cloned(),
        })
    }

    /// The file's path in the media library.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether the untouched bytes are asked for.
    pub(super) fn is_original(&self) -> bool {
        self.wanted == Some(Wanted::Original)
    }
}

struct Found {
    bytes: Bytes,
    mime: String,
    modified: String,
}

/// A delivery that failed: the header says why, the body only that.
struct Failed(StatusCode, &'static str, &'static str);

impl Failed {
    const MISSING: Self = Self(StatusCode::NOT_FOUND, "Not Found", "ENOENT - File does not exist");
    const UNREADABLE: Self =
        Self(StatusCode::NOT_FOUND, "Not Found", "UNIDENTIFIED - File could not be processed");
    const PRIVATE: Self = Self(StatusCode::UNAUTHORIZED, "Unauthorized", "EACCES - File is private");
    const LIMIT: Self =
        Self(StatusCode::BAD_REQUEST, "Bad Request", "ELIMIT - Image is larger than the limit");
    const INVALID: Self =
        Self(StatusCode::BAD_REQUEST, "Bad Request", "EINVALID - Transformation is not valid");
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (
            self.0,
            [("ik-error", self.2), ("content-type", "text/plain"), ("cache-control", "no-cache")],
            self.1,
        )
            .into_response()
    }
}

/// A status to order, as delivery says it: the header says why, the body only that.
pub(super) fn refused(status: StatusCode) -> Response {
    match status {
        StatusCode::NOT_FOUND => Failed::MISSING.into_response(),
        StatusCode::UNAUTHORIZED => Failed::PRIVATE.into_response(),
        StatusCode::BAD_REQUEST => Failed::LIMIT.into_response(),
        status => spoil::proxy_page(status),
    }
}

async fn find(app: &App, asked: &Asked, takes_webp: bool) -> Result<Found, Failed> {
    let (place, mime, modified) = {
        let library = app.shelf();
        let file = library.at(&asked.path).filter(|file| file.is_published).ok_or(Failed::MISSING)?;
        if file.is_private {
            return Err(Failed::PRIVATE);
        }
        let version = match &asked.version {
            Some(id) => file.version(id).ok_or(Failed::MISSING)?,
            None => file.current(),
        };
        let modified = super::clock::http(version.created_at);
        (library.content(&file.id, version), version.probe.mime.clone(), modified)
    };
    let wanted = asked.wanted.clone().ok_or(Failed::INVALID)?;
    // Deleted in this very moment: then it is as if the request had come a little later.
    let bytes = Bytes::from(tokio::fs::read(&place).await.map_err(|_| Failed::MISSING)?);
    let Some(steps) = wanted.steps() else { return Ok(Found { bytes, mime, modified }) };
    if steps.is_empty()
        && takes_webp
        && let Some(place) = app.ready.place(&bytes)
    {
        let webp = match place.get() {
            Some(webp) => webp.clone(),
            None => {
                let bytes = bytes.clone();
                app.pictures(move || ready::webp(&place, &bytes)).await
            }
        };
        let mime = if webp.is_some() { "image/webp".to_owned() } else { mime };
        return Ok(Found { bytes: webp.unwrap_or(bytes), mime, modified });
    }
    let made = app.pictures(move || picture::deliver(bytes, &mime, &steps, takes_webp)).await;
    match made {
        Ok((bytes, mime)) => Ok(Found { bytes, mime: mime.into_owned(), modified }),
        Err(Unfit::Limit) => Err(Failed::LIMIT),
        Err(Unfit::Unreadable) => Err(Failed::UNREADABLE),
    }
}

/// Only a client that names WebP gets it; `*/*` and `image/*` say nothing about it.
fn takes_webp(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let (kind, quality) = kind.split_once(';').unwrap_or((kind, ""));
        kind.trim().eq_ignore_ascii_case("image/webp") && !matches!(quality.trim(), "q=0" | "q=0.0")
    })
}
