//! The step's config, and what is made of it once.

use crate::subject::By;
use paifang_guest::{ConfigError, host::kv, prelude::*, units::Rate};

/// The most calls that a limit can count.
const MAX_COUNT: u64 = 1_000_000_000;

/// As it is written; schema.json says what each means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) by: By,
    #[serde(default)]
    pub(crate) missing: Missing,
    rate: Option<Rate>,
    burst: Option<u64>,
    daily: Option<u64>,
    #[serde(default)]
    remaining: bool,
}

/// What becomes of calls that lack what they are counted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Missing {
    /// They are counted together.
    #[default]
    Together,
    /// They are refused.
    Refuse,
}

/// What all instances begin with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) by: By,
    pub(crate) missing: Missing,
    pub(crate) rate: Option<kv::Rate>,
    pub(crate) daily: Option<u64>,
    /// Whether answers tell what is left.
    pub(crate) remaining: bool,
}

impl Config {
    pub(crate) fn settings(self) -> Result<Settings, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let range = 1..=MAX_COUNT;
        for (field, value) in [("/burst", self.burst), ("/daily", self.daily)] {
            if value.is_some_and(|value| !range.contains(&value)) {
                errors.push(ConfigError::at(field, format!("not within 1 to {MAX_COUNT}")));
            }
        }
        if self.rate.is_none() && self.daily.is_none() {
            errors.push(ConfigError::at("", "nothing is limited").help("give `rate` or `daily`"));
        }
        if self.rate.is_none() && self.burst.is_some() {
            errors.push(ConfigError::at("/burst", "without a rate there is no burst"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let rate = self.rate.map(|rate| rate.with_burst(self.burst.unwrap_or(rate.count())));
        let Self { by, missing, daily, remaining, .. } = self;
        Ok(Settings { by, missing, rate, daily, remaining })
    }
}
