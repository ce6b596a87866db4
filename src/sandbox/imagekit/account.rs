//! Calls about the account as a whole: purging, usage, custom metadata fields.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::{App, Body, clock, names, params};
use crate::limits;

/// `POST /v1/files/purge`. The sandbox has no cache, so what is purged was never stale.
pub(super) async fn purge(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    let invalid = || Refusal::bad("The URL is not valid for cache purging.");
    let url = body["url"].as_str().ok_or_else(invalid)?;
    let public = format!("https://ik.imagekit.io{}", app.delivery_prefix);
    let path =
        url.strip_prefix(&public).or_else(|| url.strip_prefix(app.endpoint.as_str())?.strip_prefix('/'));
    if !path.is_some_and(is_purgeable) {
        return Err(invalid());
    }
    let request = names::new_id();
    app.purges().insert(request.clone(), false);
    Ok((StatusCode::CREATED, Json(json!({ "requestId": request }))).into_response())
}

/// A path with at most one `*`, at its end, and then enough in front of it.
fn is_purgeable(path: &str) -> bool {
    match path.strip_suffix('*') {
        Some(fixed) => !fixed.contains('*') && (fixed.matches('/').count() >= 2 || fixed.len() >= 15),
        None => !path.is_empty() && !path.contains('*'),
    }
}

/// `GET /v1/files/purge/{request}`: pending when first asked, completed ever after.
pub(super) async fn purge_status(
    State(app): State<Arc<App>>,
    Path(request): Path<String>,
) -> Answer<Response> {
    let mut purges = app.purges();
    let asked =
        purges.get_mut(&request).ok_or_else(|| Refusal::bad("No request found for this requestId."))?;
    let status = if std::mem::replace(asked, true) { "Completed" } else { "Pending" };
    Ok(Json(json!({ "status": status })).into_response())
}

/// `GET /v1/accounts/usage`: bandwidth between two days, both included, and the storage of all versions now.
pub(super) async fn usage(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Answer<Response> {
    let asked = params(query.as_deref());
    let day = |name: &str| {
        let text = asked.get(name).map(String::as_str).unwrap_or_default();
        clock::date(text)
            .ok_or_else(|| Refusal::bad(format!("Your request contains invalid {name} parameter.")))
    };
    let (from, to) = (day("startDate")?, day("endDate")?);
    let days = (to - from).whole_days();
    if !(0..limits::SANDBOX_USAGE_DAYS_MAX).contains(&days) {
        return Err(Refusal::bad(
            "The difference between startDate and endDate should be less than 90 days.",
        ));
    }
    let library = app.shelf();
    Ok(Json(json!({
        "bandwidthBytes": library.served(&from.to_string(), &to.to_string()),
        "mediaLibraryStorageBytes": library.bytes(),
        "videoProcessingUnitsCount": 0,
        "extensionUnitsCount": 0,
        "originalCacheStorageBytes": 0,
    }))
    .into_response())
}

/// `GET /v1/customMetadataFields`.
pub(super) async fn fields(State(app): State<Arc<App>>) -> Response {
    Json(app.shelf().fields().to_vec()).into_response()
}

/// `POST /v1/customMetadataFields`.
pub(super) async fn define_field(State(app): State<Arc<App>>, Body(body): Body) -> Answer<Response> {
    let invalid = |name: &str| Refusal::bad(format!("Your request contains invalid {name} parameter."));
    let name = body["name"].as_str().filter(|name| !name.is_empty()).ok_or_else(|| invalid("name"))?;
    let label = body["label"].as_str().ok_or_else(|| invalid("label"))?;
    let schema =
        Some(&body["schema"]).filter(|schema| schema["type"].is_string()).ok_or_else(|| invalid("schema"))?;
    let mut library = app.shelf();
    if library.fields().iter().any(|field| field["name"] == name) {
        return Err(Refusal::bad("A custom metadata field with this name already exists."));
    }
    let field: Value = json!({ "id": names::new_id(), "name": name, "label": label, "schema": schema });
    library.define(field.clone())?;
    Ok((StatusCode::CREATED, Json(field)).into_response())
}
