//! The config of `request_id`.

use schemars::JsonSchema;
use serde::Deserialize;

/// Gives each call an id.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestIdConfig {
    /// The header that carries the id. Default: `x-request-id`.
    pub header: String,
    /// Whether an id that the request brings is kept: one header of 1 to 128 visible ASCII
    /// characters. Anything else, and every id where this is false, is replaced. Default: false,
    /// since any client can send one; say true behind a proxy that sets it.
    pub trust: bool,
    /// Whether the response carries the id too. Default: true.
    pub response: bool,
    /// Whether it may replace the id of a step above. Default: false.
    #[serde(rename = "override")]
    pub overrides: bool,
}

impl Default for RequestIdConfig {
    fn default() -> Self {
        Self { header: "x-request-id".to_owned(), trust: false, response: true, overrides: false }
    }
}
