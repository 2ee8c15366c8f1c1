//! Upstreams of the config as `upstream` takes them.

use super::Linker;
use crate::upstream::{
    AllUnhealthy, BalanceSpec, BudgetSpec, ClientCertificate, Deps, DiscoverySpec, DnsSpec,
    EndpointSpec, Forwarding, HashBy, HealthCheckSpec, HostPolicy, LimitsSpec, OutlierSpec,
    PoolSpec, Protocol, SlowStartSpec, SourceSpec, Timeouts, TlsSpec, UpstreamSpec, Upstreams,
    ZoneSpec,
};
use http::{HeaderValue, StatusCode};
use paifang_config::{
    model,
    yaml::{Located, Span},
};
use paifang_pipeline::{ports::HttpOrigin, units::Percent};
use std::collections::HashMap;

/// Builds all upstreams; those whose spec did not change are the ones of `previous`.
pub(super) fn build(linker: &mut Linker<'_>, previous: &Upstreams, deps: &Deps) -> Upstreams {
    let snapshot = linker.snapshot;
    let mut places: HashMap<String, Span> = HashMap::new();
    let mut specs = Vec::new();
    for (name, upstream) in &snapshot.config().upstreams {
        places.insert(name.to_string(), upstream.span);
        specs.extend(spec(linker, name, &upstream.value));
    }
    specs.extend(snapshot.origins().into_iter().map(made_for));
    match Upstreams::build(specs, previous, deps) {
        Ok(built) => built,
        Err(wrong) => {
            for (name, error) in wrong.0 {
                let place = places.get(&*name).copied().unwrap_or(Span::NONE);
                linker.wrong(place, format!("upstream `{name}`: {error}"));
            }
            Upstreams::default()
        }
    }
}

/// An upstream that no config names, for handlers that know a URL.
fn made_for(origin: &HttpOrigin) -> UpstreamSpec {
    let endpoint = EndpointSpec::new(&origin.host, origin.port);
    let mut spec = UpstreamSpec::new(&origin.to_string(), vec![endpoint]);
    spec.tls = origin.tls.then(TlsSpec::default);
    spec.host = HostPolicy::Upstream;
    spec
}

fn spec(linker: &mut Linker<'_>, name: &str, upstream: &model::Upstream) -> Option<UpstreamSpec> {
    let endpoints = upstream.endpoints.iter().map(EndpointSpec::of).collect();
    let mut spec = UpstreamSpec::new(name, endpoints);
    if let Some(found_out) = &upstream.endpoints.discovery {
        spec.discovery = Some(discovery(linker, found_out)?);
    }
    spec.balance = balance(&upstream.balance)?;
    let own = linker.snapshot.config().zone.as_str();
    spec.zone = (!own.is_empty()).then(|| ZoneSpec {
        own: own.into(),
        threshold_permille: permille(*upstream.zone_threshold),
    });
    spec.slow_start = upstream.slow_start.as_ref().map(|slow| SlowStartSpec {
        duration: slow.duration.get(),
        least_permille: permille(*slow.from),
    });
    spec.outliers = upstream.outlier_ejection.as_ref().map(outliers);
    spec.limits = limits(&upstream.limits);
    spec.protocol = match upstream.protocol {
        model::Protocol::Auto => Protocol::Auto,
        model::Protocol::H1 => Protocol::H1,
        model::Protocol::H2 => Protocol::H2,
    };
    if let Some(tls) = &upstream.tls {
        spec.tls = Some(self::tls(linker, tls)?);
    }
    let host = host(linker, upstream.host.as_ref())?;
    spec.host = match (host.clone(), upstream.host_of) {
        (Some(host), _) => HostPolicy::Name(host),
        (None, model::HostOf::Client) => HostPolicy::Preserve,
        (None, model::HostOf::Endpoint) => HostPolicy::Upstream,
    };
    spec.forwarding = Forwarding {
        x_forwarded: upstream.forward.x_forwarded,
        forwarded: upstream.forward.forwarded,
    };
    spec.timeouts = Timeouts {
        connect: upstream.timeouts.connect.get(),
        first_byte: upstream.timeouts.first_byte.get(),
        idle: upstream.timeouts.idle.get(),
        write: upstream.timeouts.write.get(),
        tunnel_idle: upstream.timeouts.tunnel_idle.get(),
    };
    spec.pool = PoolSpec {
        size: *upstream.pool.size as usize,
        idle: upstream.pool.idle.get(),
        max_age: upstream.pool.max_age.get(),
        h2_streams: *upstream.pool.h2_streams as usize,
    };
    let servers = upstream.dns.servers.iter().filter_map(|server| match server.value() {
        model::HostPort::Ip(address) => Some(*address),
        // The config's check has refused it.
        model::HostPort::Name(..) => None,
    });
    spec.dns = DnsSpec {
        servers: servers.collect(),
        min_ttl: upstream.dns.min_ttl.get(),
        max_ttl: upstream.dns.max_ttl.get(),
    };
    spec.retry_budget = BudgetSpec {
        permille: permille(upstream.retry_budget.share),
        minimum: upstream.retry_budget.minimum,
    };
    spec.when_all_unhealthy = match upstream.when_all_unhealthy {
        model::WhenAllUnhealthy::Refuse => AllUnhealthy::Refuse,
        model::WhenAllUnhealthy::UseAll => AllUnhealthy::UseAll,
    };
    if let Some(check) = &upstream.health_check {
        spec.health_check = Some(health_check(linker, check, host)?);
    }
    Some(spec)
}

fn discovery(linker: &Linker<'_>, discovery: &model::Discovery) -> Option<DiscoverySpec> {
    let source = match (&discovery.dns_srv, &discovery.file) {
        (Some(name), _) => SourceSpec::Srv(name.value().clone()),
        (None, Some(file)) => SourceSpec::File {
            path: linker.snapshot.resolve(file),
            interval: discovery.interval.get(),
        },
        // The config's check has refused it.
        (None, None) => return None,
    };
    Some(DiscoverySpec { source, take_empty: discovery.when_empty == model::WhenEmpty::Take })
}

fn permille(share: Percent) -> u32 {
    share.thousandths() / 100
}

/// `None` for a header that cannot be one, which the config's check has refused.
fn balance(balance: &model::Balance) -> Option<BalanceSpec> {
    Some(match balance {
        model::Balance::RoundRobin => BalanceSpec::RoundRobin,
        model::Balance::LeastConnections => BalanceSpec::LeastConnections,
        model::Balance::ConsistentHash(hash) => {
            BalanceSpec::ConsistentHash(match hash.by.value() {
                model::HashBy::ClientIp => HashBy::ClientIp,
                model::HashBy::Path => HashBy::Path,
                model::HashBy::Identity => HashBy::Identity,
                model::HashBy::Header(name) => HashBy::Header(name.parse().ok()?),
                model::HashBy::Cookie(name) => HashBy::Cookie(name.clone()),
                model::HashBy::Query(name) => HashBy::Query(name.clone()),
            })
        }
    })
}

fn outliers(rules: &model::OutlierEjection) -> OutlierSpec {
    OutlierSpec {
        failures_in_a_row: (*rules.failures > 0).then_some(*rules.failures),
        failure_permille: rules.failure_share.as_ref().map(|share| permille(**share)),
        minimum_attempts: *rules.attempts,
        interval: rules.interval.get(),
        time: rules.time.get(),
        time_max: rules.time_max.get(),
        share_max_permille: permille(*rules.share_max),
        statuses: statuses(&rules.statuses),
    }
}

fn limits(limits: &model::UpstreamLimits) -> LimitsSpec {
    let count = |limit: &Option<Located<u32>>| limit.as_ref().map(|limit| **limit as usize);
    LimitsSpec {
        connections: count(&limits.connections),
        requests: count(&limits.requests),
        total_requests: count(&limits.total_requests),
        pending: *limits.pending as usize,
        pending_timeout: limits.pending_timeout.get(),
    }
}

/// The config's check has refused numbers that are no statuses.
fn statuses(list: &[Located<u16>]) -> Vec<StatusCode> {
    list.iter().filter_map(|status| StatusCode::from_u16(**status).ok()).collect()
}

fn tls(linker: &mut Linker<'_>, tls: &model::UpstreamTls) -> Option<TlsSpec> {
    let ca = match &tls.ca {
        Some(path) => Some(linker.pem(path)?),
        None => None,
    };
    let client = match (&tls.client_cert, &tls.client_key) {
        (Some(chain), Some(key)) => {
            let (chain, key) = (linker.pem(chain), linker.pem(key));
            Some(ClientCertificate { chain: chain?, key: key? })
        }
        _ => None,
    };
    let server_name = tls.sni.as_ref().map(|name| name.value().clone());
    Some(TlsSpec { ca, server_name, verify: tls.verify, client })
}

/// A `Host` as a header value; `None` where there is none, and the outer one where it is wrong.
#[allow(clippy::option_option)]
fn host(linker: &mut Linker<'_>, host: Option<&Located<String>>) -> Option<Option<HeaderValue>> {
    let Some(host) = host else { return Some(None) };
    match HeaderValue::from_str(host.value()) {
        Ok(value) => Some(Some(value)),
        Err(_) => {
            linker.wrong(host.span(), "this cannot stand in a `Host` header");
            None
        }
    }
}

fn health_check(
    linker: &mut Linker<'_>,
    check: &model::HealthCheck,
    upstream_host: Option<HeaderValue>,
) -> Option<HealthCheckSpec> {
    let mut spec = HealthCheckSpec::new(check.path.as_ref().map_or("/", |path| path.value()));
    spec.grpc = check.grpc.as_ref().map(|grpc| grpc.service.value().clone());
    spec.interval = check.interval.get();
    spec.timeout = check.timeout.get();
    spec.healthy_after = *check.healthy_after;
    spec.unhealthy_after = *check.unhealthy_after;
    spec.statuses = statuses(&check.status);
    spec.host = host(linker, check.host.as_ref())?.or(upstream_host);
    Some(spec)
}
