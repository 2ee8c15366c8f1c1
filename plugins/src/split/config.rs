//! The config of `split`.

use paifang_pipeline::units::{HumanDuration, Percent};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Sends shares of an API's calls to other upstreams.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where else calls go: 1 to 16 variants, their shares together at most 100%. What is left goes
    /// where it would go without this step.
    pub to: Vec<Variant>,
    /// What decides, so that a caller stays with its variant: `random` (each call anew), `client_ip`,
    /// `identity`, `app`, `{ header: name }` or `{ cookie: name }`. Default `random`. A call without
    /// it belongs to the rest.
    #[serde(default)]
    pub by: By,
    /// A text of 1 to 256 bytes that the choice is keyed with: splits with different salts are
    /// independent of each other, those with the same salt and `by` choose alike. Default: the API's
    /// id, a slash and the step's id.
    pub salt: Option<String>,
    /// What is told of calls that go to no variant.
    #[serde(default)]
    pub rest: Rest,
    /// A request header by which callers may choose: its value is a variant's name, or that of the
    /// rest. Another value chooses nothing. Default: they may not.
    pub pin: Option<String>,
    /// A response header that tells the client its variant's name. Default: it is not told.
    pub tell: Option<String>,
    /// With `by: { cookie: … }`: gives a random cookie to clients without one, kept so long, 1s to
    /// 400d. Default: none is given.
    pub issue: Option<HumanDuration>,
    /// Whether it may choose for calls that a step above has chosen an upstream for. Default: false,
    /// and two such steps in one chain are an error.
    #[serde(default, rename = "override")]
    pub overrides: bool,
}

/// One other place for calls.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The upstream, by its name in the config.
    pub upstream: String,
    /// Its share of the calls, `0%` to `100%` in thousandths of a percent. With `0%` it has only
    /// calls that are pinned to it.
    pub share: Percent,
    /// What it is called, 1 to 64 letters, digits, `.`, `_`, `-`. Default: the upstream's name.
    pub name: Option<String>,
    /// Request headers that calls are given, up to 16. What clients send under the names that any
    /// variant or the rest has is removed.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Calls that go to no variant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rest {
    /// What they are called. Default `rest`.
    pub name: String,
    /// Request headers that they are given, up to 16.
    pub headers: BTreeMap<String, String>,
}

impl Default for Rest {
    fn default() -> Self {
        Self { name: "rest".to_owned(), headers: BTreeMap::new() }
    }
}

/// What decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Chance, for each call anew.
    #[default]
    Random,
    /// The client's address; of IPv6 the network of 64 bits.
    ClientIp,
    /// Who a step above has found the caller to be.
    Identity,
    /// The app that a step above has found.
    App,
    /// The first value of a request header.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
}
