//! A server on loopback that says exactly the bytes it is told to, lies, stalls and endless bodies included, and
//! keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `GET`.
    pub method: String,
    /// `/path?query`.
    pub target: String,
    /// Everything before the body.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
    /// A parameter of the query, decoded.
    pub fn param(&self, name: &str) -> Option<String> {
        let url = Url::parse("http://x").unwrap().join(&self.target).unwrap();
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// One thing a server does for an answer. After the last it closes the connection.
#[derive(Debug, Clone)]
pub enum Act {
    /// These bytes.
    Say(Vec<u8>),
    /// Nothing for this many milliseconds.
    Pause(u64),
    /// Nothing any more, the connection staying open.
    Hang,
    /// These bytes for ever.
    Repeat(Vec<u8>),
}

/// How a request's body is taken.
#[derive(Debug, Clone, Copy)]
pub enum Taking {
    /// As it comes.
    Whole,
    /// A megabyte at a time, with a pause of so many milliseconds.
    Slowly(u64),
    /// Not at all.
    Never,
}

/// A whole answer with a true length.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<Act> {
    let length = body.len().to_string();
    let mut all = vec![("content-length", length.as_str())];
    all.extend_from_slice(headers);
    vec![Act::Say([head(status, &all).into_bytes(), body.to_vec()].concat())]
}

/// The head of an answer, with the empty line.
pub fn head(status: u16, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}\r\n")
}

/// The server. Dropped, it stops with its runtime.
pub struct RawServer {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl RawServer {
    /// Starts one that takes bodies whole.
    pub async fn start(script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::start_taking(Taking::Whole, script).await
    }

    /// Starts one.
    pub async fn start_taking(
        taking: Taking,
        script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, kept) = (Arc::new(script), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, kept) = (Arc::clone(&script), Arc::clone(&kept));
                // A client that goes away in the middle is part of several tests.
                tokio::spawn(async move { serve(stream, taking, &*script, &kept).await.ok() });
            }
        });
        Self { address, asked }
    }

    /// `http://127.0.0.1:port` + `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
    /// The base, parsed.
    pub fn base(&self) -> Url {
        self.url("/").parse().unwrap()
    }
    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    taking: Taking,
    script: &(dyn Fn(&Asked) -> Vec<Act> + Send + Sync),
    kept: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let Some(asked) = read(&mut stream, taking).await? else { return Ok(()) };
    kept.lock().unwrap().push(asked.clone());
    for act in script(&asked) {
        match act {
            Act::Say(bytes) => stream.write_all(&bytes).await?,
            Act::Pause(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Act::Hang => std::future::pending().await,
            Act::Repeat(bytes) => loop {
                stream.write_all(&bytes).await?;
            },
        }
    }
    stream.shutdown().await
}

async fn read(stream: &mut TcpStream, taking: Taking) -> std::io::Result<Option<Asked>> {
    let mut bytes = Vec::new();
    let split = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(split);
    let head = String::from_utf8(bytes).unwrap();
    let mut words = head.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut asked = Asked { method, target, head, body: Vec::new() };
    let length: usize = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut piece = vec![0; 1_000_000];
    while body.len() < length {
        match taking {
            Taking::Whole => {}
            Taking::Slowly(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Taking::Never => std::future::pending().await,
        }
        let taken = stream.read(&mut piece).await?;
        if taken == 0 {
            return Ok(None);
        }
        body.extend_from_slice(&piece[..taken]);
    }
    asked.body = body;
    Ok(Some(asked))
}
