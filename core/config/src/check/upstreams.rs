//! Upstreams.

use std::collections::HashMap;
use std::time::Duration;

use super::range::{HOUR, MILLI, number, time};
use super::{balance, pick};
use crate::diag::{Problem, Problems};
use crate::model::{Config, Discovery, Endpoint, HealthCheck, HostOf, Protocol, Retry, Upstream};
use crate::yaml::{Located, Span};

pub(super) fn check(config: &Config, problems: &mut Problems) {
    retry(&config.defaults.retry, problems);
    for (name, upstream) in &config.upstreams {
        if let Some(discovery) = &upstream.endpoints.discovery {
            discovered(discovery, upstream.span, problems);
        } else if upstream.whole {
            endpoints(&upstream.endpoints, name, upstream.span, problems);
        }
        alone(upstream, upstream.span, problems);
    }
}

fn endpoints(all: &[Endpoint], name: &str, span: Span, problems: &mut Problems) {
    if all.is_empty() {
        problems.push(Problem::new(span, format!("the upstream `{name}` has no endpoint")));
        return;
    }
    listed(all, problems);
    if all.iter().all(|endpoint| *endpoint.weight == 0) {
        problems.push(Problem::new(
            span,
            format!("every endpoint of the upstream `{name}` has weight 0"),
        ));
    }
}

/// How endpoints are found out while the gateway runs.
fn discovered(discovery: &Discovery, span: Span, problems: &mut Problems) {
    match (&discovery.dns_srv, &discovery.file) {
        (Some(_), None) | (None, Some(_)) => {}
        (Some(name), Some(_)) => problems
            .push(Problem::new(name.span(), "endpoints come from one place: `dns_srv` or `file`")),
        (None, None) => problems.push(
            Problem::new(span, "endpoints are a list, or have `dns_srv` or `file`")
                .help("write `endpoints: [ { address: host:port } ]`"),
        ),
    }
    if let Some(name) = &discovery.dns_srv
        && !is_srv_name(name.value())
    {
        problems.push(
            Problem::new(name.span(), format!("`{}` is no name of SRV records", name.value()))
                .help("such as `_http._tcp.orders.example.com`"),
        );
    }
    time(&discovery.interval, Duration::from_millis(100), HOUR, problems);
}

/// Labels of letters, digits, hyphens and underscores.
fn is_srv_name(name: &str) -> bool {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    (1..=253).contains(&bare.len()) && bare.split('.').all(label)
}

/// A list of endpoints, from wherever it is.
pub(crate) fn listed(all: &[Endpoint], problems: &mut Problems) {
    let mut seen = HashMap::new();
    for endpoint in all {
        number(&endpoint.weight, 0, 1000, problems);
        number(&endpoint.priority, 0, 100, problems);
        let span = endpoint.address.span();
        if let Some(first) = seen.insert(endpoint.address.value(), span) {
            problems.push(
                Problem::new(span, format!("two endpoints at {}", endpoint.address))
                    .related(first, "first here")
                    .help("give one of them a greater `weight` instead"),
            );
        }
    }
}

fn alone(upstream: &Upstream, span: Span, problems: &mut Problems) {
    let hour = HOUR;
    let timeouts = &upstream.timeouts;
    for value in [&timeouts.connect, &timeouts.first_byte, &timeouts.idle, &timeouts.write] {
        time(value, MILLI, hour, problems);
    }
    time(&upstream.dns.min_ttl, Duration::from_secs(1), hour, problems);
    time(&upstream.dns.max_ttl, Duration::from_secs(1), 24 * hour, problems);
    if upstream.dns.min_ttl.get() > upstream.dns.max_ttl.get() {
        problems.push(Problem::new(
            pick(upstream.dns.min_ttl.span(), span),
            format!(
                "`min_ttl` ({}) is longer than `max_ttl` ({})",
                upstream.dns.min_ttl, upstream.dns.max_ttl
            ),
        ));
    }
    time(&timeouts.tunnel_idle, MILLI, 24 * hour, problems);
    balance::check(upstream, problems);
    number(&upstream.pool.size, 0, 100_000, problems);
    time(&upstream.pool.max_age, Duration::from_secs(1), 24 * hour, problems);
    number(&upstream.pool.h2_streams, 1, 1000, problems);
    time(&upstream.pool.idle, Duration::from_secs(1), hour, problems);
    retry(&upstream.retry, problems);
    host(upstream.host.as_ref(), problems);
    if let (Some(host), HostOf::Endpoint) = (&upstream.host, upstream.host_of) {
        problems.push(
            Problem::new(host.span(), "`host` says what servers see, so `host_of` cannot")
                .help("leave one of them out"),
        );
    }
    if let Some(check) = &upstream.health_check {
        health(check, span, problems);
        speaks_grpc(check, upstream, problems);
    }
    for server in &upstream.dns.servers {
        if server.name().is_some() {
            problems.push(
                Problem::new(server.span(), "a name server is an address, not a name")
                    .help("such as `10.0.0.53:53`"),
            );
        }
    }
    if let Some(tls) = &upstream.tls {
        match (&tls.client_cert, &tls.client_key) {
            (Some(lonely), None) | (None, Some(lonely)) => problems.push(Problem::new(
                lonely.span(),
                "`client_cert` and `client_key` belong together",
            )),
            _ => {}
        }
        let nameless = upstream.endpoints.iter().find(|one| one.address.name().is_none());
        if let (Some(endpoint), None, true) = (nameless, &tls.sni, tls.verify) {
            problems.push(
                Problem::new(endpoint.address.span(), "TLS to an address without a name to verify")
                    .help("set `tls.sni` to the name in the server's certificate"),
            );
        }
    }
}

fn health(check: &HealthCheck, span: Span, problems: &mut Problems) {
    match (&check.path, &check.grpc) {
        (Some(path), None) => {
            if !path.starts_with('/') || path.bytes().any(|b| b <= b' ' || b == 0x7f) {
                problems.push(Problem::new(
                    path.span(),
                    format!("`{path}` is not a path: it begins with `/` and holds no blanks"),
                ));
            }
        }
        (None, Some(grpc)) => {
            let service = &grpc.service;
            if service.len() > 256 || service.bytes().any(|b| !b.is_ascii_graphic()) {
                let message = "a service has at most 256 letters, without blanks";
                problems.push(Problem::new(service.span(), message));
            }
            if let Some(status) = check.status.first() {
                let message = "`status` is for `path`; gRPC has a status of its own";
                problems.push(Problem::new(status.span(), message));
            }
        }
        (Some(path), Some(_)) => {
            problems.push(Problem::new(path.span(), "a probe asks for one thing: `path` or `grpc`"))
        }
        (None, None) => problems.push(
            Problem::new(span, "a `health_check` needs `path` or `grpc`")
                .help("write `health_check: { path: /healthz }`"),
        ),
    }
    time(&check.interval, Duration::from_millis(100), HOUR, problems);
    time(&check.timeout, Duration::from_millis(10), Duration::from_secs(60), problems);
    if check.timeout.get() > check.interval.get() {
        problems.push(Problem::new(
            pick(check.timeout.span(), pick(check.interval.span(), span)),
            format!(
                "a probe's `timeout` ({}) is longer than the `interval` ({})",
                check.timeout, check.interval
            ),
        ));
    }
    number(&check.healthy_after, 1, 100, problems);
    number(&check.unhealthy_after, 1, 100, problems);
    for status in &check.status {
        number(status, 200, 599, problems);
    }
    host(check.host.as_ref(), problems);
}

/// gRPC is spoken over HTTP/2.
fn speaks_grpc(check: &HealthCheck, upstream: &Upstream, problems: &mut Problems) {
    let h2 = match upstream.protocol {
        Protocol::H1 => false,
        Protocol::H2 => true,
        Protocol::Auto => upstream.tls.is_some(),
    };
    if let (Some(grpc), false) = (&check.grpc, h2) {
        problems.push(
            Problem::new(grpc.service.span(), "gRPC needs HTTP/2, which is not spoken here")
                .help("set `protocol: h2` on the upstream"),
        );
    }
}

/// What an attempt may be repeated for.
pub(super) fn retry(retry: &Retry, problems: &mut Problems) {
    if let Some(attempts) = &retry.attempts {
        number(attempts, 1, 10, problems);
    }
    for status in retry.statuses.iter().flatten() {
        if **status != 429 && !(500..=599).contains(&**status) {
            problems.push(Problem::new(
                status.span(),
                format!("expected 429 or 500 to 599, found {status}"),
            ));
        }
    }
    if let Some(buffer) = &retry.body_buffer
        && buffer.bytes() > 16 << 20
    {
        problems
            .push(Problem::new(buffer.span(), format!("expected at most 16MiB, found {buffer}")));
    }
}

/// A `Host` to send.
fn host(host: Option<&Located<String>>, problems: &mut Problems) {
    if let Some(host) = host
        && host.parse::<http::uri::Authority>().is_err()
    {
        problems.push(Problem::new(host.span(), format!("`{}` is not a host", host.value())));
    }
}
