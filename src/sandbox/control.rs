//! The control address: faults ordered and taken back while the sandbox is at work.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /faults` | what is ordered and not spent, and how many requests have got it |
//! | `POST /faults` | orders what the body says, an order a line; all of it or nothing |
//! | `DELETE /faults` | takes everything back |
//! | `GET /counts` | requests so far, by operation |
//!
//! An answer comes when it is so: a part that was ordered away is away by then.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::faults::{Faults, Order};

/// The control address at work; it ends when this is dropped.
pub struct Running {
    /// Where it listens, on loopback.
    pub addr: SocketAddr,
    server: JoinHandle<io::Result<()>>,
}

/// Serves orders for these faults on a free port of 127.0.0.1.
///
/// # Errors
/// When no port can be had.
pub async fn serve(faults: Arc<Faults>) -> io::Result<Running> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    let router = Router::new()
        .route("/faults", get(standing).post(order).delete(well))
        .route("/counts", get(counts))
        .layer(from_fn(no_browsers))
        .with_state(faults);
    Ok(Running { addr, server: tokio::spawn(axum::serve(listener, router).into_future()) })
}

impl Running {
    /// Its base, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A page in somebody's browser can send requests to loopback too. Browsers name the page, or a host by name.
async fn no_browsers(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_loopback = host.parse::<SocketAddr>().is_ok_and(|host| host.ip().is_loopback());
    if request.headers().contains_key(header::ORIGIN) || !is_loopback {
        return no(StatusCode::FORBIDDEN, "the control address is not for browsers");
    }
    next.run(request).await
}

async fn standing(State(faults): State<Arc<Faults>>) -> Json<Value> {
    let all = faults.standing().into_iter();
    Json(all.map(|(fault, given)| json!({ "fault": fault, "given": given })).collect())
}

async fn order(State(faults): State<Arc<Faults>>, body: String) -> Response {
    let lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
    let orders: Vec<Order> = match lines.map(str::parse).collect() {
        Ok(orders) => orders,
        Err(wrong) => {
            let wrong: super::faults::NotAnOrder = wrong;
            return no(StatusCode::BAD_REQUEST, &wrong.to_string());
        }
    };
    if orders.is_empty() {
        return no(StatusCode::BAD_REQUEST, "nothing is ordered; a line is like upload=503x10");
    }
    orders.into_iter().for_each(|order| faults.order(order));
    faults.settled().await;
    standing(State(faults)).await.into_response()
}

async fn well(State(faults): State<Arc<Faults>>) -> Response {
    faults.well();
    faults.settled().await;
    standing(State(faults)).await.into_response()
}

async fn counts(State(faults): State<Arc<Faults>>) -> Json<Value> {
    Json(json!(faults.counts()))
}

fn no(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}
