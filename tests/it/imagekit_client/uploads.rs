//! Storing files.

use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use ledger::ids::{CdnPath, ContentHash, Format, VenueId};
use ledger::trouble::TroubleKind::{self, *};
use longshore::outside::Trouble;
use longshore::outside::imagekit::{Cdn, ImageKit, ImageKitOptions, Stored, Upload};
use longshore::outside::spool::Spool;
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use super::*;
use crate::support::pictures::jpeg;
use crate::support::raw_http::{Asked, Taking, head};

const CONFLICT: &str = "A file with the same name already exists at the exact location. We could not overwrite it \
                        because both overwriteFile and useUniqueFileName are set to false.";

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
    assert_eq!(stored, Stored::Now(cdn_file(&server, "/venues/the-pub/x.jpg")));

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
            ("responseFields", "tags,isPrivateFile,isPublished"),
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
async fn e7_bytes_that_change_while_they_are_sent_are_not_sent_whole() {
    // More than the kernel keeps on the way, so that the last of them are read while the server still takes the first.
    let bench = Bench::with(&vec![7; 24_000_000]).await;
    let server = RawServer::start_taking(Taking::Slowly(30), |_| json(200, file_json("/x/y.jpg"))).await;
    let client = client(&server);
    let change = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let path = bench.spool.dir().join(bench.upload.hash.to_string());
        let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.seek(SeekFrom::End(-1)).unwrap();
        file.write_all(&[8]).unwrap();
    };
    let (stored, ()) = tokio::join!(bench.upload(&client), change);
    assert_eq!(stored.unwrap_err().kind, Network);
    assert_eq!(server.asked().len(), 0, "no whole request came");
    assert_eq!(bench.upload(&client).await, Ok(Stored::NotSpooled), "it is fetched again");
}
