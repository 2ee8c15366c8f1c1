//! When an attempt on an upstream is repeated.

use paifang_pipeline::units::{ByteSize, Percent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::yaml::Located;

/// Repeated attempts. Never after response bytes went out, nor after a step consumed a streamed
/// piece of the body. Where a key is absent, the API asks its upstream, the upstream `defaults`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts in all, the first included: 1 to 10. Default 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Located<u32>>,
    /// Statuses of the upstream that count as failed attempts, of calls that may be repeated:
    /// 500 to 599, or 429. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statuses: Option<Vec<Located<u16>>>,
    /// How much of a streaming request body is kept for a repetition. Default 64KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_buffer: Option<Located<ByteSize>>,
    /// Calls with methods that are not idempotent (POST, PATCH) may be repeated too. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any_method: Option<bool>,
}

impl Retry {
    /// Key by key: this one's where given, else the other's.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            attempts: self.attempts.clone().or_else(|| other.attempts.clone()),
            statuses: self.statuses.clone().or_else(|| other.statuses.clone()),
            body_buffer: self.body_buffer.clone().or_else(|| other.body_buffer.clone()),
            any_method: self.any_method.or(other.any_method),
        }
    }
}

/// How many repetitions an upstream bears: a share of its calls, and a few at any rate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryBudget {
    /// Share of the calls of the last ten seconds. Default 20%.
    pub share: Percent,
    /// Repetitions a second that are allowed however few calls there are. Default 3.
    pub minimum: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        // A fifth more load at the very most, when everything fails.
        Self { share: "20%".parse().unwrap_or(Percent::ALL), minimum: 3 }
    }
}
