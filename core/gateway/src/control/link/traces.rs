//! The `tracing` section as `traces` takes it.

use super::Linker;
use crate::{
    traces::{Settings, Tracer},
    upstream::{Deps, EndpointSpec, HostPolicy, Protocol, TlsSpec, UpstreamSpec},
};
use http::HeaderName;
use paifang_config::model;
use paifang_pipeline::spans::Propagation;
use std::sync::Arc;

/// Makes the tracer, or keeps the one before.
pub(super) fn build(
    linker: &mut Linker<'_>,
    before: Option<&Arc<Tracer>>,
    deps: &Deps,
) -> Option<Arc<Tracer>> {
    let snapshot = linker.snapshot;
    let tracing = snapshot.config().tracing.as_ref()?;
    let place = tracing.endpoint.span();
    let settings = settings(linker, &tracing.value)?;
    match Tracer::build(settings, before, deps) {
        Ok(tracer) => Some(tracer),
        Err(why) => {
            linker.wrong(place, format!("traces: {why}"));
            None
        }
    }
}

fn settings(linker: &mut Linker<'_>, tracing: &model::Tracing) -> Option<Settings> {
    let url = tracing.endpoint.value();
    let (host, port) = match &url.address {
        model::HostPort::Ip(address) => (address.ip().to_string(), address.port()),
        model::HostPort::Name(name, port) => (name.clone(), *port),
    };
    let mut upstream = UpstreamSpec::new("tracing", vec![EndpointSpec::new(&host, port)]);
    upstream.protocol = Protocol::H1;
    upstream.host = HostPolicy::Upstream;
    if url.tls {
        let ca = match &tracing.ca {
            Some(path) => Some(linker.pem(path)?),
            None => None,
        };
        upstream.tls = Some(TlsSpec { ca, ..TlsSpec::default() });
    }
    // The config's check has refused names that are none.
    let headers = linker.snapshot.tracing_headers().iter().filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value.clone()))
    });
    let headers = headers.collect();
    let own = [
        ("service.name".to_owned(), tracing.service.clone()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let more = tracing.resource.iter().map(|(key, value)| (key.clone(), value.clone()));
    Some(Settings {
        upstream,
        path: url.path.clone(),
        headers,
        resource: own.into_iter().chain(more).collect(),
        propagation: match tracing.propagate {
            model::Propagate::Trust => Propagation::Trust,
            model::Propagate::Restart => Propagation::Restart,
            model::Propagate::Off => Propagation::Off,
        },
        sample: tracing.sample,
        parent_based: tracing.parent_based,
        errors: tracing.errors,
        slow_step: tracing.slow_step.get(),
        queue: *tracing.queue as usize,
        batch: *tracing.batch as usize,
        delay: tracing.delay.get(),
        timeout: tracing.timeout.get(),
    })
}

/// The template of an API's path.
pub(super) fn template(matches: &model::Match) -> Option<Arc<str>> {
    match (&matches.path, &matches.path_prefix) {
        (Some(path), _) => Some(path.as_str().into()),
        (None, Some(prefix)) => Some(format!("{}/{{*}}", prefix.trim_end_matches('/')).into()),
        (None, None) => None,
    }
}
