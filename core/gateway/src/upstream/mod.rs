//! Upstreams: groups of servers that answer calls.
//!
//! ```text
//! Engine -> Upstream (Origin) -> balance -> Endpoint -> kept or new connection -> UpstreamCall
//!              ^                                ^
//!              dns (names)                      health (probes)
//! ```
//!
//! An [`Upstream`] is built from a plain [`UpstreamSpec`] without touching the network, then started.
//! A release that keeps a spec keeps the upstream ([`Upstreams::build`]): its connections, health
//! and place in the round live on. One that is retired or dropped ends its background tasks and idle
//! connections; calls under way go on to their end.
//!
//! `error` says which failure is which row of the error table, and what may be repeated.

mod balance;
mod budget;
mod call;
mod connect;
mod dns;
mod endpoint;
mod error;
mod forwarded;
mod health;
mod hop;
mod io;
mod members;
mod pool;
mod set;
mod spec;
mod stats;
mod streams;
mod timer;
mod tls;
mod whole;

#[cfg(test)]
mod tests;

pub use call::UpstreamCall;
pub use dns::{Resolve, Resolved, SystemResolver};
pub use endpoint::EndpointReading;
pub use set::{Upstreams, UpstreamsError};
pub use spec::{
    AllUnhealthy, BudgetSpec, DnsSpec, EndpointSpec, Forwarding, HealthCheckSpec, HostPolicy,
    PoolSpec, Protocol, Timeouts, UpstreamError, UpstreamSpec,
};
pub use stats::{EndpointCounts, UpstreamCounts};
pub use tls::{ClientCertificate, SystemRoots, TlsSpec};
pub(crate) use whole::WholeError;

use balance::Balance;
use budget::Budget;
use connect::Connector;
use endpoint::{Common, Endpoint};
use members::Members;
use paifang_pipeline::{
    Exchange, Origin, OriginError,
    ports::{Clock, Spawn},
};
use parking_lot::Mutex;
use pool::PoolLimits;
use stats::UpstreamStats;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::watch;

/// How often idle connections are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// What upstreams need from the gateway.
#[derive(Clone)]
pub struct Deps {
    /// Runs probes, look-ups and HTTP/2 connections.
    pub spawn: Arc<dyn Spawn>,
    /// The engine's clock.
    pub clock: Arc<dyn Clock>,
    /// Resolves names.
    pub resolver: Arc<dyn Resolve>,
    /// The system's trusted certificates.
    pub roots: Arc<SystemRoots>,
}

/// One upstream.
pub struct Upstream {
    common: Arc<Common>,
    resolver: Arc<dyn Resolve>,
    balance: Balance,
    budget: Budget,
    stats: UpstreamStats,
    members: Mutex<Members>,
    started: AtomicBool,
    /// A word on it, or its end, is the end of all background tasks.
    stop: watch::Sender<()>,
    /// Counts changes: probes made, look-ups done.
    changes: watch::Sender<u64>,
}

/// An upstream at one moment, for the admin API and metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamReading {
    /// Its name.
    pub name: Arc<str>,
    /// Its servers as far as they are known.
    pub endpoints: Vec<EndpointReading>,
    /// Names without an address yet.
    pub unresolved: Vec<String>,
    /// Idle HTTP/1.1 connections to all servers.
    pub idle_connections: usize,
    /// What has been counted since it was built.
    pub counts: UpstreamCounts,
}

impl Upstream {
    /// Builds one. Nothing is connected to or resolved before [`Self::start`].
    ///
    /// # Errors
    /// What is wrong with the spec.
    pub fn build(spec: UpstreamSpec, deps: &Deps) -> Result<Arc<Self>, UpstreamError> {
        set::check(&spec)?;
        let tls = spec
            .tls
            .as_ref()
            .map(|tls| tls::TlsClient::build(tls, spec.protocol, &deps.roots))
            .transpose()?;
        let connector = Connector { tls, protocol: spec.protocol, timeout: spec.timeouts.connect };
        let members = Members::build(&spec, connector.tls.as_ref())?;
        let upstream = Arc::new(Self {
            resolver: Arc::clone(&deps.resolver),
            balance: Balance::default(),
            budget: Budget::new(spec.retry_budget),
            stats: UpstreamStats::default(),
            members: Mutex::new(members),
            started: AtomicBool::new(false),
            stop: watch::Sender::new(()),
            changes: watch::Sender::new(0),
            common: Arc::new(Common {
                limits: Arc::new(PoolLimits::new(spec.pool)),
                connector,
                spawn: Arc::clone(&deps.spawn),
                clock: Arc::clone(&deps.clock),
                spec,
            }),
        });
        upstream.members.lock().renew(&upstream.common);
        upstream.rebalance();
        Ok(upstream)
    }

    /// Begins probes and look-ups. A second start does nothing.
    pub fn start(self: &Arc<Self>) {
        if self.started.swap(true, Relaxed) {
            return;
        }
        let known = self.members.lock().all();
        self.probe(&known);
        let spawn = &self.common.spawn;
        for (index, endpoint) in self.common.spec.endpoints.iter().enumerate() {
            if endpoint.ip().is_none() {
                let resolver = Arc::clone(&self.resolver);
                let stop = self.stop.subscribe();
                let watching = dns::watch(Arc::downgrade(self), resolver, index, stop);
                spawn.spawn(Box::pin(watching));
            }
        }
        spawn.spawn(Box::pin(sweep(Arc::downgrade(self), self.stop.subscribe())));
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.common.spec.name
    }

    /// What it was built from.
    #[must_use]
    pub fn spec(&self) -> &UpstreamSpec {
        &self.common.spec
    }

    /// What is known of it now.
    #[must_use]
    pub fn read(&self) -> UpstreamReading {
        let members = self.members.lock();
        UpstreamReading {
            name: Arc::clone(self.name()),
            endpoints: members.all().iter().map(|endpoint| endpoint.read()).collect(),
            unresolved: members.unresolved(&self.common.spec),
            idle_connections: self.common.limits.idle(),
            counts: self.stats.read(),
        }
    }

    /// A number that changes with every probe made and every look-up done.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until every name has been looked up once, whatever came of it: what a release waits
    /// for, within a deadline of its own, before it sends calls here.
    pub async fn warmed(&self) {
        let mut changes = self.changes();
        while !self.members.lock().all_asked() {
            // The sender is ours, so it cannot be gone.
            let _ = changes.changed().await;
        }
    }

    /// Ends probes, look-ups and idle connections. Calls that still hold it can use it: over
    /// connections that are not kept, to the servers that were usable last.
    pub fn retire(&self) {
        self.common.limits.close();
        // Any word at all ends the tasks that listen.
        self.stop.send_replace(());
        for endpoint in self.members.lock().all() {
            endpoint.idle.sweep();
            endpoint.streams.close();
        }
    }

    /// Works out anew whose turn it is, after endpoints or their health have changed.
    fn rebalance(&self) {
        let members = self.members.lock();
        let all = members.all();
        let healthy: Vec<_> =
            all.iter().filter(|endpoint| endpoint.health.is_healthy()).cloned().collect();
        let none = healthy.is_empty();
        let use_all = self.common.spec.when_all_unhealthy == AllUnhealthy::UseAll;
        // Within the lock, so that of two changes at once the later one stays.
        self.balance.set(if none && use_all { all } else { healthy });
    }

    fn announce(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// A look-up of the endpoint at `index` is done; `None` where it failed.
    fn resolved(self: &Arc<Self>, index: usize, addresses: Option<Vec<IpAddr>>) {
        let counter =
            if addresses.is_some() { &self.stats.dns_answers } else { &self.stats.dns_failures };
        counter.count();
        let fresh = {
            let mut members = self.members.lock();
            let changed = members.answer(index, addresses);
            if changed { Some(members.renew(&self.common)) } else { None }
        };
        if let Some(fresh) = fresh {
            self.rebalance();
            self.probe(&fresh);
        }
        self.announce();
    }

    fn addresses_of(&self, index: usize) -> usize {
        self.members.lock().addresses_of(index)
    }

    fn probe(self: &Arc<Self>, endpoints: &[Arc<Endpoint>]) {
        if self.common.spec.health_check.is_none() || !self.started.load(Relaxed) {
            return;
        }
        for endpoint in endpoints {
            let stop = self.stop.subscribe();
            let watching = health::watch(Arc::downgrade(self), Arc::downgrade(endpoint), stop);
            self.common.spawn.spawn(Box::pin(watching));
        }
    }
}

async fn sweep(upstream: std::sync::Weak<Upstream>, mut stop: watch::Receiver<()>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            _ = stop.changed() => return,
        }
        let Some(upstream) = upstream.upgrade() else { return };
        for endpoint in upstream.members.lock().all() {
            endpoint.idle.sweep();
            endpoint.streams.sweep();
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // Endpoints live on with their calls; the rest need not.
        self.retire();
    }
}

impl Origin for Upstream {
    type Call = UpstreamCall;

    async fn open(&self, call: &Exchange, attempt: u32) -> Result<UpstreamCall, OriginError> {
        let tried = if attempt <= 1 {
            self.stats.calls.count();
            self.budget.deposit(call.now());
            None
        } else {
            call.outcome().endpoint
        };
        let Some(endpoint) = self.balance.next(call.now(), tried) else {
            self.stats.no_endpoint.count();
            let known = self.members.lock().all().len();
            return Err(Endpoint::none_usable(self.name(), known));
        };
        call::open(&endpoint, call.head()).await
    }

    fn spend_retry(&self, _: &Exchange) -> bool {
        let spent = self.budget.spend(self.common.clock.now());
        let counter = if spent { &self.stats.retries } else { &self.stats.retries_refused };
        counter.count();
        spent
    }
}
