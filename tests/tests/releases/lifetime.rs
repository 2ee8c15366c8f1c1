//! Gateways begin and end, many in one process, and leave nothing behind.

use crate::support::{Patient, saying, says};
use paifang::Gateway;
use paifang_tests::harness::{Client, until};
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, runtime::Handle};

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn many_gateways_live_in_one_process() {
    let base = tasks();
    let mut all = Vec::new();
    for number in 0..16 {
        let yaml = saying(&format!("gateway {number}"));
        all.push(Gateway::builder().yaml(yaml).start().await.unwrap());
    }
    for (number, gateway) in all.iter().enumerate() {
        assert_eq!(says(gateway).await, format!("gateway {number}"));
    }
    let mut ports: Vec<_> = all.iter().filter_map(|gateway| gateway.address("public")).collect();
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), 16);
    for gateway in all {
        assert_eq!(gateway.stop(Duration::from_secs(30)).await, 0);
    }
    until(|| tasks() <= base).await;
}

/// Everything that may run beside a gateway: probes, look-ups, counters, a log, a watcher.
fn busy(up: SocketAddr, folder: &std::path::Path) -> String {
    let log = folder.join("access.log");
    format!(
        "version: 1
listeners: [ {{ name: public, address: \"127.0.0.1:0\" }}, {{ name: second, address: \"127.0.0.1:0\" }} ]
admin: {{ address: \"127.0.0.1:0\" }}
reload: {{ watch: true }}
releases: {{ directory: kept }}
defaults: {{ handlers: [ request_id: {{}}, access_log: {{ sink: {{ file: \"{}\" }} }} ] }}
upstreams:
  up: {{ endpoints: [ {{ address: \"{up}\" }} ] }}
  probed: {{ endpoints: [ {{ address: \"localhost:{}\" }} ], health_check: {{ path: /healthz, interval: 1s, timeout: 1s }} }}
apis:
  - {{ id: up, match: {{ path: / }}, upstream: up, handlers: [ throttle: {{ rate: 1000/s, concurrency: 100 }} ] }}
  - {{ id: probed, match: {{ path: /probed }}, upstream: probed }}
",
        log.display(),
        up.port()
    )
}

/// A gateway at work: a call in flight, an idle connection, a fresh one, two on the admin API.
async fn at_work() -> (Gateway, tempfile::TempDir, Patient, Vec<Client>) {
    let mut up = Patient::start().await;
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("paifang.yaml");
    std::fs::write(&path, busy(up.server.address, folder.path())).unwrap();
    let gateway = Gateway::builder().config(path).start().await.unwrap();
    let (public, admin) = (gateway.address("public").unwrap(), gateway.admin_address().unwrap());
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(Client::connect(public).await);
        clients.push(Client::connect(admin).await);
    }
    clients[0].send("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    // The first request may be a probe of the other upstream.
    up.called().await;
    up.called().await;
    clients[1].send("GET /v1/sta").await;
    let mut idle = Client::connect(gateway.address("second").unwrap()).await;
    assert_eq!(idle.get("/nothing").await.status(), 404);
    clients.push(idle);
    gateway.reload().await.unwrap();
    (gateway, folder, up, clients)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_dropped_closes_everything_at_once() {
    let base = tasks();
    let (gateway, _folder, up, clients) = at_work().await;
    let (public, admin) = (gateway.address("public").unwrap(), gateway.admin_address().unwrap());
    drop(gateway);
    for mut client in clients {
        assert_eq!(client.rest().await.0, b"", "closed without an answer");
    }
    until(|| std::net::TcpStream::connect(public).is_err()).await;
    until(|| std::net::TcpStream::connect(admin).is_err()).await;
    drop(up);
    until(|| tasks() <= base).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_stopped_leaves_no_task_behind() {
    let base = tasks();
    for _ in 0..2 {
        let (gateway, _folder, up, mut clients) = at_work().await;
        let public = gateway.address("public").unwrap();
        // No grace: the call in flight is cut and counted; idle connections may be quicker.
        let cut = gateway.stop(Duration::ZERO).await;
        assert!((1..=3).contains(&cut), "{cut}");
        assert!(TcpStream::connect(public).await.is_err());
        for client in &mut clients {
            assert_eq!(client.rest().await.0, b"");
        }
        drop((clients, up));
        until(|| tasks() <= base).await;
    }
}

#[tokio::test]
async fn a_gateway_that_does_not_start_leaves_nothing_behind() {
    let base = tasks();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let yaml = saying("x").replace(
        "listeners: [ ",
        &format!("listeners: [ {{ name: taken, address: \"{address}\" }}, "),
    );
    let Err(wrong) = Gateway::builder().yaml(yaml).start().await else { panic!("it started") };
    assert!(wrong.to_string().contains("listener taken cannot listen"), "{wrong}");
    let yaml = saying("x").replace(
        "admin: { address: \"127.0.0.1:0\" }",
        &format!("admin: {{ address: \"{address}\" }}"),
    );
    let Err(wrong) = Gateway::builder().yaml(yaml).start().await else { panic!("it started") };
    let text = wrong.to_string();
    assert!(text.contains("admin API cannot listen") && text.contains("another gateway"), "{text}");
    until(|| tasks() <= base).await;
}
