//! What the origin says to one request.

use std::io;
use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use super::Origin;
use super::connection::Breaker;
use crate::limits::SANDBOX_OVERSIZED_BYTES;
use crate::sandbox::faults::Fault;
use crate::sandbox::seed::{Awkward, Image};

const HTML: &str = "<!doctype html><html><head><title>Please sign in</title></head><body><h1>Please sign in</h1></body></html>\n";
/// An oversized image goes on and on with these.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// A file as it is served.
struct File {
    media_type: String,
    /// The bytes to begin with; zeros follow up to the length.
    bytes: Bytes,
    length: u64,
}

impl File {
    fn whole(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { media_type: media_type.into(), length: bytes.len() as u64, bytes }
    }
}

pub(super) async fn answer(
    State(origin): State<Arc<Origin>>,
    ConnectInfo(breaker): ConnectInfo<Breaker>,
    method: Method,
    Path(path): Path<String>,
) -> Response<Body> {
    if !origin.latency.is_zero() {
        tokio::time::sleep(origin.latency).await;
    }
    let mut cut_after = None;
    let mut without = None;
    // A question for the size is counted apart: it moves nothing.
    let op = if method == Method::HEAD { "origin_head" } else { "origin" };
    match origin.faults.next_at(op, &format!("/{path}")) {
        Some(Fault::Answer { status, headers, body }) => return told(status, headers, body),
        Some(Fault::DropBefore | Fault::DropAfter) => {
            // Reading changes nothing here, so that before and after are the same.
            breaker.cut();
            return bare(StatusCode::INTERNAL_SERVER_ERROR);
        }
        Some(Fault::Delay(wait)) => tokio::time::sleep(wait).await,
        Some(Fault::CutBody { after_bytes }) => cut_after = Some(after_bytes),
        Some(Fault::WithoutHeader(name)) => without = Some(name),
        // It transforms nothing, and has one format of each image.
        Some(Fault::Untransformed | Fault::Unnegotiated) | None => {}
    }
    if method != Method::GET && method != Method::HEAD {
        let mut refusal = bare(StatusCode::METHOD_NOT_ALLOWED);
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    let Some(file) = origin.file(&format!("/{path}")) else { return bare(StatusCode::NOT_FOUND) };
    let mut answer = bare(StatusCode::OK);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_LENGTH, file.length.into());
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Ok(media_type) = HeaderValue::from_str(&file.media_type) {
        headers.insert(CONTENT_TYPE, media_type);
    }
    if let Some(name) = without {
        headers.remove(name);
    }
    if method == Method::GET {
        *answer.body_mut() = match cut_after {
            Some(bytes) => Body::from_stream(cut(chunks(file), bytes)),
            None if file.bytes.len() as u64 == file.length => Body::from(file.bytes),
            None => Body::from_stream(chunks(file)),
        };
    }
    answer
}

impl Origin {
    fn file(&self, path: &str) -> Option<File> {
        if let Some(put) = self.put.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return put.clone().map(|(media_type, bytes)| File::whole(media_type, bytes));
        }
        let Image { picture, awkward, .. } = self.world.image(path)?;
        let media_type = picture.format().media_type();
        match awkward {
            None => Some(File::whole(media_type, picture.bytes())),
            Some(Awkward::Missing) => None,
            Some(Awkward::Html) => Some(File::whole("text/html; charset=utf-8", HTML)),
            Some(Awkward::Truncated) => {
                let mut bytes = picture.bytes();
                bytes.truncate(bytes.len() * 3 / 5);
                Some(File::whole(media_type, bytes))
            }
            Some(Awkward::Oversized) => {
                Some(File { length: SANDBOX_OVERSIZED_BYTES, ..File::whole(media_type, picture.bytes()) })
            }
        }
    }
}

/// The file piece by piece; its zeros are never held.
fn chunks(file: File) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let zeros = file.length - file.bytes.len() as u64;
    let tail = stream::unfold(zeros, |left| async move {
        let size = left.min(ZEROS.len() as u64);
        (size > 0).then(|| (Bytes::from_static(&ZEROS[..size as usize]), left - size))
    });
    stream::iter([file.bytes]).chain(tail).map(Ok)
}

/// The first bytes of a body, then an error, which breaks the connection.
fn cut(
    chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    after_bytes: usize,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let first = chunks.try_filter_map({
        let mut left = after_bytes;
        move |mut chunk| {
            chunk.truncate(left);
            left -= chunk.len();
            std::future::ready(Ok((!chunk.is_empty()).then_some(chunk)))
        }
    });
    // Without a pause the server would find the error before it has sent what came ahead of it.
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::ErrorKind::ConnectionAborted.into())
    });
    first.chain(end)
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

fn told(status: u16, headers: Vec<(String, String)>, body: String) -> Response<Body> {
    let mut answer = bare(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    *answer.body_mut() = Body::from(body);
    answer
}
