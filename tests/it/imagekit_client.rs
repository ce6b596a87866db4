//! ImageKit's client against servers that answer as ImageKit's documentation says, and as broken ones do.

use std::time::Duration;

use ledger::ids::{CdnPath, ContentHash, FileId, Format, VenueId};
use ledger::trouble::TroubleKind::{self, *};
use longshore::outside::Trouble;
use longshore::outside::imagekit::{Cdn, CdnFile, Deleted, ImageKit, ImageKitOptions, Stored, Upload};
use longshore::outside::spool::Spool;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::support::pictures::*;
use crate::support::raw_http::{Act, Asked, RawServer, Taking, answer, head};

const KEY: &str = "private_k3yOfTheT3sts=";
/// What the header carries: base64 of the key and an empty password.
const KEY_ENCODED: &str = "cHJpdmF0ZV9rM3lPZlRoZVQzc3RzPTo=";
const ID: &str = "6673f88237b244ef54d60180";
const CONFLICT: &str = "A file with the same name already exists at the exact location. We could not overwrite it \
                        because both overwriteFile and useUniqueFileName are set to false.";

fn client(server: &RawServer) -> ImageKit {
    client_waiting(server, 10_000)
}

fn client_waiting(server: &RawServer, idle_ms: u64) -> ImageKit {
    let endpoint: Url = server.url("/demo").parse().unwrap();
    let options = ImageKitOptions::new(KEY, endpoint, server.base(), server.base());
    ImageKit::new(ImageKitOptions { idle: Duration::from_millis(idle_ms), ..options }).unwrap()
}

/// A file lying in a spool, and its upload.
struct Bench {
    spool: Spool,
    upload: Upload,
    _dir: TempDir,
}

impl Bench {
    async fn with(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let hash = ContentHash::of(bytes);
        let mut draft = spool.create().await.unwrap();
        draft.write(bytes).await.unwrap();
        draft.commit(&hash).await.unwrap();
        let path = CdnPath::new(Some("the-pub"), VenueId(7), &hash, Format::Jpeg);
        let tags = vec!["longshore".to_owned(), "PL".to_owned()];
        let upload = Upload { path, hash, bytes: bytes.len() as u64, format: Format::Jpeg, tags };
        Self { spool, upload, _dir: dir }
    }
    async fn upload(&self, client: &ImageKit) -> Result<Stored, Trouble> {
        client.upload(&self.upload, &self.spool).await
    }
}

fn json(status: u16, body: Value) -> Vec<Act> {
    answer(
        status,
        &[("content-type", "application/json"), ("x-ik-requestId", "req-1")],
        body.to_string().as_bytes(),
    )
}

fn error(status: u16, message: &str) -> Vec<Act> {
    json(
        status,
        json!({"message": message, "help": "For support kindly contact us at support@imagekit.io ."}),
    )
}

fn file_json(path: &str) -> Value {
    json!({"type": "file", "fileId": ID, "name": "x", "filePath": path, "size": 117_079, "width": 1000, "height": 500,
           "url": format!("https://ik.imagekit.io/demo{path}?updatedAt=1718876290234"), "fileType": "image",
           "versionInfo": {"id": ID, "name": "Version 1"}, "tags": ["a"], "AITags": null})
}

fn cdn_file(path: &str) -> CdnFile {
    CdnFile {
        id: id(ID),
        path: path.parse().unwrap(),
        url: format!("https://ik.imagekit.io/demo{path}"),
        bytes: 117_079,
        width: Some(1000),
        height: Some(500),
        tags: vec!["a".to_owned()],
    }
}

fn id(text: &str) -> FileId {
    text.parse().unwrap()
}

/// Text without the key in any spelling, nor control characters.
fn assert_clean(trouble: &Trouble) {
    let text = format!("{trouble} {trouble:?}");
    assert!(!text.contains("k3yOf") && !text.contains("cHJpdmF0") && !text.contains('\u{1b}'), "{text}");
    assert!(!trouble.message.chars().any(char::is_control), "{text}");
}

/// The trouble of an upload that is answered so.
async fn upload_trouble(script: Vec<Act>) -> Trouble {
    let server = RawServer::start(move |_| script.clone()).await;
    let trouble = Bench::with(&jpeg(9, 9)).await.upload(&client_waiting(&server, 400)).await.unwrap_err();
    assert_clean(&trouble);
    trouble
}

/// The parts of a multipart body: head and content.
fn parts(asked: &Asked) -> Vec<(String, Vec<u8>)> {
    let boundary = asked.header("content-type").unwrap().split_once("boundary=").unwrap().1.to_owned();
    let text: String = asked.body.iter().map(|byte| char::from(*byte)).collect();
    let inner = text.strip_prefix(&format!("--{boundary}\r\n")).unwrap();
    let inner = inner.strip_suffix(&format!("\r\n--{boundary}--\r\n")).unwrap();
    let part = |part: &str| {
        let (head, content) = part.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), content.chars().map(|c| c as u8).collect())
    };
    inner.split(&format!("\r\n--{boundary}\r\n")).map(part).collect()
}

#[tokio::test]
async fn c4_an_upload_is_create_only_and_streamed_with_its_length() {
    let server = RawServer::start(|_| json(200, file_json("/venues/the-pub/x.jpg"))).await;
    let bytes = jpeg(900, 700);
    let bench = Bench::with(&bytes).await;
    let stored = bench.upload(&client(&server)).await.unwrap();
    assert_eq!(stored, Stored::Now(cdn_file("/venues/the-pub/x.jpg")));

    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/api/v1/files/upload"));
    assert_eq!(asked.header("authorization"), Some(format!("Basic {KEY_ENCODED}").as_str()));
    assert_eq!(asked.header("content-length"), Some(asked.body.len().to_string().as_str()));
    assert_eq!(asked.header("transfer-encoding"), None);
    let mut parts = parts(asked);
    let (file_head, file) = parts.pop().unwrap();
    let name = bench.upload.path.name();
    let disposition = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
    assert!(file_head.to_lowercase().contains(&disposition.to_lowercase()), "{file_head}");
    assert!(file_head.to_lowercase().contains("content-type: image/jpeg"), "{file_head}");
    assert!(file == bytes);
    let fields: Vec<(&str, &str)> = parts
        .iter()
        .map(|(head, value)| (head.split('"').nth(1).unwrap(), std::str::from_utf8(value).unwrap()))
        .collect();
    assert_eq!(
        fields,
        [
            ("fileName", name),
            ("folder", "/venues/the-pub"),
            ("useUniqueFileName", "false"),
            ("overwriteFile", "false"),
            ("responseFields", "tags"),
            ("tags", "longshore,PL"),
        ]
    );
}

#[tokio::test]
async fn e5_bytes_that_the_spool_lacks_are_not_sent() {
    let server = RawServer::start(|_| json(200, file_json("/x/y.jpg"))).await;
    let bench = Bench::with(&jpeg(9, 9)).await;
    std::fs::write(bench.spool.dir().join(bench.upload.hash.to_string()), "damaged").unwrap();
    assert_eq!(bench.upload(&client(&server)).await, Ok(Stored::NotSpooled));
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn e1_a_name_that_is_taken_is_an_answer_and_no_trouble() {
    let server = RawServer::start(|_| error(400, CONFLICT)).await;
    assert_eq!(Bench::with(&jpeg(9, 9)).await.upload(&client(&server)).await, Ok(Stored::Conflict));
}

#[tokio::test]
async fn e1_refused_uploads_are_told_apart() {
    let cases: [(u16, &str, TroubleKind); 8] = [
        (401, "Your request does not contain private API key.", Unauthorized),
        (403, "Your account cannot be authenticated.", Unauthorized),
        (403, "Upload Limit Exceeded.", QuotaExceeded),
        (400, "Upload Limit Exceeded.", QuotaExceeded),
        (400, "Your request contains invalid file parameter. The file size exceeds limits.", FileTooLarge),
        (
            400,
            "You have sent too many requests to update the file recently. Please try again later.",
            RateLimited,
        ),
        (400, "Your request failed 'checks' validation.", Rejected),
        (503, "x", ApiError),
    ];
    for (status, message, kind) in cases {
        let trouble = upload_trouble(error(status, message)).await;
        assert_eq!((trouble.kind, trouble.outage, trouble.wait), (kind, false, None), "{message}");
        assert!(trouble.message.contains("req-1") && trouble.message.contains(message.trim_end_matches('.')));
    }
    let limited = answer(429, &[("x-ratelimit-reset", "2500"), ("x-ratelimit-interval", "1000")], b"{}");
    let trouble = upload_trouble(limited).await;
    assert_eq!((trouble.kind, trouble.wait), (RateLimited, Some(Duration::from_millis(2500))));
}

#[tokio::test]
async fn s1_s4_what_a_server_sends_back_is_neither_secret_nor_control() {
    let nasty =
        format!("key {KEY} is \u{1b}]0;pwned\u{7} Basic {KEY_ENCODED} at https://x.example/?sig=1 \u{202e}");
    let trouble = upload_trouble(error(400, &nasty)).await;
    assert_eq!(trouble.kind, Rejected);
    assert!(!trouble.message.contains("sig=1"), "{trouble}");
    upload_trouble(json(200, json!({"fileId": nasty, "size": KEY}))).await;
    let long = upload_trouble(error(400, &format!("{}{KEY}", "ab ".repeat(95)))).await;
    assert!(long.message.chars().count() < 360, "{long}");
}

#[tokio::test]
async fn e1_odd_answers_are_api_errors() {
    for script in [
        json(202, json!({"message": "The pre-transformation has been queued successfully."})),
        json(200, json!({"name": "x"})),
        json(200, json!([])),
        answer(200, &[], b"<html>maintenance</html>"),
        answer(200, &[], b""),
        answer(500, &[], b""),
        answer(502, &[], b"<html>Bad Gateway</html>"),
        answer(404, &[], b""),
    ] {
        let trouble = upload_trouble(script).await;
        assert_eq!((trouble.kind, trouble.file), (ApiError, None));
    }
    let mut half = file_json("/x/y.jpg");
    half["size"] = json!("large");
    assert_eq!(upload_trouble(json(200, half)).await.file, Some(id(ID)), "stored, and known by its id");
    let endless = vec![Act::Say(head(200, &[]).into()), Act::Repeat(vec![b' '; 64_000])];
    assert_eq!(upload_trouble(endless).await.kind, ApiError);
}

#[tokio::test]
async fn s3_the_key_follows_no_redirect() {
    let elsewhere = RawServer::start(|_| json(200, file_json("/x/y.jpg"))).await;
    let target = elsewhere.url("/api/v1/files/upload");
    for status in [301, 302, 307, 308] {
        assert_eq!(upload_trouble(answer(status, &[("location", &target)], b"")).await.kind, ApiError);
    }
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn e1_lost_connections_and_stalls_on_the_way_up() {
    let trouble = upload_trouble(vec![]).await;
    assert_eq!((trouble.kind, trouble.outage), (Network, false), "sent, and no answer: {trouble}");
    assert_eq!(upload_trouble(vec![Act::Hang]).await.kind, Timeout);
    let started = Act::Say(head(200, &[("content-length", "500")]).into());
    assert_eq!(upload_trouble(vec![started.clone(), Act::Hang]).await.kind, Timeout);
    assert_eq!(upload_trouble(vec![started, Act::Say(b"{\"fileId\":".into())]).await.kind, Network);

    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let base: Url = format!("http://{gone}").parse().unwrap();
    let away = ImageKit::new(ImageKitOptions::new(KEY, base.clone(), base.clone(), base)).unwrap();
    let bench = Bench::with(&jpeg(9, 9)).await;
    for trouble in [bench.upload(&away).await.unwrap_err(), away.details(&id(ID)).await.unwrap_err()] {
        assert_eq!((trouble.kind, trouble.outage), (Network, true), "{trouble}");
        assert_clean(&trouble);
    }
}

#[tokio::test]
async fn e1_only_standing_still_is_too_slow() {
    // More than the kernel keeps on the way, so that what the server does not take shows.
    let bench = Bench::with(&vec![7; 24_000_000]).await;
    let never = RawServer::start_taking(Taking::Never, |_| vec![]).await;
    assert_eq!(bench.upload(&client_waiting(&never, 500)).await.unwrap_err().kind, Timeout);

    let slow = RawServer::start_taking(Taking::Slowly(60), |_| json(200, file_json("/x/y.jpg"))).await;
    assert!(matches!(bench.upload(&client_waiting(&slow, 1_000)).await, Ok(Stored::Now(_))));
}

#[tokio::test]
async fn details_are_a_file_or_its_absence() {
    let server = RawServer::start(|asked| match asked.target.as_str() {
        "/v1/files/known/details" => json(200, file_json("/a/b.jpg")),
        "/v1/files/odd%3Fid/details" => error(400, "Your request contains invalid fileId parameter."),
        "/v1/files/proxy/details" => answer(404, &[], b"<html>no such route</html>"),
        _ => error(404, "The requested file does not exist."),
    })
    .await;
    let client = client(&server);
    assert_eq!(client.details(&id("known")).await, Ok(Some(cdn_file("/a/b.jpg"))));
    assert_eq!(client.details(&id("unknown")).await, Ok(None));
    assert_eq!(client.details(&id("odd?id")).await.unwrap_err().kind, Rejected);
    assert_eq!(client.details(&id("proxy")).await.unwrap_err().kind, ApiError, "no word of ImageKit's");
    assert_eq!(client.details(&id("..")).await.unwrap_err().kind, Rejected);
    assert_eq!(server.asked().len(), 4);
    assert_eq!(client.delete(&id("proxy")).await, Ok(false), "that path is ImageKit's own 404");
}

#[tokio::test]
async fn a_file_is_found_by_its_exact_path() {
    let server = RawServer::start(|_| {
        json(200, json!([file_json("/elsewhere/n.jpg"), file_json("/a/N.jpg"), file_json("/a/n.jpg")]))
    })
    .await;
    let client = client(&server);
    let found = client.find(&"/a/n.jpg".parse().unwrap()).await.unwrap();
    assert_eq!(found, Some(cdn_file("/a/n.jpg")));
    assert_eq!(client.find(&"/b/n.jpg".parse().unwrap()).await, Ok(None));
    client.find(&"/c/a\" OR name : \"b\\.jpg".parse().unwrap()).await.unwrap();

    let asked = server.asked();
    assert!(asked[0].target.starts_with("/v1/files?"));
    assert_eq!(asked[0].param("path").unwrap(), "/a");
    assert_eq!(asked[0].param("searchQuery").unwrap(), r#"type = "file" AND name = "n.jpg""#);
    assert_eq!(
        asked[2].param("searchQuery").unwrap(),
        r#"type = "file" AND name = "a\" OR name : \"b\\.jpg""#
    );
}

#[tokio::test]
async fn c13_a_folder_is_listed_page_by_page() {
    let server = RawServer::start(|asked| match asked.param("skip").as_deref() {
        Some("0") => json(200, json!([file_json("/venues/a/1.jpg"), file_json("/venues/b/2.jpg")])),
        Some("2") => json(200, json!([])),
        _ => json(200, json!([{"type": "folder", "folderId": "f"}])),
    })
    .await;
    let client = client(&server);
    let page = client.list("/venues", 0, 1000).await.unwrap();
    assert_eq!(page, [cdn_file("/venues/a/1.jpg"), cdn_file("/venues/b/2.jpg")]);
    assert_eq!(client.list("/venues/", 2, 9_999).await, Ok(vec![]));
    assert_eq!(
        client.list("/venues", 3, 5).await.unwrap_err().kind,
        ApiError,
        "nothing is passed over in silence"
    );

    let asked = server.asked();
    assert_eq!(asked[0].param("searchQuery").unwrap(), r#"type = "file" AND path : "/venues/""#);
    assert_eq!(asked[1].param("searchQuery"), asked[0].param("searchQuery"));
    assert_eq!(
        (asked[0].param("sort").unwrap(), asked[1].param("limit").unwrap()),
        ("ASC_CREATED".into(), "1000".into())
    );
}

#[tokio::test]
async fn tags_are_replaced() {
    let server = RawServer::start(|_| json(200, file_json("/a/b.jpg"))).await;
    let tags = ["x".to_owned(), "ledger-1".to_owned()];
    assert_eq!(client(&server).set_tags(&id(ID), &tags).await, Ok(cdn_file("/a/b.jpg")));
    let asked = &server.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("PATCH", format!("/v1/files/{ID}/details").as_str())
    );
    assert_eq!(asked.body, br#"{"tags":["x","ledger-1"]}"#);
}

#[tokio::test]
async fn s7_one_file_is_deleted_or_was_not_there() {
    let server = RawServer::start(|asked| match (asked.method.as_str(), asked.target.as_str()) {
        ("DELETE", "/v1/files/there") => answer(204, &[], b""),
        ("DELETE", "/v1/files/gone") => error(404, "The requested file does not exist."),
        _ => error(429, "slow down"),
    })
    .await;
    let client = client(&server);
    assert_eq!(client.delete(&id("there")).await, Ok(true));
    assert_eq!(client.delete(&id("gone")).await, Ok(false));
    assert_eq!(client.delete(&id("other")).await.unwrap_err().kind, RateLimited);
}

#[tokio::test]
async fn s7_missing_files_do_not_keep_the_others() {
    let server = RawServer::start(|asked| {
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        let ids: Vec<&str> =
            body["fileIds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        // One at a time, so that several rounds are needed.
        match ids.iter().find(|id| id.starts_with("gone")) {
            Some(gone) => json(
                404,
                json!({"message": "The requested file(s) does not exist.", "missingFileIds": [gone]}),
            ),
            None if ids.contains(&"stuck") => json(
                207,
                json!({
                    "successfullyDeletedFileIds": ids.iter().filter(|id| **id != "stuck").collect::<Vec<_>>(),
                    "errors": [{"fileId": "stuck", "error": "no"}],
                }),
            ),
            None => json(200, json!({"successfullyDeletedFileIds": ids})),
        }
    })
    .await;
    let client = client(&server);
    let ids = |texts: &[&str]| texts.iter().map(|text| id(text)).collect::<Vec<_>>();
    let expect =
        |deleted: &[&str], missing: &[&str]| Ok(Deleted { deleted: ids(deleted), missing: ids(missing) });
    assert_eq!(
        client.delete_many(&ids(&["a", "gone1", "b", "gone2"])).await,
        expect(&["a", "b"], &["gone1", "gone2"])
    );
    assert_eq!(client.delete_many(&ids(&["gone1"])).await, expect(&[], &["gone1"]));
    assert_eq!(client.delete_many(&ids(&["a", "stuck"])).await, expect(&["a"], &[]));
    let before = server.asked().len();
    assert_eq!(client.delete_many(&[]).await, expect(&[], &[]));
    assert_eq!(server.asked().len(), before);
    assert_eq!(server.asked()[0].target, "/v1/files/batch/deleteByFileIds");

    let strange =
        RawServer::start(|_| json(404, json!({"message": "?", "missingFileIds": ["unasked"]}))).await;
    assert_eq!(self::client(&strange).delete_many(&ids(&["a"])).await.unwrap_err().kind, ApiError);
}

#[tokio::test]
async fn c4_delivery_is_an_image_or_not_served() {
    let png = picture(400, 300, image::ImageFormat::Png);
    let server = RawServer::start(move |asked| match asked.target.as_str() {
        "/demo/fine" => answer(200, &[("content-type", "image/png")], &png),
        "/demo/avif" => {
            answer(200, &[("content-type", "image/avif")], b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf")
        }
        "/demo/large" => vec![
            Act::Say(head(200, &[("content-type", "image/jpeg"), ("content-length", "25000000")]).into()),
            Act::Say(jpeg(600, 600)),
            Act::Hang,
        ],
        "/demo/typed" => answer(200, &[("content-type", "text/html")], &png),
        "/demo/html" => answer(200, &[("content-type", "image/png")], b"<html>"),
        "/demo/untyped" => answer(200, &[], &png),
        "/demo/empty" => answer(200, &[("content-type", "image/png")], b""),
        "/demo/default" => answer(200, &[("content-type", "image/png"), ("ik-error", "ENOENT - x")], &png),
        "/demo/limit" => answer(400, &[("ik-error", "ELIMIT - too large é")], b""),
        "/demo/moved" => answer(302, &[("location", "/demo/fine")], b""),
        "/demo/500" => answer(500, &[], b""),
        "/demo/429" => answer(429, &[], b""),
        "/demo/stall" => vec![Act::Hang],
        "/demo/cut" => {
            vec![Act::Say(head(200, &[("content-type", "image/png"), ("content-length", "9")]).into())]
        }
        _ => answer(404, &[("ik-error", "ENOENT - Requested file does not exist")], b"Not Found"),
    })
    .await;
    let client = client_waiting(&server, 400);
    assert!(jpeg(600, 600).len() > 64 * 1024, "the large one says enough before it hangs");
    for fine in ["fine", "avif", "large"] {
        assert_eq!(client.check_delivery(&server.url(&format!("/demo/{fine}"))).await, Ok(()), "{fine}");
    }
    let troubled =
        ["typed", "html", "untyped", "empty", "default", "limit", "moved", "500", "429", "missing"];
    for name in troubled {
        let trouble = client.check_delivery(&server.url(&format!("/demo/{name}"))).await.unwrap_err();
        assert_eq!((trouble.kind, trouble.outage), (NotServed, false), "{name}");
        assert_clean(&trouble);
        assert_eq!(trouble.message.contains("ENOENT"), ["default", "missing"].contains(&name), "{trouble}");
    }
    assert_eq!(client.check_delivery(&server.url("/demo/stall")).await.unwrap_err().kind, Timeout);
    assert_eq!(client.check_delivery(&server.url("/demo/cut")).await.unwrap_err().kind, Network);
    for asked in server.asked() {
        assert_eq!(asked.header("authorization"), None, "the key is not for the delivery host");
        assert!(asked.header("accept").unwrap().starts_with("image/avif,image/webp"));
    }
    let before = server.asked().len();
    let other = RawServer::start(|_| answer(200, &[("content-type", "image/jpeg")], &jpeg(9, 9))).await;
    assert_eq!(client.check_delivery(&other.url("/demo/fine")).await.unwrap_err().kind, NotServed);
    assert_eq!((server.asked().len(), other.asked().len()), (before, 0));
}

#[tokio::test]
async fn c7_the_original_is_hashed_within_bounds() {
    let bytes = jpeg(300, 200);
    let (hash, length, body) = (ContentHash::of(&bytes), bytes.len() as u64, bytes.clone());
    let server = RawServer::start(move |asked| match asked.target.as_str() {
        "/demo/a.jpg?tr=orig-true" => answer(200, &[], &body),
        "/demo/endless?tr=orig-true" => vec![Act::Say(head(200, &[]).into()), Act::Repeat(vec![0; 1_000])],
        _ => answer(404, &[("ik-error", "ENOENT - x")], b""),
    })
    .await;
    let client = client(&server);
    assert_eq!(client.original_hash(&server.url("/demo/a.jpg"), length).await, Ok(hash));
    let trouble = |path, max| {
        let (client, url) = (&client, server.url(path));
        async move { client.original_hash(&url, max).await.unwrap_err().kind }
    };
    assert_eq!(trouble("/demo/a.jpg", length - 1).await, FileTooLarge);
    assert_eq!(trouble("/demo/endless", 100_000).await, FileTooLarge);
    assert_eq!(trouble("/demo/none", 100_000).await, NotServed);
    assert!(server.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[tokio::test]
async fn s1_s3_settings_are_refused_and_shown_without_the_key() {
    let url = |text: &str| text.parse::<Url>().unwrap();
    let fine = || {
        let base = url("https://api.imagekit.io");
        ImageKitOptions::new(KEY, url("https://ik.imagekit.io/demo"), base.clone(), base)
    };
    let client = ImageKit::new(fine()).unwrap();
    for text in [format!("{client:?}"), format!("{:?}", fine())] {
        assert!(!text.contains("k3yOf") && !text.contains("cHJpdmF0"), "{text}");
    }
    for base in ["http://127.0.0.1:9", "http://localhost:9/", "http://[::1]:9"] {
        assert!(
            ImageKit::new(ImageKitOptions { upload_url: url(base), api_url: url(base), ..fine() }).is_ok(),
            "{base}"
        );
    }
    for base in [
        "http://api.imagekit.io",
        "http://10.0.0.1",
        "http://localhost.example",
        "ftp://127.0.0.1",
        "https://api.imagekit.io/v1",
        "https://u:s3cret@api.imagekit.io",
        "https://api.imagekit.io/?k=s3cret",
    ] {
        let upload = ImageKit::new(ImageKitOptions { upload_url: url(base), ..fine() }).unwrap_err();
        let api = ImageKit::new(ImageKitOptions { api_url: url(base), ..fine() }).unwrap_err();
        assert!(upload.to_string().contains("IMAGEKIT_UPLOAD_URL"), "{upload}");
        assert!(api.to_string().contains("IMAGEKIT_API_URL") && !api.to_string().contains("s3cret"), "{api}");
    }
    for key in ["", "a b", "a:b", "a\nb", "ключ"] {
        let refused = ImageKit::new(ImageKitOptions { private_key: key.to_owned(), ..fine() }).unwrap_err();
        assert!(key.is_empty() || !refused.to_string().contains(key));
    }
    assert!(
        ImageKit::new(ImageKitOptions { url_endpoint: url("ftp://ik.imagekit.io/demo"), ..fine() }).is_err()
    );
}
