//! What every request passes first: its id, latency, faults to order; and for the API the key and the rate limits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{self, Body};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;

use super::answer::Refusal;
use super::delivery::Asked;
use super::wire::{Switch, cut};
use super::{App, form};
use crate::sandbox::faults::Fault;

/// The short name of a request's operation, for faults, counts and rate limits.
fn operation(app: &App, request: &Request) -> &'static str {
    let path = request.uri().path();
    if let Some(asked) = Asked::read(app, path, request.uri().query()) {
        return if asked.is_original() { "delivery_original" } else { "delivery" };
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let method = request.method();
    match parts.as_slice() {
        ["api", "v1" | "v2", "files", "upload"] => "upload",
        ["v1", "files"] => "list",
        ["v1", "files", "purge"] => "purge",
        ["v1", "files", "purge", _] => "purge_status",
        ["v1", "files", "batch", "deleteByFileIds"] => "bulk_delete",
        ["v1", "files", "addTags" | "removeTags" | "removeAITags"] => "tags",
        ["v1", "files", "copy" | "move" | "rename"] => "move",
        ["v1", "files", _] if method == Method::DELETE => "delete",
        ["v1", "files", _, "details"] if method == Method::PATCH => "update",
        ["v1", "files", _, "details"] => "details",
        ["v1", "files", _, "versions", ..] => "versions",
        ["v1", "accounts", "usage"] => "usage",
        _ => "other",
    }
}

/// The outermost layer.
pub(super) async fn front(
    State(app): State<Arc<App>>,
    ConnectInfo(switch): ConnectInfo<Switch>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Asked::read(&app, request.uri().path(), request.uri().query());
    let path = asked.as_ref().map_or(request.uri().path(), Asked::path);
    let fault = app.faults.next_at(operation(&app, &request), path);
    if !app.options.latency.is_zero() {
        tokio::time::sleep(app.options.latency).await;
    }
    let mut response = match fault {
        None => next.run(request).await,
        Some(Fault::Answer { status, headers, body }) => {
            drain(request.into_body()).await;
            ordered(status, &headers, body)
        }
        Some(Fault::DropBefore) => {
            switch.throw();
            StatusCode::OK.into_response()
        }
        Some(Fault::DropAfter) => {
            let response = next.run(request).await;
            switch.throw();
            response
        }
        Some(Fault::Delay(wait)) => {
            tokio::time::sleep(wait).await;
            next.run(request).await
        }
        Some(Fault::Untransformed) => {
            // A path is a URI by itself, so that nothing can be wrong with it.
            *request.uri_mut() = request.uri().path().parse().expect("it was one before");
            next.run(request).await
        }
        Some(Fault::Unnegotiated) => {
            request.headers_mut().remove(header::ACCEPT);
            next.run(request).await
        }
        Some(Fault::WithoutHeader(name)) => {
            let mut response = next.run(request).await;
            response.headers_mut().remove(name);
            response
        }
        Some(Fault::CutBody { after_bytes }) => shortened(next.run(request).await, after_bytes).await,
    };
    let id = format!("{:032x}", fastrand::u128(..));
    response.headers_mut().insert("x-ik-requestid", HeaderValue::from_str(&id).expect("hexadecimal digits"));
    response
}

/// Reads a body to its end: a client that is still sending when the answer comes may never see it.
async fn drain(body: Body) {
    let mut chunks = body.into_data_stream();
    while let Some(Ok(_)) = chunks.next().await {}
}

/// The answer that a fault orders. What is no status or header is a mistake of whoever ordered it, said as a 500.
fn ordered(status: u16, headers: &[(String, String)], body: String) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap_or_else(|error| {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("this fault is no HTTP answer: {error}")).into_response()
    })
}

/// The same answer with its full length announced and only so many bytes sent.
async fn shortened(response: Response, after_bytes: usize) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = match body::to_bytes(body, usize::MAX).await {
        Ok(bytes) => bytes,
        Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    };
    if after_bytes >= bytes.len() {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
    Response::from_parts(parts, cut(bytes.slice(..after_bytes)))
}

/// The layer of the API: the key, then the rate limits, which uploads do not have.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if let Err(refusal) = authorized(&app, &request) {
        drain(request.into_body()).await;
        return refusal.into_response();
    }
    let operation = operation(&app, &request);
    let is_read = request.method() == Method::GET;
    let most = if is_read { app.options.reads_per_second } else { app.options.writes_per_second };
    if let Some(most) = most.filter(|_| operation != "upload")
        && let Some(wait) = app.rates.take(operation, most)
    {
        drain(request.into_body()).await;
        return too_many(most, wait);
    }
    next.run(request).await
}

fn authorized(app: &App, request: &Request) -> Result<(), Refusal> {
    let Some(sent) = request.headers().get(header::AUTHORIZATION) else {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Your request does not contain private API key."));
    };
    let encoded = sent.to_str().ok().and_then(|sent| sent.strip_prefix("Basic "));
    let decoded = form::base64(encoded.unwrap_or_default());
    // The key is the user; any password will do.
    let key = decoded.split(|byte| *byte == b':').next().unwrap_or_default();
    if key == app.options.private_key.as_bytes() {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, "Your account cannot be authenticated."))
}

/// ImageKit says all of this in milliseconds, and the reset as a wait, not as a moment.
fn too_many(most: u32, wait: Duration) -> Response {
    let headers = [
        ("x-ratelimit-limit", most.to_string()),
        ("x-ratelimit-interval", WINDOW.as_millis().to_string()),
        ("x-ratelimit-reset", wait.as_millis().max(1).to_string()),
    ];
    let refusal = Refusal::new(
        StatusCode::TOO_MANY_REQUESTS,
        "You have sent too many requests. Please try again later.",
    );
    (headers, refusal).into_response()
}

const WINDOW: Duration = Duration::from_secs(1);

/// Requests counted in windows, an operation each.
#[derive(Default)]
pub(super) struct Rates(Mutex<HashMap<&'static str, (Instant, u32)>>);

impl Rates {
    /// Counts a request; how long to wait when it is one too many.
    fn take(&self, operation: &'static str, most: u32) -> Option<Duration> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (since, count) = windows.entry(operation).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        if *count >= most {
            return Some(WINDOW - now.duration_since(*since));
        }
        *count += 1;
        None
    }
}
