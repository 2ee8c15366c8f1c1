//! Active health checks: regular probes that decide whether a server is used.
//!
//! A server counts as healthy until probes prove otherwise, so that a restart of the gateway does
//! not refuse calls while the first probes are under way. Probes go over fresh connections made as
//! those of calls are, TLS and protocol alike, so what they prove is what calls need. Changes are logged
//! once and counted.

use super::{
    Upstream,
    call::{self, head::Prepared},
    endpoint::Endpoint,
    grpc,
    spec::{HealthCheckSpec, HostPolicy},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header::HOST, header::USER_AGENT};
use paifang_pipeline::OriginEvent;
use parking_lot::Mutex;
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::watch, time::timeout};

/// What probes have found.
#[derive(Debug)]
pub(super) struct Health {
    healthy: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) healthy: bool,
    /// Since when, after the Unix epoch.
    pub(super) since: Duration,
    pub(super) last_error: Option<String>,
    /// Probes in a row that contradict `healthy`.
    against: u32,
}

impl Health {
    pub(super) fn new(now: Duration) -> Self {
        let state = State { healthy: true, since: now, last_error: None, against: 0 };
        Self { healthy: AtomicBool::new(true), state: Mutex::new(state) }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    pub(super) fn read(&self) -> State {
        self.state.lock().clone()
    }

    /// Takes a probe's result; says whether it has changed what the server counts as.
    fn record(&self, result: Result<(), String>, spec: &HealthCheckSpec, now: Duration) -> bool {
        let mut state = self.state.lock();
        let good = result.is_ok();
        state.last_error = result.err().or_else(|| {
            // Kept while it explains why the server is not used.
            if state.healthy { None } else { state.last_error.take() }
        });
        if good == state.healthy {
            state.against = 0;
            return false;
        }
        state.against += 1;
        let needed = if good { spec.healthy_after } else { spec.unhealthy_after };
        if state.against < needed {
            return false;
        }
        if good {
            state.last_error = None;
        }
        (state.healthy, state.since, state.against) = (good, now, 0);
        self.healthy.store(good, Relaxed);
        true
    }
}

/// Probes one endpoint until it or the upstream is gone.
pub(super) async fn watch(
    upstream: Weak<Upstream>,
    endpoint: Weak<Endpoint>,
    mut stop: watch::Receiver<()>,
) {
    loop {
        let pause = {
            let Some(endpoint) = endpoint.upgrade() else { return };
            let Some(spec) = &endpoint.common.spec.health_check else { return };
            let result = tokio::select! {
                result = timeout(spec.timeout, probe(&endpoint, spec)) => result,
                // Retired, or gone.
                _ = stop.changed() => return,
            };
            let result =
                result.unwrap_or_else(|_| Err(format!("no answer within {:?}", spec.timeout)));
            note(&endpoint, result, spec, &upstream);
            spec.interval.mul_f64(0.9 + 0.2 * fastrand::f64())
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
    }
}

fn note(
    endpoint: &Endpoint,
    result: Result<(), String>,
    spec: &HealthCheckSpec,
    upstream: &Weak<Upstream>,
) {
    let counter =
        if result.is_ok() { &endpoint.stats.probes_good } else { &endpoint.stats.probes_bad };
    counter.count();
    if endpoint.health.record(result, spec, endpoint.common.clock.unix()) {
        let (name, address) = (&endpoint.common.spec.name, endpoint.address);
        if endpoint.health.is_healthy() {
            endpoint.warmth.begin(endpoint.common.clock.now());
            endpoint.stats.turned_healthy.count();
            tracing::info!(upstream = %name, endpoint = %address, "endpoint is healthy again");
        } else {
            endpoint.stats.turned_unhealthy.count();
            let why = endpoint.health.read().last_error.unwrap_or_default();
            tracing::warn!(upstream = %name, endpoint = %address, why, "endpoint is unhealthy");
        }
        if let Some(upstream) = upstream.upgrade() {
            upstream.rebalance();
        }
    }
    if let Some(upstream) = upstream.upgrade() {
        upstream.announce();
    }
}

/// One probe over a fresh connection.
async fn probe(endpoint: &Arc<Endpoint>, spec: &HealthCheckSpec) -> Result<(), String> {
    if let Some(service) = &spec.grpc {
        return grpc::probe(endpoint, spec, service).await;
    }
    let mut call = call::open_fresh(endpoint).await.map_err(|error| error.to_string())?;
    call.start(request(endpoint, spec)?).await.map_err(|error| error.to_string())?;
    loop {
        match call.next().await.map_err(|error| error.to_string())? {
            OriginEvent::Info(_) => {}
            OriginEvent::Head(head, _) if is_good(head.status, spec) => return Ok(()),
            OriginEvent::Head(head, _) => return Err(format!("status {}", head.status.as_u16())),
            OriginEvent::Frame(_) => return Err("a body before the head".to_owned()),
        }
    }
}

fn request(endpoint: &Endpoint, spec: &HealthCheckSpec) -> Result<Prepared, String> {
    let uri: Uri = spec.path.parse().map_err(|_| "the path is not acceptable".to_owned())?;
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(HOST, probed_host(endpoint, spec));
    headers.insert(USER_AGENT, HeaderValue::from_static("paifang-health-check"));
    Ok(Prepared { method: Method::GET, uri, headers, has_body: false })
}

/// The `Host` of a probe.
pub(super) fn probed_host(endpoint: &Endpoint, spec: &HealthCheckSpec) -> HeaderValue {
    match (&spec.host, &endpoint.common.spec.host) {
        (Some(host), _) | (None, HostPolicy::Name(host)) => host.clone(),
        _ => endpoint.identity.authority.clone(),
    }
}

fn is_good(status: StatusCode, spec: &HealthCheckSpec) -> bool {
    if spec.statuses.is_empty() { status.is_success() } else { spec.statuses.contains(&status) }
}

#[cfg(test)]
mod tests {
    //! When a server changes what it counts as.
    use super::{Health, HealthCheckSpec};
    use std::time::Duration;

    #[test]
    fn so_many_probes_in_a_row_and_no_fewer() {
        let mut spec = HealthCheckSpec::new("/");
        (spec.healthy_after, spec.unhealthy_after) = (2, 3);
        let health = Health::new(Duration::ZERO);
        let mut now = 0;
        let mut record = |good: bool| {
            now += 1;
            let result = if good { Ok(()) } else { Err("down".to_owned()) };
            health.record(result, &spec, Duration::from_secs(now))
        };
        let bad_bad_good = [false, false, true].map(&mut record);
        assert_eq!(bad_bad_good, [false; 3], "a good one begins the count anew");
        assert_eq!([false, false, false].map(&mut record), [false, false, true]);
        let state = health.read();
        assert_eq!((state.healthy, state.since), (false, Duration::from_secs(6)));
        assert_eq!(state.last_error.as_deref(), Some("down"));
        assert_eq!([true, false, true, true].map(&mut record), [false, false, false, true]);
        assert!(health.is_healthy() && health.read().last_error.is_none());
    }
}
