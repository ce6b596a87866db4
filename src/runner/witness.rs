//! What the parts of the outside are known to have given: asked for again when one of them seems to be away, it tells an
//! outage from images that alone are not given.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use super::parts::Outside;
use super::perform::Forward;
use crate::limits::LIST_FILES_MAX;
use crate::outside::imagekit::Cdn;
use crate::outside::probe::{Accept, Ask, Reading};

/// Below which folder the CDN is asked for one file of any name.
const FOLDER: &str = "/venues";

/// Asks a part for something that it gave before: what shows whether it is away, or only does not give an image.
#[async_trait]
pub trait Witness: Send + Sync {
    /// Whether it gives that now; `None` where nothing is known that it gave.
    async fn answers(&self, outside: Outside) -> Option<bool>;
}

/// The last image that the origin gave and the last file that the CDN served, by their URLs.
pub struct Given {
    forward: Forward,
    bytes_max: u64,
    urls: Mutex<Urls>,
}

#[derive(Debug, Clone, Default)]
struct Urls {
    /// Of an image that it gave, or else of some that it is asked for.
    origin: Vec<String>,
    served: Option<String>,
}

impl Given {
    /// Begins with the URLs of an image that an earlier run completed, at the origin and on the CDN, and with some that this
    /// run will ask the origin for: while nothing was given yet, other images tell whether it gives anything.
    pub fn new(
        forward: Forward,
        bytes_max: u64,
        completed: Option<(String, String)>,
        planned: Vec<String>,
    ) -> Self {
        let (origin, served) = completed.unzip();
        let origin = origin.into_iter().chain(planned).collect();
        Self { forward, bytes_max, urls: Mutex::new(Urls { origin, served }) }
    }

    /// The origin has given this.
    pub fn fetched(&self, url: &str) {
        self.lock().origin = vec![url.to_owned()];
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
                for url in &urls.origin {
                    // A plain no is an answer, too.
                    if self.forward.origin.probe(url, &ask).await.is_ok() {
                        return Some(true);
                    }
                }
                (!urls.origin.is_empty()).then_some(false)
            }
            Outside::Delivery => Some(self.forward.cdn.check_delivery(&urls.served?).await.is_ok()),
            Outside::Api => Some(self.forward.cdn.list(FOLDER, 0, 1).await.is_ok()),
            // Nothing can be stored, and no row written, only to see whether that works.
            Outside::Upload | Outside::Catalog => None,
        }
    }
}

/// Asks ImageKit's API for a page of its listing, and its delivery for files of that page: for what deletes files, and has nothing
/// else to ask for.
pub struct Listing(pub Arc<dyn Cdn>);

#[async_trait]
impl Witness for Listing {
    async fn answers(&self, outside: Outside) -> Option<bool> {
        match outside {
            Outside::Api => Some(self.0.list(FOLDER, 0, 1).await.is_ok()),
            Outside::Delivery => {
                let files = self.0.list(FOLDER, 0, LIST_FILES_MAX).await.ok()?.files;
                // One may be the very file that is not served, and the oldest are the first to be deleted.
                let mut places: Vec<_> =
                    files.len().checked_sub(1).map_or(vec![], |last| vec![last, last / 2, 0]);
                places.dedup();
                for place in places {
                    if self.0.check_delivery(&files[place].url).await.is_ok() {
                        return Some(true);
                    }
                }
                Some(false)
            }
            Outside::Origin | Outside::Upload | Outside::Catalog => None,
        }
    }
}
