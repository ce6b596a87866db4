//! Somebody at ImageKit's media library: what a person or another program does to the same files.

use longshore::outside::http_client_builder;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::json;

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
        let form = form(path, bytes);
        self.asks(|library| library.request(Method::POST, "/api/v1/files/upload").multipart(form));
    }

    /// The same as an editor does it there: the file keeps its tags.
    pub fn edit_file(&self, path: &str, bytes: Vec<u8>) {
        let form = form(path, bytes).text("overwriteTags", "false");
        self.asks(|library| library.request(Method::POST, "/api/v1/files/upload").multipart(form));
    }

    /// Makes the first version of the file at a path the current one again.
    pub fn restore_file(&self, path: &str) {
        let id = self.file_id(path);
        self.asks(|library| library.request(Method::PUT, &format!("/v1/files/{id}/versions/{id}/restore")));
    }

    /// Has the CDN deliver other bytes of the file at a path, which has one version, and tell of it as before.
    pub fn exchange_bytes(&self, path: &str, bytes: Vec<u8>) {
        let id = self.file_id(path);
        std::fs::write(self.dir.path().join(format!("cdn/content/{id}.{id}")), bytes).unwrap();
    }

    /// Uploads a file by hand.
    pub fn upload_file(&self, path: &str, bytes: Vec<u8>, tags: &str) {
        let form = form(path, bytes).text("tags", tags.to_owned());
        self.asks(|library| library.request(Method::POST, "/api/v1/files/upload").multipart(form));
    }

    /// Copies a file into another folder; its tags go with it.
    pub fn copy_file(&self, path: &str, folder: &str) {
        let body = json!({"sourceFilePath": path, "destinationPath": folder});
        self.asks(|library| library.request(Method::POST, "/v1/files/copy").json(&body));
    }

    /// Moves a file into another folder; it keeps its id.
    pub fn move_file(&self, path: &str, folder: &str) {
        let body = json!({"sourceFilePath": path, "destinationPath": folder});
        self.asks(|library| library.request(Method::POST, "/v1/files/move").json(&body));
    }

    /// Gives a file another name; it keeps its id.
    pub fn rename_file(&self, path: &str, name: &str) {
        let body = json!({"filePath": path, "newFileName": name});
        self.asks(|library| library.request(Method::PUT, "/v1/files/rename").json(&body));
    }

    /// The untouched bytes of the file at a path, as the CDN delivers them.
    pub fn file_bytes(&self, path: &str) -> Vec<u8> {
        let url = format!("{}{path}?tr=orig-true", self.imagekit.url_endpoint());
        let got = async {
            http_client_builder().build().unwrap().get(url).send().await?.error_for_status()?.bytes().await
        };
        self.runtime.block_on(got).unwrap().to_vec()
    }

    fn file_id(&self, path: &str) -> String {
        let files = self.imagekit.files();
        files.into_iter().find(|file| file.path == path).expect("the file is there").id
    }

    fn asks(&self, what: impl FnOnce(&Library) -> RequestBuilder) {
        let library =
            Library { client: http_client_builder().build().unwrap(), api: self.imagekit.api_url() };
        let sent = async { what(&library).send().await?.error_for_status() };
        self.runtime.block_on(sent).unwrap();
    }
}

/// An upload to exactly this path, whatever is there.
pub fn form(path: &str, bytes: Vec<u8>) -> Form {
    let (folder, name) = path.rsplit_once('/').unwrap();
    Form::new()
        .text("fileName", name.to_owned())
        .text("folder", folder.to_owned())
        .text("useUniqueFileName", "false")
        .text("overwriteFile", "true")
        .part("file", Part::bytes(bytes).file_name("a.jpg"))
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
