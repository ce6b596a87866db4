//! Details, changes, deletion and versions of files.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::fields::{self, file_id};
use super::library::Library;
use super::model::Stored;
use super::{App, Body, clock, shape};
use crate::limits;

/// The file of an id out of a path.
fn known<'a>(library: &'a Library, id: &str) -> Answer<&'a Stored> {
    library.get(file_id(id)?).ok_or_else(Refusal::no_such_file)
}

/// `GET /v1/files/{id}/details`: always current.
pub(super) async fn details(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Response> {
    Ok(Json(shape::file(&app.endpoint, known(&app.shelf(), &id)?)).into_response())
}

/// `GET /v1/files/{id}/metadata`.
pub(super) async fn metadata(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Response> {
    Ok(Json(shape::metadata(known(&app.shelf(), &id)?.current())).into_response())
}

/// `PATCH /v1/files/{id}/details`; `null` unsets.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Answer<Response> {
    let mut library = app.shelf();
    let mut file = known(&library, &id)?.clone();
    match &body["tags"] {
        Value::Null if body.get("tags").is_none() => {}
        Value::Null => file.tags = None,
        tags => {
            let tags = serde_json::from_value::<Vec<String>>(tags.clone());
            let tags = tags.map_err(|_| Refusal::bad("Your request contains invalid tags parameter."))?;
            file.tags = Some(fields::tags(&tags)?);
        }
    }
    if let Some(coordinates) = body.get("customCoordinates") {
        file.custom_coordinates = coordinates.as_str().map(fields::coordinates).transpose()?;
    }
    if let Some(description) = body.get("description") {
        file.description = description.as_str().map(str::to_owned);
    }
    match &body["customMetadata"] {
        Value::Null => {}
        Value::Object(changes) => {
            fields::defined(&library, changes)?;
            for (name, value) in changes {
                match value {
                    Value::Null => drop(file.custom_metadata.remove(name)),
                    value => drop(file.custom_metadata.insert(name.clone(), value.clone())),
                }
            }
        }
        _ => return Err(Refusal::bad("Invalid custom metadata.")),
    }
    if let Some(published) = body["publish"]["isPublished"].as_bool() {
        file.is_published = published;
    }
    file.updated_at = clock::now();
    let mut answer = shape::file(&app.endpoint, &file);
    if let Some(extensions) = body["extensions"].as_array() {
        let failed = extensions.iter().filter_map(|one| one["name"].as_str()).map(|name| (name, "failed"));
        answer["extensionStatus"] = failed.map(|(name, status)| (name.to_owned(), json!(status))).collect();
    }
    library.put(file)?;
    Ok(Json(answer).into_response())
}

/// `DELETE /v1/files/{id}`: with all versions.
pub(super) async fn delete(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Response> {
    let mut library = app.shelf();
    known(&library, &id)?;
    library.remove(&id)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /v1/files/batch/deleteByFileIds`: all, or none when one does not exist.
pub(super) async fn bulk_delete(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    let mut library = app.shelf();
    let too_many = "fileIds cannot have more than 100 items.";
    let ids = fields::file_ids(&library, &body, limits::SANDBOX_BULK_DELETE_MAX, too_many)?;
    let mut deleted = Vec::new();
    let mut errors = Vec::new();
    for id in ids {
        match library.remove(&id) {
            Ok(()) => deleted.push(id),
            Err(error) => errors.push(json!({ "fileId": id, "error": error.to_string() })),
        }
    }
    Ok(partly("successfullyDeletedFileIds", &deleted, &errors))
}

/// 200, or 207 with what went wrong.
fn partly(name: &str, done: &[String], errors: &[Value]) -> Response {
    if errors.is_empty() {
        return Json(json!({ name: done })).into_response();
    }
    (StatusCode::MULTI_STATUS, Json(json!({ name: done, "errors": errors }))).into_response()
}

/// `POST /v1/files/addTags`.
pub(super) async fn add_tags(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    tag(&app, &body, "tags", |file, tags| {
        let mut all = file.tags.take().unwrap_or_default();
        all.extend(tags.iter().filter(|tag| !all.contains(tag)).cloned().collect::<Vec<_>>());
        file.tags = Some(fields::tags(&all)?);
        Ok(())
    })
}

/// `POST /v1/files/removeTags`.
pub(super) async fn remove_tags(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    tag(&app, &body, "tags", |file, tags| {
        let left: Vec<String> = file.tags.take().unwrap_or_default();
        file.tags = Some(left.into_iter().filter(|tag| !tags.contains(tag)).collect())
            .filter(|t: &Vec<_>| !t.is_empty());
        Ok(())
    })
}

/// `POST /v1/files/removeAITags`: there are none, so nothing changes.
pub(super) async fn remove_ai_tags(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    tag(&app, &body, "AITags", |_, _| Ok(()))
}

fn tag(
    app: &App,
    body: &Value,
    name: &str,
    change: impl Fn(&mut Stored, &[String]) -> Answer<()>,
) -> Answer<Response> {
    let mut library = app.shelf();
    let too_many = "A maximum of 50 files can be edited at a time.";
    let ids = fields::file_ids(&library, body, limits::SANDBOX_BULK_TAGS_MAX, too_many)?;
    let invalid = || Refusal::bad(format!("Your request contains invalid {name} parameter."));
    let tags: Vec<String> = serde_json::from_value(body[name].clone()).map_err(|_| invalid())?;
    let mut changed = Vec::new();
    for id in &ids {
        let mut file = known(&library, id)?.clone();
        change(&mut file, &tags)?;
        file.updated_at = clock::now();
        changed.push(file);
    }
    changed.into_iter().try_for_each(|file| library.put(file))?;
    Ok(partly("successfullyUpdatedFileIds", &ids, &[]))
}

/// `GET /v1/files/{id}/versions`: newest first.
pub(super) async fn versions(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer<Response> {
    let library = app.shelf();
    let file = known(&library, &id)?;
    let shown = file.versions.iter().rev().map(|version| shape::version(&app.endpoint, file, version));
    Ok(Json(shown.collect::<Vec<Value>>()).into_response())
}

/// The answer for a version that is not there.
fn no_such_version() -> Refusal {
    Refusal::missing("The requested file version does not exist.")
}

/// `GET /v1/files/{id}/versions/{version}`.
pub(super) async fn version(
    State(app): State<Arc<App>>,
    Path((id, version)): Path<(String, String)>,
) -> Answer<Response> {
    let library = app.shelf();
    let file = known(&library, &id)?;
    let version = file.version(&version).ok_or_else(no_such_version)?;
    Ok(Json(shape::version(&app.endpoint, file, version)).into_response())
}

/// `DELETE /v1/files/{id}/versions/{version}`: any but the current one.
pub(super) async fn delete_version(
    State(app): State<Arc<App>>,
    Path((id, version)): Path<(String, String)>,
) -> Answer<Response> {
    let mut library = app.shelf();
    let mut file = known(&library, &id)?.clone();
    let at = file.versions.iter().position(|one| one.id == version).ok_or_else(no_such_version)?;
    if at + 1 == file.versions.len() {
        return Err(Refusal::bad("You cannot delete current version of a file."));
    }
    let gone = file.versions.remove(at);
    library.put(file)?;
    library.drop_content(&id, &gone)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `PUT /v1/files/{id}/versions/{version}/restore`: makes it the current one.
pub(super) async fn restore_version(
    State(app): State<Arc<App>>,
    Path((id, version)): Path<(String, String)>,
) -> Answer<Response> {
    let mut library = app.shelf();
    let mut file = known(&library, &id)?.clone();
    let at = file.versions.iter().position(|one| one.id == version).ok_or_else(no_such_version)?;
    let current = file.versions.remove(at);
    file.versions.push(current);
    file.updated_at = clock::now();
    let answer = shape::file(&app.endpoint, &file);
    library.put(file)?;
    Ok(Json(answer).into_response())
}
