//! What the parts of the outside are known to have given: asked for again when one of them seems to be away, it tells an
//! outage from images that alone are not given.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use super::parts::Outside;
use super::perform::Forward;
use super::retry::Witness;
use crate::outside::probe::{Accept, Ask, Reading};

/// Below which folder the CDN is asked for one file of any name.
const FOLDER: &str = "/venues";

/// The last image that the origin gave and the last file that the CDN served, by their URLs.
pub struct Given {
    forward: Forward,
    bytes_max: u64,
    urls: Mutex<Urls>,
}

#[derive(Debug, Clone, Default)]
struct Urls {
    origin: Option<String>,
    served: Option<String>,
}

impl Given {
    /// Begins with the URLs of an image that an earlier run completed, at the origin and on the CDN.
    pub fn new(forward: Forward, bytes_max: u64, completed: Option<(String, String)>) -> Self {
        let (origin, served) = completed.unzip();
        Self { forward, bytes_max, urls: Mutex::new(Urls { origin, served }) }
    }

    /// The origin has given this.
    pub fn fetched(&self, url: &str) {
        self.lock().origin = Some(url.to_owned());
    }

    /// The CDN serves this.
    pub fn served(&self, url: &str) {
        self.lock().served = Some(url.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, Urls> {
        self.urls.lock().expect("nothing panics while it holds this")
    }
}

#[async_trait]
impl Witness for Given {
    async fn answers(&self, outside: Outside) -> Option<bool> {
        let urls = self.lock().clone();
        match outside {
            Outside::Origin => {
                let bytes_max = self.bytes_max;
                let ask = Ask { accept: Accept::Modern, site: None, reading: Reading::Header, bytes_max };
                let seen = self.forward.origin.probe(&urls.origin?, &ask).await;
                Some(seen.is_ok_and(|seen| seen.status == 200 && seen.picture.is_ok()))
            }
            Outside::Delivery => Some(self.forward.cdn.check_delivery(&urls.served?).await.is_ok()),
            Outside::Api => Some(self.forward.cdn.list(FOLDER, 0, 1).await.is_ok()),
            // Nothing can be stored, and no row written, only to see whether that works.
            Outside::Upload | Outside::Catalog => None,
        }
    }
}
