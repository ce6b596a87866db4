//! A stand-in for ImageKit: upload, management and delivery on one listener.
//!
//! Bytes and records lie in a directory and survive a restart, a killed one included. What ImageKit is not known to do
//! is chosen so that a careless client is hurt: the list may lag, create-only is atomic, an empty file is refused.
//! Not here: signed URLs, the CDN's cache (what is deleted is gone at once), video, webhooks, extensions.

mod account;
mod answer;
mod clock;
mod delivery;
mod fields;
mod files;
mod folders;
mod form;
mod front;
mod library;
mod list;
mod model;
mod names;
mod picture;
mod query;
mod ready;
mod routes;
mod shape;
mod steps;
mod upload;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use self::answer::Refusal;
use self::library::Library;
use super::faults::Faults;
use super::wire::{Line, Port};
use crate::limits;

/// How the stand-in is set up.
#[derive(Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The address that its answers name in URLs, where something stands before it; `None` is where it listens.
    pub reached_at: Option<SocketAddr>,
    /// Where bytes and records lie; made if it is not there.
    pub dir: PathBuf,
    /// The account, which is the first part of every delivery path. One path segment, not `v1` or `api`.
    pub imagekit_id: String,
    /// The one key that is accepted.
    pub private_key: String,
    /// Every answer waits this long.
    pub latency: Duration,
    /// How long the list does not notice a change; details by id always do.
    pub list_lag: Duration,
    /// The largest file taken, in bytes.
    pub upload_bytes_max: u64,
    /// The plan's storage in bytes, all versions counted; `None` is without end.
    pub storage_bytes_max: Option<u64>,
    /// GET requests of one operation per second; `None` is without limit. Delivery has none.
    pub reads_per_second: Option<u32>,
    /// Other requests of one operation per second; `None` is without limit. Uploads have none.
    pub writes_per_second: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            reached_at: None,
            dir: PathBuf::from("cdn"),
            imagekit_id: "sandbox".to_owned(),
            private_key: "private_sandbox".to_owned(),
            latency: Duration::ZERO,
            list_lag: Duration::ZERO,
            upload_bytes_max: limits::IMAGE_BYTES_MAX,
            storage_bytes_max: None,
            reads_per_second: None,
            writes_per_second: None,
        }
    }
}

/// A stand-in at work. Dropped, it takes no more connections; [`Running::stop`] also waits for those it has.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    app: Arc<App>,
    all: CancellationToken,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

/// A stored file, for tests to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Folder and name.
    pub path: String,
    /// The file id.
    pub id: String,
    /// Bytes of the current version.
    pub bytes: u64,
    /// How many versions there are.
    pub versions: usize,
    /// Its tags; none when never set.
    pub tags: Vec<String>,
    /// BLAKE3 of the current version's bytes, in hexadecimal.
    pub content: String,
}

/// Starts a stand-in on what its directory holds.
///
/// # Errors
/// The port is taken, the directory cannot be used or its log not be read, or the account is no path segment.
pub async fn serve(options: Options, faults: Arc<Faults>) -> io::Result<Running> {
    let all = CancellationToken::new();
    let port = Port::bind(options.port, Arc::clone(&faults.cdn), all.clone())?;
    let addr = port.addr();
    let app = Arc::new(App::open(options, faults, addr)?);
    let (stop, stopped) = oneshot::channel::<()>();
    let service = routes::router(app.clone()).into_make_service_with_connect_info::<Line>();
    let serving = axum::serve(port, service);
    let serving = serving.with_graceful_shutdown(async {
        // A sender that was dropped means the same as one that spoke.
        let _ = stopped.await;
    });
    Ok(Running { addr, app, all, stop, server: tokio::spawn(serving.into_future()) })
}

impl Running {
    /// The base of delivery URLs, without a slash at its end.
    pub fn url_endpoint(&self) -> String {
        self.app.endpoint.to_string()
    }

    /// The base for uploads and management calls, without a slash at its end.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// All stored files by path, as they are now.
    pub fn files(&self) -> Vec<File> {
        let library = self.app.shelf();
        let files = library.below("").map(|file| File {
            path: file.path.clone(),
            id: file.id.clone(),
            bytes: file.current().size,
            versions: file.versions.len(),
            tags: file.tags.clone().unwrap_or_default(),
            content: file.current().content.clone(),
        });
        files.collect()
    }

    /// Stops: requests in the air get a few seconds, idle connections are closed.
    pub async fn stop(mut self) {
        // The server may have ended by itself; then there is nobody to tell.
        let _ = self.stop.send(());
        let grace = Duration::from_millis(limits::SANDBOX_STOP_MS_MAX);
        if tokio::time::timeout(grace, &mut self.server).await.is_err() {
            self.all.cancel();
            self.server.abort();
        }
    }
}

/// What all requests share.
struct App {
    options: Options,
    faults: Arc<Faults>,
    endpoint: Url,
    delivery_prefix: String,
    incoming: PathBuf,
    shelf: Mutex<Library>,
    purges: Mutex<HashMap<String, bool>>,
    rates: front::Rates,
    pictures: Semaphore,
    ready: ready::Ready,
}

impl App {
    fn open(options: Options, faults: Arc<Faults>, addr: SocketAddr) -> io::Result<Self> {
        let id = &options.imagekit_id;
        let reached = options.reached_at.unwrap_or(addr);
        let endpoint = Url::parse(&format!("http://{reached}/{id}")).map_err(io::Error::other)?;
        if id.is_empty()
            || id == "v1"
            || id == "api"
            || endpoint.path() != format!("/{id}")
            || id.contains('/')
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the ImageKit id must be a plain path segment",
            ));
        }
        let incoming = options.dir.join("incoming");
        // Whatever lies here belonged to requests of a sandbox that is no more.
        if incoming.exists() {
            std::fs::remove_dir_all(&incoming)?;
        }
        std::fs::create_dir_all(&incoming)?;
        let lag = Arc::clone(&faults.list_lag);
        lag.set_usual(options.list_lag);
        Ok(Self {
            delivery_prefix: format!("/{id}/"),
            shelf: Mutex::new(Library::open(&options.dir, lag)?),
            options,
            faults,
            endpoint,
            incoming,
            purges: Mutex::default(),
            rates: front::Rates::default(),
            pictures: Semaphore::new(limits::SANDBOX_PICTURES_AT_ONCE_MAX),
            ready: ready::Ready::default(),
        })
    }

    /// The library, for as long as it takes to look or to change a record; never over a body or a picture.
    fn shelf(&self) -> MutexGuard<'_, Library> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Purge requests, and whether each was asked after already.
    fn purges(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.purges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does work on a picture off the async threads, a few at a time: each may need hundreds of megabytes.
    async fn pictures<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let _permit = self.pictures.acquire().await.expect("the semaphore is never closed");
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
}

/// A JSON body, whatever its `Content-Type` says; an empty one is an empty object.
struct Body(Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let invalid = || Refusal::bad("Your request contains invalid JSON.");
        let bytes = axum::body::to_bytes(request.into_body(), limits::ANSWER_BYTES_MAX)
            .await
            .map_err(|_| invalid())?;
        if bytes.is_empty() {
            return Ok(Self(Value::Object(serde_json::Map::new())));
        }
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        if value.is_object() { Ok(Self(value)) } else { Err(invalid()) }
    }
}

/// A query string as a map; of what is given twice, the last counts.
fn params(query: Option<&str>) -> HashMap<String, String> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}
