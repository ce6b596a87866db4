//! Folders, and files that move between them.

use std::fs;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::library::Library;
use super::model::Stored;
use super::names::{self, Api};
use super::{App, Body, clock};
use crate::limits;

/// A text member of a body.
fn required<'a>(body: &'a Value, name: &str) -> Answer<&'a str> {
    let missing = || {
        Refusal::bad(format!("Your request is missing {name} parameter."))
            .with("reason", json!("MISSING_PARAMETER"))
    };
    body[name].as_str().filter(|text| !text.is_empty()).ok_or_else(missing)
}

fn folder(path: &str) -> Answer<String> {
    names::folder(Api::V2, path).map_err(|refusal| refusal.with("reason", json!("INVALID_FOLDER_PATH")))
}

/// `POST /v1/folder`: with those above it.
pub(super) async fn create(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    let name = names::file_name(Api::V1, required(&body, "folderName")?);
    let path = folder(&format!("{}/{name}", required(&body, "parentFolderPath")?))?;
    app.shelf().make_folders(&path)?;
    Ok((StatusCode::CREATED, Json(json!({}))).into_response())
}

/// `DELETE /v1/folder`: with all that is in it.
pub(super) async fn delete(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    let path = folder(required(&body, "folderPath")?)?;
    if app.shelf().remove_folder(&path)? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(Refusal::missing("No folder found with the given folderPath.")
        .with("reason", json!("FOLDER_NOT_FOUND")))
}

/// Source and target of a copy or a move, found valid.
fn source_and_target(library: &Library, body: &Value) -> Answer<(Stored, String)> {
    let source = required(body, "sourceFilePath")?;
    let target = folder(required(body, "destinationPath")?)?;
    let file = library.at(source).cloned().ok_or_else(|| {
        Refusal::missing("No file found with the given sourceFilePath.")
            .with("reason", json!("SOURCE_FILE_MISSING"))
    })?;
    let path = names::join(&target, file.name());
    if path == file.path {
        let same = json!("SAME_SOURCE_AND_DESTINATION");
        return Err(Refusal::bad("The source and the destination are the same.").with("reason", same));
    }
    Ok((file, path))
}

/// `POST /v1/files/copy`: the current version, or all with `includeFileVersions`; appended to a file of the same name.
pub(super) async fn copy(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    let mut library = app.shelf();
    let (mut file, path) = source_and_target(&library, &body)?;
    if body["includeFileVersions"] != true {
        file.versions = vec![file.current().clone()];
    }
    append(&mut library, file, path)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/files/move`: keeps the id, unless a file of the same name is there, which then gets the versions.
pub(super) async fn relocate(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    let mut library = app.shelf();
    let (mut file, path) = source_and_target(&library, &body)?;
    if library.at(&path).is_some() {
        let id = file.id.clone();
        append(&mut library, file, path)?;
        library.remove(&id)?;
    } else {
        file.path = path;
        file.updated_at = clock::now();
        library.put(file)?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Puts copies of a file's versions at another path, as a new file or behind what is there.
fn append(library: &mut Library, from: Stored, path: String) -> Answer<()> {
    let now = clock::now();
    let mut file = library.at(&path).cloned().unwrap_or_else(|| Stored {
        id: names::new_id(),
        versions: Vec::new(),
        created_at: now,
        ..from.clone()
    });
    if file.versions.len() + from.versions.len() > limits::SANDBOX_VERSIONS_MAX {
        let reason = json!("VERSION_LIMIT_EXCEEDED");
        return Err(Refusal::bad("The file would have too many versions.").with("reason", reason));
    }
    for version in &from.versions {
        let first = file.versions.is_empty();
        let mut copy = version.clone();
        copy.id = if first { file.id.clone() } else { names::new_id() };
        copy.name = format!("Version {}", file.number_next());
        fs::copy(library.content(&from.id, version), library.content(&file.id, &copy))?;
        file.versions.push(copy);
    }
    file.path = path;
    file.updated_at = now;
    Ok(library.put(file)?)
}

/// `PUT /v1/files/rename`.
pub(super) async fn rename(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    let (path, name) = (required(&body, "filePath")?, required(&body, "newFileName")?);
    let mut library = app.shelf();
    let mut file = library.at(path).cloned().ok_or_else(|| {
        Refusal::missing("No file found with the given filePath.").with("reason", json!("FILE_MISSING"))
    })?;
    // Unlike an upload, a rename keeps the underscore of its own accord; what it replaces, it replaces by one.
    let target = names::join(file.folder(), &names::file_name(Api::V1, name));
    if target == file.path {
        let reason = json!("SAME_OLD_AND_NEW_NAME");
        return Err(Refusal::bad("The old and the new name are the same.").with("reason", reason));
    }
    if library.at(&target).is_some() {
        let taken = Refusal::new(StatusCode::CONFLICT, "A file of this name already exists in the folder.");
        return Err(taken.with("reason", json!("FILE_ALREADY_EXISTS")));
    }
    file.path = target;
    file.updated_at = clock::now();
    library.put(file)?;
    let purge = (body["purgeCache"] == true).then(|| {
        let request = names::new_id();
        app.purges().insert(request.clone(), false);
        json!({ "purgeRequestId": request })
    });
    Ok(Json(purge.unwrap_or_else(|| json!({}))).into_response())
}
