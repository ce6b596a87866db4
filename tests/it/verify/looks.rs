//! One look at a time, at servers that lie, stall and go on for ever.

use std::time::Duration;

use ledger::ids::ContentHash;
use ledger::trouble::TroubleKind::{self, *};
use longshore::outside::imagekit::{Cdn, ImageKit, ImageKitOptions};
use longshore::outside::origin::{HttpOrigin, Origin, OriginOptions};
use longshore::outside::probe::{Accept, Ask, Reading, Seen};

use crate::support::pictures::{jpeg, picture};
use crate::support::raw_http::{Act, RawServer, answer, head};

const BYTES_MAX: u64 = 1_000_000;

fn ask(accept: Accept, reading: Reading) -> Ask<'static> {
    Ask { accept, site: Some("https://example.com"), reading, bytes_max: BYTES_MAX }
}

fn origin(server: &RawServer) -> HttpOrigin {
    let options = OriginOptions::new(server.base());
    HttpOrigin::new(OriginOptions { idle: Duration::from_millis(400), ..options }).unwrap()
}

fn cdn(server: &RawServer) -> ImageKit {
    let endpoint = server.url("/demo").parse().unwrap();
    let options = ImageKitOptions::new("private_key", endpoint, server.base(), server.base());
    ImageKit::new(ImageKitOptions { idle: Duration::from_millis(400), ..options }).unwrap()
}

/// A JPEG's beginning with a camera's own segments before its header, as long as a few hundred kilobytes.
fn late_header(jpeg: &[u8]) -> Vec<u8> {
    let segment = [&[0xff, 0xe5, 0xff, 0xff][..], &[0; 0xfffd]].concat();
    [&jpeg[..2], &segment.repeat(4), &jpeg[2..]].concat()
}

async fn world() -> RawServer {
    let image = ("content-type", "Image/JPEG; q=1");
    RawServer::start(move |asked| match asked.target.split('?').next().unwrap() {
        "/demo/fine" => answer(200, &[image, ("access-control-allow-origin", "*")], &jpeg(60, 40)),
        "/demo/late" => answer(200, &[image], &late_header(&jpeg(60, 40))),
        "/demo/stalls" => {
            vec![
                Act::Say(head(200, &[image, ("content-length", "900000")]).into()),
                Act::Say(jpeg(60, 40)),
                Act::Hang,
            ]
        }
        "/demo/unannounced" => vec![Act::Say(head(200, &[image]).into()), Act::Say(jpeg(60, 40))],
        "/demo/endless" => {
            vec![Act::Say(head(200, &[image]).into()), Act::Say(jpeg(60, 40)), Act::Repeat(vec![0; 65_536])]
        }
        "/demo/announced" => {
            vec![
                Act::Say(head(200, &[image, ("content-length", "9000000")]).into()),
                Act::Say(jpeg(60, 40)),
                Act::Hang,
            ]
        }
        "/demo/packed" => answer(200, &[image, ("content-encoding", "gzip")], &jpeg(60, 40)),
        "/demo/avif" => {
            answer(200, &[("content-type", "image/avif")], b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf")
        }
        "/demo/html" => answer(200, &[image], b"<html>"),
        "/demo/empty" => answer(200, &[image], b""),
        "/demo/excused" => answer(404, &[("ik-error", "ENOENT - no\u{202e} file")], b"Not Found"),
        "/demo/429" => answer(429, &[("retry-after", "3"), ("x-ratelimit-reset", "1500")], b""),
        "/demo/503" => answer(503, &[], b""),
        _ => vec![Act::Hang],
    })
    .await
}

#[tokio::test]
async fn c7_a_look_reads_no_more_than_it_needs() {
    let server = world().await;
    let look = async |path: &str, reading| -> Seen {
        let asked = ask(Accept::Modern, reading);
        origin(&server).probe(&server.url(&format!("/demo/{path}")), &asked).await.unwrap()
    };
    let bytes = jpeg(60, 40);
    for path in ["fine", "late", "stalls", "unannounced"] {
        let seen = look(path, Reading::Header).await;
        assert_eq!(seen.picture.unwrap().size, Some((60, 40)), "{path}");
        assert_eq!((seen.status, seen.is_too_large, seen.hash), (200, false, None), "{path}");
        assert_eq!(seen.media_type.as_deref(), Some("image/jpeg"));
    }
    assert_eq!(look("stalls", Reading::Header).await.bytes, Some(900_000));
    assert_eq!(look("unannounced", Reading::Header).await.bytes, Some(bytes.len() as u64));
    assert_eq!(look("fine", Reading::Hash).await.hash, Some(ContentHash::of(&bytes)));
    for reading in [Reading::Header, Reading::Hash, Reading::Check] {
        assert!(look("announced", reading).await.is_too_large, "by its header alone, {reading:?}");
        assert!(look("endless", reading).await.is_too_large, "by counting, {reading:?}");
    }
    assert_eq!(look("fine", Reading::Check).await.flaw, None);
    let asked = server.asked();
    assert!(asked.iter().all(|asked| asked.header("origin") == Some("https://example.com")));
    assert!(asked.iter().all(|asked| asked.header("accept-encoding") == Some("identity")));
}

#[tokio::test]
async fn c7_what_is_no_picture_is_said_in_words() {
    let server = world().await;
    let look = async |path: &str| {
        let asked = ask(Accept::Old, Reading::Header);
        cdn(&server).probe(&server.url(&format!("/demo/{path}")), Some("w-30"), &asked).await.unwrap()
    };
    for (path, words) in [("packed", "decompressed"), ("html", "HTML"), ("empty", "empty")] {
        let why = look(path).await.picture.unwrap_err();
        assert!(why.contains(words), "{path}: {why}");
    }
    let avif = look("avif").await.picture.unwrap();
    assert_eq!((avif.media_type, avif.size), ("image/avif", None));
    let excused = look("excused").await;
    assert_eq!((excused.status, excused.excuse.as_deref()), (404, Some("ENOENT - no file")));
    let asked = server.asked();
    assert!(asked.iter().all(|asked| asked.param("tr").as_deref() == Some("w-30")));
    assert!(asked.iter().all(|asked| asked.header("authorization").is_none()), "the key is not for delivery");
    assert!(!asked[0].header("accept").unwrap().contains('*'), "behind a star a modern format might hide");
}

#[tokio::test]
async fn c7_what_is_no_answer_is_trouble() {
    let server = world().await;
    let asked = ask(Accept::Modern, Reading::Hash);
    let url = |path: &str| server.url(&format!("/demo/{path}"));
    let is = |trouble: longshore::outside::Trouble, kind: TroubleKind, wait_ms: Option<u64>| {
        assert_eq!((trouble.kind, trouble.wait), (kind, wait_ms.map(Duration::from_millis)), "{trouble}");
    };
    let (origin, cdn) = (origin(&server), cdn(&server));
    is(origin.probe(&url("429"), &asked).await.unwrap_err(), RateLimited, Some(3_000));
    is(cdn.probe(&url("429"), None, &asked).await.unwrap_err(), RateLimited, Some(1_500));
    is(origin.probe(&url("503"), &asked).await.unwrap_err(), OriginError, None);
    is(cdn.probe(&url("503"), None, &asked).await.unwrap_err(), ApiError, None);
    is(origin.probe(&url("silent"), &asked).await.unwrap_err(), Timeout, None);
    is(cdn.probe(&url("stalls"), None, &asked).await.unwrap_err(), Timeout, None);
    let before = server.asked().len();
    for elsewhere in ["/other/x.jpg", "/demonstration/x.jpg", "/demo/../v1/files", "/demo/x.jpg?tr=w-1"] {
        is(cdn.probe(&server.url(elsewhere), None, &asked).await.unwrap_err(), ForbiddenUrl, None);
    }
    is(cdn.probe("http://169.254.169.254/demo/x", None, &asked).await.unwrap_err(), ForbiddenUrl, None);
    is(origin.probe("http://169.254.169.254/demo/x", &asked).await.unwrap_err(), ForbiddenUrl, None);
    assert_eq!(server.asked().len(), before, "nobody was asked");
}

#[tokio::test]
async fn c7_every_format_shows_its_sides() {
    let formats = [
        image::ImageFormat::Jpeg,
        image::ImageFormat::Png,
        image::ImageFormat::Gif,
        image::ImageFormat::WebP,
    ];
    for format in formats {
        let bytes = picture(70, 30, format);
        let server = RawServer::start(move |_| answer(200, &[("content-type", "image/x")], &bytes)).await;
        let asked = ask(Accept::Modern, Reading::Check);
        let seen = origin(&server).probe(&server.url("/x"), &asked).await.unwrap();
        let shape = seen.picture.unwrap();
        assert_eq!((shape.media_type, shape.size), (format.to_mime_type(), Some((70, 30))));
        assert_eq!(seen.flaw, None, "{format:?}");
    }
}

#[tokio::test]
async fn s2_slow_answers_of_unknown_length_keep_no_others_waiting() {
    const LARGEST: u64 = 25_000_000;
    // Comments enough for three megabytes.
    let large = [&jpeg(60, 40)[..2], &[&b"\xff\xfe\xff\xff"[..], &[7; 0xfffd]].concat().repeat(46)].concat();
    let large = [large, jpeg(60, 40)[2..].to_vec()].concat();
    let body = large.clone();
    let server = RawServer::start(move |asked| match asked.target.as_str() {
        "/slow" => {
            let mut acts = vec![Act::Say(head(200, &[]).into()), Act::Say(jpeg(60, 40))];
            (0..100).for_each(|_| acts.extend([Act::Pause(200), Act::Say(vec![0])]));
            acts
        }
        "/large" => vec![Act::Say(head(200, &[]).into()), Act::Say(body.clone())],
        "/endless" => {
            vec![Act::Say(head(200, &[]).into()), Act::Say(jpeg(60, 40)), Act::Repeat(vec![0; 65_536])]
        }
        _ => answer(200, &[], &jpeg(60, 40)),
    })
    .await;
    let origin = origin(&server);
    let ask = Ask { bytes_max: LARGEST, ..ask(Accept::Modern, Reading::Check) };
    let urls = ["/slow", "/quick", "/large"].map(|path| server.url(path));
    let mut slow = Box::pin(futures_util::future::join_all((0..32).map(|_| origin.probe(&urls[0], &ask))));
    let others = async {
        for url in urls[1..].iter().cycle().take(8) {
            let seen = origin.probe(url, &ask).await.unwrap();
            assert_eq!((seen.flaw, seen.is_too_large), (None, false), "{url}");
        }
    };
    // Several that grow at the same time, and beyond all bounds, come to an end as well.
    let url = server.url("/endless");
    let endless = futures_util::future::join_all((0..12).map(|_| origin.probe(&url, &ask)));
    let endless = tokio::time::timeout(Duration::from_secs(60), endless).await.expect("no deadlock");
    assert!(endless.into_iter().all(|seen| seen.unwrap().is_too_large));
    tokio::select! {
        seen = &mut slow => panic!("the slow ones were first: {seen:?}"),
        () = others => {}
    }
}
