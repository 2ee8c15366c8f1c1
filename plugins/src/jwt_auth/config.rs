//! The config of `jwt_auth`.

use super::algorithm::Algorithm;
use paifang_pipeline::{
    SecretRef,
    units::{ByteSize, HumanDuration},
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};

/// Lets callers in that present a JSON Web Token (RFC 7519) signed by a known key.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whose signatures count: 1 to 16 keys and sets of keys.
    pub keys: Vec<Key>,
    /// Who may have issued the token: one name or a list of up to 16, compared exactly with the claim
    /// `iss`. Any issuer where absent.
    pub issuer: Option<OneOrMany>,
    /// For whom the token may be: one name or a list of up to 16, of which the claim `aud` must have
    /// one. Where absent, tokens that say for whom they are are refused.
    pub audience: Option<OneOrMany>,
    /// Takes tokens for whatever audience. Default false.
    #[serde(default)]
    pub any_audience: bool,
    /// The algorithms that are taken. Default: those that the keys are for; an RSA key that does not
    /// say is for `RS256`.
    pub algorithms: Option<Vec<Algorithm>>,
    /// How far clocks may be apart: 0s to 10m. Default 30s.
    #[serde(default = "leeway")]
    pub leeway: HumanDuration,
    /// Where the token is looked for: 1 to 8 of `{ scheme: name }`, `{ header: name }`,
    /// `{ cookie: name }` and `{ query: name }`. A request may carry one token in one place. Default
    /// `[ { scheme: Bearer } ]`.
    #[serde(default = "from")]
    pub from: Vec<Place>,
    /// Which claims become what.
    #[serde(default)]
    pub claims: Claims,
    /// What a token must say beside.
    #[serde(default)]
    pub require: Require,
    /// The longest token: up to 16KiB. Default 8KiB.
    #[serde(default = "max_size")]
    pub max_size: ByteSize,
    /// About how many tokens are remembered so that they need not be verified again: 0 to 1000000,
    /// where 0 is none. Default 10000.
    #[serde(default = "cache")]
    pub cache: u32,
    /// Lets the token go on to the upstream. Default false.
    #[serde(default)]
    pub forward: bool,
    /// What the challenge calls the place that is guarded: 1 to 128 printable ASCII characters but
    /// `"` and `\`. Default `api`.
    #[serde(default = "realm")]
    pub realm: String,
    /// Lets this step write identity and app where a step above has written them. Default false:
    /// two such steps in one chain are an error.
    #[serde(default, rename = "override")]
    pub overrides: bool,
}

/// One text, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// A key, or a set of them. One of `secret`, `pem` and `jwks` must be given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What tokens call the key (`kid`): 1 to 256 bytes. Without it the key is tried for any token.
    pub id: Option<String>,
    /// Where a shared secret is kept, for `HS256`, `HS384` and `HS512`: at least as long as the
    /// algorithm's hash.
    pub secret: Option<SecretRef>,
    /// Where a public key is kept: `BEGIN PUBLIC KEY` or `BEGIN CERTIFICATE`. RSA of 2048 to 8192
    /// bits, P-256, P-384 or Ed25519.
    pub pem: Option<SecretRef>,
    /// Where a set of keys is kept (RFC 7517).
    pub jwks: Option<Jwks>,
    /// The one algorithm of a secret, which needs it, or of a PEM key.
    pub algorithm: Option<Algorithm>,
    /// Whose keys these are, of the issuers of the step; needed where the step has several issuers
    /// and several entries of keys.
    pub issuer: Option<OneOrMany>,
}

/// A set of keys. One of `file`, `env`, `url` and `upstream` must be given.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwks {
    /// A file, read again at every reload.
    pub file: Option<PathBuf>,
    /// An environment variable.
    pub env: Option<String>,
    /// Where a server publishes the set, which is asked again and again: `https://…`, verified by the
    /// system's roots. `http://…` of this machine alone.
    pub url: Option<String>,
    /// The upstream that is asked for the set, again and again.
    pub upstream: Option<String>,
    /// What the upstream is asked for. Default `/.well-known/jwks.json`.
    pub path: Option<String>,
    /// How often it is asked: 10s to 1d. Default 5m.
    pub refresh: Option<HumanDuration>,
    /// For how long the keys are used beyond the time of the next refresh when it fails: 0s to 7d.
    /// Default 1h.
    pub stale_if_error: Option<HumanDuration>,
    /// How long an answer may take: 100ms to 30s. Default 5s.
    pub timeout: Option<HumanDuration>,
}

/// One place where a token may be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// What follows this scheme in `Authorization`, such as `Bearer`.
    Scheme(String),
    /// The value of a request header.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The value of a query parameter. It ends up in the logs of whoever sees the URL.
    Query(String),
}

/// Which claims become what. A claim is named as it is, or by a JSON pointer (RFC 6901).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The claim that is the identity's subject. Default `sub`.
    #[serde(default = "subject")]
    pub subject: String,
    /// The claim that names the app, one of those under `apps`. None where absent.
    pub app: Option<String>,
    /// Claims that the identity gets, up to 16; those that a token lacks are left away. A pointer's
    /// claim is called by its last part. Default `[ scope ]`.
    #[serde(default = "into")]
    pub into: Vec<String>,
}

impl Default for Claims {
    fn default() -> Self {
        Self { subject: subject(), app: None, into: into() }
    }
}

/// What a token must say beside.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Require {
    /// Whether the token must say when it ends (`exp`). Default true.
    #[serde(default = "yes")]
    pub exp: bool,
    /// How long ago it may have been issued (`iat`): 1s to 3650d. Without end where absent.
    pub max_age: Option<HumanDuration>,
    /// The types of which the header's `typ` must be one, without regard to case and to a leading
    /// `application/`, such as `at+jwt`. Any where absent.
    #[serde(default)]
    pub typ: Vec<String>,
    /// Claims that must be there, up to 16, each with the values of which it must have one; any
    /// where the list is empty.
    #[serde(default)]
    pub claims: BTreeMap<String, Vec<String>>,
}

impl Default for Require {
    fn default() -> Self {
        Self { exp: true, max_age: None, typ: Vec::new(), claims: BTreeMap::new() }
    }
}

const fn leeway() -> HumanDuration {
    HumanDuration::from_secs(30)
}

fn from() -> Vec<Place> {
    vec![Place::Scheme("Bearer".to_owned())]
}

const fn max_size() -> ByteSize {
    ByteSize::new(8 * 1024)
}

const fn cache() -> u32 {
    10_000
}

fn realm() -> String {
    "api".to_owned()
}

fn subject() -> String {
    "sub".to_owned()
}

fn into() -> Vec<String> {
    vec!["scope".to_owned()]
}

const fn yes() -> bool {
    true
}
