//! Answers of the admin API: JSON, and errors that say what to do.

use axum::{
    Json,
    body::{Body, to_bytes},
    http::{HeaderValue, StatusCode, header},
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

/// The most of a foreign error's text that is told, in bytes.
const LONGEST: usize = 16 * 1024;

/// Errors that were not made here, such as those about a body that is no JSON, are text: told in
/// the shape of all others.
pub(super) async fn errors_as_json(response: Response) -> Response {
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes)
        == Some(b"application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, LONGEST).await.unwrap_or_default();
    let message = match std::str::from_utf8(&text) {
        Ok(text) if !text.is_empty() => text,
        _ => status.canonical_reason().unwrap_or("refused"),
    };
    let body = serde_json::json!({ "error": message }).to_string();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(body))
}
