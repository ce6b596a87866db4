//! What ImageKit says when it refuses, in its own words where they are known.

use std::io;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The closing line of every error, with the odd space before the full stop that the real one has.
const HELP: &str = "For support kindly contact us at support@imagekit.io .";

/// A refused request: its status and JSON body.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Value,
}

/// What a handler comes to.
pub(super) type Answer<T = Response> = Result<T, Refusal>;

impl Refusal {
    /// A refusal with ImageKit's `message`.
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, body: json!({ "message": message.into(), "help": HELP }) }
    }

    /// Status 400.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Status 404.
    pub(super) fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// A file id that is well-formed and belongs to no file.
    pub(super) fn no_such_file() -> Self {
        Self::missing("The requested file does not exist.")
    }

    /// The answer of all calls on many files when some do not exist; nothing was done to any.
    pub(super) fn missing_ids(ids: &[String]) -> Self {
        Self::missing("The requested file(s) does not exist.").with("missingFileIds", json!(ids))
    }

    /// Adds a member, such as `reason`.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.body[name] = value;
        self
    }
}

impl From<io::Error> for Refusal {
    /// The sandbox's own disk failed. The text goes out because nobody but a developer will see it.
    fn from(error: io::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("The sandbox could not store or read: {error}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
