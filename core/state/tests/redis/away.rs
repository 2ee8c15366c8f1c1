//! Servers that are away, slow, full, read-only, locked, or hold something else: what a limit does
//! then, and that it comes back.

use crate::{
    server::RedisServer,
    world::{Gateway, settings, until},
};
use paifang_pipeline::{Secret, ports::WhenAway};
use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// A store at this server with three gateways told, which need not be there.
fn three(server: &RedisServer) -> Gateway {
    let mut settings = settings(&[server.address]);
    settings.gateways = NonZeroU32::new(3);
    Gateway::start(settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn away_from_the_start_each_has_its_share_and_later_the_whole() {
    let mut server = RedisServer::new(&[]);
    let gateway = three(&server);
    gateway.is_down().await;
    let limit = gateway.limit("a", 1, 30);
    let began = Instant::now();
    assert_eq!(limit.passed("x", 20).await, 10, "a third of the burst");
    assert!(began.elapsed() < Duration::from_secs(3), "a third of one more would have come back");
    let open = gateway.limit_when_away("open", 1, 1, WhenAway::Open);
    assert_eq!(open.passed("x", 5).await, 5);
    let closed = gateway.limit_when_away("closed", 1, 1, WhenAway::Closed);
    closed.take("x").await.unwrap_err();
    assert!(gateway.store.read().without >= 26);
    server.run();
    gateway.is_up().await;
    assert_eq!(closed.passed("x", 2).await, 1);
    assert!(limit.take("x").await.unwrap().allowed, "the shared bucket was not touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shares_is_not_guessed() {
    let server = RedisServer::new(&[]);
    let gateway = Gateway::start(settings(&[server.address]));
    gateway.is_down().await;
    let error = gateway.limit("a", 1, 30).take("x").await.unwrap_err();
    assert!(error.to_string().contains("`gateways`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_back_again() {
    let mut server = RedisServer::start(&[]);
    let gateway = three(&server);
    gateway.is_up().await;
    let limit = gateway.limit("a", 1, 30);
    assert_eq!(limit.passed("x", 1).await, 1);
    server.kill();
    // Calls decide without it from the first on; nobody waits for a timeout each.
    let began = Instant::now();
    for call in 0..200 {
        limit.take(&format!("y{call}")).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    gateway.is_down().await;
    assert!(gateway.store.read().trouble.is_some());
    server.run();
    gateway.is_up().await;
    let before = gateway.store.read().without;
    assert_eq!(limit.passed("z", 1).await, 1);
    assert_eq!(gateway.store.read().without, before, "the store decides again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_waited_for_twice_and_no_more() {
    let server = RedisServer::start(&[]);
    let mut slow = settings(&[server.address]);
    slow.command_timeout = Duration::from_millis(200);
    slow.gateways = NonZeroU32::new(3);
    let gateway = Gateway::start(slow);
    gateway.is_up().await;
    let limit = gateway.limit("a", 1, 30);
    assert_eq!(server.cli(&["client", "pause", "600000", "write"]), "OK");
    for call in 0..50 {
        assert!(limit.take(&format!("x{call}")).await.unwrap().allowed);
    }
    // Only commands that were sent before the lane fell can have waited.
    let reading = gateway.store.read();
    assert!(reading.waited <= 3, "{reading:?}");
    gateway.is_down().await;
    assert_eq!(server.cli(&["client", "unpause"]), "OK");
    gateway.is_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_counts_as_away_until_there_is_room() {
    let server = RedisServer::start(&["--maxmemory-policy", "noeviction"]);
    let gateway = three(&server);
    gateway.is_up().await;
    assert_eq!(server.cli(&["config", "set", "maxmemory", "1"]), "OK");
    gateway
        .comes_to("it is full", |store| {
            store.lanes_up == 0 && store.trouble.as_ref().is_some_and(|why| why.contains("OOM"))
        })
        .await;
    assert_eq!(gateway.limit("a", 1, 30).passed("x", 20).await, 10);
    assert_eq!(server.cli(&["config", "set", "maxmemory", "0"]), "OK");
    gateway.is_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_passed_over_for_the_server_that_takes_writes() {
    let (mut master, replica) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let at = master.address;
    replica.cli(&["replicaof", &at.ip().to_string(), &at.port().to_string()]);
    let mut both = settings(&[replica.address, master.address]);
    both.gateways = NonZeroU32::new(3);
    let gateway = Gateway::start(both);
    gateway.is_up().await;
    assert_eq!(gateway.limit("a", 1, 30).passed("x", 2).await, 2);
    master.kill();
    gateway.is_down().await;
    assert_eq!(replica.cli(&["replicaof", "no", "one"]), "OK");
    gateway.is_up().await;
    assert_eq!(gateway.limit("b", 1, 30).passed("x", 2).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_no_reason_to_give_up() {
    let server = RedisServer::start(&["--requirepass", "right"]);
    let mut wrong = settings(&[server.address]);
    wrong.password = Some(Secret::new(b"wrong-password"));
    let gateway = Gateway::start(wrong);
    gateway
        .comes_to("it is refused", |store| {
            store.trouble.as_ref().is_some_and(|why| why.to_lowercase().contains("password"))
        })
        .await;
    let trouble = gateway.store.read().trouble.unwrap();
    assert!(!trouble.contains("wrong-password"), "{trouble}");
    server.cli(&["-a", "right", "config", "set", "requirepass", "wrong-password"]);
    gateway.is_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn something_else_under_a_key_concerns_that_subject_alone() {
    let server = RedisServer::start(&[]);
    let gateway = three(&server);
    gateway.is_up().await;
    let limit = gateway.limit("a", 1, 30);
    assert_eq!(limit.passed("x", 1).await, 1);
    let keys = server.cli(&["keys", "paifang:limit:*"]);
    assert_eq!(keys.lines().count(), 1, "{keys}");
    until("the lease is given back", || {
        let reading = gateway.store.read();
        reading.leased == reading.given_back + 1
    })
    .await;
    for other in [&["rpush", &keys, "x"][..], &["set", &keys, "no number"]] {
        server.cli(&["del", &keys]);
        server.cli(other);
        let before = gateway.store.read().without;
        limit.take("x").await.unwrap();
        assert_eq!(gateway.store.read().without, before + 1, "its share decides");
        assert_eq!(limit.passed("y", 1).await, 1);
        assert_eq!(gateway.store.read().without, before + 1, "the others are counted together");
        assert_eq!(gateway.store.read().lanes_up, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_were_flushed_are_sent_again() {
    let server = RedisServer::start(&[]);
    let gateway = three(&server);
    gateway.is_up().await;
    let limit = gateway.limit("a", 1, 30);
    for subject in ["x", "y", "z"] {
        assert_eq!(server.cli(&["script", "flush"]), "OK");
        assert_eq!(limit.passed(subject, 1).await, 1);
    }
    assert_eq!(gateway.store.read().without, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_queue_holds_is_decided_here() {
    let server = RedisServer::start(&[]);
    let mut short = settings(&[server.address]);
    short.gateways = NonZeroU32::new(3);
    short.queue = 2;
    let gateway = Gateway::start(short);
    gateway.is_up().await;
    let limit = gateway.limit("a", 1, 30);
    assert_eq!(server.cli(&["client", "pause", "300", "write"]), "OK");
    let calls: Vec<_> = (0..50)
        .map(|call| {
            let limit = limit.clone();
            tokio::spawn(async move { limit.take(&format!("x{call}")).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().unwrap().allowed);
    }
    let busy = gateway.store.read().commands[2];
    assert_eq!(busy.0, "busy");
    assert!(busy.1 >= 40, "{busy:?}");
}
