//! What an upstream is made of, in plain values: the caller has read files and defaults already.
//!
//! Equal specs make the same upstream: a release that keeps one keeps its connections and health.

use super::tls::TlsSpec;
use http::{HeaderName, HeaderValue, StatusCode};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// One upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamSpec {
    /// Its name in the config.
    pub name: Arc<str>,
    /// Its servers, at least one, unless they are discovered.
    pub endpoints: Vec<EndpointSpec>,
    /// Where servers are found out.
    pub discovery: Option<DiscoverySpec>,
    /// How calls are spread.
    pub balance: BalanceSpec,
    /// The gateway's own zone, where it is preferred.
    pub zone: Option<ZoneSpec>,
    /// How endpoints that are new or came back begin.
    pub slow_start: Option<SlowStartSpec>,
    /// When endpoints whose calls fail are left alone.
    pub outliers: Option<OutlierSpec>,
    /// How much is borne at once.
    pub limits: LimitsSpec,
    /// What is spoken.
    pub protocol: Protocol,
    /// TLS towards the servers; plain text where absent.
    pub tls: Option<TlsSpec>,
    /// The `Host` that servers see.
    pub host: HostPolicy,
    /// What servers are told of the client.
    pub forwarding: Forwarding,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Connections that are kept.
    pub pool: PoolSpec,
    /// Regular probes; every server counts as healthy where absent.
    pub health_check: Option<HealthCheckSpec>,
    /// What to do when no server is healthy.
    pub when_all_unhealthy: AllUnhealthy,
    /// How names are resolved.
    pub dns: DnsSpec,
    /// How many repeated attempts it bears.
    pub retry_budget: BudgetSpec,
}

impl UpstreamSpec {
    /// An upstream of these servers with everything else at its default.
    #[must_use]
    pub fn new(name: &str, endpoints: Vec<EndpointSpec>) -> Self {
        Self {
            name: name.into(),
            endpoints,
            discovery: None,
            balance: BalanceSpec::default(),
            zone: None,
            slow_start: None,
            outliers: None,
            limits: LimitsSpec::default(),
            protocol: Protocol::default(),
            tls: None,
            host: HostPolicy::default(),
            forwarding: Forwarding::default(),
            timeouts: Timeouts::default(),
            pool: PoolSpec::default(),
            health_check: None,
            when_all_unhealthy: AllUnhealthy::default(),
            dns: DnsSpec::default(),
            retry_budget: BudgetSpec::default(),
        }
    }
}

/// One server, or all the addresses behind one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSpec {
    /// An IP address (IPv6 without brackets) or a DNS name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Its share of the calls beside the others, 0 (none) to 1000. Each address of a name has it.
    pub weight: u32,
    /// Those of a greater number get calls when none of a smaller one can.
    pub priority: u32,
    /// Where it is.
    pub zone: Option<Arc<str>>,
}

impl EndpointSpec {
    /// A server with weight 1.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, weight: 1, priority: 0, zone: None }
    }

    /// The address, where the host is one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// Where servers are found out while the gateway runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoverySpec {
    /// What is asked.
    pub source: SourceSpec,
    /// An answer without servers is taken; else the last ones stay in use.
    pub take_empty: bool,
}

/// What is asked for servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// The SRV records of this name.
    Srv(String),
    /// A file, looked at once in an interval.
    File {
        /// Under which the process can open it.
        path: PathBuf,
        /// From one look to the next.
        interval: Duration,
    },
}

/// How calls are spread.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BalanceSpec {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// To the endpoint with the fewest calls under way, by weight.
    LeastConnections,
    /// Each to the endpoint that its key is assigned to.
    ConsistentHash(HashBy),
}

/// What calls are assigned by. A call without it takes its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashBy {
    /// A header's first value.
    Header(HeaderName),
    /// A cookie's value.
    Cookie(String),
    /// The value of a parameter of the query, as it was sent.
    Query(String),
    /// The client's address.
    ClientIp,
    /// The path that is sent to the server.
    Path,
    /// The subject that a step has established.
    Identity,
}

/// Where the gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneSpec {
    /// Its zone; endpoints of the same are preferred.
    pub own: Arc<str>,
    /// While so many thousandths of the weight there are usable, all calls stay.
    pub threshold_permille: u32,
}

/// How an endpoint begins that is new or came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowStartSpec {
    /// Until it has its whole share.
    pub duration: Duration,
    /// The share that it begins with, in thousandths of the whole.
    pub least_permille: u32,
}

/// When an endpoint whose calls fail is left alone for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlierSpec {
    /// After so many failures in a row.
    pub failures_in_a_row: Option<u32>,
    /// When so many thousandths of an interval's attempts have failed.
    pub failure_permille: Option<u32>,
    /// Fewer attempts in an interval say nothing.
    pub minimum_attempts: u32,
    /// How long attempts are counted together.
    pub interval: Duration,
    /// How long it is left alone the first time; so much longer each time after.
    pub time: Duration,
    /// The longest of these times.
    pub time_max: Duration,
    /// At most so many thousandths of the endpoints are left alone at once, or one.
    pub share_max_permille: u32,
    /// Statuses that are failures; 500 to 599 where empty.
    pub statuses: Vec<StatusCode>,
}

impl Default for OutlierSpec {
    fn default() -> Self {
        Self {
            failures_in_a_row: Some(5),
            failure_permille: None,
            minimum_attempts: 20,
            interval: Duration::from_secs(10),
            time: Duration::from_secs(30),
            time_max: Duration::from_secs(300),
            share_max_permille: 500,
            statuses: Vec::new(),
        }
    }
}

/// How much is borne at once. What is absent is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsSpec {
    /// Connections to each endpoint.
    pub connections: Option<usize>,
    /// Attempts under way at each endpoint.
    pub requests: Option<usize>,
    /// Attempts under way at all endpoints together.
    pub total_requests: Option<usize>,
    /// Calls that wait for room.
    pub pending: usize,
    /// How long a call waits at most.
    pub pending_timeout: Duration,
}

impl Default for LimitsSpec {
    fn default() -> Self {
        Self {
            connections: None,
            requests: None,
            total_requests: None,
            pending: 100,
            pending_timeout: Duration::from_secs(1),
        }
    }
}

/// What is spoken with the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/2 where TLS negotiates it (ALPN), else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    H1,
    /// HTTP/2; without TLS by prior knowledge. Upgrades (WebSocket) are not possible.
    H2,
}

/// The `Host` (or `:authority`) that servers see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostPolicy {
    /// The client's.
    #[default]
    Preserve,
    /// The endpoint's host as configured, with its port unless it is the scheme's own.
    Upstream,
    /// This one.
    Name(HeaderValue),
}

/// Which headers tell the servers of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`.
    pub x_forwarded: bool,
    /// `Forwarded` (RFC 7239).
    pub forwarded: bool,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self { x_forwarded: true, forwarded: false }
    }
}

/// How long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the response head, once the request is on the wire; anew with every piece that the
    /// client still sends. The API's own timeout goes on beside it.
    pub first_byte: Duration,
    /// Between two pieces of the response; anew with every piece that the client still sends.
    pub idle: Duration,
    /// For a piece of the request to be taken by the server.
    pub write: Duration,
    /// After an upgrade, how long a tunnel may be silent in both directions.
    pub tunnel_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            write: Duration::from_secs(30),
            tunnel_idle: Duration::from_secs(3600),
        }
    }
}

/// Connections kept for later calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSpec {
    /// Idle HTTP/1.1 connections to all servers together.
    pub size: usize,
    /// How long an idle connection is kept; less where the server announces less.
    pub idle: Duration,
    /// How old a connection may grow before it is replaced, so that load moves to new servers.
    pub max_age: Duration,
    /// HTTP/2: calls at once on one connection, at most; less where the server allows less.
    pub h2_streams: usize,
}

impl Default for PoolSpec {
    fn default() -> Self {
        Self {
            size: 256,
            idle: Duration::from_secs(60),
            max_age: Duration::from_secs(3600),
            h2_streams: 100,
        }
    }
}

/// Regular probes of every server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheckSpec {
    /// Path and query that are fetched with GET.
    pub path: String,
    /// The gRPC service that is asked for instead; empty for the server as a whole.
    pub grpc: Option<String>,
    /// Time between probes; each waits up to a tenth more or less, so that gateways spread out.
    pub interval: Duration,
    /// How long a probe may take, connecting included.
    pub timeout: Duration,
    /// Good probes in a row after which a server is used again; at least 1.
    pub healthy_after: u32,
    /// Bad probes in a row after which it is not; at least 1.
    pub unhealthy_after: u32,
    /// Statuses of good probes; 200 to 299 where empty.
    pub statuses: Vec<StatusCode>,
    /// The `Host` of the probe; the endpoint's where absent.
    pub host: Option<HeaderValue>,
}

impl HealthCheckSpec {
    /// Probes of this path with the usual numbers.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            grpc: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy_after: 2,
            unhealthy_after: 3,
            statuses: Vec::new(),
            host: None,
        }
    }
}

/// What to do when probes say that no server is healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AllUnhealthy {
    /// Refuse calls with `no_endpoint`: what is known to be down is not loaded further.
    #[default]
    Refuse,
    /// Use all of them, as if probes had not been made.
    UseAll,
}

/// How names are resolved. Answers are kept for the records' TTL within these bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSpec {
    /// The name servers; those of the system where empty.
    pub servers: Vec<SocketAddr>,
    /// At least. Also the pause after a failed look-up.
    pub min_ttl: Duration,
    /// At most.
    pub max_ttl: Duration,
}

impl Default for DnsSpec {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            min_ttl: Duration::from_secs(5),
            max_ttl: Duration::from_secs(300),
        }
    }
}

/// How many repeated attempts an upstream bears within ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetSpec {
    /// Repetitions for each thousand calls.
    pub permille: u32,
    /// Repetitions a second that are allowed however few calls there are.
    pub minimum: u32,
}

impl Default for BudgetSpec {
    fn default() -> Self {
        Self { permille: 200, minimum: 3 }
    }
}

/// Why an upstream cannot be built. Texts name the part that is wrong, never its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// There is no server.
    #[error("it has no endpoint")]
    NoEndpoint,
    /// No server has a weight.
    #[error("no endpoint has a weight above 0")]
    NoWeight,
    /// A host is neither an address nor a DNS name.
    #[error("`{0}` is neither an IP address nor a DNS name")]
    BadHost(String),
    /// The name to ask for in TLS is none.
    #[error("`{0}` is no server name that a certificate could be verified for")]
    BadServerName(String),
    /// A PEM text is not what it should be.
    #[error("{part}: {problem}")]
    Pem {
        /// Which one: `ca`, `client certificate`, `client key`.
        part: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The client certificate and its key do not fit, or the key is of no usable kind.
    #[error("client certificate and key: {0}")]
    ClientCertificate(String),
    /// The system's roots cannot be had.
    #[error("the system's trusted certificates: {0}; name a `ca`")]
    SystemRoots(String),
    /// A health check has a path that cannot be requested.
    #[error("`{0}` is no path for a health check")]
    BadPath(String),
}
