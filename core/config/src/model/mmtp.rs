//! Long connections: what holds for clients that speak MMTP.

use std::num::NonZeroU64;

use paifang_pipeline::units::{HumanDuration, Rate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Compression, HostPort, Id, MessageDictionary, Zones};
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
    /// Whether only the apps of `apps` may connect; a client that names another is told so (`app_unknown`) and does not come again by
    /// itself. An app's id is the client's word, no proof: that is `authenticate`'s part. Default false.
    pub known_apps_only: Located<bool>,
    /// The operations that take over the messages of components.
    pub components: Components,
    /// How often clients show that they are there.
    pub heartbeat: Heartbeat,
    /// How much there may be of everything.
    pub limits: MmtpLimits,
    /// Whether a device's older connection goes, in order, when a newer one has shown to be the same device's: by the same user's
    /// credential, or by the device's key. Of others that call themselves the same device four may stay. Default true.
    pub one_per_device: bool,
    /// The path of MMTP within HTTP, on the same listeners: POST with `application/mmtp`, and WebSocket with the subprotocol `mmtp.1`. It
    /// is taken before routing, on every host. Letters, digits and `-._~/`, up to 255 bytes. Default `/.well-known/mmtp`.
    pub path: Located<String>,
    /// Where components of a device that comes back go on.
    pub resume: Resume,
    /// Other gateways that clients may try when this one does not answer, or drains; the best first, each once, at most 8.
    pub alternates: Located<Vec<HostPort>>,
    /// Where users are at home. All of them here without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<Zones>,
    /// Which messages are compressed.
    pub compression: Compression,
    /// What short messages are compressed with; the first that a client has, for the operation before the whole channel. At most 64.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub dictionaries: Vec<MessageDictionary>,
}

impl Default for Mmtp {
    fn default() -> Self {
        Self {
            authenticate: None,
            known_apps_only: false.into(),
            components: Components::default(),
            heartbeat: Heartbeat::default(),
            limits: MmtpLimits::default(),
            one_per_device: true,
            path: "/.well-known/mmtp".to_owned().into(),
            compression: Compression::default(),
            dictionaries: Vec::new(),
            resume: Resume::default(),
            alternates: Vec::new().into(),
            zones: None,
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

/// How often clients show that they are there, in whole seconds. They may learn what their network bears, between `least` and `most`.
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

/// How much there may be of everything: on one connection, of one device, of an app, in all. What a reload changes holds for new
/// connections.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MmtpLimits {
    /// Calls in flight, 64 to 10000; one more is answered with 429. Default 64.
    pub calls: Located<u32>,
    /// Names of operations that may have numbers, 256 to 65536. Default 256.
    pub operations: Located<u32>,
    /// Frames of one connection that carry less than 1 KiB of data, at least 10/s and 100 at once; beyond it the connection ends
    /// (`too_fast`). Without it 1000/s, 4000 at once.
    pub frames: Located<RateLimit>,
    /// Connections at once, in all: 1 to 10000000. No limit without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Located<u32>>,
    /// New connections, in all. No limit without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_rate: Option<RateLimit>,
    /// New connections of one device from one address. Without it 10/s, 100 at once.
    pub per_device: RateLimit,
    /// What each app may do; `apps` may say otherwise for one. Apps that are not in `apps` are counted as one.
    pub per_app: AppMmtp,
}

impl Default for MmtpLimits {
    fn default() -> Self {
        Self {
            calls: 64.into(),
            operations: 256.into(),
            frames: RateLimit::per_second(1000, 4000).into(),
            connections: None,
            connection_rate: None,
            per_device: RateLimit::per_second(10, 100),
            per_app: AppMmtp::default(),
        }
    }
}

/// What an app may do over all of its connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AppMmtp {
    /// Connections at once: 1 to 10000000. No limit without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Located<u32>>,
    /// New connections. No limit without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_rate: Option<RateLimit>,
    /// Calls; one more is answered with 429. No limit without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_rate: Option<RateLimit>,
}

/// A rate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// So many in a period: `200/s`, `10/m`.
    pub rate: Rate,
    /// How many at once after a pause: 1 to 1000000000. Default: the count of `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Located<u64>>,
}

impl RateLimit {
    fn per_second(count: u64, burst: u64) -> Self {
        let count = NonZeroU64::new(count).unwrap_or(NonZeroU64::MIN);
        Self { rate: Rate::per_second(count), burst: Some(burst.into()) }
    }

    /// How many at once.
    #[must_use]
    pub fn burst(&self) -> NonZeroU64 {
        let burst = self.burst.as_ref().map_or(self.rate.count(), |burst| **burst);
        NonZeroU64::new(burst).unwrap_or(NonZeroU64::MIN)
    }
}
