//! `mirror`: a second server sees what the first one does, and no client notices.

use super::super::conformance::Door;
use paifang_tests::harness::{
    Ask, Client, Recorder, Running, Server, refused_address, soon, until,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// The API `all` with the upstream `up`, beside it `shadow`, and a mirror with these options.
fn config(up: SocketAddr, shadow: SocketAddr, options: &str) -> String {
    format!(
        "version: 1\n\
         listeners:\n  - {{ name: public, address: \"127.0.0.1:0\" }}\n\
         admin: {{ address: \"127.0.0.1:0\" }}\n\
         upstreams:\n\
         \x20 up: {{ endpoints: [ {{ address: \"{up}\" }} ] }}\n\
         \x20 shadow: {{ endpoints: [ {{ address: \"{shadow}\" }} ] }}\n\
         apis:\n  - id: all\n    match: {{ path_prefix: / }}\n    upstream: up\n\
         \x20   handlers: [ mirror: {{ upstream: shadow, {options} }} ]\n"
    )
}

/// How many copies came to this end.
async fn copies(running: &Running, result: &str) -> u64 {
    let admin = running.gateway.admin_address().unwrap();
    let metrics = paifang_tests::http::get(admin, "/metrics").await.body;
    let wanted = format!("result=\"{result}\"");
    let mut lines = metrics
        .lines()
        .filter(|line| line.starts_with("paifang_mirror_copies_total{") && line.contains(&wanted));
    lines.next().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

/// Waits until so many copies came to this end.
async fn comes_to(running: &Running, result: &str, count: u64) {
    soon(async { while copies(running, result).await != count {} }).await;
}

#[tokio::test]
async fn the_shadow_sees_what_the_upstream_sees_and_clients_see_one_answer() {
    let up = Recorder::start().await;
    let shadow = Recorder::answering("HTTP/1.1 500 No\r\ncontent-length: 6\r\n\r\nshadow").await;
    let running =
        Running::start(config(up.address(), shadow.address(), "headers: { x-env: s }")).await;
    let mut seen = 0;
    for door in Door::ALL {
        for ask in [Ask::new("GET", "/a?b=c"), Ask::new("POST", "/create").body("some body")] {
            let ask = ask.field("authorization", "Bearer secret").field("x-own", "1");
            let reply = door.ask(running.address(), &ask).await;
            assert_eq!((reply.status, reply.text()), (200, "upstream"), "{door:?}");
            seen += 1;
            until(|| shadow.count() == seen).await;
            let (own, copy) = (up.last(), shadow.last());
            assert_eq!(
                (copy.start.clone(), copy.body.clone()),
                (own.start.clone(), own.body.clone())
            );
            assert_eq!(
                (own.header("authorization"), copy.header("authorization")),
                (Some("Bearer secret"), None)
            );
            assert_eq!(
                (copy.header("x-own"), copy.header("x-mirrored"), copy.header("x-env")),
                (Some("1"), Some("1"), Some("s"))
            );
            assert_eq!((own.header("x-mirrored"), own.header("x-env")), (None, None));
            assert_eq!(copy.header("host"), own.header("host"));
        }
    }
    comes_to(&running, "answered", seen as u64).await;
    assert_eq!(up.count(), seen);
    running.stop().await;
}

#[tokio::test]
async fn a_shadow_that_is_away_or_silent_costs_no_call_anything() {
    let up = Recorder::start().await;
    let (away, _held) = refused_address();
    let running = Running::start(config(up.address(), away, "timeout: 10ms")).await;
    let mut client = running.connect().await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.text(), "upstream");
    }
    comes_to(&running, "failed", 3).await;

    // One that takes everything and says nothing: the copies end at their time.
    let silent = Server::start(|_, mut client: Client| async move { client.closed().await }).await;
    running.reload(config(up.address(), silent.address, "timeout: 10ms")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.get("/").await.text(), "upstream");
    }
    comes_to(&running, "failed", 6).await;
    assert_eq!(up.count(), 6);
    running.stop().await;
}

#[tokio::test]
async fn a_slow_shadow_gets_no_more_than_max_pending() {
    let up = Recorder::start().await;
    let (arrived, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let (count, gate) = (arrived.clone(), go.clone());
    let shadow = Server::start(move |_, mut client: Client| {
        let (count, gate) = (count.clone(), gate.clone());
        async move {
            while client.request().await.is_some() {
                count.fetch_add(1, SeqCst);
                gate.acquire().await.unwrap().forget();
                if client.try_send("HTTP/1.1 204 No\r\n\r\n").await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    let options = "max_pending: 2, timeout: 5m";
    let running = Running::start(config(up.address(), shadow.address, options)).await;
    let mut client = running.connect().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "upstream");
    }
    until(|| arrived.load(SeqCst) == 2).await;
    assert_eq!(copies(&running, "full").await, 8);
    go.add_permits(100);
    comes_to(&running, "answered", 2).await;
    assert_eq!(client.get("/").await.text(), "upstream");
    comes_to(&running, "answered", 3).await;
    assert_eq!(up.count(), 11);
    running.stop().await;
}

#[tokio::test]
async fn bodies_beyond_the_limit_go_to_the_upstream_alone() {
    let (up, shadow) = (Recorder::start().await, Recorder::start().await);
    let running = Running::start(config(up.address(), shadow.address(), "body_limit: 1KiB")).await;
    let mut client = running.connect().await;
    for (length, copied) in [(1024, 1), (1025, 1), (300_000, 1), (0, 2)] {
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        let answer = client.ask([head.into_bytes(), vec![b'x'; length]].concat()).await;
        assert_eq!(answer.text(), "upstream", "{length}");
        assert_eq!(up.last().body.len(), length);
        until(|| shadow.count() >= copied).await;
    }
    comes_to(&running, "too_large", 2).await;
    comes_to(&running, "answered", 2).await;
    assert_eq!(shadow.count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_in_the_middle_of_its_body_leaves_no_copy() {
    let (up, shadow) = (Recorder::start().await, Recorder::start().await);
    let running = Running::start(config(up.address(), shadow.address(), "share: 100%")).await;
    let mut client = running.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf").await;
    until(|| up.server.connections() == 1).await;
    client.reset();
    comes_to(&running, "incomplete", 1).await;
    assert_eq!((up.count(), shadow.count()), (0, 0));
    // The next call is none the worse for it.
    assert_eq!(running.connect().await.get("/").await.text(), "upstream");
    until(|| shadow.count() == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_reload_leaves_copies_under_way_and_sends_the_next_elsewhere() {
    let up = Recorder::start().await;
    let (one, two) = (Recorder::start().await, Recorder::start().await);
    let running = Running::start(config(up.address(), one.address(), "share: 100%")).await;
    let mut client = running.connect().await;
    assert_eq!(client.get("/").await.status(), 200);
    until(|| one.count() == 1).await;
    running.reload(config(up.address(), two.address(), "share: 100%")).await.unwrap();
    assert_eq!(client.get("/").await.status(), 200);
    until(|| two.count() == 1).await;
    assert_eq!(one.count(), 1);
    // A shadow that the config has no more is an error of the release.
    let without =
        config(up.address(), two.address(), "share: 100%").replace("  shadow:", "  other:");
    let refused = running.reload(without).await.unwrap_err();
    assert!(refused.details().unwrap_or_default().contains("there is no upstream `shadow`"));
    running.stop().await;
}
