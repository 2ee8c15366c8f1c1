//! Bodies that flow both ways at the same time.

use paifang_tests::harness::{
    Ask, Client, H2, H2Server, Running, Server, one_api, one_upstream, soon,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SIZE: usize = 20 << 20;
/// Far smaller than the body: an echo that waited for its end would hang.
const PIECE: usize = 64 << 10;

fn piece(at: usize) -> Vec<u8> {
    (0..PIECE).map(|offset| ((at + offset) % 253) as u8).collect()
}

/// Echoes a body of known length while it comes.
async fn echo() -> Server {
    Server::start(|_, mut client| async move {
        let head = client.head().await.unwrap();
        let length: usize = head.header("content-length").unwrap().parse().unwrap();
        client.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")).await;
        let mut left = length;
        while left > 0 {
            let bytes = client.take(left.min(PIECE)).await;
            assert!(!bytes.is_empty(), "the request ended early");
            left -= bytes.len();
            client.send(bytes).await;
        }
    })
    .await
}

fn config(upstream: std::net::SocketAddr, protocol: &str) -> String {
    one_upstream(
        upstream,
        "defaults: { body_limit: 32MiB }\napis: [ { id: all, match: { path_prefix: / }, upstream: up } ]",
    )
    .replace("endpoints:", &format!("protocol: {protocol}, endpoints:"))
}

#[tokio::test]
async fn twenty_megabytes_are_echoed_while_they_are_sent() {
    let upstream = echo().await;
    let running = Running::start(config(upstream.address, "h1")).await;
    let Client { io, .. } = running.connect().await;
    let (mut read, mut write) = io.into_split();
    let sent = tokio::spawn(async move {
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {SIZE}\r\n\r\n");
        write.write_all(head.as_bytes()).await.unwrap();
        for at in (0..SIZE).step_by(PIECE) {
            write.write_all(&piece(at)).await.unwrap();
        }
        write
    });
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(read.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&head));
    let mut got = vec![0; PIECE];
    for at in (0..SIZE).step_by(PIECE) {
        soon(read.read_exact(&mut got)).await.unwrap();
        assert!(got == piece(at), "at {at}");
    }
    drop((soon(sent).await.unwrap(), read));
    running.stop().await;
}

#[tokio::test]
async fn the_same_over_http2_on_both_sides() {
    let upstream = H2Server::start(|mut call| async move {
        let mut out = call.begin(200);
        while let Some(data) = call.body.data().await {
            let data = data.unwrap();
            call.body.flow_control().release_capacity(data.len()).unwrap();
            send(&mut out, data).await;
        }
        out.send_data(bytes::Bytes::new(), true).unwrap();
    })
    .await;
    let running = Running::start(config(upstream.address, "h2")).await;
    let connection = H2::connect(running.address()).await;
    let mut sender = soon(connection.sender.clone().ready()).await.unwrap();
    let (response, mut out) = sender.send_request(Ask::new("POST", "/").to_head(), false).unwrap();
    let sent = tokio::spawn(async move {
        for at in (0..SIZE).step_by(PIECE) {
            send(&mut out, piece(at).into()).await;
        }
        out.send_data(bytes::Bytes::new(), true).unwrap();
    });
    let mut body = soon(response).await.unwrap().into_body();
    let mut at = 0;
    while let Some(data) = soon(body.data()).await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        let expected = (at..at + data.len()).map(|at| {
            let begin = at / PIECE * PIECE;
            ((begin + at % PIECE) % 253) as u8
        });
        assert!(data.iter().copied().eq(expected), "at {at}");
        at += data.len();
    }
    assert_eq!(at, SIZE);
    soon(sent).await.unwrap();
    running.stop().await;
}

/// Sends as the other end makes room.
async fn send(out: &mut h2::SendStream<bytes::Bytes>, mut data: bytes::Bytes) {
    while !data.is_empty() {
        out.reserve_capacity(data.len());
        let room = soon(std::future::poll_fn(|cx| out.poll_capacity(cx))).await.unwrap().unwrap();
        out.send_data(data.split_to(room.min(data.len())), false).unwrap();
    }
}

#[tokio::test]
async fn words_go_to_and_fro_before_either_body_has_ended() {
    let upstream = Server::start(|_, mut client| async move {
        client.head().await.unwrap();
        client.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        loop {
            let size = client.take_until("\r\n").await.unwrap();
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let word = client.take(size + 2).await;
            let mut chunk = format!("{size:x}\r\n").into_bytes();
            chunk.extend(word.to_ascii_uppercase());
            client.send(chunk).await;
            if size == 0 {
                break;
            }
        }
    })
    .await;
    let running = Running::start(one_api(upstream.address, "[]")).await;
    let mut client = running.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for round in 0..3 {
        client.send("4\r\nping\r\n").await;
        if round == 0 {
            assert_eq!(client.head().await.unwrap().status(), 200);
        }
        assert_eq!(client.take(9).await, b"4\r\nPING\r\n");
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.take(5).await, b"0\r\n\r\n");
    running.stop().await;
}
