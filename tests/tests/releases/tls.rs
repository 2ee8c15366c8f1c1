//! Certificates are read again by every reload.

use paifang_tests::harness::{Pair, Pki, Setup, Wire};
use std::net::SocketAddr;

const CONFIG: &str = "version: 1
listeners:
  - name: public
    address: \"127.0.0.1:0\"
    tls: { certificates: [ { cert: tls/cert.pem, key: tls/key.pem } ] }
apis: [ { id: a, match: { path: / }, handlers: [ respond: { status: 204 } ] } ]
";

/// The certificate that a new connection is shown, and the connection.
async fn shown(
    pki: &Pki,
    address: SocketAddr,
) -> (Vec<u8>, Wire<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + use<>>) {
    let stream = pki.client(&["http/1.1"], None).connect(address, "a.example").await.unwrap();
    let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    (certificate, Wire::new(stream))
}

#[tokio::test]
async fn a_reload_takes_new_certificates_and_leaves_connections_alone() {
    let pki = Pki::default();
    let (old, new): (Pair, Pair) = (pki.server(&["a.example"]), pki.server(&["a.example"]));
    let setup = Setup::new(CONFIG).file("tls/cert.pem", old.cert.clone());
    let running = setup.file("tls/key.pem", old.key.clone()).start().await;
    let (first, mut client) = shown(&pki, running.address()).await;
    assert_eq!(client.get("/").await.status(), 204);

    // Half of a change: the key does not fit. The release is refused, the old one serves.
    running.files.write("tls/cert.pem", new.cert.clone());
    let refused = running.gateway.reload().await.unwrap_err();
    let details = refused.details().unwrap();
    assert!(details.contains("paifang.yaml:5:"), "{details}");
    assert_eq!(shown(&pki, running.address()).await.0, first);

    running.files.write("tls/key.pem", new.key.clone());
    running.gateway.reload().await.unwrap();
    let (second, mut fresh) = shown(&pki, running.address()).await;
    assert_ne!(second, first);
    assert_eq!(fresh.get("/").await.status(), 204);
    assert_eq!(client.get("/").await.status(), 204, "the connection from before lives on");
    drop((client, fresh));
    running.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_gone_refuses_the_release_and_names_the_file() {
    let pki = Pki::default();
    let pair = pki.server(&["a.example"]);
    let setup = Setup::new(CONFIG).file("tls/cert.pem", pair.cert.clone());
    let running = setup.file("tls/key.pem", pair.key.clone()).start().await;
    running.files.remove(std::path::Path::new("tls/key.pem"));
    let details = running.gateway.reload().await.unwrap_err().details().unwrap();
    assert!(details.contains("tls/key.pem"), "{details}");
    let (_, mut client) = shown(&pki, running.address()).await;
    assert_eq!(client.get("/").await.status(), 204);
    drop(client);
    running.stop().await;
}
