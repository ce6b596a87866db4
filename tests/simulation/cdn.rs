//! ImageKit in memory, and the origin beside it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ledger::ids::{CdnPath, ContentHash, FileId, Format};
use ledger::trouble::TroubleKind;
use longshore::outside::Trouble;
use longshore::outside::imagekit::{Cdn, CdnFile, Deleted, Listed, Stored, Upload, Usage, delivered_at};
use longshore::outside::origin::{Fetched, Origin};
use longshore::outside::probe::{Ask, Seen};
use longshore::outside::spool::Spool;
use time::Date;
use tokio::time::Instant;
use url::Url;

use super::bug::Bug;
use super::faults::Fault;
use super::parts::Part;
use super::pictures;
use super::process::Process;
use super::world::Inner;
use super::{book, judge};

/// Below this the files are delivered.
pub const ENDPOINT: &str = "https://ik.imagekit.io/acme";
/// How far a listing lags where it does.
const LAG: Duration = Duration::from_secs(45);

/// What a cache answers, where `None` is that there is no such file, and until when.
type Cached = (Option<Arc<[u8]>>, Instant);

/// All files that there are or were.
#[derive(Default)]
pub struct Library {
    pub files: BTreeMap<String, File>,
    made: u64,
    lag: Duration,
    /// What caches keep of URLs, and until when: bytes, or that nothing is there.
    caches: BTreeMap<String, Cached>,
}

/// A file.
#[derive(Debug, Clone)]
pub struct File {
    pub id: String,
    pub path: String,
    pub bytes: Arc<[u8]>,
    pub tags: Vec<String>,
    pub versions: u32,
    /// The ledger whose upload made it; none for other people's.
    pub made_by: Option<usize>,
    pub made: Instant,
    pub deleted: Option<Instant>,
    /// When other people last changed or deleted it.
    pub touched: Option<Instant>,
    /// When a process of ours last changed its tags.
    pub tagged: Option<Instant>,
    /// Whether other people have taken its tags away.
    pub was_untagged: bool,
    /// When each process first and last saw its versions and tags.
    seen: BTreeMap<u64, (Instant, Instant)>,
}

impl File {
    /// A process is told of it by its id.
    fn see(&mut self, process: u64) {
        let now = Instant::now();
        self.seen.entry(process).or_insert((now, now)).1 = now;
    }

    /// When a process was first told of it.
    pub fn known(&self, process: u64) -> Option<Instant> {
        self.seen.get(&process).map(|(first, _)| *first)
    }

    /// When a process was last told of it.
    pub fn seen(&self, process: u64) -> Option<Instant> {
        self.seen.get(&process).map(|(_, last)| *last)
    }
}

impl Library {
    /// The file at a path.
    pub fn at(&self, path: &str) -> Option<&File> {
        self.files.values().find(|file| file.deleted.is_none() && file.path == path)
    }

    /// The file with an id.
    pub fn get(&self, id: &str) -> Option<&File> {
        self.files.get(id).filter(|file| file.deleted.is_none())
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut File> {
        self.files.get_mut(id).filter(|file| file.deleted.is_none())
    }

    /// Stores a file.
    pub fn put(&mut self, path: &str, bytes: Arc<[u8]>, tags: Vec<String>, made_by: Option<usize>) -> &File {
        self.made += 1;
        let id = format!("{:024x}", self.made);
        let made = Instant::now();
        let touched = made_by.is_none().then_some(made);
        let file = File {
            id: id.clone(),
            path: path.to_owned(),
            bytes,
            tags,
            versions: 1,
            made_by,
            made,
            deleted: None,
            touched,
            tagged: None,
            was_untagged: false,
            seen: BTreeMap::new(),
        };
        self.files.entry(id).or_insert(file)
    }

    /// No cache keeps anything any more.
    pub fn purge(&mut self) {
        self.caches.clear();
    }

    fn listed(&self) -> impl Iterator<Item = &File> {
        let then = |at: Instant| at.elapsed() >= self.lag;
        self.files.values().filter(move |file| then(file.made) && !file.deleted.is_some_and(then))
    }
}

/// What ImageKit does with an upload that may overwrite: none of ours may.
pub fn overwrite(world: &mut Inner, by: &Process, path: &str, bytes: Arc<[u8]>, tags: Vec<String>) -> File {
    let Some(id) = world.cdn.at(path).map(|file| file.id.clone()) else {
        return world.cdn.put(path, bytes, tags, Some(by.ledger)).clone();
    };
    judge::overwritten(world, by, &id);
    let file = world.cdn.get_mut(&id).expect("it is there");
    (file.bytes, file.tags, file.versions) = (bytes, tags, file.versions + 1);
    file.clone()
}

/// The sides that a picture of these bytes has: the same for all pictures of one length.
pub fn sides(bytes: &[u8]) -> (u32, u32) {
    (100 + bytes.len() as u32, 80)
}

/// The id of a file's n-th version: the first has the file's.
fn version_of(file: &File, n: u32) -> String {
    match n {
        1 => file.id.clone(),
        more => format!("{}{more}", &file.id[1..]),
    }
}

/// As ImageKit tells of it.
pub fn described(file: &File) -> CdnFile {
    let (width, height) = sides(&file.bytes);
    let version = version_of(file, file.versions);
    CdnFile {
        id: file.id.parse().expect("an id"),
        path: file.path.parse().expect("a path"),
        url: url_of(&file.path),
        unfit: None,
        bytes: file.bytes.len() as u64,
        width: Some(width),
        height: Some(height),
        tags: file.tags.clone(),
        version: Some(version.parse().expect("an id")),
    }
}

/// What is delivered at a URL: what is there, or what a cache keeps of it from an earlier request.
pub fn delivered(world: &mut Inner, url: &str) -> Option<Arc<[u8]>> {
    let there = stored_at(world, url);
    if let Some((kept, until)) = world.cdn.caches.get(url).cloned()
        && until > Instant::now()
    {
        if kept != there {
            world.count(if kept.is_none() { "cached 404 served" } else { "cached version served" });
        }
        return kept;
    }
    if world.strikes(Fault::Cached) {
        keep(world, url);
    }
    there
}

/// A cache keeps what is at a URL for a while, or that nothing is.
pub fn keep(world: &mut Inner, url: &str) {
    let (there, until) = (stored_at(world, url), Instant::now() + world.within(1_000..86_400_000));
    world.cdn.caches.insert(url.to_owned(), (there, until));
}

/// What is delivered at a URL that no cache knows, as it was never asked for.
fn stored_at(world: &Inner, url: &str) -> Option<Arc<[u8]>> {
    let file = world.cdn.files.values().find(|it| it.deleted.is_none() && url_of(&it.path) == url);
    file.map(|file| file.bytes.clone())
}

/// Where a path is delivered.
pub fn url_of(path: &str) -> String {
    delivered_at(&Url::parse(ENDPOINT).expect("a URL"), path)
}

/// What one process sees of ImageKit and the origin.
pub struct Seat(pub Arc<Process>);

impl Seat {
    /// The process is told of a file.
    fn hears(&self, file: &CdnFile) {
        let mut world = self.0.world.lock();
        world.notes(self.0.number).told.insert(file.path.to_string(), file.id.to_string());
    }
}

#[async_trait]
impl Cdn for Seat {
    async fn upload(&self, upload: &Upload, _spool: &Spool) -> Result<Stored, Trouble> {
        let ledger = self.0.ledger;
        let spooled = {
            let mut world = self.0.world.lock();
            let bytes = world.spools[ledger].get(&upload.hash).cloned();
            let bytes = bytes.filter(|bytes| ContentHash::of(bytes) == upload.hash);
            if bytes.is_none() {
                world.spools[ledger].remove(&upload.hash);
            }
            bytes
        };
        let Some(bytes) = spooled else { return Ok(Stored::NotSpooled) };
        let (path, tags, process) = (upload.path.as_str().to_owned(), upload.tags.clone(), self.0.number);
        judge::asks(&mut self.0.world.lock(), process, &path);
        let answer = self
            .0
            .request(Part::Upload, move |world: &mut Inner| {
                if world.cdn.at(&path).is_some() {
                    return Ok(Stored::Conflict);
                }
                let lags = world.strikes(Fault::ListLags);
                world.cdn.lag = if lags { LAG } else { Duration::ZERO };
                let file = world.cdn.put(&path, bytes.clone(), tags.clone(), Some(ledger)).clone();
                world.notes(process).made.insert(file.id.clone());
                if let Some(file) = world.cdn.get_mut(&file.id) {
                    file.see(process);
                }
                world.tell(|| format!("{} is stored at {path} for ledger {ledger}", file.id));
                Ok(Stored::Now(described(&file)))
            })
            .await;
        judge::answered(&mut self.0.world.lock(), process, &upload.path.to_string(), &answer);
        if let Ok(Stored::Now(file)) = &answer {
            self.hears(file);
        }
        answer
    }

    fn delivered_at(&self, path: &CdnPath) -> String {
        url_of(path.as_str())
    }

    async fn details(&self, file: &FileId) -> Result<Option<CdnFile>, Trouble> {
        let (id, number) = (file.to_string(), self.0.number);
        let look = move |world: &mut Inner| {
            let Some(file) = world.cdn.get_mut(&id) else { return Ok(None) };
            file.see(number);
            Ok(Some(described(file)))
        };
        let answer = self.0.request(Part::Api, look).await?;
        answer.iter().for_each(|file| self.hears(file));
        Ok(answer)
    }

    async fn versions(&self, file: &FileId) -> Result<Vec<CdnFile>, Trouble> {
        let (id, number) = (file.to_string(), self.0.number);
        let look = move |world: &mut Inner| {
            judge::saw(world, number, &id);
            let Some(file) = world.cdn.get_mut(&id) else { return Ok(Vec::new()) };
            file.see(number);
            let version = |n| version_of(file, n).parse().expect("an id");
            let told = |n| CdnFile { version: Some(version(n)), ..described(file) };
            Ok((1..=file.versions).rev().map(told).collect())
        };
        self.0.request(Part::Api, look).await
    }

    async fn find(&self, path: &CdnPath) -> Result<Option<CdnFile>, Trouble> {
        let path = path.as_str().to_owned();
        let find = move |world: &mut Inner| {
            let mut listed = world.cdn.listed().filter(|file| file.path == path);
            Ok(listed.next().map(described))
        };
        let answer = self.0.request(Part::Api, find).await?;
        answer.iter().for_each(|file| self.hears(file));
        Ok(answer)
    }

    async fn list(&self, folder: &str, skip: u64, limit: u32) -> Result<Listed, Trouble> {
        let folder = format!("{}/", folder.trim_end_matches('/'));
        let list = move |world: &mut Inner| {
            let below = world.cdn.listed().filter(|file| file.path.starts_with(&folder));
            let page = below.skip(skip as usize).take(limit as usize);
            Ok(Listed { files: page.map(described).collect(), odd: Vec::new() })
        };
        self.0.request(Part::Api, list).await
    }

    async fn set_tags(&self, file: &FileId, tags: &[String]) -> Result<CdnFile, Trouble> {
        let (id, tags, process) = (file.to_string(), tags.to_vec(), self.0.clone());
        let set = move |world: &mut Inner| {
            judge::tagged(world, &process, &id, &tags);
            let Some(file) = world.cdn.get_mut(&id) else {
                return Err(Trouble::new(TroubleKind::ApiError, "no such file"));
            };
            (file.tags, file.tagged) = (tags.clone(), Some(Instant::now()));
            Ok(described(file))
        };
        self.0.request(Part::Api, set).await
    }

    async fn delete(&self, file: &FileId) -> Result<bool, Trouble> {
        let (id, process) = (file.to_string(), self.0.clone());
        let sent = judge::sends_delete(&mut self.0.world.lock(), self.0.number, &id);
        let delete = move |world: &mut Inner| {
            if world.cdn.get(&id).is_none() {
                return Ok(false);
            }
            judge::deleted(world, &process, &id, sent);
            if let Some(file) = world.cdn.get_mut(&id) {
                file.deleted = Some(Instant::now());
            }
            world.tell(|| format!("{id} is deleted for ledger {}", process.ledger));
            Ok(true)
        };
        self.0.request(Part::Api, delete).await
    }

    async fn delete_many(&self, files: &[FileId]) -> Result<Deleted, Trouble> {
        let (mut deleted, mut missing) = (Vec::new(), Vec::new());
        for file in files {
            match self.delete(file).await? {
                true => deleted.push(file.clone()),
                false => missing.push(file.clone()),
            }
        }
        Ok(Deleted { deleted, missing })
    }

    async fn original_hash(&self, url: &str, bytes: u64) -> Result<ContentHash, Trouble> {
        let url = url.to_owned();
        let is_kept = self.0.world.lock().bug == Some(Bug::CacheBelieved);
        let read = move |world: &mut Inner| {
            let there = match is_kept {
                true => delivered(world, &url),
                false => stored_at(world, &url),
            };
            let Some(original) = there else {
                return Err(Trouble::new(TroubleKind::NotServed, "it is not served"));
            };
            let (hash, length) = (ContentHash::of(&original), original.len() as u64);
            if world.strikes(Fault::BodyCut) {
                return Err(Trouble::new(TroubleKind::Network, "the body broke off"));
            }
            if length > bytes {
                return Err(Trouble::new(TroubleKind::IntegrityMismatch, "it has more bytes"));
            }
            Ok(hash)
        };
        self.0.request(Part::Delivery, read).await
    }

    async fn check_delivery(&self, url: &str) -> Result<(), Trouble> {
        let url = url.to_owned();
        let look = move |world: &mut Inner| match delivered(world, &url) {
            Some(_) => Ok(()),
            None => Err(Trouble::new(TroubleKind::NotServed, "it is not served")),
        };
        self.0.request(Part::Delivery, look).await
    }

    async fn probe(&self, _: &str, _: Option<&str>, _: &Ask<'_>) -> Result<Seen, Trouble> {
        unreachable!("only `verify` looks as a browser does")
    }

    async fn usage(&self, _from: Date, _to: Date) -> Result<Usage, Trouble> {
        Ok(Usage { storage_bytes: 0, bandwidth_bytes: 0 })
    }
}

#[async_trait]
impl Origin for Seat {
    async fn fetch(&self, url: &str, _spool: &Spool) -> Result<Fetched, Trouble> {
        let (url, ledger, asked, process) = (url.to_owned(), self.0.ledger, url, self.0.number);
        {
            let mut world = self.0.world.lock();
            judge::asks(&mut world, process, asked);
            book::asked_for(&mut world, ledger, asked);
        }
        let fetch = move |world: &mut Inner| {
            let Some(bytes) = world.pictures.get(&url).cloned() else {
                return Err(Trouble::new(TroubleKind::NotFound, "the origin answered 404"));
            };
            if world.strikes(Fault::SpoolFull) {
                let message = "no space left beside the ledger";
                return Err(Trouble::new(TroubleKind::Network, message).here());
            }
            if world.strikes(Fault::BodyCut) {
                // Where the length was told, it is seen as such; else the picture is not whole.
                let kind = [TroubleKind::Network, TroubleKind::InvalidImage][world.dice.usize(0..2)];
                return Err(Trouble::new(kind, "the body broke off"));
            }
            if let Some(kind) = pictures::why_not(&bytes) {
                return Err(Trouble::new(kind, "it is not taken"));
            }
            let hash = ContentHash::of(&bytes);
            world.given.entry(url.clone()).or_default().insert(hash);
            world.spools[ledger].insert(hash, bytes.clone());
            let (width, height) = sides(&bytes);
            Ok(Fetched { hash, bytes: bytes.len() as u64, format: Format::Jpeg, width, height })
        };
        let answer = self.0.request(Part::Origin, fetch).await;
        judge::answered(&mut self.0.world.lock(), process, asked, &answer);
        answer
    }

    async fn probe(&self, url: &str, _ask: &Ask<'_>) -> Result<Seen, Trouble> {
        let url = url.to_owned();
        let look = move |world: &mut Inner| {
            let status = if world.pictures.contains_key(&url) { 200 } else { 404 };
            Ok(Seen {
                status,
                excuse: None,
                media_type: None,
                allowed_site: None,
                bytes: None,
                is_too_large: false,
                picture: Err("it was not looked at".to_owned()),
                flaw: None,
                hash: None,
                clock: None,
                first_byte: Duration::ZERO,
                total: Duration::ZERO,
            })
        };
        self.0.request(Part::Origin, look).await
    }

    async fn size(&self, url: &str) -> Result<Option<u64>, Trouble> {
        let url = url.to_owned();
        let size = move |world: &mut Inner| Ok(world.pictures.get(&url).map(|it| it.len() as u64));
        self.0.request(Part::Origin, size).await
    }
}
