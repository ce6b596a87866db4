//! What becomes of a request that gets a fault: the same at both stand-ins.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{self, Body};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Response, StatusCode, Uri, response};
use axum::response::{Html, IntoResponse};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;

use super::faults::{Fault, Refusal};
use super::wire::Line;
use crate::limits::{SANDBOX_BOMB_BYTES, SANDBOX_BOMB_MEMBER_BYTES};

/// What a person would see behind a sign-in.
pub(super) const PAGE: &str = "<!doctype html><html><head><title>Please sign in</title></head><body><h1>Please sign in</h1></body></html>\n";
/// What has no end, or none of its own, goes on with these.
pub(super) static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Serves a request, but for its fault. `refuse` has the stand-in's own words for a status.
pub(super) async fn serve<F: Future<Output = Response<Body>>>(
    fault: Option<Fault>,
    line: &Line,
    mut request: Request,
    refuse: impl FnOnce(&Refusal) -> Response<Body>,
    serve: impl FnOnce(Request) -> F,
) -> Response<Body> {
    let Some(fault) = fault else { return serve(request).await };
    let uri = request.uri().clone();
    match &fault {
        Fault::Answer { status, headers, body } => {
            drain(request.into_body()).await;
            return ordered(*status, headers, body.clone());
        }
        Fault::Refusal(refusal) => {
            drain(request.into_body()).await;
            return refuse(refusal);
        }
        Fault::Redirect(to) => {
            drain(request.into_body()).await;
            return redirect(to.as_deref(), &uri);
        }
        Fault::Page => {
            drain(request.into_body()).await;
            return Html(PAGE).into_response();
        }
        Fault::DropBefore => {
            line.cut();
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        Fault::Delay(wait) => tokio::time::sleep(*wait).await,
        Fault::Untransformed => {
            // A path is a URI by itself, so that nothing can be wrong with it.
            *request.uri_mut() = uri.path().parse().unwrap_or(uri);
        }
        Fault::Unnegotiated => drop(request.headers_mut().remove(ACCEPT)),
        _ => {}
    }
    let mut answer = serve(request).await;
    match fault {
        Fault::DropAfter => line.cut(),
        Fault::WithoutHeader(name) => drop(answer.headers_mut().remove(name)),
        Fault::CutBody { after_bytes } => return with_body(answer, |bytes| cut(bytes, after_bytes)).await,
        Fault::Stall { after_bytes } => return with_body(answer, |bytes| stall(bytes, after_bytes)).await,
        Fault::Trickle { bytes: piece, every } => {
            return with_body(answer, |bytes| Body::from_stream(trickle(bytes, piece, every))).await;
        }
        Fault::Endless => {
            answer = with_body(answer, |bytes| Body::from_stream(endless(bytes))).await;
            answer.headers_mut().remove(CONTENT_LENGTH);
        }
        Fault::ShortLength => return lying(answer, line, |truth| truth / 2).await,
        Fault::LongLength => return lying(answer, line, |truth| truth * 2).await,
        Fault::Gzip => {
            answer = with_body(answer, |bytes| Body::from(zipped(&bytes))).await;
            is_zipped(&mut answer);
        }
        Fault::Bomb => {
            *answer.body_mut() = Body::from_stream(bomb());
            is_zipped(&mut answer);
        }
        Fault::Misreported => answer = misreported(answer).await,
        _ => {}
    }
    answer
}

/// Reads a body to its end: a client that is still sending when the answer comes may never see it.
pub(super) async fn drain(body: Body) {
    let mut chunks = body.into_data_stream();
    while let Some(Ok(_)) = chunks.next().await {}
}

/// The answer that a fault orders. What is no status or header is a mistake of whoever ordered it, said as a 500.
fn ordered(status: u16, headers: &[(String, String)], body: String) -> Response<Body> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    answer.body(Body::from(body)).unwrap_or_else(|error| {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("this fault is no HTTP answer: {error}")).into_response()
    })
}

fn redirect(to: Option<&str>, asked: &Uri) -> Response<Body> {
    let to = to.map_or_else(|| asked.to_string(), str::to_owned);
    ordered(StatusCode::FOUND.as_u16(), &[(LOCATION.to_string(), to)], String::new())
}

/// The same answer with another body; its length is announced as it was.
async fn with_body(answer: Response<Body>, spoilt: impl FnOnce(Bytes) -> Body) -> Response<Body> {
    let (parts, bytes) = match whole(answer).await {
        Ok(read) => read,
        Err(failed) => return failed,
    };
    Response::from_parts(parts, spoilt(bytes))
}

/// The answer with its whole body, whose length is announced.
async fn whole(answer: Response<Body>) -> Result<(response::Parts, Bytes), Response<Body>> {
    let (mut parts, body) = answer.into_parts();
    let bytes = body::to_bytes(body, usize::MAX)
        .await
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response())?;
    // That of an answer to HEAD is not its own.
    if !bytes.is_empty() {
        parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
    }
    Ok((parts, bytes))
}

/// The first bytes of a body, then an error, which breaks the connection.
fn cut(bytes: Bytes, after_bytes: usize) -> Body {
    if after_bytes >= bytes.len() {
        return Body::from(bytes);
    }
    // Without a pause the server would find the error before it has sent what came ahead of it.
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    Body::from_stream(stream::iter([Ok(bytes.slice(..after_bytes))]).chain(end))
}

fn stall(bytes: Bytes, after_bytes: usize) -> Body {
    if after_bytes >= bytes.len() {
        return Body::from(bytes);
    }
    let first = stream::iter([io::Result::Ok(bytes.slice(..after_bytes))]);
    Body::from_stream(first.chain(stream::pending()))
}

fn trickle(
    bytes: Bytes,
    piece: usize,
    every: Duration,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold((bytes, true), move |(mut left, is_first)| async move {
        if left.is_empty() {
            return None;
        }
        if !is_first {
            tokio::time::sleep(every).await;
        }
        let next = left.split_to(piece.min(left.len()));
        Some((Ok(next), (left, false)))
    })
}

fn endless(bytes: Bytes) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::iter([bytes]).chain(stream::repeat(Bytes::from_static(&ZEROS))).map(Ok)
}

/// The answer with a length that is not its body's, which no HTTP server would send by itself.
async fn lying(answer: Response<Body>, line: &Line, lie: impl FnOnce(u64) -> u64) -> Response<Body> {
    let (mut parts, bytes) = match whole(answer).await {
        Ok(read) => read,
        Err(failed) => return failed,
    };
    let said = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    parts.headers.insert(CONTENT_LENGTH, lie(said.unwrap_or(bytes.len() as u64)).into());
    let mut wire = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        wire.extend_from_slice(name.as_str().as_bytes());
        wire.extend_from_slice(b": ");
        wire.extend_from_slice(value.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(&bytes);
    line.say(wire.into());
    // Whatever this is, the line says the other thing.
    Response::from_parts(parts, Body::empty())
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn is_zipped(answer: &mut Response<Body>) {
    answer.headers_mut().remove(CONTENT_LENGTH);
    answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
}

/// Members of one gzip stream: decompressed, one follows the other.
fn bomb() -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let member = Bytes::from(zipped(&vec![0; SANDBOX_BOMB_MEMBER_BYTES]));
    let members = SANDBOX_BOMB_BYTES / SANDBOX_BOMB_MEMBER_BYTES as u64;
    stream::iter(0..members).map(move |_| Ok(member.clone()))
}

/// ImageKit's answer to an upload, telling of one byte more than there is.
async fn misreported(answer: Response<Body>) -> Response<Body> {
    let spoilt = |bytes: Bytes| match serde_json::from_slice::<Value>(&bytes) {
        Ok(mut told) if told["size"].is_u64() => {
            told["size"] = (told["size"].as_u64().unwrap_or_default() + 1).into();
            Body::from(told.to_string())
        }
        _ => Body::from(bytes),
    };
    let mut answer = with_body(answer, spoilt).await;
    answer.headers_mut().remove(CONTENT_LENGTH);
    answer
}

/// A page such as proxies put before a service that does not answer.
pub(super) fn proxy_page(status: StatusCode) -> Response<Body> {
    let title = status.to_string();
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    (status, [(CONTENT_TYPE, "text/html")], page).into_response()
}
