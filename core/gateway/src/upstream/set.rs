//! All upstreams of a snapshot, and how those of the one before are carried over.

use super::{Deps, Upstream, UpstreamError, UpstreamSpec};
use http::uri::PathAndQuery;
use std::{collections::BTreeMap, sync::Arc};

/// The upstreams of one snapshot, by name.
#[derive(Clone, Default)]
pub struct Upstreams(BTreeMap<Arc<str>, Arc<Upstream>>);

/// Upstreams that cannot be built, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.0.iter().map(|(name, error)| format!("upstream `{name}`: {error}")).collect::<Vec<_>>().join("; "))]
pub struct UpstreamsError(pub Vec<(Arc<str>, UpstreamError)>);

impl Upstreams {
    /// Builds a snapshot's upstreams. One whose spec is that of an upstream of `previous` is that
    /// upstream. Nothing is started.
    ///
    /// # Errors
    /// All that cannot be built.
    pub fn build(
        specs: impl IntoIterator<Item = UpstreamSpec>,
        previous: &Self,
        deps: &Deps,
    ) -> Result<Self, UpstreamsError> {
        let mut upstreams = BTreeMap::new();
        let mut errors = Vec::new();
        for spec in specs {
            let name = Arc::clone(&spec.name);
            let kept = previous.0.get(&name).filter(|upstream| *upstream.spec() == spec);
            let built =
                kept.map_or_else(|| Upstream::build(spec, deps), |kept| Ok(Arc::clone(kept)));
            match built {
                Ok(upstream) => drop(upstreams.insert(name, upstream)),
                Err(error) => errors.push((name, error)),
            }
        }
        if errors.is_empty() { Ok(Self(upstreams)) } else { Err(UpstreamsError(errors)) }
    }

    /// Starts those that are new.
    pub fn start(&self) {
        self.0.values().for_each(Upstream::start);
    }

    /// Ends what runs for those that `next`, the release that now serves, does not have: probes,
    /// look-ups, idle connections. Calls that began with this release go on to their end; without
    /// this a call of hours would keep all that running for as long.
    pub fn retire_all_but(&self, next: &Self) {
        for (name, upstream) in &self.0 {
            if !next.0.get(name).is_some_and(|kept| Arc::ptr_eq(kept, upstream)) {
                upstream.retire();
            }
        }
    }

    /// Waits until all names have been looked up once; see [`Upstream::warmed`].
    pub async fn warmed(&self) {
        for upstream in self.0.values() {
            upstream.warmed().await;
        }
    }

    /// The upstream of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.0.get(name)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.0.values()
    }
}

/// What can be told of a spec before anything is built from it.
pub(super) fn check(spec: &UpstreamSpec) -> Result<(), UpstreamError> {
    let found_out = spec.discovery.is_some();
    if spec.endpoints.is_empty() && !found_out {
        return Err(UpstreamError::NoEndpoint);
    }
    if !found_out && spec.endpoints.iter().all(|endpoint| endpoint.weight == 0) {
        return Err(UpstreamError::NoWeight);
    }
    for endpoint in &spec.endpoints {
        check_host(endpoint)?;
    }
    match &spec.health_check {
        Some(check)
            if !check.path.starts_with('/') || check.path.parse::<PathAndQuery>().is_err() =>
        {
            Err(UpstreamError::BadPath(check.path.clone()))
        }
        _ => Ok(()),
    }
}

/// Whether a host is an address or a name.
pub(super) fn check_host(endpoint: &super::EndpointSpec) -> Result<(), UpstreamError> {
    if endpoint.ip().is_none() && !is_dns_name(&endpoint.host) {
        return Err(UpstreamError::BadHost(endpoint.host.clone()));
    }
    Ok(())
}

/// Letters, digits, hyphens and underscores in labels of at most 63, 253 in all, and not all digits
/// and dots, which would be a mistyped address (RFC 1123 section 2.1).
fn is_dns_name(name: &str) -> bool {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    (1..=253).contains(&bare.len())
        && bare.split('.').all(label)
        && !bare
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}
