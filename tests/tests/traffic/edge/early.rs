//! Calls that come as TLS early data (RFC 8470): which are served, which wait, and what servers are told.

use super::config;
use paifang_tests::harness::{Pki, Recorder, Running, Setup, TlsClient, Wire, soon};
use std::io::{Read, Write};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::rustls::ClientConnection;

const TLS: &str = "tls: { certificates: [ { cert: one.pem, key: one.key } ], early_data: {} }";

/// `/safe` takes early data, everything else does not.
async fn running(pki: &Pki, upstream: &Recorder) -> Running {
    let safe = "  - { id: safe, match: { path: /safe }, upstream: up, early_data: true }\n";
    let pair = pki.server(&["one.example"]);
    Setup::new(config(upstream.address(), TLS, "[]") + safe)
        .file("one.pem", pair.cert)
        .file("one.key", pair.key)
        .start()
        .await
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: one.example\r\nearly-data: 1\r\n\r\n")
}

/// A client whose bytes the test moves.
pub(crate) struct Raw {
    tcp: TcpStream,
    pub(crate) session: ClientConnection,
}

impl Raw {
    /// Connects with this request in the first flight, and gives the flight, too.
    pub(crate) async fn early(
        running: &Running,
        client: &TlsClient,
        request: impl AsRef<[u8]>,
    ) -> (Self, Vec<u8>) {
        let mut session = client.session("one.example");
        let mut early = session.early_data().expect("a session to resume");
        early.write_all(request.as_ref()).unwrap();
        let tcp = TcpStream::connect(running.address()).await.unwrap();
        let mut raw = Self { tcp, session };
        let flight = raw.flight();
        raw.tcp.write_all(&flight).await.unwrap();
        (raw, flight)
    }

    fn flight(&mut self) -> Vec<u8> {
        let mut flight = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut flight).unwrap();
        }
        flight
    }

    /// An answer without sending anything, which would end the handshake.
    async fn answer(&mut self, end: &str) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(end.as_bytes()) {
            let piece = self.read().await;
            assert!(piece.is_some(), "closed after {:?}", String::from_utf8_lossy(&answer));
            answer.extend(piece.unwrap());
        }
        String::from_utf8(answer).unwrap()
    }

    /// What comes next, perhaps nothing that is for the reader; `None` at the end.
    pub(crate) async fn read(&mut self) -> Option<Vec<u8>> {
        let mut piece = [0; 4096];
        let read = soon(self.tcp.read(&mut piece)).await.unwrap();
        let mut bytes = &piece[..read];
        while !bytes.is_empty() {
            self.session.read_tls(&mut bytes).unwrap();
            self.session.process_new_packets().unwrap();
        }
        let mut answer = Vec::new();
        let _ = self.session.reader().read_to_end(&mut answer);
        (read > 0).then_some(answer)
    }

    /// The end of the handshake, and a request behind it.
    pub(crate) async fn finish(&mut self, request: impl AsRef<[u8]>) {
        self.session.writer().write_all(request.as_ref()).unwrap();
        let flight = self.flight();
        self.tcp.write_all(&flight).await.unwrap();
    }
}

/// Makes one ordinary call, with which the client gets its tickets.
async fn warm(running: &Running, client: &TlsClient) {
    let stream = client.connect(running.address(), "one.example").await.unwrap();
    assert_eq!(Wire::new(stream).get("/warm").await.status(), 200);
}

#[tokio::test]
async fn an_api_that_takes_early_data_is_served_before_the_handshake_ends() {
    let (pki, upstream) = (Pki::default(), Recorder::start().await);
    let running = running(&pki, &upstream).await;
    let client = pki.client(&[], None).early();
    warm(&running, &client).await;
    // Whoever is not trusted cannot say so, and servers don't hear of it.
    assert_eq!(upstream.last().header("early-data"), None);

    let (mut raw, _) = Raw::early(&running, &client, &get("/safe")).await;
    let answer = raw.answer("upstream").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(upstream.last().header("early-data"), Some("1"));
    assert!(raw.session.is_early_data_accepted());

    // Behind the handshake calls are as always.
    raw.finish(&get("/other")).await;
    let answer = raw.answer("upstream").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(upstream.last().header("early-data"), None);
    running.stop().await;
}

#[tokio::test]
async fn others_are_told_to_come_again() {
    let (pki, upstream) = (Pki::default(), Recorder::start().await);
    let running = running(&pki, &upstream).await;
    let client = pki.client(&["http/1.1"], None).early();
    warm(&running, &client).await;
    let (mut raw, _) = Raw::early(&running, &client, &get("/other")).await;
    let answer = raw.answer("}").await;
    assert!(answer.starts_with("HTTP/1.1 425 Too Early\r\n"), "{answer}");
    assert!(answer.contains("\"code\":\"PF-1013\""), "{answer}");
    assert_eq!(upstream.count(), 1);
    raw.finish(&get("/other")).await;
    let answer = raw.answer("upstream").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn a_recorded_call_reaches_the_server_once() {
    let (pki, upstream) = (Pki::default(), Recorder::start().await);
    let running = running(&pki, &upstream).await;
    let client = pki.client(&[], None).early();
    warm(&running, &client).await;
    let (mut raw, flight) = Raw::early(&running, &client, &get("/safe")).await;
    raw.answer("upstream").await;
    for _ in 0..3 {
        let mut replay = TcpStream::connect(running.address()).await.unwrap();
        replay.write_all(&flight).await.unwrap();
        replay.shutdown().await.unwrap();
        // A full handshake is offered, which nobody can go on with who has only recorded bytes.
        let mut told = Vec::new();
        let _ = soon(replay.read_to_end(&mut told)).await;
        assert_eq!(told.first(), Some(&22), "a ServerHello");
    }
    assert_eq!(upstream.count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_says_what_came_early() {
    let upstream = Recorder::start().await;
    let safe = "  - { id: safe, match: { path: /safe }, upstream: up, early_data: true }\n";
    let listener = "trusted_proxies: [ 127.0.0.2/32 ]";
    let running = Running::start(config(upstream.address(), listener, "[]") + safe).await;
    for (from, path, early, status, told) in [
        ("127.0.0.2", "/safe", "1", 200, Some("1")),
        ("127.0.0.2", "/safe", "0", 200, Some("1")),
        ("127.0.0.2", "/other", "1", 425, None),
        ("127.0.0.1", "/safe", "1", 200, None),
        ("127.0.0.1", "/other", "1", 200, None),
    ] {
        let mut client = paifang_tests::harness::connect_from(from, running.address()).await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\nearly-data: {early}\r\n");
        client.send(format!("{head}connection: early-data\r\n\r\n")).await;
        let case = format!("{from} {path} {early}");
        assert_eq!(client.answer().await.status(), status, "{case}");
        if status == 200 {
            assert_eq!(upstream.last().header("early-data"), told, "{case}");
        }
    }
    running.stop().await;
}
