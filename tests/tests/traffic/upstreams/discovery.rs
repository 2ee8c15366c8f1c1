//! Servers that are found out while the gateway runs, and probes of gRPC servers.

use paifang_tests::{
    harness::{DnsServer, H2Server, Recorder, Running, SERVICE, soon},
    http::get,
};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
};

async fn named(name: &'static str) -> Recorder {
    Recorder::replying(move |_| {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()).into_bytes()
    })
    .await
}

fn config(upstream: &str) -> String {
    format!(
        "version: 1\n\
         listeners: [ {{ name: public, address: \"127.0.0.1:0\" }} ]\n\
         admin: {{ address: \"127.0.0.1:0\" }}\n\
         upstreams:\n  up: {{ {upstream} }}\n\
         apis:\n  - {{ id: all, match: {{ path_prefix: / }}, upstream: up }}\n"
    )
}

fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

#[tokio::test]
async fn a_file_of_endpoints_is_followed_without_a_release() {
    let (one, two) = (named("one").await, named("two").await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endpoints.json");
    let found = format!("endpoints: {{ file: {}, interval: 100ms }}", path.display());
    // The file need not be there: another program may write it later.
    let running = Running::start(config(&found)).await;
    let admin = running.gateway.admin_address().unwrap();
    let mut client = running.connect().await;
    assert_eq!(client.get("/").await.code(), "PF-4000");
    let mut becomes = async |wanted: &str| {
        soon(async {
            while client.get("/").await.text() != wanted {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    };
    write(&path, &format!("[ {{ \"address\": \"{}\" }} ]", one.address()));
    becomes("one").await;
    write(&path, &format!("[ {{ \"address\": \"{}\" }} ]", two.address()));
    becomes("two").await;
    write(&path, "[ { \"address\": \"127.0.0.1:1\", \"wieght\": 1 } ]");
    soon(async {
        loop {
            let told = get(admin, "/v1/upstreams").await.body;
            if told.contains("not found by file") && told.contains("wieght") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    becomes("two").await;
    let metrics = get(admin, "/metrics").await.body;
    assert!(metrics.contains("paifang_upstream_discovery_good{upstream=\"up\"} 0"));
    assert!(get(admin, "/v1/status").await.body.contains("\"release\":1"));
    running.stop().await;
}

#[tokio::test]
async fn srv_records_are_followed_without_a_release_and_outlast_a_failing_server() {
    let (one, two) = (named("one").await, named("two").await);
    let at = |server: &Recorder| (0, 1, server.address().port(), "one.test.");
    let dns = DnsServer::start(vec![at(&one)]).await;
    let upstream = format!(
        "endpoints: {{ dns_srv: {SERVICE} }}, dns: {{ servers: [ \"{}\" ], min_ttl: 1s, max_ttl: 1s }}",
        dns.address
    );
    let running = Running::start(config(&upstream)).await;
    let admin = running.gateway.admin_address().unwrap();
    let mut client = running.connect().await;
    let mut becomes = async |wanted: &str| {
        soon(async {
            while client.get("/").await.text() != wanted {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    };
    becomes("one").await;
    dns.say(Some(vec![at(&two)]));
    becomes("two").await;
    // Who answers nothing takes nobody away.
    dns.say(None);
    soon(async {
        let failed = "paifang_upstream_discovery_good{upstream=\"up\"} 0";
        while !get(admin, "/metrics").await.body.contains(failed) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    becomes("two").await;
    dns.say(Some(vec![at(&one)]));
    becomes("one").await;
    assert!(get(admin, "/v1/status").await.body.contains("\"release\":1"));
    running.stop().await;
}

#[tokio::test]
async fn grpc_servers_are_probed_in_their_own_way() {
    let health = Arc::new(AtomicU8::new(1));
    let says = Arc::clone(&health);
    let server = H2Server::start(move |mut call| {
        let says = Arc::clone(&says);
        async move {
            let probe = call.head.uri.path() == "/grpc.health.v1.Health/Check";
            let head = http::Response::builder().header("content-type", "application/grpc");
            let mut body = call.respond.send_response(head.body(()).unwrap(), false).unwrap();
            let message =
                if probe { vec![0, 0, 0, 0, 2, 8, says.load(SeqCst)] } else { Vec::new() };
            body.send_data(message.into(), false).unwrap();
            let status = http::HeaderValue::from_static("0");
            let name = http::HeaderName::from_static("grpc-status");
            body.send_trailers([(name, status)].into_iter().collect()).unwrap();
        }
    })
    .await;
    let upstream = format!(
        "endpoints: [ {{ address: \"{}\" }} ], protocol: h2, health_check: {{ \
         grpc: {{ service: orders.Orders }}, interval: 100ms, timeout: 100ms, healthy_after: 1, unhealthy_after: 1 }}",
        server.address
    );
    let running = Running::start(config(&upstream)).await;
    let mut client = running.connect().await;
    let mut becomes = async |wanted: u16| {
        soon(async {
            while client.get("/").await.status() != wanted {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    };
    becomes(200).await;
    health.store(2, SeqCst);
    becomes(503).await;
    health.store(1, SeqCst);
    becomes(200).await;
    running.stop().await;
}
