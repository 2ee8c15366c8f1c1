//! Operating the gateway: admin, reload, releases, log, shutdown, and how paths are read.

use std::path::PathBuf;

use paifang_pipeline::units::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ListenAddress, SecretAt, WebOrigin};
use crate::yaml::Located;

/// The admin API.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where it listens. An address that is not loopback needs a `token`.
    pub address: Located<ListenAddress>,
    /// The bearer token that requests must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Located<SecretAt>>,
    /// Whether it serves the console, a web page, at `/console/`. Default true.
    #[serde(default = "yes")]
    pub console: bool,
    /// The scheme, host and port under which browsers reach it by way of a proxy that ends TLS; it
    /// needs a `token`. Its own address where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Located<WebOrigin>>,
}

const fn yes() -> bool {
    true
}

/// How changes are taken over.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reload {
    /// Reload by itself when a file changes. Default false.
    pub watch: bool,
    /// How long files must have been quiet before. 10ms to 1m. Default 300ms.
    pub debounce: Located<HumanDuration>,
    /// How many earlier releases calls may hold, 0 to 1000. Beyond, those of the oldest are ended,
    /// once it has been replaced for `shutdown.grace`. Default 8.
    pub keep_old: Located<u32>,
    /// How long calls may hold a release that was replaced. 1s to 30d. Default 1h.
    pub drain: Located<HumanDuration>,
}

impl Default for Reload {
    fn default() -> Self {
        Self {
            watch: false,
            debounce: HumanDuration::from_millis(300).into(),
            keep_old: 8.into(),
            drain: HumanDuration::from_secs(3600).into(),
        }
    }
}

/// Where releases are kept, so that the last good one can start the gateway.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Releases {
    /// The directory, relative to this file. Nothing is kept where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<Located<PathBuf>>,
    /// How many are kept, 1 to 1000. Default 20.
    pub keep: Located<u32>,
}

impl Default for Releases {
    fn default() -> Self {
        Self { directory: None, keep: 20.into() }
    }
}

/// The gateway's own log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or levels by target: `info,paifang=debug`.
    /// Default `info`.
    pub level: Located<String>,
    /// How a line looks.
    pub format: LogFormat,
    /// Steps that take as long are told of, at one stage of one call, waiting included. 1us to 1h;
    /// none where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_step: Option<Located<HumanDuration>>,
    /// Calls that take as long are told of, from the request head to the end; tunnels are not. 1us to
    /// 1h; none where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_call: Option<Located<HumanDuration>>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned().into(),
            format: LogFormat::default(),
            slow_step: None,
            slow_call: None,
        }
    }
}

/// How a line of the gateway's own log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people. The default.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How the gateway ends.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// How long calls in flight may take to end. 0s to 1h. Default 30s.
    pub grace: Located<HumanDuration>,
    /// How long the old process may keep its connections after an upgrade. 0s to 24h. Default 10m.
    pub after_upgrade: Located<HumanDuration>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            grace: HumanDuration::from_secs(30).into(),
            after_upgrade: HumanDuration::from_secs(600).into(),
        }
    }
}

/// How request paths are read (docs/specs/paths.md).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Paths {
    /// The longest request target, in bytes: 64 to 65536. Default 8192.
    pub max_length: Located<u32>,
    /// What becomes of `%2F` and `%5C`, the encoded slashes, in a path.
    pub encoded_slash: EncodedSlashes,
}

impl Default for Paths {
    fn default() -> Self {
        Self { max_length: 8192.into(), encoded_slash: EncodedSlashes::default() }
    }
}

/// What becomes of encoded slashes in a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EncodedSlashes {
    /// It stays escaped, an ordinary part of its segment. The default.
    #[default]
    Keep,
    /// The request is refused.
    Reject,
}
