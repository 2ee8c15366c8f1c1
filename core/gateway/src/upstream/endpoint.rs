//! One server at one address: its health, its connections, its counters.

use super::{
    Upstream,
    connect::Connector,
    health::Health,
    limits::{Gate, Queue},
    members::Listed,
    outlier::Outlier,
    pool::{IdlePool, PoolLimits},
    slow_start::{WARM, Warmth},
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
        Arc, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
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
    pub(super) queue: Arc<Queue>,
    pub(super) upstream: Weak<Upstream>,
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
    pub(super) gate: Arc<Gate>,
    pub(super) warmth: Warmth,
    pub(super) outlier: Outlier,
    usable: AtomicBool,
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
    /// Endpoints of a greater number are used when none of a smaller one can be.
    pub priority: u32,
    /// Where it is, where that is told.
    pub zone: Option<Arc<str>>,
    /// What probes say; true without probes.
    pub healthy: bool,
    /// Since when, after the Unix epoch.
    pub since: Duration,
    /// What was wrong with the last bad probe, while it is unhealthy or about to be.
    pub last_error: Option<String>,
    /// It could not be connected to a moment ago and others are tried first.
    pub passed_over: bool,
    /// For how long it is still left alone because calls to it failed.
    pub ejected: Option<Duration>,
    /// Its share of what it gets when it is warm, in thousandths: below 1000 in its slow start.
    pub warmth: u32,
    /// Attempts under way.
    pub in_flight: usize,
    /// Connections, idle ones included; not those of probes.
    pub connections: usize,
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
            gate: Arc::new(Gate::new(Arc::clone(&common.queue))),
            warmth: Warmth::new(common.spec.slow_start),
            outlier: Outlier::default(),
            usable: AtomicBool::new(true),
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

    /// Whether calls go there, as health and ejections stand.
    pub(super) fn is_usable(&self) -> bool {
        self.usable.load(Relaxed)
    }

    pub(super) fn set_usable(&self, usable: bool) {
        self.usable.store(usable, Relaxed);
    }

    /// Whether it would take one more call.
    pub(super) fn has_room(&self) -> bool {
        self.gate.has_room()
    }

    /// Attempts under way.
    pub(super) fn in_flight(&self) -> usize {
        self.gate.requests()
    }

    pub(super) fn read(&self, listed: &Listed) -> EndpointReading {
        let state = self.health.read();
        let now = self.common.clock.now();
        let until = self.outlier.until();
        EndpointReading {
            address: self.address,
            host: Arc::clone(&self.identity.host),
            weight: listed.weight,
            priority: listed.priority,
            zone: listed.zone.clone(),
            healthy: state.healthy,
            since: state.since,
            last_error: state.last_error,
            passed_over: self.passed_over(now),
            ejected: until.map(|until| Duration::from_nanos(until.0.saturating_sub(now.0))),
            warmth: (u64::from(self.warmth.share(now)) * 1000 / u64::from(WARM)) as u32,
            in_flight: self.in_flight(),
            connections: self.gate.connections(),
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
}
