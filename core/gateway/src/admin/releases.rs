//! What differs between releases that are kept.

use super::{
    reply::{error, json},
    routes::{Control, refusal},
};
use crate::control::Against;
use axum::{
    extract::{Path, Query},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;

/// What a release is compared with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// A release's number, or `live`; the one before it where absent.
    with: Option<String>,
}

pub(super) async fn diff(
    control: Control,
    Path(number): Path<u64>,
    Query(asked): Query<Asked>,
) -> Response {
    let against = match asked.with.as_deref() {
        None => Against::Before,
        Some("live") => Against::Live,
        Some(other) => match other.parse() {
            Ok(number) => Against::Number(number),
            Err(_) => {
                let help = "`with` must be the number of a release, or `live`";
                return error(StatusCode::BAD_REQUEST, help, None);
            }
        },
    };
    match control.told_release_diff(number, against).await {
        Ok(diff) => json(diff),
        Err(failed) => refusal(&failed),
    }
}
