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
mod discover;
mod dns;
mod eject;
mod endpoint;
mod error;
mod file;
mod forwarded;
mod grpc;
mod health;
mod hop;
mod io;
mod limits;
mod members;
mod open;
mod outlier;
mod pool;
mod set;
mod slow_start;
mod spec;
mod srv;
mod stats;
mod streams;
mod timer;
mod tls;
mod whole;

#[cfg(test)]
mod tests;

pub use call::UpstreamCall;
pub use discover::DiscoveryReading;
pub use dns::{Resolve, Resolved, SystemResolver};
pub use endpoint::EndpointReading;
pub use set::{Upstreams, UpstreamsError};
pub use spec::{
    AllUnhealthy, BalanceSpec, BudgetSpec, DiscoverySpec, DnsSpec, EndpointSpec, Forwarding,
    HashBy, HealthCheckSpec, HostPolicy, LimitsSpec, OutlierSpec, PoolSpec, Protocol,
    SlowStartSpec, SourceSpec, Timeouts, UpstreamError, UpstreamSpec, ZoneSpec,
};
pub use srv::{SrvAnswer, SrvRecord};
pub use stats::{EndpointCounts, UpstreamCounts};
pub use tls::{ClientCertificate, SystemRoots, TlsSpec};
pub(crate) use whole::WholeError;

use balance::{Ask, Balance};
use budget::Budget;
use connect::Connector;
use discover::Progress;
use endpoint::{Common, Endpoint};
use limits::Queue;
use members::{Listed, Members};
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
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
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
    discovery: Mutex<Progress>,
    /// When the next ejected endpoint comes back, in nanoseconds of the clock.
    next_back: AtomicU64,
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
    /// How members are found out, where they are.
    pub discovery: Option<DiscoveryReading>,
    /// Idle HTTP/1.1 connections to all servers.
    pub idle_connections: usize,
    /// Calls that wait for room.
    pub pending: usize,
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
        let members = Members::build(&spec.endpoints, connector.tls.as_ref())?;
        let mut limits = spec.limits;
        if !connector.may_be_h2() {
            // Each has a connection to itself.
            limits.requests = [limits.requests, limits.connections].into_iter().flatten().min();
        }
        let queue = Arc::new(Queue::new(limits));
        let resolver: Arc<dyn Resolve> = match &spec.dns.servers[..] {
            [] => Arc::clone(&deps.resolver),
            servers => Arc::new(SystemResolver::with_servers(servers)),
        };
        let upstream = Arc::new_cyclic(|upstream| Self {
            resolver,
            balance: Balance::new(spec.balance.clone()),
            next_back: AtomicU64::new(eject::NEVER),
            budget: Budget::new(spec.retry_budget),
            stats: UpstreamStats::default(),
            members: Mutex::new(members),
            discovery: Mutex::default(),
            started: AtomicBool::new(false),
            stop: watch::Sender::new(()),
            changes: watch::Sender::new(0),
            common: Arc::new(Common {
                limits: Arc::new(PoolLimits::new(spec.pool)),
                connector,
                queue,
                upstream: Weak::clone(upstream),
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
        self.look_up();
        if self.common.spec.discovery.is_some() {
            let resolver = Arc::clone(&self.resolver);
            let looking = discover::watch(Arc::downgrade(self), resolver, self.stop.subscribe());
            spawn.spawn(Box::pin(looking));
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
        // Without calls nobody else takes them back.
        self.readmit(self.common.clock.now());
        let members = self.members.lock();
        UpstreamReading {
            name: Arc::clone(self.name()),
            endpoints: members.listed().map(|listed| listed.endpoint.read(&listed)).collect(),
            unresolved: members.unresolved(),
            discovery: self
                .common
                .spec
                .discovery
                .as_ref()
                .map(|spec| DiscoveryReading::of(spec, self.discovery.lock().clone())),
            idle_connections: self.common.limits.idle(),
            pending: self.common.queue.waiting(),
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
        while !self.is_asked() {
            // The sender is ours, so it cannot be gone.
            let _ = changes.changed().await;
        }
    }

    fn is_asked(&self) -> bool {
        let found_out = self.common.spec.discovery.is_none() || self.discovery.lock().asked;
        found_out && self.members.lock().all_asked()
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

    /// Works out anew who gets calls, after endpoints, their health or ejections have changed.
    fn rebalance(&self) {
        let members = self.members.lock();
        let all: Vec<Listed> = members.listed().collect();
        let healthy = |listed: &Listed| listed.endpoint.health.is_healthy();
        let fine = |listed: &Listed| healthy(listed) && !listed.endpoint.outlier.is_out();
        let with_weight = |check: &dyn Fn(&Listed) -> bool| {
            all.iter().any(|listed| listed.weight > 0 && check(listed))
        };
        let (any_fine, any_healthy) = (with_weight(&fine), with_weight(&healthy));
        let use_all = self.common.spec.when_all_unhealthy == AllUnhealthy::UseAll;
        for listed in &all {
            let usable = match (any_fine, any_healthy) {
                (true, _) => fine(listed),
                // Ejected ones, rather than none.
                (false, true) => healthy(listed),
                (false, false) => use_all,
            };
            listed.endpoint.set_usable(usable);
        }
        let backs = all.iter().filter_map(|listed| listed.endpoint.outlier.until());
        self.next_back.store(backs.map(|until| until.0).min().unwrap_or(eject::NEVER), Relaxed);
        let zone = self.common.spec.zone.as_ref();
        // Within the lock, so that of two changes at once the later one stays.
        self.balance.set(&all, zone.map(|zone| (&*zone.own, zone.threshold_permille)));
    }

    fn announce(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Looks names up that are new.
    fn look_up(self: &Arc<Self>) {
        let unwatched = self.members.lock().unwatched();
        for lookup in unwatched {
            let resolver = Arc::clone(&self.resolver);
            let stop = self.stop.subscribe();
            let watching = dns::watch(Arc::downgrade(self), resolver, lookup, stop);
            self.common.spawn.spawn(Box::pin(watching));
        }
    }

    /// A look-up of the member with this id is done; `None` where it failed.
    fn resolved(self: &Arc<Self>, id: u64, addresses: Option<Vec<IpAddr>>) {
        let counter =
            if addresses.is_some() { &self.stats.dns_answers } else { &self.stats.dns_failures };
        counter.count();
        if self.members.lock().answer(id, addresses) {
            self.renew();
        }
        self.announce();
    }

    /// Takes what members have changed to.
    fn renew(self: &Arc<Self>) {
        let fresh = self.members.lock().renew(&self.common);
        self.rebalance();
        self.probe(&fresh);
    }

    fn addresses_of(&self, id: u64) -> usize {
        self.members.lock().addresses_of(id)
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

async fn sweep(upstream: Weak<Upstream>, mut stop: watch::Receiver<()>) {
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
        let key = self.balance.key(call.head(), Some(call));
        self.open_attempt(call.head(), Ask { now: call.now(), tried, key }).await
    }

    fn spend_retry(&self, _: &Exchange) -> bool {
        let spent = self.budget.spend(self.common.clock.now());
        let counter = if spent { &self.stats.retries } else { &self.stats.retries_refused };
        counter.count();
        spent
    }
}
