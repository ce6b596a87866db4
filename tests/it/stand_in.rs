//! The ImageKit stand-in, over real HTTP, against what is known of the real one.

use std::sync::Arc;

use longshore::sandbox::faults::Faults;
use longshore::sandbox::imagekit::{self, Options, Running};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

mod bytes;
mod delivery;
mod faults;
mod list;
mod manage;
mod upload;

const KEY: &str = "private_test";

/// A stand-in of its own for one test.
struct Stand {
    running: Running,
    faults: Arc<Faults>,
    options: Options,
    dir: TempDir,
    http: Client,
}

impl Stand {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(set: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options =
            Options { dir: dir.path().join("cdn"), private_key: KEY.to_owned(), ..Options::default() };
        set(&mut options);
        let faults = Arc::new(Faults::default());
        let running = imagekit::serve(options.clone(), faults.clone()).await.unwrap();
        Self { running, faults, options, dir, http: client() }
    }

    /// The same directory under a new process's eyes.
    async fn reopened(self) -> Self {
        self.running.stop().await;
        let running = imagekit::serve(self.options.clone(), self.faults.clone()).await.unwrap();
        Self { running, ..self }
    }

    /// A call with the right key.
    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.running.api_url()))
            .basic_auth(KEY, Some("do_not_set"))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.call(Method::GET, path).send().await.unwrap()).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        answer(self.call(method, path).json(&body).send().await.unwrap()).await
    }

    /// A query of the list that must succeed, as the names found.
    async fn names(&self, query: &[(&str, &str)]) -> Vec<String> {
        let response = self.call(Method::GET, "/v1/files").query(query).send().await.unwrap();
        let (status, found) = answer(response).await;
        assert_eq!(status, 200, "{found}");
        found.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    async fn upload_to(&self, path: &str, form: Form) -> (u16, Value) {
        answer(self.call(Method::POST, path).multipart(form).send().await.unwrap()).await
    }

    /// Uploads by V1 with these text fields.
    async fn upload(&self, name: &str, bytes: &[u8], fields: &[(&str, &str)]) -> (u16, Value) {
        self.upload_to("/api/v1/files/upload", form(name, bytes, fields)).await
    }

    /// Uploads create-only to an exact name; it must succeed.
    async fn stored(&self, folder: &str, name: &str, bytes: &[u8]) -> Value {
        let (status, file) = self.upload(name, bytes, &[("folder", folder), EXACT, CREATE_ONLY]).await;
        assert_eq!(status, 200, "{file}");
        file
    }

    /// A delivery without a key.
    async fn fetch(&self, path: &str, accept: &str) -> Response {
        let url = format!("{}{path}", self.running.url_endpoint());
        self.http.get(url).header("accept", accept).send().await.unwrap()
    }
}

const EXACT: (&str, &str) = ("useUniqueFileName", "false");
const CREATE_ONLY: (&str, &str) = ("overwriteFile", "false");
const CONFLICT: &str = "A file with the same name already exists at the exact location. We could not overwrite it because both overwriteFile and useUniqueFileName are set to false.";

fn client() -> Client {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    assert!(response.headers().contains_key("x-ik-requestId"), "every answer carries a request id");
    let bytes = response.bytes().await.unwrap();
    (status, if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() })
}

fn form(name: &str, bytes: &[u8], fields: &[(&str, &str)]) -> Form {
    let file = Part::bytes(bytes.to_vec()).file_name("upload").mime_str("application/octet-stream").unwrap();
    let mut form = Form::new().text("fileName", name.to_owned());
    for (name, value) in fields {
        form = form.text((*name).to_owned(), (*value).to_owned());
    }
    form.part("file", file)
}

/// A picture with some life in it: gradients and edges, no two pixels' rows alike.
fn picture(width: u32, height: u32) -> image::DynamicImage {
    image::RgbImage::from_fn(width, height, |x, y| {
        let wave = ((x * 7 + y * 3) % 64) as u8;
        image::Rgb([
            (x * 255 / width) as u8,
            (y * 255 / height) as u8,
            if (x / 16 + y / 16) % 2 == 0 { wave } else { 200 },
        ])
    })
    .into()
}

fn encoded(picture: &image::DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encoded(&picture(width, height), image::ImageFormat::Jpeg)
}

fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(&picture(width, height), image::ImageFormat::Png)
}

fn blake3(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[tokio::test]
async fn asks_for_the_key_in_imagekits_words() {
    let stand = Stand::new().await;
    let url = format!("{}/v1/files", stand.running.api_url());
    let none = answer(stand.http.get(&url).send().await.unwrap()).await;
    assert_eq!(none, (401, refusal("Your request does not contain private API key.")));
    let wrong =
        answer(stand.http.get(&url).basic_auth("private_other", Some("")).send().await.unwrap()).await;
    assert_eq!(wrong, (403, refusal("Your account cannot be authenticated.")));
    for password in [None, Some(""), Some("do_not_set"), Some("a:b")] {
        let right = answer(stand.http.get(&url).basic_auth(KEY, password).send().await.unwrap()).await;
        assert_eq!(right, (200, json!([])), "any password is fine");
    }
    let upload = stand.http.post(format!("{}/api/v1/files/upload", stand.running.api_url()));
    let large = form("a.jpg", &vec![7; 3_000_000], &[]);
    let wrong =
        answer(upload.basic_auth("private_other", Some("")).multipart(large).send().await.unwrap()).await;
    assert_eq!(wrong.0, 403, "a refused upload is read to its end, so that its sender sees the answer");
    assert!(stand.running.files().is_empty());
}

fn refusal(message: &str) -> Value {
    json!({ "message": message, "help": "For support kindly contact us at support@imagekit.io ." })
}

#[tokio::test]
async fn limits_the_rate_of_management_calls_only() {
    let stand = Stand::with(|options| {
        options.reads_per_second = Some(1);
        options.writes_per_second = Some(1);
    })
    .await;
    // Whichever window the calls fall into, some of these cannot fit.
    let all =
        futures_util::future::join_all((0..20).map(|_| stand.call(Method::GET, "/v1/files").send())).await;
    let limited = all.into_iter().map(Result::unwrap).find(|one| one.status() == 429).expect("a 429");
    let header = |name: &str| limited.headers()[name].to_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(header("X-RateLimit-Limit"), 1);
    assert_eq!(header("X-RateLimit-Interval"), 1_000, "milliseconds");
    assert!((1..=1_000).contains(&header("X-RateLimit-Reset")), "milliseconds to wait");
    for n in 0..5 {
        stand.stored("/", &format!("{n}.jpg"), &jpeg(8, 8)).await;
        assert_eq!(stand.fetch(&format!("/{n}.jpg"), "*/*").await.status(), 200);
    }
}

#[tokio::test]
async fn survives_a_restart() {
    let stand = Stand::new().await;
    let kept = stand.stored("/venues/x", "kept.jpg", &jpeg(40, 30)).await;
    let gone = stand.stored("/venues/x", "gone.jpg", &jpeg(20, 20)).await;
    let (_, second) =
        stand.upload("kept.jpg", &png(10, 10), &[("folder", "/venues/x"), EXACT, ("tags", "a,b")]).await;
    assert_eq!(second["fileId"], kept["fileId"]);
    stand.call(Method::DELETE, &format!("/v1/files/{}", text(&gone["fileId"]))).send().await.unwrap();
    assert_eq!(stand.fetch("/venues/x/kept.jpg", "*/*").await.bytes().await.unwrap(), png(10, 10));
    let today = text(&stand.get("/v1/files").await.1[0]["updatedAt"])[..10].to_owned();
    let usage = format!("/v1/accounts/usage?startDate={today}&endDate={today}");
    let (before, used) = (stand.running.files(), stand.get(&usage).await);
    assert_eq!(used.1["bandwidthBytes"], png(10, 10).len());
    let log = stand.options.dir.join("library.jsonl");

    let stand = stand.reopened().await;
    assert_eq!(stand.running.files(), before);
    assert_eq!(stand.get(&usage).await, used);
    let details = stand.get(&format!("/v1/files/{}/details", text(&kept["fileId"]))).await.1;
    assert_eq!((&details["tags"], &details["width"]), (&json!(["a", "b"]), &json!(10)));
    assert_eq!(stand.fetch("/venues/x/kept.jpg", "*/*").await.bytes().await.unwrap(), png(10, 10));
    assert_eq!(stand.names(&[("type", "folder"), ("path", "/venues")]).await, ["x"]);

    // A sandbox that was killed while it wrote leaves half a line and bytes that nothing tells of.
    use std::io::Write;
    std::fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .unwrap()
        .write_all(b"{\"file\":{\"id\":\"ab")
        .unwrap();
    std::fs::write(stand.dir.path().join("cdn/content/stray"), b"x").unwrap();
    let stand = stand.reopened().await;
    assert_eq!(stand.running.files(), before);
    assert!(!stand.dir.path().join("cdn/content/stray").exists());
    stand.stored("/", "after.jpg", &jpeg(5, 5)).await;
    assert_eq!(stand.reopened().await.running.files().len(), 2, "the half line does not spoil the next");
}
