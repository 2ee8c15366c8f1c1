//! How calls are spread.

use super::{config, with_endpoints};
use paifang_tests::harness::{Recorder, Running, Server, soon};

async fn named(name: &'static str) -> Recorder {
    Recorder::replying(move |_| {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()).into_bytes()
    })
    .await
}

#[tokio::test]
async fn calls_go_round_by_weight() {
    let (one, two, none) = (named("one").await, named("two").await, named("none").await);
    let endpoints = format!(
        "{{ address: \"{}\", weight: 3 }}, {{ address: \"{}\" }}, {{ address: \"{}\", weight: 0 }}",
        one.address(),
        two.address(),
        none.address()
    );
    let running = Running::start(with_endpoints(&endpoints, "", "")).await;
    let mut client = running.connect().await;
    for _ in 0..40 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    assert_eq!((one.count(), two.count(), none.count()), (30, 10, 0));
    running.stop().await;
}

#[tokio::test]
async fn servers_that_leave_or_come_by_a_reload_are_left_and_found() {
    let (one, two) = (named("one").await, named("two").await);
    let running = Running::start(config(&[one.address()], "", "")).await;
    let mut client = running.connect().await;
    assert_eq!(client.get("/").await.text(), "one");
    running.reload(config(&[two.address()], "", "")).await.unwrap();
    for _ in 0..4 {
        assert_eq!(client.get("/").await.text(), "two");
    }
    running.reload(config(&[one.address(), two.address()], "", "")).await.unwrap();
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..4 {
        seen.push(client.get("/").await.text().to_owned());
    }
    seen.sort();
    assert_eq!(seen, ["one", "one", "two", "two"]);
    running.stop().await;
}

#[tokio::test]
async fn a_name_stands_for_its_addresses() {
    let upstream = named("by name").await;
    let endpoints = format!("{{ address: \"localhost:{}\" }}", upstream.address().port());
    let running = Running::start(with_endpoints(&endpoints, "", "")).await;
    // The name is asked for in the background; `localhost` may also be `::1`, where nobody listens.
    soon(async {
        let mut client = running.connect().await;
        loop {
            let answer = client.get("/").await;
            if answer.status() == 200 {
                assert_eq!(answer.text(), "by name");
                return;
            }
            assert_eq!((answer.status(), answer.code()), (503, "PF-4000".to_owned()));
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(upstream.last().header("host"), Some("a.example"));
    running.stop().await;
}

#[tokio::test]
async fn the_host_may_be_the_upstreams_own() {
    let upstream = named("x").await;
    let host = "host: internal.example,";
    let running = Running::start(config(&[upstream.address()], host, "")).await;
    running.connect().await.get("/").await;
    assert_eq!(upstream.last().header("host"), Some("internal.example"));
    assert_eq!(upstream.last().header("x-forwarded-host"), Some("a.example"));
    let forward = "forward: { x_forwarded: false, forwarded: true },";
    running.reload(config(&[upstream.address()], forward, "")).await.unwrap();
    running.connect().await.get("/").await;
    assert_eq!(upstream.last().header("x-forwarded-for"), None);
    let forwarded = upstream.last().header("forwarded").unwrap().to_owned();
    assert_eq!(forwarded, "for=127.0.0.1;proto=http;host=\"a.example\"");
    running.stop().await;
}

#[tokio::test]
async fn calls_in_flight_keep_the_upstream_that_they_began_with() {
    let release = std::sync::Arc::new(tokio::sync::Notify::new());
    let asked = std::sync::Arc::new(tokio::sync::Notify::new());
    let hands = (release.clone(), asked.clone());
    let old = Server::start(move |_, mut client| {
        let (release, asked) = hands.clone();
        async move {
            client.request().await.unwrap();
            asked.notify_one();
            release.notified().await;
            client.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold").await;
        }
    })
    .await;
    let new = named("new").await;
    let running = Running::start(config(&[old.address], "", "")).await;
    let mut early = running.connect().await;
    early.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    soon(asked.notified()).await;
    running.reload(config(&[new.address()], "", "")).await.unwrap();
    assert_eq!(running.connect().await.get("/").await.text(), "new");
    release.notify_one();
    assert_eq!(early.answer().await.text(), "old");
    assert_eq!(early.get("/").await.text(), "new", "the connection lives on");
    running.stop().await;
}
