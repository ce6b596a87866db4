//! The CDN's contract, held to by our client of the sandbox's stand-in and by the simulation's CDN, and, for whoever has an
//! account, by the real ImageKit.

mod live;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use ledger::ids::{CdnPath, ContentHash, FileId, Format};
use ledger::trouble::TroubleKind;
use longshore::outside::Trouble;
use longshore::outside::http_client_builder;
use longshore::outside::imagekit::{
    Cdn, CdnFile, Deleted, ImageKit, ImageKitOptions, Listed, Stored, Upload,
};
use longshore::outside::spool::Spool;
use longshore::sandbox::faults::Faults;
use longshore::sandbox::imagekit::{Options, Running, serve};
use tempfile::TempDir;

use crate::pretended::cdn::Seat;
use crate::pretended::process::Process;
use crate::pretended::{fair_world, world};
use crate::support::library::form;
use crate::support::pictures::jpeg;

/// A CDN, a spool, and a folder on it that nobody else uses.
pub struct Bench {
    cdn: Box<dyn Cdn>,
    spool: Spool,
    folder: String,
    /// How long a listing may lag.
    lag: Duration,
    /// The files that were stored, whatever became of them.
    stored: Mutex<Vec<FileId>>,
    pretended: Option<Arc<world::World>>,
    /// Where people upload to, and with which key.
    editors: Option<(url::Url, String)>,
    _running: Option<Running>,
    _dir: TempDir,
}

impl Bench {
    fn new(cdn: Box<dyn Cdn>, dir: TempDir) -> Self {
        let spool = Spool::open(&dir.path().join("spool")).unwrap();
        let folder = "/contract".to_owned();
        Self {
            cdn,
            spool,
            folder,
            lag: Duration::ZERO,
            stored: Mutex::default(),
            pretended: None,
            editors: None,
            _running: None,
            _dir: dir,
        }
    }

    async fn stand_in() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { dir: dir.path().join("cdn"), ..Options::default() };
        let running = serve(options, Arc::new(Faults::default())).await.unwrap();
        let url = |text: String| text.parse().unwrap();
        let api = || url(running.api_url());
        let options = ImageKitOptions::new("private_sandbox", url(running.url_endpoint()), api(), api());
        let cdn = Box::new(ImageKit::new(options).unwrap());
        let editors = Some((api(), "private_sandbox".to_owned()));
        Self { editors, _running: Some(running), ..Self::new(cdn, dir) }
    }

    async fn pretended() -> Self {
        let world = fair_world();
        let cdn = Box::new(Seat(Process::new(&world, 0)));
        Self { pretended: Some(world), ..Self::new(cdn, tempfile::tempdir().unwrap()) }
    }

    fn path(&self, name: &str) -> CdnPath {
        format!("{}/{name}", self.folder).parse().unwrap()
    }

    /// Spools bytes, to be stored at a path.
    async fn spooled(&self, name: &str, bytes: &[u8]) -> Upload {
        let hash = ContentHash::of(bytes);
        if let Some(world) = &self.pretended {
            world.lock().spools[0].insert(hash, bytes.into());
        } else {
            let mut draft = self.spool.create().await.unwrap();
            draft.write(bytes).await.unwrap();
            draft.commit(&hash).await.unwrap();
        }
        let tags = vec!["longshore".to_owned(), "PL".to_owned()];
        Upload { path: self.path(name), hash, bytes: bytes.len() as u64, format: Format::Jpeg, tags }
    }

    async fn store(&self, name: &str, bytes: &[u8]) -> CdnFile {
        let upload = self.spooled(name, bytes).await;
        match self.cdn.upload(&upload, &self.spool).await.unwrap() {
            Stored::Now(file) => {
                self.stored.lock().unwrap().push(file.id.clone());
                file
            }
            other => panic!("{name}: {other:?}"),
        }
    }

    /// Somebody makes these bytes the new version of a file.
    async fn edited(&self, file: &CdnFile, bytes: &[u8]) {
        if let Some(world) = &self.pretended {
            let mut world = world.lock();
            let file = world.cdn.get_mut(&file.id.to_string()).unwrap();
            (file.bytes, file.versions) = (bytes.into(), file.versions + 1);
            return;
        }
        let (url, key) = self.editors.as_ref().expect("a CDN that people can upload to");
        let url = url.join("api/v1/files/upload").unwrap();
        let sent = http_client_builder().build().unwrap().post(url).basic_auth(key, Some(""));
        let form = form(file.path.as_str(), bytes.to_vec());
        sent.multipart(form).send().await.unwrap().error_for_status().unwrap();
    }

    /// Asks a listing until it says so, as long as it may lag.
    async fn listed<T>(&self, ask: impl AsyncFn() -> T, is_so: impl Fn(&T) -> bool) -> T {
        let began = Instant::now();
        loop {
            let said = ask().await;
            if is_so(&said) || began.elapsed() >= self.lag {
                return said;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn page(&self, folder: &str, skip: u64, limit: u32) -> Vec<FileId> {
        let Listed { files, odd } = self.cdn.list(folder, skip, limit).await.unwrap();
        assert_eq!(odd, []);
        files.into_iter().map(|file| file.id).collect()
    }
}

/// An id that no file has.
fn unknown() -> FileId {
    "64a0000000000000000000aa".parse().unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T, Trouble>) -> TroubleKind {
    result.unwrap_err().kind
}

/// Makes each function a test of the stand-in and of the simulation's CDN, and all of them one of the real ImageKit.
macro_rules! holds_for_every_cdn {
    ($($name:ident),* $(,)?) => {
        mod on_the_stand_in {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Bench::stand_in().await).await;
            })*
        }
        mod pretended {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name(&super::Bench::pretended().await).await;
            })*
        }
        /// Holds a real CDN to everything; what it does otherwise, in words.
        async fn differences(bench: impl AsyncFn(&str) -> Bench) -> Vec<String> {
            let mut differences = Vec::new();
            $({
                let bench = bench(stringify!($name)).await;
                let held = AssertUnwindSafe($name(&bench)).catch_unwind().await;
                if let Err(failed) = held {
                    differences.push(format!("{}: {}", stringify!($name), live::said(failed)));
                }
                differences.extend(live::clean(&bench).await);
            })*
            differences
        }
    };
}

holds_for_every_cdn!(
    e5_an_upload_is_create_only,
    c4_a_file_is_described_alike_everywhere,
    c4_an_unknown_file_is_none_and_has_no_versions,
    c4_a_file_is_found_by_its_exact_path,
    c13_a_listing_keeps_to_its_folder_and_its_pages,
    s7_tags_are_replaced,
    s7_an_editors_version_is_a_second_one_of_the_same_file,
    s7_a_file_is_deleted_once,
    s7_many_files_are_deleted_and_the_missing_named,
    c7_the_untouched_bytes_are_hashed,
    c7_a_missing_file_is_not_served,
);

async fn e5_an_upload_is_create_only(bench: &Bench) {
    let one = jpeg(41, 23);
    let file = bench.store("a.jpg", &one).await;
    for bytes in [one.clone(), jpeg(42, 23)] {
        let again = bench.spooled("a.jpg", &bytes).await;
        assert_eq!(bench.cdn.upload(&again, &bench.spool).await, Ok(Stored::Conflict));
    }
    assert_eq!(bench.cdn.versions(&file.id).await.unwrap().len(), 1, "no version was made");
    assert_eq!(bench.cdn.original_hash(&file.url, one.len() as u64).await, Ok(ContentHash::of(&one)));
    assert_eq!(bench.cdn.delete(&file.id).await, Ok(true));
    let new = bench.store("a.jpg", &jpeg(42, 23)).await;
    assert_ne!(new.id, file.id, "the path is free again, and the file is another");
}

async fn c4_a_file_is_described_alike_everywhere(bench: &Bench) {
    let bytes = jpeg(41, 23);
    let file = bench.store("a.jpg", &bytes).await;
    let path = bench.path("a.jpg");
    assert_eq!((&file.path, file.bytes, &file.unfit), (&path, bytes.len() as u64, &None));
    assert_eq!((&file.url, file.is_first_version()), (&bench.cdn.delivered_at(&path), true));
    assert_eq!(file.tags, ["longshore", "PL"]);
    assert!(file.width.is_some() && file.height.is_some());
    assert_eq!(bench.cdn.details(&file.id).await, Ok(Some(file.clone())));
    assert_eq!(bench.cdn.versions(&file.id).await, Ok(vec![file.clone()]));
    let found = bench.listed(async || bench.cdn.find(&path).await.unwrap(), Option::is_some).await;
    assert_eq!(found, Some(file.clone()));
    let list = async || bench.cdn.list(&bench.folder, 0, 10).await.unwrap().files;
    assert_eq!(bench.listed(list, |files| !files.is_empty()).await, [file]);
}

async fn c4_an_unknown_file_is_none_and_has_no_versions(bench: &Bench) {
    let file = bench.store("a.jpg", &jpeg(41, 23)).await;
    assert_eq!(bench.cdn.delete(&file.id).await, Ok(true));
    for id in [&file.id, &unknown()] {
        assert_eq!(bench.cdn.details(id).await, Ok(None), "{id}");
        assert_eq!(bench.cdn.versions(id).await, Ok(vec![]), "{id}");
        assert_eq!(kind(bench.cdn.set_tags(id, &["x".to_owned()]).await), TroubleKind::ApiError, "{id}");
    }
}

async fn c4_a_file_is_found_by_its_exact_path(bench: &Bench) {
    let file = bench.store("a.jpg", &jpeg(41, 23)).await;
    let find = async |name: &str| bench.cdn.find(&bench.path(name)).await.unwrap();
    assert_eq!(bench.listed(async || find("a.jpg").await, Option::is_some).await, Some(file.clone()));
    for other in ["A.jpg", "a.jpg.jpg", "b/a.jpg", "a.jp"] {
        assert_eq!(find(other).await, None, "{other}");
    }
    assert_eq!(bench.cdn.delete(&file.id).await, Ok(true));
    assert_eq!(bench.listed(async || find("a.jpg").await, Option::is_none).await, None);
}

async fn c13_a_listing_keeps_to_its_folder_and_its_pages(bench: &Bench) {
    let mut stored = Vec::new();
    for (n, name) in ["in/a.jpg", "in/b.jpg", "in/deep/c.jpg", "in/d.jpg", "in/e.jpg"].into_iter().enumerate()
    {
        stored.push(bench.store(name, &jpeg(41 + n as u32, 23)).await.id);
    }
    bench.store("inn/f.jpg", &jpeg(60, 23)).await;
    let folder = format!("{}/in", bench.folder);
    let all = bench.listed(async || bench.page(&folder, 0, 100).await, |all| all.len() == 5).await;
    assert_eq!(bench.page(&folder, 0, 100).await, all, "the order is stable");
    let mut pages = Vec::new();
    for (skip, count) in [(0, 2), (2, 2), (4, 1), (5, 0), (99, 0)] {
        let page = bench.page(&folder, skip, 2).await;
        assert_eq!(page.len(), count, "behind {skip}");
        pages.extend(page);
    }
    assert_eq!(pages, all, "each once, in the order of the whole");
    let sorted = |mut ids: Vec<FileId>| {
        ids.sort_by_key(ToString::to_string);
        ids
    };
    assert_eq!(sorted(all), sorted(stored), "folders below count, and those with a longer name do not");
    assert_eq!(bench.page(&format!("{}/none", bench.folder), 0, 10).await, []);
}

async fn s7_tags_are_replaced(bench: &Bench) {
    let file = bench.store("a.jpg", &jpeg(41, 23)).await;
    for tags in [vec!["one".to_owned(), "two".to_owned()], vec!["three".to_owned()], vec![]] {
        let tagged = bench.cdn.set_tags(&file.id, &tags).await.unwrap();
        assert_eq!(tagged, CdnFile { tags, ..file.clone() }, "nothing but the tags changes");
        assert_eq!(bench.cdn.details(&file.id).await, Ok(Some(tagged)));
    }
}

async fn s7_an_editors_version_is_a_second_one_of_the_same_file(bench: &Bench) {
    let file = bench.store("a.jpg", &jpeg(41, 23)).await;
    let new = jpeg(300, 200);
    bench.edited(&file, &new).await;
    let now = bench.cdn.details(&file.id).await.unwrap().unwrap();
    assert_eq!((&now.id, &now.path, now.bytes), (&file.id, &file.path, new.len() as u64));
    assert!(!now.is_first_version(), "{now:?}");
    let versions = bench.cdn.versions(&file.id).await.unwrap();
    let [one, other] = &versions[..] else { panic!("{versions:?}") };
    assert_ne!(one.version, other.version);
    assert_eq!(versions.iter().filter(|version| version.is_first_version()).count(), 1, "{versions:?}");
    assert!(versions.iter().any(|version| version.version == now.version), "{versions:?}");
    assert_eq!(bench.cdn.original_hash(&now.url, new.len() as u64).await, Ok(ContentHash::of(&new)));
    assert_eq!(bench.cdn.delete(&file.id).await, Ok(true));
    assert_eq!(bench.cdn.versions(&file.id).await, Ok(vec![]), "all versions go with it");
}

async fn s7_a_file_is_deleted_once(bench: &Bench) {
    let file = bench.store("a.jpg", &jpeg(41, 23)).await;
    assert_eq!(bench.cdn.delete(&file.id).await, Ok(true));
    assert_eq!(bench.cdn.delete(&file.id).await, Ok(false));
    assert_eq!(bench.cdn.delete(&unknown()).await, Ok(false));
}

async fn s7_many_files_are_deleted_and_the_missing_named(bench: &Bench) {
    let (one, other) =
        (bench.store("a.jpg", &jpeg(41, 23)).await.id, bench.store("b.jpg", &jpeg(42, 23)).await.id);
    let Deleted { mut deleted, missing } =
        bench.cdn.delete_many(&[one.clone(), unknown(), other.clone()]).await.unwrap();
    deleted.sort_by_key(|id| *id != one);
    assert_eq!((deleted, missing), (vec![one.clone(), other], vec![unknown()]));
    assert_eq!(bench.cdn.details(&one).await, Ok(None));
    assert_eq!(bench.cdn.delete_many(&[]).await, Ok(Deleted { deleted: vec![], missing: vec![] }));
}

async fn c7_the_untouched_bytes_are_hashed(bench: &Bench) {
    let bytes = jpeg(300, 200);
    let file = bench.store("a.jpg", &bytes).await;
    let size = bytes.len() as u64;
    assert_eq!(bench.cdn.original_hash(&file.url, size).await, Ok(ContentHash::of(&bytes)));
    assert_eq!(kind(bench.cdn.original_hash(&file.url, size - 1).await), TroubleKind::IntegrityMismatch);
    assert_eq!(bench.cdn.check_delivery(&file.url).await, Ok(()));
}

async fn c7_a_missing_file_is_not_served(bench: &Bench) {
    let nothing = bench.cdn.delivered_at(&bench.path("none.jpg"));
    assert_eq!(kind(bench.cdn.check_delivery(&nothing).await), TroubleKind::NotServed);
    assert_eq!(kind(bench.cdn.original_hash(&nothing, 9_999).await), TroubleKind::NotServed);
}
