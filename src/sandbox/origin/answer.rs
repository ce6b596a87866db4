//! What the origin says to one request.

use std::io;
use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::Origin;
use crate::limits::SANDBOX_OVERSIZED_BYTES;
use crate::sandbox::faults::Refusal;
use crate::sandbox::seed::{Awkward, Image};
use crate::sandbox::spoil::{self, PAGE, ZEROS};
use crate::sandbox::wire::Line;

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
    ConnectInfo(line): ConnectInfo<Line>,
    Path(path): Path<String>,
    request: Request,
) -> Response<Body> {
    if !origin.latency.is_zero() {
        tokio::time::sleep(origin.latency).await;
    }
    let path = format!("/{path}");
    // A question for the size is counted apart: it moves nothing.
    let op = if request.method() == Method::HEAD { "origin_head" } else { "origin" };
    let fault = origin.faults.next_at(op, &path);
    let served = |request: Request| std::future::ready(origin.answer(request.method(), &path));
    spoil::serve(fault, &line, request, refused, served).await
}

/// A status to order, as an S3-compatible store says it.
fn refused(ordered: &Refusal) -> Response<Body> {
    let mut answer = bare(StatusCode::from_u16(ordered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    let code = match ordered.status {
        404 => "NoSuchKey",
        403 => "AccessDenied",
        429 | 503 => "SlowDown",
        _ => "InternalError",
    };
    if let Some(wait) = ordered.reset {
        // In whole seconds, and rather too late than too soon.
        let seconds = wait.as_millis().div_ceil(1_000).to_string();
        answer.headers_mut().extend(HeaderValue::try_from(seconds).ok().map(|wait| (RETRY_AFTER, wait)));
    }
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    *answer.body_mut() = Body::from(format!("{xml}\n<Error><Code>{code}</Code></Error>"));
    answer
}

impl Origin {
    fn answer(&self, method: &Method, path: &str) -> Response<Body> {
        if method != Method::GET && method != Method::HEAD {
            let mut refusal = bare(StatusCode::METHOD_NOT_ALLOWED);
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        let Some(file) = self.file(path) else { return bare(StatusCode::NOT_FOUND) };
        let mut answer = bare(StatusCode::OK);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_LENGTH, file.length.into());
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if let Ok(media_type) = HeaderValue::from_str(&file.media_type) {
            headers.insert(CONTENT_TYPE, media_type);
        }
        if method == Method::GET {
            *answer.body_mut() = match file.bytes.len() as u64 == file.length {
                true => Body::from(file.bytes),
                false => Body::from_stream(chunks(file)),
            };
        }
        answer
    }

    fn file(&self, path: &str) -> Option<File> {
        if let Some(put) = self.put.read().unwrap_or_else(PoisonError::into_inner).get(path) {
            return put.clone().map(|(media_type, bytes)| File::whole(media_type, bytes));
        }
        let Image { picture, awkward, .. } = self.world.image(path)?;
        let media_type = picture.format().media_type();
        match awkward {
            None => Some(File::whole(media_type, picture.bytes())),
            Some(Awkward::Missing) => None,
            Some(Awkward::Html) => Some(File::whole("text/html; charset=utf-8", PAGE)),
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

fn bare(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}
