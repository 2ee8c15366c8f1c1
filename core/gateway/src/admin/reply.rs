//! Answers of the admin API: JSON, and errors that say what to do.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// An answer.
pub(super) fn json(value: impl Serialize) -> Response {
    Json(value).into_response()
}

/// An error as JSON: `{ "error": … }`, with `details` where there is more.
pub(super) fn error(status: StatusCode, message: &str, details: Option<&str>) -> Response {
    let body = match details {
        Some(details) => serde_json::json!({ "error": message, "details": details }),
        None => serde_json::json!({ "error": message }),
    };
    (status, Json(body)).into_response()
}
