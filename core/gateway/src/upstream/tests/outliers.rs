//! Ejection: what counts as a failure, how many may be out, and how they come back.

use super::support::{
    Server, deps_with, eject, get, imagined, nth, once, read_request, run, shares, specs,
    start_with, until,
};
use crate::upstream::{HealthCheckSpec, OutlierSpec, Upstream, UpstreamSpec};
use http::StatusCode;
use paifang_pipeline::testkit::{TestCall, TestClock};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::io::AsyncWriteExt;

fn rules() -> OutlierSpec {
    OutlierSpec {
        failures_in_a_row: Some(3),
        time: Duration::from_secs(10),
        ..OutlierSpec::default()
    }
}

/// A server that answers with a status that the test sets; 0 is silence. Probes are always answered 200.
async fn server(status: &Arc<AtomicU16>) -> Server {
    let status = Arc::clone(status);
    Server::start(move |_, mut tcp| {
        let status = Arc::clone(&status);
        async move {
            while let Some(request) = read_request(&mut tcp).await {
                let code = status.load(SeqCst);
                if code == 0 && !request.head.starts_with("GET /probe ") {
                    std::future::pending::<()>().await;
                }
                let code = if request.head.starts_with("GET /probe ") { 200 } else { code };
                let response = format!("HTTP/1.1 {code} x\r\ncontent-length: 0\r\n\r\n");
                tcp.write_all(response.as_bytes()).await.unwrap();
            }
        }
    })
    .await
}

/// Two servers, the first of which a test can make ill.
async fn two(
    change: impl FnOnce(&mut UpstreamSpec),
) -> (Arc<AtomicU16>, Arc<TestClock>, Arc<Upstream>, [Server; 2]) {
    let (ill, well) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicU16::new(200)));
    let servers = [server(&ill).await, server(&well).await];
    let clock = Arc::new(TestClock::new());
    let mut spec = specs(&servers.each_ref().map(|server| server.address));
    spec.outliers = Some(rules());
    change(&mut spec);
    let upstream = start_with(spec, &deps_with(clock.clone()));
    (ill, clock, upstream, servers)
}

fn ejected(upstream: &Upstream) -> bool {
    upstream.read().endpoints[0].ejected.is_some()
}

#[tokio::test]
async fn failures_eject_and_time_brings_back() {
    let (ill, clock, upstream, servers) = two(|_| ()).await;
    let ask = || async { run(once(TestCall::get("/")).clock(&clock), &upstream).await };
    ill.store(503, SeqCst);
    let mut failed = 0;
    for _ in 0..20 {
        failed += usize::from(ask().await.status() == 503);
    }
    assert_eq!(failed, 3, "three in a row, then no more");
    let reading = &upstream.read().endpoints[0];
    assert_eq!((reading.ejected, reading.healthy), (Some(Duration::from_secs(10)), true));
    assert_eq!(reading.counts.ejections, 1);
    clock.advance(Duration::from_secs(9));
    assert_eq!(ask().await.outcome.endpoint, Some(servers[1].address));
    ill.store(200, SeqCst);
    clock.advance(Duration::from_secs(1));
    let mut seen = [ask().await.outcome.endpoint, ask().await.outcome.endpoint];
    seen.sort();
    let mut both = servers.each_ref().map(|server| Some(server.address));
    both.sort();
    assert_eq!(seen, both);
    // The second time is twice as long.
    ill.store(500, SeqCst);
    while !ejected(&upstream) {
        ask().await;
    }
    assert_eq!(upstream.read().endpoints[0].ejected, Some(Duration::from_secs(20)));
}

#[tokio::test]
async fn only_what_is_said_to_be_a_failure_counts() {
    let (ill, _, upstream, _servers) = two(|spec| {
        let statuses = vec![StatusCode::BAD_GATEWAY];
        spec.outliers = Some(OutlierSpec { statuses, ..rules() });
    })
    .await;
    for status in [500, 404, 503] {
        ill.store(status, SeqCst);
        for _ in 0..10 {
            run(once(TestCall::get("/")), &upstream).await;
        }
        assert!(!ejected(&upstream), "{status}");
    }
    ill.store(502, SeqCst);
    for _ in 0..6 {
        run(once(TestCall::get("/")), &upstream).await;
    }
    assert!(ejected(&upstream));
}

#[tokio::test]
async fn silence_counts_whichever_time_is_up() {
    // The upstream's own patience, and the API's, which is shorter.
    for (first_byte, timeout) in [(20, 60_000), (60_000, 20)] {
        let (ill, _, upstream, _servers) = two(|spec| {
            spec.timeouts.first_byte = Duration::from_millis(first_byte);
        })
        .await;
        ill.store(0, SeqCst);
        let mut timeouts = 0;
        while !ejected(&upstream) {
            let mut call = once(TestCall::get("/"));
            call.limits.timeout = Duration::from_millis(timeout);
            timeouts += usize::from(run(call, &upstream).await.status() == 504);
        }
        assert_eq!(timeouts, 3);
    }
}

#[tokio::test]
async fn connections_that_fail_count() {
    let (nobody, _socket) = super::support::refusing();
    let good = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let mut spec = specs(&[nobody, good.address]);
    spec.outliers = Some(OutlierSpec { failures_in_a_row: Some(1), ..rules() });
    let upstream = start_with(spec, &super::support::deps());
    get(&upstream).await;
    get(&upstream).await;
    assert!(ejected(&upstream));
}

#[tokio::test]
async fn a_client_that_stops_sending_ejects_nobody() {
    let (ill, _, upstream, servers) = two(|spec| {
        spec.timeouts.first_byte = Duration::from_millis(5);
        spec.outliers = Some(OutlierSpec { failures_in_a_row: Some(1), ..rules() });
    })
    .await;
    ill.store(0, SeqCst);
    for _ in 0..4 {
        let head = super::support::request("POST", "/", &[("content-length", "10")]);
        let (mut client, task) = super::support::call(&upstream, head, true);
        client.send(b"half");
        let head = client.head().await;
        assert_eq!(head.status, StatusCode::GATEWAY_TIMEOUT);
        task.abort();
    }
    assert!(upstream.read().endpoints.iter().all(|endpoint| endpoint.ejected.is_none()));
    drop(servers);
}

#[tokio::test]
async fn the_share_is_bounded_and_the_last_one_stays() {
    let clock = Arc::new(TestClock::new());
    let upstream = imagined(&[1; 5], &clock, |spec| spec.outliers = Some(OutlierSpec::default()));
    eject(&upstream, 0);
    eject(&upstream, 1);
    for _ in 0..5 {
        nth(&upstream, 2).went_wrong();
    }
    let refused = nth(&upstream, 2);
    assert!(!refused.outlier.is_out(), "half of five is two");
    assert_eq!(refused.stats.ejections_refused.get(), 1);
    assert_eq!(shares(&upstream, &clock, 9, 5), [0, 0, 3, 3, 3]);

    let all = OutlierSpec { share_max_permille: 1000, ..OutlierSpec::default() };
    let upstream = imagined(&[1, 1, 1, 0], &clock, |spec| spec.outliers = Some(all));
    eject(&upstream, 0);
    eject(&upstream, 2);
    for _ in 0..20 {
        nth(&upstream, 1).went_wrong();
    }
    assert_eq!(shares(&upstream, &clock, 5, 4), [0, 5, 0, 0], "the one of weight 0 is no help");
}

#[tokio::test]
async fn probes_and_ejections_are_two_things() {
    let clock = Arc::new(TestClock::new());
    let probed = Arc::new(AtomicU16::new(200));
    let answers = Arc::clone(&probed);
    let other = Server::start(move |_, mut tcp| {
        let answers = Arc::clone(&answers);
        async move {
            while read_request(&mut tcp).await.is_some() {
                let code = answers.load(SeqCst);
                let response = format!("HTTP/1.1 {code} x\r\ncontent-length: 0\r\n\r\n");
                tcp.write_all(response.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let ill = server(&Arc::new(AtomicU16::new(503))).await;
    let mut spec = specs(&[ill.address, other.address]);
    spec.outliers = Some(rules());
    spec.health_check = Some(HealthCheckSpec {
        interval: Duration::from_millis(5),
        unhealthy_after: 1,
        healthy_after: 1,
        ..HealthCheckSpec::new("/probe")
    });
    let upstream = start_with(spec, &deps_with(clock.clone()));
    let good = |upstream: &Upstream| upstream.read().endpoints[0].counts.probes_good;
    for _ in 0..6 {
        run(once(TestCall::get("/")), &upstream).await;
    }
    assert!(ejected(&upstream));
    let before = good(&upstream);
    until(&upstream, |upstream| good(upstream) >= before + 3).await;
    assert!(ejected(&upstream), "good probes do not bring it back: probes were good all the time");
    // The other one falls ill by its probes: better one that is ejected than none.
    probed.store(500, SeqCst);
    until(&upstream, |upstream| !upstream.read().endpoints[1].healthy).await;
    let reply = run(once(TestCall::get("/")), &upstream).await;
    assert_eq!((reply.status(), reply.outcome.endpoint), (503, Some(ill.address)));
}
