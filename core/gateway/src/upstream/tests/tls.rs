//! TLS towards servers: who is believed, who we are, what is spoken.

use super::support::{Server, deps, get, once, read_request, run, spec, start};
use crate::upstream::{
    ClientCertificate, Protocol, TlsSpec, Upstream, UpstreamError, UpstreamSpec,
};
use bytes::Bytes;
use paifang_pipeline::testkit::TestCall;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::io::AsyncWriteExt;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, HandshakeKind, RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
        server::WebPkiClientVerifier,
    },
};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

fn issue(by: &Authority, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    Pair { certificate: params.signed_by(&key, by).unwrap(), key }
}

impl Pair {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

fn server_config(pair: &Pair, client_ca: Option<&Authority>, alpn: &[&[u8]]) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let mut config = builder.with_single_cert(pair.chain(), pair.key()).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

/// Serves HTTP/1.1 or HTTP/2, as ALPN says; tells what was resumed and asked for by SNI.
async fn tls_server(config: ServerConfig) -> (Server, Arc<AtomicUsize>) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let resumed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&resumed);
    let server = Server::start(move |_, tcp| {
        let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
        async move {
            let Ok(mut stream) = acceptor.accept(tcp).await else { return };
            let session = stream.get_ref().1;
            if session.handshake_kind() == Some(HandshakeKind::Resumed) {
                counter.fetch_add(1, SeqCst);
            }
            let name = session.server_name().unwrap_or("-").to_owned();
            if session.alpn_protocol() == Some(b"h2") {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let mut send = respond.send_response(http::Response::new(()), false).unwrap();
                    send.send_data(Bytes::from(format!("h2 {name}")), true).unwrap();
                }
                return;
            }
            while read_request(&mut stream).await.is_some() {
                let body = format!("h1 {name}");
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    })
    .await;
    (server, resumed)
}

fn tls(to: SocketAddr, ca: &Authority, change: impl FnOnce(&mut UpstreamSpec)) -> Arc<Upstream> {
    let mut spec = spec(to);
    spec.tls = Some(TlsSpec {
        ca: Some(ca.pem().into_bytes()),
        server_name: Some("server.test".to_owned()),
        ..TlsSpec::default()
    });
    change(&mut spec);
    start(spec)
}

fn tls_of(spec: &mut UpstreamSpec) -> &mut TlsSpec {
    spec.tls.as_mut().unwrap()
}

const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

#[tokio::test]
async fn alpn_decides_unless_the_spec_does() {
    let ca = authority("ours");
    let pair = issue(&ca, &["server.test"], |_| {});
    for (protocol, offered, body) in [
        (Protocol::Auto, BOTH, "h2 server.test"),
        (Protocol::Auto, &[][..], "h1 server.test"),
        (Protocol::H1, BOTH, "h1 server.test"),
        (Protocol::H2, BOTH, "h2 server.test"),
    ] {
        let (server, _) = tls_server(server_config(&pair, None, offered)).await;
        let upstream = tls(server.address, &ca, |spec| spec.protocol = protocol);
        for _ in 0..2 {
            assert_eq!(get(&upstream).await.body(), body);
        }
        assert_eq!(server.connections(), 1);
    }
    let (server, _) = tls_server(server_config(&pair, None, &[])).await;
    let upstream = tls(server.address, &ca, |spec| spec.protocol = Protocol::H2);
    let reply = get(&upstream).await;
    assert_eq!(reply.error().as_deref(), Some("PF-4003"));
    assert!(reply.outcome.error_detail.unwrap().contains("did not agree to HTTP/2"));
}

#[tokio::test]
async fn an_upgrade_gets_a_connection_of_its_own() {
    let ca = authority("ours");
    let pair = issue(&ca, &["server.test"], |_| {});
    let (server, _) = tls_server(server_config(&pair, None, BOTH)).await;
    let upstream = tls(server.address, &ca, |_| {});
    assert_eq!(get(&upstream).await.body(), "h2 server.test");
    let call = TestCall::get("/").header("connection", "upgrade").header("upgrade", "websocket");
    assert_eq!(run(call, &upstream).await.body(), "h1 server.test");
    assert_eq!(get(&upstream).await.body(), "h2 server.test");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn who_cannot_be_verified_is_refused_and_said_why() {
    let ca = authority("ours");
    let good = issue(&ca, &["server.test"], |_| {});
    let foreign = issue(&authority("foreign"), &["server.test"], |_| {});
    let other = issue(&ca, &["other.test"], |_| {});
    let expired = issue(&ca, &["server.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    for (pair, why) in [
        (&good, None),
        (&foreign, Some("UnknownIssuer")),
        (&other, Some("not valid for")),
        (&expired, Some("expired")),
    ] {
        let (server, _) = tls_server(server_config(pair, None, &[])).await;
        let strict = tls(server.address, &ca, |_| {});
        let reply = run(once(TestCall::get("/")), &strict).await;
        match why {
            None => assert_eq!(reply.status(), 200),
            Some(why) => {
                assert_eq!(reply.error().as_deref(), Some("PF-4003"));
                let detail = reply.outcome.error_detail.unwrap();
                assert!(detail.contains(why), "{detail}");
                assert_eq!(strict.read().endpoints[0].counts.tls_failures, 1);
            }
        }
        let lax = tls(server.address, &ca, |spec| tls_of(spec).verify = false);
        assert_eq!(get(&lax).await.status(), 200);
    }
}

#[tokio::test]
async fn without_a_name_the_address_is_verified() {
    let ca = authority("ours");
    for (name, good) in [("127.0.0.1", true), ("server.test", false)] {
        let pair = issue(&ca, &[name], |_| {});
        let (server, _) = tls_server(server_config(&pair, None, &[])).await;
        let upstream = tls(server.address, &ca, |spec| tls_of(spec).server_name = None);
        let reply = run(once(TestCall::get("/")), &upstream).await;
        assert_eq!(reply.error().as_deref(), (!good).then_some("PF-4003"));
        if good {
            assert_eq!(reply.body(), "h1 -", "an address is not sent as SNI");
        }
    }
}

#[tokio::test]
async fn servers_may_ask_who_we_are() {
    let (ca, client_ca) = (authority("ours"), authority("clients"));
    let pair = issue(&ca, &["server.test"], |_| {});
    let client = issue(&client_ca, &["gateway"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let (server, _) = tls_server(server_config(&pair, Some(&client_ca), &[])).await;
    let known = tls(server.address, &ca, |spec| {
        tls_of(spec).client = Some(ClientCertificate {
            chain: client.certificate.pem().into_bytes(),
            key: client.key.serialize_pem().into_bytes(),
        });
    });
    assert_eq!(get(&known).await.status(), 200);
    // In TLS 1.3 the refusal comes after our side's handshake.
    let unknown = tls(server.address, &ca, |_| {});
    let reply = get(&unknown).await;
    assert_eq!((reply.error().as_deref(), reply.outcome.attempts), (Some("PF-4003"), 1));
}

#[tokio::test]
async fn sessions_resume() {
    let ca = authority("ours");
    let pair = issue(&ca, &["server.test"], |_| {});
    let (server, resumed) = tls_server(server_config(&pair, None, &[])).await;
    let upstream = tls(server.address, &ca, |spec| spec.pool.size = 0);
    for _ in 0..3 {
        assert_eq!(get(&upstream).await.status(), 200);
    }
    assert_eq!((server.connections(), resumed.load(SeqCst)), (3, 2));
}

#[tokio::test]
async fn a_body_that_ends_without_tls_ending_is_cut() {
    let ca = authority("ours");
    let pair = issue(&ca, &["server.test"], |_| {});
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&pair, None, &[])));
    let server = Server::start(move |_, tcp| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(tcp).await.unwrap();
            read_request(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\npart").await.unwrap();
            stream.flush().await.unwrap();
            // The socket closes, the session does not.
        }
    })
    .await;
    let reply = get(&tls(server.address, &ca, |_| {})).await;
    assert_eq!(reply.body(), "part");
    assert_eq!(reply.served.termination, paifang_pipeline::Termination::OriginBrokeOff);
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart_from_one_that_stalls_in_it() {
    let ca = authority("ours");
    let plain = Server::start(|_, mut tcp| async move {
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    })
    .await;
    let reply = run(once(TestCall::get("/")), &tls(plain.address, &ca, |_| {})).await;
    assert_eq!(reply.error().as_deref(), Some("PF-4003"));
    let silent = Server::start(|_, tcp| async move {
        let _held = tcp;
        std::future::pending().await
    })
    .await;
    let upstream = tls(silent.address, &ca, |spec| {
        spec.timeouts.connect = std::time::Duration::from_millis(50);
    });
    let reply = run(once(TestCall::get("/")), &upstream).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (504, Some("PF-4002")));
}

#[tokio::test]
async fn calls_that_wait_for_one_connection_fail_together() {
    let ca = authority("ours");
    let silent = Server::start(|_, tcp| async move {
        let _held = tcp;
        std::future::pending().await
    })
    .await;
    let upstream = tls(silent.address, &ca, |spec| {
        spec.protocol = Protocol::H2;
        spec.timeouts.connect = std::time::Duration::from_millis(50);
    });
    // ALPN is not in doubt, so all wait for the first to connect.
    let calls = (0..20).map(|_| run(once(TestCall::get("/")), &upstream));
    for reply in futures::future::join_all(calls).await {
        assert_eq!(reply.error().as_deref(), Some("PF-4002"));
    }
    assert_eq!(silent.connections(), 1);
}

#[tokio::test]
async fn wrong_material_is_told_at_build() {
    let ca = authority("ours");
    let client = issue(&ca, &["gateway"], |_| {});
    let build = |change: &dyn Fn(&mut TlsSpec)| {
        let mut spec = spec(SocketAddr::from(([127, 0, 0, 1], 1)));
        let mut tls = TlsSpec { ca: Some(ca.pem().into_bytes()), ..TlsSpec::default() };
        change(&mut tls);
        spec.tls = Some(tls);
        Upstream::build(spec, &deps()).map(drop).unwrap_err()
    };
    let pem = |part| {
        move |error: UpstreamError| {
            assert!(
                matches!(&error, UpstreamError::Pem { part: told, .. } if *told == part),
                "{error}"
            );
        }
    };
    pem("ca")(build(&|tls| tls.ca = Some(b"nonsense".to_vec())));
    pem("ca")(build(&|tls| tls.ca = Some(b"-----BEGIN CERTIFICATE-----\nAA\n".to_vec())));
    let chain = client.certificate.pem().into_bytes();
    let with =
        |chain: &[u8], key: &[u8]| ClientCertificate { chain: chain.into(), key: key.into() };
    pem("client key")(build(&|tls| tls.client = Some(with(&chain, b"s3cret"))));
    let other = KeyPair::generate().unwrap().serialize_pem();
    let error = build(&|tls| tls.client = Some(with(&chain, other.as_bytes())));
    assert!(matches!(error, UpstreamError::ClientCertificate(_)), "{error}");
    for name in ["", "not a name"] {
        let error = build(&|tls| tls.server_name = Some(name.to_owned()));
        assert_eq!(error, UpstreamError::BadServerName(name.to_owned()));
    }
    let shown =
        format!("{:?}", TlsSpec { client: Some(with(&chain, b"s3cret")), ..TlsSpec::default() });
    assert!(!shown.contains("s3cret"), "{shown}");
}
