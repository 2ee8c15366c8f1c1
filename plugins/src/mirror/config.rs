//! The config of `mirror`.

use paifang_pipeline::units::{ByteSize, HumanDuration, Percent};
use schemars::JsonSchema;
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

/// Sends copies of calls to another upstream, whose answers nobody sees.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The upstream that gets the copies, by its name in the config.
    pub upstream: String,
    /// The share of the calls that are copied. Default: 100%.
    #[serde(default = "all")]
    pub share: Percent,
    /// Only calls with these methods are copied, 1 to 16. Default: all methods.
    pub methods: Option<Vec<String>>,
    /// Whether copies carry the request's body. Default: true.
    #[serde(default = "yes")]
    pub body: bool,
    /// The largest body that is copied, 1B to 16MiB. Default: 64KiB.
    #[serde(default = "body_limit")]
    pub body_limit: ByteSize,
    /// What becomes of the copy of a call with a larger body: `drop`, or `head` for a copy without
    /// one. Default: `drop`.
    #[serde(default)]
    pub too_large: TooLarge,
    /// Request headers that copies do not have, up to 32. Default: `authorization`, `cookie`.
    #[serde(default = "credentials")]
    pub remove: Vec<String>,
    /// Request headers that copies are given, up to 16.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The header that says `1` in every copy, so that the upstream knows. A call that has it already
    /// is not copied. Default: `x-mirrored`.
    #[serde(default = "mark")]
    pub mark: String,
    /// How many copies there may be at once, from the call that is copied to the answer that is thrown
    /// away: 1 to 10000. Calls beyond are not copied. Default: 100.
    #[serde(default = "max_pending")]
    pub max_pending: u32,
    /// How long a copy may take, 10ms to 5m. Default: 5s.
    #[serde(default = "timeout")]
    pub timeout: HumanDuration,
}

/// What becomes of a copy whose body is too large.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TooLarge {
    /// There is none.
    #[default]
    Drop,
    /// It has no body.
    Head,
}

const fn all() -> Percent {
    Percent::ALL
}

const fn yes() -> bool {
    true
}

fn body_limit() -> ByteSize {
    ByteSize::new(64 << 10)
}

fn credentials() -> Vec<String> {
    ["authorization", "cookie"].map(str::to_owned).into()
}

fn mark() -> String {
    "x-mirrored".to_owned()
}

const fn max_pending() -> u32 {
    100
}

const fn timeout() -> HumanDuration {
    HumanDuration::new(Duration::from_secs(5))
}
