//! PROXY headers, versions 1 and 2, from peers that are trusted and from others.

use super::config;
use paifang_tests::harness::{Recorder, Running, connect_from, one_api};

const LISTENER: &str = "proxy_protocol: required, trusted_proxies: [ 127.0.0.2/32 ]";
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n";
const V1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 5555 443\r\n";

/// A version 2 header for a TCP connection over IPv4 (`proxy-protocol.txt` section 2.2).
fn v2(command: u8, source: [u8; 4], extra: &[u8]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, 0x11, 0, u8::try_from(12 + extra.len()).unwrap()]);
    header.extend(source);
    header.extend([192, 0, 2, 1, 0x15, 0xb3, 0x01, 0xbb]);
    header.extend(extra);
    header
}

#[tokio::test]
async fn the_client_is_whom_a_trusted_proxy_names() {
    let upstream = Recorder::start().await;
    let running = Running::start(config(upstream.address(), LISTENER, "[]")).await;
    // With one more field behind the addresses, as load balancers add them.
    let headers: [(Vec<u8>, &str, &str); 5] = [
        (V1.to_vec(), "203.0.113.7", "443"),
        (v2(1, [203, 0, 113, 8], &[]), "203.0.113.8", "443"),
        (v2(1, [203, 0, 113, 9], &[0xea, 0, 1, 7]), "203.0.113.9", "443"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.2", ""),
        (v2(0, [6, 6, 6, 6], &[]), "127.0.0.2", ""),
    ];
    for (header, client, port) in headers {
        for cut in [header.len(), 1, 13] {
            let mut connection = connect_from("127.0.0.2", running.address()).await;
            let (begin, rest) = header.split_at(cut);
            connection.send(begin).await;
            let answer = connection.ask([rest, GET].concat()).await;
            assert_eq!((answer.status(), answer.text()), (200, "upstream"));
            let seen = upstream.last();
            assert_eq!(seen.header("x-forwarded-for"), Some(client));
            if !port.is_empty() {
                assert_eq!(seen.header("x-forwarded-port"), Some(port));
            }
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn the_header_holds_for_every_call_of_its_connection() {
    let upstream = Recorder::start().await;
    let running = Running::start(config(upstream.address(), LISTENER, "[]")).await;
    let mut connection = connect_from("127.0.0.2", running.address()).await;
    connection.send(V1).await;
    for _ in 0..3 {
        assert_eq!(connection.get("/").await.status(), 200);
        assert_eq!(upstream.last().header("x-forwarded-for"), Some("203.0.113.7"));
    }
    running.stop().await;
}

#[tokio::test]
async fn others_cannot_say_who_they_are() {
    let upstream = Recorder::start().await;
    let running = Running::start(config(upstream.address(), LISTENER, "[]")).await;
    let mut stranger = running.connect().await;
    stranger.try_send([V1, GET].concat()).await.ok();
    stranger.closed().await;
    // Nor can whoever connects to a listener that expects no such header.
    let open = Running::start(one_api(upstream.address(), "[]")).await;
    let mut stranger = open.connect().await;
    let answer = stranger.ask([V1, GET].concat()).await;
    assert_eq!((answer.status(), answer.code()), (400, "PF-1000".to_owned()));
    stranger.closed().await;
    let mut stranger = open.connect().await;
    stranger.send([v2(1, [6, 6, 6, 6], &[]), GET.to_vec()].concat()).await;
    let answer = stranger.answer().await;
    assert_eq!(answer.status(), 400);
    assert_eq!(upstream.count(), 0);
    open.stop().await;
    running.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_without_a_true_header_is_not_served() {
    let upstream = Recorder::start().await;
    let running = Running::start(config(upstream.address(), LISTENER, "[]")).await;
    let bad: [&[u8]; 7] = [
        GET,
        b"PROXY TCP4 203.0.113.7 192.0.2.1 5555\r\n",
        b"PROXY TCP4 203.0.113.777 192.0.2.1 5555 443\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 5555 443\nGET / HTTP/1.1\r\n\r\n",
        b"PROXY TCP9 203.0.113.7 192.0.2.1 5555 443\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ];
    for header in bad {
        let mut connection = connect_from("127.0.0.2", running.address()).await;
        connection.try_send([header, GET].concat()).await.ok();
        connection.closed().await;
    }
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}
