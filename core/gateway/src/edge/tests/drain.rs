//! The end: of a connection's patience, of an edge.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::support::*;
use crate::edge::*;

#[tokio::test]
async fn connections_are_told_and_waited_for() {
    let mut edge = TestEdge::with(vec![plain_on("127.0.2.1", "a")]).await;
    let mut client = edge.connect("a").await;
    let mut served = edge.served().await;
    let address = edge.address("a");
    let finish = async {
        let told = served.drain.wait_for(DrainState::is_draining).await.map(|state| *state);
        assert!(matches!(told, Ok(DrainState::Draining { .. })));
        assert!(TcpStream::connect(address).await.is_err(), "nobody new");
        served.stream.write_all(b"the last answer").await.unwrap();
        served.stream.shutdown().await.unwrap();
        drop(served);
    };
    let (dropped, ()) = soon(async { tokio::join!(edge.edge.drain(LONG), finish) }).await;
    assert_eq!(dropped, 0);
    assert_eq!(closed(&mut client).await, b"the last answer");
    assert!(edge.edge.listeners().is_empty());
    assert!(matches!(edge.apply(vec![plain("a")]).await, Err(ListenError::Stopped)));
}

#[tokio::test]
async fn who_is_late_is_dropped() {
    let mut edge = TestEdge::with(vec![plain("a"), plain("b")]).await;
    let stats = edge.stats("b");
    let _clients = (edge.connect("a").await, edge.connect("b").await);
    let mut first = edge.served().await;
    let _second = edge.served().await;
    // Removed earlier, with all the time it wants; the edge's end is sooner.
    edge.apply(vec![plain("a")]).await.unwrap();
    let dropped = soon(edge.edge.drain(Duration::from_millis(50))).await;
    assert_eq!(dropped, 2);
    assert_eq!(stats.aborted.get(), 1);
    // Its task is gone, so nobody is left to tell it anything.
    assert!(soon(first.drain.wait_for(|_| false)).await.is_err());
}

#[tokio::test]
async fn a_second_drain_may_be_shorter() {
    let mut edge = TestEdge::with(vec![plain("a")]).await;
    let _client = edge.connect("a").await;
    let _served = edge.served().await;
    let patient = edge.edge.drain(LONG);
    tokio::pin!(patient);
    tokio::select! {
        biased;
        _ = &mut patient => panic!("a connection is open"),
        () = tokio::task::yield_now() => {}
    }
    let (_, _) = soon(async { tokio::join!(edge.edge.drain(Duration::ZERO), patient) }).await;
}

#[tokio::test]
async fn an_idle_connection_that_said_nothing_ends_at_once() {
    let spec = ListenerSpec { h2c: true, ..plain("a") };
    let edge = TestEdge::with(vec![spec]).await;
    let mut idle = edge.connect("a").await;
    until(1, || edge.active("a").into()).await;
    assert_eq!(soon(edge.edge.drain(LONG)).await, 0);
    assert_eq!(closed(&mut idle).await, b"");
}

#[tokio::test]
async fn dropping_the_edge_closes_everything() {
    let mut edge =
        TestEdge::with(vec![plain_on("127.0.2.2", "a"), plain_on("127.0.2.2", "b")]).await;
    let addresses = [edge.address("a"), edge.address("b")];
    let mut silent = edge.connect("a").await;
    let _client = edge.connect("b").await;
    let mut served = [edge.served().await, edge.served().await];
    drop(edge);
    for served in &mut served {
        assert!(soon(served.drain.wait_for(|_| false)).await.is_err(), "its task is gone");
    }
    drop(served);
    assert_eq!(closed(&mut silent).await, b"");
    for address in addresses {
        soon(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    }
}
