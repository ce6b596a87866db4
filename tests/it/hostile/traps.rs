//! Places on this machine where nothing may ever arrive.

use std::io::ErrorKind;
use std::net::TcpListener;

/// Listeners that nobody accepts from: whoever connected, even for a moment, stands in their queues.
pub struct Traps {
    listeners: Vec<TcpListener>,
    /// A port on which every IPv4 address of this machine listens.
    pub port: u16,
    /// A port of `[::1]`; the same as the other where this machine has no IPv6.
    pub port_v6: u16,
}

impl Traps {
    /// Sets them.
    pub fn set() -> Self {
        let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = everywhere.local_addr().unwrap().port();
        let mut listeners = vec![everywhere];
        listeners.extend(TcpListener::bind("[::1]:0").ok());
        let port_v6 = listeners.last().map_or(port, |last| last.local_addr().unwrap().port());
        for listener in &listeners {
            listener.set_nonblocking(true).unwrap();
        }
        Self { listeners, port, port_v6 }
    }

    /// Sees that nobody has come.
    #[track_caller]
    pub fn assert_empty(&self) {
        for listener in &self.listeners {
            match listener.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                arrived => panic!("something arrived at {:?}: {arrived:?}", listener.local_addr()),
            }
        }
    }

    /// A proxy that leads here, by every name that programs look for one.
    pub fn as_proxies(&self) -> Vec<(String, String)> {
        let names = ["http_proxy", "https_proxy", "all_proxy", "ftp_proxy"];
        let proxy = format!("http://127.0.0.1:{}", self.port);
        let both = names.iter().flat_map(|name| [name.to_string(), name.to_uppercase()]);
        both.map(|name| (name, proxy.clone())).collect()
    }
}
