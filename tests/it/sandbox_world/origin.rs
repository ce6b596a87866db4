//! The origin's stand-in, over real HTTP.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use longshore::limits::{IMAGE_BYTES_MAX, SANDBOX_OVERSIZED_BYTES};
use longshore::sandbox::faults::{Fault, Faults};
use longshore::sandbox::origin::{self, Options, Running};
use longshore::sandbox::seed::{Awkward, World};
use reqwest::{Client, Method, StatusCode};

struct Sandbox {
    world: Arc<World>,
    faults: Arc<Faults>,
    origin: Running,
    client: Client,
}

async fn sandbox() -> Sandbox {
    let (world, faults) = (Arc::new(World::new(11, 120)), Arc::new(Faults::default()));
    let origin = origin::serve(Options::default(), Arc::clone(&world), Arc::clone(&faults)).await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().build().unwrap();
    Sandbox { world, faults, origin, client }
}

impl Sandbox {
    fn ask(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.origin.base_url()))
    }
    async fn get(&self, path: &str) -> reqwest::Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }
    fn sound(&self) -> &longshore::sandbox::seed::Image {
        self.world.images().into_iter().find(|image| image.awkward.is_none()).unwrap()
    }
}

fn header<'a>(answer: &'a reqwest::Response, name: &str) -> &'a str {
    answer.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn c14_the_origin_serves_the_pictures_and_tells_their_length_ahead() {
    let sandbox = sandbox().await;
    let mut accented = 0;
    for image in sandbox.world.images().into_iter().filter(|image| image.awkward.is_none()) {
        let expected = image.picture.bytes();
        let head = sandbox.ask(Method::HEAD, &image.path).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::OK, "{}", image.path);
        assert_eq!(header(&head, "content-length"), expected.len().to_string());
        let answer = sandbox.get(&image.path).await;
        assert_eq!(header(&answer, "content-type"), image.picture.format().media_type());
        assert_eq!(header(&answer, "access-control-allow-origin"), "*");
        assert_eq!(answer.bytes().await.unwrap(), expected);
        accented += usize::from(!image.path.is_ascii());
    }
    assert!(accented > 0, "a path with accents was among them");
    assert_eq!(sandbox.get("/uploads/nothing.jpg").await.status(), StatusCode::NOT_FOUND);
    let refused = sandbox.ask(Method::DELETE, &sandbox.sound().path).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn c14_awkward_images_are_served_as_what_they_are() {
    let sandbox = sandbox().await;
    let awkward = sandbox.world.awkward();
    for kind in Awkward::ALL {
        let (image, _) = awkward.iter().find(|(_, is)| *is == kind).expect("one of each kind");
        let answer = sandbox.get(&image.path).await;
        match kind {
            Awkward::Missing => assert_eq!(answer.status(), StatusCode::NOT_FOUND),
            Awkward::Html => {
                assert_eq!(answer.status(), StatusCode::OK);
                assert!(header(&answer, "content-type").starts_with("text/html"));
                assert!(answer.text().await.unwrap().starts_with("<!doctype html>"));
            }
            Awkward::Truncated => {
                let whole = image.picture.bytes();
                let said: usize = header(&answer, "content-length").parse().unwrap();
                assert_eq!(header(&answer, "content-type"), image.picture.format().media_type());
                let bytes = answer.bytes().await.unwrap();
                assert_eq!(bytes.len(), said, "the connection does not break");
                assert!(bytes.len() < whole.len() && whole.starts_with(&bytes));
            }
            Awkward::Oversized => {
                assert_eq!(header(&answer, "content-length"), SANDBOX_OVERSIZED_BYTES.to_string());
                let mut read = 0;
                let mut pieces = answer.bytes_stream();
                while let Some(piece) = pieces.next().await {
                    read += piece.unwrap().len() as u64;
                }
                assert_eq!(read, SANDBOX_OVERSIZED_BYTES);
                assert!(read > IMAGE_BYTES_MAX);
            }
        }
    }
}

#[tokio::test]
async fn c14_the_origin_gives_the_trouble_that_was_asked_for() {
    let sandbox = sandbox().await;
    let image = sandbox.sound();
    let headers = vec![("retry-after".to_owned(), "7".to_owned())];
    sandbox.faults.inject("origin", 1, 1, Fault::Answer { status: 503, headers, body: "later".to_owned() });
    assert_eq!(sandbox.get(&image.path).await.status(), StatusCode::OK);
    let answer = sandbox.get(&image.path).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "7"));
    assert_eq!(answer.text().await.unwrap(), "later");

    for fault in [Fault::DropBefore, Fault::DropAfter] {
        sandbox.faults.inject("origin", 0, 1, fault);
        // A client may repeat a request on a connection that it had kept; a fresh one has none.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let url = format!("{}{}", sandbox.origin.base_url(), image.path);
        assert!(client.get(url).send().await.unwrap_err().is_request());
    }
    sandbox.faults.inject("origin", 0, 1, Fault::CutBody { after_bytes: 1_000 });
    let mut pieces = sandbox.get(&image.path).await.bytes_stream();
    let mut read = Vec::new();
    let broken = loop {
        match pieces.next().await.expect("an error, not an end") {
            Ok(piece) => read.extend(piece),
            Err(error) => break error,
        }
    };
    assert!(broken.is_body() || broken.is_decode(), "{broken:?}");
    assert_eq!(read, image.picture.bytes()[..1_000]);
    sandbox.faults.inject("origin", 0, 1, Fault::Delay(Duration::from_millis(1)));
    assert_eq!(sandbox.get(&image.path).await.status(), StatusCode::OK);
    assert_eq!(sandbox.faults.counts()["origin"], 6);
}

#[tokio::test]
async fn c14_tests_can_put_files_on_the_origin_and_take_them_away() {
    let sandbox = sandbox().await;
    let path = sandbox.sound().path.clone();
    sandbox.origin.put(&path, "image/gif", "not really".as_bytes());
    let answer = sandbox.get(&path).await;
    assert_eq!(header(&answer, "content-type"), "image/gif");
    assert_eq!(answer.bytes().await.unwrap(), "not really");
    sandbox.origin.put("/new ż.png", "image/png", vec![1, 2, 3]);
    assert_eq!(sandbox.get("/new%20%C5%BC.png").await.bytes().await.unwrap(), vec![1, 2, 3]);
    sandbox.origin.remove(&path);
    assert_eq!(sandbox.get(&path).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn c14_a_stopped_origin_gives_its_port_back_and_breaks_what_is_under_way() {
    let sandbox = sandbox().await;
    let awkward = sandbox.world.awkward();
    let (image, _) = awkward.iter().find(|(_, kind)| *kind == Awkward::Oversized).unwrap();
    // Its body is not read, so that it would be under way for ever.
    let _unread = sandbox.get(&image.path).await;
    let port = sandbox.origin.addr.port();
    // Generous: only a stop that waits for that body takes so long.
    tokio::time::timeout(Duration::from_secs(30), sandbox.origin.stop()).await.expect("it stops");
    let options = Options { port, ..Options::default() };
    let again = origin::serve(options, Arc::clone(&sandbox.world), sandbox.faults).await.unwrap();
    assert_eq!(again.addr.port(), port);
    again.stop().await;
}
