//! `when`: a small typed matcher that decides whether a step takes part in a call. No script.

use crate::{exchange::Exchange, units::Percent};
use http::{HeaderName, Method};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A matcher as YAML has it. All conditions that are given must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct WhenConfig {
    /// Methods, any of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub method: Vec<String>,
    /// A path prefix, on a segment's border: `/v1` holds for `/v1` and `/v1/x`, not for `/v10`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Headers by name: a value that must be equal, or `{ present: true }` and the like.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, ValueMatch>,
    /// Query parameters by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, ValueMatch>,
    /// App ids, any of them. Needs a step above that establishes the app.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub app: Vec<String>,
    /// Identity subjects, any of them. Needs a step above that establishes the identity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<String>,
    /// A share of the traffic, chosen by chance, independently for each step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Percent>,
    /// Holds when this does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<WhenConfig>>,
}

/// A condition on a header's or query parameter's value.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(untagged)]
pub enum ValueMatch {
    /// Equal to this.
    Equal(String),
    /// One of the named conditions.
    Condition(ValueCondition),
}

/// A named condition on a value.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ValueCondition {
    /// There (`true`) or not there (`false`).
    Present(bool),
    /// Begins with this.
    Prefix(String),
    /// Equal to any of these.
    OneOf(Vec<String>),
}

impl ValueMatch {
    /// Whether `value`, absent where `None`, fulfils the condition.
    #[must_use]
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        match self {
            Self::Equal(wanted) => value == Some(wanted.as_bytes()),
            Self::Condition(ValueCondition::Present(wanted)) => value.is_some() == *wanted,
            Self::Condition(ValueCondition::Prefix(prefix)) => {
                value.is_some_and(|value| value.starts_with(prefix.as_bytes()))
            }
            Self::Condition(ValueCondition::OneOf(all)) => {
                value.is_some_and(|value| all.iter().any(|one| one.as_bytes() == value))
            }
        }
    }
}

/// A matcher compiled for calls.
#[derive(Debug, Clone)]
pub struct When {
    conditions: Box<[Condition]>,
    source: WhenConfig,
}

#[derive(Debug, Clone)]
enum Condition {
    Method(Vec<Method>),
    Path(String),
    Header(HeaderName, ValueMatch),
    Query(String, ValueMatch),
    App(Vec<String>),
    Identity(Vec<String>),
    Share(Percent),
    Not(When),
}

impl When {
    /// Compiles a matcher.
    ///
    /// # Errors
    /// The key that is wrong, and a sentence saying why.
    pub fn compile(config: &WhenConfig) -> Result<Self, (&'static str, String)> {
        let mut conditions = Vec::new();
        if !config.method.is_empty() {
            let parse = |m: &String| {
                Method::from_bytes(m.as_bytes())
                    .map_err(|_| ("method", format!("`{m}` is no method")))
            };
            conditions.push(Condition::Method(
                config.method.iter().map(parse).collect::<Result<_, _>>()?,
            ));
        }
        if let Some(path) = &config.path {
            if !path.starts_with('/') {
                return Err(("path", format!("`{path}` must begin with `/`")));
            }
            // It would be taken letter by letter, and a step that guards something never run.
            if path.contains(['*', '{', '}', '?']) {
                let help = "is a prefix, not a pattern: `/v1` holds for all below it";
                return Err(("path", format!("`{path}` {help}")));
            }
            conditions.push(Condition::Path(path.trim_end_matches('/').to_owned()));
        }
        for (name, value) in &config.header {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| ("header", format!("`{name}` is no header name")))?;
            conditions.push(Condition::Header(header, value.clone()));
        }
        for (name, value) in &config.query {
            conditions.push(Condition::Query(name.clone(), value.clone()));
        }
        if !config.app.is_empty() {
            conditions.push(Condition::App(config.app.clone()));
        }
        if !config.identity.is_empty() {
            conditions.push(Condition::Identity(config.identity.clone()));
        }
        if let Some(share) = config.share {
            conditions.push(Condition::Share(share));
        }
        if let Some(inner) = &config.not {
            conditions.push(Condition::Not(Self::compile(inner)?));
        }
        Ok(Self { conditions: conditions.into(), source: config.clone() })
    }

    /// The matcher as YAML has it, for `explain`.
    #[must_use]
    pub fn source(&self) -> &WhenConfig {
        &self.source
    }

    /// Whether the call fulfils every condition. `salt` tells steps apart in `share`.
    #[must_use]
    pub fn holds(&self, call: &Exchange, salt: u64) -> bool {
        self.conditions.iter().all(|condition| condition.holds(call, salt))
    }
}

impl Condition {
    fn holds(&self, call: &Exchange, salt: u64) -> bool {
        match self {
            Self::Method(methods) => methods.contains(call.method()),
            Self::Path(prefix) => call
                .path()
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            Self::Header(name, value) => value.holds(call.header(name).map(|v| v.as_bytes())),
            Self::Query(name, value) => {
                value.holds(query_value(call.query().unwrap_or_default(), name))
            }
            Self::App(apps) => call
                .slots()
                .app()
                .map(|app| &*app.id)
                .is_some_and(|id| apps.iter().any(|one| one == id)),
            Self::Identity(subjects) => call
                .slots()
                .identity()
                .is_some_and(|who| subjects.iter().any(|one| **one == *who.subject)),
            Self::Share(share) => share.includes(mix(call.facts().entropy, salt)),
            Self::Not(inner) => !inner.holds(call, salt),
        }
    }
}

/// The raw (still encoded) value of a query parameter's first occurrence.
fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a [u8]> {
    query.split('&').find_map(|pair| match pair.split_once('=') {
        Some((key, value)) if key == name => Some(value.as_bytes()),
        None if pair == name && !pair.is_empty() => Some(&b""[..]),
        _ => None,
    })
}

/// Spreads a call's entropy anew for each salt (the finaliser of SplitMix64).
#[must_use]
pub fn mix(entropy: u64, salt: u64) -> u64 {
    let mut z = entropy ^ salt.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    //! What is refused at load.
    #![allow(clippy::unwrap_used)]
    use super::{When, WhenConfig};

    #[test]
    fn a_path_is_a_prefix_and_no_pattern() {
        let compile = |path: &str| {
            When::compile(&WhenConfig { path: Some(path.to_owned()), ..WhenConfig::default() })
        };
        for path in ["/", "/v1", "/v1/", "/a.b/~c/%7B"] {
            assert!(compile(path).is_ok(), "{path}");
        }
        for path in ["", "v1", "/v1/*", "/orders/{id}", "/a?b=c"] {
            assert_eq!(compile(path).unwrap_err().0, "path", "{path}");
        }
    }
}
