//! Names of servers, resolved in the background.
//!
//! Each name has one task that asks again when its records have expired. Calls never wait for it: they
//! use the addresses that are known. When DNS is away, or says that a name is gone, the last
//! addresses stay in use; before the first answer there are none, which is no failure of the
//! release that brings the name. All A and AAAA records are used.

use super::{
    Upstream,
    members::Lookup,
    spec::DnsSpec,
    srv::{SrvAnswer, SrvRecord},
};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::{RData, Record, RecordType},
};
use paifang_pipeline::ports::BoxFuture;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Weak,
    time::Duration,
};
use tokio::sync::watch;

/// A look-up may take so long, whatever the system's configuration says.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(15);

/// Resolves names. One value serves a whole gateway.
pub trait Resolve: Send + Sync {
    /// All addresses of a name. Errors are texts for logs.
    fn resolve(&self, name: &str) -> BoxFuture<Result<Resolved, String>>;

    /// The SRV records of a name. An implementation without them says so.
    fn resolve_srv(&self, name: &str) -> BoxFuture<Result<SrvAnswer, String>> {
        let why = format!("{name}: this resolver knows no SRV records");
        Box::pin(std::future::ready(Err(why)))
    }
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Its addresses, at least one.
    pub addresses: Vec<IpAddr>,
    /// How long they are valid.
    pub ttl: Duration,
}

/// The system's resolver: its name servers and its hosts file, read when it is made.
pub struct SystemResolver(Result<TokioResolver, String>);

impl SystemResolver {
    /// With the system's configuration. Where that cannot be read, every look-up fails and says
    /// so: a gateway whose upstreams are addresses runs all the same.
    #[must_use]
    pub fn new() -> Self {
        let built = TokioResolver::builder_tokio().and_then(|mut builder| {
            let options = builder.options_mut();
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            // Each name is asked for when it has expired, so there is nothing to remember.
            options.cache_size = 0;
            builder.build()
        });
        Self(built.map_err(|error| format!("the system's DNS configuration: {error}")))
    }

    /// With these name servers, over UDP, and TCP where an answer is too long for it.
    #[must_use]
    pub fn with_servers(servers: &[SocketAddr]) -> Self {
        let server = |address: &SocketAddr| {
            let transports = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
            let ported = transports.map(|mut transport| {
                transport.port = address.port();
                transport
            });
            NameServerConfig::new(address.ip(), true, ported.into())
        };
        Self::with_config(ResolverConfig::from_name_servers(servers.iter().map(server).collect()))
    }

    /// With these name servers instead of the system's.
    #[must_use]
    pub fn with_config(config: ResolverConfig) -> Self {
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.cache_size = 0;
        Self(builder.build().map_err(|error| error.to_string()))
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> BoxFuture<Result<Resolved, String>> {
        let (resolver, name) = (self.0.clone(), name.to_owned());
        Box::pin(async move {
            let found = resolver?.lookup_ip(name).await.map_err(|error| error.to_string())?;
            let ttl = found.as_lookup().answers().iter().map(|record| record.ttl).min();
            let addresses: Vec<IpAddr> = found.iter().collect();
            if addresses.is_empty() {
                return Err("no address".to_owned());
            }
            Ok(Resolved { addresses, ttl: Duration::from_secs(ttl.unwrap_or(0).into()) })
        })
    }

    fn resolve_srv(&self, name: &str) -> BoxFuture<Result<SrvAnswer, String>> {
        let (resolver, name) = (self.0.clone(), name.to_owned());
        Box::pin(async move {
            let found = resolver?.lookup(name, RecordType::SRV).await;
            let found = found.map_err(|error| error.to_string())?;
            let of = |record: &Record| match &record.data {
                RData::SRV(srv) => Some(SrvRecord {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    target: srv.target.to_ascii().trim_end_matches('.').to_ascii_lowercase(),
                }),
                _ => None,
            };
            let ttl = found.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
            let records: Vec<SrvRecord> = found.answers().iter().filter_map(of).collect();
            if records.is_empty() {
                return Err("no SRV record".to_owned());
            }
            Ok(SrvAnswer { records, ttl: Duration::from_secs(ttl.into()) })
        })
    }
}

impl DnsSpec {
    /// How long an answer is kept whose records say this.
    pub(super) fn clamp(&self, ttl: Duration) -> Duration {
        ttl.clamp(self.min_ttl, self.max_ttl.max(self.min_ttl))
    }
}

/// Keeps one name of an upstream resolved until the upstream is gone.
pub(super) async fn watch(
    upstream: Weak<Upstream>,
    resolver: std::sync::Arc<dyn Resolve>,
    lookup: Lookup,
    mut stop: watch::Receiver<()>,
) {
    let Lookup { id, name, mut gone } = lookup;
    let mut failing = false;
    loop {
        let Some(bounds) = upstream.upgrade().map(|upstream| upstream.common.spec.dns.clone())
        else {
            return;
        };
        let looked_up = tokio::select! {
            found = tokio::time::timeout(LOOKUP_TIMEOUT, resolver.resolve(&name)) => found,
            // The upstream is retired or gone; the member is gone.
            _ = stop.changed() => return,
            _ = gone.changed() => return,
        };
        let result = looked_up.unwrap_or_else(|_| Err(format!("no answer in {LOOKUP_TIMEOUT:?}")));
        let Some(upstream) = upstream.upgrade() else { return };
        let pause = match result {
            Ok(mut found) => {
                found.addresses.sort_unstable();
                found.addresses.dedup();
                if std::mem::take(&mut failing) {
                    tracing::info!(upstream = %upstream.name(), name, "name is resolved again");
                }
                let pause = bounds.clamp(found.ttl);
                upstream.resolved(id, Some(found.addresses));
                pause
            }
            Err(why) => {
                let kept = upstream.addresses_of(id);
                // Loud while calls fail for it; once where the last answer still serves.
                if kept == 0 {
                    tracing::error!(upstream = %upstream.name(), name, why, "name has no address: calls are refused");
                } else if !failing {
                    tracing::warn!(upstream = %upstream.name(), name, why, kept, "name cannot be resolved: its last addresses stay in use");
                }
                failing = true;
                upstream.resolved(id, None);
                bounds.min_ttl
            }
        };
        drop(upstream);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
            _ = gone.changed() => return,
        }
    }
}
