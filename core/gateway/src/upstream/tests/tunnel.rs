//! Upgrades: what follows a 101.

use super::support::{Client, Server, call, in_time, read_head, request, run, spec, start};
use crate::upstream::Protocol;
use bytes::Bytes;
use paifang_pipeline::{Frame, Termination, testkit::TestCall};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const UPGRADE: &[(&str, &str)] = &[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

async fn take(client: &mut Client, mut count: usize) -> Vec<u8> {
    let mut data = Vec::new();
    while count > 0 {
        let frame = client.frame().await;
        count -= frame.data.len();
        data.extend_from_slice(&frame.data);
    }
    data
}

#[tokio::test]
async fn bytes_both_ways_and_a_half_close() {
    let server = Server::start(|_, mut tcp| async move {
        let head = read_head(&mut tcp).await.unwrap().to_lowercase();
        assert!(
            head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n")
        );
        // The first bytes come in one piece with the head.
        tcp.write_all(format!("{SWITCH}early").as_bytes()).await.unwrap();
        let mut said = [0; 4];
        tcp.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"ping");
        tcp.write_all(b"pong").await.unwrap();
        // The client's end arrives, and what we say after it too.
        assert_eq!(tcp.read(&mut said).await.unwrap(), 0);
        tcp.write_all(b"goodbye").await.unwrap();
    })
    .await;
    let upstream = start(spec(server.address));
    let (mut client, task) = call(&upstream, request("GET", "/", UPGRADE), false);
    let head = client.head().await;
    assert_eq!(head.status, 101);
    assert_eq!(
        (&head.headers["connection"], &head.headers["upgrade"]),
        (&"upgrade".parse().unwrap(), &"websocket".parse().unwrap())
    );
    assert_eq!(take(&mut client, 5).await, b"early");
    client.send(b"ping");
    assert_eq!(take(&mut client, 4).await, b"pong");
    client.to.send(Frame::last(Bytes::new())).unwrap();
    assert_eq!(take(&mut client, 7).await, b"goodbye");
    assert!(client.frame().await.end);
    assert_eq!(in_time(task).await.unwrap().termination, Termination::Completed);
    assert_eq!(upstream.read().idle_connections, 0);
}

#[tokio::test]
async fn a_tunnel_that_talks_both_ways_at_once_does_not_get_stuck() {
    const LENGTH: usize = 16 << 20;
    let server = Server::start(|_, mut tcp| async move {
        read_head(&mut tcp).await.unwrap();
        tcp.write_all(SWITCH.as_bytes()).await.unwrap();
        let (from, to) = tcp.split();
        super::support::echo(from, to, LENGTH).await;
    })
    .await;
    let upstream = start(spec(server.address));
    let (mut client, task) = call(&upstream, request("GET", "/", UPGRADE), false);
    assert_eq!(client.head().await.status, 101);
    let chunk = Bytes::from(vec![1; 1 << 20]);
    for _ in 0..LENGTH / chunk.len() {
        client.to.send(Frame::data(chunk.clone())).unwrap();
    }
    assert_eq!(take(&mut client, LENGTH).await.len(), LENGTH);
    assert!(client.frame().await.end);
    assert_eq!(in_time(task).await.unwrap().termination, Termination::Completed);
}

#[tokio::test]
async fn a_silent_tunnel_ends() {
    let server = Server::start(|_, mut tcp| async move {
        read_head(&mut tcp).await.unwrap();
        tcp.write_all(SWITCH.as_bytes()).await.unwrap();
        std::future::pending().await
    })
    .await;
    let mut spec = spec(server.address);
    // The idle time of bodies is not that of tunnels.
    spec.timeouts.idle = Duration::from_millis(1);
    spec.timeouts.tunnel_idle = Duration::from_millis(80);
    let began = std::time::Instant::now();
    let (mut client, task) = call(&start(spec), request("GET", "/", UPGRADE), false);
    assert_eq!(client.head().await.status, 101);
    assert_eq!(in_time(task).await.unwrap().termination, Termination::OriginBrokeOff);
    assert!(began.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_refused_upgrade_is_an_answer_like_any_other() {
    let server = Server::answering("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno").await;
    let upstream = start(spec(server.address));
    let call = TestCall::get("/").header("connection", "upgrade").header("upgrade", "websocket");
    let reply = run(call, &upstream).await;
    assert_eq!((reply.status(), reply.body().as_str()), (400, "no"));
    assert_eq!(upstream.read().idle_connections, 1);
}

#[tokio::test]
async fn clear_text_http_2_is_never_asked_for() {
    let (server, mut told) = super::support::recording().await;
    let call = TestCall::get("/")
        .header("connection", "upgrade, http2-settings")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAAQAAP__");
    assert_eq!(run(call, &start(spec(server.address))).await.status(), 200);
    let request = told.recv().await.unwrap();
    for name in ["connection", "upgrade", "http2-settings"] {
        assert_eq!(request.header(name), None);
    }
}

#[tokio::test]
async fn over_http_2_an_upgrade_is_dropped() {
    let server = super::h2::server(|_, request, mut respond| async move {
        assert!(!request.headers().contains_key("upgrade"));
        respond.send_response(http::Response::new(()), true).unwrap();
    })
    .await;
    let mut spec = spec(server.address);
    spec.protocol = Protocol::H2;
    let call = TestCall::get("/").header("connection", "upgrade").header("upgrade", "websocket");
    assert_eq!(run(call, &start(spec)).await.status(), 200);
}
