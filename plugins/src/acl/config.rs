//! The config of `acl`.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Says which of the callers that steps above have made known may pass.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who may pass: 1 to 64 rules. Without it all may pass who are known and not denied.
    pub allow: Option<Vec<Rule>>,
    /// Who may not pass, whatever `allow` says: 1 to 64 rules, of which one is enough.
    pub deny: Option<Vec<Rule>>,
    /// How many rules of `allow` must hold: `any` of them or `all` of them. Default `any`.
    pub require: Option<Require>,
    /// What `WWW-Authenticate` says to callers that nobody above knows. Default `Identity`, which
    /// names no registered scheme but says what is missing.
    #[serde(default = "challenge")]
    pub challenge: String,
}

/// One rule. All conditions that are given must hold, each by one of its values: 1 to 1000 texts
/// of 1 to 1024 bytes, compared exactly.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// The identity's subject, such as a key's id or a user's name.
    pub identity: Option<Vec<String>>,
    /// Ids of apps, all of them known to the config.
    pub app: Option<Vec<String>>,
    /// The kind of the step that has established the identity, such as `key_auth`.
    pub method: Option<Vec<String>>,
    /// Claims of the identity by name, up to 16, each with its values. The claim `scope` is a list
    /// parted by spaces, of which one entry is enough.
    pub claims: BTreeMap<String, Vec<String>>,
}

/// How many rules of `allow` must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// One of them.
    Any,
    /// Each of them.
    All,
}

fn challenge() -> String {
    "Identity".to_owned()
}
