//! How files, versions and folders look in ImageKit's JSON.

use serde_json::{Value, json};
use url::Url;

use super::clock::{Ms, iso};
use super::model::{Folder, Stored, Version};
use super::names;

/// The named transformation of thumbnails.
pub(super) const THUMBNAIL: &str = "n-ik_ml_thumbnail";

/// A file as list and details show it.
pub(super) fn file(endpoint: &Url, file: &Stored) -> Value {
    object(endpoint, file, file.current(), "file", file.updated_at)
}

/// One version as list and versions show it.
pub(super) fn version(endpoint: &Url, file: &Stored, version: &Version) -> Value {
    let kind = if version.id == file.current().id { "file" } else { "file-version" };
    let mut shown = object(endpoint, file, version, kind, version.created_at);
    for key in ["url", "thumbnail"] {
        if let Some(url) = shown[key].as_str() {
            shown[key] = json!(format!("{url}&ik-obj-version={}", version.id));
        }
    }
    shown
}

fn object(endpoint: &Url, file: &Stored, version: &Version, kind: &str, updated_at: Ms) -> Value {
    let url = names::delivery_url(endpoint, None, &file.path);
    let thumbnail = version.probe.dimensions.map(|_| format!("{url}?updatedAt={updated_at}&tr={THUMBNAIL}"));
    json!({
        "type": kind,
        "fileId": file.id,
        "name": file.name(),
        "filePath": file.path,
        "tags": file.tags,
        "AITags": null,
        "versionInfo": { "id": version.id, "name": version.name },
        "isPrivateFile": file.is_private,
        "isPublished": file.is_published,
        "customCoordinates": file.custom_coordinates,
        "url": format!("{url}?updatedAt={updated_at}"),
        "thumbnail": thumbnail,
        "fileType": version.probe.file_type(),
        "mime": version.probe.mime,
        "width": version.probe.dimensions.map(|(width, _)| width),
        "height": version.probe.dimensions.map(|(_, height)| height),
        "size": version.size,
        "hasAlpha": version.probe.has_alpha,
        "customMetadata": file.custom_metadata,
        "embeddedMetadata": {},
        "description": file.description,
        "createdAt": iso(file.created_at),
        "updatedAt": iso(updated_at),
    })
}

/// A folder as the list shows it.
pub(super) fn folder(folder: &Folder) -> Value {
    json!({
        "type": "folder",
        "folderId": folder.id,
        "name": names::split(&folder.path).1,
        "folderPath": folder.path,
        "customMetadata": {},
        "createdAt": iso(folder.created_at),
        "updatedAt": iso(folder.created_at),
    })
}

/// The answer of an upload; `wanted` are its `responseFields`.
pub(super) fn uploaded(endpoint: &Url, file: &Stored, wanted: &[&str]) -> Value {
    let version = file.current();
    let probe = &version.probe;
    let mut answer = json!({
        "fileId": file.id,
        "name": file.name(),
        "size": version.size,
        "versionInfo": { "id": version.id, "name": version.name },
        "filePath": file.path,
        "url": names::delivery_url(endpoint, None, &file.path),
        "fileType": probe.file_type(),
        "AITags": null,
    });
    if let Some((width, height)) = probe.dimensions {
        answer["height"] = json!(height);
        answer["width"] = json!(width);
        answer["orientation"] = json!(1);
        answer["thumbnailUrl"] =
            json!(names::delivery_url(endpoint, Some(&format!("tr:{THUMBNAIL}")), &file.path));
    }
    let optional = [
        ("tags", json!(file.tags)),
        ("customCoordinates", json!(file.custom_coordinates)),
        ("isPrivateFile", json!(file.is_private)),
        ("isPublished", json!(file.is_published)),
        ("customMetadata", json!(file.custom_metadata)),
        ("embeddedMetadata", json!({})),
        ("metadata", metadata(version)),
        ("selectedFieldsSchema", json!({})),
    ];
    for (name, value) in optional {
        if wanted.contains(&name) {
            answer[name] = value;
        }
    }
    answer
}

/// What the metadata calls tell, as far as the bytes were looked at.
pub(super) fn metadata(version: &Version) -> Value {
    json!({
        "height": version.probe.dimensions.map(|(_, height)| height),
        "width": version.probe.dimensions.map(|(width, _)| width),
        "size": version.size,
        "format": version.probe.format(),
        "hasTransparency": version.probe.has_alpha,
        "exif": {},
    })
}
