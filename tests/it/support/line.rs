//! A line between the program and a server, which goes wrong at the n-th piece that passes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// Bytes read at a time: a small picture passes in several pieces, a database's message in one.
const PIECE_BYTES: usize = 4_096;
/// How often it is looked whether what is held may go on.
const LOOK: Duration = Duration::from_millis(1);

/// Where something passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// A connection is opened.
    Opened,
    /// A piece goes to the server.
    ToServer,
    /// A piece goes to the program.
    ToProgram,
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// The connection is closed in order before it, at both ends.
    Cut,
    /// Half of it passes, then the connection is closed in order.
    Half,
    /// The connection is reset before it, at both ends.
    Reset,
    /// It passes, and the connection is reset behind it.
    ResetBehind,
    /// It passes, and the connection is closed in order when its answer comes.
    Unanswered,
    /// It passes so much later.
    Late(Duration),
    /// It waits until it is let go, or the line is ordered anew.
    Held,
    /// Nothing of this connection passes any more, and the server is not told when the program gives it up.
    Silent,
}

/// The n-th of these, from 0, is harmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Of which.
    pub passing: Passing,
    /// Of these, only pieces with this text in them count.
    pub with: &'static str,
    /// Of these, only those count that pass once the program has sent this text on their connection.
    pub behind: &'static str,
    /// Which.
    pub nth: u64,
    /// How.
    pub harm: Harm,
}

impl Fault {
    /// Of all pieces, the n-th.
    pub fn at(passing: Passing, nth: u64, harm: Harm) -> Self {
        Self { passing, with: "", behind: "", nth, harm }
    }
}

/// Whether a text stands in a piece, as the empty one does in each.
fn holds(piece: &[u8], text: &str) -> bool {
    text.is_empty() || piece.windows(text.len()).any(|part| part == text.as_bytes())
}

#[derive(Default)]
struct State {
    server: Option<SocketAddr>,
    counts: [u64; 3],
    /// How many passed that the fault may be meant for.
    of_fault: u64,
    fault: Option<Fault>,
    has_struck: bool,
    is_let_go: bool,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
}

/// The line. Dropped, all its connections are closed.
pub struct Line {
    /// Where the program connects to.
    pub address: SocketAddr,
    inner: Arc<Inner>,
    _runtime: Runtime,
}

impl Line {
    /// A line that leads nowhere yet.
    pub fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner::default());
        let kept = inner.clone();
        runtime.spawn(async move {
            while let Ok((program, _)) = listener.accept().await {
                tokio::spawn(joined(program, kept.clone()));
            }
        });
        Self { address, inner, _runtime: runtime }
    }

    /// A line to a server.
    pub fn to(server: SocketAddr) -> Self {
        let line = Self::new();
        line.leads_to(server);
        line
    }

    /// From now on it leads there.
    pub fn leads_to(&self, server: SocketAddr) {
        self.inner.state.lock().unwrap().server = Some(server);
    }

    /// Orders a fault, or none, and counts anew.
    pub fn order(&self, fault: Option<Fault>) {
        let mut state = self.inner.state.lock().unwrap();
        // Whatever an earlier order holds goes on.
        let is_let_go = fault.is_none();
        *state = State { server: state.server, fault, is_let_go, ..State::default() };
    }

    /// How many have passed since the last order.
    pub fn count(&self, passing: Passing) -> u64 {
        self.inner.state.lock().unwrap().counts[passing as usize]
    }

    /// How many have passed of those that the fault may be meant for.
    pub fn count_of_fault(&self) -> u64 {
        self.inner.state.lock().unwrap().of_fault
    }

    /// Whether what was ordered has happened.
    pub fn has_struck(&self) -> bool {
        self.inner.state.lock().unwrap().has_struck
    }

    /// Lets go what is held.
    pub fn let_go(&self) {
        self.inner.state.lock().unwrap().is_let_go = true;
    }
}

impl Inner {
    async fn is_let_go(&self) {
        while !self.state.lock().unwrap().is_let_go {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What happens to what is about to pass.
    fn meets(&self, passing: Passing, piece: &[u8], fate: &Fate) -> Option<Harm> {
        let mut state = self.state.lock().unwrap();
        state.counts[passing as usize] += 1;
        let fault = state.fault?;
        let sends_it = passing == Passing::ToServer && holds(piece, fault.behind);
        let is_behind = fate.is_behind.fetch_or(sends_it, Ordering::SeqCst) || sends_it;
        if fault.passing != passing || !(fault.behind.is_empty() || is_behind) || !holds(piece, fault.with) {
            return None;
        }
        let nth = state.of_fault;
        state.of_fault += 1;
        if nth != fault.nth {
            return None;
        }
        state.has_struck = true;
        Some(fault.harm)
    }
}

/// One end closed, or the line was harmed. It says whether both ends are reset.
struct Over {
    is_reset: bool,
}

/// What has become of one connection.
#[derive(Default)]
struct Fate {
    is_silent: AtomicBool,
    has_no_answer: AtomicBool,
    /// The program has sent what the fault waits for.
    is_behind: AtomicBool,
}

/// Serves one connection.
async fn joined(mut program: TcpStream, inner: Arc<Inner>) {
    let fate = Fate::default();
    match inner.meets(Passing::Opened, &[], &fate) {
        None | Some(Harm::Half | Harm::Unanswered) => {}
        Some(Harm::Cut) => return,
        Some(Harm::Reset | Harm::ResetBehind) => return program.set_zero_linger().unwrap(),
        Some(Harm::Late(wait)) => tokio::time::sleep(wait).await,
        Some(Harm::Held) => inner.is_let_go().await,
        Some(Harm::Silent) => fate.is_silent.store(true, Ordering::SeqCst),
    }
    let server = inner.state.lock().unwrap().server.expect("the line leads somewhere");
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    for stream in [&program, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let over = {
        let (from_program, to_program) = program.split();
        let (from_server, to_server) = server.split();
        let forth = pass(Passing::ToServer, from_program, to_server, &inner, &fate);
        let back = pass(Passing::ToProgram, from_server, to_program, &inner, &fate);
        tokio::try_join!(forth, back).err()
    };
    if over.is_some_and(|over| over.is_reset) {
        for stream in [&program, &server] {
            // An end that has gone already cannot be reset.
            let _ = stream.set_zero_linger();
        }
    }
    if fate.is_silent.load(Ordering::SeqCst) {
        // As with a network that is away: the server never hears of it.
        drop(program);
        let mut nobody_reads = [0; PIECE_BYTES];
        while server.read(&mut nobody_reads).await.is_ok_and(|n| n > 0) {}
    }
}

async fn pass(
    passing: Passing,
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    inner: &Inner,
    fate: &Fate,
) -> Result<(), Over> {
    let over = |is_reset| Over { is_reset };
    let mut piece = [0; PIECE_BYTES];
    loop {
        let n = from.read(&mut piece).await.map_err(|_| over(true))?;
        let is_silent = || fate.is_silent.load(Ordering::SeqCst);
        if n == 0 {
            if is_silent() && passing == Passing::ToServer {
                return Err(over(false));
            }
            // One direction may end before the other.
            return to.shutdown().await.map_err(|_| over(false));
        }
        if is_silent() {
            continue;
        }
        if passing == Passing::ToProgram && fate.has_no_answer.load(Ordering::SeqCst) {
            return Err(over(false));
        }
        let harm = inner.meets(passing, &piece[..n], fate);
        let mut passes = n;
        match harm {
            None | Some(Harm::ResetBehind) => {}
            Some(Harm::Unanswered) => fate.has_no_answer.store(true, Ordering::SeqCst),
            Some(Harm::Half) => passes = n / 2,
            Some(Harm::Cut) => return Err(over(false)),
            Some(Harm::Reset) => return Err(over(true)),
            Some(Harm::Late(wait)) => tokio::time::sleep(wait).await,
            Some(Harm::Held) => inner.is_let_go().await,
            Some(Harm::Silent) => {
                fate.is_silent.store(true, Ordering::SeqCst);
                continue;
            }
        }
        to.write_all(&piece[..passes]).await.map_err(|_| over(false))?;
        match harm {
            Some(Harm::Half) => return Err(over(false)),
            // What was passed is to be read before the reset throws it away.
            Some(Harm::ResetBehind) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                return Err(over(true));
            }
            _ => {}
        }
    }
}
