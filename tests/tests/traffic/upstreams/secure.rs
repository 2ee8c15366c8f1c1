//! TLS towards servers: whom it believes, what it shows, what it speaks.

use super::with_endpoints;
use paifang_tests::harness::{Message, Pair, Pki, Recorder, Running, Setup};

/// A gateway that ends TLS in front of `behind` stands for a server with TLS.
async fn tls_server(pki: &Pki, behind: &Recorder, own: &Pair, client_ca: &str) -> Running {
    let config = paifang_tests::harness::one_api(behind.address(), "[]").replace(
        "address: \"127.0.0.1:0\"",
        &format!(
            "address: \"127.0.0.1:0\", tls: {{ certificates: [ {{ cert: s.pem, key: s.key }} ], {client_ca} }}"
        ),
    );
    Setup::new(config)
        .file("s.pem", own.cert.clone())
        .file("s.key", own.key.clone())
        .file("ca.pem", pki.ca())
        .start()
        .await
}

async fn through(server: &Running, keys: &str, pki: &Pki, own: &Pair) -> Message {
    let endpoint = format!("{{ address: \"127.0.0.1:{}\" }}", server.address().port());
    let upstream = format!("retry: {{ attempts: 1 }}, {keys}");
    let running = Setup::new(with_endpoints(&endpoint, &upstream, ""))
        .file("ca.pem", pki.ca())
        .file("c.pem", own.cert.clone())
        .file("c.key", own.key.clone())
        .start()
        .await;
    let answer = running.connect().await.get("/").await;
    running.stop().await;
    answer
}

#[tokio::test]
async fn a_server_is_believed_by_its_authority_and_its_name() {
    let (pki, others, behind) = (Pki::default(), Pki::default(), Recorder::start().await);
    let server = tls_server(&pki, &behind, &pki.server(&["orders.internal"]), "").await;
    let own = pki.client_certificate("gateway");
    let good = through(&server, "tls: { ca: ca.pem, sni: orders.internal },", &pki, &own).await;
    assert_eq!((good.status(), good.text()), (200, "upstream"));
    for (keys, pki) in [
        ("tls: { ca: ca.pem, sni: other.internal },", &pki),
        ("tls: { ca: ca.pem, sni: orders.internal },", &others),
        ("tls: { sni: orders.internal },", &pki),
    ] {
        let bad = through(&server, keys, pki, &own).await;
        assert_eq!((bad.status(), bad.code()), (502, "PF-4003".to_owned()), "{keys}");
        assert!(!bad.text().contains("internal"), "what is inside stays there");
    }
    let unverified = through(&server, "tls: { sni: x.internal, verify: false },", &pki, &own).await;
    assert_eq!(unverified.status(), 200);
    let clear = through(&server, "", &pki, &own).await;
    assert_eq!(clear.status(), 502);
    assert_eq!(behind.count(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_of_our_own_is_shown_where_the_server_asks() {
    let (pki, behind) = (Pki::default(), Recorder::start().await);
    let ca = "client_ca: { file: ca.pem }";
    let server = tls_server(&pki, &behind, &pki.server(&["orders.internal"]), ca).await;
    let own = pki.client_certificate("gateway");
    let shown = "tls: { ca: ca.pem, sni: orders.internal, client_cert: c.pem, client_key: c.key },";
    for protocol in ["auto", "h1", "h2"] {
        let keys = format!("protocol: {protocol}, {shown}");
        assert_eq!(through(&server, &keys, &pki, &own).await.status(), 200, "{protocol}");
    }
    let nothing = through(&server, "tls: { ca: ca.pem, sni: orders.internal },", &pki, &own).await;
    assert_eq!(nothing.status(), 502);
    assert_eq!(behind.count(), 3);
    server.stop().await;
}
