//! The config of `key_auth`.

use schemars::JsonSchema;
use serde::Deserialize;

/// Lets callers in that present an app's key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where keys are looked for: 1 to 8 of `{ header: name }`, `{ query: name }` and
    /// `{ scheme: name }`. A request may carry one key in one place. Default
    /// `[ { header: x-api-key } ]`.
    #[serde(default = "from")]
    pub from: Vec<Source>,
    /// Ids of the apps that are let in; all where absent.
    pub apps: Option<Vec<String>>,
    /// Takes the key out of the request before it goes on. Default true.
    #[serde(default = "hide")]
    pub hide: bool,
    /// Lets this step write identity and app where a step above has written them. Default false:
    /// two such steps in one chain are an error.
    #[serde(default, rename = "override")]
    pub overrides: bool,
}

/// One place where a key may be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The value of a request header.
    Header(String),
    /// The value of a query parameter. It ends up in the logs of whoever sees the URL.
    Query(String),
    /// What follows this scheme in `Authorization`, such as `ApiKey` or `Bearer`.
    Scheme(String),
}

fn from() -> Vec<Source> {
    vec![Source::Header("x-api-key".to_owned())]
}

const fn hide() -> bool {
    true
}
