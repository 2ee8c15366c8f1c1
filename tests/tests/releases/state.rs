//! What a reload leaves alone goes on: pools, counters. What it changes begins anew, and says so.

use crate::support::{HEAD, ask};
use paifang_tests::harness::{Recorder, Running, until};

fn pooled(up: &Recorder, upstream: &str, mark: &str) -> String {
    let address = up.address();
    format!(
        "{HEAD}upstreams: {{ up: {{ endpoints: [ {{ address: \"{address}\" }} ]{upstream} }} }}
apis: [ {{ id: all, match: {{ path: / }}, upstream: up, handlers: [ headers: {{ response: {{ set: {{ x-mark: {mark} }} }} }} ] }} ]\n"
    )
}

#[tokio::test]
async fn an_upstream_that_did_not_change_keeps_its_connections() {
    let up = Recorder::start().await;
    let running = Running::start(pooled(&up, "", "one")).await;
    let mut client = running.connect().await;
    assert_eq!(client.get("/").await.status(), 200);
    running.reload(pooled(&up, "", "two")).await.unwrap();
    let answer = client.get("/").await;
    assert_eq!(answer.header("x-mark"), Some("two"));
    assert_eq!((up.count(), up.server.connections()), (2, 1));

    let changed = pooled(&up, ", timeouts: { connect: 7s }", "two");
    running.reload(changed).await.unwrap();
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(up.server.connections(), 2, "another upstream has connections of its own");
    let told = ask(&running.gateway, "GET", "/v1/upstreams").await;
    assert_eq!(told.json["items"][0]["idle_connections"], 1, "{}", told.json);
    running.stop().await;
}

fn limited(rate: &str, extra: &str) -> String {
    format!(
        "{HEAD}apis:\n  - {{ id: hello, match: {{ path: / }}, handlers: [ throttle: {{ rate: {rate}, burst: 2, by: api }}, respond: {{ status: 204 }} ] }}\n{extra}"
    )
}

#[tokio::test]
async fn counters_survive_reloads_and_begin_anew_visibly_when_the_rate_changes() {
    let running = Running::start(limited("1/h", "")).await;
    let mut client = running.connect().await;
    let mut statuses = async |count: usize| {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(client.get("/").await.status());
        }
        all
    };
    assert_eq!(statuses(3).await, [204, 204, 429]);
    let more = "  - { id: more, match: { path: /more }, handlers: [ respond: { status: 204 } ] }\n";
    running.reload(limited("1/h", more)).await.unwrap();
    assert_eq!(statuses(1).await, [429], "a reload is no way around a limit");

    running.files.write("paifang.yaml", limited("2/h", more));
    let diff = ask(&running.gateway, "GET", "/v1/diff").await;
    assert_eq!(diff.status, 200);
    let begins = "begins anew (step throttle of hello)";
    assert!(diff.text().contains("rate: 1/h -> 2/h"), "{}", diff.text());
    assert!(diff.text().contains(begins), "{}", diff.text());
    assert_eq!(statuses(1).await, [429], "asking for the difference changes nothing");
    let report = ask(&running.gateway, "POST", "/v1/reload").await;
    assert!(report.text().contains(begins), "{}", report.text());
    assert_eq!(statuses(3).await, [204, 204, 429]);
    running.stop().await;
}

#[tokio::test]
async fn a_refused_release_does_not_touch_counters() {
    let running = Running::start(limited("1/h", "")).await;
    let mut client = running.connect().await;
    assert_eq!(client.get("/").await.status(), 204);
    assert_eq!(client.get("/").await.status(), 204);
    running.reload(limited("5/h", "  - { id: broken }\n")).await.unwrap_err();
    assert_eq!(client.get("/").await.status(), 429);
    running.stop().await;
}

#[tokio::test]
async fn an_upstream_that_left_the_config_lets_go_of_its_connections() {
    let (tell, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let server = paifang_tests::harness::Server::start(move |_, mut client| {
        let tell = tell.clone();
        async move {
            while client.request().await.is_some() {
                client.send("HTTP/1.1 204 No Content\r\n\r\n").await;
            }
            tell.send(()).unwrap();
        }
    })
    .await;
    let config = paifang_tests::harness::one_api(server.address, "[]");
    let running = Running::start(config).await;
    assert_eq!(running.connect().await.get("/").await.status(), 204);
    running.reload(limited("1/h", "")).await.unwrap();
    let mut ended = false;
    until(|| {
        ended |= ends.try_recv().is_ok();
        ended
    })
    .await;
    running.stop().await;
}
