//! TLS on a listener.

use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::{ALPN, Ssl};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::client::TlsStream;

use super::support::*;
use crate::edge::tls::{Alpn, CertificateSpec, ClientAuth, TlsConfig, TlsSpec, TlsVersion};
use crate::edge::*;

fn secure(tls: &TlsSpec) -> ListenerSpec {
    let mut spec = plain("a");
    spec.tls = Some(TlsConfig::build(tls).unwrap());
    spec
}

/// The certificate the server showed.
fn shown<S>(client: &TlsStream<S>) -> Vec<u8> {
    client.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn is(spec: &CertificateSpec, der: &[u8]) -> bool {
    let pem = String::from_utf8(spec.chain_pem.to_vec()).unwrap();
    let (_, parsed) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
    parsed.contents == der
}

#[tokio::test]
async fn the_name_picks_the_certificate() {
    let pki = Pki::new();
    let certificates = [&["first.example"][..], &["*.shop.example"], &["api.shop.example"]]
        .map(|names| server_certificate(&pki, names));
    let mut edge = TestEdge::with(vec![secure(&TlsSpec::new(certificates.to_vec()))]).await;
    let client = pki.client(&[], None);
    for (host, index) in [("first.example", 0), ("www.shop.example", 1), ("API.shop.example", 2)] {
        let stream = client.handshake(edge.connect("a").await, host).await.unwrap();
        assert!(is(&certificates[index], &shown(&stream)), "{host}");
        let served = edge.served().await;
        let tls = served.info.tls.as_ref().unwrap();
        assert_eq!(tls.server_name.as_deref(), Some(host.to_lowercase().as_str()));
        assert_eq!(tls.version, "TLSv1_3");
        assert!(tls.cipher.starts_with("TLS13_"), "{}", tls.cipher);
    }
    // The first one, which the client then refuses: it isn't for that name.
    assert!(client.handshake(edge.connect("a").await, "other.example").await.is_err());
}

#[tokio::test]
async fn alpn_decides_the_protocol() {
    let pki = Pki::new();
    let certificate = server_certificate(&pki, &["a.example"]);
    let both = TlsSpec::new(vec![certificate]);
    let h1 = TlsSpec { alpn: vec![Alpn::Http1], ..both.clone() };
    let mobile = TlsSpec { alpn: vec![Alpn::Mmtp, Alpn::H2, Alpn::Http1], ..both.clone() };
    for (spec, offered, chosen, protocol) in [
        (&both, &["http/1.1", "h2"][..], Some(ALPN::H2), Protocol::Http2),
        (&both, &["http/1.1"], Some(ALPN::H1), Protocol::Http1),
        (&both, &[], None, Protocol::Http1),
        (&h1, &["h2", "http/1.1"], Some(ALPN::H1), Protocol::Http1),
        (&mobile, &["h2", "mmtp/1"], None, Protocol::Mmtp),
        (&mobile, &["h2"], Some(ALPN::H2), Protocol::Http2),
        (&both, &["h2", "mmtp/1"], Some(ALPN::H2), Protocol::Http2),
    ] {
        let mut edge = TestEdge::with(vec![secure(spec)]).await;
        let client = pki.client(offered, None);
        let _stream = client.handshake(edge.connect("a").await, "a.example").await.unwrap();
        let served = edge.served().await;
        assert_eq!(served.info.protocol, protocol, "{offered:?}");
        assert_eq!(served.stream.selected_alpn_proto(), chosen, "{offered:?}");
        let digest = served.stream.get_ssl_digest().unwrap();
        assert_eq!(digest.version, "TLSv1_3");
    }
    let edge = TestEdge::with(vec![secure(&h1)]).await;
    let client = pki.client(&["h2"], None);
    assert!(client.handshake(edge.connect("a").await, "a.example").await.is_err());
    until(1, || edge.stats("a").handshakes_failed.get()).await;
}

#[tokio::test]
async fn bytes_pass_both_ways() {
    let pki = Pki::new();
    let tls = TlsSpec::new(vec![server_certificate(&pki, &["a.example"])]);
    let mut edge = TestEdge::with(vec![secure(&tls)]).await;
    let client = pki.client(&[], None);
    let mut client = client.handshake(edge.connect("a").await, "a.example").await.unwrap();
    let mut served = edge.served().await;
    let upload: Vec<u8> = (0..300_000u32).map(|at| at as u8).collect();
    let expected = upload.clone();
    let server = tokio::spawn(async move {
        let mut received = vec![0; expected.len()];
        served.stream.read_exact(&mut received).await.unwrap();
        assert!(received == expected);
        served.stream.write_all(b"head").await.unwrap();
        served.stream.write_all(&received).await.unwrap();
        served.stream.flush().await.unwrap();
        pingora_core::protocols::Shutdown::shutdown(&mut *served.stream).await;
    });
    client.write_all(&upload).await.unwrap();
    client.flush().await.unwrap();
    let mut all = Vec::new();
    // Without close_notify this would be an error: the end is authentic.
    soon(client.read_to_end(&mut all)).await.unwrap();
    assert!(all.strip_prefix(b"head") == Some(&upload));
    drop(client);
    soon(server).await.unwrap();
}

#[tokio::test]
async fn a_client_below_the_least_version_is_refused() {
    let pki = Pki::new();
    let tls = TlsSpec::new(vec![server_certificate(&pki, &["a.example"])]);
    for (min_version, accepted) in [(TlsVersion::Tls12, true), (TlsVersion::Tls13, false)] {
        let tls = TlsSpec { min_version, ..tls.clone() };
        let mut edge = TestEdge::with(vec![secure(&tls)]).await;
        let client = pki.client_up_to_tls12();
        let result = client.handshake(edge.connect("a").await, "a.example").await;
        assert_eq!(result.is_ok(), accepted, "{min_version:?}");
        if accepted {
            assert_eq!(edge.served().await.info.tls.as_ref().unwrap().version, "TLSv1_2");
        } else {
            until(1, || edge.stats("a").handshakes_failed.get()).await;
        }
    }
}

#[tokio::test]
async fn mmtp_needs_tls_1_3() {
    let pki = Pki::new();
    let mut tls = TlsSpec::new(vec![server_certificate(&pki, &["a.example"])]);
    tls.alpn = vec![Alpn::Mmtp, Alpn::Http1];
    let mut edge = TestEdge::with(vec![secure(&tls)]).await;
    let http = pki.client_up_to_tls12();
    let _stream = http.handshake(edge.connect("a").await, "a.example").await.unwrap();
    assert_eq!(edge.served().await.info.protocol, Protocol::Http1);
    let old = pki.client_up_to_tls12().offering(&["mmtp/1"]);
    let mut stream = old.handshake(edge.connect("a").await, "a.example").await.unwrap();
    assert_eq!(closed(&mut stream).await, b"");
    until(1, || edge.stats("a").handshakes_failed.get()).await;
    assert_eq!(edge.stats("a").served.get(), 1);
}

#[tokio::test]
async fn client_certificates() {
    let pki = Pki::new();
    let ca: Arc<[u8]> = pki.ca_pem().into_bytes().into();
    let tls = TlsSpec::new(vec![server_certificate(&pki, &["a.example"])]);
    let good = client_certificate(&pki, "shop");
    let foreign = client_certificate(&Pki::new(), "shop");
    for (client_auth, certificate, accepted) in [
        (ClientAuth::Off, Some(&good), true),
        (ClientAuth::Optional(Arc::clone(&ca)), None, true),
        (ClientAuth::Optional(Arc::clone(&ca)), Some(&foreign), false),
        (ClientAuth::Required(Arc::clone(&ca)), None, false),
        (ClientAuth::Required(Arc::clone(&ca)), Some(&foreign), false),
    ] {
        let case = format!("{client_auth:?} {certificate:?}");
        let mut edge = TestEdge::with(vec![secure(&TlsSpec { client_auth, ..tls.clone() })]).await;
        let client = pki.client(&[], certificate.cloned());
        // With TLS 1.3 the client is done before the server has checked its certificate.
        let _stream = client.handshake(edge.connect("a").await, "a.example").await;
        if accepted {
            let served = edge.served().await;
            assert_eq!(served.info.tls.as_ref().unwrap().client_certificate, None, "{case}");
        } else {
            until(1, || edge.stats("a").handshakes_failed.get()).await;
            assert_eq!(edge.stats("a").served.get(), 0, "{case}");
        }
    }
    let client_auth = ClientAuth::Required(ca);
    let mut edge = TestEdge::with(vec![secure(&TlsSpec { client_auth, ..tls })]).await;
    let client = pki.client(&[], Some(good));
    // Facts come with a resumed session as well.
    for resumed in [false, true] {
        let mut stream = client.handshake(edge.connect("a").await, "a.example").await.unwrap();
        let mut served = edge.served().await;
        let tls = served.info.tls.as_ref().unwrap();
        assert_eq!(tls.resumed, resumed);
        let certificate = tls.client_certificate.as_ref().unwrap();
        assert_eq!(&*certificate.subject, "CN=shop");
        let hash = &served.stream.get_ssl_digest().unwrap().cert_digest;
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&*certificate.fingerprint, hash.len()), (hex.as_str(), 32));
        take_tickets(&mut stream, &mut served).await;
    }
}

/// Session tickets come behind the handshake: the client takes them with the first bytes it reads.
async fn take_tickets(client: &mut TlsStream<tokio::net::TcpStream>, served: &mut Served) {
    served.stream.write_all(b"x").await.unwrap();
    served.stream.flush().await.unwrap();
    soon(client.read_exact(&mut [0; 1])).await.unwrap();
}

#[tokio::test]
async fn certificates_are_swapped_while_connections_live_and_sessions_resume() {
    let pki = Pki::new();
    let [old, new] = [(); 2].map(|()| server_certificate(&pki, &["a.example"]));
    let mut edge = TestEdge::with(vec![secure(&TlsSpec::new(vec![old.clone()]))]).await;
    let address = edge.address("a");
    let client = pki.client(&[], None);
    let mut first = client.handshake(edge.connect("a").await, "a.example").await.unwrap();
    let mut served = edge.served().await;
    assert!(is(&old, &shown(&first)));
    take_tickets(&mut first, &mut served).await;

    edge.apply(vec![secure(&TlsSpec::new(vec![new.clone()]))]).await.unwrap();
    assert_eq!(edge.address("a"), address);
    take_tickets(&mut first, &mut served).await;

    let newcomer = pki.client(&[], None);
    let second = newcomer.handshake(edge.connect("a").await, "a.example").await.unwrap();
    assert!(is(&new, &shown(&second)));
    edge.served().await;

    let _third = client.handshake(edge.connect("a").await, "a.example").await.unwrap();
    assert!(edge.served().await.info.tls.as_ref().unwrap().resumed);
    assert_eq!((edge.stats("a").handshakes.get(), edge.stats("a").resumptions.get()), (3, 1));
}

#[tokio::test]
async fn a_slow_handshake_is_cut_and_garbage_fails() {
    let pki = Pki::new();
    let mut spec = secure(&TlsSpec::new(vec![server_certificate(&pki, &["a.example"])]));
    spec.deadlines.handshake = Duration::from_millis(50);
    let edge = TestEdge::with(vec![spec]).await;
    let mut silent = edge.connect("a").await;
    let mut slow = edge.connect("a").await;
    // The beginning of a record that never ends.
    slow.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
    // A whole hello, and then nothing, not even in answer to ours.
    let mut stalled = edge.connect("a").await;
    let mut hello = Vec::new();
    pki.client(&[], None).session("a.example").write_tls(&mut hello).unwrap();
    stalled.write_all(&hello).await.unwrap();
    closed(&mut silent).await;
    closed(&mut slow).await;
    assert_eq!(closed(&mut stalled).await.first(), Some(&0x16));
    until(3, || edge.stats("a").handshakes_timed_out.get()).await;

    let mut garbage = edge.connect("a").await;
    garbage.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await.unwrap();
    closed(&mut garbage).await;
    until(1, || edge.stats("a").handshakes_failed.get()).await;
    until(0, || edge.active("a").into()).await;
}
