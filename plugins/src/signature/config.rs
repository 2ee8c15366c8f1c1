//! The config of `signature`.

use paifang_pipeline::units::HumanDuration;
use schemars::JsonSchema;
use serde::Deserialize;

/// Lets requests in that are signed with an app's key, each one once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The header with the signature. Default `authorization`; another one where that carries
    /// something else, such as a user's token.
    #[serde(default = "header")]
    pub header: String,
    /// How far a request's timestamp may lie from the gateway's time, either way, when its body is
    /// there: 1s to 1h. Default 5m.
    #[serde(default = "max_skew")]
    pub max_skew: HumanDuration,
    /// Headers, up to 32, that must be signed by requests that carry them. Default
    /// `[ content-type ]`. The host is always signed.
    #[serde(default = "signed_headers")]
    pub signed_headers: Vec<String>,
    /// How many nonces are remembered, each for twice `max_skew`: 1 to 4294967295, about 60 bytes
    /// each, taken as they come. When full, signed requests are refused. Default 1000000.
    #[serde(default = "capacity")]
    pub capacity: u32,
    /// Remembers nonces together with every other step that names the same share; for APIs that
    /// one signed request could reach. Steps of one share must agree in `max_skew`, `capacity` and `store`.
    pub share: Option<String>,
    /// The shared store, one of the config's `stores`, in which all gateways remember nonces
    /// together. Default: this gateway's own.
    pub store: Option<String>,
    /// What becomes of signed requests while the shared store is away: `closed` fails them with
    /// 503, `local` lets in what this gateway has not seen itself. Default `closed`.
    pub on_store_failure: Option<OnStoreFailure>,
    /// Ids of the apps that are let in; all where absent.
    pub apps: Option<Vec<String>>,
    /// Takes the signature's header out of the request before it goes on. Default true.
    #[serde(default = "hide")]
    pub hide: bool,
    /// Lets this step write identity and app where a step above has written them. Default false:
    /// two such steps in one chain are an error.
    #[serde(default, rename = "override")]
    pub overrides: bool,
}

/// What becomes of signed requests while the shared store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStoreFailure {
    /// They fail.
    Closed,
    /// Each gateway remembers for itself.
    Local,
}

fn header() -> String {
    "authorization".to_owned()
}

const fn max_skew() -> HumanDuration {
    HumanDuration::from_secs(300)
}

fn signed_headers() -> Vec<String> {
    vec!["content-type".to_owned()]
}

const fn capacity() -> u32 {
    1_000_000
}

const fn hide() -> bool {
    true
}
