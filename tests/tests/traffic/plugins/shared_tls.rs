//! A store behind TLS: the server must be who it should be, and nothing is asked of another.

use super::{
    KEY_ONE, KEY_TWO,
    shared::{config, status},
};
use paifang_tests::harness::{Pair, Pki, Recorder, RedisServer, Running, Setup};
use std::fs;
use tempfile::TempDir;

const HANDLERS: &str =
    "[ throttle: { rate: 2/h, by: api, store: shared, on_store_failure: closed } ]";

/// A Redis server that speaks TLS only, gone when dropped.
struct TlsServer {
    server: RedisServer,
    _files: TempDir,
}

impl TlsServer {
    /// With a certificate for `name`, or for its own address; clients must show one of `clients`.
    fn start(pki: &Pki, name: Option<&str>, clients: Option<&Pki>) -> Self {
        let files = tempfile::tempdir().unwrap();
        let mut server = RedisServer::with(|address| {
            let own = address.ip().to_string();
            let Pair { cert, key } = pki.server(&[name.unwrap_or(&own)]);
            let ca = clients.unwrap_or(pki).ca();
            let mut options = vec!["--port".to_owned(), "0".to_owned()];
            let mut option =
                |name: &str, value: String| options.extend([format!("--{name}"), value]);
            option("tls-port", address.port().to_string());
            option("tls-auth-clients", if clients.is_some() { "yes" } else { "no" }.to_owned());
            for (name, text) in
                [("tls-cert-file", cert), ("tls-key-file", key), ("tls-ca-cert-file", ca)]
            {
                let path = files.path().join(name);
                fs::write(&path, text).unwrap();
                option(name, path.display().to_string());
            }
            options
        });
        server.run();
        Self { server, _files: files }
    }
}

/// A gateway whose store stands behind TLS and is asked with these keys of `tls`.
async fn gateway(
    upstream: &Recorder,
    server: &TlsServer,
    tls: &str,
    files: &[(&str, String)],
) -> Running {
    let more = format!("tls: {{ {tls} }}, connect_timeout: 2s, command_timeout: 2s");
    let config = config(upstream.address(), &[server.server.address], &more, HANDLERS);
    let setup = Setup::new(config).variable("KEY_ONE", KEY_ONE).variable("KEY_TWO", KEY_TWO);
    let files = files.iter();
    files.fold(setup, |setup, (name, text)| setup.file(*name, text.clone())).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_proves_who_it_is_is_shared() {
    let (pki, upstream) = (Pki::default(), Recorder::start().await);
    let server = TlsServer::start(&pki, None, None);
    let files = [("ca.pem", pki.ca())];
    let one = gateway(&upstream, &server, "ca: ca.pem", &files).await;
    let two = gateway(&upstream, &server, "ca: ca.pem", &files).await;
    for running in [&one, &two] {
        status(running, "store shared: up, shared by 2 gateways").await;
    }
    let mut statuses = Vec::new();
    for running in [&one, &two, &one, &two] {
        statuses.push(running.connect().await.get("/").await.status());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429, 429], "a limit that is one over both");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_not_who_it_should_be_is_away() {
    let (pki, other, upstream) = (Pki::default(), Pki::default(), Recorder::start().await);
    let own = TlsServer::start(&pki, None, None);
    let named = TlsServer::start(&pki, Some("redis.example"), None);
    let ours = [("ca.pem", pki.ca())];
    let strangers = [("ca.pem", other.ca())];
    for (what, server, tls, files) in [
        ("another authority", &own, "ca: ca.pem", &strangers[..]),
        ("the authorities of the system", &own, "", &[]),
        ("a certificate for another name", &named, "ca: ca.pem", &ours),
    ] {
        let running = gateway(&upstream, server, tls, files).await;
        status(&running, "store shared: AWAY").await;
        let reply = running.connect().await.get("/").await;
        assert_eq!((reply.status(), reply.code()), (503, "PF-5001".to_owned()), "{what}");
        running.stop().await;
    }
    assert_eq!(upstream.count(), 0, "a call passed though its limit could not be held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_wants_to_know_its_clients_is_shown_a_certificate() {
    let (pki, staff, upstream) = (Pki::default(), Pki::default(), Recorder::start().await);
    let server = TlsServer::start(&pki, None, Some(&staff));
    let Pair { cert, key } = staff.client_certificate("gateway");
    let files = [("ca.pem", pki.ca()), ("own.pem", cert), ("own.key", key)];
    let showing = "ca: ca.pem, client_cert: own.pem, client_key: own.key";
    let running = gateway(&upstream, &server, showing, &files).await;
    status(&running, "store shared: up").await;
    assert_eq!(running.connect().await.get("/").await.status(), 200);
    running.stop().await;
    let silent = gateway(&upstream, &server, "ca: ca.pem", &files[..1]).await;
    status(&silent, "store shared: AWAY").await;
    assert_eq!(silent.connect().await.get("/").await.status(), 503);
    silent.stop().await;
}
