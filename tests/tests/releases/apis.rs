//! APIs come and go by reload; a call keeps the one that it began with.

use crate::support::{HEAD, Patient, ask};
use paifang_tests::harness::{Running, one_upstream, soon};

fn fixed(ids: &[&str]) -> String {
    let api = |id: &&str| {
        format!(
            "  - {{ id: {id}, match: {{ path: /{id} }}, handlers: [ respond: {{ status: 200, body: {id} }} ] }}\n"
        )
    };
    format!("{HEAD}apis:\n{}", ids.iter().map(api).collect::<String>())
}

#[tokio::test]
async fn a_reload_adds_and_removes_apis_on_open_connections() {
    let running = Running::start(fixed(&["a", "b"])).await;
    let mut client = running.connect().await;
    assert_eq!(client.get("/a").await.text(), "a");
    assert_eq!(client.get("/c").await.status(), 404);
    assert_eq!(running.reload(fixed(&["b", "c"])).await.unwrap(), 2);
    assert_eq!(client.get("/a").await.status(), 404);
    assert_eq!(client.get("/b").await.text(), "b");
    assert_eq!(client.get("/c").await.text(), "c");
    let apis = ask(&running.gateway, "GET", "/v1/apis").await;
    assert_eq!(apis.text().lines().count(), 2, "{}", apis.text());
    running.stop().await;
}

#[tokio::test]
async fn only_what_changed_is_built_anew() {
    let running = Running::start(fixed(&["a", "b", "c"])).await;
    running.files.write("paifang.yaml", fixed(&["a", "b", "c", "d"]));
    let report = ask(&running.gateway, "POST", "/v1/reload").await;
    assert_eq!((report.status, &report.json["apis"]), (200, &4.into()));
    assert_eq!(report.json["apis_built"], 1, "{}", report.text());
    assert!(report.text().contains("+ api d"), "{}", report.text());
    running.stop().await;
}

/// A config in which calls to `/` go upstream and come back with a mark.
fn marked(up: &Patient, mark: &str) -> String {
    let apis = format!(
        "apis: [ {{ id: all, match: {{ path: / }}, upstream: up, handlers: [ headers: {{ response: {{ set: {{ x-mark: {mark} }} }} }} ] }} ]\n"
    );
    one_upstream(up.server.address, &apis)
}

#[tokio::test]
async fn a_call_keeps_the_api_that_it_began_with() {
    let mut up = Patient::start().await;
    let running = Running::start(marked(&up, "one")).await;
    let (mut early, mut late) = (running.connect().await, running.connect().await);
    early.send("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    up.called().await;
    running.reload(marked(&up, "two")).await.unwrap();
    late.send("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    up.called().await;
    up.answer();
    up.answer();
    let (early, late) = (early.answer().await, late.answer().await);
    assert_eq!((early.status(), early.header("x-mark")), (200, Some("one")));
    assert_eq!((late.status(), late.header("x-mark")), (200, Some("two")));
    running.stop().await;
}

#[tokio::test]
async fn a_call_ends_well_although_its_api_and_upstream_are_gone() {
    let mut up = Patient::start().await;
    let running = Running::start(marked(&up, "one")).await;
    let mut client = running.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    up.called().await;
    running.reload(fixed(&["other"])).await.unwrap();
    up.answer();
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text()), (200, "patience"));
    assert_eq!(answer.header("x-mark"), Some("one"));
    // The next call on the same connection sees the new release.
    assert_eq!(client.get("/").await.status(), 404);
    running.stop().await;
}

#[tokio::test]
async fn two_reloads_at_once_come_one_after_the_other() {
    let running = Running::start(fixed(&["a"])).await;
    let (gateway, mut numbers) = (&running.gateway, Vec::new());
    let (one, two, three) =
        soon(async { tokio::join!(gateway.reload(), gateway.reload(), gateway.reload()) }).await;
    numbers.extend([one.unwrap(), two.unwrap(), three.unwrap()]);
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3, 4]);
    let status = ask(gateway, "GET", "/v1/status").await;
    assert_eq!(status.json["release"], 4);
    running.stop().await;
}
