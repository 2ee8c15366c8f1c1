//! Upstreams: which server gets a call, and how much it bears.

use paifang_pipeline::units::{HumanDuration, Percent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::yaml::Located;

/// How calls are spread over the servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn, by weight. The default.
    #[default]
    RoundRobin,
    /// To the server with the fewest calls under way, by weight.
    LeastConnections,
    /// Each to the server that its key is assigned to.
    ConsistentHash(ConsistentHash),
}

/// Calls with the same key go to the same server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsistentHash {
    /// What the key is. A call without it takes its turn.
    pub by: Located<HashBy>,
}

/// What calls are assigned by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashBy {
    /// The client's address.
    ClientIp,
    /// The path that is sent to the server.
    Path,
    /// The subject that a step has established.
    Identity,
    /// The first value of this request header.
    Header(String),
    /// The value of this cookie.
    Cookie(String),
    /// The value of this parameter of the query, as it was sent.
    Query(String),
}

/// How an endpoint begins that is new or came back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlowStart {
    /// Until it takes its whole share. 100ms to 1h. Default 30s.
    pub duration: Located<HumanDuration>,
    /// The share that it begins with. Default 10%.
    pub from: Located<Percent>,
}

impl Default for SlowStart {
    fn default() -> Self {
        Self { duration: HumanDuration::from_secs(30).into(), from: percent("10%").into() }
    }
}

/// When an endpoint is left alone because calls to it fail, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutlierEjection {
    /// After so many failures in a row, 1 to 1000; 0 for never. Default 5.
    pub failures: Located<u32>,
    /// When this share of the attempts in an `interval` has failed. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_share: Option<Located<Percent>>,
    /// Fewer attempts in an `interval` never make that share: 1 to 100000. Default 20.
    pub attempts: Located<u32>,
    /// Over how long attempts are counted. 100ms to 10m. Default 10s.
    pub interval: Located<HumanDuration>,
    /// How long it is left alone the first time; the second time twice as long, the third three
    /// times. 10ms to 1h. Default 30s.
    pub time: Located<HumanDuration>,
    /// The longest of these times. 10ms to 24h, at least `time`. Default 5m.
    pub time_max: Located<HumanDuration>,
    /// The share of the endpoints that may be left alone at once; one may in any case, the last never.
    /// Default 50%.
    pub share_max: Located<Percent>,
    /// Statuses that count as failures: 400 to 599. Default: 500 to 599.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<Located<u16>>,
}

impl Default for OutlierEjection {
    fn default() -> Self {
        Self {
            failures: 5.into(),
            failure_share: None,
            attempts: 20.into(),
            interval: HumanDuration::from_secs(10).into(),
            time: HumanDuration::from_secs(30).into(),
            time_max: HumanDuration::from_secs(300).into(),
            share_max: percent("50%").into(),
            statuses: Vec::new(),
        }
    }
}

/// How much servers bear at once. What is absent is not limited; each 1 to 1000000.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamLimits {
    /// Connections to each endpoint, idle ones included; not those of probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Located<u32>>,
    /// Calls under way at each endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Located<u32>>,
    /// Calls under way at all endpoints together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_requests: Option<Located<u32>>,
    /// Calls that wait for room, first come first served: 0 to 100000. Default 100.
    pub pending: Located<u32>,
    /// How long a call waits at most. 1ms to 1m. Default 1s.
    pub pending_timeout: Located<HumanDuration>,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            connections: None,
            requests: None,
            total_requests: None,
            pending: 100.into(),
            pending_timeout: HumanDuration::from_secs(1).into(),
        }
    }
}

fn percent(text: &str) -> Percent {
    text.parse().unwrap_or(Percent::ALL)
}
