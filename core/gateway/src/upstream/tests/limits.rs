//! Limits: room, the queue, and that every place is given back.

use super::support::{
    Client, Server, call, deps, get, in_time, once, read_head, read_request, request, run, spec,
    specs, start, start_with,
};
use crate::upstream::{LimitsSpec, Protocol, Upstream, UpstreamSpec, balance::Ask};
use paifang_pipeline::{
    Served,
    testkit::{TestCall, TestClock},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{io::AsyncWriteExt, sync::Semaphore, task::JoinHandle};

const LONG: Duration = Duration::from_secs(600);

/// A server that answers each request when it is let; the paths come as they arrive.
async fn gated() -> (Server, Arc<Semaphore>, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let gate = Arc::new(Semaphore::new(0));
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    let hands = Arc::clone(&gate);
    let server = Server::start(move |_, mut tcp| {
        let (gate, tell) = (Arc::clone(&hands), tell.clone());
        async move {
            while let Some(request) = read_request(&mut tcp).await {
                let path = request.head.split(' ').nth(1).unwrap().to_owned();
                let _ = tell.send(path);
                gate.acquire().await.unwrap().forget();
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        }
    })
    .await;
    (server, gate, told)
}

fn limited(to: &[SocketAddr], limits: LimitsSpec) -> Arc<Upstream> {
    start(UpstreamSpec { limits, ..specs(to) })
}

fn requests(most: usize) -> LimitsSpec {
    LimitsSpec { requests: Some(most), pending_timeout: LONG, ..LimitsSpec::default() }
}

fn ask(upstream: &Arc<Upstream>, path: &str) -> (Client, JoinHandle<Served>) {
    call(upstream, request("GET", path, &[]), false)
}

async fn waiting(upstream: &Upstream, count: usize) {
    in_time(async {
        while upstream.read().pending != count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Waits until nothing is under way.
async fn all_back(upstream: &Upstream) {
    in_time(async {
        while upstream.read().endpoints.iter().any(|endpoint| endpoint.in_flight > 0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(upstream.read().pending, 0);
}

#[tokio::test]
async fn who_comes_first_is_served_first_and_no_more_at_once() {
    let (server, gate, mut told) = gated().await;
    let upstream = limited(&[server.address], requests(1));
    let mut clients = vec![ask(&upstream, "/0")];
    assert_eq!(in_time(told.recv()).await.unwrap(), "/0");
    for number in 1..=3 {
        clients.push(ask(&upstream, &format!("/{number}")));
        waiting(&upstream, number).await;
    }
    assert_eq!(upstream.read().endpoints[0].in_flight, 1);
    for (number, (client, _)) in clients.iter_mut().enumerate() {
        gate.add_permits(1);
        assert_eq!(client.head().await.status, 200);
        if number < 3 {
            assert_eq!(in_time(told.recv()).await.unwrap(), format!("/{}", number + 1));
        }
    }
    all_back(&upstream).await;
    assert_eq!(server.connections(), 1);
    let counts = upstream.read().counts;
    assert_eq!((counts.queued, counts.queue_full, counts.queue_timeouts), (3, 0, 0));
}

#[tokio::test]
async fn a_full_queue_and_a_long_wait_are_refused() {
    let (server, gate, mut told) = gated().await;
    let short =
        LimitsSpec { pending: 1, pending_timeout: Duration::from_millis(20), ..requests(1) };
    let upstream = limited(&[server.address], short);
    let (mut first, _task) = ask(&upstream, "/held");
    in_time(told.recv()).await;
    let reply = get(&upstream).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (503, Some("PF-4010")));
    assert_eq!(reply.outcome.attempts, 1, "another attempt would meet the same");
    assert!(reply.outcome.error_detail.unwrap().contains("no room within 20ms"));

    let none = limited(&[server.address], LimitsSpec { pending: 0, ..requests(1) });
    let (mut other, _task) = ask(&none, "/held");
    in_time(told.recv()).await;
    let reply = get(&none).await;
    assert!(reply.outcome.error_detail.unwrap().contains("0 calls wait for it already"));
    assert_eq!(none.read().counts.queue_full, 1);
    gate.add_permits(2);
    assert_eq!(
        (first.head().await.status, other.head().await.status),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
    all_back(&upstream).await;
}

#[tokio::test]
async fn other_endpoints_are_used_before_anybody_waits() {
    let ((one, gate, mut first), (two, _, mut second)) = (gated().await, gated().await);
    let upstream = limited(&[one.address, two.address], requests(1));
    let _held = [ask(&upstream, "/"), ask(&upstream, "/")];
    in_time(first.recv()).await;
    in_time(second.recv()).await;
    let (mut third, _task) = ask(&upstream, "/");
    waiting(&upstream, 1).await;
    gate.add_permits(2);
    assert_eq!(third.head().await.status, 200);
    assert_eq!(one.connections(), 1);
}

#[tokio::test]
async fn the_whole_upstream_can_be_limited() {
    let ((one, gate, mut first), (two, ..)) = (gated().await, gated().await);
    let limits =
        LimitsSpec { total_requests: Some(1), pending_timeout: LONG, ..LimitsSpec::default() };
    let upstream = limited(&[one.address, two.address], limits);
    let (mut held, _task) = ask(&upstream, "/");
    in_time(first.recv()).await;
    let (_waits, task) = ask(&upstream, "/");
    waiting(&upstream, 1).await;
    task.abort();
    gate.add_permits(1);
    held.head().await;
    all_back(&upstream).await;
}

#[tokio::test]
async fn places_come_back_whatever_becomes_of_a_call() {
    let (server, gate, mut told) = gated().await;
    let upstream = limited(&[server.address], requests(1));
    // A client that goes while it is served, and one while it waits.
    let (client, task) = ask(&upstream, "/served");
    in_time(told.recv()).await;
    let (behind, waits) = ask(&upstream, "/waits");
    waiting(&upstream, 1).await;
    drop(behind);
    in_time(waits).await.unwrap();
    waiting(&upstream, 0).await;
    task.abort();
    drop(client);
    all_back(&upstream).await;
    // The call's time is up; with one behind it that then gets its place.
    let late = {
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move {
            let mut late = once(TestCall::get("/late"));
            late.limits.timeout = Duration::from_millis(50);
            run(late, &upstream).await.status()
        })
    };
    in_time(told.recv()).await;
    let (mut next, _task) = ask(&upstream, "/next");
    assert_eq!(in_time(late).await.unwrap(), 504);
    assert_eq!(in_time(told.recv()).await.unwrap(), "/next");
    // One each for those that were given up, which the server doesn't know.
    gate.add_permits(3);
    assert_eq!(next.head().await.status, 200);
    // A panic with a call in hand.
    let taken = Arc::clone(&upstream);
    let panicked = tokio::spawn(async move {
        let now = paifang_pipeline::ports::Clock::now(&TestClock::new());
        let asked = Ask { now, tried: None, key: None };
        let _call = taken.open_attempt(&request("GET", "/", &[]), asked).await.unwrap();
        assert_eq!(taken.read().endpoints[0].in_flight, 1);
        panic!("as a test");
    });
    assert!(in_time(panicked).await.unwrap_err().is_panic());
    all_back(&upstream).await;
}

#[tokio::test]
async fn http_1_connections_are_counted_idle_or_busy() {
    let (server, gate, mut told) = gated().await;
    let limits =
        LimitsSpec { connections: Some(2), pending_timeout: LONG, ..LimitsSpec::default() };
    let upstream = limited(&[server.address], limits);
    let mut held = [ask(&upstream, "/"), ask(&upstream, "/")];
    for _ in 0..2 {
        in_time(told.recv()).await;
    }
    let (mut third, _task) = ask(&upstream, "/");
    waiting(&upstream, 1).await;
    assert_eq!(upstream.read().endpoints[0].connections, 2);
    gate.add_permits(3);
    for (client, _) in &mut held {
        assert_eq!(client.head().await.status, 200);
    }
    assert_eq!(third.head().await.status, 200);
    all_back(&upstream).await;
    assert_eq!(server.connections(), 2);
    let reading = upstream.read();
    assert_eq!((reading.endpoints[0].connections, reading.idle_connections), (2, 2));
    upstream.retire();
    assert_eq!(upstream.read().endpoints[0].connections, 0);
}

#[tokio::test]
async fn connections_that_cannot_be_opened_count_no_longer() {
    let (nobody, _socket) = super::support::refusing();
    let limits =
        LimitsSpec { connections: Some(1), pending_timeout: LONG, ..LimitsSpec::default() };
    let upstream = limited(&[nobody], limits);
    for _ in 0..3 {
        assert_eq!(get(&upstream).await.status(), 502);
    }
    assert_eq!(upstream.read().endpoints[0].connections, 0);
}

#[tokio::test]
async fn http_2_streams_are_requests_and_share_connections() {
    let gate = Arc::new(Semaphore::new(0));
    let hands = Arc::clone(&gate);
    let server = super::h2::server(move |_, _, mut respond| {
        let gate = Arc::clone(&hands);
        async move {
            gate.acquire().await.unwrap().forget();
            let _ = respond.send_response(http::Response::new(()), true);
        }
    })
    .await;
    let mut spec = spec(server.address);
    spec.protocol = Protocol::H2;
    spec.pool.h2_streams = 2;
    spec.limits =
        LimitsSpec { connections: Some(2), pending_timeout: LONG, ..LimitsSpec::default() };
    let upstream = start_with(spec, &deps());
    let mut held: Vec<_> = (0..4).map(|_| ask(&upstream, "/")).collect();
    in_time(async {
        while upstream.read().endpoints[0].in_flight < 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (fifth, task) = ask(&upstream, "/");
    waiting(&upstream, 1).await;
    let reading = upstream.read().endpoints[0].clone();
    assert_eq!((reading.connections, reading.h2_connections), (2, 2));
    held.push((fifth, task));
    gate.add_permits(5);
    for (client, _) in &mut held {
        assert_eq!(client.head().await.status, 200);
    }
    all_back(&upstream).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn tunnels_are_requests_until_they_end() {
    let server = Server::start(|_, mut tcp| async move {
        read_head(&mut tcp).await.unwrap();
        let head =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        tcp.write_all(head).await.unwrap();
        let _ = tokio::io::AsyncReadExt::read(&mut tcp, &mut [0]).await;
    })
    .await;
    let upstream = limited(&[server.address], LimitsSpec { pending: 0, ..requests(1) });
    let head = request("GET", "/", &[("connection", "upgrade"), ("upgrade", "echo")]);
    let (mut client, task) = call(&upstream, head, true);
    assert_eq!(client.head().await.status, 101);
    assert_eq!(get(&upstream).await.error().as_deref(), Some("PF-4010"));
    task.abort();
    all_back(&upstream).await;
}
