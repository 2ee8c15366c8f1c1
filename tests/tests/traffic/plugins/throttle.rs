//! `throttle`: rates that outlive reloads, and places in flight that come back.

use super::super::conformance::Door;
use paifang_tests::harness::{Ask, Client, H2, Recorder, Running, Server, one_api, soon, until};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use tokio::sync::Notify;

fn config(upstream: std::net::SocketAddr, throttle: &str) -> String {
    one_api(upstream, &format!("[ throttle: {throttle} ]"))
}

#[tokio::test]
async fn beyond_the_rate_calls_are_refused_and_told_when_to_come_again() {
    let upstream = Recorder::start().await;
    let running =
        Running::start(config(upstream.address(), "{ rate: 6/h, burst: 3, headers: always }"))
            .await;
    let mut client = running.connect().await;
    for left in ["2", "1", "0"] {
        let answer = client.get("/").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"throttle\";q=3;w=1800"));
        let limit = answer.header("ratelimit").unwrap();
        assert!(limit.starts_with(&format!("\"throttle\";r={left};t=")), "{limit}");
    }
    for door in Door::ALL {
        let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
        assert_eq!((reply.status, reply.code()), (429, "PF-3000".to_owned()));
        // One call in ten minutes, less what has passed since.
        let wait: u32 = reply.header("retry-after").parse().unwrap();
        assert!((480..=600).contains(&wait), "{wait}");
    }
    assert_eq!(upstream.count(), 3);
    running.stop().await;
}

#[tokio::test]
async fn counters_outlive_reloads_that_keep_them() {
    let upstream = Recorder::start().await;
    let limit = "{ rate: 2/h }";
    let running = Running::start(config(upstream.address(), limit)).await;
    let mut client = running.connect().await;
    assert_eq!(client.get("/").await.status(), 200);
    // Something else changes; the step stays as it is.
    let other = config(upstream.address(), limit).replace("id: all,", "id: all, timeout: 29s,");
    let release = running.reload(other.clone()).await.unwrap();
    assert!(release > 1);
    assert_eq!(client.get("/").await.status(), 200);
    running.reload(config(upstream.address(), limit)).await.unwrap();
    assert_eq!(client.get("/").await.status(), 429);
    // A refused release changes nothing.
    running.reload("version: 1\nlisteners: none").await.unwrap_err();
    assert_eq!(client.get("/").await.status(), 429);
    // Another limit begins anew.
    running.reload(config(upstream.address(), "{ rate: 3/h }")).await.unwrap();
    assert_eq!(client.get("/").await.status(), 200);
    running.stop().await;
}

#[tokio::test]
async fn subjects_do_not_share_what_is_theirs() {
    let upstream = Recorder::start().await;
    let by = "{ rate: 1/h, by: [ client_ip, { header: x-device } ] }";
    let running = Running::start(config(upstream.address(), by)).await;
    let from = async |ip: &str, device: &str| {
        let mut client = paifang_tests::harness::connect_from(ip, running.address()).await;
        client
            .ask(format!("GET / HTTP/1.1\r\nhost: a\r\nx-device: {device}\r\n\r\n"))
            .await
            .status()
    };
    assert_eq!(from("127.0.0.1", "a").await, 200);
    assert_eq!(from("127.0.0.1", "a").await, 429);
    assert_eq!(from("127.0.0.1", "b").await, 200);
    assert_eq!(from("127.0.0.2", "a").await, 200);
    assert_eq!(from("127.0.0.2", "a").await, 429);
    running.stop().await;
}

/// An upstream that answers when it is told to, and how many calls it has.
async fn held() -> (Server, Arc<AtomicUsize>, Arc<Notify>) {
    let (here, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let hands = (Arc::clone(&here), Arc::clone(&release));
    let server = Server::start(move |_, mut client| {
        let (here, release) = (Arc::clone(&hands.0), Arc::clone(&hands.1));
        async move {
            while client.request().await.is_some() {
                here.fetch_add(1, SeqCst);
                release.notified().await;
                if client.try_send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err()
                {
                    return;
                }
            }
        }
    })
    .await;
    (server, here, release)
}

#[tokio::test]
async fn places_in_flight_come_back_when_calls_end_or_clients_go() {
    let (upstream, here, release) = held().await;
    let running = Running::start(config(upstream.address, "{ concurrency: 2, by: api }")).await;
    let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut one = running.connect().await;
    one.send(get).await;
    let connection = H2::connect(running.address()).await;
    let mut sender = soon(connection.sender.clone().ready()).await.unwrap();
    let (response, mut two) = sender.send_request(Ask::new("GET", "/").to_head(), true).unwrap();
    until(|| here.load(SeqCst) == 2).await;
    for door in Door::ALL {
        let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
        assert_eq!((reply.status, reply.code()), (429, "PF-3001".to_owned()), "{door:?}");
        assert_ne!(reply.header("retry-after"), "");
    }
    assert_eq!(here.load(SeqCst), 2);
    // Two clients go, each through its own door: both places are free again.
    one.reset();
    two.send_reset(h2::Reason::CANCEL);
    drop(response);
    let mut clients: Vec<Client> = Vec::new();
    for place in 1..=2 {
        let mut client = running.connect().await;
        soon(async {
            loop {
                client.send(get).await;
                let answered = tokio::select! {
                    answer = client.answer() => answer.status(),
                    () = until(|| here.load(SeqCst) == 2 + place) => return,
                };
                assert_eq!(answered, 429);
            }
        })
        .await;
        clients.push(client);
    }
    // And a call that ends gives its place back.
    release.notify_waiters();
    for mut client in clients {
        assert_eq!(client.answer().await.status(), 200);
    }
    let mut last = running.connect().await;
    last.send(get).await;
    until(|| here.load(SeqCst) == 5).await;
    release.notify_one();
    assert_eq!(last.answer().await.status(), 200);
    running.stop().await;
}
