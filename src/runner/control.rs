//! Steering a run from another terminal (requirement C15): a Unix socket beside the ledger, one request and one answer
//! a connection, each a line of JSON.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ledger::event::{Operator, Scope, Verb};
use ledger::ids::RunId;
use ledger::store::private;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Message;
use super::retry::breathe;
use crate::limits::{CONTROL_BYTES_MAX, CONTROL_CLIENTS_MAX, CONTROL_MS_MAX, CONTROL_WAITING_MAX};
use crate::secrets::masked;

/// What is asked of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Finish what is in the air and wait in place.
    Pause,
    /// Go on after that.
    Resume,
    /// So many images in flight from here on.
    Concurrency(u32),
    /// At most so many requests to the CDN a second; `None` for no limit.
    Rate(Option<u32>),
    /// Say where the run stands.
    Status,
}

/// A request: what, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked.
    pub ask: Ask,
    /// Who asks.
    pub operator: Operator,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It chooses venues.
    Planning,
    /// It moves images.
    Going,
    /// It was asked to pause, and finishes what is in the air, or its planning.
    Pausing,
    /// It waits in place.
    Paused,
    /// It stops, and the process will end.
    Stopping,
    /// All rows are back, and files are being deleted.
    Deleting,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The run.
    pub run: RunId,
    /// What it does.
    pub verb: Verb,
    /// What it takes.
    pub scope: Scope,
    /// What it is doing.
    pub phase: Phase,
    /// Images planned so far.
    pub images: u64,
    /// Images of them that are settled.
    pub settled: u64,
    /// Steps in the air.
    pub in_air: u64,
    /// Images in flight at once.
    pub concurrency: u32,
    /// Requests to the CDN a second at most; null for no limit.
    pub rate_per_second_max: Option<u32>,
    /// What it waits for; null when it does not.
    pub waiting: Option<String>,
    /// Why what was asked is not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A request on its way to the wheel.
#[derive(Debug)]
pub struct Asked {
    /// The request.
    pub request: Request,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Answer>,
}

/// A socket that is listened on; gone when dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listening: JoinHandle<()>,
}

impl Socket {
    /// The socket of a ledger.
    pub fn path(ledger: &Path) -> PathBuf {
        let mut path = ledger.as_os_str().to_owned();
        path.push(".sock");
        path.into()
    }

    /// Listens beside a ledger, for this user alone (requirement S5). Only for whoever holds the ledger's lock: a socket
    /// that is there already was left by a process that died.
    ///
    /// # Errors
    /// Those of the file system; a path above some hundred bytes is no address of a socket.
    pub fn listen(ledger: &Path, runtime: &Handle, to: mpsc::UnboundedSender<Message>) -> io::Result<Self> {
        let path = Self::path(ledger);
        private::remove_socket(&path)?;
        let _in_runtime = runtime.enter();
        // It is closed for others from the first, by the umask that the program gives itself, and follows no link.
        let listener = UnixListener::bind(&path)?;
        // Not of whom the name is by now: in a directory of others it may lead elsewhere.
        let owner = rustix::process::geteuid().as_raw();
        let listening = runtime.spawn(async move {
            let seats = Arc::new(Semaphore::new(CONTROL_CLIENTS_MAX));
            let benches = Arc::new(Semaphore::new(CONTROL_WAITING_MAX));
            loop {
                let Ok(seat) = seats.clone().acquire_owned().await else { return };
                let Ok((stream, _)) = listener.accept().await else {
                    // Out of descriptors, most likely; that may pass, and the run has to be reachable then.
                    breathe().await;
                    continue;
                };
                let is_allowed = stream.peer_cred().is_ok_and(|peer| [owner, ROOT].contains(&peer.uid()));
                if is_allowed {
                    let to = to.clone();
                    tokio::spawn(serve(stream, to, seat, benches.clone()));
                }
            }
        });
        Ok(Self { path, listening })
    }
}

/// May do everything anyway.
const ROOT: u32 = 0;

impl Drop for Socket {
    fn drop(&mut self) {
        self.listening.abort();
        let _it_may_be_gone = private::remove_socket(&self.path);
    }
}

/// Answers one request; whoever says nothing readable gets no answer. So many at once say something, and so many wait for
/// a pause: nobody's connections are more than that, nor what lies before the wheel.
async fn serve(
    stream: UnixStream,
    to: mpsc::UnboundedSender<Message>,
    seat: OwnedSemaphorePermit,
    benches: Arc<Semaphore>,
) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(CONTROL_BYTES_MAX));
    let Some(Ok(_)) = in_time(read.read_line(&mut line)).await else { return };
    let Ok(request) = serde_json::from_str::<Request>(&line) else { return };
    // A pause is answered when it has come about, which may take as long as what is in the air; others may ask meanwhile.
    let is_long = request.ask == Ask::Pause;
    let place = match is_long {
        true => {
            drop(seat);
            let Ok(bench) = benches.try_acquire_owned() else { return };
            bench
        }
        false => seat,
    };
    let (reply, answer) = oneshot::channel();
    if to.send(Message::Control(Asked { request, reply })).is_err() {
        return;
    }
    let answer = match is_long {
        false => in_time(answer).await,
        true => tokio::select! {
            answer = answer => Some(answer),
            // Nothing more is expected from there but that it leaves.
            _ = read.read_u8() => None,
        },
    };
    let Some(Ok(answer)) = answer else { return };
    let Ok(text) = serde_json::to_string(&answer) else { return };
    // A secret is masked with the escapes that JSON has for it, so this is still JSON.
    let text = format!("{}\n", masked(&text));
    let _they_may_have_left = in_time(write.write_all(text.as_bytes())).await;
    drop(place);
}

/// What comes of something before the patience with the other side is at its end.
async fn in_time<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_millis(CONTROL_MS_MAX), work).await.ok()
}

/// The user who listens on a socket that was connected to, where that is neither this user, nor root, nor the one whose
/// run it is to be: nothing is to be said there.
///
/// # Errors
/// When the system does not say who it is.
pub fn stranger(stream: &UnixStream, ledger: &Path) -> io::Result<Option<u32>> {
    let uid = stream.peer_cred()?.uid();
    let ours = rustix::process::geteuid().as_raw();
    // Root steers everybody's runs, each at the socket of whom the ledger belongs to.
    let is_owner = |ledger: fs::Metadata| std::os::unix::fs::MetadataExt::uid(&ledger) == uid;
    let is_known = [ours, ROOT].contains(&uid) || ours == ROOT && fs::metadata(ledger).is_ok_and(is_owner);
    Ok((!is_known).then_some(uid))
}
