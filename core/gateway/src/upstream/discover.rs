//! Members that are found out while the gateway runs: by DNS SRV records, or from a file.
//!
//! One task for each upstream looks again and again; what it finds takes the place of all members at
//! once. What cannot be found or read leaves the last members in use, and says so in the log, in the
//! metrics and in `paifang upstreams`. No release is needed, and none fails for it: a registry that is
//! away, or a file that another program has yet to write, must not keep the gateway from starting.

use super::{
    Resolve, Upstream, file,
    spec::{DiscoverySpec, EndpointSpec, SourceSpec},
    srv,
};
use futures::future::join_all;
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::watch;

/// More members are refused.
pub(super) const MOST: usize = 4096;
/// A look may take so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was found.
pub(super) struct Found {
    pub(super) endpoints: Vec<EndpointSpec>,
    /// How long it holds.
    pub(super) ttl: Duration,
}

/// How discovery goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// A look was made.
    pub(super) asked: bool,
    /// What was wrong with the last look; members are those of an earlier one.
    pub(super) error: Option<String>,
    /// When members were found the last time, after the Unix epoch.
    pub(super) found: Option<Duration>,
}

/// How discovery goes, for the admin API and metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscoveryReading {
    /// `dns_srv` or `file`.
    pub kind: &'static str,
    /// The name or path that is asked.
    pub source: String,
    /// What was wrong with the last look; the members are those of an earlier one, if of any.
    pub last_error: Option<String>,
    /// When members were found the last time, after the Unix epoch.
    pub found: Option<Duration>,
}

impl DiscoveryReading {
    pub(super) fn of(spec: &DiscoverySpec, progress: Progress) -> Self {
        let (kind, source) = match &spec.source {
            SourceSpec::Srv(name) => ("dns_srv", name.clone()),
            SourceSpec::File { path, .. } => ("file", path.display().to_string()),
        };
        Self { kind, source, last_error: progress.error, found: progress.found }
    }
}

/// Looks until the upstream is gone.
pub(super) async fn watch(
    upstream: Weak<Upstream>,
    resolver: Arc<dyn Resolve>,
    mut stop: watch::Receiver<()>,
) {
    let mut known = None;
    loop {
        let Some((spec, dns)) = upstream.upgrade().and_then(|upstream| {
            let spec = &upstream.common.spec;
            Some((spec.discovery.clone()?, spec.dns.clone()))
        }) else {
            return;
        };
        let look = async {
            match &spec.source {
                SourceSpec::Srv(name) => srv::look(name, &*resolver, &dns).await.map(Some),
                SourceSpec::File { path, interval } => {
                    file::look(path, *interval, &mut known).await
                }
            }
        };
        let looked = tokio::select! {
            looked = tokio::time::timeout(PATIENCE, look) => looked,
            // Retired, or gone.
            _ = stop.changed() => return,
        };
        let looked = looked.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        let pause = match &spec.source {
            SourceSpec::File { interval, .. } => *interval,
            SourceSpec::Srv(_) => match &looked {
                Ok(Some(found)) => found.ttl,
                _ => dns.min_ttl,
            },
        };
        let addresses = match &looked {
            Ok(Some(found)) => {
                let Some(upstream) = upstream.upgrade() else { return };
                let names = upstream.members.lock().new_names(&found.endpoints);
                drop(upstream);
                tokio::select! {
                    addresses = resolve(names, &*resolver) => addresses,
                    _ = stop.changed() => return,
                }
            }
            _ => HashMap::new(),
        };
        let Some(upstream) = upstream.upgrade() else { return };
        upstream.looked(looked, &addresses, &spec);
        drop(upstream);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Addresses of names that are new, so that the change to them leaves no gap. What is not answered
/// now is asked for in the background, as for every name.
async fn resolve(names: BTreeSet<String>, resolver: &dyn Resolve) -> HashMap<String, Vec<IpAddr>> {
    let asked = names.into_iter().map(async |name| {
        let found = tokio::time::timeout(PATIENCE, resolver.resolve(&name)).await;
        let mut addresses = found.ok()?.ok()?.addresses;
        addresses.sort_unstable();
        addresses.dedup();
        Some((name, addresses))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

impl Upstream {
    /// Takes what a look has come to; `None` says that all is as it was.
    fn looked(
        self: &Arc<Self>,
        looked: Result<Option<Found>, String>,
        addresses: &HashMap<String, Vec<IpAddr>>,
        spec: &DiscoverySpec,
    ) {
        let taken = match looked {
            Ok(None) => Ok(false),
            Ok(Some(found)) => self.take(&found.endpoints, addresses, spec).map(|()| true),
            Err(why) => Err(why),
        };
        let name = self.name();
        match taken {
            // A file that is as it was is as good, or as bad, as it was.
            Ok(false) => self.discovery.lock().asked = true,
            Ok(true) => {
                self.stats.discoveries.count();
                let mut progress = self.discovery.lock();
                if progress.error.take().is_some() {
                    tracing::info!(upstream = %name, "members are found again");
                }
                progress.asked = true;
                progress.found = Some(self.common.clock.unix());
            }
            Err(why) => {
                self.stats.discovery_failures.count();
                let kept = self.members.lock().all().len();
                let mut progress = self.discovery.lock();
                progress.asked = true;
                if progress.error.as_ref() != Some(&why) {
                    // Once for each reason; louder while calls fail for it.
                    if kept == 0 {
                        tracing::error!(upstream = %name, why, "no members are found: calls are refused");
                    } else {
                        tracing::warn!(upstream = %name, why, kept, "members are not found: the last ones stay in use");
                    }
                }
                progress.error = Some(why);
            }
        }
        self.announce();
    }

    fn take(
        self: &Arc<Self>,
        found: &[EndpointSpec],
        addresses: &HashMap<String, Vec<IpAddr>>,
        spec: &DiscoverySpec,
    ) -> Result<(), String> {
        if found.iter().all(|endpoint| endpoint.weight == 0) && !spec.take_empty {
            return Err("there is no endpoint with a weight in it".to_owned());
        }
        if found.len() > MOST {
            return Err(format!("{} endpoints, more than {MOST}", found.len()));
        }
        for endpoint in found {
            super::set::check_host(endpoint).map_err(|error| error.to_string())?;
        }
        let tls = self.common.connector.tls.as_ref();
        let before = self.members.lock().all().len();
        let replaced = self.members.lock().replace(found, tls, addresses);
        replaced.map_err(|error| error.to_string())?;
        self.renew();
        self.look_up();
        let now = self.members.lock().all().len();
        if before != now {
            tracing::info!(upstream = %self.name(), before, now, "members have changed");
        }
        Ok(())
    }
}
