//! What will happen, and why: for people, and for tools as JSON.
//!
//! [`api`] tells an API's settings and steps, each with where it is written; [`request`] tells
//! which API a request belongs to, which others came close, and why they lose.

mod api;
mod request;
#[cfg(test)]
mod tests;
mod text;

use serde::Serialize;
use serde_json::Value;

pub use api::api;
pub(crate) use api::{json, redacted};
pub use request::{Asked, request};
pub(crate) use text::flow;

/// An API, explained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApiExplained {
    /// Its id; `-` for what answers requests that match no API.
    pub id: String,
    /// Where it is written, `file:line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// `online` or `offline`.
    pub state: String,
    /// What it matches, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<Value>,
    /// Its name for clients that call operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The upstream that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Whether it takes calls that may have been replayed.
    pub early_data: bool,
    /// Whether its answers over MMTP may be compressed.
    pub compress: bool,
    /// Its limits, and where each comes from.
    pub settings: Vec<Setting>,
    /// Its steps, top to bottom; those that are not enabled too.
    pub steps: Vec<StepExplained>,
}

/// A value, and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Its key.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// `file:line`; absent for what is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// A step, explained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepExplained {
    /// Its id in the API.
    pub id: String,
    /// The handler's name.
    pub kind: String,
    /// The module that makes it, of a handler in WebAssembly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleExplained>,
    /// Where it is written, `file:line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// It stands in `defaults`.
    pub default: bool,
    /// The uses of chains that lead to it, outermost first, `file:line`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<String>,
    /// Its config, overrides merged in; secrets are references.
    pub config: Value,
    /// What of its config stands elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// The stages at which it runs, in the order in which a call meets them.
    pub stages: Vec<String>,
    /// The calls in which it takes part; all where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Value>,
    /// What clients see when it fails: `closed` or `open`.
    pub on_failure: String,
    /// The upstreams that it may send calls to, beside the API's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// Names of the state that it keeps between calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub state: Vec<String>,
    /// False where it is left out: switched off, by a plan too, or of an API that is offline.
    pub enabled: bool,
    /// Plans that are on and have changed it, or put it there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<String>,
}

/// The module of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModuleExplained {
    /// Its file.
    pub file: String,
    /// The SHA-256 of the file, in hex.
    pub sha256: String,
    /// What its host says of it: short names with their values.
    pub about: Vec<(String, String)>,
}

/// A value that was set elsewhere than where its step is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Override {
    /// Where in the config, as a JSON pointer.
    pub pointer: String,
    /// Where the value stands.
    pub at: String,
    /// Where values stand that it replaced, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instead_of: Vec<String>,
}

/// A request, explained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestExplained {
    /// The method.
    pub method: String,
    /// The host that counts, in normal form; absent for a request without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path in normal form: what is matched, and sent on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Path parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<(String, String)>,
    /// APIs that came close, the winner first.
    pub candidates: Vec<CandidateExplained>,
    /// What answers: the API, or the steps of `defaults`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiExplained>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// This API takes it.
    Api(String),
    /// No API; with one of these methods there would be one (405).
    MethodNotAllowed(Vec<String>),
    /// No API (404).
    NotFound,
    /// It is refused before any API is looked for (400 or 414).
    Refused(String),
}

/// An API that came close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CandidateExplained {
    /// Its id.
    pub api: String,
    /// Where it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The host pattern of its that fits, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// It answers.
    pub wins: bool,
    /// Why it does or does not.
    pub why: String,
}
