//! A server before the stand-in that passes everything on and changes what its JSON says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::runtime::Runtime;

use super::raw_http::{Act, Asked, RawServer};
use super::site::Site;

type Lie = Arc<dyn Fn(&Asked, &mut Value) + Send + Sync>;

/// The server; it tells the truth until it is told to lie.
pub struct Liar {
    lie: Arc<Mutex<Option<Lie>>>,
    // It waits for the stand-in, and would keep the stand-in's own threads.
    _runtime: Runtime,
}

impl Liar {
    /// Puts one between a site and its ImageKit's API and upload. What is delivered comes from the stand-in itself.
    pub fn before(site: &mut Site) -> Self {
        let (runtime, honest) = (Runtime::new().unwrap(), site.stage.imagekit.addr);
        let lie = Arc::new(Mutex::new(None::<Lie>));
        let told = lie.clone();
        let script = move |asked: &Asked| {
            let lie = told.lock().unwrap().clone();
            vec![Act::Say(pass_on(honest, asked, lie))]
        };
        let server = runtime.block_on(RawServer::start(script));
        for setting in ["IMAGEKIT_UPLOAD_URL", "IMAGEKIT_API_URL"] {
            site.settings.insert(setting.to_owned(), server.url(""));
        }
        Self { lie, _runtime: runtime }
    }

    /// From now on it changes each JSON document of a success so.
    pub fn lie(&self, lie: impl Fn(&Asked, &mut Value) + Send + Sync + 'static) {
        *self.lie.lock().unwrap() = Some(Arc::new(lie));
    }

    /// From now on it tells the truth.
    pub fn be_honest(&self) {
        *self.lie.lock().unwrap() = None;
    }
}

fn pass_on(honest: SocketAddr, asked: &Asked, lie: Option<Lie>) -> Vec<u8> {
    let mut stream = TcpStream::connect(honest).unwrap();
    let head = asked.head.strip_suffix("\r\n").unwrap();
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).unwrap();
    stream.write_all(&asked.body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let body = answer.split_off(split);
    let (Some(lie), true, Ok(mut said)) =
        (lie, answer.starts_with(b"HTTP/1.1 200"), serde_json::from_slice::<Value>(&body))
    else {
        return [answer, body].concat();
    };
    lie(asked, &mut said);
    let said = said.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        said.len()
    );
    [head.into_bytes(), said.into_bytes()].concat()
}
