//! Somebody at ImageKit's media library: what a person or another program does to the same files.

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder};

use super::stage::Stage;

impl Stage {
    /// Deletes the file at a path.
    pub fn delete_file(&self, path: &str) {
        let id = self.file_id(path);
        self.asks(|library| library.request(Method::DELETE, &format!("/v1/files/{id}")));
    }

    /// Deletes all files.
    pub fn delete_all_files(&self) {
        for file in self.imagekit.files() {
            self.delete_file(&file.path);
        }
    }

    /// Makes these bytes the new version of the file at a path; its id stays.
    pub fn overwrite_file(&self, path: &str, bytes: Vec<u8>) {
        let (folder, name) = path.rsplit_once('/').unwrap();
        let form = Form::new()
            .text("fileName", name.to_owned())
            .text("folder", folder.to_owned())
            .text("useUniqueFileName", "false")
            .text("overwriteFile", "true")
            .part("file", Part::bytes(bytes).file_name("a.jpg"));
        self.asks(|library| library.request(Method::POST, "/api/v1/files/upload").multipart(form));
    }

    /// The untouched bytes of the file at a path, as the CDN delivers them.
    pub fn file_bytes(&self, path: &str) -> Vec<u8> {
        let url = format!("{}{path}?tr=orig-true", self.imagekit.url_endpoint());
        let got = async { Client::new().get(url).send().await?.error_for_status()?.bytes().await };
        self.runtime.block_on(got).unwrap().to_vec()
    }

    fn file_id(&self, path: &str) -> String {
        let files = self.imagekit.files();
        files.into_iter().find(|file| file.path == path).expect("the file is there").id
    }

    fn asks(&self, what: impl FnOnce(&Library) -> RequestBuilder) {
        let library = Library { client: Client::new(), api: self.imagekit.api_url() };
        let sent = async { what(&library).send().await?.error_for_status() };
        self.runtime.block_on(sent).unwrap();
    }
}

struct Library {
    client: Client,
    api: String,
}

impl Library {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.api)).basic_auth("private_sandbox", Some(""))
    }
}
