//! The config of `basic_auth`.

use paifang_pipeline::{SecretRef, units::HumanDuration};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Lets users in that present their name and password (RFC 7617).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The users. With those of `htpasswd` there are 1 to 10000.
    #[serde(default)]
    pub users: Vec<User>,
    /// Where further users are kept: lines of `name:hash`, as `htpasswd -B` writes them, up to
    /// 4 MiB. Empty lines and those that begin with `#` say nothing.
    pub htpasswd: Option<SecretRef>,
    /// What the challenge calls the place that is guarded: 1 to 128 printable ASCII characters but
    /// `"` and `\`. Default `api`.
    #[serde(default = "realm")]
    pub realm: String,
    /// For how long a password that was right need not be checked by its slow hash again: 0s to 1h,
    /// where 0s is never. Default 5m.
    #[serde(default = "remember")]
    pub remember: HumanDuration,
    /// Lets the credentials go on to the upstream. Default false.
    #[serde(default)]
    pub forward: bool,
    /// Lets this step write identity and app where a step above has written them. Default false:
    /// two such steps in one chain are an error.
    #[serde(default, rename = "override")]
    pub overrides: bool,
}

/// One user. One of `hash` and `password` must be given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name: 1 to 255 bytes, without colons and control characters. Becomes the identity's
    /// subject.
    pub name: String,
    /// The password's hash: bcrypt (`$2y$`, `$2b$`, `$2a$`) of a cost up to 14, or Argon2id of up
    /// to 64 MiB.
    pub hash: Option<String>,
    /// Where the password itself is kept: 1 to 1024 bytes.
    pub password: Option<SecretRef>,
    /// The app that the user belongs to.
    pub app: Option<String>,
    /// Claims of the identity, up to 16.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
}

fn realm() -> String {
    "api".to_owned()
}

const fn remember() -> HumanDuration {
    HumanDuration::from_secs(300)
}
