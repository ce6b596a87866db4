//! What the delivery host serves.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use ledger::ids::ContentHash;
use ledger::trouble::TroubleKind::*;
use longshore::outside::imagekit::Cdn;

use super::*;
use crate::support::pictures::{jpeg, picture};
use crate::support::raw_http::head;

#[tokio::test]
async fn c4_delivery_is_an_image_or_not_served() {
    let png = picture(400, 300, image::ImageFormat::Png);
    // Made before, since making it takes longer than the client waits.
    let large = jpeg(600, 600);
    assert!(large.len() > 64 * 1024, "the large one says enough before it hangs");
    let server = RawServer::start(move |asked| match asked.target.as_str() {
        "/demo/fine" => answer(200, &[("content-type", "image/png")], &png),
        "/demo/avif" => {
            answer(200, &[("content-type", "image/avif")], b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf")
        }
        "/demo/large" => vec![
            Act::Say(head(200, &[("content-type", "image/jpeg"), ("content-length", "25000000")]).into()),
            Act::Say(large.clone()),
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
    for fine in ["fine", "avif", "large"] {
        assert_eq!(client.check_delivery(&server.url(&format!("/demo/{fine}"))).await, Ok(()), "{fine}");
    }
    let troubled =
        ["typed", "html", "untyped", "empty", "default", "limit", "moved", "500", "429", "missing"];
    for name in troubled {
        let trouble = client.check_delivery(&server.url(&format!("/demo/{name}"))).await.unwrap_err();
        // What says nothing of the file is not the file's trouble.
        let kind = match name {
            "500" => ApiError,
            "429" => RateLimited,
            _ => NotServed,
        };
        assert_eq!((trouble.kind, trouble.outage), (kind, false), "{name}");
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
    for elsewhere in ["/other/fine", "/demonstration/fine", "/demo/../other/fine", "/fine", "/"] {
        let url = server.url(elsewhere);
        assert_eq!(client.check_delivery(&url).await.unwrap_err().kind, NotServed, "{elsewhere}");
        assert_eq!(client.original_hash(&url, 1_000).await.unwrap_err().kind, NotServed, "{elsewhere}");
    }
    let other = RawServer::start(|_| answer(200, &[("content-type", "image/jpeg")], &jpeg(9, 9))).await;
    assert_eq!(client.check_delivery(&other.url("/demo/fine")).await.unwrap_err().kind, NotServed);
    assert_eq!((server.asked().len(), other.asked().len()), (before, 0));
}

#[tokio::test]
async fn c7_the_original_is_hashed_within_bounds() {
    let bytes = jpeg(300, 200);
    let (hash, length, body) = (ContentHash::of(&bytes), bytes.len() as u64, bytes.clone());
    let server = RawServer::start(move |asked| match asked.target.split('&').next().unwrap() {
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
    assert_eq!(trouble("/demo/a.jpg", length - 1).await, IntegrityMismatch);
    assert_eq!(trouble("/demo/endless", 100_000).await, IntegrityMismatch);
    assert_eq!(trouble("/demo/none", 100_000).await, NotServed);
    assert!(server.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[tokio::test]
async fn c4_the_original_is_read_past_caches() {
    // As the CDN does: whatever was asked for once is answered again as it was, and each new version is another picture.
    let (kept, version) = (Mutex::new(HashMap::new()), AtomicU32::new(0));
    let server = RawServer::start(move |asked| {
        let mut kept = kept.lock().unwrap();
        let new = || jpeg(9, 9 + version.fetch_add(1, Ordering::SeqCst));
        answer(200, &[("content-type", "image/jpeg")], kept.entry(asked.target.clone()).or_insert_with(new))
    })
    .await;
    let (client, url) = (client(&server), server.url("/demo/a.jpg"));
    for version in 0..3 {
        let hash = ContentHash::of(&jpeg(9, 9 + version));
        assert_eq!(client.original_hash(&url, 10_000).await, Ok(hash), "version {version}");
    }
    for asked in server.asked() {
        assert!(asked.target.starts_with("/demo/a.jpg?tr=orig-true&updatedAt="), "{}", asked.target);
    }
}

#[tokio::test]
async fn s2_what_imagekit_compresses_unasked_is_read_as_browsers_read_it() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    let image = ("content-type", "image/jpeg");
    let server = RawServer::start(move |asked| match asked.target.split('?').next().unwrap() {
        "/demo/203" => answer(203, &[image, ("content-encoding", "binary")], &jpeg(9, 9)),
        "/demo/gzip" => answer(200, &[image, ("content-encoding", "gzip")], &gzip(&jpeg(9, 9))),
        "/demo/not" => answer(200, &[image, ("content-encoding", "gzip")], &jpeg(9, 9)),
        "/demo/br" => answer(200, &[image, ("content-encoding", "br")], &jpeg(9, 9)),
        "/v1/files/br/details" => answer(200, &[("content-encoding", "br")], b"{}"),
        _ => {
            let file = file_json("/a/b.jpg").to_string();
            answer(200, &[("content-encoding", "gzip")], &gzip(file.as_bytes()))
        }
    })
    .await;
    let (client, url) = (client(&server), |name: &str| server.url(&format!("/demo/{name}")));
    for fine in ["203", "gzip"] {
        assert_eq!(client.check_delivery(&url(fine)).await, Ok(()), "{fine}");
    }
    assert_eq!(client.original_hash(&url("203"), 10_000).await, Ok(ContentHash::of(&jpeg(9, 9))));
    let compressed = client.original_hash(&url("gzip"), 10_000).await.unwrap_err();
    assert!(compressed.kind == NotServed && compressed.message.contains("compressed"), "{compressed}");
    for odd in ["not", "br"] {
        assert_eq!(client.check_delivery(&url(odd)).await.unwrap_err().kind, NotServed, "{odd}");
        assert_eq!(client.original_hash(&url(odd), 10_000).await.unwrap_err().kind, NotServed, "{odd}");
    }
    assert_eq!(client.details(&id(ID)).await, Ok(Some(cdn_file(&server, "/a/b.jpg"))));
    let odd = client.details(&id("br")).await.unwrap_err();
    assert!(odd.kind == ApiError && odd.message.contains("compressed as br"), "{odd}");
}
