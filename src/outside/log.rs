//! What the outside logs: a line a request, and one a row. No query string is in any of them, and no header but the id
//! under which ImageKit's support finds a request.

use std::future::Future;
use std::time::Instant;

use ledger::ids::VenueId;
use reqwest::{Request, RequestBuilder, Response};
use tracing::{Level, debug, enabled};
use url::Url;

use super::Trouble;
use super::catalog::{Catalog, Rewrite, Row};
use super::http::innermost;

tokio::task_local! {
    /// Which attempt at its step this task is making.
    static ATTEMPT: u32;
}

/// Makes an attempt whose requests and rows are logged under its number.
pub async fn numbered<T>(attempt: u32, making: impl Future<Output = T>) -> T {
    ATTEMPT.scope(attempt, making).await
}

/// What is tried once, or by nobody who counts, is a first attempt.
fn attempt() -> u32 {
    ATTEMPT.try_with(|attempt| *attempt).unwrap_or(1)
}

/// Sends a request: with [`send_unseen`], the one way out for all HTTP of the program.
pub(crate) async fn send(request: RequestBuilder) -> reqwest::Result<Response> {
    send_as(request, |url| url.path().to_owned()).await
}

/// Sends a request to a URL whose path is secret.
pub(crate) async fn send_unseen(request: RequestBuilder) -> reqwest::Result<Response> {
    send_as(request, |_| "…".to_owned()).await
}

async fn send_as(request: RequestBuilder, path: fn(&Url) -> String) -> reqwest::Result<Response> {
    let (client, request) = request.build_split();
    let request = request?;
    let is_wanted = enabled!(target: "longshore::request", Level::DEBUG);
    let asked = is_wanted.then(|| Asked::of(&request, path(request.url())));
    let answered = client.execute(request).await;
    if let Some(asked) = asked {
        asked.answered(&answered);
    }
    answered
}

/// A request that is on its way.
struct Asked {
    method: String,
    host: String,
    path: String,
    since: Instant,
    is_answered: bool,
}

impl Asked {
    fn of(request: &Request, path: String) -> Self {
        let url = request.url();
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let method = request.method().to_string();
        Self { method, host, path, since: Instant::now(), is_answered: false }
    }

    fn answered(mut self, answer: &reqwest::Result<Response>) {
        self.is_answered = true;
        let Self { method, host, path, .. } = &self;
        let ms = self.ms();
        match answer {
            Ok(response) => {
                let (status, headers) = (response.status().as_u16(), response.headers());
                let request_id = headers.get("x-ik-requestid").and_then(|id| id.to_str().ok());
                debug!(target: "longshore::request", method, host, path, status, ms, request_id, attempt = attempt(), "answered");
            }
            Err(error) => {
                let error = innermost(error).to_string();
                debug!(target: "longshore::request", method, host, path, ms, error, attempt = attempt(), "not answered");
            }
        }
    }

    fn ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }
}

impl Drop for Asked {
    /// Whoever waited has given up.
    fn drop(&mut self) {
        if !self.is_answered {
            let (Self { method, host, path, .. }, ms) = (&*self, self.ms());
            debug!(target: "longshore::request", method, host, path, ms, attempt = attempt(), "given up");
        }
    }
}

/// Rewrites a row: [`Catalog::rewrite`], logged.
///
/// # Errors
/// As it.
pub async fn rewrite(
    catalog: &dyn Catalog,
    venue: VenueId,
    rewrite: &(dyn for<'text> Fn(Option<&'text str>) -> Rewrite + Send + Sync),
) -> Result<Row, Trouble> {
    let since = Instant::now();
    let rewritten = catalog.rewrite(venue, rewrite).await;
    let row = match &rewritten {
        Ok(Row::Missing) => "missing".to_owned(),
        Ok(Row::Left(_)) => "left".to_owned(),
        Ok(Row::Written { .. }) => "written".to_owned(),
        Err(trouble) => trouble.to_string(),
    };
    let ms = since.elapsed().as_millis() as u64;
    debug!(target: "longshore::row", %venue, ms, attempt = attempt(), row, "rewritten");
    rewritten
}
