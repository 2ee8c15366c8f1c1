//! When something that keeps failing is left alone: `off`, or the rules.

use paifang_pipeline::units::{HumanDuration, Percent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rules, Switch};
use crate::yaml::Located;

/// When calls are refused; where it is off, every call is tried.
pub type Breaker = Switch<BreakerRules>;

/// When calls are refused, and how long.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerRules {
    /// It opens when this share of the calls in `window` has failed. 1% to 100%. Default 50%.
    pub failures: Located<Percent>,
    /// Fewer calls in `window` than this never open it: 1 to 100000. Default 20.
    pub calls: Located<u32>,
    /// Over how long calls are counted. 100ms to 10m. Default 10s.
    pub window: Located<HumanDuration>,
    /// How long it is open before a single call is tried. 10ms to 1h. Default 1s.
    pub backoff: Located<HumanDuration>,
    /// Each failed try doubles that time up to this. 10ms to 1h, at least `backoff`. Default 60s.
    pub backoff_max: Located<HumanDuration>,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            failures: "50%".parse().unwrap_or(Percent::ALL).into(),
            calls: 20.into(),
            window: HumanDuration::from_secs(10).into(),
            backoff: HumanDuration::from_secs(1).into(),
            backoff_max: HumanDuration::from_secs(60).into(),
        }
    }
}

impl Rules for BreakerRules {
    const KEYS: &'static str = "failures, calls, window";
}
