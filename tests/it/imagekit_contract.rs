//! Our ImageKit client against the sandbox's stand-in: every method with every answer it can get there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use image::ImageFormat;
use ledger::ids::{CdnPath, ContentHash, FileId, Format, VenueId};
use ledger::trouble::TroubleKind::{self, *};
use longshore::outside::Trouble;
use longshore::outside::imagekit::{
    Cdn, CdnFile, Deleted, ImageKit, ImageKitOptions, Listed, Stored, Upload,
};
use longshore::outside::spool::Spool;
use longshore::sandbox::faults::{Fault, Faults};
use longshore::sandbox::imagekit::{Options, Running, serve};
use tempfile::TempDir;

use crate::support::pictures::{PROGRESSIVE_JPEG, animated_gif, jpeg, picture, rotated_jpeg};

/// The stand-in, a client of it and a spool.
struct Bench {
    running: Running,
    faults: Arc<Faults>,
    client: ImageKit,
    spool: Spool,
    _dir: TempDir,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(set: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options { dir: dir.path().join("cdn"), ..Options::default() };
        set(&mut options);
        let faults = Arc::new(Faults::default());
        let running = serve(options, faults.clone()).await.unwrap();
        let client = client(&running, "private_sandbox");
        let spool = Spool::open(&dir.path().join("spool")).unwrap();
        Self { running, faults, client, spool, _dir: dir }
    }

    /// Spools bytes for a path of their own below a slug.
    async fn spooled(&self, slug: &str, bytes: &[u8], format: Format) -> Upload {
        let hash = ContentHash::of(bytes);
        let mut draft = self.spool.create().await.unwrap();
        draft.write(bytes).await.unwrap();
        draft.commit(&hash).await.unwrap();
        let path = CdnPath::new(Some(slug), VenueId(1), &hash, format);
        let tags = vec!["longshore".to_owned(), "PL".to_owned()];
        Upload { path, hash, bytes: bytes.len() as u64, format, tags }
    }

    async fn upload(&self, upload: &Upload) -> Result<Stored, Trouble> {
        self.client.upload(upload, &self.spool).await
    }

    async fn store(&self, slug: &str, bytes: &[u8]) -> CdnFile {
        match self.upload(&self.spooled(slug, bytes, Format::Jpeg).await).await.unwrap() {
            Stored::Now(file) => file,
            other => panic!("{other:?}"),
        }
    }

    /// So many different pictures below a slug, in the order in which they were made.
    async fn fill(&self, slug: &str, count: u32) -> Vec<CdnFile> {
        let mut files = Vec::new();
        for n in 0..count {
            files.push(self.store(slug, &jpeg(10 + n, 9)).await);
        }
        files
    }
}

fn client(running: &Running, key: &str) -> ImageKit {
    let url = |text: String| text.parse().unwrap();
    let api = || url(running.api_url());
    ImageKit::new(ImageKitOptions::new(key, url(running.url_endpoint()), api(), api())).unwrap()
}

fn gone() -> FileId {
    "64a0000000000000000000aa".parse().unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T, Trouble>) -> TroubleKind {
    result.unwrap_err().kind
}

#[tokio::test]
async fn c4_every_format_is_stored_whole_and_described_truly() {
    let bench = Bench::new().await;
    for (bytes, format, size) in [
        (jpeg(41, 23), Format::Jpeg, (41, 23)),
        (PROGRESSIVE_JPEG.to_vec(), Format::Jpeg, (160, 120)),
        (picture(41, 23, ImageFormat::Png), Format::Png, (41, 23)),
        (animated_gif(20, 10, 3), Format::Gif, (20, 10)),
        (picture(41, 23, ImageFormat::WebP), Format::Webp, (41, 23)),
    ] {
        let upload = bench.spooled("żółw & co", &bytes, format).await;
        let Ok(Stored::Now(file)) = bench.upload(&upload).await else { panic!("{format:?}") };
        assert_eq!((&file.path, file.bytes, &file.tags), (&upload.path, upload.bytes, &upload.tags));
        assert_eq!(file.width.zip(file.height), Some(size), "{format:?}");
        assert_eq!(file.url, format!("{}{}", bench.running.url_endpoint(), upload.path));
        assert_eq!(bench.client.details(&file.id).await, Ok(Some(file.clone())));
        assert_eq!(bench.client.find(&upload.path).await, Ok(Some(file.clone())));
        assert_eq!(bench.client.original_hash(&file.url, upload.bytes).await, Ok(upload.hash), "{format:?}");
        assert_eq!(bench.client.check_delivery(&file.url).await, Ok(()));
    }
    // Dimensions of a turned picture may be said either way round; the bytes are the same.
    let turned = rotated_jpeg(40, 20);
    let file = bench.store("turned", &turned).await;
    assert!(matches!(file.width.zip(file.height), Some((40, 20) | (20, 40))));
    assert_eq!(
        bench.client.original_hash(&file.url, turned.len() as u64).await,
        Ok(ContentHash::of(&turned))
    );
}

#[tokio::test]
async fn e5_a_second_upload_is_a_conflict_and_no_second_version() {
    let bench = Bench::new().await;
    let upload = bench.spooled("pub", &jpeg(9, 9), Format::Jpeg).await;
    assert!(matches!(bench.upload(&upload).await, Ok(Stored::Now(_))));
    assert_eq!(bench.upload(&upload).await, Ok(Stored::Conflict));
    bench.spool.remove(&upload.hash).await.unwrap();
    assert_eq!(bench.upload(&upload).await, Ok(Stored::NotSpooled));
    let files = bench.running.files();
    assert_eq!((files.len(), files[0].versions), (1, 1));

    // An answer that is lost: the file is there, and a second try says so.
    let lost = bench.spooled("inn", &jpeg(9, 9), Format::Jpeg).await;
    bench.faults.inject("upload", 0, 1, Fault::DropAfter);
    assert_eq!(kind(bench.upload(&lost).await), Network);
    assert!(bench.client.find(&lost.path).await.unwrap().is_some());
    assert_eq!(bench.upload(&lost).await, Ok(Stored::Conflict));
    // One that never arrives leaves nothing.
    let never = bench.spooled("bar", &jpeg(9, 9), Format::Jpeg).await;
    bench.faults.inject("upload", 0, 1, Fault::DropBefore);
    assert_eq!(kind(bench.upload(&never).await), Network);
    assert_eq!(bench.client.find(&never.path).await, Ok(None));
    assert!(matches!(bench.upload(&never).await, Ok(Stored::Now(_))));
}

#[tokio::test]
async fn e1_refused_uploads() {
    let small = Bench::with(|options| options.upload_bytes_max = 200).await;
    let upload = small.spooled("pub", &jpeg(99, 99), Format::Jpeg).await;
    assert_eq!(kind(small.upload(&upload).await), FileTooLarge);

    let one = jpeg(50, 50);
    let full = Bench::with(|options| options.storage_bytes_max = Some(one.len() as u64)).await;
    full.store("pub", &one).await;
    let second = full.spooled("pub", &jpeg(51, 50), Format::Jpeg).await;
    assert_eq!(kind(full.upload(&second).await), QuotaExceeded);
    assert_eq!(full.running.files().len(), 1);

    let bench = Bench::new().await;
    let upload = bench.spooled("pub", &jpeg(9, 9), Format::Jpeg).await;
    let limited = |reset: &str| Fault::Answer {
        status: 429,
        headers: vec![("x-ratelimit-reset".into(), reset.into())],
        body: r#"{"message":"Too many"}"#.into(),
    };
    bench.faults.inject("upload", 0, 1, limited("1234"));
    let trouble = bench.upload(&upload).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.wait), (RateLimited, Some(Duration::from_millis(1234))));
    for (status, body, expected) in [
        (500, "", ApiError),
        (503, r#"{"message":"We are working on it"}"#, ApiError),
        (200, "not json", ApiError),
        (400, r#"{"message":"Your request has no sense"}"#, Rejected),
    ] {
        let fault = Fault::Answer { status, headers: Vec::new(), body: body.into() };
        bench.faults.inject("upload", 0, 1, fault);
        assert_eq!(kind(bench.upload(&upload).await), expected, "{status} {body}");
    }
    bench.faults.inject("upload", 0, 1, Fault::CutBody { after_bytes: 10 });
    assert_eq!(kind(bench.upload(&upload).await), Network);
}

#[tokio::test]
async fn e1_a_wrong_key_is_refused_everywhere_and_not_repeated() {
    let bench = Bench::new().await;
    let file = bench.store("pub", &jpeg(9, 9)).await;
    let stranger = client(&bench.running, "private_wrong");
    let upload = bench.spooled("inn", &jpeg(9, 9), Format::Jpeg).await;
    let troubles = [
        stranger.upload(&upload, &bench.spool).await.unwrap_err(),
        stranger.details(&file.id).await.unwrap_err(),
        stranger.find(&file.path).await.unwrap_err(),
        stranger.list("/venues", 0, 10).await.unwrap_err(),
        stranger.set_tags(&file.id, &[]).await.unwrap_err(),
        stranger.delete(&file.id).await.unwrap_err(),
        stranger.delete_many(std::slice::from_ref(&file.id)).await.unwrap_err(),
    ];
    for trouble in troubles {
        assert_eq!(trouble.kind, Unauthorized, "{trouble}");
        assert!(!trouble.message.contains("private_wrong"), "{trouble}");
    }
    assert_eq!(bench.client.details(&file.id).await, Ok(Some(file.clone())), "nothing was changed");
    assert_eq!(stranger.check_delivery(&file.url).await, Ok(()), "delivery asks for no key");
}

#[tokio::test]
async fn e1_rate_limits_say_how_long_in_milliseconds() {
    let bench = Bench::with(|options| {
        options.reads_per_second = Some(2);
        options.writes_per_second = Some(1);
    })
    .await;
    let file = bench.store("pub", &jpeg(9, 9)).await;
    async fn limited<T, F>(mut ask: impl FnMut() -> F) -> Trouble
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        // A window may end between two requests, but not between so many.
        for _ in 0..200 {
            if let Err(trouble) = ask().await {
                return trouble;
            }
        }
        panic!("there is no limit")
    }
    let client = &bench.client;
    for trouble in [
        limited(|| client.details(&file.id)).await,
        limited(|| client.list("/", 0, 1)).await,
        limited(|| client.set_tags(&file.id, &[])).await,
    ] {
        assert_eq!(trouble.kind, RateLimited);
        let wait = trouble.wait.unwrap();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
    }
    // Uploads have no such limit.
    bench.fill("inn", 4).await;
}

#[tokio::test]
async fn c4_a_file_is_found_by_its_exact_path_only() {
    let bench = Bench::new().await;
    let file = bench.store("pub", &jpeg(9, 9)).await;
    let name = file.path.name().to_owned();
    // The same bytes elsewhere, and names that only look alike.
    bench.store("pub2", &jpeg(9, 9)).await;
    let alike = |folder: &str, name: &str| format!("{folder}/{name}").parse::<CdnPath>().unwrap();
    assert_eq!(bench.client.find(&file.path).await, Ok(Some(file.clone())));
    for other in [
        alike("/venues/pub", &name.to_uppercase()),
        alike("/venues/pub", &name.replace("pub_", "pub-")),
        alike("/venues/pub", &name.replace(".jpg", ".png")),
        alike("/venues/pub", &format!("{name}.jpg")),
        alike("/venues/pub", &name[..name.len() - 1]),
        alike("/venues/pu", &name),
        alike("/venues", &name),
        alike("/venues/pub", "a\" OR name : \"pub"),
    ] {
        assert_eq!(bench.client.find(&other).await, Ok(None), "{other}");
    }
}

#[tokio::test]
async fn c4_a_list_that_lags_does_not_keep_details_back() {
    let bench = Bench::with(|options| options.list_lag = Duration::from_secs(3)).await;
    let file = bench.store("pub", &jpeg(9, 9)).await;
    assert_eq!(bench.client.find(&file.path).await, Ok(None), "not listed yet");
    assert_eq!(bench.client.details(&file.id).await, Ok(Some(file.clone())));
    assert_eq!(bench.client.list("/venues", 0, 10).await, Ok(Listed::default()));
    let started = Instant::now();
    while bench.client.find(&file.path).await.unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(30), "it is never listed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Gone, and listed still; its URL answers no more.
    assert_eq!(bench.client.delete(&file.id).await, Ok(true));
    assert_eq!(bench.client.find(&file.path).await.unwrap().map(|file| file.id), Some(file.id.clone()));
    assert_eq!(bench.client.details(&file.id).await, Ok(None));
    assert_eq!(kind(bench.client.check_delivery(&file.url).await), NotServed);
}

#[tokio::test]
async fn c13_listing_goes_over_pages_and_keeps_to_the_folder() {
    let bench = Bench::new().await;
    let a = bench.fill("a", 5).await;
    let ab = bench.fill("ab", 2).await;
    let paths = |files: &[CdnFile]| {
        let mut paths: Vec<String> = files.iter().map(|file| file.path.to_string()).collect();
        paths.sort();
        paths
    };
    let mut listed = Vec::new();
    for skip in [0, 2, 4] {
        let page = bench.client.list("/venues/a", skip, 2).await.unwrap().files;
        assert_eq!(page.len(), if skip == 4 { 1 } else { 2 });
        listed.extend(page);
    }
    assert_eq!(paths(&listed), paths(&a), "each once, and nothing of /venues/ab");
    assert_eq!(bench.client.list("/venues/a", 5, 2).await, Ok(Listed::default()));
    assert_eq!(paths(&bench.client.list("/venues/ab/", 0, 9_999).await.unwrap().files), paths(&ab));
    let all = bench.client.list("/venues", 0, 1_000).await.unwrap().files;
    assert_eq!(paths(&all), paths(&[a, ab].concat()), "folders below count");
    assert_eq!(bench.client.list("/elsewhere", 0, 10).await, Ok(Listed::default()));
}

#[tokio::test]
async fn s7_tags_are_replaced_and_read_back() {
    let bench = Bench::new().await;
    let file = bench.store("pub", &jpeg(9, 9)).await;
    let tags = ["ledger-1".to_owned(), "ledger-2".to_owned()];
    let tagged = bench.client.set_tags(&file.id, &tags).await.unwrap();
    assert_eq!((&tagged.id, tagged.tags.as_slice()), (&file.id, tags.as_slice()));
    assert_eq!(bench.client.details(&file.id).await, Ok(Some(tagged)));
    let bare = bench.client.set_tags(&file.id, &[]).await.unwrap();
    assert!(bare.tags.is_empty());
    assert_eq!(kind(bench.client.set_tags(&gone(), &tags).await), ApiError, "there is no such file");
}

#[tokio::test]
async fn s7_what_is_deleted_is_gone_and_what_is_missing_is_named() {
    let bench = Bench::new().await;
    let files = bench.fill("pub", 4).await;
    let id = |n: usize| files[n].id.clone();
    assert_eq!(bench.client.delete(&id(0)).await, Ok(true));
    assert_eq!(bench.client.delete(&id(0)).await, Ok(false));
    assert_eq!(bench.client.details(&id(0)).await, Ok(None));
    assert_eq!(kind(bench.client.original_hash(&files[0].url, 9_999).await), NotServed);

    let many = bench.client.delete_many(&[id(1), id(0), id(2), gone()]).await.unwrap();
    let Deleted { mut deleted, mut missing } = many;
    let (mut one, mut other) = (vec![id(1), id(2)], vec![id(0), gone()]);
    for ids in [&mut deleted, &mut missing, &mut one, &mut other] {
        ids.sort_by_key(ToString::to_string);
    }
    assert_eq!((deleted, missing), (one, other));
    assert_eq!(bench.client.delete_many(&[]).await, Ok(Deleted { deleted: vec![], missing: vec![] }));
    let left: Vec<_> = bench.running.files().into_iter().map(|file| file.id).collect();
    assert_eq!(left, [id(3).to_string()]);
    assert_eq!(bench.client.check_delivery(&files[3].url).await, Ok(()));
    // The path is free again.
    bench.store("pub", &jpeg(10, 9)).await;
}

#[tokio::test]
async fn c7_delivery_is_believed_only_when_it_shows_an_image() {
    let bench = Bench::new().await;
    let bytes = jpeg(300, 200);
    let file = bench.store("pub", &bytes).await;
    let client = &bench.client;
    let size = bytes.len() as u64;
    assert_eq!(client.original_hash(&file.url, size).await, Ok(ContentHash::of(&bytes)));
    assert_eq!(kind(client.original_hash(&file.url, size - 1).await), IntegrityMismatch);
    bench.faults.inject("delivery_original", 0, 1, Fault::CutBody { after_bytes: 100 });
    assert_eq!(kind(client.original_hash(&file.url, size).await), Network);

    let page = |media_type: &str| Fault::Answer {
        status: 200,
        headers: vec![("content-type".into(), media_type.into())],
        body: "<html>soon</html>".into(),
    };
    let status = |status| Fault::Answer { status, headers: Vec::new(), body: String::new() };
    for fault in [page("text/html"), page("image/jpeg"), status(404), status(403)] {
        bench.faults.inject("delivery", 0, 1, fault.clone());
        assert_eq!(kind(client.check_delivery(&file.url).await), NotServed, "{fault:?}");
    }
    bench.faults.inject("delivery", 0, 1, status(500));
    assert_eq!(kind(client.check_delivery(&file.url).await), ApiError);
    bench.faults.inject("delivery", 0, 1, status(429));
    assert_eq!(kind(client.check_delivery(&file.url).await), RateLimited);
    bench.faults.inject("delivery", 0, 1, Fault::DropBefore);
    assert_eq!(kind(client.check_delivery(&file.url).await), Network);
    assert_eq!(kind(client.check_delivery("http://127.0.0.1:1/x.jpg").await), NotServed, "another host");
    let nothing = format!("{}/venues/none.jpg", bench.running.url_endpoint());
    assert_eq!(kind(client.check_delivery(&nothing).await), NotServed);
    assert_eq!(client.check_delivery(&file.url).await, Ok(()));
}
