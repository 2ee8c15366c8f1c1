//! Long connections: what holds for clients that speak MMTP.

use paifang_pipeline::units::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Id;
use crate::yaml::Located;

/// What holds for clients that speak MMTP, on all listeners that take them (`listeners[].mmtp`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mmtp {
    /// The operation whose API says who a credential is. It gets it as `Authorization`; when its chain and what answers it say 2xx, the
    /// identity that a step has established (`jwt_auth`, `forward_auth` …) is the connection's user. Without it connections have no
    /// users; calls carry the credential all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authenticate: Option<Located<Id>>,
    /// The operations that take over the messages of components.
    pub components: Components,
    /// How often clients show that they are there.
    pub heartbeat: Heartbeat,
    /// What one connection may do.
    pub limits: ConnectionLimits,
    /// Whether a device's older connection goes, in order, when a newer one has shown to be the same device's: by the same user's
    /// credential, or by the device's key. Of others that call themselves the same device four may stay. Default true.
    pub one_per_device: bool,
    /// The path of MMTP within HTTP, on the same listeners: POST with `application/mmtp`, and WebSocket with the subprotocol `mmtp.1`. It
    /// is taken before routing, on every host. Letters, digits and `-._~/`, up to 255 bytes. Default `/.well-known/mmtp`.
    pub path: Located<String>,
    /// Where components of a device that comes back go on.
    pub resume: Resume,
}

impl Default for Mmtp {
    fn default() -> Self {
        Self {
            authenticate: None,
            components: Components::default(),
            heartbeat: Heartbeat::default(),
            limits: ConnectionLimits::default(),
            one_per_device: true,
            path: "/.well-known/mmtp".to_owned().into(),
            resume: Resume::default(),
        }
    }
}

/// Where components of a device that comes back go on: resume tokens for devices that have a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resume {
    /// How long a token is good after its connection got it: 1s to 90d. Connections get another one when half of it is over. Default 1d.
    pub lifetime: Located<HumanDuration>,
    /// How many devices are remembered, at about 512 bytes each; new ones get no token beyond it. 0 to 10000000; with 0 nobody gets one.
    /// Default 100000.
    pub devices: Located<u32>,
    /// The store that remembers them, one of `stores`, so that a device can go on at any gateway, or after a restart. Default: this
    /// process's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Located<Id>>,
}

impl Default for Resume {
    fn default() -> Self {
        Self {
            lifetime: HumanDuration::from_secs(86_400).into(),
            devices: 100_000.into(),
            store: None,
        }
    }
}

/// The operations that take over the messages of components: each message is a call, its data the body, and 2xx says that it is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Components {
    /// Logs, channel 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Located<Id>>,
    /// Data sync, channel 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<Located<Id>>,
    /// The application's own, channels 8 to 15; the header `x-mmtp-channel` says which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<Located<Id>>,
}

/// How often clients show that they are there. They may learn what their network bears, between `least` and `most`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// To begin with: 1s to 1h. Default 60s.
    pub initial: Located<HumanDuration>,
    /// No oftener than this: 1s to 1h. Default 20s.
    pub least: Located<HumanDuration>,
    /// No more seldom than this: 1s to 1h. One and a half times as long, and 15s, a silent client is kept. Default 5m.
    pub most: Located<HumanDuration>,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            initial: HumanDuration::from_secs(60).into(),
            least: HumanDuration::from_secs(20).into(),
            most: HumanDuration::from_secs(300).into(),
        }
    }
}

/// What one connection may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConnectionLimits {
    /// Calls in flight, 64 to 10000; one more is answered with 429. Default 64.
    pub calls: Located<u32>,
    /// Names of operations that may have numbers, 256 to 65536. Default 256.
    pub operations: Located<u32>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { calls: 64.into(), operations: 256.into() }
    }
}
