//! The config of `headers`.

use crate::template::{Text, Texts};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Changes to request and response headers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeadersConfig {
    /// Changes to the request, before the step below sees it. Default: none.
    pub request: ChangesConfig,
    /// Changes to the response, after the steps below have seen it; error answers of the gateway
    /// are changed too. Default: none.
    pub response: ChangesConfig,
}

/// Changes to one head, in this order: `remove`, `rename`, `set`, `add`, `default`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChangesConfig {
    /// Names to remove, with all their values; `x-internal-*` removes every name that begins so.
    pub remove: Vec<String>,
    /// New names by old ones. All values move; values that stand under the new name are lost.
    pub rename: BTreeMap<String, String>,
    /// Values by name, in the place of those there: templates of at most 8 KiB when filled.
    pub set: BTreeMap<String, Text>,
    /// Values by name, beside those there: a template or a list of templates.
    pub add: BTreeMap<String, Texts>,
    /// Values by name where there is none: templates.
    pub default: BTreeMap<String, Text>,
}
