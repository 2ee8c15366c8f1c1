//! Telling HTTP/1, h2c and MMTP apart on plain listeners.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::*;
use crate::edge::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn sniffing(name: &str) -> ListenerSpec {
    ListenerSpec { h2c: true, ..plain(name) }
}

/// Sends `pieces` one after the other; returns what was decided, and what the server then reads.
async fn decide(pieces: &[&[u8]]) -> (Protocol, Vec<u8>) {
    decide_by(sniffing("a"), pieces).await
}

async fn decide_by(spec: ListenerSpec, pieces: &[&[u8]]) -> (Protocol, Vec<u8>) {
    let mut edge = TestEdge::with(vec![spec]).await;
    let mut client = edge.connect("a").await;
    client.set_nodelay(true).unwrap();
    for piece in pieces {
        client.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    client.shutdown().await.unwrap();
    let mut served = edge.served().await;
    let mut bytes = Vec::new();
    soon(served.stream.read_to_end(&mut bytes)).await.unwrap();
    (served.info.protocol, bytes)
}

#[tokio::test]
async fn the_preface_is_http2_and_stays_readable() {
    let whole = [PREFACE, b"frames"].concat();
    assert_eq!(decide(&[&whole]).await, (Protocol::Http2, whole.clone()));
    let bytes: Vec<&[u8]> = whole.chunks(1).collect();
    assert_eq!(decide(&bytes).await, (Protocol::Http2, whole));
}

#[tokio::test]
async fn anything_else_is_http1_and_stays_readable() {
    for request in
        ["GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\n\r\n", "PRI * HTTP/1.1\r\n\r\n", "PRI"]
    {
        let expected = (Protocol::Http1, request.as_bytes().to_vec());
        assert_eq!(decide(&[request.as_bytes()]).await, expected, "{request}");
    }
}

#[tokio::test]
async fn mmtp_is_taken_where_it_is_switched_on_and_stays_readable() {
    let whole = b"MMTP/\x01\x07frames";
    let bytes: Vec<&[u8]> = whole.chunks(1).collect();
    for h2c in [false, true] {
        let spec = ListenerSpec { h2c, plain_mmtp: true, ..plain("a") };
        assert_eq!(decide_by(spec.clone(), &bytes).await, (Protocol::Mmtp, whole.to_vec()));
        let (protocol, _) = decide_by(spec, &[b"GET / HTTP/1.1\r\n\r\n"]).await;
        assert_eq!(protocol, Protocol::Http1);
    }
    assert_eq!(decide(&bytes).await, (Protocol::Http1, whole.to_vec()));
}

#[tokio::test]
async fn an_mmtp_socket_takes_no_more_than_it_can_send_soon() {
    let unsent = async |first: &[u8]| {
        let spec = ListenerSpec { plain_mmtp: true, ..plain("a") };
        let mut edge = TestEdge::with(vec![spec]).await;
        let mut client = edge.connect("a").await;
        client.write_all(first).await.unwrap();
        let served = edge.served().await;
        served.stream.unsent_bound().unwrap()
    };
    assert_eq!(unsent(b"MMTP/\x01").await, 16 * 1024);
    assert_ne!(unsent(b"GET / HTTP/1.1\r\n").await, 16 * 1024);
}

#[tokio::test]
async fn without_h2c_nothing_is_waited_for() {
    let mut edge = TestEdge::with(vec![plain("a")]).await;
    let mut client = edge.connect("a").await;
    let mut served = edge.served().await;
    assert_eq!(served.info.protocol, Protocol::Http1);
    client.write_all(b"PRI ").await.unwrap();
    let mut bytes = [0; 4];
    soon(served.stream.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"PRI ");
}

#[tokio::test]
async fn a_pingora_session_serves_two_requests_on_it() {
    use pingora_core::protocols::http::ServerSession;
    use pingora_http::ResponseHeader;

    let mut edge = TestEdge::with(vec![sniffing("a")]).await;
    let mut client = edge.connect("a").await;
    let request = b"GET /x HTTP/1.1\r\nhost: a.example\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut stream: pingora_core::protocols::Stream = edge.served().await.stream;
    for round in 0..2 {
        let mut session = ServerSession::new_http1(stream);
        assert!(soon(session.read_request()).await.unwrap());
        assert_eq!(session.req_header().uri.path(), "/x");
        session.set_keepalive(Some(60));
        let mut head = ResponseHeader::build(200, None).unwrap();
        head.insert_header("content-length", "4").unwrap();
        session.write_response_header(Box::new(head)).await.unwrap();
        session.write_response_body(b"body".as_slice().into(), true).await.unwrap();
        let reused = soon(session.finish()).await.unwrap();
        // Head and body left in one piece, so they are read in one.
        let mut answer = vec![0; 4096];
        let length = soon(client.read(&mut answer)).await.unwrap();
        let answer = String::from_utf8(answer[..length].to_vec()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nbody"), "{answer}");
        if round == 0 {
            client.write_all(request).await.unwrap();
        }
        (stream, _) = reused.expect("kept alive").into_parts();
    }
}

#[tokio::test]
async fn who_says_nothing_is_cut() {
    let mut spec = sniffing("a");
    spec.deadlines.first_bytes = Duration::from_millis(30);
    let edge = TestEdge::with(vec![spec]).await;
    let mut silent = edge.connect("a").await;
    let mut half = edge.connect("a").await;
    half.write_all(b"PRI *").await.unwrap();
    assert_eq!(closed(&mut silent).await, b"");
    assert_eq!(closed(&mut half).await, b"");
    until(2, || edge.stats("a").refused(Refusal::SilentTimeout)).await;
    until(0, || edge.active("a").into()).await;
}

#[tokio::test]
async fn who_leaves_at_once_is_forgotten() {
    let edge = TestEdge::with(vec![sniffing("a")]).await;
    drop(edge.connect("a").await);
    until(1, || edge.stats("a").accepted.get()).await;
    until(0, || edge.active("a").into()).await;
    assert_eq!(edge.stats("a").served.get(), 0);
}
