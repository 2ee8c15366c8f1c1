//! A tunnel holds the module that it began with, and no longer than its release is kept.

use crate::support::{another, config, module};
use paifang_tests::harness::{Client, Running, Server, Setup, soon};
use std::collections::BTreeSet;

const UPGRADE: &str =
    "GET / HTTP/1.1\r\nhost: a.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// The versions of modules that are in memory.
async fn versions(running: &Running) -> BTreeSet<String> {
    let Some(admin) = running.gateway.admin_address() else { panic!("no admin API") };
    let mut admin = Client::connect(admin).await;
    let metrics = admin.ask("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let version = |line: &str| {
        let labels = line.strip_prefix("paifang_wasm_instances{")?;
        let (_, version) = labels.split_once("version=\"")?;
        version.split_once('"').map(|(version, _)| version.to_owned())
    };
    metrics.text().lines().filter_map(version).collect()
}

#[tokio::test]
async fn a_module_goes_with_the_last_stream_that_may_hold_it() {
    let upstream = Server::start(|_, mut client| async move {
        let _ = client.head().await;
        client.send(SWITCHED).await;
        let _ = client.rest().await;
    })
    .await;
    let yaml = config(
        "  bed: { file: bed.wasm, grants: [ log, clock, random, kv, crypto, metrics ] }",
        &format!(
            "reload: {{ keep_old: 1 }}\nshutdown: {{ grace: 0s }}\n\
             upstreams: {{ up: {{ endpoints: [ {{ address: \"{}\" }} ] }} }}\n\
             apis: [ {{ id: a, match: {{ path: / }}, handlers: [ bed: {{}} ], upstream: up }} ]\n",
            upstream.address
        ),
    );
    let bytes = module("testbed-head-only");
    let running = Setup::new(yaml).file("bed.wasm", bytes.clone()).start().await;
    let mut tunnels = Vec::new();
    for number in 1..=3 {
        let mut tunnel = running.connect().await;
        assert_eq!(tunnel.ask(UPGRADE).await.status(), 101);
        tunnels.push(tunnel);
        if number < 3 {
            running.files.write("bed.wasm", another(bytes.clone(), number));
            running.gateway.reload().await.unwrap();
        }
    }
    // One old release may be held, and two were: the first tunnel is gone, and its module with it.
    tunnels.remove(0).closed().await;
    soon(async {
        while versions(&running).await.len() != 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(tunnels);
    running.stop().await;
}
