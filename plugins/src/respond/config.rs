//! The config of `respond`.

use crate::{answer::Status, template::Texts};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One fixed answer for every call.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RespondConfig {
    /// The status, 200 to 599. Default: 200.
    pub status: Status,
    /// Headers by name: a template, or a list of templates for a header that comes several times.
    pub headers: BTreeMap<String, Texts>,
    /// The body as text: a template of at most 1 MiB when filled. Without a `content-type` it is
    /// `text/plain; charset=utf-8`.
    pub body: Option<String>,
    /// The body as a value whose strings are templates; `application/json` unless `content-type`
    /// says other. Excludes `body`.
    pub json: Option<serde_json::Value>,
}
