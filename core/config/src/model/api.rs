//! APIs: operations that clients can call.

use indexmap::IndexMap;
use paifang_pipeline::units::{ByteSize, HumanDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cache, HeaderMatch, Id, Many, Retry, Steps};
use crate::yaml::Located;

/// One operation.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Its name, unique.
    pub id: Located<Id>,
    /// Which requests are its. An API without one is reached by its `operation` only.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<Located<Match>>,
    /// Its name for clients that call operations instead of paths; unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Located<Id>>,
    /// Whether it takes calls.
    #[serde(default)]
    pub state: ApiState,
    /// Its steps, top to bottom, after those of `defaults`.
    #[serde(default)]
    pub handlers: Steps,
    /// The upstream that answers; absent where a step always does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Located<Id>>,
    /// From the request head to the response head. 1ms to 1h. Default: that of `defaults`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Located<HumanDuration>>,
    /// The largest request body. Default: that of `defaults`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_limit: Option<ByteSize>,
    /// The largest response body that a step may have collected. Default: that of `defaults`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body_limit: Option<ByteSize>,
    /// When attempts are repeated. Default: the upstream's, then that of `defaults`.
    #[serde(default)]
    pub retry: Retry,
    /// How answers are kept for later calls. Default: they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Located<Cache>>,
    /// Whether calls that may have been replayed (TLS 1.3 early data, of any method) are served;
    /// other APIs answer them with 425. Default false.
    #[serde(default)]
    pub early_data: bool,
    /// Whether its answers over MMTP may be compressed. Say false where an answer holds a secret beside what others choose: its
    /// length would tell of the secret. Default true.
    #[serde(default = "yes")]
    pub compress: bool,
}

const fn yes() -> bool {
    true
}

/// Whether an API takes calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiState {
    /// It does. The default.
    #[default]
    Online,
    /// It exists and answers 503 (`api_offline`); no step runs but those of `defaults`.
    Offline,
}

/// Which requests belong to an API. All that is given must hold.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Hosts, any of them: `api.example.com`, `*.example.com`. Default: every host.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub host: Many<Located<String>>,
    /// Methods, any of them. Default: every method.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub method: Many<Located<String>>,
    /// The whole path, with parameters: `/v1/orders/{id}`, `/files/{*rest}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Located<String>>,
    /// The path's beginning, up to the end of a segment; instead of `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<Located<String>>,
    /// Listeners by name, any of them. Default: every listener.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub listener: Many<Located<String>>,
    /// Regular expressions that must all be found in the path, at most 16 of 1 KiB.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub path_regex: Many<Located<String>>,
    /// Regular expressions none of which may be found in the path, at most 64.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub path_not_regex: Many<Located<String>>,
    /// Headers by name: a value that must be equal, or `{ present: true }`, or `{ prefix: … }`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub header: IndexMap<String, Located<HeaderMatch>>,
}
