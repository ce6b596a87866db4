//! An origin that answers as its shelf says, and keeps what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::support::raw_http::{Act, Asked, RawServer, answer};

/// What the origin answers, by path. Anything else is not there.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<HashMap<String, Vec<Act>>>>);

impl Shelf {
    /// From now on this path, as it comes over the wire, is answered so.
    pub fn put(&self, path: &str, acts: Vec<Act>) {
        self.0.lock().unwrap().insert(path.to_owned(), acts);
    }

    /// Whether something was put there.
    pub fn has(&self, path: &str) -> bool {
        self.0.lock().unwrap().contains_key(path)
    }

    fn acts(&self, asked: &Asked) -> Vec<Act> {
        let path = asked.target.split('?').next().unwrap_or_default();
        let acts = self.0.lock().unwrap().get(path).cloned();
        acts.unwrap_or_else(|| answer(404, &[], b"no such thing"))
    }

    /// Serves it on loopback.
    pub async fn serve(&self) -> RawServer {
        let shelf = self.clone();
        RawServer::start(move |asked| shelf.acts(asked)).await
    }
}
