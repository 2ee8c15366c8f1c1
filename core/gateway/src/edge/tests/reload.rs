//! Listeners that come and go.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::*;
use crate::edge::*;

async fn echo(client: &mut TcpStream, served: &mut Served) {
    client.write_all(b"ping").await.unwrap();
    let mut bytes = [0; 4];
    soon(served.stream.read_exact(&mut bytes)).await.unwrap();
    served.stream.write_all(&bytes).await.unwrap();
    served.stream.flush().await.unwrap();
    soon(client.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"ping");
}

fn names(edge: &TestEdge) -> Vec<String> {
    edge.edge.listeners().iter().map(|listener| listener.name.to_string()).collect()
}

#[tokio::test]
async fn others_come_and_go_beside_a_live_connection() {
    let mut edge = TestEdge::with(vec![plain("a")]).await;
    let (address, stats) = (edge.address("a"), edge.stats("a"));
    let mut client = edge.connect("a").await;
    let mut served = edge.served().await;

    edge.apply(vec![plain_on("127.0.1.1", "b"), plain("a")]).await.unwrap();
    assert_eq!(names(&edge), ["b", "a"]);
    let _on_b = edge.connect("b").await;
    assert_eq!(&*edge.served().await.info.listener, "b");
    echo(&mut client, &mut served).await;

    let b = edge.address("b");
    edge.apply(vec![plain("a")]).await.unwrap();
    assert_eq!(names(&edge), ["a"]);
    assert!(TcpStream::connect(b).await.is_err(), "b is closed when the reload returns");
    echo(&mut client, &mut served).await;
    assert_eq!(*served.drain.borrow(), DrainState::Running);
    assert_eq!(edge.address("a"), address);
    assert!(Arc::ptr_eq(&edge.stats("a"), &stats));
}

#[tokio::test]
async fn connections_of_a_removed_listener_are_told_and_may_finish() {
    let mut edge = TestEdge::with(vec![plain("a"), plain("b")]).await;
    let mut client = edge.connect("b").await;
    let mut served = edge.served().await;
    edge.apply(vec![plain("a")]).await.unwrap();
    let told = soon(served.drain.wait_for(DrainState::is_draining)).await.map(|state| *state);
    assert!(matches!(told, Ok(DrainState::Draining { .. })));
    echo(&mut client, &mut served).await;
}

#[tokio::test]
async fn a_removed_address_can_be_bound_again_at_once() {
    let mut edge = TestEdge::with(vec![plain_on("127.0.1.2", "a")]).await;
    let mut spec = plain("a");
    spec.address = edge.address("a");
    let _client = edge.connect("a").await;
    let _served = edge.served().await;
    for _ in 0..20 {
        edge.apply(vec![]).await.unwrap();
        edge.apply(vec![spec.clone()]).await.unwrap();
    }
    let _again = edge.connect("a").await;
    edge.served().await;
}

#[tokio::test]
async fn what_cannot_be_bound_changes_nothing() {
    let mut edge = TestEdge::with(vec![plain("a")]).await;
    let before = edge.address("a");
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut bad = plain("bad");
    bad.address = taken.local_addr().unwrap();
    let mut changed = plain("a");
    changed.limits.connections = Some(0);
    // A port of ours that is free now, to see it bound and let go again.
    let free = TcpListener::bind("127.0.1.3:0").await.unwrap().local_addr().unwrap();
    let mut good = plain("good");
    good.address = free;

    let error = edge.apply(vec![changed, good, bad.clone()]).await.unwrap_err();
    assert!(matches!(&error, ListenError::Bind { name, .. } if &**name == "bad"), "{error}");
    assert!(error.to_string().contains(&bad.address.to_string()), "{error}");
    assert_eq!((names(&edge), edge.address("a")), (vec!["a".to_string()], before));
    assert!(TcpStream::connect(free).await.is_err(), "what had been bound is closed");
    let _client = edge.connect("a").await;
    edge.served().await;
}

#[tokio::test]
async fn prepared_and_given_up_changes_nothing() {
    let mut edge = TestEdge::with(vec![plain("a")]).await;
    let prepared = edge.edge.prepare(vec![plain_on("127.0.1.4", "b")]).await.unwrap();
    let [b] = prepared.addresses()[..] else { panic!("one listener") };
    assert_ne!(b.port(), 0);
    // Prepared sockets queue clients until they go live.
    let waiting = TcpStream::connect(b).await.unwrap();
    drop(prepared);
    assert!(TcpStream::connect(b).await.is_err());
    drop(waiting);
    assert_eq!(names(&edge), ["a"]);
    let _client = edge.connect("a").await;
    edge.served().await;
}

#[tokio::test]
async fn a_client_that_came_before_the_commit_is_served_after_it() {
    let mut edge = TestEdge::empty();
    let prepared = edge.edge.prepare(vec![plain("a")]).await.unwrap();
    let mut client = TcpStream::connect(prepared.addresses()[0]).await.unwrap();
    soon(prepared.commit(LONG)).await;
    let mut served = edge.served().await;
    echo(&mut client, &mut served).await;
}

#[tokio::test]
async fn a_renamed_listener_keeps_its_socket() {
    let mut edge = TestEdge::with(vec![plain_on("127.0.1.5", "a")]).await;
    let mut spec = plain("a");
    spec.address = edge.address("a");
    edge.apply(vec![]).await.unwrap();
    edge.apply(vec![spec.clone()]).await.unwrap();
    let mut client = edge.connect("a").await;
    let mut served = edge.served().await;

    spec.name = "b".into();
    edge.apply(vec![spec]).await.unwrap();
    echo(&mut client, &mut served).await;
    assert_eq!(*served.drain.borrow(), DrainState::Running);
    let _second = edge.connect("b").await;
    assert_eq!(&*edge.served().await.info.listener, "b");
}

#[tokio::test]
async fn kept_listeners_take_new_limits_and_trust() {
    let mut edge = TestEdge::with(vec![plain("a")]).await;
    let _client = edge.connect("a").await;
    let served = edge.served().await;
    let mut headers = http::HeaderMap::new();
    headers.insert("x-forwarded-for", "192.0.2.9".parse().unwrap());
    assert_eq!(served.info.client_ip(&headers).to_string(), "127.0.0.1");

    let mut spec = plain("a");
    spec.limits.connections_per_ip = Some(1);
    spec.trust.proxies = TrustedProxies::new(["127.0.0.0/8".parse().unwrap()]);
    edge.apply(vec![spec.clone()]).await.unwrap();
    assert_eq!(served.info.client_ip(&headers).to_string(), "192.0.2.9");
    assert_eq!(closed(&mut edge.connect("a").await).await, b"", "the open one counts");

    spec.trust.header = ForwardedHeader::Forwarded;
    edge.apply(vec![spec]).await.unwrap();
    headers.insert("forwarded", "for=192.0.2.10".parse().unwrap());
    assert_eq!(served.info.client_ip(&headers).to_string(), "192.0.2.10");
    edge.apply(vec![plain("a")]).await.unwrap();
    assert_eq!(served.info.client_ip(&headers).to_string(), "127.0.0.1", "trust is lost at once");
}

#[tokio::test]
async fn contradictions_are_refused() {
    let edge = TestEdge::with(vec![plain("a")]).await;
    let at = |name: &str, address: &str| ListenerSpec {
        address: address.parse().unwrap(),
        ..plain(name)
    };
    let mut untrusting = plain("b");
    untrusting.proxy_protocol = ProxyProtocol::Required;
    for (specs, expected) in [
        (vec![plain("a"), plain("a")], "two listeners are named a"),
        (
            vec![at("b", "127.0.0.1:1"), at("c", "127.0.0.1:1")],
            "listeners b and c have the same address 127.0.0.1:1",
        ),
        (vec![untrusting], "listener b requires the PROXY protocol but trusts no proxy"),
    ] {
        assert_eq!(edge.apply(specs).await.unwrap_err().to_string(), expected);
    }
    assert_eq!(names(&edge), ["a"]);
}

#[tokio::test]
async fn a_reload_may_run_on_any_thread() {
    fn sendable<T: Send>(task: T) -> T {
        task
    }
    let edge = TestEdge::empty();
    let prepared = sendable(edge.edge.prepare(vec![plain("a")])).await.unwrap();
    sendable(prepared.commit(LONG)).await;
    sendable(edge.edge.apply(vec![], LONG)).await.unwrap();
    sendable(edge.edge.drain(LONG)).await;
}

#[tokio::test]
async fn two_reloads_at_once_follow_each_other() {
    let edge = TestEdge::with(vec![plain("a")]).await;
    let first = edge.edge.prepare(vec![plain("a"), plain("b")]).await.unwrap();
    let second = edge.apply(vec![plain("a"), plain("c")]);
    tokio::pin!(second);
    tokio::select! {
        biased;
        _ = &mut second => panic!("it must wait for the first"),
        () = tokio::task::yield_now() => {}
    }
    first.commit(LONG).await;
    assert_eq!(names(&edge), ["a", "b"]);
    second.await.unwrap();
    assert_eq!(names(&edge), ["a", "c"]);
}
