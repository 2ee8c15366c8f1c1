//! Apps: tenants with their keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AppMmtp, Id, SecretAt};
use crate::yaml::Located;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its keys, at least one. Several are valid at once, so that keys can be rotated.
    pub keys: Vec<AppKey>,
    /// How error answers to its clients look; the default one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_page: Option<ErrorPage>,
    /// What it may do over MMTP, in place of `mmtp.limits.per_app`, key by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mmtp: Option<AppMmtp>,
}

/// One key of an app.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppKey {
    /// The key id that requests name; unique over all apps.
    pub id: Located<Id>,
    /// The shared secret, by reference.
    pub secret: Located<SecretAt>,
}

/// A body for error answers, with the placeholders `{code}`, `{status}`, `{title}`, `{detail}`
/// `{request_id}` and `{trace_id}`, whose values are escaped for JSON strings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorPage {
    /// The media type. Default `application/json`.
    #[serde(default = "json")]
    pub content_type: Located<String>,
    /// The text.
    pub body: String,
}

fn json() -> Located<String> {
    "application/json".to_owned().into()
}
