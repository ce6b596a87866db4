//! What every request passes first: its id, latency, faults to order; and for the API the key and the rate limits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::answer::Refusal;
use super::delivery::{self, Asked};
use super::{App, form};
use crate::sandbox::faults::Refusal as Ordered;
use crate::sandbox::spoil;
use crate::sandbox::wire::Line;

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
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
    next: Next,
) -> Response {
    let operation = operation(&app, &request);
    let asked = Asked::read(&app, request.uri().path(), request.uri().query());
    let path = asked.as_ref().map_or(request.uri().path(), Asked::path);
    let fault = app.faults.next_at(operation, path);
    if !app.options.latency.is_zero() {
        tokio::time::sleep(app.options.latency).await;
    }
    let refuse = |refusal: &Ordered| refused(operation, refusal);
    let mut response = spoil::serve(fault, &line, request, refuse, |request| next.run(request)).await;
    let id = format!("{:032x}", fastrand::u128(..));
    response.headers_mut().insert("x-ik-requestid", HeaderValue::from_str(&id).expect("hexadecimal digits"));
    response
}

/// A status to order, in ImageKit's words where they are known.
fn refused(operation: &str, ordered: &Ordered) -> Response {
    let status = StatusCode::from_u16(ordered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status == StatusCode::TOO_MANY_REQUESTS {
        return too_many(USUAL_RATE, ordered.reset.unwrap_or(WINDOW));
    }
    if let Some(message) = &ordered.message {
        return Refusal::new(status, message.as_str()).into_response();
    }
    if status.is_success() {
        return (status, Json(json!({}))).into_response();
    }
    if operation.starts_with("delivery") {
        return delivery::refused(status);
    }
    match status.as_u16() {
        401 => Refusal::new(status, "Your request does not contain private API key.").into_response(),
        403 => Refusal::new(status, "Your account is disabled.").into_response(),
        404 => Refusal::no_such_file().into_response(),
        400..500 => Refusal::new(status, "Your request contains invalid parameters.").into_response(),
        // They come from what stands before ImageKit, and are no JSON.
        _ => {
            let mut page = spoil::proxy_page(status);
            if let Some(wait) = ordered.reset {
                page.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
            }
            page
        }
    }
}

/// The layer of the API: the key, then the rate limits, which uploads do not have.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if let Err(refusal) = authorized(&app, &request) {
        spoil::drain(request.into_body()).await;
        return refusal.into_response();
    }
    let operation = operation(&app, &request);
    let is_read = request.method() == Method::GET;
    let most = if is_read { app.options.reads_per_second } else { app.options.writes_per_second };
    if let Some(most) = most.filter(|_| operation != "upload")
        && let Some(wait) = app.rates.take(operation, most)
    {
        spoil::drain(request.into_body()).await;
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
/// The limit that a rate-limited answer tells of where none was set.
const USUAL_RATE: u32 = 100;

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
