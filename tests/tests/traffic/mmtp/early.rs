//! Under TLS, and a first flight with calls in it.

use super::config;
use crate::edge::early::Raw;
use bytes::BytesMut;
use paifang_mmtp::{
    greeting::Hello,
    session::{Config, Event, Millis, NewRequest, Operation, Session},
};
use paifang_tests::harness::{
    MmtpClient, Pki, Recorder, Running, Setup, TlsClient, mmtp_hello, soon,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(super) const HOST: &str = "one.example";

pub(super) async fn running(pki: &Pki, upstream: &Recorder) -> Running {
    let rest = "\
apis:
  - { id: safe, operation: safe, upstream: main, early_data: true }
  - { id: other, operation: other, upstream: main }
";
    let tls =
        "tls: { certificates: [ { cert: one.pem, key: one.key } ], early_data: {} }, mmtp: {}";
    let pair = pki.server(&[HOST]);
    Setup::new(config(upstream, rest).replace("mmtp: { plain: true }", tls))
        .file("one.pem", pair.cert)
        .file("one.key", pair.key)
        .start()
        .await
}

async fn upstream() -> Recorder {
    Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await
}

/// Makes one call in the ordinary way, with which the client gets its tickets.
async fn warm(running: &Running, client: &TlsClient) {
    let stream = client.connect(running.address(), HOST).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"mmtp/1"[..]));
    let mut client = MmtpClient::over(stream, &mmtp_hello(9));
    assert_eq!(client.call("other", "").await.body, b"ok");
}

/// HELLO and these calls, as the bytes of one flight, and the machine that sent them.
fn flight(device: u8, operations: &[&str]) -> (Session, Vec<u8>) {
    let hello = Hello { nonce: [device; 16], ..mmtp_hello(device) };
    let mut session = Session::client(Config::default(), &hello, Millis(0));
    for operation in operations {
        session.request(NewRequest::new(Operation::Name(operation), "x".into())).unwrap();
    }
    let mut bytes = BytesMut::new();
    while session.poll_transmit(&mut bytes, 16_384) {}
    (session, bytes.to_vec())
}

/// The number of the call that is answered next.
async fn answered(raw: &mut Raw, session: &mut Session) -> u32 {
    loop {
        while let Some(event) = session.poll_event() {
            match event {
                Event::Response(answer) => {
                    assert_eq!(answer.status, 200);
                    return answer.key.sequence;
                }
                Event::Welcome(_) | Event::Data { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        let bytes = raw.read().await.expect("the end came first");
        session.receive(&bytes, Millis(0));
    }
}

#[tokio::test]
async fn what_may_be_replayed_is_served_before_the_handshake_ends_and_the_rest_waits() {
    let (pki, upstream) = (Pki::default(), upstream().await);
    let running = running(&pki, &upstream).await;
    let client = pki.client(&["mmtp/1"], None).early();
    warm(&running, &client).await;
    assert_eq!(upstream.last().header("early-data"), None);

    let (mut session, bytes) = flight(1, &["other", "safe"]);
    let (mut raw, recorded) = Raw::early(&running, &client, &bytes).await;
    assert_eq!(answered(&mut raw, &mut session).await, 2);
    assert!(raw.session.is_early_data_accepted());
    assert_eq!(upstream.count(), 2);
    assert_eq!(upstream.last().target(), "/safe");
    assert_eq!(upstream.last().header("early-data"), Some("1"));

    // The call that waited is served, not refused.
    raw.finish("").await;
    assert_eq!(answered(&mut raw, &mut session).await, 1);
    assert_eq!(upstream.last().target(), "/other");
    assert_eq!(upstream.last().header("early-data"), None);

    // Who recorded the flight and sends it again makes no call.
    let mut replay = TcpStream::connect(running.address()).await.unwrap();
    replay.write_all(&recorded).await.unwrap();
    replay.shutdown().await.unwrap();
    // A full handshake is offered, which nobody can go on with who has only recorded bytes.
    let mut told = Vec::new();
    let _ = soon(replay.read_to_end(&mut told)).await;
    assert_eq!(told.first(), Some(&22), "a ServerHello");
    assert_eq!(upstream.count(), 3);
    drop(raw);
    running.stop().await;
}
