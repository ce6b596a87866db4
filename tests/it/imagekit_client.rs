//! ImageKit's client against servers that answer as ImageKit's documentation says, and as broken ones do.

mod delivery;
mod management;
mod slow;
mod uploads;

use std::time::Duration;

use ledger::ids::FileId;
use longshore::outside::Trouble;
use longshore::outside::imagekit::{CdnFile, ImageKit, ImageKitOptions};
use serde_json::{Value, json};
use url::Url;

use crate::support::raw_http::{Act, RawServer, answer};

const KEY: &str = "private_k3yOfTheT3sts=";
/// What the header carries: base64 of the key and an empty password.
const KEY_ENCODED: &str = "cHJpdmF0ZV9rM3lPZlRoZVQzc3RzPTo=";
const ID: &str = "6673f88237b244ef54d60180";

fn client(server: &RawServer) -> ImageKit {
    client_waiting(server, 10_000)
}

fn client_waiting(server: &RawServer, idle_ms: u64) -> ImageKit {
    let idle = Duration::from_millis(idle_ms);
    ImageKit::new(ImageKitOptions { idle, ..options(server) }).unwrap()
}

fn options(server: &RawServer) -> ImageKitOptions {
    let endpoint: Url = server.url("/demo").parse().unwrap();
    ImageKitOptions::new(KEY, endpoint, server.base(), server.base())
}

fn json(status: u16, body: Value) -> Vec<Act> {
    answer(
        status,
        &[("content-type", "application/json"), ("x-ik-requestId", "req-1")],
        body.to_string().as_bytes(),
    )
}

fn error(status: u16, message: &str) -> Vec<Act> {
    json(
        status,
        json!({"message": message, "help": "For support kindly contact us at support@imagekit.io ."}),
    )
}

fn file_json(path: &str) -> Value {
    file_of(ID, path)
}

fn file_of(id: &str, path: &str) -> Value {
    json!({"type": "file", "fileId": id, "name": "x", "filePath": path, "size": 117_079, "width": 1000, "height": 500,
           "url": format!("https://ik.imagekit.io/demo{path}?updatedAt=1718876290234"), "fileType": "image",
           "versionInfo": {"id": id, "name": "Version 1"}, "tags": ["a"], "AITags": null})
}

fn cdn_file(server: &RawServer, path: &str) -> CdnFile {
    CdnFile {
        id: id(ID),
        path: path.parse().unwrap(),
        url: server.url(&format!("/demo{path}")),
        unfit: None,
        bytes: 117_079,
        width: Some(1000),
        height: Some(500),
        tags: vec!["a".to_owned()],
        version: Some(id(ID)),
    }
}

fn id(text: &str) -> FileId {
    text.parse().unwrap()
}

/// Text without the key in any spelling, nor control characters.
fn assert_clean(trouble: &Trouble) {
    let text = format!("{trouble} {trouble:?}");
    assert!(!text.contains("k3yOf") && !text.contains("cHJpdmF0") && !text.contains('\u{1b}'), "{text}");
    assert!(!trouble.message.chars().any(char::is_control), "{text}");
}

#[tokio::test]
async fn s1_s3_settings_are_refused_and_shown_without_the_key() {
    let url = |text: &str| text.parse::<Url>().unwrap();
    let fine = || {
        let base = url("https://api.imagekit.io");
        ImageKitOptions::new(KEY, url("https://ik.imagekit.io/demo"), base.clone(), base)
    };
    let client = ImageKit::new(fine()).unwrap();
    for text in [format!("{client:?}"), format!("{:?}", fine())] {
        assert!(!text.contains("k3yOf") && !text.contains("cHJpdmF0"), "{text}");
    }
    for base in ["http://127.0.0.1:9", "http://localhost:9/", "http://[::1]:9"] {
        assert!(
            ImageKit::new(ImageKitOptions { upload_url: url(base), api_url: url(base), ..fine() }).is_ok(),
            "{base}"
        );
    }
    for base in [
        "http://api.imagekit.io",
        "http://10.0.0.1",
        "http://localhost.example",
        "ftp://127.0.0.1",
        "https://api.imagekit.io/v1",
        "https://u:s3cret@api.imagekit.io",
        "https://api.imagekit.io/?k=s3cret",
    ] {
        let upload = ImageKit::new(ImageKitOptions { upload_url: url(base), ..fine() }).unwrap_err();
        let api = ImageKit::new(ImageKitOptions { api_url: url(base), ..fine() }).unwrap_err();
        assert!(upload.to_string().contains("IMAGEKIT_UPLOAD_URL"), "{upload}");
        assert!(api.to_string().contains("IMAGEKIT_API_URL") && !api.to_string().contains("s3cret"), "{api}");
    }
    for key in ["", "a b", "a:b", "a\nb", "ключ"] {
        let refused = ImageKit::new(ImageKitOptions { private_key: key.to_owned(), ..fine() }).unwrap_err();
        assert!(key.is_empty() || !refused.to_string().contains(key));
    }
    assert!(
        ImageKit::new(ImageKitOptions { url_endpoint: url("ftp://ik.imagekit.io/demo"), ..fine() }).is_err()
    );
}
