//! Servers that are too slow: to connect, with a head, between pieces, in taking a request.

use super::{super::conformance::Door, config};
use paifang_tests::harness::{Ask, Running, Server, soon};
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};

const SHORT: Duration = Duration::from_millis(100);
const ONCE: &str = "retry: { attempts: 1 },";

/// An address at which connecting hangs: its queue of connections is full and nobody accepts.
async fn full() -> (std::net::SocketAddr, tokio::net::TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // Linux holds one more than it was asked for; from then on nobody answers.
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the queue never fills");
    }
    (address, listener, waiting)
}

#[tokio::test]
async fn connecting_has_its_time() {
    let (address, _listener, _waiting) = full().await;
    let timeouts = format!("timeouts: {{ connect: 100ms }}, {ONCE}");
    let running = Running::start(config(&[address], &timeouts, "")).await;
    for door in Door::ALL {
        let begun = Instant::now();
        let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
        assert_eq!((reply.status, reply.code()), (504, "PF-4002".to_owned()), "{door:?}");
        assert!(begun.elapsed() >= SHORT);
    }
    running.stop().await;
}

/// Reads requests and answers with these pieces, then says nothing more.
async fn pausing(pieces: &'static [&'static str]) -> Server {
    Server::start(move |_, mut client| async move {
        client.request().await;
        for piece in pieces {
            client.send(piece).await;
        }
        client.rest().await.1.ok();
    })
    .await
}

#[tokio::test]
async fn a_head_that_does_not_come_is_a_gateway_timeout() {
    for begun in [&[][..], &["HTTP/1.1 200 OK\r\nx: "]] {
        let upstream = pausing(begun).await;
        for (keys, api) in [
            (format!("timeouts: {{ first_byte: 100ms }}, {ONCE}"), ""),
            (ONCE.to_owned(), "timeout: 100ms,"),
        ] {
            let running = Running::start(config(&[upstream.address], &keys, api)).await;
            for door in Door::ALL {
                let begun = Instant::now();
                let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
                assert_eq!((reply.status, reply.code()), (504, "PF-4006".to_owned()), "{door:?}");
                assert!(begun.elapsed() >= SHORT);
            }
            running.stop().await;
        }
    }
}

#[tokio::test]
async fn a_body_that_pauses_too_long_is_broken_off() {
    let upstream = pausing(&["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"]).await;
    let keys = format!("timeouts: {{ idle: 100ms }}, {ONCE}");
    let running = Running::start(config(&[upstream.address], &keys, "")).await;
    for door in Door::ALL {
        let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
        assert_eq!((reply.status, reply.text(), reply.whole), (200, "half", false), "{door:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_request_that_is_not_taken_is_given_up() {
    // Never reads: the buffers on the way fill, and then nothing moves.
    let (release, hold) = tokio::sync::watch::channel(());
    let upstream = Server::start(move |_, client| {
        let mut hold = hold.clone();
        async move {
            let _client = client;
            hold.changed().await.ok();
        }
    })
    .await;
    let keys = format!("timeouts: {{ write: 100ms, first_byte: 10m }}, {ONCE}");
    let api = "body_limit: 100MiB,";
    let running = Running::start(config(&[upstream.address], &keys, api)).await;
    let mut client = running.connect().await;
    client.send("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 60000000\r\n\r\n").await;
    let piece = vec![0; 1 << 20];
    let answer = soon(async {
        loop {
            if client.try_send(&piece[..64 << 10]).await.is_err() {
                break client.answer().await;
            }
            let wait = tokio::time::timeout(Duration::from_millis(1), client.answer());
            if let Ok(answer) = wait.await {
                break answer;
            }
        }
    })
    .await;
    assert_eq!((answer.status(), answer.code()), (504, "PF-4006".to_owned()));
    drop((release, client));
    running.stop().await;
}
