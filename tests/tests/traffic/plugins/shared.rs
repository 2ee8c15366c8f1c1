//! Several gateways with one store: limits and nonces that are one over all of them, with real
//! Redis servers that come, go and fail over.

use super::{super::conformance::Door, APPS, KEY_ONE, KEY_TWO, signature::Signed};
use paifang_tests::{
    harness::{Recorder, RedisCluster, RedisServer, Running, Setup, one_api, soon},
    http::get,
};
use std::{net::SocketAddr, time::Duration};

pub(super) fn config(
    upstream: SocketAddr,
    servers: &[SocketAddr],
    more: &str,
    handlers: &str,
) -> String {
    let servers: Vec<String> = servers.iter().map(|at| format!("\"{at}\"")).collect();
    let servers = servers.join(", ");
    one_api(upstream, handlers)
        + APPS
        + "admin: { address: \"127.0.0.1:0\" }\n"
        + &format!("stores: {{ shared: {{ redis: {{ addresses: [ {servers} ], {more} }} }} }}\n")
}

/// What a replay is refused with.
const REPLAYED: &str = "PF-2014";

async fn start(config: &str) -> Running {
    let setup = Setup::new(config).variable("KEY_ONE", KEY_ONE).variable("KEY_TWO", KEY_TWO);
    setup.start().await
}

/// Waits until the status says this of the store.
pub(crate) async fn status(running: &Running, says: &str) {
    let admin = running.gateway.admin_address().unwrap();
    soon(async {
        loop {
            if get(admin, "/v1/status").await.body.contains(says) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// How many of so many calls, round about over the gateways, have which status.
async fn statuses(gateways: &[Running], calls: usize) -> Vec<(u16, usize)> {
    let mut clients = Vec::new();
    for gateway in gateways {
        clients.push(gateway.connect().await);
    }
    let mut seen = std::collections::BTreeMap::new();
    for call in 0..calls {
        let turn = call % clients.len();
        *seen.entry(clients[turn].get("/").await.status()).or_insert(0) += 1;
    }
    seen.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_one_over_three_gateways_and_survives_each_of_them() {
    let server = RedisServer::start(&[]);
    let upstream = Recorder::start().await;
    let handlers = "[ throttle: { rate: 10/h, by: api, store: shared } ]";
    let config = config(upstream.address(), &[server.address], "command_timeout: 5s", handlers);
    let gateways = [start(&config).await, start(&config).await, start(&config).await];
    for gateway in &gateways {
        status(gateway, "store shared: up, shared by 3 gateways").await;
    }
    assert_eq!(statuses(&gateways, 30).await, [(200, 10), (429, 20)]);
    assert_eq!(upstream.count(), 10);
    // A reload that keeps the step keeps the store; a new gateway finds what is used up.
    let changed = config.replace("id: all,", "id: all, timeout: 29s,");
    gateways[0].reload(changed).await.unwrap();
    let late = [start(&config).await];
    assert_eq!(statuses(&gateways[..1], 3).await, [(429, 3)]);
    assert_eq!(statuses(&late, 3).await, [(429, 3)]);
    let [one, two, three] = gateways;
    let [late] = late;
    for gateway in [one, two, three, late] {
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_is_let_in_by_one_gateway_once() {
    let mut server = RedisServer::start(&[]);
    let upstream = Recorder::start().await;
    let handlers = "[ signature: { store: shared } ]";
    let config = config(upstream.address(), &[server.address], "command_timeout: 5s", handlers);
    let (one, two) = (start(&config).await, start(&config).await);
    let door = Door::ALL[0];
    let first = Signed::post("a").ask();
    assert_eq!(door.ask(one.address(), &first).await.status, 200);
    let replayed = door.ask(two.address(), &first).await;
    assert_eq!((replayed.status, replayed.code()), (401, REPLAYED.to_owned()));
    // Without the store nothing that is signed comes in, and the gateways know it.
    server.kill();
    let second = Signed::post("b").ask();
    assert_eq!(door.ask(two.address(), &second).await.status, 503);
    status(&two, "store shared: AWAY").await;
    assert_eq!(door.ask(two.address(), &second).await.status, 503);
    server.run();
    status(&two, "store shared: up").await;
    assert_eq!(door.ask(two.address(), &second).await.status, 200, "the same one, at last");
    assert_eq!(upstream.count(), 2);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_fails_no_start_and_each_step_does_what_it_says() {
    let mut server = RedisServer::new(&[]);
    let upstream = Recorder::start().await;
    for (rule, calls) in [
        ("local_share", [(200, 10), (429, 5)].as_slice()),
        ("open", &[(200, 15)]),
        ("closed", &[(503, 15)]),
    ] {
        let handlers = format!(
            "[ throttle: {{ rate: 30/h, by: api, store: shared, on_store_failure: {rule} }} ]"
        );
        let config = config(upstream.address(), &[server.address], "gateways: 3", &handlers);
        let running = start(&config).await;
        status(&running, "store shared: AWAY, shared by 3 gateways").await;
        assert_eq!(statuses(&[running], 15).await, calls, "{rule}");
    }
    let handlers = "[ throttle: { rate: 4/h, by: api, store: shared } ]";
    let config = config(upstream.address(), &[server.address], "gateways: 3", handlers);
    let running = start(&config).await;
    status(&running, "AWAY").await;
    server.run();
    status(&running, "store shared: up").await;
    let metrics = get(running.gateway.admin_address().unwrap(), "/metrics").await.body;
    assert!(metrics.contains("paifang_store_up{store=\"shared\"} 1"), "{metrics}");
    assert_eq!(statuses(&[running], 6).await, [(200, 4), (429, 2)], "the whole limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_whose_master_dies_goes_on_within_its_bounds() {
    let mut cluster = RedisCluster::start();
    let servers: Vec<SocketAddr> = cluster.servers.iter().map(|server| server.address).collect();
    let upstream = Recorder::start().await;
    let handlers = "[ throttle: { rate: 30/h, by: { header: x-user }, store: shared } ]";
    let more = "cluster: true, command_timeout: 1s";
    let config = config(upstream.address(), &servers, more, handlers);
    let gateways = [start(&config).await, start(&config).await, start(&config).await];
    for gateway in &gateways {
        status(gateway, "store shared: up, shared by 3 gateways").await;
    }
    let mut passed = [0; 12];
    let mut clients = Vec::new();
    for gateway in &gateways {
        clients.push(gateway.connect().await);
    }
    let round = async |passed: &mut [usize; 12],
                       clients: &mut Vec<paifang_tests::harness::Client>| {
        for call in 0..20 {
            for (user, passed) in passed.iter_mut().enumerate() {
                let client = &mut clients[(call + user) % 3];
                let request = format!("GET / HTTP/1.1\r\nhost: a\r\nx-user: {user}\r\n\r\n");
                match client.ask(request).await.status() {
                    200 => *passed += 1,
                    status => assert_eq!(status, 429, "user {user}"),
                }
            }
        }
    };
    round(&mut passed, &mut clients).await;
    assert_eq!(passed, [20; 12], "below the burst all pass");
    let dead = cluster.masters()[0];
    cluster.servers[dead].kill();
    for gateway in &gateways {
        status(gateway, "PARTLY AWAY").await;
    }
    round(&mut passed, &mut clients).await;
    for gateway in &gateways {
        status(gateway, "store shared: up").await;
    }
    round(&mut passed, &mut clients).await;
    // Users of the masters that live have their burst and no more; those of the dead one have a
    // burst's worth of shares on top, and what was not handed on to the replica; or less by what was
    // leased when it died, a quarter of the burst at most, which could not be given back.
    assert!(passed.iter().all(|user| (30 - 30 / 4..=90).contains(user)), "{passed:?}");
    assert!(passed.iter().filter(|user| **user == 30).count() >= 3, "{passed:?}");
    drop(clients);
    for gateway in gateways {
        gateway.stop().await;
    }
}
