//! The origin's stand-in: a public object store on loopback that serves the world's images.

mod answer;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::faults::Faults;
use super::seed::World;
use super::wire::{Line, Port};

/// How to serve.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// How long each answer waits.
    pub latency: Duration,
}

/// A file as a test put it there: media type and bytes; none stands for one that was taken away.
type Put = Option<(String, Bytes)>;

/// What a request is answered from.
struct Origin {
    world: Arc<World>,
    faults: Arc<Faults>,
    latency: Duration,
    put: RwLock<HashMap<String, Put>>,
}

/// Serves the world's images on loopback; faults are those of the operation `origin`.
///
/// # Errors
/// When the port cannot be bound.
pub async fn serve(options: Options, world: Arc<World>, faults: Arc<Faults>) -> io::Result<Running> {
    let all = CancellationToken::new();
    let port = Port::bind(options.port, Arc::clone(&faults.origin), all.clone())?;
    let addr = port.addr();
    let origin = Arc::new(Origin { world, faults, latency: options.latency, put: RwLock::default() });
    let router = Router::new().route("/{*path}", any(answer::answer)).with_state(Arc::clone(&origin));
    let server = axum::serve(port, router.into_make_service_with_connect_info::<Line>())
        .with_graceful_shutdown(all.clone().cancelled_owned());
    let task = tokio::spawn(server.into_future());
    Ok(Running { addr, origin, all, task })
}

/// An origin that runs until it is stopped or dropped.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    origin: Arc<Origin>,
    all: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Its `ORIGIN_BASE_URL`, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Puts a file there, in the place of what the world has at that path (not percent-encoded).
    pub fn put(&self, path: &str, media_type: &str, bytes: impl Into<Bytes>) {
        self.set(path, Some((media_type.to_owned(), bytes.into())));
    }

    /// Takes away what is at a path: 404 from now on.
    pub fn remove(&self, path: &str) {
        self.set(path, None);
    }

    fn set(&self, path: &str, put: Put) {
        self.origin.put.write().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), put);
    }

    /// Stops it: answers that are under way break off, and the port is free.
    pub async fn stop(mut self) {
        self.all.cancel();
        // The server itself never fails, and a panic in it was printed where it happened.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.cancel();
    }
}
