//! Answers that are slow, cut, lying, endless, compressed or somewhere else, as a client meets them.

use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Method, Response};

use super::orders::Ordered;

/// Reads a body as far as it goes: its bytes, and whether it ended as it should.
async fn read(mut answer: Response, at_most: usize) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    while bytes.len() < at_most {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return (bytes, true),
            Err(_) => return (bytes, false),
        }
    }
    (bytes, false)
}

fn length(answer: &Response) -> usize {
    answer.headers()[CONTENT_LENGTH].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn c14_slow_and_cut_bodies() {
    let it = Ordered::new().await;
    let (url, bytes) = it.picture();
    it.order("origin=slow:bytes=5000:every=1").await;
    let slow = it.get().await.unwrap();
    assert_eq!(length(&slow), bytes.len());
    assert_eq!(read(slow, usize::MAX).await, (bytes.clone(), true), "slow, and whole");

    it.order("origin=none").await;
    it.order("origin=cut:bytes=700").await;
    let cut = it.get().await.unwrap();
    assert_eq!(length(&cut), bytes.len());
    assert_eq!(read(cut, usize::MAX).await, (bytes[..700].to_vec(), false));

    it.order("origin=none").await;
    it.order("origin=stalled:bytes=700").await;
    let mut stalled = it.get().await.unwrap();
    let mut received = Vec::new();
    while received.len() < 700 {
        received.extend_from_slice(&stalled.chunk().await.unwrap().unwrap());
    }
    assert_eq!(received, bytes[..700]);
    // The next piece never comes, until the sandbox breaks the connection.
    let next = tokio::spawn(async move { stalled.chunk().await.is_err() });
    it.order("origin=away").await;
    assert!(next.await.unwrap());
    it.well().await;
    assert_eq!(read(it.client.get(&url).send().await.unwrap(), usize::MAX).await, (bytes, true));
}

#[tokio::test]
async fn c14_lying_lengths_and_endless_bodies() {
    let it = Ordered::new().await;
    let (url, bytes) = it.picture();
    it.order("origin=short_length\norigin_head=long_length").await;
    let short = it.get().await.unwrap();
    assert_eq!(length(&short), bytes.len() / 2);
    assert_eq!(read(short, usize::MAX).await.0, bytes[..bytes.len() / 2], "HTTP ends where the length says");
    assert_eq!(length(&it.client.head(&url).send().await.unwrap()), bytes.len() * 2);

    // On the wire there is more than was announced.
    let path = url.strip_prefix(&it.sandbox.origin.base_url()).unwrap();
    let said = raw(it.sandbox.origin.addr, path).await;
    assert!(said.ends_with(&bytes), "all of it is sent");

    it.order("origin=none").await;
    it.order("origin=long_length").await;
    let long = it.get().await.unwrap();
    assert_eq!(length(&long), bytes.len() * 2);
    assert_eq!(read(long, usize::MAX).await, (bytes.clone(), false), "the rest never comes");

    it.order("origin=none").await;
    it.order("origin=endless").await;
    let endless = it.get().await.unwrap();
    assert!(!endless.headers().contains_key(CONTENT_LENGTH));
    let (received, _) = read(endless, bytes.len() + 3_000_000).await;
    assert!(received.starts_with(&bytes) && received[bytes.len()..].iter().all(|byte| *byte == 0));
}

/// What comes over the wire for a GET, to the end of the connection.
async fn raw(address: std::net::SocketAddr, path: &str) -> Vec<u8> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let path = url::Url::parse("http://x").unwrap().join(path).unwrap().path().to_owned();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    said
}

#[tokio::test]
async fn c14_compressed_bodies_and_a_bomb() {
    let it = Ordered::new().await;
    let (_, bytes) = it.picture();
    it.order("origin=gzip").await;
    let zipped = it.get().await.unwrap();
    assert_eq!(zipped.headers()[CONTENT_ENCODING], "gzip");
    assert_eq!(zipped.headers()[CONTENT_TYPE], "image/jpeg");
    let (zipped, is_whole) = read(zipped, usize::MAX).await;
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&zipped[..]), &mut plain).unwrap();
    assert!(is_whole && plain == bytes);

    it.order("origin=none").await;
    it.order("origin=bomb").await;
    let bomb = it.get().await.unwrap();
    assert_eq!(bomb.headers()[CONTENT_ENCODING], "gzip");
    let (bomb, _) = read(bomb, 100_000).await;
    let mut decoder = std::io::Read::take(flate2::read::MultiGzDecoder::new(&bomb[..]), 50_000_000);
    let mut plain = Vec::new();
    // It was not read to its end, so that the last member of what there is breaks off.
    let _ = std::io::Read::read_to_end(&mut decoder, &mut plain);
    assert!(plain.len() > 200 * bomb.len(), "{} bytes of {}", plain.len(), bomb.len());
}

#[tokio::test]
async fn c14_redirects_pages_and_missing_headers() {
    let it = Ordered::new().await;
    let (url, bytes) = it.picture();
    let path = url.strip_prefix(&it.sandbox.origin.base_url()).unwrap().to_owned();
    for (order, to) in [
        ("origin=redirectx1:to=/elsewhere.jpg", "/elsewhere.jpg"),
        ("origin=redirectx1:to=http://localhost:1/a:b=c", "http://localhost:1/a:b=c"),
        ("origin=redirectx1", url::Url::parse(&url).unwrap().path()),
    ] {
        it.order(order).await;
        let answer = it.get().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()[LOCATION].to_str().unwrap()), (302, to));
    }
    it.order(&format!("origin{path}=page")).await;
    let page = it.get().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
    assert!(page.text().await.unwrap().contains("Please sign in"));
    it.well().await;
    for (order, header) in
        [("origin=no_cors", "access-control-allow-origin"), ("origin=no_type", "content-type")]
    {
        assert!(it.get().await.unwrap().headers().contains_key(header));
        it.order(order).await;
        assert!(!it.get().await.unwrap().headers().contains_key(header), "{order}");
        it.well().await;
    }
    assert_eq!(it.get().await.unwrap().bytes().await.unwrap(), bytes);
}

#[tokio::test]
async fn c14_lost_late_and_misreported_answers() {
    let it = Ordered::new().await;
    it.order("upload=closedx1\nupload=lostx1:after=1\nupload=late:by=1:after=2").await;
    assert!(it.upload("a.jpg").await.is_err());
    assert!(it.sandbox.imagekit.files().is_empty());
    assert!(it.upload("a.jpg").await.is_err());
    assert_eq!(it.sandbox.imagekit.files().len(), 1, "it is there, though nobody was told");
    assert_eq!(it.upload("a.jpg").await.unwrap().status(), 400, "late, and as usual");
    it.order("upload=none").await;
    it.order("upload=misreported").await;
    let told: serde_json::Value = it.upload("b.jpg").await.unwrap().json().await.unwrap();
    let stored = it.sandbox.imagekit.files();
    let stored = stored.iter().find(|file| file.path == "/b.jpg").unwrap();
    assert_eq!(told["size"], stored.bytes + 1);

    // The CDN's own way of being wrong.
    let url = format!("{}/b.jpg?tr=w-10", it.sandbox.imagekit.url_endpoint());
    let width = async || {
        let bytes = it.client.get(&url).header("accept", "image/webp").send().await.unwrap();
        let kind = bytes.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        (image::load_from_memory(&bytes.bytes().await.unwrap()).unwrap().width(), kind)
    };
    assert_eq!(width().await, (10, "image/webp".to_owned()));
    it.order("delivery=unnegotiatedx1").await;
    assert_eq!(width().await, (10, "image/jpeg".to_owned()));
    it.order("delivery=untransformedx1").await;
    assert_eq!(width().await.0, 40);
    assert_eq!(it.api(Method::GET, "/v1/files").await.unwrap().status(), 200);
}
