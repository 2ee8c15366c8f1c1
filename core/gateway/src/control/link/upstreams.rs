//! Upstreams of the config as `upstream` takes them.

use super::Linker;
use crate::upstream::{
    AllUnhealthy, BudgetSpec, ClientCertificate, Deps, DnsSpec, EndpointSpec, Forwarding,
    HealthCheckSpec, HostPolicy, PoolSpec, Protocol, Timeouts, TlsSpec, UpstreamSpec, Upstreams,
};
use http::{HeaderValue, StatusCode};
use paifang_config::{
    model,
    yaml::{Located, Span},
};
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

fn spec(linker: &mut Linker<'_>, name: &str, upstream: &model::Upstream) -> Option<UpstreamSpec> {
    let endpoints = upstream.endpoints.iter().map(endpoint).collect();
    let mut spec = UpstreamSpec::new(name, endpoints);
    spec.protocol = match upstream.protocol {
        model::Protocol::Auto => Protocol::Auto,
        model::Protocol::H1 => Protocol::H1,
        model::Protocol::H2 => Protocol::H2,
    };
    if let Some(tls) = &upstream.tls {
        spec.tls = Some(self::tls(linker, tls)?);
    }
    let host = host(linker, upstream.host.as_ref())?;
    spec.host = host.clone().map_or(HostPolicy::Preserve, HostPolicy::Name);
    spec.forwarding = Forwarding {
        x_forwarded: upstream.forward.x_forwarded,
        forwarded: upstream.forward.forwarded,
    };
    spec.timeouts = Timeouts {
        connect: upstream.timeouts.connect.get(),
        first_byte: upstream.timeouts.first_byte.get(),
        idle: upstream.timeouts.idle.get(),
        write: upstream.timeouts.write.get(),
        ..Timeouts::default()
    };
    spec.pool = PoolSpec {
        size: *upstream.pool.size as usize,
        idle: upstream.pool.idle.get(),
        ..PoolSpec::default()
    };
    spec.dns = DnsSpec { min_ttl: upstream.dns.min_ttl.get(), max_ttl: upstream.dns.max_ttl.get() };
    spec.retry_budget = BudgetSpec {
        permille: upstream.retry_budget.share.thousandths() / 100,
        minimum: upstream.retry_budget.minimum,
    };
    spec.when_all_unhealthy = AllUnhealthy::Refuse;
    if let Some(check) = &upstream.health_check {
        spec.health_check = Some(health_check(linker, check, host)?);
    }
    Some(spec)
}

fn endpoint(endpoint: &model::Endpoint) -> EndpointSpec {
    let (host, port) = match endpoint.address.value() {
        model::HostPort::Ip(address) => (address.ip().to_string(), address.port()),
        model::HostPort::Name(name, port) => (name.clone(), *port),
    };
    EndpointSpec { host, port, weight: *endpoint.weight }
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
    let mut spec = HealthCheckSpec::new(check.path.value());
    spec.interval = check.interval.get();
    spec.timeout = check.timeout.get();
    spec.healthy_after = *check.healthy_after;
    spec.unhealthy_after = *check.unhealthy_after;
    // The config's check has refused numbers that are no statuses.
    spec.statuses =
        check.status.iter().filter_map(|status| StatusCode::from_u16(**status).ok()).collect();
    spec.host = host(linker, check.host.as_ref())?.or(upstream_host);
    Some(spec)
}
