//! Limits and the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncWriteExt;

use super::support::*;
use crate::edge::tls::{TlsConfig, TlsSpec};
use crate::edge::*;

#[tokio::test]
async fn the_total_is_limited_and_freed() {
    let mut spec = plain("a");
    spec.limits.connections = Some(2);
    let mut edge = TestEdge::with(vec![spec]).await;
    let (_first, _second) = (edge.connect("a").await, edge.connect("a").await);
    let (served, _also_served) = (edge.served().await, edge.served().await);
    assert_eq!(closed(&mut edge.connect("a").await).await, b"");
    let stats = edge.stats("a");
    assert_eq!(stats.refused(Refusal::TooManyConnections), 1);
    assert_eq!(edge.active("a"), 2);

    drop(served);
    until(1, || edge.active("a").into()).await;
    let _fourth = edge.connect("a").await;
    let _served = edge.served().await;
    assert_eq!((stats.accepted.get(), stats.served.get()), (4, 3));
}

#[tokio::test]
async fn each_client_is_limited_by_itself() {
    let mut spec = plain("a");
    spec.limits.connections_per_ip = Some(1);
    let mut edge = TestEdge::with(vec![spec]).await;
    let _first = edge.connect("a").await;
    let served = edge.served().await;
    assert_eq!(closed(&mut edge.connect("a").await).await, b"");
    let _other = edge.connect_from("a", "127.0.0.2").await;
    let other = edge.served().await;
    assert_eq!(other.info.client_addr.ip().to_string(), "127.0.0.2");
    assert_eq!(edge.stats("a").refused(Refusal::TooManyFromClient), 1);

    drop(served);
    until(1, || edge.active("a").into()).await;
    let _again = edge.connect("a").await;
    edge.served().await;
}

#[tokio::test]
async fn a_connection_in_its_handshake_counts() {
    let pki = Pki::new();
    let mut spec = plain("a");
    let tls = TlsSpec::new(vec![server_certificate(&pki, &["a.example"])]);
    spec.tls = Some(TlsConfig::build(&tls).unwrap());
    spec.limits.connections = Some(1);
    let edge = TestEdge::with(vec![spec]).await;
    let _silent = edge.connect("a").await;
    until(1, || edge.active("a").into()).await;
    assert_eq!(closed(&mut edge.connect("a").await).await, b"", "closed before TLS");
}

#[tokio::test]
async fn the_gate_is_asked_before_tls() {
    let open = Arc::new(AtomicBool::new(false));
    let mut spec = plain("a");
    let is_open = Arc::clone(&open);
    spec.gate = Some(Arc::new(move |info: &ConnInfo| {
        assert_eq!(&*info.listener, "a");
        assert!(info.peer_addr.ip().is_loopback() && info.tls.is_none());
        is_open.load(Ordering::Relaxed)
    }));
    let pki = Pki::new();
    let tls = TlsSpec::new(vec![server_certificate(&pki, &["a.example"])]);
    spec.tls = Some(TlsConfig::build(&tls).unwrap());
    let mut edge = TestEdge::with(vec![spec]).await;

    assert_eq!(closed(&mut edge.connect("a").await).await, b"");
    let stats = edge.stats("a");
    assert_eq!(stats.refused(Refusal::Gate), 1);
    assert_eq!(stats.handshakes.get() + stats.handshakes_failed.get(), 0);

    open.store(true, Ordering::Relaxed);
    let client = pki.client(&[], None);
    client.handshake(edge.connect("a").await, "a.example").await.unwrap();
    edge.served().await;
}

#[tokio::test]
async fn a_panic_closes_its_connection_only() {
    let mut spec = plain("a");
    let panicking = AtomicBool::new(true);
    spec.gate = Some(Arc::new(move |_: &ConnInfo| {
        assert!(!panicking.swap(false, Ordering::Relaxed), "as the test wants it");
        true
    }));
    let mut edge = TestEdge::with(vec![spec]).await;
    let mut first = edge.connect("a").await;
    first.write_all(b"x").await.unwrap();
    assert_eq!(closed(&mut first).await, b"");
    let stats = edge.stats("a");
    until(1, || stats.panics.get()).await;
    assert_eq!(edge.active("a"), 0);
    let _second = edge.connect("a").await;
    edge.served().await;
}
