//! Answers that come and never end: each of them has a time altogether and a size (rule S2), and a slow line gets there.

use std::future::Future;
use std::time::Duration;

use ledger::ids::{CdnPath, ContentHash, Format, VenueId};
use ledger::trouble::TroubleKind::*;
use longshore::outside::imagekit::{Cdn, Upload};
use longshore::outside::probe::{Accept, Ask, Reading};
use longshore::outside::spool::Spool;

use super::*;
use crate::support::pictures::jpeg;
use crate::support::raw_http::head;

/// A client for which half a second of standing still is too much, and a second altogether.
fn hurried(server: &RawServer) -> ImageKit {
    let (idle, whole) = (Duration::from_millis(500), Duration::from_millis(1_000));
    ImageKit::new(ImageKitOptions { idle, whole, ..options(server) }).unwrap()
}

/// A body that comes a byte at a time, for half a minute.
fn trickle(first: &[u8]) -> Vec<Act> {
    let mut acts =
        vec![Act::Say(head(200, &[("content-type", "image/jpeg")]).into()), Act::Say(first.to_vec())];
    acts.extend((0..300).flat_map(|_| [Act::Pause(100), Act::Say(vec![b' '])]));
    acts
}

/// Sees that a request ends long before the server does, as a stall does.
#[track_caller]
fn is_late<T>(what: &str, asked: Result<Result<T, Trouble>, tokio::time::error::Elapsed>) {
    let ended = asked.unwrap_or_else(|_| panic!("{what} does not end"));
    let trouble = ended.err().unwrap_or_else(|| panic!("{what} is taken"));
    assert_eq!((trouble.kind, trouble.outage), (Timeout, false), "{what}: {trouble}");
    assert!(trouble.message.contains("bytes in"), "{what}: {trouble}");
}

async fn bounded<T>(asked: impl Future<Output = T>) -> Result<T, tokio::time::error::Elapsed> {
    tokio::time::timeout(Duration::from_secs(15), asked).await
}

#[tokio::test]
async fn s2_an_answer_that_trickles_is_given_up() {
    let picture = jpeg(9, 9);
    let server = RawServer::start(move |asked| match asked.target.as_str() {
        target if target.starts_with("/demo") => trickle(&picture[..200]),
        target if target.contains("/none") => {
            let mut acts = trickle(b"{");
            acts[0] = Act::Say(head(404, &[]).into());
            acts
        }
        _ => trickle(b"["),
    })
    .await;
    let client = hurried(&server);
    let (file, tags) = (id(ID), ["a".to_owned()]);
    is_late("a page", bounded(client.list("/venues", 0, 1_000)).await);
    is_late("a search", bounded(client.find(&"/venues/a/a.jpg".parse().unwrap())).await);
    is_late("details", bounded(client.details(&file)).await);
    is_late("an error", bounded(client.details(&id("none"))).await);
    is_late("tags", bounded(client.set_tags(&file, &tags)).await);
    is_late("a deletion", bounded(client.delete(&file)).await);
    is_late("deletions", bounded(client.delete_many(std::slice::from_ref(&file))).await);
    let day = time::Date::from_calendar_date(2026, time::Month::November, 1).unwrap();
    is_late("usage", bounded(client.usage(day, day)).await);
    let url = server.url("/demo/a.jpg");
    is_late("an original", bounded(client.original_hash(&url, 25_000_000)).await);
    let ask = Ask { accept: Accept::Modern, site: None, reading: Reading::Hash, bytes_max: 25_000_000 };
    is_late("a look", bounded(client.probe(&url, None, &ask)).await);
}

#[tokio::test]
async fn s2_a_delivery_that_trickles_is_given_up() {
    // Nothing is seen in what was compressed from nothing, so the check reads on.
    let empty = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\x03\0\0\0\0\0\0\0\0\0";
    let server = RawServer::start(move |asked| match asked.target.as_str() {
        "/demo/endless" => {
            let headers = [("content-type", "image/jpeg"), ("content-encoding", "gzip")];
            let blocks = [0, 0, 0, 0xff, 0xff].repeat(10_000);
            vec![Act::Say(head(200, &headers).into()), Act::Say(empty[..10].to_vec()), Act::Repeat(blocks)]
        }
        _ => trickle(&jpeg(9, 9)[..2]),
    })
    .await;
    let client = hurried(&server);
    is_late("a delivery", bounded(client.check_delivery(&server.url("/demo/a.jpg"))).await);
    let endless = bounded(client.check_delivery(&server.url("/demo/endless"))).await;
    let endless = endless.expect("what is made of nothing ends").unwrap_err();
    assert_eq!(endless.kind, NotServed, "{endless}");
}

#[tokio::test]
async fn s2_the_answer_to_an_upload_that_trickles_is_given_up() {
    let server = RawServer::start(|_| trickle(b"{")).await;
    let (dir, bytes) = (tempfile::tempdir().unwrap(), jpeg(9, 9));
    let (spool, hash) = (Spool::open(dir.path()).unwrap(), ContentHash::of(&bytes));
    let mut draft = spool.create().await.unwrap();
    draft.write(&bytes).await.unwrap();
    draft.commit(&hash).await.unwrap();
    let path = CdnPath::new(Some("the-pub"), VenueId(7), &hash, Format::Jpeg);
    let upload = Upload { path, hash, bytes: bytes.len() as u64, format: Format::Jpeg, tags: Vec::new() };
    is_late("an upload's answer", bounded(hurried(&server).upload(&upload, &spool)).await);
}

#[tokio::test]
async fn e1_a_slow_line_that_gets_there_is_waited_for() {
    // Three seconds for 60 kB: three times what an answer may take, beside its bytes.
    let bytes = [jpeg(200, 150), vec![0; 60_000]].concat();
    let (hash, length, pieces) = (ContentHash::of(&bytes), bytes.len() as u64, bytes.clone());
    let server = RawServer::start(move |_| {
        let mut acts = vec![Act::Say(head(200, &[("content-type", "image/jpeg")]).into())];
        let pieces = pieces.chunks(pieces.len().div_ceil(30));
        acts.extend(pieces.flat_map(|piece| [Act::Pause(100), Act::Say(piece.to_vec())]));
        acts
    })
    .await;
    let hash_of = hurried(&server).original_hash(&server.url("/demo/a.jpg"), length).await;
    assert_eq!(hash_of, Ok(hash));
}

#[tokio::test]
async fn s2_an_original_is_read_no_further_than_a_byte_too_many() {
    let bytes = jpeg(64, 64);
    let (length, body) = (bytes.len() as u64, bytes.clone());
    let server = RawServer::start(move |_| {
        // One byte more than there should be, and then nothing: whoever waits for the end is late.
        let mut acts = vec![Act::Say(head(200, &[]).into())];
        acts.extend([Act::Say(body.clone()), Act::Say(vec![0]), Act::Hang]);
        acts
    })
    .await;
    let trouble = hurried(&server).original_hash(&server.url("/demo/a.jpg"), length).await.unwrap_err();
    assert_eq!(trouble.kind, IntegrityMismatch, "{trouble}");
}

#[tokio::test]
async fn e3_no_wait_that_is_asked_for_is_beyond_a_day() {
    let absurd = ["1e18", "-5", "NaN", "inf", "99999999999999999999999", "", "0x10", "+1 day"];
    for name in ["x-ratelimit-reset", "retry-after"] {
        for value in absurd {
            let server = RawServer::start(move |_| answer(429, &[(name, value)], b"{}")).await;
            let trouble = client(&server).details(&id(ID)).await.unwrap_err();
            assert_eq!((trouble.kind, trouble.wait), (RateLimited, None), "{name}: {value}");
        }
        for value in ["18446744073709551615", "999999999999999999"] {
            let server = RawServer::start(move |_| answer(429, &[(name, value)], b"{}")).await;
            let trouble = client(&server).details(&id(ID)).await.unwrap_err();
            assert_eq!((trouble.kind, trouble.wait), (RateLimited, Some(Duration::from_secs(86_400))));
        }
    }
}
