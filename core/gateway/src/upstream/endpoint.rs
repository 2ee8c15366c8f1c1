//! One server at one address: its health, its connections, its counters.

use super::{
    connect::Connector,
    error,
    health::Health,
    pool::{IdlePool, PoolLimits},
    spec::UpstreamSpec,
    stats::{EndpointCounts, EndpointStats},
    streams::Streams,
};
use http::HeaderValue;
use paifang_pipeline::{
    OriginError,
    ports::{Clock, Nanos, Spawn},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio_rustls::rustls::pki_types::ServerName;

/// For how long an endpoint is passed over after it could not be connected to; doubled for each
/// failure in a row.
const PASS_OVER: Duration = Duration::from_secs(1);
/// The longest of these times.
const PASS_OVER_MAX: Duration = Duration::from_secs(32);

/// What all endpoints of an upstream share.
pub(super) struct Common {
    pub(super) spec: UpstreamSpec,
    pub(super) connector: Connector,
    pub(super) limits: Arc<PoolLimits>,
    pub(super) spawn: Arc<dyn Spawn>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What an endpoint is known as.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// The host as configured: an address or a name.
    pub(super) host: Arc<str>,
    /// `Host` for calls to it: host, and port unless it is the scheme's own.
    pub(super) authority: HeaderValue,
    /// The name that TLS verifies, where there is TLS.
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) weight: u32,
}

/// One server.
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    pub(super) identity: Identity,
    pub(super) common: Arc<Common>,
    pub(super) health: Health,
    pub(super) stats: EndpointStats,
    pub(super) idle: IdlePool,
    pub(super) streams: Streams,
    /// ALPN has chosen HTTP/2 the last time.
    pub(super) speaks_h2: AtomicBool,
    in_flight: AtomicUsize,
    connect_failures: AtomicU32,
    passed_over_until: AtomicU64,
}

/// An endpoint at one moment, for the admin API.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointReading {
    /// Where it is.
    pub address: SocketAddr,
    /// The host as configured.
    pub host: Arc<str>,
    /// Its share of the calls.
    pub weight: u32,
    /// What probes say; true without probes.
    pub healthy: bool,
    /// Since when, after the Unix epoch.
    pub since: Duration,
    /// What was wrong with the last bad probe, while it is unhealthy or about to be.
    pub last_error: Option<String>,
    /// It could not be connected to a moment ago and others are tried first.
    pub passed_over: bool,
    /// Attempts under way.
    pub in_flight: usize,
    /// Idle HTTP/1.1 connections.
    pub idle_connections: usize,
    /// HTTP/2 connections.
    pub h2_connections: usize,
    /// What has been counted since it is known.
    pub counts: EndpointCounts,
}

impl Endpoint {
    pub(super) fn new(address: SocketAddr, identity: Identity, common: Arc<Common>) -> Self {
        Self {
            address,
            identity,
            health: Health::new(common.clock.unix()),
            stats: EndpointStats::default(),
            idle: IdlePool::new(Arc::clone(&common.limits)),
            streams: Streams::new(common.spec.pool),
            speaks_h2: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            connect_failures: AtomicU32::new(0),
            passed_over_until: AtomicU64::new(0),
            common,
        }
    }

    /// Whether others are tried first, since it could not be connected to a moment ago.
    pub(super) fn passed_over(&self, now: Nanos) -> bool {
        // Zero, as for nearly all: no failure since it could last be connected to.
        let until = self.passed_over_until.load(Relaxed);
        until != 0 && now.0 < until
    }

    /// A connection was made.
    pub(super) fn connected(&self) {
        self.stats.connects.count();
        if self.connect_failures.load(Relaxed) != 0 {
            self.connect_failures.store(0, Relaxed);
            self.passed_over_until.store(0, Relaxed);
        }
    }

    /// A connection could not be made.
    pub(super) fn not_connected(&self, error: &OriginError) {
        self.stats.failed(error);
        let failures = self.connect_failures.fetch_add(1, Relaxed);
        let pause = PASS_OVER.saturating_mul(1 << failures.min(5)).min(PASS_OVER_MAX);
        let until = self.common.clock.now().0.saturating_add(pause.as_nanos() as u64);
        self.passed_over_until.store(until, Relaxed);
    }

    pub(super) fn read(&self) -> EndpointReading {
        let state = self.health.read();
        EndpointReading {
            address: self.address,
            host: Arc::clone(&self.identity.host),
            weight: self.identity.weight,
            healthy: state.healthy,
            since: state.since,
            last_error: state.last_error,
            passed_over: self.passed_over(self.common.clock.now()),
            in_flight: self.in_flight.load(Relaxed),
            idle_connections: self.idle.len(),
            h2_connections: self.streams.load().0,
            counts: self.stats.read(),
        }
    }

    /// A fresh connection, its handshake made.
    pub(super) async fn connect(
        &self,
        only_h1: bool,
    ) -> Result<super::connect::Connected, OriginError> {
        let server_name = self.identity.server_name.as_ref();
        self.common.connector.connect(self.address, server_name, only_h1).await
    }

    /// The error for an upstream whose endpoints are all unusable.
    pub(super) fn none_usable(upstream: &str, known: usize) -> OriginError {
        let why = if known == 0 { "no address is known yet" } else { "no endpoint is healthy" };
        error::no_endpoint(upstream, why)
    }
}

/// An attempt under way, counted while it lives.
pub(super) struct InFlight(pub(super) Arc<Endpoint>);

impl InFlight {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        endpoint.in_flight.fetch_add(1, Relaxed);
        Self(endpoint)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
