//! Connections that can be broken on purpose, and ports that can be left: what no HTTP answer can tell, because the
//! client has to see it in TCP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::limits::SANDBOX_LISTEN_AGAIN_MS;

/// A request's own connection, as far as its handler may meddle with it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    cut: CancellationToken,
    instead: Arc<Mutex<Option<Bytes>>>,
}

impl Line {
    /// Breaks it: nothing is read from it and nothing written to it any more.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// These bytes are sent in the place of whatever the handler answers; then the connection is closed.
    pub(super) fn say(&self, bytes: Bytes) {
        *self.instead.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
    }
}

impl Connected<IncomingStream<'_, Port>> for Line {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        stream.io().line.clone()
    }
}

/// Whether a stand-in can be reached: shared by its port and by whoever orders an outage.
#[derive(Debug)]
pub(super) struct Reach {
    wanted: watch::Sender<Wanted>,
    /// What the port has come to; nothing while no port listens to this.
    is_open: watch::Sender<Option<bool>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Here,
    Away(Option<Instant>),
}

impl Wanted {
    fn is_away(self) -> bool {
        match self {
            Self::Here => false,
            Self::Away(until) => until.is_none_or(|until| Instant::now() < until),
        }
    }
}

impl Default for Reach {
    fn default() -> Self {
        Self { wanted: watch::Sender::new(Wanted::Here), is_open: watch::Sender::new(None) }
    }
}

impl Reach {
    /// From now on connections are refused, and those that are there are broken: for so long, or until [`Reach::back`].
    pub(super) fn leave(&self, lasts: Option<Duration>) {
        let until = lasts.and_then(|lasts| Instant::now().checked_add(lasts));
        self.wanted.send_replace(Wanted::Away(until));
    }

    /// It can be reached again.
    pub(super) fn back(&self) {
        self.wanted.send_replace(Wanted::Here);
    }

    /// Whether it is to be away at this moment.
    pub(super) fn is_away(&self) -> bool {
        self.wanted.borrow().is_away()
    }

    /// Waits until the port, if there is one, has become what was ordered last.
    pub(super) async fn settled(&self) {
        let mut is_open = self.is_open.subscribe();
        let is_settled = |is_open: &Option<bool>| is_open.is_none_or(|is_open| is_open != self.is_away());
        // It fails only without a sender, which is here.
        let _ = is_open.wait_for(is_settled).await;
    }
}

/// A port of loopback whose connections can be broken one by one or, with the token, all together, and that refuses
/// new ones while its stand-in is away.
pub(super) struct Port {
    addr: SocketAddr,
    listener: Option<TcpListener>,
    /// Bound and never listening: while the listener is gone nobody else gets the port, and connecting is refused.
    _kept: TcpSocket,
    reach: Arc<Reach>,
    wanted: watch::Receiver<Wanted>,
    all: CancellationToken,
    /// Those since the last outage.
    here: CancellationToken,
}

impl Port {
    /// Listens on a port of 127.0.0.1; 0 takes a free one.
    ///
    /// # Errors
    /// When the port is taken.
    pub(super) fn bind(port: u16, reach: Arc<Reach>, all: CancellationToken) -> io::Result<Self> {
        let kept = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let addr = kept.local_addr()?;
        let listener = Some(listening(addr)?);
        reach.is_open.send_replace(Some(true));
        let (wanted, here) = (reach.wanted.subscribe(), all.child_token());
        Ok(Self { addr, listener, _kept: kept, reach, wanted, all, here })
    }

    /// Where it listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until something else is wanted than what was seen last, or the outage has lasted as long as it was to.
    async fn change(wanted: &mut watch::Receiver<Wanted>, seen: Wanted) {
        // It fails only without a sender, which the port itself shares; and either way the port looks again.
        let _ = match seen {
            Wanted::Away(Some(until)) => {
                tokio::time::timeout_at(until.into(), wanted.changed()).await.is_ok()
            }
            _ => wanted.changed().await.is_ok(),
        };
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.reach.is_open.send_replace(None);
    }
}

fn bound(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Two sockets may then be bound to one port for as long as neither listens.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

fn listening(addr: SocketAddr) -> io::Result<TcpListener> {
    const BACKLOG: u32 = 1_024;
    bound(addr)?.listen(BACKLOG)
}

impl Listener for Port {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let wanted = *self.wanted.borrow_and_update();
            if wanted.is_away() {
                self.listener = None;
                self.here.cancel();
                self.here = self.all.child_token();
                self.reach.is_open.send_replace(Some(false));
                Self::change(&mut self.wanted, wanted).await;
                continue;
            }
            if self.listener.is_none() {
                self.listener = listening(self.addr).ok();
            }
            let Some(listener) = &mut self.listener else {
                // Out of descriptors for the moment: nobody else can have the port.
                let again = Duration::from_millis(SANDBOX_LISTEN_AGAIN_MS);
                let _ = tokio::time::timeout(again, self.wanted.changed()).await;
                continue;
            };
            self.reach.is_open.send_replace(Some(true));
            tokio::select! {
                (stream, from) = Listener::accept(listener) => {
                    // Answers are small and awaited; holding them back for fuller packets would only add latency. If
                    // the option cannot be set the answers are slower, not wrong.
                    let _ = stream.set_nodelay(true);
                    return (Connection::new(stream, self.here.child_token()), from);
                }
                () = Self::change(&mut self.wanted, wanted) => {}
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }
}

/// A TCP connection that fails from the moment it is cut.
pub(super) struct Connection {
    stream: TcpStream,
    line: Line,
    broken: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        let broken = Box::pin(cut.clone().cancelled_owned());
        Self { stream, line: Line { cut, instead: Arc::default() }, broken }
    }

    /// Fails once cut; until then the task is woken by the cut as well as by the socket.
    fn poll_whole(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.line.cut.is_cancelled() || self.broken.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }

    /// Sends what is to be said instead, if anything, and closes.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let instead = Arc::clone(&self.line.instead);
        let mut instead = instead.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = instead.as_mut() else { return Poll::Ready(Ok(())) };
        while !bytes.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
            bytes.advance(sent);
        }
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_whole(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_whole(cx)?;
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_whole(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
