//! Addresses, and TLS against a real TLS server.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use ring::digest::{SHA256, digest};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        HandshakeKind, ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer},
        version::TLS13,
    },
};

use super::*;

#[test]
fn what_an_address_is() {
    assert_eq!(split_address("a.example:443"), Some(("a.example", 443)));
    assert_eq!(split_address("[2001:db8::1]:9443"), Some(("2001:db8::1", 9443)));
    for wrong in ["", "a", ":1", "a:", "a:70000", "2001:db8::1:443", "[::1:443", "a:b:1"] {
        assert_eq!(split_address(wrong), None, "{wrong}");
    }
}

/// A TLS server that sends back what comes, for as many connections as there are, with a certificate for `localhost`.
struct TlsServer {
    address: SocketAddr,
    root: CertificateDer<'static>,
    /// The SHA-256 of its public key.
    pin: [u8; 32],
    resumed: Arc<AtomicUsize>,
}

async fn tls_server(alpn: &[&[u8]]) -> TlsServer {
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let root = own.der().clone();
    let pin = digest(&SHA256, &key.subject_public_key_info()).as_ref().try_into().unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![root.clone()], private)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let resumed = Arc::new(AtomicUsize::new(0));
    let count = resumed.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, count) = (acceptor.clone(), count.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                let mut read = [0; 4];
                while stream.read_exact(&mut read).await.is_ok() {
                    if stream.write_all(&read).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    TlsServer { address, root, pin, resumed }
}

/// Dials it under a name, and has four bytes sent back.
async fn dial(tls: &Tls, server: &TlsServer, host: &str) -> io::Result<Dialed> {
    let path = paifang_mmtp::web::PATH.into();
    let target = Target { host: host.into(), address: server.address, path };
    let mut dialed = tls.dial(&target).await?;
    dialed.wire.write_all(b"ping").await?;
    dialed.wire.flush().await?;
    let mut read = [0; 4];
    dialed.wire.read_exact(&mut read).await?;
    assert_eq!(&read, b"ping");
    Ok(dialed)
}

#[tokio::test]
async fn a_name_and_a_root_are_verified_and_sessions_resumed() {
    let server = tls_server(&[b"mmtp/1"]).await;
    let tls = Tls::builder().with_roots([server.root.clone()]).build().unwrap();
    let dialed = dial(&tls, &server, "localhost").await.unwrap();
    assert_eq!(dialed.server_name.as_deref(), Some("localhost"));
    assert!(dialed.timing.tls.is_some() && dialed.wire.early_data() == EarlyData::None);
    dial(&tls, &server, "localhost").await.unwrap();
    assert_eq!(server.resumed.load(Ordering::SeqCst), 1);

    assert!(dial(&tls, &server, "other.example").await.is_err(), "another name");
    let named = Tls::builder().with_roots([server.root.clone()]).server_name("localhost");
    assert!(dial(&named.build().unwrap(), &server, "other.example").await.is_ok());
    let stranger = tls_server(&[b"mmtp/1"]).await;
    assert!(dial(&tls, &stranger, "localhost").await.is_err(), "another root");
}

#[tokio::test]
async fn a_pin_is_wanted_beside_the_rest() {
    let server = tls_server(&[b"mmtp/1"]).await;
    let builder = || Tls::builder().with_roots([server.root.clone()]);
    let good = builder().with_pin([1; 32]).with_pin(server.pin).build().unwrap();
    assert!(dial(&good, &server, "localhost").await.is_ok());
    let bad = builder().with_pin([1; 32]).build().unwrap();
    assert!(dial(&bad, &server, "localhost").await.is_err());
    // A pin makes no certificate good that is not.
    let other = tls_server(&[b"mmtp/1"]).await;
    let pinned = builder().with_pin(other.pin).build().unwrap();
    assert!(dial(&pinned, &other, "localhost").await.is_err());
}

#[tokio::test]
async fn any_certificate_is_believed_only_where_that_is_said() {
    let server = tls_server(&[b"mmtp/1"]).await;
    let any = || Tls::builder().dangerous_any_certificate();
    assert!(dial(&any().build().unwrap(), &server, "other.example").await.is_ok());
    assert!(dial(&any().with_pin([1; 32]).build().unwrap(), &server, "localhost").await.is_err());
    assert!(matches!(Tls::builder().build(), Err(TlsError::NoRoots)));
    let nonsense = Tls::builder().with_roots([CertificateDer::from(vec![1, 2, 3])]);
    assert!(matches!(nonsense.build(), Err(TlsError::Root(_))));
    assert!(matches!(any().server_name("a b").build(), Err(TlsError::Name(_))));
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_told_apart() {
    for alpn in [&[b"h2".as_slice()][..], &[]] {
        let server = tls_server(alpn).await;
        let tls = Tls::builder().with_roots([server.root.clone()]).build().unwrap();
        assert!(dial(&tls, &server, "localhost").await.is_err(), "{alpn:?}");
    }
}

#[tokio::test]
async fn the_plain_form_says_what_it_is() {
    let (near, mut far) = tokio::io::duplex(64);
    let mut plain = tcp::Prefaced::new(near);
    plain.write_all(b"frames").await.unwrap();
    plain.flush().await.unwrap();
    let mut read = [0; 12];
    far.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"MMTP/\x01frames");
}
