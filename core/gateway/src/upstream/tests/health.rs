//! Probes: what makes a server unhealthy and healthy again, and what calls see of it.

use super::support::{Server, get, read_request, refusing, spec, specs, start, until};
use crate::upstream::{AllUnhealthy, HealthCheckSpec, Upstream};
use http::{HeaderValue, StatusCode};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::io::AsyncWriteExt;

/// A server whose probes are answered with a status that the test sets, its calls with 200.
async fn server(status: &Arc<AtomicU16>) -> (Server, Arc<AtomicUsize>) {
    let probes = Arc::new(AtomicUsize::new(0));
    let (status, counter) = (Arc::clone(status), Arc::clone(&probes));
    let server = Server::start(move |_, mut tcp| {
        let (status, counter) = (Arc::clone(&status), Arc::clone(&counter));
        async move {
            while let Some(request) = read_request(&mut tcp).await {
                let mut code = 200;
                if request.head.starts_with("GET /healthz?deep=1 ") {
                    assert_eq!(request.header("host"), Some("probe.test"));
                    assert_eq!(request.header("user-agent"), Some("paifang-health-check"));
                    assert_eq!(request.header("x-forwarded-for"), None);
                    counter.fetch_add(1, SeqCst);
                    code = status.load(SeqCst);
                }
                let response = format!("HTTP/1.1 {code} x\r\ncontent-length: 0\r\n\r\n");
                tcp.write_all(response.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    (server, probes)
}

fn check() -> HealthCheckSpec {
    HealthCheckSpec {
        interval: Duration::from_millis(5),
        host: Some(HeaderValue::from_static("probe.test")),
        ..HealthCheckSpec::new("/healthz?deep=1")
    }
}

fn healthy(upstream: &Upstream, index: usize) -> bool {
    upstream.read().endpoints[index].healthy
}

#[tokio::test]
async fn down_and_up_again() {
    let status = Arc::new(AtomicU16::new(200));
    let (server, _) = server(&status).await;
    let mut spec = spec(server.address);
    spec.health_check = Some(check());
    let upstream = start(spec);
    assert!(healthy(&upstream, 0), "healthy until proven otherwise");
    assert_eq!(get(&upstream).await.status(), 200);
    until(&upstream, |upstream| upstream.read().endpoints[0].counts.probes_good >= 3).await;
    status.store(500, SeqCst);
    until(&upstream, |upstream| !healthy(upstream, 0)).await;
    let reading = &upstream.read().endpoints[0];
    assert_eq!(reading.last_error.as_deref(), Some("status 500"));
    assert!(reading.counts.probes_bad >= 3);
    let reply = get(&upstream).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (503, Some("PF-4000")));
    assert!(reply.outcome.error_detail.unwrap().contains("no endpoint is healthy"));
    status.store(204, SeqCst);
    until(&upstream, |upstream| healthy(upstream, 0)).await;
    assert_eq!(get(&upstream).await.status(), 200);
    let reading = &upstream.read().endpoints[0];
    assert_eq!((reading.counts.turned_unhealthy, reading.counts.turned_healthy), (1, 1));
    assert_eq!(reading.last_error, None);
    assert_eq!(upstream.read().counts.no_endpoint, 1);
}

#[tokio::test]
async fn the_others_take_the_calls_of_one_that_is_down() {
    let (up, down) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicU16::new(404)));
    let ((first, _), (second, probes)) = (server(&up).await, server(&down).await);
    let mut spec = specs(&[first.address, second.address]);
    spec.health_check = Some(HealthCheckSpec {
        statuses: vec![StatusCode::OK],
        unhealthy_after: 1,
        healthy_after: 1,
        ..check()
    });
    let upstream = start(spec);
    until(&upstream, |upstream| !healthy(upstream, 1)).await;
    for _ in 0..4 {
        assert_eq!(get(&upstream).await.outcome.endpoint, Some(first.address));
    }
    down.store(200, SeqCst);
    until(&upstream, |upstream| healthy(upstream, 1)).await;
    let mut seen = [get(&upstream).await.outcome.endpoint, get(&upstream).await.outcome.endpoint];
    seen.sort();
    let mut both = [Some(first.address), Some(second.address)];
    both.sort();
    assert_eq!(seen, both);
    assert!(probes.load(SeqCst) >= 2);
}

#[tokio::test]
async fn all_may_be_used_when_none_is_healthy() {
    let status = Arc::new(AtomicU16::new(500));
    let (server, _) = server(&status).await;
    let mut spec = spec(server.address);
    spec.health_check = Some(HealthCheckSpec { unhealthy_after: 1, ..check() });
    spec.when_all_unhealthy = AllUnhealthy::UseAll;
    let upstream = start(spec);
    until(&upstream, |upstream| !healthy(upstream, 0)).await;
    assert_eq!(get(&upstream).await.status(), 200);
}

#[tokio::test]
async fn probes_that_find_nobody_or_silence() {
    let silent = Server::start(|_, tcp| async move {
        let _held = tcp;
        std::future::pending().await
    })
    .await;
    let (nobody, _socket) = refusing();
    let mut spec = specs(&[silent.address, nobody]);
    spec.health_check =
        Some(HealthCheckSpec { unhealthy_after: 1, timeout: Duration::from_millis(30), ..check() });
    let upstream = start(spec);
    until(&upstream, |upstream| !healthy(upstream, 0) && !healthy(upstream, 1)).await;
    let errors: Vec<_> = upstream
        .read()
        .endpoints
        .iter()
        .map(|endpoint| endpoint.last_error.clone().unwrap())
        .collect();
    assert_eq!(errors[0], "no answer within 30ms");
    assert!(errors[1].contains("connection refused"), "{}", errors[1]);
}

#[tokio::test]
async fn probes_over_http_2_and_their_end() {
    let server = super::h2::server(|_, request, mut respond| async move {
        assert_eq!(request.uri().to_string(), "http://probe.test/healthz?deep=1");
        respond.send_response(http::Response::new(()), true).unwrap();
    })
    .await;
    let mut spec = spec(server.address);
    spec.protocol = crate::upstream::Protocol::H2;
    spec.health_check = Some(check());
    let upstream = start(spec);
    until(&upstream, |upstream| upstream.read().endpoints[0].counts.probes_good >= 3).await;
    let members = Arc::downgrade(&upstream);
    drop(upstream);
    // The task that probes holds nothing that outlives the upstream.
    super::support::in_time(async {
        while members.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
