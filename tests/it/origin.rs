//! The origin's client against servers that lie, stall, redirect and send what is no image.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use image::ImageFormat;
use ledger::ids::{ContentHash, Format};
use ledger::trouble::TroubleKind::{self, *};
use longshore::outside::Trouble;
use longshore::outside::origin::{Fetched, HttpOrigin, Origin, OriginOptions};
use longshore::outside::spool::Spool;
use tempfile::TempDir;

use crate::support::pictures::*;
use crate::support::raw_http::{Act, RawServer, answer, head};

/// An origin client on a server, with a short patience and a spool of its own.
struct Bench {
    origin: HttpOrigin,
    spool: Spool,
    dir: TempDir,
}

impl Bench {
    fn new(options: OriginOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (origin, spool) = (HttpOrigin::new(options).unwrap(), Spool::open(dir.path()).unwrap());
        Self { origin, spool, dir }
    }
    fn on(server: &RawServer) -> Self {
        Self::new(OriginOptions::new(server.base()))
    }
    fn hasty(server: &RawServer) -> Self {
        Self::new(OriginOptions { idle: Duration::from_millis(300), ..OriginOptions::new(server.base()) })
    }
    async fn fetch(&self, url: &str) -> Result<Fetched, Trouble> {
        self.origin.fetch(url, &self.spool).await
    }
    /// The trouble a URL makes; nothing may be left of it in the spool.
    async fn trouble(&self, url: &str) -> Trouble {
        let trouble = self.fetch(url).await.unwrap_err();
        assert_eq!(std::fs::read_dir(self.dir.path()).unwrap().count(), 0, "{trouble}");
        trouble
    }
}

/// What becomes of these bytes when a server hands them out truthfully.
async fn fetch_bytes(bytes: &[u8]) -> Result<Fetched, Trouble> {
    let body = bytes.to_vec();
    let server = RawServer::start(move |_| answer(200, &[], &body)).await;
    Bench::on(&server).fetch(&server.url("/a.jpg")).await
}

async fn trouble_of(script: Vec<Act>) -> Trouble {
    let server = RawServer::start(move |_| script.clone()).await;
    Bench::hasty(&server).trouble(&server.url("/a.jpg?sig=s3cret")).await
}

#[tokio::test]
async fn c4_every_format_is_known_by_its_content() {
    let cases: [(Vec<u8>, Format, u32, u32); 10] = [
        (jpeg(31, 17), Format::Jpeg, 31, 17),
        (picture(31, 17, ImageFormat::Png), Format::Png, 31, 17),
        (picture(31, 17, ImageFormat::WebP), Format::Webp, 31, 17),
        (animated_gif(31, 17, 4), Format::Gif, 31, 17),
        (CMYK_JPEG.to_vec(), Format::Jpeg, 24, 16),
        (PROGRESSIVE_JPEG.to_vec(), Format::Jpeg, 160, 120),
        (rotated_jpeg(31, 17), Format::Jpeg, 31, 17),
        (LOSSY_WEBP.to_vec(), Format::Webp, 40, 30),
        (ANIMATED_WEBP.to_vec(), Format::Webp, 20, 10),
        (ANIMATED_PNG.to_vec(), Format::Png, 20, 10),
    ];
    for (bytes, format, width, height) in cases {
        let hash = ContentHash::of(&bytes);
        let fetched = Fetched { hash, bytes: bytes.len() as u64, format, width, height };
        assert_eq!(fetch_bytes(&bytes).await, Ok(fetched));
    }
}

#[tokio::test]
async fn c4_what_was_fetched_lies_in_the_spool() {
    let bytes = jpeg(300, 200);
    let body = bytes.clone();
    let server = RawServer::start(move |_| answer(200, &[("content-type", "image/jpeg")], &body)).await;
    let bench = Bench::on(&server);
    let fetched = bench.fetch(&server.url("/a.jpg")).await.unwrap();
    assert_eq!(std::fs::read(bench.dir.path().join(fetched.hash.to_string())).unwrap(), bytes);
    assert!(bench.spool.open_checked(&fetched.hash, fetched.bytes).await.unwrap().is_some());
    let asked = &server.asked()[0];
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    assert!(asked.header("user-agent").unwrap().starts_with("longshore/"));
}

#[tokio::test]
async fn e7_bytes_that_the_disk_changes_are_no_fault_of_the_picture() {
    let bytes = jpeg(300, 200);
    let (first, last) = bytes.split_at(bytes.len() / 2);
    let length = bytes.len().to_string();
    let begun = [head(200, &[("content-length", &length)]).into_bytes(), first.to_vec()].concat();
    let script = vec![Act::Say(begun), Act::Pause(300), Act::Say(last.to_vec())];
    let server = RawServer::start(move |_| script.clone()).await;
    let (bench, url) = (Bench::on(&server), server.url("/a.jpg"));
    let change = async {
        let draft = loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let draft = std::fs::read_dir(bench.dir.path()).unwrap().next().map(|file| file.unwrap().path());
            if let Some(draft) = draft.filter(|draft| draft.metadata().unwrap().len() > 100) {
                break draft;
            }
        };
        let zeros = std::fs::read(&draft).unwrap().len();
        std::fs::write(&draft, vec![0; zeros]).unwrap();
    };
    let (fetched, ()) = tokio::join!(bench.trouble(&url), change);
    assert!(fetched.is_here, "{fetched}");
}

#[tokio::test]
async fn e1_truncated_anywhere_is_no_image() {
    let pictures = [
        jpeg(200, 150),
        rotated_jpeg(64, 64),
        PROGRESSIVE_JPEG.to_vec(),
        CMYK_JPEG.to_vec(),
        picture(90, 70, ImageFormat::Png),
        picture(90, 70, ImageFormat::WebP),
        LOSSY_WEBP.to_vec(),
        ANIMATED_WEBP.to_vec(),
        ANIMATED_PNG.to_vec(),
        animated_gif(60, 40, 3),
    ];
    for bytes in pictures {
        // Only the last byte of a GIF, its trailer, tells nothing.
        let last = bytes.len() - usize::from(bytes.starts_with(b"GIF"));
        for end in (1..last).step_by(200.max(bytes.len() / 40)).chain([last - 1, last - 2]) {
            let result = fetch_bytes(&bytes[..end]).await;
            assert_eq!(result.map_err(|trouble| trouble.kind), Err(InvalidImage), "{end} of {}", bytes.len());
        }
        assert!(fetch_bytes(&bytes).await.is_ok());
        assert!(fetch_bytes(&bytes[..last]).await.is_ok());
    }
}

#[tokio::test]
async fn e1_damage_inside_is_no_image() {
    // The end marker is there, part of the scan before it is not: grey rows in a careless viewer.
    let closed_again = |mut bytes: Vec<u8>, keep: usize| {
        bytes.truncate(keep);
        bytes.extend([0xff, 0xd9]);
        bytes
    };
    for bytes in [jpeg(200, 150), PROGRESSIVE_JPEG.to_vec()] {
        for missing in [60, 400, bytes.len() / 3] {
            let trouble = fetch_bytes(&closed_again(bytes.clone(), bytes.len() - missing)).await.unwrap_err();
            assert_eq!(trouble.kind, InvalidImage, "{missing}");
        }
    }
    let mut flipped = picture(90, 70, ImageFormat::Png);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    assert_eq!(fetch_bytes(&flipped).await.unwrap_err().kind, InvalidImage);
}

#[tokio::test]
async fn c4_bytes_behind_the_end_are_accepted_as_browsers_do() {
    for mut bytes in
        [jpeg(40, 30), picture(40, 30, ImageFormat::Png), animated_gif(9, 9, 2), LOSSY_WEBP.to_vec()]
    {
        bytes.extend(b"\0\0a video, padding, a depth map\xff\xd8\xff");
        let hash = ContentHash::of(&bytes);
        assert_eq!(fetch_bytes(&bytes).await.unwrap().hash, hash);
    }
}

#[tokio::test]
async fn e1_what_is_no_image_is_told_by_name() {
    let html = format!("\n<!DOCTYPE html><html>{}</html>", "<p>sorry</p>".repeat(500));
    for (bytes, word) in [
        (html.as_bytes(), "HTML"),
        (b"<svg xmlns='x'/>", "markup"),
        (b"", "empty"),
        (b"x", "format is unknown"),
        (b"%PDF-1.7 and so on", "pdf"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "avif"),
        (b"BM\x1a\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0", "bmp"),
        (b"\xff\xd8\xff", "decode"),
        (b"\x89PNG\r\n\x1a\n", "decode"),
        (b"GIF89a", "decode"),
        (b"RIFF\x04\0\0\0WEBP", "decode"),
    ] {
        let trouble = fetch_bytes(bytes).await.unwrap_err();
        assert_eq!(trouble.kind, InvalidImage, "{word}");
        assert!(trouble.message.contains(word), "{trouble}");
    }
}

#[tokio::test]
async fn e1_html_is_refused_before_it_is_read() {
    let first = format!("{}<html><body>", head(200, &[("content-length", "20000000")]));
    let trouble = trouble_of(vec![Act::Say(first.into()), Act::Say(vec![b'x'; 600]), Act::Hang]).await;
    assert_eq!(trouble.kind, InvalidImage, "{trouble}");
}

#[tokio::test]
async fn e1_too_many_pixels_are_no_image() {
    for (width, height) in [(30_000, 30_000), (100_000_001, 1), (10_001, 10_000)] {
        let trouble = fetch_bytes(&png_claiming(width, height)).await.unwrap_err();
        assert_eq!(trouble.kind, InvalidImage);
        assert!(trouble.message.contains(&width.to_string()), "{trouble}");
    }
    let trouble = fetch_bytes(&png_claiming(9_000, 9_000)).await.unwrap_err();
    assert!(trouble.message.contains("decode"), "an allowed claim is put to the proof: {trouble}");
}

#[tokio::test]
async fn s2_sizes_are_bounded_by_header_and_while_reading() {
    let limited = |server: &RawServer| {
        Bench::new(OriginOptions { bytes_max: 50_000, ..OriginOptions::new(server.base()) })
    };
    // The server never sends what it announces: the header is enough.
    let big =
        RawServer::start(|_| vec![Act::Say(head(200, &[("content-length", "50001")]).into()), Act::Hang])
            .await;
    assert_eq!(limited(&big).trouble(&big.url("/")).await.kind, FileTooLarge);

    let endless = RawServer::start(|_| {
        vec![Act::Say(head(200, &[]).into()), Act::Say(jpeg(64, 64)), Act::Repeat(vec![0; 1_000])]
    })
    .await;
    assert_eq!(limited(&endless).trouble(&endless.url("/")).await.kind, FileTooLarge);

    let mut exact = jpeg(64, 64);
    exact.resize(50_000, 0);
    let server = RawServer::start(move |_| answer(200, &[], &exact)).await;
    assert_eq!(limited(&server).fetch(&server.url("/")).await.unwrap().bytes, 50_000);
}

#[tokio::test]
async fn e1_lengths_that_lie_are_found_out() {
    let bytes = jpeg(64, 64);
    let say = |length: usize| {
        let head = head(200, &[("content-length", &length.to_string())]);
        vec![Act::Say([head.into_bytes(), bytes.clone()].concat())]
    };
    let trouble = trouble_of(say(bytes.len() + 1)).await;
    assert_eq!((trouble.kind, trouble.outage), (Network, false), "{trouble}");
    assert_eq!(trouble_of(say(bytes.len() - 10)).await.kind, InvalidImage);
    let trouble =
        trouble_of(vec![Act::Say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc".into())]);
    assert_eq!(trouble.await.kind, Network);
    assert_eq!(trouble_of(vec![]).await.kind, Network, "closed without a word");
    assert_eq!(trouble_of(vec![Act::Say(b"what?\r\n\r\n".into())]).await.kind, Network);
}

#[tokio::test]
async fn e1_stalls_time_out_and_trickles_do_not() {
    let bytes = jpeg(64, 64);
    let length = bytes.len().to_string();
    let start = Act::Say(head(200, &[("content-length", &length)]).into());
    for script in [
        vec![Act::Hang],
        vec![start.clone(), Act::Hang],
        vec![start.clone(), Act::Say(bytes[..900].into()), Act::Hang],
    ] {
        let trouble = trouble_of(script).await;
        assert_eq!((trouble.kind, trouble.outage), (Timeout, false), "{trouble}");
    }
    // Altogether slower than the patience for one step, but never still for that long.
    let mut script = vec![start];
    for piece in bytes.chunks(bytes.len().div_ceil(12)) {
        script.extend([Act::Pause(60), Act::Say(piece.into())]);
    }
    let server = RawServer::start(move |_| script.clone()).await;
    assert!(Bench::hasty(&server).fetch(&server.url("/")).await.is_ok());
}

#[tokio::test]
async fn e1_statuses_are_the_kinds_they_are() {
    let kinds: [(u16, TroubleKind); 13] = [
        (404, NotFound),
        (410, NotFound),
        (400, OriginDenied),
        (401, OriginDenied),
        (403, OriginDenied),
        (451, OriginDenied),
        (429, RateLimited),
        (500, OriginError),
        (503, OriginError),
        (204, OriginError),
        (206, OriginError),
        (304, OriginError),
        (300, OriginError),
    ];
    for (status, kind) in kinds {
        let trouble = trouble_of(answer(status, &[], b"")).await;
        assert_eq!(trouble.kind, kind, "{status}");
        assert!(
            !trouble.message.contains("s3cret") && trouble.message.contains(&status.to_string()),
            "{trouble}"
        );
        assert_eq!((trouble.wait, trouble.outage), (None, false));
    }
    let trouble = trouble_of(answer(429, &[("retry-after", "7")], b"")).await;
    assert_eq!((trouble.kind, trouble.wait), (RateLimited, Some(Duration::from_secs(7))));
    let busy = trouble_of(answer(503, &[("retry-after", "7")], b"")).await;
    assert_eq!((busy.kind, busy.wait), (RateLimited, Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn s2_redirects_are_checked_hop_by_hop() {
    let elsewhere = RawServer::start(|_| answer(200, &[], &jpeg(9, 9))).await;
    let port = elsewhere.address.port();
    for target in [
        elsewhere.url("/"),
        format!("http://localhost:{port}/"),
        "http://169.254.169.254/latest/meta-data?token=s3cret".to_owned(),
        "http://[::1]/".to_owned(),
        "http://evil.example/".to_owned(),
        "//evil.example/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let trouble = trouble_of(answer(302, &[("location", &target)], b"")).await;
        assert_eq!(trouble.kind, ForbiddenUrl, "{target}");
        assert!(!trouble.message.contains("s3cret"), "{trouble}");
    }
    assert_eq!(elsewhere.asked().len(), 0);
    assert_eq!(trouble_of(answer(302, &[], b"")).await.kind, OriginError);
    assert_eq!(trouble_of(answer(301, &[("location", "/again")], b"")).await.kind, OriginError, "for ever");

    let server = RawServer::start(|asked| match asked.target.as_str() {
        "/1" => answer(307, &[("location", "2")], b""),
        "/2" => answer(301, &[("location", "/3#part")], b""),
        _ => answer(200, &[], &jpeg(9, 9)),
    })
    .await;
    assert!(Bench::on(&server).fetch(&server.url("/1")).await.is_ok());
    let targets: Vec<String> = server.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets, ["/1", "/2", "/3"]);
}

#[tokio::test]
async fn s2_other_urls_are_not_fetched_at_all() {
    let server = RawServer::start(|_| answer(200, &[], &jpeg(9, 9))).await;
    let bench = Bench::on(&server);
    let at = server.address;
    for url in [
        format!("http://u:s3cret@{at}/"),
        format!("http://localhost:{}/", at.port()),
        format!("ftp://{at}/"),
        "http://127.0.0.1:1/".to_owned(),
        "/uploads/a.jpg".to_owned(),
        "\u{1b}]0;x".to_owned(),
        String::new(),
        // Longer than any request may be: there is nothing that could be tried again.
        server.url(&format!("/{}", "x".repeat(70_000))),
    ] {
        let trouble = bench.trouble(&url).await;
        assert_eq!(trouble.kind, ForbiddenUrl, "{url:.80}");
        assert!(!trouble.message.contains("s3cret") && !trouble.message.contains('\u{1b}'), "{trouble}");
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn s2_a_name_that_leads_to_a_private_address_is_not_connected_to() {
    let server = RawServer::start(|_| answer(200, &[], &jpeg(9, 9))).await;
    let port = server.address.port();
    let named = |name: &str, found: io::Result<Vec<IpAddr>>| {
        let found = found.map_err(|error| error.kind());
        let base = format!("http://{name}:{port}").parse().unwrap();
        let lookup = Arc::new(move |_: &str| found.clone().map_err(io::Error::from));
        Bench::new(OriginOptions { lookup, ..OriginOptions::new(base) })
    };
    let home: IpAddr = "127.0.0.1".parse().unwrap();
    let url = format!("http://images.example:{port}/?token=s3cret");
    let trouble =
        named("images.example", Ok(vec![home, "::ffff:10.0.0.1".parse().unwrap()])).trouble(&url).await;
    assert_eq!(trouble.kind, ForbiddenUrl);
    assert!(trouble.message.contains("images.example") && !trouble.message.contains("s3cret"), "{trouble}");
    assert_eq!(server.asked().len(), 0);

    let trouble = named("images.example", Err(io::ErrorKind::NotFound.into())).trouble(&url).await;
    assert_eq!((trouble.kind, trouble.outage), (Network, true), "{trouble}");

    let localhost = named("localhost", Ok(vec![home]));
    assert!(localhost.fetch(&format!("http://localhost:{port}/")).await.is_ok());
}

#[tokio::test]
async fn e3_a_refused_connection_is_an_outage() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let base: url::Url = format!("http://{gone}").parse().unwrap();
    let trouble =
        Bench::new(OriginOptions::new(base)).trouble(&format!("http://{gone}/a?token=s3cret")).await;
    assert_eq!((trouble.kind, trouble.outage), (Network, true));
    assert!(!trouble.message.contains("s3cret"), "{trouble}");
}

#[tokio::test]
async fn many_at_once_share_the_memory_for_checks() {
    let body = jpeg(2_000, 1_500);
    let server = RawServer::start(move |_| answer(200, &[], &body)).await;
    let bench = Bench::on(&server);
    let url = server.url("/");
    let all = futures_util::future::join_all((0..12).map(|_| bench.fetch(&url))).await;
    assert!(all.into_iter().all(|fetched| fetched.is_ok_and(|fetched| fetched.width == 2_000)));
    assert_eq!(std::fs::read_dir(bench.dir.path()).unwrap().count(), 1);
}
