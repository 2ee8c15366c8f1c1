//! The config of `forward_auth`.

use paifang_pipeline::units::{ByteSize, HumanDuration};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Asks a server whether a call may pass.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The upstream that is asked.
    pub upstream: String,
    /// What it is asked for: a template of a path, with a query where one is wanted. Default `/`.
    #[serde(default = "path")]
    pub path: String,
    /// The method of the question. Default `GET`, with `body` `POST`.
    pub method: Option<String>,
    /// How long the answer may take: 10ms to 30s. Default 2s.
    #[serde(default = "timeout")]
    pub timeout: HumanDuration,
    /// Headers of the call that are sent, up to 32. Default `[ authorization, cookie ]`.
    #[serde(default = "send")]
    pub send: Vec<String>,
    /// Further headers that are sent, up to 32: templates by name.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Sends the call's body, which may have up to so many bytes: up to 1MiB. Not sent where absent.
    pub body: Option<ByteSize>,
    /// Headers of the answer that become headers of the call, up to 32. Those that the client sent
    /// under these names are taken away, whatever is answered. None by default.
    #[serde(default)]
    pub take: Vec<String>,
    /// Who the caller is, by headers of the answer. Nobody where absent.
    pub identity: Option<Identity>,
    /// What the client is told where the call may not pass.
    #[serde(default)]
    pub deny: Deny,
    /// Remembers who may pass. Not where absent.
    pub cache: Option<Cache>,
    /// Lets this step write the identity where a step above has written it. Default false: two such
    /// steps in one chain are an error.
    #[serde(default, rename = "override")]
    pub overrides: bool,
}

/// Who the caller is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The header whose value is the subject. An answer without it fails the step.
    pub subject: String,
    /// Claims by name, up to 16, and the headers whose values they are.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
}

/// What the client is told where the call may not pass.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// Headers of the answer that the client gets, up to 32. Default `[ www-authenticate, location,
    /// set-cookie, content-type, content-encoding, cache-control, retry-after ]`.
    #[serde(default = "told")]
    pub headers: Vec<String>,
    /// The largest answer that is taken, whatever it says: 0B to 1MiB. Default 16KiB.
    #[serde(default = "most")]
    pub body: ByteSize,
}

impl Default for Deny {
    fn default() -> Self {
        Self { headers: told(), body: most() }
    }
}

/// What is remembered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// For how long, unless the answer's `Cache-Control` says less: 1s to 5m.
    pub ttl: HumanDuration,
    /// Headers of the call that tell callers apart, of those in `send`. Default: all that is asked
    /// counts, each header of the question and the client's address too.
    pub by: Option<Vec<String>>,
    /// Whether, with `by`, another method, host, path or query is asked for anew. Default true:
    /// without it, whoever may call one thing may call all of them.
    #[serde(default = "yes")]
    pub target: bool,
    /// About how many are remembered: 1 to 1000000. Default 10000.
    #[serde(default = "size")]
    pub size: u32,
}

fn path() -> String {
    "/".to_owned()
}

const fn timeout() -> HumanDuration {
    HumanDuration::from_secs(2)
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn send() -> Vec<String> {
    texts(&["authorization", "cookie"])
}

fn told() -> Vec<String> {
    texts(&[
        "www-authenticate",
        "location",
        "set-cookie",
        "content-type",
        "content-encoding",
        "cache-control",
        "retry-after",
    ])
}

const fn most() -> ByteSize {
    ByteSize::new(16 * 1024)
}

const fn size() -> u32 {
    10_000
}

const fn yes() -> bool {
    true
}
