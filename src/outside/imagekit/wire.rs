//! ImageKit's JSON. What comes in is data: ids and paths are parsed, fields that other people's files may hold in
//! odd shapes are read leniently, everything else strictly.

use std::str::FromStr;

use ledger::ids::FileId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use super::{CdnFile, Usage};

/// The body of a bulk delete.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteRequest<'a> {
    pub(super) file_ids: Vec<&'a FileId>,
}

/// The body of an update of tags.
#[derive(Serialize)]
pub(super) struct TagsRequest<'a> {
    pub(super) tags: &'a [String],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDeleted {
    successfully_deleted_file_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMissing {
    missing_file_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFile {
    file_id: String,
    file_path: String,
    url: String,
    size: u64,
    width: Option<Box<RawValue>>,
    height: Option<Box<RawValue>>,
    tags: Option<Vec<String>>,
    version_info: Option<WireVersion>,
}

#[derive(Deserialize)]
struct WireVersion {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireId {
    file_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUsage {
    media_library_storage_bytes: u64,
    bandwidth_bytes: u64,
}

#[derive(Deserialize)]
struct WireError {
    message: String,
}

/// One file.
pub(super) fn file(body: &[u8]) -> Result<CdnFile, String> {
    serde_json::from_slice::<WireFile>(body).map_err(|error| error.to_string())?.try_into()
}

/// A page of files.
pub(super) fn files(body: &[u8]) -> Result<Vec<CdnFile>, String> {
    let files: Vec<WireFile> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    files.into_iter().map(CdnFile::try_from).collect()
}

/// The id in an answer of which the rest may be unreadable.
pub(super) fn id_alone(body: &[u8]) -> Option<FileId> {
    serde_json::from_slice::<WireId>(body).ok()?.file_id.parse().ok()
}

/// The files a bulk delete has removed.
pub(super) fn deleted_ids(body: &[u8]) -> Result<Vec<String>, String> {
    let answer: WireDeleted = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(answer.successfully_deleted_file_ids)
}

/// The files for whose absence a bulk delete has removed nothing.
pub(super) fn missing_ids(body: &[u8]) -> Result<Vec<String>, String> {
    let answer: WireMissing = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(answer.missing_file_ids)
}

/// What of the plan is used.
pub(super) fn usage(body: &[u8]) -> Result<Usage, String> {
    let wire: WireUsage = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(Usage { storage_bytes: wire.media_library_storage_bytes, bandwidth_bytes: wire.bandwidth_bytes })
}

/// The message of an error.
pub(super) fn error_message(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<WireError>(body).ok().map(|error| error.message)
}

impl TryFrom<WireFile> for CdnFile {
    type Error = String;
    fn try_from(wire: WireFile) -> Result<Self, String> {
        Ok(Self {
            id: parse(&wire.file_id)?,
            path: parse(&wire.file_path)?,
            url: without_query(&wire.url).ok_or("its url is none that can be fetched")?,
            bytes: wire.size,
            width: pixels(wire.width.as_deref()),
            height: pixels(wire.height.as_deref()),
            tags: wire.tags.unwrap_or_default(),
            version: wire.version_info.map(|version| parse(&version.id)).transpose()?,
        })
    }
}

/// A side in pixels; files that are no images have none, or something else there.
fn pixels(side: Option<&RawValue>) -> Option<u32> {
    side?.get().parse().ok()
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// A URL without what ImageKit hangs on it for caches' sake (`?updatedAt=…`).
fn without_query(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    super::settings::is_web(&url).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"type":"file","fileId":"6673f88237b244ef54d60180","filePath":"/a/b.jpg","size":117079,
        "url":"https://ik.imagekit.io/demo/a/b.jpg?updatedAt=1718876290234","width":1000,"height":500,"tags":null,
        "AITags":null,"unknown":{"deep":[1]}}"#;

    #[test]
    fn a_file_is_read_without_its_urls_query() {
        let file = file(FILE.as_bytes()).unwrap();
        assert_eq!(file.url, "https://ik.imagekit.io/demo/a/b.jpg");
        assert_eq!((file.bytes, file.width, file.height), (117_079, Some(1000), Some(500)));
        assert_eq!((file.path.as_str(), file.tags.len()), ("/a/b.jpg", 0));
    }

    #[test]
    fn s4_odd_files_are_refused_and_odd_sides_ignored() {
        for (from, to) in [
            ("6673f88237b244ef54d60180", "../../x"),
            ("/a/b.jpg", "a/b.jpg"),
            ("https://ik", "javascript://ik"),
            ("https://ik", "https://user:pw@ik"),
            ("117079", "-1"),
        ] {
            let body = FILE.replacen(from, to, 1);
            assert_ne!(body, FILE);
            assert!(file(body.as_bytes()).is_err(), "{to}");
        }
        for side in ["null", "\"?\"", "-3", "1.5", "[]", "99999999999"] {
            let body = FILE.replace("\"width\":1000", &format!("\"width\":{side}"));
            assert_eq!(file(body.as_bytes()).unwrap().width, None, "{side}");
        }
        assert_eq!(id_alone(br#"{"fileId":"abc","size":"?"}"#).unwrap().to_string(), "abc");
    }
}
