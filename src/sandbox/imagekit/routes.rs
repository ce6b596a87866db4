//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};

use super::{App, account, delivery, files, folders, front, list, upload};

/// All of it: the API behind its key, and everything else taken for a delivery.
pub(super) fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .route("/api/v1/files/upload", post(upload::v1))
        .route("/api/v2/files/upload", post(upload::v2))
        .route("/v1/files", get(list::list))
        .route("/v1/files/", get(list::list))
        .route("/v1/files/{id}", delete(files::delete))
        .route("/v1/files/{id}/details", get(files::details).patch(files::update))
        .route("/v1/files/{id}/metadata", get(files::metadata))
        .route("/v1/files/{id}/versions", get(files::versions))
        .route("/v1/files/{id}/versions/{version}", get(files::version).delete(files::delete_version))
        .route("/v1/files/{id}/versions/{version}/restore", put(files::restore_version))
        .route("/v1/files/batch/deleteByFileIds", post(files::bulk_delete))
        .route("/v1/files/addTags", post(files::add_tags))
        .route("/v1/files/removeTags", post(files::remove_tags))
        .route("/v1/files/removeAITags", post(files::remove_ai_tags))
        .route("/v1/files/copy", post(folders::copy))
        .route("/v1/files/move", post(folders::relocate))
        .route("/v1/files/rename", put(folders::rename))
        .route("/v1/folder", post(folders::create).delete(folders::delete))
        .route("/v1/files/purge", post(account::purge))
        .route("/v1/files/purge/{request}", get(account::purge_status))
        .route("/v1/accounts/usage", get(account::usage))
        .route("/v1/customMetadataFields", get(account::fields).post(account::define_field))
        .route_layer(from_fn_with_state(app.clone(), front::guard));
    api.fallback(delivery::deliver)
        // The upload limit is the form's own; the framework's would answer in words that are not ImageKit's.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(app.clone(), front::front))
        .with_state(app)
}
