//! The PROXY protocol on a listener.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::*;
use crate::edge::tls::{TlsConfig, TlsSpec};
use crate::edge::*;

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0F\
    \xC0\x00\x02\x07\xC6\x33\x64\x01\x12\x67\x01\xBB\x04\x00\x00";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

/// Trusts 127.0.0.1 and the documentation network behind it.
fn proxied(name: &str) -> ListenerSpec {
    let mut spec = plain(name);
    spec.proxy_protocol = ProxyProtocol::Required;
    spec.trust.proxies = TrustedProxies::new(["127.0.0.1/32".parse().unwrap()]);
    spec
}

#[tokio::test]
async fn both_versions_byte_by_byte() {
    for header in [V1, V2] {
        let mut edge = TestEdge::with(vec![proxied("a")]).await;
        let mut client = edge.connect("a").await;
        client.set_nodelay(true).unwrap();
        for byte in header.iter().chain(b"GET /") {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut served = edge.served().await;
        assert_eq!(served.info.client_addr, "192.0.2.7:4711".parse().unwrap());
        assert_eq!(served.info.destination_addr, "198.51.100.1:443".parse().unwrap());
        assert_eq!(served.info.peer_addr, client.local_addr().unwrap());
        assert_eq!(served.info.local_addr, client.peer_addr().unwrap());
        let mut bytes = [0; 5];
        soon(served.stream.read_exact(&mut bytes)).await.unwrap();
        assert_eq!(&bytes, b"GET /");
    }
}

#[tokio::test]
async fn header_and_preface_in_one_packet() {
    let spec = ListenerSpec { h2c: true, ..proxied("a") };
    let mut edge = TestEdge::with(vec![spec]).await;
    let mut client = edge.connect("a").await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    client.write_all(&[V2, preface].concat()).await.unwrap();
    let mut served = edge.served().await;
    assert_eq!(served.info.protocol, Protocol::Http2);
    let mut bytes = [0; 24];
    soon(served.stream.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, preface);
}

#[tokio::test]
async fn tls_begins_after_the_header() {
    let pki = Pki::new();
    let mut spec = proxied("a");
    let tls = TlsSpec::new(vec![server_certificate(&pki, &["a.example"])]);
    spec.tls = Some(TlsConfig::build(&tls).unwrap());
    let mut edge = TestEdge::with(vec![spec]).await;
    let mut tcp = edge.connect("a").await;
    tcp.write_all(V1).await.unwrap();
    let mut client = pki.client(&[], None).handshake(tcp, "a.example").await.unwrap();
    client.write_all(b"hello").await.unwrap();
    client.flush().await.unwrap();
    let mut served = edge.served().await;
    assert_eq!(served.info.client_addr, "192.0.2.7:4711".parse().unwrap());
    let mut bytes = [0; 5];
    soon(served.stream.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"hello");
}

#[tokio::test]
async fn a_proxy_speaking_for_itself_is_the_client() {
    for header in [V2_LOCAL, b"PROXY UNKNOWN\r\n"] {
        let mut edge = TestEdge::with(vec![proxied("a")]).await;
        let mut client = edge.connect("a").await;
        client.write_all(header).await.unwrap();
        assert_eq!(edge.served().await.info.client_addr, client.local_addr().unwrap());
    }
}

#[tokio::test]
async fn a_peer_that_is_no_proxy_cannot_name_a_client() {
    let edge = TestEdge::with(vec![proxied("a")]).await;
    let mut forger = edge.connect_from("a", "127.0.0.2").await;
    // It may be closed already.
    let _ = forger.write_all(V1).await;
    assert_eq!(closed(&mut forger).await, b"");
    assert_eq!(edge.stats("a").refused(Refusal::UntrustedProxy), 1);
    assert_eq!(edge.stats("a").served.get(), 0);
}

#[tokio::test]
async fn a_header_where_none_is_due_changes_nobody() {
    let mut spec = plain("a");
    spec.trust.proxies = TrustedProxies::new(["127.0.0.1/32".parse().unwrap()]);
    let mut edge = TestEdge::with(vec![spec]).await;
    let mut client = edge.connect("a").await;
    client.write_all(V1).await.unwrap();
    let mut served = edge.served().await;
    assert_eq!(served.info.client_addr, client.local_addr().unwrap());
    let mut bytes = vec![0; V1.len()];
    soon(served.stream.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(bytes, V1, "it is the first request's bytes, and bad ones");
}

#[tokio::test]
async fn no_header_a_bad_one_or_a_slow_one_is_refused() {
    let mut spec = proxied("a");
    let edge = TestEdge::with(vec![spec.clone()]).await;
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PROXY TCP4 1.2.3 4.5.6.7 1 2\r\n", b"\r\n\r\n\0\r\nQUIX"]
    {
        let mut client = edge.connect("a").await;
        client.write_all(garbage).await.unwrap();
        assert_eq!(closed(&mut client).await, b"");
    }
    until(3, || edge.stats("a").refused(Refusal::BadProxyHeader)).await;

    spec.deadlines.proxy_header = Duration::from_millis(30);
    edge.apply(vec![spec]).await.unwrap();
    let mut slow = edge.connect("a").await;
    slow.write_all(&V1[..V1.len() - 1]).await.unwrap();
    assert_eq!(closed(&mut slow).await, b"");
    until(1, || edge.stats("a").refused(Refusal::ProxyHeaderTimeout)).await;
}

#[tokio::test]
async fn the_limit_per_client_counts_whom_the_header_names() {
    let mut spec = proxied("a");
    spec.limits.connections_per_ip = Some(1);
    let mut edge = TestEdge::with(vec![spec]).await;
    let mut first = edge.connect("a").await;
    first.write_all(V1).await.unwrap();
    let _served = edge.served().await;

    let mut same = edge.connect("a").await;
    same.write_all(V2).await.unwrap();
    assert_eq!(closed(&mut same).await, b"");
    assert_eq!(edge.stats("a").refused(Refusal::TooManyFromClient), 1);

    let mut other = edge.connect("a").await;
    other.write_all(b"PROXY TCP4 192.0.2.8 198.51.100.1 1 443\r\n").await.unwrap();
    edge.served().await;
}

#[tokio::test]
async fn forwarding_headers_are_read_on_top() {
    let mut spec = proxied("a");
    spec.trust.proxies =
        TrustedProxies::new(["127.0.0.1/32", "192.0.2.0/24"].map(|net| net.parse().unwrap()));
    let mut edge = TestEdge::with(vec![spec]).await;
    let mut client = edge.connect("a").await;
    client.write_all(V1).await.unwrap();
    let served = edge.served().await;
    let mut headers = http::HeaderMap::new();
    assert_eq!(served.info.client_ip(&headers).to_string(), "192.0.2.7");
    assert!(served.info.from_trusted_proxy());
    headers.append("x-forwarded-for", "1.1.1.1".parse().unwrap());
    headers.append("X-Forwarded-For", "203.0.113.5".parse().unwrap());
    headers.append("forwarded", "for=8.8.8.8".parse().unwrap());
    assert_eq!(served.info.client_ip(&headers).to_string(), "203.0.113.5");
}
