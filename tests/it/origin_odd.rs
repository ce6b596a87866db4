//! Origins that answer oddly, where browsers do not mind: each is taken as browsers take it, or refused for good.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ledger::ids::ContentHash;
use ledger::trouble::TroubleKind::{self, *};
use longshore::outside::Trouble;
use longshore::outside::origin::{Fetched, HttpOrigin, Origin, OriginOptions};
use longshore::outside::probe::{Accept, Ask, Reading, Seen};
use longshore::outside::spool::Spool;

use crate::support::pictures::*;
use crate::support::raw_http::{Act, RawServer, answer, head};

/// What becomes of one answer: when it is fetched, looked at, and asked for its size.
struct Taken {
    fetched: Result<Fetched, Trouble>,
    seen: Result<Seen, Trouble>,
    size: Result<Option<u64>, Trouble>,
}

async fn take_from(server: &RawServer, path: &str, bytes_max: u64) -> Taken {
    let dir = tempfile::tempdir().unwrap();
    let origin = HttpOrigin::new(OriginOptions { bytes_max, ..OriginOptions::new(server.base()) }).unwrap();
    let ask = Ask { accept: Accept::Modern, site: None, reading: Reading::Check, bytes_max };
    let url = server.url(path);
    let fetched = origin.fetch(&url, &Spool::open(dir.path()).unwrap()).await;
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, usize::from(fetched.is_ok()), "what was not taken leaves nothing");
    Taken { fetched, seen: origin.probe(&url, &ask).await, size: origin.size(&url).await }
}

async fn take(answer: Vec<Act>) -> Taken {
    let server = RawServer::start(move |asked| match (asked.method.as_str(), &answer[..]) {
        // The head alone, as servers answer to HEAD.
        ("HEAD", [Act::Say(bytes), ..]) => {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
            let end = end.or(bytes.windows(2).position(|two| two == b"\n\n").map(|at| at + 2));
            vec![Act::Say(bytes[..end.unwrap()].to_vec())]
        }
        (_, acts) => acts.to_vec(),
    })
    .await;
    take_from(&server, "/a.jpg", 1_000_000).await
}

/// Sees that an answer was taken for this picture, in all three ways.
#[track_caller]
fn is_taken(what: &str, taken: &Taken, picture: &[u8]) {
    let fetched = taken.fetched.as_ref().unwrap_or_else(|trouble| panic!("{what}: {trouble}"));
    assert_eq!((fetched.hash, fetched.bytes), (ContentHash::of(picture), picture.len() as u64), "{what}");
    let seen = taken.seen.as_ref().unwrap_or_else(|trouble| panic!("{what}: {trouble}"));
    assert!(seen.picture.is_ok() && seen.flaw.is_none() && seen.status == 200, "{what}: {seen:?}");
    assert_eq!(
        (seen.hash, seen.bytes),
        (Some(ContentHash::of(picture)), Some(picture.len() as u64)),
        "{what}"
    );
    let size = taken.size.clone().unwrap_or_else(|trouble| panic!("{what}: {trouble}"));
    assert!(size.is_none_or(|size| size == picture.len() as u64), "{what}: {size:?}");
}

#[track_caller]
fn is_refused(what: &str, taken: &Taken, kind: TroubleKind, words: &str) {
    let trouble = taken.fetched.as_ref().expect_err(what);
    assert_eq!((trouble.kind, trouble.outage), (kind, false), "{what}: {trouble}");
    assert!(trouble.message.contains(words), "{what}: {trouble}");
    // A look says the same in its own way, or finds no answer to look at.
    let is_fine = taken.seen.as_ref().is_ok_and(|seen| {
        seen.status == 200 && seen.picture.is_ok() && seen.flaw.is_none() && !seen.is_too_large
    });
    assert!(!is_fine, "{what}: {:?}", taken.seen);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A picture that compresses well: an uncompressed one's bytes are mostly zeros.
fn padded(bytes: usize) -> Vec<u8> {
    let mut picture = jpeg(64, 48);
    picture.resize(bytes, 0);
    picture
}

#[tokio::test]
async fn s2_a_coding_that_no_browser_knows_is_passed_over() {
    let picture = jpeg(60, 40);
    for coding in [
        "",
        "binary",
        "utf-8",
        "UTF-8",
        "none",
        "identity",
        "aws-chunked",
        "base64",
        "8bit",
        "x-odd, binary",
        ",",
    ] {
        let taken = take(answer(200, &[("content-encoding", coding)], &picture)).await;
        is_taken(coding, &taken, &picture);
        assert_eq!(
            taken.size.unwrap(),
            Some(picture.len() as u64),
            "{coding}: the length is that of the file"
        );
    }
    let signed =
        [b"8000;chunk-signature=ad80c730\r\n".as_slice(), &picture, b"\r\n0;chunk-signature=b681\r\n\r\n"];
    let taken = take(answer(200, &[("content-encoding", "aws-chunked")], &signed.concat())).await;
    is_refused("in chunks for real", &taken, InvalidImage, "format is unknown");
}

#[tokio::test]
async fn s2_a_compressed_body_is_decompressed_as_it_comes() {
    let picture = padded(700_000);
    let raw = jpeg(300, 200);
    for (coding, body, picture) in [
        ("gzip", gzip(&picture), &picture),
        ("GZip", gzip(&raw), &raw),
        ("x-gzip", gzip(&raw), &raw),
        ("deflate", zlib(&picture), &picture),
        ("deflate", deflate(&raw), &raw),
        ("aws-chunked,gzip", gzip(&raw), &raw),
        ("gzip, utf-8", gzip(&raw), &raw),
        ("gzip, gzip", gzip(&gzip(&picture)), &picture),
        ("deflate, gzip", gzip(&zlib(&raw)), &raw),
    ] {
        let taken = take(answer(200, &[("content-encoding", coding)], &body)).await;
        is_taken(coding, &taken, picture);
        assert_eq!(taken.size.unwrap(), None, "{coding}: the length on the way says nothing");
    }
    let twice = [("content-encoding", "deflate"), ("content-encoding", "gzip")];
    is_taken("two lines", &take(answer(200, &twice, &gzip(&zlib(&raw)))).await, &raw);
    // A byte at a time, without a length, and with something behind the end, which browsers pass over.
    let packed = gzip(&raw);
    let mut acts = vec![Act::Say(head(200, &[("content-encoding", "gzip")]).into())];
    acts.extend(packed[..40].iter().map(|byte| Act::Say(vec![*byte])));
    acts.push(Act::Say([&packed[40..], b"\0\0padding", &gzip(b"another member")].concat()));
    is_taken("in pieces", &take(acts).await, &raw);
}

#[tokio::test]
async fn s2_a_compressed_body_that_is_damaged_or_not_understood_is_no_image() {
    let picture = jpeg(60, 40);
    let packed = gzip(&picture);
    let mut damaged = packed.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut flipped = packed.clone();
    flipped[200] ^= 0x55;
    for (what, coding, body, words) in [
        ("cut off", "gzip", &packed[..packed.len() / 2], "decompressed"),
        ("without its sum", "gzip", &packed[..packed.len() - 8], "decompressed"),
        ("another sum", "gzip", &damaged, "decompressed"),
        ("damaged inside", "gzip", &flipped, ""),
        ("not compressed at all", "gzip", &picture, "decompressed"),
        ("not compressed at all", "deflate", &picture, "decompressed"),
        ("compressed once, said to be twice", "gzip, gzip", &packed, "decompressed"),
        ("three times", "gzip, gzip, gzip", &gzip(&gzip(&packed)), "3 times"),
        ("HTML", "gzip", &gzip(b"<html>no</html>"), "HTML"),
        ("Brotli", "br", &picture, "compressed as br"),
        ("Zstandard", "utf-8, ZSTD", &picture, "compressed as zstd"),
        ("nothing", "gzip", b"", "empty"),
    ] {
        let taken = take(answer(200, &[("content-encoding", coding)], body)).await;
        is_refused(what, &taken, InvalidImage, words);
    }
    // A broken connection is one, whatever it carried.
    let length = (packed.len() + 1).to_string();
    let headers = [("content-encoding", "gzip"), ("content-length", length.as_str())];
    let short = vec![Act::Say([head(200, &headers).into_bytes(), packed].concat())];
    is_refused("shorter than announced", &take(short).await, Network, "broke");
}

#[tokio::test]
async fn s2_what_a_body_is_decompressed_to_is_bounded() {
    let bomb = padded(20_000_000);
    let server = RawServer::start(move |asked| {
        let coding = match asked.target.as_str() {
            "/twice" | "/filler" => "gzip, gzip",
            "/deflate" => "deflate",
            _ => "gzip",
        };
        let body = match asked.target.as_str() {
            "/twice" => gzip(&gzip(&bomb)),
            // The outer coding grows without bound, and the inner makes nothing of it.
            "/filler" => gzip(&[gzip(&[])[..10].to_vec(), [0, 0, 0, 0xff, 0xff].repeat(1_000_000)].concat()),
            "/deflate" => zlib(&bomb),
            "/fits" => gzip(&padded(1_000_000)),
            "/over" => gzip(&padded(1_000_001)),
            _ => gzip(&bomb),
        };
        answer(200, &[("content-encoding", coding)], &body)
    })
    .await;
    for path in ["/gzip", "/deflate", "/twice", "/filler", "/over"] {
        is_refused(path, &take_from(&server, path, 1_000_000).await, FileTooLarge, "1000000 bytes");
    }
    is_taken("to the byte", &take_from(&server, "/fits", 1_000_000).await, &padded(1_000_000));
}

#[tokio::test]
async fn s2_a_location_is_read_as_browsers_read_it() {
    let picture = jpeg(60, 40);
    for (location, asked_for) in [
        ("/bilder/Zürich Café.jpg".as_bytes(), "/bilder/Z%C3%BCrich%20Caf%C3%A9.jpg"),
        (b"/bilder/Z\xfcrich.jpg", "/bilder/Z%FCrich.jpg"),
        (b"b c.jpg", "/a/b%20c.jpg"),
        (b"  /spaces.jpg  ", "/spaces.jpg"),
        ("?größe=1 2".as_bytes(), "/a/?gr%C3%B6%C3%9Fe=1%202"),
        (b"../up.jpg", "/up.jpg"),
        (b"\\back\\slashes.jpg", "/back/slashes.jpg"),
        (b"/100%.jpg", "/100%.jpg"),
        (b"//HOST/protocol-relative.jpg", "/protocol-relative.jpg"),
        (b"http:/one-slash.jpg", "/one-slash.jpg"),
    ] {
        let (said, body) = (location.to_vec(), picture.clone());
        let server = RawServer::start(move |asked| match asked.target.as_str() {
            "/a/" => {
                let host = asked.header("host").unwrap().as_bytes();
                let at = said.windows(4).position(|four| four == b"HOST");
                let said = at.map_or(said.clone(), |at| [&said[..at], host, &said[at + 4..]].concat());
                let head = [
                    b"HTTP/1.1 302 X\r\nconnection: close\r\nlocation: ".to_vec(),
                    said,
                    b"\r\n\r\n".to_vec(),
                ];
                vec![Act::Say(head.concat())]
            }
            _ => answer(200, &[], &body),
        })
        .await;
        let what = String::from_utf8_lossy(location);
        is_taken(&what, &take_from(&server, "/a/", 1_000_000).await, &picture);
        assert_eq!(server.asked()[1].target, asked_for, "{what}");
    }
}

#[tokio::test]
async fn s2_twenty_redirects_are_followed_and_no_more() {
    let picture = jpeg(60, 40);
    let body = picture.clone();
    let server =
        RawServer::start(move |asked| match asked.target.trim_start_matches('/').parse::<u32>().unwrap() {
            0 => answer(200, &[], &body),
            left => answer(302, &[("location", &(left - 1).to_string())], b""),
        })
        .await;
    for few in ["/6", "/20"] {
        is_taken(few, &take_from(&server, few, 1_000_000).await, &picture);
    }
    is_refused("21", &take_from(&server, "/21", 1_000_000).await, OriginError, "more than 20 redirects");
}

#[tokio::test]
async fn s2_the_twentieth_redirect_is_checked_like_the_first() {
    let server =
        RawServer::start(|asked| match asked.target.trim_start_matches('/').parse::<u32>().unwrap() {
            1 => answer(302, &[("location", "http://169.254.169.254/latest/meta-data")], b""),
            left => answer(302, &[("location", &(left - 1).to_string())], b""),
        })
        .await;
    is_refused("20", &take_from(&server, "/20", 1_000_000).await, ForbiddenUrl, "redirect");
}

#[tokio::test]
async fn s2_a_head_that_is_not_quite_http_is_read_as_browsers_read_it() {
    let picture = jpeg(60, 40);
    let length = picture.len();
    let many = "x-meta: value\r\n".repeat(900);
    for (what, lines) in [
        ("a space before the colon", format!("content-length : {length}\r\ncontent-type\t: image/jpeg\r\n")),
        ("a folded line", format!("x-note: one\r\n two\r\n\tthree\r\ncontent-length: {length}\r\n")),
        ("an empty folded line", format!("x-note:\r\n  \r\ncontent-length: {length}\r\n")),
        ("an odd name", format!("x(odd)@name: 1\r\ncontent-length: {length}\r\n")),
        ("a name beyond ASCII", format!("x-größe: 1\r\ncontent-length: {length}\r\n")),
        ("a line without a colon", format!("nonsense\r\ncontent-length: {length}\r\n")),
        ("no name", format!(": nothing\r\ncontent-length: {length}\r\n")),
        ("a space first", format!(" x-first: 1\r\ncontent-length: {length}\r\n")),
        ("a value beyond ASCII", format!("x-note: größe\r\ncontent-length: {length}\r\n")),
        ("many lines", format!("{many}content-length: {length}\r\n")),
        ("its length twice", format!("content-length: {length}\r\ncontent-length: {length}\r\n")),
        ("its length twice in a line", format!("content-length: {length}, {length}\r\n")),
        ("no length", String::new()),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{lines}\r\n");
        let taken = take(vec![Act::Say([head.into_bytes(), picture.clone()].concat())]).await;
        is_taken(what, &taken, &picture);
    }
    for (what, head) in [
        ("a status without words", &b"HTTP/1.1 200\r\nconnection: close\r\n\r\n"[..]),
        ("line feeds alone", b"HTTP/1.1 200 OK\nconnection: close\n\n"),
    ] {
        is_taken(what, &take(vec![Act::Say([head, &picture].concat())]).await, &picture);
    }
    // What is still refused: the docs say so.
    for (what, lines) in [
        ("two lengths", "content-length: 9\r\ncontent-length: 10\r\n".to_owned()),
        ("a length that is no number", "content-length: ten\r\n".to_owned()),
        ("a NUL", "x-note: a\0b\r\n".to_owned()),
        ("too many lines", "x-meta: value\r\n".repeat(1_001)),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{lines}\r\n");
        let taken = take(vec![Act::Say([head.into_bytes(), picture.clone()].concat())]).await;
        is_refused(what, &taken, Network, "");
    }
}

#[tokio::test]
async fn s2_a_status_that_carries_the_whole_file_is_taken() {
    let picture = jpeg(60, 40);
    let range = format!("bytes 0-{}/{}", picture.len() - 1, picture.len());
    is_taken("203", &take(answer(203, &[], &picture)).await, &picture);
    is_taken("206 of all", &take(answer(206, &[("content-range", &range)], &picture)).await, &picture);
    let part = format!("bytes 0-{}/{}", picture.len() - 1, picture.len() + 1);
    for range in [part.as_str(), "bytes 0-99/*", "pages 0-1/2"] {
        is_refused(
            range,
            &take(answer(206, &[("content-range", range)], &picture)).await,
            OriginError,
            "206",
        );
    }
    is_refused("206 without a range", &take(answer(206, &[], &picture)).await, OriginError, "206");
}
