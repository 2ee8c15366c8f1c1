//! Which server gets a call: by load, by key, by zone, by how calls to it went.

use super::{config, with_endpoints};
use paifang_tests::{
    harness::{Message, Recorder, Running, Server, Setup, soon},
    http::get,
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

async fn named(name: &'static str) -> Recorder {
    Recorder::replying(move |_| {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()).into_bytes()
    })
    .await
}

/// A server whose calls fail while it is ill.
async fn sickly(name: &'static str) -> (Recorder, Arc<AtomicBool>) {
    let ill = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&ill);
    let server = Recorder::replying(move |_: &Message| {
        let status = if state.load(SeqCst) { 500 } else { 200 };
        format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{name}", name.len()).into_bytes()
    })
    .await;
    (server, ill)
}

#[tokio::test]
async fn a_busy_server_gets_fewer_calls() {
    let asked = Arc::new(tokio::sync::Notify::new());
    let tell = Arc::clone(&asked);
    let slow = Server::start(move |_, mut client| {
        let tell = Arc::clone(&tell);
        async move {
            client.request().await.unwrap();
            tell.notify_one();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let quick = named("quick").await;
    let keys = "balance: least_connections,";
    let running = Running::start(config(&[slow.address, quick.address()], keys, "")).await;
    let mut held = running.connect().await;
    held.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(asked.notified()).await;
    let mut client = running.connect().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "quick");
    }
    assert_eq!(slow.connections(), 1);
    drop(held);
    running.stop().await;
}

#[tokio::test]
async fn a_key_stays_with_its_server_and_only_its_own_move() {
    let servers = [named("one").await, named("two").await, named("three").await];
    let addresses = servers.each_ref().map(Recorder::address);
    let keys = "balance: { consistent_hash: { by: { header: x-user } } },";
    let running = Running::start(config(&addresses, keys, "")).await;
    let owners = async || {
        let mut client = running.connect().await;
        let mut owners = Vec::new();
        for user in 0..60 {
            let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-user: u{user}\r\n\r\n");
            let first = client.ask(&request).await.text().to_owned();
            assert_eq!(client.ask(&request).await.text(), first);
            owners.push(first);
        }
        owners
    };
    let before = owners().await;
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 3);
    // A release without one of them: its keys move, and no others.
    running.reload(config(&addresses[..2], keys, "")).await.unwrap();
    for (before, after) in before.iter().zip(owners().await) {
        assert!(before == "three" || *before == after);
    }
    running.reload(config(&addresses, keys, "")).await.unwrap();
    assert_eq!(owners().await, before);
    running.stop().await;
}

#[tokio::test]
async fn calls_stay_in_the_gateways_zone() {
    let (near, far, reserve) = (named("near").await, named("far").await, named("reserve").await);
    let endpoints = format!(
        "{{ address: \"{}\", zone: west }}, {{ address: \"{}\", zone: east }}, \
         {{ address: \"{}\", zone: west, priority: 1 }}",
        near.address(),
        far.address(),
        reserve.address()
    );
    let in_zone = |zone: &str| format!("zone: {zone}\n{}", with_endpoints(&endpoints, "", ""));
    let running = Setup::new(in_zone("${ZONE:-}")).variable("ZONE", "west").start().await;
    let mut client = running.connect().await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "near");
    }
    running.reload(in_zone("east")).await.unwrap();
    for _ in 0..10 {
        assert_eq!(client.get("/").await.text(), "far");
    }
    running.reload(in_zone("\"\"")).await.unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        seen.insert(client.get("/").await.text().to_owned());
    }
    assert_eq!(seen, BTreeSet::from(["far".to_owned(), "near".to_owned()]));
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_fails_is_left_alone_and_comes_back() {
    let ((one, ill), two) = (sickly("one").await, named("two").await);
    let keys = "outlier_ejection: { failures: 3, time: 200ms }, slow_start: { duration: 100ms }, \
                retry: { attempts: 1 },";
    let yaml = format!(
        "admin: {{ address: \"127.0.0.1:0\" }}\n{}",
        config(&[one.address(), two.address()], keys, "")
    );
    let running = Running::start(yaml).await;
    let admin = running.gateway.admin_address().unwrap();
    let mut client = running.connect().await;
    assert_eq!((client.get("/").await.text(), client.get("/").await.text()), ("one", "two"));
    ill.store(true, SeqCst);
    let mut failed = 0;
    while failed < 3 {
        failed += usize::from(client.get("/").await.status() == 500);
    }
    assert_eq!(client.get("/").await.text(), "two");
    let metrics = get(admin, "/metrics").await.body;
    let counted = format!("event=\"ejections\",endpoint=\"{}\"", one.address());
    let other = format!("endpoint=\"{}\",event=\"ejections\"", one.address());
    let line = metrics.lines().find(|line| line.contains(&counted) || line.contains(&other));
    assert!(line.is_some_and(|line| !line.ends_with(" 0")), "{line:?}");
    ill.store(false, SeqCst);
    soon(async {
        while client.get("/").await.text() != "one" {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
    running.stop().await;
}
