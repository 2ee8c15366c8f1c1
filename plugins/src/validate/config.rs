//! The config of `validate`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Holds requests against JSON Schemas, or against an OpenAPI description.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// JSON Schema of the body, which must be JSON.
    pub body: Option<Value>,
    /// Media types of such a body, 1 to 64 patterns as in `compress`. Default `application/json`
    /// and `*+json`.
    pub content_types: Vec<String>,
    /// JSON Schema of an object whose properties are the query's parameters.
    pub query: Option<Value>,
    /// JSON Schema of an object whose properties are header fields, named in lower case.
    pub headers: Option<Value>,
    /// JSON Schema of an object whose properties are the path parameters of the API's match.
    pub path: Option<Value>,
    /// JSON Schema of an object whose properties are cookies.
    pub cookies: Option<Value>,
    /// An OpenAPI description, instead of schemas.
    pub openapi: Option<OpenApiConfig>,
    /// Documents that a `$ref` may lead to, by the name that it uses, up to 64. Nothing else is
    /// ever read or fetched.
    pub documents: BTreeMap<String, Value>,
    /// Refuses nothing: what is wrong is logged and counted. Default `false`.
    pub report_only: bool,
    /// How many faults of one request are told, 1 to 100. Default 10.
    pub max_errors: u32,
    /// How deep JSON may be nested, 1 to 100. Default 64.
    pub max_depth: u32,
    /// How many values JSON may hold, lists and objects counted too, 1 to 10,000,000. Default
    /// 100,000.
    pub max_values: u32,
}

/// An OpenAPI description.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenApiConfig {
    /// The description, version 3.0 or 3.1: `{ $include: specs/orders.yaml }`.
    pub document: Value,
    /// `operationId` of the one operation that every call here is. Without it the operation is
    /// found by the call's method and path.
    pub operation: Option<String>,
    /// What the call's path begins with before the paths of the description, such as `/v1`.
    /// Default nothing.
    #[serde(default)]
    pub base_path: String,
    /// What becomes of calls that are no operation of the description. Default `refuse`.
    #[serde(default)]
    pub unknown: Unknown,
    /// Whether query parameters that the operation does not name are faults. Default `false`.
    #[serde(default)]
    pub strict_query: bool,
    /// Media types of bodies that pass unchecked though the description has a schema for them, as
    /// it writes them, such as `multipart/form-data`. Default none: only JSON and forms can be
    /// checked, and a description with other schemas is refused.
    #[serde(default)]
    pub unchecked_types: Vec<String>,
}

/// What becomes of calls that are no operation of the description.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// They are refused.
    #[default]
    Refuse,
    /// They pass, unchecked.
    Pass,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            body: None,
            content_types: vec!["application/json".to_owned(), "*+json".to_owned()],
            query: None,
            headers: None,
            path: None,
            cookies: None,
            openapi: None,
            documents: BTreeMap::new(),
            report_only: false,
            max_errors: 10,
            max_depth: 64,
            max_values: 100_000,
        }
    }
}
