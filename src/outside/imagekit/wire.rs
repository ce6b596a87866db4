//! ImageKit's JSON. What comes in is data: ids and paths are parsed, fields that other people's files may hold in
//! odd shapes are read leniently, everything else strictly.

use std::str::FromStr;

use ledger::ids::FileId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use super::place::{bare, delivered_at, is_of};
use super::settings::is_web;
use super::{CdnFile, Listed, OddFile, Usage};
use crate::limits::{CDN_BYTES_MAX, FINDING_CHARS_MAX, FINDING_PATH_CHARS_MAX, MESSAGE_CHARS_MAX};
use crate::outside::http::plain;

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
    #[serde(rename = "type")]
    kind: Option<String>,
    file_id: String,
    file_path: String,
    url: String,
    size: u64,
    width: Option<Box<RawValue>>,
    height: Option<Box<RawValue>>,
    tags: Option<Vec<String>>,
    file_type: Option<String>,
    is_private_file: Option<bool>,
    is_published: Option<bool>,
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

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireNamed<'a> {
    #[serde(borrow, default)]
    file_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    file_path: Option<&'a RawValue>,
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

/// One file, delivered below the endpoint.
pub(super) fn file(body: &[u8], endpoint: &Url) -> Result<CdnFile, String> {
    one(body)?.below(endpoint)
}

/// A file as it came. Of what is no object the parser would name a type of this program.
fn one(body: &[u8]) -> Result<WireFile, String> {
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    serde_json::from_slice(body).map_err(|error| match is_object || error.is_syntax() || error.is_eof() {
        true => error.to_string(),
        false => "it is no object".to_owned(),
    })
}

/// Files, all of which can be read.
pub(super) fn files(body: &[u8], endpoint: &Url) -> Result<Vec<CdnFile>, String> {
    let Listed { files, odd } = page(body, endpoint)?;
    odd.first().map_or(Ok(files), |odd| Err(odd.to_string()))
}

/// A page of files, each as far as it can be read: other people's files are among them.
pub(super) fn page(body: &[u8], endpoint: &Url) -> Result<Listed, String> {
    let all: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut listed = Listed::default();
    for raw in all {
        match one(raw.get().as_bytes()).and_then(|file| file.below(endpoint)) {
            Ok(file) => listed.files.push(file),
            Err(why) => listed.odd.push(odd(raw.get(), &why)),
        }
    }
    Ok(listed)
}

/// What can be read of a file that cannot be read whole.
fn odd(raw: &str, why: &str) -> OddFile {
    let WireNamed { file_id, file_path } = serde_json::from_str(raw).unwrap_or_default();
    let text = |value: Option<&RawValue>| serde_json::from_str::<String>(value?.get()).ok();
    let (said_id, said_path) = (text(file_id), text(file_path));
    let kept = |said: Option<String>| said.map(|said| plain(&said, FINDING_PATH_CHARS_MAX));
    OddFile {
        id: said_id.as_deref().and_then(|said| id(said).ok()),
        path: said_path.as_deref().and_then(|said| parse(said).ok()),
        said_id: kept(said_id),
        said_path: kept(said_path),
        why: plain(why, MESSAGE_CHARS_MAX),
    }
}

/// The id in an answer of which the rest may be unreadable.
pub(super) fn id_alone(body: &[u8]) -> Option<FileId> {
    id(&serde_json::from_slice::<WireId>(body).ok()?.file_id).ok()
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
    let (storage, bandwidth) = (wire.media_library_storage_bytes, wire.bandwidth_bytes);
    Ok(Usage { storage_bytes: amount(storage)?, bandwidth_bytes: amount(bandwidth)? })
}

/// The message of an error.
pub(super) fn error_message(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<WireError>(body).ok().map(|error| error.message)
}

impl WireFile {
    /// The file, delivered below the endpoint. What keeps it out of rows is noted: a listing may have any file.
    fn below(self, endpoint: &Url) -> Result<CdnFile, String> {
        let path = parse(&self.file_path)?;
        let (width, height) = (pixels(self.width.as_deref()), pixels(self.height.as_deref()));
        let unfit = self.unfit(endpoint, width.is_err() || height.is_err());
        Ok(CdnFile {
            id: id(&self.file_id)?,
            path,
            url: delivered_at(endpoint, &self.file_path),
            unfit,
            bytes: amount(self.size)?,
            width: width.unwrap_or_default(),
            height: height.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
            version: self.version_info.map(|version| id(&version.id)).transpose()?,
        })
    }

    fn unfit(&self, endpoint: &Url, has_odd_sides: bool) -> Option<String> {
        let is_other = |said: &Option<String>, than: &str| said.as_ref().is_some_and(|said| said != than);
        let why = if !is_of(&self.url, endpoint, &self.file_path) {
            return Some(format!(
                "ImageKit delivers it at {}, which is not below IMAGEKIT_URL_ENDPOINT",
                shown(&self.url)
            ));
        } else if self.is_private_file == Some(true) {
            "private, and served to signed URLs alone"
        } else if self.is_published == Some(false) {
            "not published"
        } else if is_other(&self.file_type, "image") || is_other(&self.kind, "file") {
            "no image file"
        } else if has_odd_sides {
            "a picture with sides that are no numbers"
        } else {
            return None;
        };
        Some(format!("ImageKit says that it is {why}"))
    }
}

/// A URL that an answer gives, for a message: without credentials and query.
fn shown(url: &str) -> String {
    match Url::parse(bare(url)) {
        Ok(url) if is_web(&url) => plain(url.as_str(), FINDING_CHARS_MAX),
        _ => "a URL that no picture has".to_owned(),
    }
}

/// A side in pixels; files that are no images have none.
fn pixels(side: Option<&RawValue>) -> Result<Option<u32>, std::num::ParseIntError> {
    match side.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(side) => side.parse().map(Some),
    }
}

/// An id as ImageKit makes them: of letters and digits. It stands in rows, in requests and in what people read.
fn id(text: &str) -> Result<FileId, String> {
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits { parse(text) } else { Err("its file id is none of ImageKit's".to_owned()) }
}

/// A number of bytes that there can be.
fn amount(bytes: u64) -> Result<u64, String> {
    if bytes <= CDN_BYTES_MAX { Ok(bytes) } else { Err(format!("{bytes} bytes are more than there can be")) }
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"type":"file","fileId":"6673f88237b244ef54d60180","filePath":"/a/b.jpg","size":117079,
        "url":"https://ik.imagekit.io/demo/a/b.jpg?updatedAt=1718876290234","width":1000,"height":500,"tags":null,
        "AITags":null,"fileType":"image","isPrivateFile":false,"isPublished":true,"unknown":{"deep":[1]}}"#;

    fn read(body: &str) -> Result<CdnFile, String> {
        file(body.as_bytes(), &"https://ik.imagekit.io/demo".parse().unwrap())
    }

    fn changed(from: &str, to: &str) -> Result<CdnFile, String> {
        let body = FILE.replacen(from, to, 1);
        assert_ne!(body, FILE);
        read(&body)
    }

    #[test]
    fn a_file_is_read_with_the_url_of_its_path() {
        let file = read(FILE).unwrap();
        assert_eq!((file.url.as_str(), file.unfit), ("https://ik.imagekit.io/demo/a/b.jpg", None));
        assert_eq!((file.bytes, file.width, file.height), (117_079, Some(1000), Some(500)));
        assert_eq!((file.path.as_str(), file.tags.len()), ("/a/b.jpg", 0));
    }

    #[test]
    fn s4_odd_files_are_refused() {
        for (from, to) in [
            ("6673f88237b244ef54d60180", "../../x"),
            ("6673f88237b244ef54d60180", "=1+1"),
            ("6673f88237b244ef54d60180", "<b>"),
            ("6673f88237b244ef54d60180", ""),
            ("/a/b.jpg", "a/b.jpg"),
            ("117079", "-1"),
            ("117079", "18446744073709551615"),
            ("\"tags\":null", "\"tags\":\"a,b\""),
            ("\"isPrivateFile\":false", "\"isPrivateFile\":\"no\""),
        ] {
            assert!(changed(from, to).is_err(), "{to}");
        }
        assert_eq!(id_alone(br#"{"fileId":"abc","size":"?"}"#).unwrap().to_string(), "abc");
        assert_eq!(id_alone(br#"{"fileId":"a<c","size":"?"}"#), None);
    }

    #[test]
    fn s2_what_no_row_may_point_at_is_noted() {
        for (from, to) in [
            ("https://ik.imagekit", "https://evil.imagekit"),
            ("https://ik", "javascript://ik"),
            ("https://ik", "https://user:pw@ik"),
            ("/demo/", "/other/"),
            ("false", "true"),
            ("true", "false"),
            ("\"fileType\":\"image\"", "\"fileType\":\"non-image\""),
            ("\"type\":\"file\"", "\"type\":\"file-version\""),
            ("1000", "\"?\""),
            ("1000", "-3"),
            ("1000", "1.5"),
            ("1000", "[]"),
            ("500", "99999999999"),
        ] {
            let file = changed(from, to).unwrap();
            assert!(file.unfit.is_some() && file.url == "https://ik.imagekit.io/demo/a/b.jpg", "{to}");
        }
        assert_eq!(changed("1000", "null").unwrap().unfit, None, "whoever does not say lies in nothing");
    }
}
