//! Upstreams: what answers calls.

use std::path::PathBuf;

use paifang_pipeline::units::{HumanDuration, Percent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Balance, Endpoints, HostPort, OutlierEjection, Retry, RetryBudget, SlowStart, UpstreamLimits,
};
use crate::yaml::Located;

/// A group of servers that answer alike.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Its servers, at least one; a DNS name stands for all its addresses. Or where they are found
    /// out.
    pub endpoints: Endpoints,
    /// How calls are spread; `{ consistent_hash: { by: client_ip } }` assigns them by a key.
    #[serde(default)]
    pub balance: Balance,
    /// Calls stay in the gateway's own zone while this share of the weight there is usable; when less
    /// is, the rest of them goes to other zones. Default 70%.
    #[serde(default = "seventy")]
    pub zone_threshold: Located<Percent>,
    /// An endpoint that is new or came back takes a growing share of its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<SlowStart>,
    /// Endpoints whose calls fail are left alone for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier_ejection: Option<OutlierEjection>,
    /// How much is borne at once.
    #[serde(default)]
    pub limits: UpstreamLimits,
    /// What is spoken.
    #[serde(default)]
    pub protocol: Protocol,
    /// TLS towards the servers; plain text where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// The `Host` that servers see. Default: the client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Located<String>>,
    /// Whose `Host` it is, without `host`: the client's, or that of the endpoint's `address`.
    #[serde(default)]
    pub host_of: HostOf,
    /// What servers are told of the client.
    #[serde(default)]
    pub forward: Forward,
    /// Regular probes; every server counts as healthy where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// What becomes of calls when probes say that no server is healthy.
    #[serde(default)]
    pub when_all_unhealthy: WhenAllUnhealthy,
    /// How long to wait for a server.
    #[serde(default)]
    pub timeouts: UpstreamTimeouts,
    /// How DNS names are resolved.
    #[serde(default)]
    pub dns: Dns,
    /// When attempts are repeated. Default: that of `defaults`.
    #[serde(default)]
    pub retry: Retry,
    /// How many repetitions it bears.
    #[serde(default)]
    pub retry_budget: RetryBudget,
    /// Connections that are kept for later calls.
    #[serde(default)]
    pub pool: Pool,
}

/// Which headers tell servers of the client. What an untrusted client sent in them is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Forward {
    /// `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`. Default true.
    pub x_forwarded: bool,
    /// `Forwarded` (RFC 7239). Default false.
    pub forwarded: bool,
}

impl Default for Forward {
    fn default() -> Self {
        Self { x_forwarded: true, forwarded: false }
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Host and port.
    pub address: Located<HostPort>,
    /// Its share of the calls beside the others: 0 (none) to 1000. Default 1.
    #[serde(default = "one")]
    pub weight: Located<u32>,
    /// Those of a greater number get calls when none of a smaller one is usable: 0 to 100. Default 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: Located<u32>,
    /// Where it is; those in the gateway's own `zone` are preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Located<String>>,
}

fn is_zero(number: &Located<u32>) -> bool {
    **number == 0
}

fn seventy() -> Located<Percent> {
    "70%".parse().unwrap_or(Percent::ALL).into()
}

fn one() -> Located<u32> {
    1.into()
}

/// Whose `Host` servers see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostOf {
    /// The one that the client asked for. The default.
    #[default]
    Client,
    /// That of the endpoint, as `address` has it.
    Endpoint,
}

/// What becomes of calls when no server is healthy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenAllUnhealthy {
    /// They are refused: what is down is not loaded further. The default.
    #[default]
    Refuse,
    /// All servers are used, as if there were no probes.
    UseAll,
}

/// What is spoken with the servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/2 where TLS negotiates it (ALPN), else HTTP/1.1. The default.
    #[default]
    Auto,
    /// HTTP/1.1.
    H1,
    /// HTTP/2; without TLS by prior knowledge.
    H2,
}

/// TLS towards servers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// Certificates to trust, a PEM file. Default: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<Located<PathBuf>>,
    /// The name that is asked for and verified. Default: the endpoint's host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sni: Option<Located<String>>,
    /// Whether certificates are verified. Default true; false is for tests.
    pub verify: bool,
    /// Our certificate chain, a PEM file; together with `client_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<Located<PathBuf>>,
    /// Its private key, a PEM file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<Located<PathBuf>>,
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self { ca: None, sni: None, verify: true, client_cert: None, client_key: None }
    }
}

/// Regular probes of every server.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// The path that is fetched with GET; this or `grpc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Located<String>>,
    /// Asks as `grpc.health.v1.Health` has it; over HTTP/2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcCheck>,
    /// Time between probes. 100ms to 1h. Default 5s.
    #[serde(default = "five_seconds")]
    pub interval: Located<HumanDuration>,
    /// How long a probe may take. 10ms to 1m, at most the interval. Default 2s.
    #[serde(default = "two_seconds")]
    pub timeout: Located<HumanDuration>,
    /// Good probes in a row after which a server is used again: 1 to 100. Default 2.
    #[serde(default = "two")]
    pub healthy_after: Located<u32>,
    /// Bad probes in a row after which it is not: 1 to 100. Default 3.
    #[serde(default = "three")]
    pub unhealthy_after: Located<u32>,
    /// Statuses of good probes. Default: 200 to 299.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Located<u16>>,
    /// The `Host` of the probe. Default: the upstream's `host`, else the endpoint's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Located<String>>,
}

/// What a gRPC server is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcCheck {
    /// The service; empty for the server as a whole.
    pub service: Located<String>,
}

fn five_seconds() -> Located<HumanDuration> {
    HumanDuration::from_secs(5).into()
}

fn two_seconds() -> Located<HumanDuration> {
    HumanDuration::from_secs(2).into()
}

fn two() -> Located<u32> {
    2.into()
}

fn three() -> Located<u32> {
    3.into()
}

/// How long to wait for a server. Each 1ms to 1h.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTimeouts {
    /// For a connection, TLS included. Default 2s.
    pub connect: Located<HumanDuration>,
    /// From the sent request to the response head. Default 30s.
    pub first_byte: Located<HumanDuration>,
    /// Between two pieces of the response. Default 60s.
    pub idle: Located<HumanDuration>,
    /// For a piece of the request to be taken. Default 30s.
    pub write: Located<HumanDuration>,
    /// How long a tunnel (WebSocket) may be silent in both directions; up to 24h. Default 1h.
    pub tunnel_idle: Located<HumanDuration>,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect: HumanDuration::from_secs(2).into(),
            first_byte: HumanDuration::from_secs(30).into(),
            idle: HumanDuration::from_secs(60).into(),
            write: HumanDuration::from_secs(30).into(),
            tunnel_idle: HumanDuration::from_secs(3600).into(),
        }
    }
}

/// How long resolved names are kept: the record's TTL, within these bounds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// The name servers to ask. Default: those of the system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Located<HostPort>>,
    /// At least. 1s to 1h. Default 5s.
    pub min_ttl: Located<HumanDuration>,
    /// At most. 1s to 24h. Default 5m.
    pub max_ttl: Located<HumanDuration>,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            min_ttl: HumanDuration::from_secs(5).into(),
            max_ttl: HumanDuration::from_secs(300).into(),
        }
    }
}

/// Connections that are kept for later calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pool {
    /// Idle connections to all servers together: 0 to 100000. Default 256.
    pub size: Located<u32>,
    /// How long an idle one is kept. 1s to 1h. Default 60s.
    pub idle: Located<HumanDuration>,
    /// How old a connection may grow before another takes its place. 1s to 24h. Default 1h.
    pub max_age: Located<HumanDuration>,
    /// Calls at once on one HTTP/2 connection, where the server allows as many: 1 to 1000.
    /// Default 100.
    pub h2_streams: Located<u32>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            size: 256.into(),
            idle: HumanDuration::from_secs(60).into(),
            max_age: HumanDuration::from_secs(3600).into(),
            h2_streams: 100.into(),
        }
    }
}
