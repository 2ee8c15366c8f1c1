//! Sessions that are resumed once each, and data that comes before the handshake has ended.

use std::io::{Read, Write};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConnection;

use super::support::*;
use crate::edge::tls::{ClientAuth, SessionLimits, TlsConfig, TlsSpec};
use crate::edge::*;

const MAX: u32 = 2048;

fn keeping_tls(pki: &Pki, early_data: u32) -> TlsSpec {
    let limits = SessionLimits { count: 1000, bytes: 1 << 20, lifetime: Duration::from_secs(60) };
    let mut tls = TlsSpec::new(vec![server_certificate(pki, &["a.example"])]);
    tls.sessions = Some(limits);
    tls.early_data = early_data;
    tls
}

fn keeping(pki: &Pki, early_data: u32) -> ListenerSpec {
    let mut spec = plain("a");
    spec.tls = Some(TlsConfig::build(&keeping_tls(pki, early_data)).unwrap());
    spec
}

/// A client whose bytes the test moves.
struct Raw {
    tcp: TcpStream,
    session: ClientConnection,
}

impl Raw {
    async fn new(edge: &TestEdge, client: &TlsClient) -> Self {
        Self { tcp: edge.connect("a").await, session: client.session("a.example") }
    }

    /// Takes what the session wants to send.
    fn flight(&mut self) -> Vec<u8> {
        let mut flight = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut flight).unwrap();
        }
        flight
    }

    /// The first flight with `data` in it.
    fn early(&mut self, data: &[u8]) -> Vec<u8> {
        self.session.early_data().expect("a session to resume").write_all(data).unwrap();
        self.flight()
    }

    async fn send(&mut self) {
        let flight = self.flight();
        self.tcp.write_all(&flight).await.unwrap();
    }

    /// Reads without answering, until so much plaintext is there.
    async fn read(&mut self, length: usize) -> Vec<u8> {
        let mut plain = Vec::new();
        while plain.len() < length {
            let mut piece = [0; 4096];
            let read = soon(self.tcp.read(&mut piece)).await.unwrap();
            assert_ne!(read, 0, "closed");
            let mut bytes = &piece[..read];
            while !bytes.is_empty() {
                self.session.read_tls(&mut bytes).unwrap();
                self.session.process_new_packets().unwrap();
            }
            let mut reader = self.session.reader();
            let _ = reader.read_to_end(&mut plain);
        }
        plain
    }
}

/// Connects once, so that `client` has sessions to resume.
async fn warm(edge: &mut TestEdge, client: &TlsClient) {
    let mut stream = client.handshake(edge.connect("a").await, "a.example").await.unwrap();
    let mut served = edge.served().await;
    assert!(served.info.handshake_done());
    served.stream.write_all(b"x").await.unwrap();
    served.stream.flush().await.unwrap();
    soon(stream.read_exact(&mut [0; 1])).await.unwrap();
}

async fn read(served: &mut Served, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    soon(served.stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

fn sessions(edge: &TestEdge) -> (u64, u64, u64) {
    let stats = edge.edge.listeners()[0].sessions.clone().unwrap();
    (stats.kept.get(), stats.taken.get(), stats.missed.get())
}

#[tokio::test]
async fn early_data_is_served_before_the_handshake_ends() {
    let pki = Pki::new();
    let mut edge = TestEdge::with(vec![keeping(&pki, MAX)]).await;
    let client = pki.client(&["http/1.1"], None).early();
    warm(&mut edge, &client).await;

    let mut raw = Raw::new(&edge, &client).await;
    let flight = raw.early(b"question");
    raw.tcp.write_all(&flight).await.unwrap();
    let mut served = edge.served().await;
    assert!(!served.info.handshake_done());
    let tls = served.info.tls.clone().unwrap();
    assert_eq!((tls.version, tls.resumed), ("TLSv1_3", true));
    assert_eq!(
        (tls.alpn.as_deref(), tls.server_name.as_deref()),
        (Some("http/1.1"), Some("a.example"))
    );
    assert_eq!(read(&mut served, 8).await, b"question");
    served.stream.write_all(b"answer").await.unwrap();
    served.stream.flush().await.unwrap();
    assert_eq!(raw.read(6).await, b"answer");
    assert!(raw.session.is_early_data_accepted());
    assert!(!served.info.handshake_done());

    raw.session.writer().write_all(b"later").unwrap();
    raw.send().await;
    let info = std::sync::Arc::clone(&served.info);
    let (end, later) = tokio::join!(soon(info.handshake_end()), read(&mut served, 5));
    assert_eq!((end, later.as_slice()), (true, &b"later"[..]));
    assert!(served.info.handshake_done());
    let stats = edge.stats("a");
    assert_eq!((stats.handshakes.get(), stats.resumptions.get()), (2, 1));
    assert_eq!((stats.early_data.get(), stats.early_data_refused.get()), (1, 0));
}

#[tokio::test]
async fn a_recorded_flight_is_taken_once() {
    let pki = Pki::new();
    let mut edge = TestEdge::with(vec![keeping(&pki, MAX)]).await;
    let client = pki.client(&[], None).early();
    warm(&mut edge, &client).await;

    let mut raw = Raw::new(&edge, &client).await;
    let flight = raw.early(b"pay");
    // The replay and the original at once, and again later.
    let mut other = edge.connect("a").await;
    let (one, two) = tokio::join!(raw.tcp.write_all(&flight), other.write_all(&flight));
    one.and(two).unwrap();
    let mut served = edge.served().await;
    assert_eq!(read(&mut served, 3).await, b"pay");
    let mut third = edge.connect("a").await;
    third.write_all(&flight).await.unwrap();
    until(2, || sessions(&edge).2).await;
    assert_eq!(sessions(&edge).1, 1);
    // Nobody can finish a handshake from a recording; it is over when its sender leaves.
    drop((raw, other, third));
    until(2, || edge.stats("a").handshakes_failed.get()).await;
    assert_eq!(edge.stats("a").served.get(), 2);
    assert_eq!(edge.stats("a").early_data.get(), 1);
}

#[tokio::test]
async fn a_client_whose_early_data_is_refused_sends_it_again() {
    let pki = Pki::new();
    let mut edge = TestEdge::with(vec![keeping(&pki, MAX)]).await;
    let client = pki.client(&[], None).early();
    warm(&mut edge, &client).await;
    // A reload that takes none any more.
    edge.apply(vec![keeping(&pki, 0)]).await.unwrap();

    let mut raw = Raw::new(&edge, &client).await;
    let flight = raw.early(b"question");
    raw.tcp.write_all(&flight).await.unwrap();
    while raw.session.is_handshaking() {
        let mut bytes = [0; 4096];
        let read = soon(raw.tcp.read(&mut bytes)).await.unwrap();
        raw.session.read_tls(&mut &bytes[..read]).unwrap();
        raw.session.process_new_packets().unwrap();
    }
    assert!(!raw.session.is_early_data_accepted());
    raw.session.writer().write_all(b"again").unwrap();
    raw.send().await;
    let mut served = edge.served().await;
    assert!(served.info.handshake_done());
    assert!(served.info.tls.as_ref().unwrap().resumed);
    assert_eq!(read(&mut served, 5).await, b"again");
    let stats = edge.stats("a");
    assert_eq!((stats.early_data.get(), stats.early_data_refused.get()), (0, 1));
}

#[tokio::test]
async fn who_showed_a_certificate_is_known_by_it_before_the_handshake_ends() {
    let pki = Pki::new();
    let ca: std::sync::Arc<[u8]> = pki.ca_pem().into_bytes().into();
    let edge_with = |client_auth: ClientAuth| {
        let mut tls = keeping_tls(&pki, MAX);
        tls.client_auth = client_auth;
        let mut spec = plain("a");
        spec.tls = Some(TlsConfig::build(&tls).unwrap());
        TestEdge::with(vec![spec])
    };
    let mut edge = edge_with(ClientAuth::Required(ca)).await;
    let client = pki.client(&[], Some(client_certificate(&pki, "shop"))).early();
    warm(&mut edge, &client).await;
    let mut raw = Raw::new(&edge, &client).await;
    let flight = raw.early(b"question");
    raw.tcp.write_all(&flight).await.unwrap();
    let mut served = edge.served().await;
    assert!(!served.info.handshake_done());
    let tls = served.info.tls.as_ref().unwrap();
    assert_eq!(&*tls.client_certificate.as_ref().unwrap().subject, "CN=shop");
    assert_eq!(tls.facts.client_cert_subject.as_deref(), Some("CN=shop"));
    assert_eq!(read(&mut served, 8).await, b"question");
}

#[tokio::test]
async fn who_never_finishes_is_cut() {
    let pki = Pki::new();
    let mut spec = keeping(&pki, MAX);
    spec.deadlines.handshake = Duration::from_millis(300);
    let mut edge = TestEdge::with(vec![spec]).await;
    let client = pki.client(&[], None).early();
    warm(&mut edge, &client).await;
    let mut raw = Raw::new(&edge, &client).await;
    let flight = raw.early(b"question");
    raw.tcp.write_all(&flight).await.unwrap();
    let mut served = edge.served().await;
    assert_eq!(read(&mut served, 8).await, b"question");
    let error = soon(served.stream.read(&mut [0; 1])).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    let info = std::sync::Arc::clone(&served.info);
    drop(served);
    assert!(!soon(info.handshake_end()).await);
}

#[tokio::test]
async fn broken_first_flights_are_not_served() {
    let pki = Pki::new();
    let mut edge = TestEdge::with(vec![keeping(&pki, MAX)]).await;
    let client = pki.client(&[], None).early();
    let mut failed = 0;
    for damage in ["truncated", "changed", "mixed", "repeated"] {
        warm(&mut edge, &client).await;
        let mut raw = Raw::new(&edge, &client).await;
        let mut flight = raw.early(b"question");
        let end = flight.len();
        match damage {
            "truncated" => flight.truncate(end - 1),
            "changed" => flight[end - 1] ^= 1,
            // Plain text where only sealed records may be.
            "mixed" => flight.truncate(end - 8 - 17 - 5),
            _ => {}
        }
        match damage {
            "mixed" => flight.extend_from_slice(b"\x17\x03\x03\x00\x04GET "),
            // The same record once more is not the one that is due.
            "repeated" => flight.extend_from_within(end - 30..),
            _ => {}
        }
        raw.tcp.write_all(&flight).await.unwrap();
        raw.tcp.shutdown().await.unwrap();
        if damage == "repeated" {
            let mut served = edge.served().await;
            assert_eq!(read(&mut served, 8).await, b"question");
            let error = soon(served.stream.read(&mut [0; 1])).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
            continue;
        }
        failed += 1;
        until(failed, || edge.stats("a").handshakes_failed.get()).await;
    }
}

#[tokio::test]
async fn kept_sessions_resume_once_and_outlive_a_reload_and_tls_1_2_has_its_tickets() {
    let pki = Pki::new();
    let mut edge = TestEdge::with(vec![keeping(&pki, 0)]).await;
    let client = pki.client(&[], None);
    warm(&mut edge, &client).await;
    assert_eq!(sessions(&edge), (2, 0, 0));
    edge.apply(vec![keeping(&pki, MAX)]).await.unwrap();
    let _second = client.handshake(edge.connect("a").await, "a.example").await.unwrap();
    assert!(edge.served().await.info.tls.as_ref().unwrap().resumed);
    assert_eq!(sessions(&edge).1, 1);

    let old = pki.client_up_to_tls12();
    for resumed in [false, true] {
        let _stream = old.handshake(edge.connect("a").await, "a.example").await.unwrap();
        let served = edge.served().await;
        assert_eq!(served.info.tls.as_ref().unwrap().resumed, resumed);
    }
    assert_eq!(sessions(&edge).1, 1);
}
