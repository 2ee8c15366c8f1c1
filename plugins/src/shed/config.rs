//! The config of `shed`.

use paifang_pipeline::units::{HumanDuration, Percent};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// Refuses a share of the calls, so that the rest is served well.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The share of the calls that is refused, `0%` to `100%` in thousandths of a percent.
    pub share: Percent,
    /// What decides, so that the same callers are refused: `call` (none: each call counts, and the
    /// share is spread evenly), `client_ip`, `identity`, `app`, `{ header: name }` or
    /// `{ cookie: name }`. Default `call`. Of calls without it the share is refused as with `call`.
    #[serde(default)]
    pub by: By,
    /// A text of 1 to 256 bytes that the choice of callers is keyed with: steps with the same salt
    /// and `by` refuse the same callers. Default: the step's id.
    pub salt: Option<String>,
    /// When `Retry-After` tells those who are refused to come again, 1s to 1h.
    #[serde(default = "five_seconds")]
    pub retry_after: HumanDuration,
}

const fn five_seconds() -> HumanDuration {
    HumanDuration::new(Duration::from_secs(5))
}

/// What decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Nothing: each call counts.
    #[default]
    Call,
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
