//! Faults as people order them: the language, at the control address of a sandbox at work.

use std::path::Path;
use std::time::Duration;

use longshore::sandbox::faults::Order;
use longshore::sandbox::faults::kinds::KINDS;
use longshore::sandbox::whole::{Options, Sandbox};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

/// A small sandbox, and what orders faults of it.
pub struct Ordered {
    pub sandbox: Sandbox,
    pub client: Client,
    dir: tempfile::TempDir,
}

impl Ordered {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { venues: 4, ..Options::new(dir.path().join("sandbox")) };
        let sandbox = Sandbox::open(&options).await.unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { sandbox, client, dir }
    }

    /// The address that is written down.
    fn control(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("sandbox/control")).unwrap().trim().to_owned()
    }

    /// Orders at the control address; what then stands.
    pub async fn order(&self, orders: &str) -> Value {
        let sent =
            self.client.post(format!("{}/faults", self.control())).body(orders.to_owned()).send().await;
        let answer = sent.unwrap();
        let (status, said) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{orders}: {said}");
        serde_json::from_str(&said).unwrap()
    }

    /// Takes everything back.
    pub async fn well(&self) {
        let answer = self.client.delete(format!("{}/faults", self.control())).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap(), json!([]));
    }

    /// A picture of the origin, whole unless a fault is ordered.
    pub fn picture(&self) -> (String, Vec<u8>) {
        let image = self.sandbox.world.images().into_iter().find(|image| image.awkward.is_none()).unwrap();
        (format!("{}{}", self.sandbox.origin.base_url(), image.path), image.picture.bytes())
    }

    /// Asks for it.
    pub async fn get(&self) -> reqwest::Result<Response> {
        self.client.get(self.picture().0).send().await
    }

    /// A call of ImageKit's API with the right key.
    pub async fn api(&self, method: Method, path: &str) -> reqwest::Result<Response> {
        let url = format!("{}{path}", self.sandbox.imagekit.api_url());
        self.client.request(method, url).basic_auth("private_sandbox", Some("")).send().await
    }

    /// Uploads a small picture under a name.
    pub async fn upload(&self, name: &str) -> reqwest::Result<Response> {
        let file = reqwest::multipart::Part::bytes(crate::support::pictures::jpeg(40, 30)).file_name("a.jpg");
        let form = reqwest::multipart::Form::new()
            .text("fileName", name.to_owned())
            .text("useUniqueFileName", "false")
            .text("overwriteFile", "false")
            .part("file", file);
        let url = format!("{}/api/v1/files/upload", self.sandbox.imagekit.api_url());
        self.client.post(url).basic_auth("private_sandbox", Some("")).multipart(form).send().await
    }
}

fn why(text: &str) -> String {
    text.parse::<Order>().unwrap_err().to_string()
}

#[test]
fn c14_every_kind_of_fault_can_be_ordered_and_is_in_the_docs() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sandbox.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    for (written, what) in KINDS {
        assert!(
            docs.contains(&format!("| `{written}` | {what} |")),
            "docs/sandbox.md lacks `{written}`, {what}"
        );
        let name = written.split(['[', ':']).next().unwrap();
        let place = match name {
            "lag" => "list",
            "untransformed" | "unnegotiated" => "delivery",
            "quota" | "misreported" | "wrong_key" | "expired_key" => "upload",
            _ => "origin",
        };
        // What may follow a kind, with something in it.
        let whole = written.replace(['[', ']'], "").replace("STATUS", "429");
        let whole = whole
            .replace("=MS", "=20ms")
            .replace("=N", "=5")
            .replace("=TEXT", "=a: b")
            .replace("=URL", "=/x");
        for kind in [name.replace("STATUS", "503").replace("lag", "lag:by=1s"), whole] {
            let order = format!("{place}={kind}");
            assert_eq!(order.parse::<Order>().unwrap_or_else(|no| panic!("{no}")).to_string(), order);
        }
    }
}

#[test]
fn c14_what_is_no_fault_is_refused_in_words() {
    for (text, says) in [
        ("upload", "it is written like upload=503x10"),
        ("uplaod=503", "`uplaod` is no operation: they are cdn, all, upload,"),
        ("upload=fast", "`fast` is no kind of fault: they are STATUS, quota,"),
        ("upload=700", "`700` is no kind of fault"),
        ("upload=503x0", "`x0` is neither like x10 nor like x30%"),
        ("upload=503x101%", "`x101%` is neither like x10"),
        ("upload=503:rset=5", "`rset` means nothing here"),
        ("upload=503:reset=soon", "`soon` is no reset"),
        ("upload=503:reset", "`reset` is not like after=5"),
        ("upload=late:by=5min", "`5min` is no by"),
        ("upload=away", "only whole parts can be away"),
        ("origin/a.jpg=away", "only whole parts can be away"),
        ("cdn=awayx3", "this happens once, or not"),
        ("delivery=lag:by=5s", "only the list lags"),
        ("list=lag", "how far? lag:by=5s"),
        ("list=none:after=5", "this happens now, and stays"),
        ("origin=quota", "that never happens to `origin`"),
        ("delivery=wrong_key", "that never happens to `delivery`"),
    ] {
        let why = why(text);
        assert!(why.contains(says) && why.contains(&format!("`{text}`: ")), "{why}");
    }
}

#[tokio::test]
async fn c14_faults_are_ordered_listed_and_taken_back_at_the_control_address() {
    let it = Ordered::new().await;
    assert_eq!(it.control(), it.sandbox.control.url(), "the address is written down");
    let all = it.order("upload=503x2\n\n  origin=404:after=1  \nlist=lag:by=3600s\n").await;
    assert_eq!(
        all,
        json!([{ "fault": "upload=503x2", "given": 0 }, { "fault": "origin=404:after=1", "given": 0 }])
    );
    assert_eq!(it.upload("a.jpg").await.unwrap().status(), 503);
    let statuses = [it.get().await, it.get().await, it.get().await].map(|got| got.unwrap().status().as_u16());
    assert_eq!(statuses, [200, 404, 404], "one passes, and then all get it");
    let faults = it.client.get(format!("{}/faults", it.control())).send().await.unwrap();
    let faults: Value = faults.json().await.unwrap();
    assert_eq!(faults[0], json!({ "fault": "upload=503x2", "given": 1 }));
    assert_eq!(faults[1]["given"], 2);
    let counts: Value =
        it.client.get(format!("{}/counts", it.control())).send().await.unwrap().json().await.unwrap();
    assert_eq!(counts, json!({ "upload": 1, "origin": 3 }));

    // A part of them, by the place; then everything.
    assert_eq!(it.order("origin=none").await.as_array().unwrap().len(), 1);
    assert_eq!(it.get().await.unwrap().status(), 200);
    it.well().await;
    assert_eq!(it.upload("a.jpg").await.unwrap().status(), 200);

    // All or nothing, in words; and nobody but programs on this machine.
    let url = format!("{}/faults", it.control());
    let wrong = it.client.post(&url).body("upload=503\nupload=fast").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    assert!(wrong.text().await.unwrap().contains("`fast` is no kind of fault"));
    assert_eq!(it.client.post(&url).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let foreign = [("origin", "https://evil.example"), ("host", "evil.example")];
    for (name, value) in foreign {
        let sent = it.client.post(&url).header(name, value).body("upload=503").send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::FORBIDDEN, "{name}: {value}");
    }
    assert_eq!(it.upload("b.jpg").await.unwrap().status(), 200, "nothing of that was ordered");
}

#[tokio::test]
async fn c14_a_fault_is_for_the_paths_it_names() {
    let it = Ordered::new().await;
    let url = it.picture().0;
    let path = url.strip_prefix(&it.sandbox.origin.base_url()).unwrap();
    it.order(&format!("origin{path}=403")).await;
    assert_eq!(it.get().await.unwrap().status(), 403);
    let mut others =
        it.sandbox.world.images().into_iter().filter(|image| image.awkward.is_none() && image.path != path);
    let other = format!("{}{}", it.sandbox.origin.base_url(), others.next_back().unwrap().path);
    assert_eq!(it.client.get(&other).send().await.unwrap().status(), 200);
    it.order("origin/uploads/google_place_images/*=410").await;
    assert_eq!(it.client.get(&other).send().await.unwrap().status(), 410);
    assert_eq!(it.get().await.unwrap().status(), 403, "the older order goes first");
}

#[tokio::test]
async fn c14_a_share_of_requests_is_the_same_for_the_same_seed() {
    let mut taken = Vec::new();
    for _ in 0..2 {
        let it = Ordered::new().await;
        it.order("list=500x30%").await;
        let mut statuses = Vec::new();
        for _ in 0..100 {
            statuses.push(it.api(Method::GET, "/v1/files").await.unwrap().status().as_u16());
        }
        assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 30, "{statuses:?}");
        taken.push(statuses);
    }
    assert_eq!(taken[0], taken[1]);
}

#[tokio::test]
async fn c14_rate_limits_say_how_long_to_wait_as_each_side_does() {
    let it = Ordered::new().await;
    it.order("cdn=429x2:reset=1500\norigin=429x2:reset=1500\norigin_head=503").await;
    let header = |answer: &Response, name: &str| {
        answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    for limited in [it.upload("a.jpg").await.unwrap(), it.api(Method::GET, "/v1/files").await.unwrap()] {
        assert_eq!(limited.status(), 429);
        assert_eq!(header(&limited, "x-ratelimit-reset").as_deref(), Some("1500"), "milliseconds");
        assert_eq!(header(&limited, "x-ratelimit-interval").as_deref(), Some("1000"));
        assert!(header(&limited, "x-ratelimit-limit").is_some() && header(&limited, "retry-after").is_none());
        assert!(limited.text().await.unwrap().contains("Please try again later"));
    }
    let limited = it.get().await.unwrap();
    assert_eq!(
        (limited.status().as_u16(), header(&limited, "retry-after").as_deref()),
        (429, Some("2")),
        "seconds"
    );
    assert!(limited.text().await.unwrap().contains("<Code>SlowDown</Code>"));
    let head = it.client.head(it.picture().0).send().await.unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "retry-after")), (503, None));
}

#[tokio::test]
async fn c14_imagekit_refuses_in_its_own_words() {
    let it = Ordered::new().await;
    for (order, status, says) in [
        ("upload=quota", 400, "Upload Limit Exceeded."),
        ("cdn=wrong_key", 403, "Your account cannot be authenticated."),
        ("upload=expired_key", 403, "Your request contains expired private API key."),
        ("upload=401", 401, "Your request does not contain private API key."),
        ("upload=400", 400, "invalid parameters"),
        ("upload=400:message=The file size: it exceeds = limits", 400, "The file size: it exceeds = limits"),
        ("upload=502", 502, "<h1>502 Bad Gateway</h1>"),
    ] {
        it.order(order).await;
        let answer = it.upload("a.jpg").await.unwrap();
        assert_eq!(answer.status(), status, "{order}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(says), "{order}: {text}");
        // A key is nothing that delivery asks for, so that `cdn` does not mean it there.
        let delivered =
            it.client.get(format!("{}/none.jpg", it.sandbox.imagekit.url_endpoint())).send().await;
        assert_eq!(delivered.unwrap().headers()["ik-error"], "ENOENT - File does not exist");
        it.well().await;
    }
    assert!(it.sandbox.imagekit.files().is_empty(), "nothing was done");
    assert_eq!(it.upload("a.jpg").await.unwrap().status(), 200);
    let url = format!("{}/a.jpg", it.sandbox.imagekit.url_endpoint());
    it.order("delivery=404").await;
    let missing = it.client.get(&url).send().await.unwrap();
    assert_eq!(
        (missing.status().as_u16(), &missing.headers()["ik-error"]),
        (404, &"ENOENT - File does not exist".parse().unwrap())
    );
}

#[tokio::test]
async fn c14_a_part_that_is_away_refuses_connections_until_it_is_back() {
    let it = Ordered::new().await;
    let refused = |sent: reqwest::Result<Response>| sent.is_err_and(|error| error.is_connect());
    assert_eq!(it.get().await.unwrap().status(), 200);
    assert_eq!(it.order("origin=away").await, json!([{ "fault": "origin=away", "given": 0 }]));
    // The connection that the client kept is broken too.
    assert!(refused(it.get().await) && refused(it.get().await));
    assert_eq!(it.api(Method::GET, "/v1/files").await.unwrap().status(), 200, "the other part is there");
    it.order("origin=none").await;
    assert_eq!(it.get().await.unwrap().status(), 200, "at its old port");

    // By itself, in the middle: the third request finds nobody, whatever it asks for.
    it.order("cdn=away:after=2").await;
    for _ in 0..2 {
        assert_eq!(it.api(Method::GET, "/v1/files").await.unwrap().status(), 200);
    }
    assert!(it.upload("a.jpg").await.is_err());
    it.sandbox.faults.settled().await;
    assert!(refused(it.upload("a.jpg").await));
    assert_eq!(it.order("all=none").await, json!([]));
    assert_eq!(it.upload("a.jpg").await.unwrap().status(), 200);

    // For a while: what is ordered for an hour is still so, what is ordered for a moment ends by itself.
    it.order("all=away:for=3600s").await;
    assert!(refused(it.get().await) && refused(it.upload("b.jpg").await));
    it.order("all=away:for=20").await;
    let back = async { while refused(it.get().await) || refused(it.api(Method::GET, "/v1/files").await) {} };
    tokio::time::timeout(Duration::from_secs(60), back).await.expect("it comes back by itself");
    it.sandbox.stop().await;
}

#[tokio::test]
async fn c14_the_lists_lag_changes_while_it_is_at_work() {
    let it = Ordered::new().await;
    let listed = async || {
        let found = it.api(Method::GET, "/v1/files").await.unwrap().json::<Value>().await.unwrap();
        found.as_array().unwrap().len()
    };
    it.upload("a.jpg").await.unwrap();
    assert_eq!(listed().await, 1);
    it.order("list=lag:by=3600s").await;
    it.upload("b.jpg").await.unwrap();
    assert_eq!((listed().await, it.sandbox.imagekit.files().len()), (1, 2));
    it.order("list=none").await;
    assert_eq!(listed().await, 2);
}
